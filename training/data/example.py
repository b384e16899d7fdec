"""One conversation of the generator, and the builder that skills write it with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any


@dataclass(frozen=True)
class Example:
    """A conversation with targets.

    Attributes:
        skill: The skill it was drawn for, one of `training.data.SKILLS`.
        messages: Dicts as `ds4_core.chat.encoding.render_text` takes them; assistant turns with "train": True are
            targets.
        tools: Tools that the prompt lists, in OpenAI's form.
        response_format: JSON schema that the prompt shows.
        thinking: Whether the targets think first.
        effort: How much, if they do: None, "low" or "high".
        check: Held-out examples only: what `training.evaluate` needs to judge an answer in place of the last message.
    """

    skill: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    thinking: bool = False
    effort: str | None = None
    check: dict[str, Any] | None = None


Call = tuple[str, dict[str, Any]]
OBSERVATION = "Observation: "  # what LlamaIndex's ReAct agent writes before a result


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """A call as people write it in a thought."""
    return f"{name}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in arguments.items())})"


@dataclass
class Chat:
    """A conversation in the making. Thoughts are kept only where the example thinks."""

    thinking: bool = False
    effort: str | None = None
    tools: list[dict[str, Any]] | None = None
    response_format: dict[str, Any] | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    check: dict[str, Any] = field(default_factory=dict)
    _n_calls: int = 0

    def system(self, text: str) -> None:
        """A system message; an empty text is none."""
        if text:
            self.messages.append({"role": "system", "content": text})

    def user(self, text: str) -> None:
        """What the user says."""
        self.messages.append({"role": "user", "content": text})

    def answer(self, text: str, thought: str = "", *, train: bool = True, **check: Any) -> None:
        """The assistant's text. `check` says how an answer in its place is judged; exact text unless it says more.

        After results it is judged by what it says of them.
        """
        if results := self._newest_results():
            asked = next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")
            check = {"results": results, "asked": asked, **check}
        self._assistant(text, thought, (), train)
        self.check = {"kind": "text", "expected": text, **check}

    def _newest_results(self) -> list[str]:
        """What tools have returned since the last turn, in messages of their own or as an agent's observation."""
        newest = self.messages[-1:]
        if newest and newest[0]["role"] == "user" and newest[0]["content"].startswith(OBSERVATION):
            return [newest[0]["content"].removeprefix(OBSERVATION)]
        returned = takewhile(lambda message: message["role"] == "tool", reversed(self.messages))
        return [message["content"] for message in returned][::-1]

    def calls(self, calls: Sequence[Call], *, text: str = "", train: bool = True, **check: Any) -> None:
        """The assistant's calls, as pairs of a tool's name and its arguments.

        What is thought before is always the same words: of several openings the likeliest would win, not what is right.
        """
        thought = f"I call {'; '.join(call_text(*call) for call in calls)}." if self.thinking else ""
        self._assistant(text, thought, calls, train)
        self.check = {"kind": "calls", "expected": [list(call) for call in calls], **check}

    def result(self, text: str, which: int = 0) -> None:
        """The result of the `which`-th of the newest calls."""
        newest = next(m for m in reversed(self.messages) if m.get("tool_calls"))
        self.messages.append({"role": "tool", "content": text, "tool_call_id": newest["tool_calls"][which]["id"]})

    def _assistant(self, text: str, thought: str, calls: Sequence[Call], train: bool) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": text, "train": train}
        if self.thinking and thought:
            message["reasoning"] = thought
        if calls:
            message["tool_calls"] = []
            for name, arguments in calls:
                self._n_calls += 1
                function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
                message["tool_calls"].append({"id": f"call_{self._n_calls}", "type": "function", "function": function})
        self.messages.append(message)

    def example(self, skill: str, *, heldout: bool) -> Example:
        """The finished conversation; in held-out ones the last message is the only target."""
        if heldout:
            for message in self.messages[:-1]:
                message.pop("train", None)
        return Example(
            skill,
            self.messages,
            self.tools or None,
            self.response_format,
            self.thinking,
            self.effort if self.thinking else None,
            self.check if heldout else None,
        )

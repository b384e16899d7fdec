"""The ReAct format of LlamaIndex's ReActAgent: thoughts, actions and answers as plain text."""

from __future__ import annotations

import json

from training.data.example import OBSERVATION, Chat, Example
from training.data.parameters import Tool
from training.data.results import Result, any_result
from training.data.skills.openings import chat_for
from training.data.skills.react_format import ENOUGH, NEED, UNABLE, action, header, past_action
from training.data.skills.talk import exchange
from training.data.skills.written_no_tool import plain_words
from training.data.toolmaking import Listing, any_tool, lowered, several_tools
from training.data.words import Phrases, Words, capitalized, ended
from training.data.written_tools import follow_up, tool_result, without_end, written_tool

_THEN = Phrases(
    "{A}, and then {b}.",
    "{A}. After that, {b}.",
    "First {a}, then {b}.",
    "{A} and {b}",
    "{A}; {b} afterwards, please.",
    "{A}. Once that's done, {b}.",
    "Two things: {a}, and {b}.",
    "{A}, next {b}.",
    "Please {a} and also {b}.",
    "{A}! And {b}!",
)
_BOTH = Phrases(
    "{r} {s}",
    "{r}\n{s}",
    "{r} And then: {s}",
    "{r} After that: {s}",
    "Two things. {r} {s}",
    "1. {r}\n2. {s}",
    "{r} One more thing: {s}",
    "{r} Also: {s}",
)
_NO_TOOL = Phrases(
    "I cannot do that with the tools I have.",
    "I have no tool for that.",
    "Sorry, none of my tools can do that.",
    "My tools do not allow that.",
    "I am not able to do that with my tools.",
)


def _tools(w: Words) -> list[Tool]:
    """The tools of an agent, each with a request: mostly hand-written ones."""
    n = w.pick((1, 1, 2, 2, 3, 4))
    if not w.chance(0.7):
        return several_tools(w, n, any_tool(w))
    tools: dict[str, Tool] = {}
    topics: set[str] = set()
    for _ in range(4 * n):
        tool = any_tool(w) if tools and w.chance(0.12) else written_tool(w)
        if tool.name not in tools and tool.topic not in topics:
            tools[tool.name] = tool
            topics.add(tool.topic)
        if len(tools) == n:
            break
    return list(tools.values())


def _request(w: Words, tools: list[Tool]) -> str:
    """What the user wants: what one tool does, or two."""
    if len(tools) == 1:
        return tools[0].request
    first, second = (ended(tool.request) for tool in tools)
    if "?" in first[-3:] + second[-3:] or w.chance(0.25):
        return w.say(_BOTH, r=first, s=second)
    a, b = (tool.short or without_end(lowered(tool.request), tool.arguments) for tool in tools)
    return w.say(_THEN, a=a, A=capitalized(a), b=b)


class _Turn:
    """One turn of the user: the steps that follow, as the agent shows them while the turn lasts and later."""

    def __init__(self, w: Words, chat: Chat, request: str, *, past: bool) -> None:
        self._w, self._chat, self._past = w, chat, past
        self._steps: list[str] = []
        chat.user(request)

    def call(self, tool: Tool, *, last: bool = False) -> None:
        """The step that calls a tool; one that is not the last may stand there as later prompts show it."""
        self._steps.append(past_action(tool))
        if self._past:
            return
        if not last and self._w.chance(0.5):
            # What later prompts show is not what is to be written: then it is no target.
            self._chat.answer(past_action(tool), train=past_action(tool) == action(tool))
        else:
            self._chat.answer(action(tool), kind="react")

    def observe(self, text: str) -> None:
        """What the tool returned."""
        self._steps.append(f"{OBSERVATION}{text}")
        if not self._past:
            self._chat.user(self._steps[-1])

    def end(self, answer: str, thought: str = ENOUGH) -> None:
        """The answer; of a past turn the whole of it in one message."""
        self._steps.append(f"{thought}\nAnswer: {answer}")
        if self._past:
            self._chat.answer("\n".join(self._steps), train=len(self._steps) == 1)
        else:
            self._chat.answer(self._steps[-1], kind="react")


def _result(w: Words, tool: Tool) -> Result:
    return tool_result(w, tool) if tool.extra.get("line") is not None else any_result(w)


def _work(w: Words, chat: Chat, used: list[Tool], request: str, *, past: bool, whole: bool) -> None:
    """A turn with one tool or two; unless it must be whole, it may end with a call."""
    turn = _Turn(w, chat, request, past=past)
    stop = len(used) if whole else w.pick((0, 0, *range(1, len(used)), len(used)))
    answers: list[str] = []
    for at, tool in enumerate(used):
        turn.call(tool, last=at == stop)
        if at == stop:
            return
        result = _result(w, tool)
        turn.observe(result.text)
        answers.append(result.answer)
    turn.end(" ".join(answer if answer[-1:] in ".!?" or len(answers) == 1 else f"{answer}." for answer in answers))


def _talk(w: Words, chat: Chat, tools: list[Tool], *, past: bool) -> None:
    """Turns that need no tool."""
    spoken = None
    if w.chance(0.5):
        spoken = plain_words(w, tools, json.dumps(Listing(w).specs(tools), ensure_ascii=False).lower())
    if spoken is None:
        user, answer, *_ = exchange(w, offered=chat.messages[0]["content"].lower())
        spoken = [user, answer]
    for said, replied in zip(spoken[::2], spoken[1::2], strict=True):
        turn = _Turn(w, chat, said, past=past)
        turn.end(replied)


def _beyond(w: Words, chat: Chat, tools: list[Tool]) -> bool:
    """A request that none of the tools is for; whether one was found."""
    other = written_tool(w)
    if any(other.topic == tool.topic or other.name == tool.name for tool in tools):
        return False
    turn = _Turn(w, chat, other.request, past=False)
    turn.end(w.say(_NO_TOOL), UNABLE)
    return True


def react(w: Words) -> Example:
    """Steps of the agent: actions, answers after observations, and answers at once."""
    chat = chat_for(w, share=0.0)
    tools = w.shuffled(_tools(w))
    chat.system(header(w, tools))
    fresh = w.shuffled(tools)
    before = w.pick((0, 0, 0, 1, 1, 2, 3)) if not w.heldout else w.pick((0, 0, 0, 1))
    newest: Tool | None = None
    for _ in range(before):
        past = w.heldout or w.chance(0.45)
        if len(fresh) > 1 and w.chance(0.7):
            newest = fresh.pop()
            _work(w, chat, [newest], newest.request, past=past, whole=True)
        else:
            _talk(w, chat, tools, past=past)
    x = w.rng.random()
    if x < 0.2:
        _talk(w, chat, tools, past=False)
    elif not w.heldout and x < 0.23 and _beyond(w, chat, tools):
        pass
    elif newest is not None and x < 0.5 and (again := follow_up(w, newest)) is not None:
        _work(w, chat, [again], again.request, past=False, whole=False)
    else:
        used = [fresh.pop()]
        if fresh and w.chance(0.3):
            used.append(fresh.pop())
        _work(w, chat, used, _request(w, used), past=False, whole=False)
    while not w.heldout and fresh and not chat.messages[-1]["content"].startswith(NEED) and w.chance(0.6):
        # The long system message is worth another request.
        tool = fresh.pop()
        _work(w, chat, [tool], tool.request, past=False, whole=w.chance(0.5))
    return chat.example("react", heldout=w.heldout)

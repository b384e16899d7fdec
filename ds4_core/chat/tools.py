"""Tools: what a request may call, how a prompt lists them, and how it shows the calls of earlier turns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ds4_core.chat.messages import ToolCall, convert_each, to_json
from ds4_core.chat.protocol import TOOLS_HEAD, TOOLS_TAIL, Segment, Special, template
from ds4_core.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call.

    Attributes:
        name: What the model calls it.
        description: What it is for.
        parameters: JSON schema of its arguments, an object; {} when none was given.
        text: The JSON object that a prompt lists it as, with every key it was given.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    text: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for what, kind in (("name", str), ("description", str), ("parameters", dict), ("text", str)):
            if not isinstance(getattr(self, what), kind):
                raise InvalidRequestError(
                    f"the {what} of a tool is {getattr(self, what)!r:.80}: it must be a {kind.__name__}"
                )
        # The name is an attribute of a tag, which knows no escapes.
        if not self.name or any(char in '"<>' or not char.isprintable() for char in self.name):
            raise InvalidRequestError(
                f'a tool has the name {self.name!r:.80}: it must have at least one character, and no quotes, "<", ">" '
                "or control characters"
            )
        if not self.text:
            function = {"name": self.name, "description": self.description, "parameters": self.parameters}
            object.__setattr__(self, "text", to_json(function, f"tool {self.name!r}"))


def as_tool(tool: Tool | Mapping[str, Any]) -> Tool:
    """A tool from the usual dict form; a Tool is returned as it is.

    Args:
        tool: {"type": "function", "function": {"name": ..., "description": ..., "parameters": ...}}, or the inner
            object alone. Other keys of the inner object are shown to the model as they are.

    Raises:
        InvalidRequestError: Another shape or type; a name the encoding can not hold; what JSON can not hold.
    """
    if isinstance(tool, Tool):
        return tool
    kind = tool.get("type", "function") if isinstance(tool, Mapping) else None
    if kind != "function":
        what = f"of type {kind!r:.80}" if isinstance(tool, Mapping) else f"{tool!r:.80}"
        raise InvalidRequestError(
            f"a tool is {what}: it must be a Tool or a dict with type 'function' and function; tools that a service "
            "runs itself do not exist here"
        )
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or "name" not in function:
        raise InvalidRequestError(f"a tool is {tool!r:.80}: its function must be a dict with a name")
    # Written and read back, so that a later change of the caller's dict changes nothing here.
    text = to_json(function, f"tool {function['name']!r:.80}")
    copy = json.loads(text)
    parameters = copy.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidRequestError(
            f"tool {copy['name']!r:.80} has the parameters {parameters!r:.80}: they must be a JSON schema, a dict"
        )
    description = copy.get("description")
    return Tool(copy["name"], "" if description is None else description, parameters or {}, text)


def as_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """`as_tool` of each; None is no tools.

    Raises:
        InvalidRequestError: As there, with the number of the tool; two tools of the same name.
    """
    if tools is None:
        return ()
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Iterable):
        raise InvalidRequestError(f"tools={tools!r:.80}: it must be a list of tools")
    converted: dict[str, Tool] = {}
    for index, tool in enumerate(convert_each("tools", tools, as_tool)):
        if tool.name in converted:
            raise InvalidRequestError(f"tools[{index}] has the name {tool.name!r} of another tool; rename one of them")
        converted[tool.name] = tool
    return tuple(converted.values())


#: Choices that name no tool, in the words of all providers.
_CHOICES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def choice_of(given: Any, tools: Sequence[Tool]) -> str:
    """Which tools a request wants called: "auto", "none", "required", or "=" and a name.

    Args:
        given: "auto" (text, or calls; with a response format that, or calls), "none", "required" or "any", the name of
            a tool, or a dict: {"type": "function", "function": {"name": ...}}, {"type": "tool", "name": ...} or
            {"type": "any"}; None is "auto".
        tools: Those of the request.

    Raises:
        InvalidRequestError: It is none of these, or no tool of the request.
    """
    if given is None:
        return "auto"
    name, word = given, _CHOICES.get(given) if isinstance(given, str) else None
    if isinstance(given, Mapping):
        function = given.get("function")
        name = function.get("name") if isinstance(function, Mapping) else given.get("name")
        word = _CHOICES.get(str(given.get("type"))) if name is None else None
    if word is None and not isinstance(name, str):
        raise InvalidRequestError(
            f"tool_choice={given!r:.80}: it must be auto, none, required, any or the name of a tool"
        )
    if word == "required" and not tools:
        raise InvalidRequestError(f"tool_choice={given!r}, and the request has no tools")
    if word is None and all(tool.name != name for tool in tools):
        names = ", ".join(tool.name for tool in tools) or "none"
        raise InvalidRequestError(f"tool_choice={given!r:.80} is no tool of the request; its tools: {names}")
    return word or f"={name}"


def tools_section(tools: Iterable[Tool]) -> list[Segment]:
    """What a prompt says about tools: how to call them, and the schema of each on a line of its own."""
    return [*template(TOOLS_HEAD), "\n".join(tool.text for tool in tools), *template(TOOLS_TAIL)]


def calls_block(calls: Iterable[ToolCall]) -> list[Segment]:
    """The calls of an assistant message, as the model writes them."""
    out: list[Segment] = ["\n\n", *_tag("tool_calls>\n")]
    for number, call in enumerate(calls):
        out += ["\n" if number else "", *_tag(f'invoke name="{call.name}">\n')]
        for index, (name, value) in enumerate(parameters(call).items()):
            is_text = isinstance(value, str)
            out += ["\n" if index else "", *_tag(f'parameter name="{name}" string="{str(is_text).lower()}">')]
            out += [value if is_text else json.dumps(value, ensure_ascii=False), *_tag("parameter>", close=True)]
        out += ["\n", *_tag("invoke>", close=True)]
    return [*out, "\n", *_tag("tool_calls>", close=True)]


def _tag(rest: str, *, close: bool = False) -> list[Segment]:
    return ["</" if close else "<", Special.DSML, rest]


def parameters(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call by name; text that is no JSON object is one argument called "arguments"."""
    try:
        values = json.loads(call.arguments)
    except (ValueError, RecursionError):
        values = None
    return values if isinstance(values, dict) else {"arguments": call.arguments}

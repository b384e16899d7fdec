"""Messages of a conversation, and the usual dict form they come in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from ds4_core.errors import InvalidRequestError

A = TypeVar("A")
B = TypeVar("B")

Role = Literal["system", "developer", "user", "assistant", "tool", "latest_reminder"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that an assistant message makes.

    Attributes:
        name: The tool's name; "" for a call of an earlier turn whose name could not be read.
        arguments: A JSON object as text. Anything else (a call the model got wrong) is shown to the model as it is, as
            a parameter called "arguments".
        id: What the result of the call refers to; "" when nothing does.

    Raises:
        InvalidRequestError: One of them is no str.
    """

    name: str
    arguments: str = "{}"
    id: str = ""

    def __post_init__(self) -> None:
        for what in ("name", "arguments", "id"):
            if not isinstance(getattr(self, what), str):
                raise InvalidRequestError(f"the {what} of a tool call is {getattr(self, what)!r:.80}: it must be a str")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks, one of `ROLES`. "tool" is the result of a tool call.
        content: The text.
        reasoning: The thinking that led to an assistant message. Kept beside the text; the encoding decides whether a
            later prompt shows it.
        tool_calls: The calls that an assistant message makes, after its text.
        tool_call_id: The `ToolCall.id` that a tool's result answers; "" leaves results in the order they are given.
        raw: The tokens of an assistant message as the model sampled them, from after the tag that opened its turn.
            They take the place of the fields above, while both say the same, wherever a prompt shows the whole turn.

    Raises:
        InvalidRequestError: An unknown role, a text that is no str, or a field that messages of this role do not have.
    """

    role: Role
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    raw: tuple[int, ...] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InvalidRequestError(f"unknown message role {self.role!r}; known roles: {', '.join(ROLES)}")
        for name in ("content", "reasoning", "tool_call_id"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidRequestError(
                    f"the {name} of a message with role {self.role!r} is {value!r:.80}: it must be a str"
                )
        calls = self.tool_calls
        if not isinstance(calls, tuple | list) or not all(isinstance(call, ToolCall) for call in calls):
            raise InvalidRequestError(
                f"the tool_calls of a message are {calls!r:.80}: they must be a tuple of ToolCall; as_message makes "
                "them of dicts"
            )
        object.__setattr__(self, "tool_calls", tuple(calls))
        if self.raw is not None:
            object.__setattr__(self, "raw", _token_ids(self.raw))
        for name, owner in _OWNERS.items():
            if self.role != owner and getattr(self, name):
                raise InvalidRequestError(f"a message with role {self.role!r} has {name}; only role {owner!r} has it")


_OWNERS = {"reasoning": "assistant", "tool_calls": "assistant", "raw": "assistant", "tool_call_id": "tool"}


def _token_ids(raw: Any) -> tuple[int, ...]:
    if not isinstance(raw, tuple | list) or not all(type(token) is int and 0 <= token < 2**31 for token in raw):
        raise InvalidRequestError(f"the raw tokens of a message are {raw!r:.80}: they must be a tuple of token ids")
    return tuple(raw)


_MESSAGE_KEYS = ("role", "content", "reasoning", "reasoning_content", "tool_calls", "tool_call_id", "raw")


def as_message(message: Message | Mapping[str, Any]) -> Message:
    """A message from the usual dict form; a Message is returned as it is.

    Args:
        message: With "role" and "content"; "reasoning", also known as "reasoning_content", holds the thinking,
            "tool_calls" a list as `as_tool_call` takes them, "tool_call_id" what a tool's result answers, "raw" the
            sampled tokens. The content of an assistant message may be None.

    Raises:
        InvalidRequestError: The role or a key is unknown, or a value is of another type than it should be.
    """
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise InvalidRequestError(f"a message is {message!r:.80}: it must be a Message or a dict")
    for key in message:
        if key not in _MESSAGE_KEYS:
            raise InvalidRequestError(f"a message has the unknown key {key!r}; known keys: {', '.join(_MESSAGE_KEYS)}")
    role, content = message.get("role"), message.get("content")
    if content is None and role == "assistant":
        content = ""
    thoughts = [message[key] for key in ("reasoning", "reasoning_content") if message.get(key) is not None]
    if len(thoughts) == 2 and thoughts[0] != thoughts[1]:
        raise InvalidRequestError("a message has both reasoning and reasoning_content, and they differ; give one")
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, tuple | list):
        raise InvalidRequestError(f"the tool_calls of a message are {calls!r:.80}: they must be a list")
    call_id = message.get("tool_call_id")
    return Message(
        role,  # type: ignore[arg-type] # checked there, as the next
        content,  # type: ignore[arg-type]
        reasoning=thoughts[0] if thoughts else "",
        tool_calls=tuple(as_tool_call(call) for call in calls or ()),
        tool_call_id="" if call_id is None else call_id,
        raw=message.get("raw"),
    )


def as_messages(messages: Iterable[Message | Mapping[str, Any]]) -> list[Message]:
    """`as_message` of each.

    Raises:
        InvalidRequestError: As there, with the number of the message.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise InvalidRequestError(f"messages={messages!r:.80}: it must be a list of messages")
    return convert_each("messages", messages, as_message)


def convert_each(what: str, given: Iterable[A], convert: Callable[[A], B]) -> list[B]:
    """`convert` of each.

    Raises:
        InvalidRequestError: As `convert` does, with the number of the one it is about: "messages[3]: ...".
    """
    converted = []
    for index, one in enumerate(given):
        try:
            converted.append(convert(one))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{what}[{index}]: {error}") from error
    return converted


_CALL_KEYS = ("id", "type", "function", "index")
_FUNCTION_KEYS = ("name", "arguments")


def as_tool_call(call: ToolCall | Mapping[str, Any]) -> ToolCall:
    """A tool call from the usual dict form; a ToolCall is returned as it is.

    Args:
        call: {"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}}. The arguments are JSON text,
            or a dict.

    Raises:
        InvalidRequestError: Another shape, or a value of another type than it should be.
    """
    if isinstance(call, ToolCall):
        return call
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or call.get("type", "function") != "function":
        raise InvalidRequestError(
            f"a tool call is {call!r:.80}: it must be a ToolCall or a dict with id, type 'function' and function"
        )
    for given, known in ((call, _CALL_KEYS), (function, _FUNCTION_KEYS)):
        for key in given:
            if key not in known:
                raise InvalidRequestError(f"a tool call has the unknown key {key!r}; known keys: {', '.join(known)}")
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = to_json(arguments, "the arguments of a tool call")
    call_id = call.get("id")
    return ToolCall(
        function.get("name"),  # type: ignore[arg-type] # checked there
        "{}" if arguments is None else arguments,
        "" if call_id is None else call_id,
    )


def to_json(value: Any, what: str) -> str:
    """A value as the JSON text the encoding uses: one line, a blank after commas and colons, letters as they are.

    Raises:
        InvalidRequestError: JSON has no such value; `what` says whose it is.
    """
    try:
        text = json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)
        text.encode()  # a lone surrogate is no text
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{what} can not be written as JSON: {error}") from error
    return text

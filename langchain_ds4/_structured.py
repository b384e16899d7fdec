"""Tools and schemas in all the forms LangChain's users give them, and the parser of what comes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pydantic.v1
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import AddableDict, Runnable, RunnableGenerator
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import override

from ds4_core.chat.request import REQUEST_OPTIONS, unknown_option
from ds4_core.errors import InvalidRequestError

METHODS = ("json_schema", "function_calling", "json_mode")


def as_openai_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Tools in OpenAI's form, from LangChain's, functions, classes, schemas and other providers' dicts.

    Raises:
        ValueError: What is given is no tool.
    """
    converted = []
    for tool in tools:
        made = convert_to_openai_tool(tool)
        own = _own_schema(tool.tool_call_schema if isinstance(tool, BaseTool) else tool)
        if own is not None and "function" in made:
            parameters = {key: value for key, value in own.items() if key not in ("title", "description")}
            made = {"type": "function", "function": {**made["function"], "parameters": parameters}}
        converted.append(made)
    return converted


def _own_schema(kind: Any) -> dict[str, Any] | None:
    """What a pydantic class with parts of other classes says itself; LangChain's loses parts that hold themselves."""
    if not (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)):
        return None
    schema = kind.model_json_schema()
    return schema if "$defs" in schema else None


def json_schema_of(schema: Any) -> dict[str, Any]:
    """The JSON schema of a pydantic class (v1 or v2), a TypedDict, a tool, or a dict that is or holds one.

    Raises:
        ValueError: It has none.
    """
    if isinstance(schema, dict):
        inner = schema.get("json_schema", schema)  # of a response_format
        if isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
            return dict(inner["schema"])
        if {"function", "parameters", "input_schema", "toolSpec"}.isdisjoint(schema):
            return dict(schema)
    return _own_schema(schema) or dict(convert_to_json_schema(schema))


def name_of(schema: Any) -> str:
    """What a schema is called."""
    if isinstance(schema, dict):
        inner = schema.get("function") or schema.get("json_schema") or schema
        return str(inner.get("name") or inner.get("title") or "answer")
    return str(getattr(schema, "__name__", "answer"))


def as_response_format(schema: Any) -> dict[str, Any]:
    """What a request says so that its answer fits a schema."""
    return {"type": "json_schema", "json_schema": {"name": name_of(schema), "schema": json_schema_of(schema)}}


def openai_forms(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a call, tools and the response format among them in OpenAI's form.

    Raises:
        ValueError: As `as_openai_tools`.
    """
    forms = dict(options)
    if forms.get("tools"):
        forms["tools"] = as_openai_tools(forms["tools"])
    if isinstance(forms.get("response_format"), type):
        forms["response_format"] = as_response_format(forms["response_format"])
    return forms


def _may_be_object(part: Mapping[str, Any], whole: Mapping[str, Any], seen: tuple[str, ...] = ()) -> bool:
    """Whether an object can be what a part of a schema describes; True where the part does not say.

    `seen`: the references that led to the part; one that leads back adds nothing to what else it may be.
    """
    if part.get("$ref") in seen:
        return False
    path = str(part.get("$ref", "")).split("/")
    if path[:2] in (["#", "$defs"], ["#", "definitions"]) and len(path) == 3:
        target = whole.get(path[1], {}).get(path[2])
        return not isinstance(target, Mapping) or _may_be_object(target, whole, (*seen, part["$ref"]))
    if kinds := part.get("type"):
        return "object" in [str(kind).lower() for kind in (kinds if isinstance(kinds, list) else [kinds])]
    if choices := part.get("anyOf") or part.get("oneOf"):
        return any(_may_be_object(choice, whole, seen) for choice in choices if isinstance(choice, Mapping))
    values = part.get("enum", [part["const"]] if "const" in part else [{}])
    return any(isinstance(value, Mapping) for value in values)


def schema_as_tool(schema: Any) -> dict[str, Any]:
    """A tool whose arguments are what a schema describes, in OpenAI's form.

    Raises:
        ValueError: It has no schema, or it describes no object.
    """
    parameters = json_schema_of(schema)
    if not _may_be_object(parameters, parameters):
        raise InvalidRequestError(
            f"method='function_calling' with the schema {name_of(schema)!r}, type {parameters.get('type')!r}: a call's "
            "arguments are always an object; put it into a field of one, or use method='json_schema'"
        )
    if not isinstance(schema, dict) or schema.get("type") == "function":
        return as_openai_tools([schema])[0]
    described = {"description": parameters["description"]} if "description" in parameters else {}
    return {"type": "function", "function": {"name": name_of(schema), **described, "parameters": parameters}}


class AnswerParser(BaseCumulativeTransformOutputParser[Any], defer_build=True):
    """Reads an object from an answer, or from the arguments of its first call; while it streams, what there is so far.

    An answer that was cut off is an error that says so. LangChain's parsers complete it by guessing.
    """

    pydantic_class: Any = None
    """The pydantic class of the objects, v1 or v2; None gives dicts."""
    from_call: bool = False
    """Whether the object is in a call."""

    @property
    @override
    def OutputType(self) -> Any:
        """What comes back."""
        return self.pydantic_class or dict[str, Any]

    @override
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = result[0].message if isinstance(result[0], ChatGeneration) else AIMessage(result[0].text)
        if isinstance(message, AIMessageChunk) and message.chunk_position == "last":
            partial = False  # the last of the parts is the whole
        assert isinstance(message, AIMessage)  # noqa: S101
        kind = self.pydantic_class
        try:
            value = self._value(message, partial)
            if kind is None or value is None:
                return value
            return kind.model_validate(value) if issubclass(kind, pydantic.BaseModel) else kind.parse_obj(value)
        except ValueError as error:
            if partial:
                return None
            raise _unreadable(message, f"the answer is no {kind.__name__ if kind else 'JSON'} ({error})") from error

    def _value(self, message: AIMessage, partial: bool) -> Any:
        if not self.from_call:
            return parse_partial_json(message.text) if partial else json.loads(message.text)
        if not partial and message.invalid_tool_calls:
            raise ValueError(f"the call of {message.invalid_tool_calls[0]['name']!r} is not complete")
        if not message.tool_calls:
            raise ValueError("it has no call")
        return message.tool_calls[0]["args"]

    @override
    def parse(self, text: str) -> Any:
        return self.parse_result([Generation(text=text)])


class Answer(AddableDict):
    """A part of what `with_raw` gives. Parts add up to the whole: messages do, and of objects the newest counts."""

    def __add__(self, other: Mapping[str, Any]) -> Answer:
        """Both parts."""
        total = Answer({**self, **other})
        if "raw" in self and "raw" in other:
            total["raw"] = self["raw"] + other["raw"]
        return total


def with_raw(llm: Runnable[Any, Any], parser: AnswerParser) -> Runnable[Any, Any]:
    """A chain that gives the message ("raw"), what was read of it ("parsed") and the error of it ("parsing_error")."""
    reading = _Reading(parser)
    return llm | RunnableGenerator(reading.read, reading.aread)


class _Reading:
    def __init__(self, parser: AnswerParser) -> None:
        self._parser = parser

    def read(self, messages: Iterator[AIMessage]) -> Iterator[Answer]:
        reader = _Reader(self._parser)
        for message in messages:
            yield from reader.take(message)

    async def aread(self, messages: AsyncIterator[AIMessage]) -> AsyncIterator[Answer]:
        reader = _Reader(self._parser)
        async for message in messages:
            for part in reader.take(message):
                yield part


class _Reader:
    def __init__(self, parser: AnswerParser) -> None:
        self._parser = parser
        self._total: Any = None
        self._parsed: Any = None

    def take(self, message: AIMessage) -> Iterator[Answer]:
        yield Answer(raw=message)
        self._total = message if self._total is None else self._total + message
        partial = isinstance(self._total, AIMessageChunk) and self._total.chunk_position != "last"
        parsed = error = None
        try:
            parsed = self._parser.parse_result([ChatGeneration(message=self._total)], partial=partial)
        except OutputParserException as caught:
            error = caught
        if not partial:
            yield Answer(parsed=parsed, parsing_error=error)
        elif parsed is not None and parsed != self._parsed:
            self._parsed = parsed
            yield Answer(parsed=parsed)


def _unreadable(message: AIMessage, what: str) -> OutputParserException:
    reason = message.response_metadata.get("finish_reason")
    advice = "; raise max_tokens or n_ctx" if reason == "length" else ""
    calls = "".join(str(call["args"]) for call in message.invalid_tool_calls)
    return OutputParserException(
        f"{what}: it ended with finish_reason={reason!r}{advice}", llm_output=message.text + calls
    )


def structured(
    llm: BaseChatModel, schema: Any, *, method: str, include_raw: bool, strict: bool | None, options: dict[str, Any]
) -> Runnable[Any, Any]:
    """A model whose answers are objects: what `ChatDS4.with_structured_output` says.

    Raises:
        ValueError: As there, as what follows.
        TypeError: An unknown option.
    """
    if method not in METHODS:
        raise InvalidRequestError(f"method={method!r}: it must be one of {', '.join(METHODS)}")
    if schema is None and method != "json_mode":
        raise InvalidRequestError(f"method={method!r} needs a schema; only json_mode does without")
    if strict is not None and method == "json_mode":
        raise InvalidRequestError(f"strict={strict} has no meaning with method='json_mode'; leave it out")
    for name in options:
        if name not in REQUEST_OPTIONS:
            raise TypeError(unknown_option(name, REQUEST_OPTIONS))
    if schema is not None:
        shown = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        options = {**options, "ls_structured_output_format": shown}
    bound: Runnable[Any, Any]
    if method == "function_calling":
        tool = schema_as_tool(schema)
        choice: Any = {"type": "function", "function": {"name": tool["function"]["name"]}}
        bound = llm.bind_tools([tool], tool_choice=choice, strict=strict, parallel_tool_calls=False, **options)
    else:
        wanted = {"type": "json_object"} if schema is None else as_response_format(schema)
        bound = llm.bind(response_format=wanted, **options)
    is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser = AnswerParser(pydantic_class=schema if is_pydantic else None, from_call=method == "function_calling")
    return with_raw(bound, parser) if include_raw else bound | parser

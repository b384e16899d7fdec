"""Tools and schemas in all the forms LangChain's users give them, and the parsers of what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from ds4_core.errors import InvalidRequestError

METHODS = ("json_schema", "function_calling", "json_mode")
#: Choices that are no names of tools, in LangChain's, OpenAI's and Anthropic's words.
_CHOICES = {"auto": "auto", "none": "none", "any": "required", "required": "required"}


def as_openai_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Tools in OpenAI's form, from LangChain's, functions, classes, schemas and other providers' dicts.

    Raises:
        ValueError: What is given is no tool, or one that a service would have to run.
    """
    converted = []
    for tool in tools:
        made = convert_to_openai_tool(tool)
        if not isinstance(made.get("function"), Mapping):
            raise InvalidRequestError(
                f"a tool is {made!r:.80}: it must be a function; tools that a service runs itself do not exist here"
            )
        converted.append(made)
    return converted


def as_tool_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    """The choice in ds4_core's form; None when it says nothing.

    Args:
        choice: None, False and "" say nothing; True, "any" and "required"; "auto"; "none"; a tool's name; OpenAI's or
            Anthropic's dict.
        tools: In OpenAI's form.

    Raises:
        ValueError: It is none of these, names no tool of these, or wants a call where there are no tools.
    """
    if choice is None or choice is False or choice == "":
        return None
    names = [tool["function"]["name"] for tool in tools]
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        word = None if name is not None else _CHOICES.get(str(choice.get("type")))
    else:
        word = "required" if choice is True else _CHOICES.get(choice) if isinstance(choice, str) else None
        name = None if word else choice
    if word is None and name not in names:
        raise InvalidRequestError(f"tool_choice={choice!r:.80} is no tool; known tools: {', '.join(names) or 'none'}")
    if word == "required" and not names:
        raise InvalidRequestError(f"tool_choice={choice!r} wants a call, and there are no tools")
    return word or {"type": "function", "function": {"name": name}}


def json_schema_of(schema: Any) -> dict[str, Any]:
    """The JSON schema of a pydantic class (v1 or v2), a TypedDict, a tool, or a dict that is or holds one.

    Raises:
        ValueError: It has none.
    """
    if isinstance(schema, dict):
        inner = schema.get("json_schema", schema)  # of a response_format
        if isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
            return dict(inner["schema"])
        is_tool = "function" in schema or "parameters" in schema or "input_schema" in schema or "toolSpec" in schema
        return dict(convert_to_json_schema(schema)) if is_tool else dict(schema)
    if is_basemodel_subclass(schema) and hasattr(schema, "model_json_schema"):
        own = schema.model_json_schema()
        if "$defs" in own:  # what refers to itself can not be written out
            return dict(own)
    return dict(convert_to_json_schema(schema))


def response_format_of(schema: Any) -> dict[str, Any]:
    """What a request says so that its answer fits a schema."""
    return {"type": "json_schema", "json_schema": {"name": name_of(schema), "schema": json_schema_of(schema)}}


def schema_as_tool(schema: Any) -> dict[str, Any]:
    """A tool whose arguments are what a schema describes, in OpenAI's form.

    Raises:
        ValueError: It has no schema.
    """
    if not isinstance(schema, dict) or schema.get("type") == "function":
        return as_openai_tools([schema])[0]
    parameters = json_schema_of(schema)
    described = {"description": parameters["description"]} if "description" in parameters else {}
    return {"type": "function", "function": {"name": name_of(schema), **described, "parameters": parameters}}


def name_of(schema: Any) -> str:
    """What a schema is called."""
    if isinstance(schema, dict):
        function = schema.get("function")
        inner = function if isinstance(function, dict) else schema.get("json_schema", schema)
        return str(inner.get("name") or inner.get("title") or "answer")
    return str(getattr(schema, "__name__", "answer"))


def text_parser(schema: Any) -> JsonOutputParser:
    """Reads the answer's text: an object of a pydantic class, or a dict."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return _PydanticAnswer(pydantic_object=schema)
    return _JsonAnswer()


def tool_parser(schema: Any, name: str) -> Runnable[Any, Any]:
    """Reads the answer's one call: an object of a pydantic class, or a dict."""
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return _PydanticCall(tools=[schema], first_tool_only=True)
    return _JsonCall(key_name=name, first_tool_only=True)


def with_raw(llm: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A chain that gives the message, what was read of it, and the error of reading it."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


class _Whole:
    """Mixed into a parser: an answer that was cut off is an error that says so, and is not completed by guessing."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """As the parser does; the last of several partial ones is judged like a whole one."""
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        if isinstance(message, AIMessageChunk) and message.chunk_position == "last":
            partial = False
        if isinstance(message, AIMessage) and not partial:
            self._check(message)
        return super().parse_result(result, partial=partial)  # type: ignore[misc]

    def _check(self, message: AIMessage) -> None:
        try:
            json.loads(message.text)
        except ValueError as error:
            raise _unfinished(message, f"the answer is no JSON ({error})", message.text) from error


class _WholeCall(_Whole):
    def _check(self, message: AIMessage) -> None:
        for call in message.invalid_tool_calls:
            raise _unfinished(message, f"the call of {call['name']!r} is not complete", str(call["args"]))
        if not message.tool_calls:
            raise _unfinished(message, "the answer has no call", message.text)


def _unfinished(message: AIMessage, what: str, output: str) -> OutputParserException:
    reason = message.response_metadata.get("finish_reason")
    advice = "; raise max_tokens or n_ctx" if reason == "length" else ""
    return OutputParserException(f"{what}: it ended with finish_reason={reason!r}{advice}", llm_output=output)


class _JsonAnswer(_Whole, JsonOutputParser):
    """A dict from the answer's text."""


class _PydanticAnswer(_Whole, PydanticOutputParser[Any]):
    """An object from the answer's text."""


class _JsonCall(_WholeCall, JsonOutputKeyToolsParser):
    """A dict from the answer's call."""


class _PydanticCall(_WholeCall, PydanticToolsParser):
    """An object from the answer's call."""

"""What LangChain's standard suite asks a chat model, and what it wants to see. The generator never imports this.

Its tools and prompts are read by hand from `langchain-tests`; nothing here is training data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ds4_core.chat import ChatResult
from training.data.evaluation.judging import parsed, said_calls


@dataclass(frozen=True)
class Prompt:
    """One request of the suite and what its answer must be."""

    name: str
    messages: list[dict[str, Any]]
    right: Callable[[ChatResult], bool]
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | None = None
    response_format: dict[str, Any] | None = None


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {"properties": properties, "type": "object"}
    if properties:
        parameters["required"] = list(properties)
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


_INTEGER, _STRING = {"type": "integer"}, {"type": "string"}
_MAGIC = _tool(
    "magic_function",
    "Apply a magic function to an input.",
    {"input": {"exclusiveMaximum": 1000, "exclusiveMinimum": -1000, "type": "integer"}},
)
_NO_ARGS = _tool("magic_function_no_args", "Calculate a magic function.", {})
_ADDER = _tool("my_adder_tool", "Takes two integers, a and b, and returns their sum.", {"a": _INTEGER, "b": _INTEGER})
_GREETING = _tool(
    "greeting_generator", "Generate a greeting in a particular style of speaking.", {"answer_style": _STRING}
)
_WEATHER = _tool("get_weather", "Get weather at a location.", {"location": _STRING})
_WEATHER_AT = _tool("get_weather", "Get the weather at a location.", {"location": _STRING})
_CUSTOMER = _tool(
    "unicode_customer",
    "Tool for creating a customer with Unicode name.\n\nArgs:\n    customer_name: The customer's name in their native language.\n    description: Description of the customer.\n\nReturns:\n    A confirmation message about the customer creation.",
    {"customer_name": _STRING, "description": _STRING},
)
_JOKE = {
    "description": "Joke to tell user.",
    "properties": {
        "setup": {"description": "question to set up a joke", "type": "string"},
        "punchline": {"description": "answer to resolve the joke", "type": "string"},
    },
    "required": ["setup", "punchline"],
    "title": "Joke",
    "type": "object",
}
_JOKE_TOOL = {
    "type": "function",
    "function": {
        "name": "Joke",
        "description": "Joke to tell user.",
        "parameters": {key: value for key, value in _JOKE.items() if key in ("properties", "required", "type")},
    },
}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "abc123", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def _result(text: str) -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": "abc123"}


def _speaks(result: ChatResult) -> bool:
    return bool(result.text.strip())


def _answers(result: ChatResult) -> bool:
    return bool(result.text.strip() or result.tool_calls)


def _calls(*expected: list[Any]) -> Callable[[ChatResult], bool]:
    return lambda result: said_calls(result) == list(expected)


def _calls_a_tool(name: str = "") -> Callable[[ChatResult], bool]:
    return lambda result: bool(result.tool_calls) and (not name or result.tool_calls[0].name == name)


def _argument_has(key: str, *parts: str) -> Callable[[ChatResult], bool]:
    def right(result: ChatResult) -> bool:
        arguments = said_calls(result)[0][1] if result.tool_calls else None
        text = arguments.get(key) if isinstance(arguments, dict) else None
        return isinstance(text, str) and (any(part in text for part in parts) if parts else bool(text.strip()))

    return right


def _is_joke(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"setup", "punchline"}
        and all(isinstance(v, str) for v in value.values())
    )


def _tells_joke(result: ChatResult) -> bool:
    return _is_joke(parsed(result.text)[1])


_CATS = "Tell me a joke about cats."
PROMPTS: tuple[Prompt, ...] = (
    Prompt("hello", [_user("Hello")], _speaks),
    Prompt("hey", [_user("Hey")], _speaks),
    Prompt("conversation", [_user("hello"), _said("hello"), _user("how are you")], _speaks),
    Prompt("double messages", [{"role": "system", "content": "hello"}, {"role": "system", "content": "hello"}, _user("hello"), _user("hello"), _said("hello"), _said("hello"), _user("how are you")], _speaks),
    Prompt("haikus", [_user("Write me 2 haikus. Only include the haikus.")], _speaks),
    Prompt("magic_function", [_user("What is the value of magic_function(3)? Use the tool.")], _calls(["magic_function", {"input": 3}]), [_MAGIC], "any"),
    Prompt("no arguments", [_user("What is the value of magic_function_no_args()? Use the tool.")], _calls(["magic_function_no_args", {}]), [_NO_ARGS], "any"),
    Prompt("greeting", [_user("Using the tool, generate a Pirate greeting.")], _argument_has("answer_style"), [_GREETING], "any"),
    Prompt("greeting, in a pirate's style", [_user("Using the tool, generate a Pirate greeting.")], _argument_has("answer_style", "Pirate", "pirate"), [_GREETING], "any"),
    Prompt("forced: any", [_user("Hello!")], _calls_a_tool(), [_MAGIC, _WEATHER], "any"),
    Prompt("forced: by name", [_user("Hello!")], _calls_a_tool("magic_function"), [_MAGIC, _WEATHER], "magic_function"),
    Prompt("after a result", [_user("What is 1 + 2"), _called("my_adder_tool", {"a": 1, "b": 2}), _result('{"result": 3}')], _answers, [_ADDER]),
    Prompt("after a failure", [_user("What is 1 + 2"), _called("my_adder_tool", {"a": 1}), _result("Error: Missing required argument 'b'.")], _answers, [_ADDER]),
    Prompt("few-shot sum", [_user("What is 1 + 2"), _called("my_adder_tool", {"a": 1, "b": 2}), _result('{"result": 3}'), _said('{"result": 3}'), _user("What is 3 + 4")], _calls(["my_adder_tool", {"a": 3, "b": 4}]), [_ADDER], "any"),
    Prompt("agent loop: the call", [_user("What is the weather in San Francisco, CA?")], _calls(["get_weather", {"location": "San Francisco, CA"}]), [_WEATHER_AT]),
    Prompt("agent loop: the answer", [_user("What is the weather in San Francisco, CA?"), _called("get_weather", {"location": "San Francisco, CA"}), _result("It's sunny.")], lambda result: "sunny" in result.text, [_WEATHER_AT]),
    Prompt("joke as a tool", [_user(_CATS)], lambda result: len(result.tool_calls) == 1 and _is_joke(said_calls(result)[0][1]), [_JOKE_TOOL], "any"),
    Prompt("joke for a schema", [_user(_CATS)], _tells_joke, response_format={"type": "json_schema", "json_schema": {"schema": _JOKE}}),
    Prompt("joke in JSON mode", [_user("Tell me a joke about cats. Return the result as a JSON with 'setup' and 'punchline' keys. Return nothing other than JSON.")], _tells_joke, response_format={"type": "json_object"}),
    Prompt("Chinese name", [_user("Create a customer named '你好啊集团' (Hello Group) - a Chinese technology company")], _argument_has("customer_name", "你好啊集团"), [_CUSTOMER], "any"),
    Prompt("Japanese name", [_user("Create a customer named 'こんにちは株式会社' (Hello Corporation) - a Japanese company")], _argument_has("customer_name", "こんにちは株式会社"), [_CUSTOMER], "any"),
)  # fmt: skip

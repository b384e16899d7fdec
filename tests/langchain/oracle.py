"""A scripted engine that answers LangChain's standard tests as a capable model would."""

import json
import re

from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine

_USER, _ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
_JOKE = {"setup": "Why do cats sit on laptops?", "punchline": "To keep an eye on the mouse."}
# What to call when the last message of the user has these words; the first that fits.
_CALLS = (
    ("magic_function_no_args()", "magic_function_no_args", {}),
    ("magic_function(3)", "magic_function", {"input": 3}),
    ("Pirate greeting", "greeting_generator", {"answer_style": "pirate"}),
    ("3 + 4", "my_adder_tool", {"a": 3, "b": 4}),
    ("San Francisco", "get_weather", {"location": "San Francisco, CA"}),
    ("你好啊集团", "unicode_customer", {"customer_name": "你好啊集团"}),
    ("こんにちは株式会社", "unicode_customer", {"customer_name": "こんにちは株式会社"}),
    ("joke about cats", "Joke", _JOKE),
    ("joke about cats", "joke", _JOKE),
    ("Hello!", "magic_function", {"input": 1}),
)


def oracle():
    """A new engine. Every prompt but the first counts as cached up to its last token."""
    return ScriptedEngine(_answer)


def _answer(record):
    text = record.text
    said = text.rpartition(_USER)[2].partition(_ASSISTANT)[0]
    cached = len(record.request.prompt) - 1 if "cached" in said else 0
    thoughts = "Let me think about that.</think>" if text.endswith("<think>") else ""
    tools = re.findall(r'^\{"name": "([^"]+)"', text, flags=re.MULTILINE)
    for words, name, arguments in _CALLS:
        if words in said and name in tools:
            return Scripted(thoughts, tool_calls=[ToolCall(name, json.dumps(arguments, ensure_ascii=False))])
    if "## Response Format" in text:
        return Scripted(thoughts + json.dumps(_JOKE), chunking=3)
    return Scripted(f"{thoughts}Hello, what can I do for you?", cached_tokens=cached)

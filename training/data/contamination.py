"""Refuses text of LangChain's standard suite: its six-word sequences, with numbers and case masked, and its names.

The suite is a public test of chat models. Its sequences are kept as checksums, made by `make_suite_sequences`, so that
neither its text nor its package is here.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

LENGTH = 6
NAMES = ("magic_function", "my_adder_tool", "greeting_generator", "unicode_customer")

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")
_NAMES = re.compile("|".join(NAMES), re.IGNORECASE)


def masked_words(text: str) -> list[str]:
    """The words of a text, in small letters, every number 0."""
    return _WORD.findall(_NUMBER.sub("0", text.lower()))


def sequences(text: str) -> Iterator[int]:
    """A checksum of every sequence of six masked words."""
    words = masked_words(text)
    for at in range(len(words) - LENGTH + 1):
        yield zlib.crc32(" ".join(words[at : at + LENGTH]).encode())


@lru_cache(maxsize=1)
def refused_sequences() -> frozenset[int]:
    """The checksums of the suite's sequences."""
    path = Path(__file__).with_name("suite_sequences.json")
    return frozenset(json.loads(path.read_text(encoding="utf-8")))


def is_contaminated(texts: Iterable[str]) -> bool:
    """Whether any of the texts holds a name or a sequence of the suite."""
    refused = refused_sequences()
    return any(_NAMES.search(text) or not refused.isdisjoint(sequences(text)) for text in texts)


def example_is_contaminated(messages: list[dict[str, Any]], *more: Any) -> bool:
    """Whether anything that messages, tools or a schema say is the suite's."""
    texts = [text for message in messages for text in (message["content"], message.get("reasoning", "")) if text]
    texts += [
        call["function"]["name"] + " " + call["function"]["arguments"]
        for m in messages
        for call in m.get("tool_calls", ())
    ]
    for item in more:
        if item:
            texts.append(json.dumps(item, ensure_ascii=False))
    return is_contaminated(texts)

"""Other nouns and adjectives in a text and in all that is asked about it, so that it must be read and can not be known.

A passage comes back hundreds of times in training. With a "harbour dinner" for its "Christmas party", every time another,
the answer stands nowhere but in the passage. Likewise a tool that moves lanterns is found by its words alone.
"""

from __future__ import annotations

import random
import re
from typing import Any

from training.data.swap import WORD, Swap
from training.data.words import Words
from training.data.written import Line, strings_of

_SLOT = re.compile(r"(\{[^{}]*\})")
_PART = re.compile(r"[A-Z]?[a-z]+")
_VARIANTS = 10_000  # of a line


def _said_by(wordings: Any) -> str:
    """What some wordings say, without their slots."""
    return " ".join(_SLOT.sub("", text) for text in strings_of(wordings))


def _in_templates(swap: Swap, value: Any) -> Any:
    """A value of a line with the other words in all its strings, slots left alone."""
    if isinstance(value, str):
        return "".join(part if part.startswith("{") else swap(part) for part in _SLOT.split(value))
    if isinstance(value, dict):
        return {key: _in_templates(swap, item) for key, item in value.items()}
    return [_in_templates(swap, item) for item in value] if isinstance(value, list) else value


def _in_name(swap: Swap, name: str) -> str:
    return _PART.sub(lambda part: swap(part[0]), name)


def swapped_tool(w: Words, line: Line) -> Line:
    """A tool written by hand with other nouns where its definition and its requests share them; for training alone."""
    w = Words(random.Random(f"{line['name']}/{w.between(1, _VARIANTS)}"), "train")
    defined = " ".join(_PART.findall(line["name"])) + " " + _said_by(line["does"])
    asked = _said_by([line["requests"], line.get("clauses", [])]).lower()
    choices = " ".join(strings_of([spec.get("schema", {}) for spec in line["params"].values()])).lower()
    shared = [word for word in WORD.findall(defined.lower()) if word in asked and word not in choices]
    swap = Swap(w, " ".join(shared), 0.8)
    data = dict(line.data)
    for part in ("does", "requests", "clauses", "twice", "results", "errors", "follow"):
        if part in data:
            data[part] = _in_templates(swap, line.among(w, data[part]))  # held-out wordings stay out
    data["name"] = _in_name(swap, line["name"])
    data["also"] = [_in_name(swap, name) for name in line.get("also", [])]
    data["params"] = {
        own: {key: _in_templates(swap, item) if key == "say" else item for key, item in spec.items()}
        for own, spec in line["params"].items()
    }
    return Line(data, "", whole=True)


def swapped_record(w: Words, line: Line) -> Line:
    """A kind of record written by hand with other nouns and adjectives in its texts, but for those that its fields are
    called by; for training alone.
    """
    w = Words(random.Random(f"{line['title'][0]}/{w.between(1, _VARIANTS)}"), "train")
    texts = line.among(w, line["texts"])  # held-out wordings stay out
    fields = " ".join(f"{own} {spec}" for own, spec in line["fields"].items()).lower().replace("_", " ")
    kept = {word.rstrip("s") for word in WORD.findall(fields)}
    said = sorted({word for word in WORD.findall(_said_by(texts).lower()) if word.rstrip("s") not in kept})
    swap = Swap(w, " ".join(said), 0.6)
    judged = {own for own, spec in line["fields"].items() if "enum(" in spec or spec.startswith("boolean")}
    said_so = [isinstance(text, list) and bool(judged & set(text[1])) for text in texts]  # by any of its words
    changed = [text if stays else _in_templates(swap, text) for text, stays in zip(texts, said_so, strict=True)]
    return Line({**line.data, "texts": changed}, "", whole=True)

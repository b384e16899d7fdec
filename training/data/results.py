"""Results of tools in many shapes, and the one answer that each of them gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from training.data.parameter_kinds import FAMILIES
from training.data.parameters import identifier, listed, said_value, spoken
from training.data.words import Phrases, Words


@dataclass(frozen=True)
class Result:
    """What a tool returned, and what the assistant says about it."""

    text: str
    answer: str
    fields: dict[str, Any] | None = None  # of a result that is one object


_FAILURES = Phrases(
    "{n} not found",
    "no such {n}: {c}",
    "permission denied",
    "connection timed out after {k} seconds",
    "invalid {n}",
    "the {n} is {a}",
    "rate limit exceeded",
    "unknown {n} '{c}'",
    "service unavailable",
    "{n} must be greater than {k}",
    "could not {v} the {n}",
    "missing {n}",
    "authentication failed for {c}",
    "quota of {k} {n}s exceeded",
    "disk is full",
    "expected an integer, got '{c}'",
    "{c} is already in use",
    "the server answered with code {k}",
)
_EXCEPTIONS = (
    "ValueError",
    "KeyError",
    "TimeoutError",
    "RuntimeError",
    "ConnectionError",
    "PermissionError",
    "FileNotFoundError",
    "HTTPError",
    "ToolException",
)
_SENTENCES = Phrases(
    "It's {a} and {k} degrees in {c}.",
    "The {n} is {a}.",
    "{p} has {k} {n}s.",
    "There are {k} {n}s in {c}.",
    "The {a} {n} was sent to {p}.",
    "{p} will {v} the {n} at {t}.",
    "Your {n} arrives at {t}.",
    "{c} is {a} today.",
    "The {n} costs {k} dollars.",
    "It is {t} in {c}.",
    "{p} lives in {c}.",
    "The next {n} leaves at {t}.",
    "{n} number {k} belongs to {p}.",
    "Always {v} your {n}.",
    "Sunny with a light {n}, {k} degrees.",
    "Ahoy, {p}!",
    "Reservation {i} is confirmed for {t}.",
    "We found a {a} {n} near {c}.",
    "{k} of the {n}s are {a}.",
)
_DONE = (
    "ok",
    "done",
    "success",
    "OK",
    "Done",
    "Success",
    "done.",
    "completed",
    '{"status": "ok"}',
    '{"success": true}',
    '{"ok": true}',
    '{"status": "success"}',
    '{"done": true}',
    '{"status": "done"}',
)
_NOTHING = ("", "null", "None", "[]", "{}", '{"results": []}', '{"result": null}', "no results")
NOTHING_ANSWER = "There is no result."
DONE_ANSWER = "Done."
_SINGLE_KEYS = (
    "result",
    "value",
    "answer",
    "output",
    "data",
    "price",
    "total",
    "status",
    "count",
    "message",
    "id",
    "temperature",
    "name",
    "sum",
)


def value(w: Words) -> Any:
    """A plain value of a result."""
    return w.weighted(
        (4, w.integer),
        (2, w.decimal),
        (2, w.word),
        (1, w.person),
        (1, w.city),
        (1, w.code),
        (1, w.date),
        (1, w.phrase),
        (0.7, w.foreign),
        (0.6, lambda: w.chance(0.5)),
        (0.5, w.compound),
    )()


def key(w: Words) -> str:
    """A key of a result's object."""
    x = w.rng.random()
    return w.pick(w.pick(FAMILIES).names) if x < 0.4 else w.noun() if x < 0.6 else identifier(w)


def sentence_about(name: str, item: Any) -> str:
    """How one field is reported: "the order id is 5"."""
    if isinstance(item, list):
        return f"the {spoken(name)} are {listed(item)}" if item else f"there are no {spoken(name)}"
    return f"the {spoken(name)} is {said_value(item)}"


def report(fields: dict[str, Any]) -> str:
    """The answer about an object: every field in a sentence."""
    parts = [sentence_about(name, item) for name, item in fields.items()]
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return text[0].upper() + text[1:] + "."


def dumped(w: Words, item: Any) -> str:
    """JSON as tools write it: with or without blanks, indented, or Python's own."""
    style = w.rng.random()
    if style < 0.6:
        return json.dumps(item, ensure_ascii=False)
    if style < 0.75:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    if style < 0.88:
        return json.dumps(item, ensure_ascii=False, indent=2)
    return repr(item)


def record(w: Words, low: int = 1, high: int = 4) -> dict[str, Any]:
    """Random fields."""
    out: dict[str, Any] = {}
    for _ in range(w.between(low, high)):
        out[key(w)] = value(w) if not w.chance(0.08) else [value(w) for _ in range(w.between(1, 3))]
    return out


def scalar_result(w: Words) -> Result:
    """A bare value."""
    item = w.pick(
        (
            w.integer,
            w.integer,
            w.decimal,
            w.word,
            w.code,
            w.person,
            w.city,
            w.foreign,
            w.compound,
            w.time,
            lambda: w.chance(0.5),
        )
    )()
    if isinstance(item, bool):
        text = w.pick((str(item), json.dumps(item)))
        return Result(text, f"The result is {json.dumps(item)}.")
    text = json.dumps(item, ensure_ascii=False) if w.chance(0.2) else str(item)
    return Result(text, f"The result is {item}.")


def object_result(w: Words) -> Result:
    """An object."""
    if w.chance(0.35):
        fields: dict[str, Any] = {w.pick(_SINGLE_KEYS): value(w)}
    else:
        fields = record(w, 2, 4) if w.chance(0.8) else record(w, 1, 5)
    if w.chance(0.15) and not any(isinstance(v, list) for v in fields.values()):
        separator = w.pick((": ", ": ", "=", " = "))
        text = w.pick(("\n", "\n", ", ", "; ")).join(f"{k}{separator}{said_value(v)}" for k, v in fields.items())
        return Result(text, report(fields), fields)
    return Result(dumped(w, fields), report(fields), fields)


def list_result(w: Words) -> Result:
    """A list of plain values, or of objects."""
    n = w.between(1, 5)
    if w.chance(0.65):
        make = w.pick((w.word, w.word, w.integer, w.first_name, w.city, w.file, w.code, w.foreign, w.product))
        items: list[Any] = [make() for _ in range(n)]
        answer = f"The result is {items[0]}." if n == 1 else f"The results are {listed(items)}."
        x = w.rng.random()
        if x < 0.6:
            return Result(dumped(w, items), answer)
        if x < 0.8:
            name = w.pick(("results", "items", "data", "matches"))
            return Result(dumped(w, {name: items}), answer)
        if n == 1:
            return Result(f"- {items[0]}", answer)
        return Result(
            "\n".join(w.pick(("", "", "- "))[:0] + str(i) for i in items)
            if w.chance(0.5)
            else "\n".join(f"- {i}" for i in items),
            answer,
        )
    keys = list(dict.fromkeys(key(w) for _ in range(w.between(1, 3))))
    makers = [w.pick((w.word, w.integer, w.person, w.city, w.code, w.decimal)) for _ in keys]
    rows = [{k: m() for k, m in zip(keys, makers, strict=True)} for _ in range(w.between(1, 3))]
    lines = [", ".join(f"{spoken(k)} {said_value(v)}" for k, v in row.items()) for row in rows]
    return Result(
        dumped(w, rows), f"The result is {lines[0]}." if len(rows) == 1 else "The results are " + "; ".join(lines) + "."
    )


def sentence_result(w: Words) -> Result:
    """A sentence or two, which the answer repeats."""
    text = " ".join(_sentence(w) for _ in range(w.pick((1, 1, 1, 2))))
    return Result(text, text)


def _sentence(w: Words) -> str:
    text = w.say(
        _SENTENCES,
        a=w.adjective(),
        n=w.noun(),
        k=w.between(0, 200),
        c=w.city(),
        p=w.person(),
        t=w.time(),
        v=w.verb(),
        i=w.code(),
    )
    return text[0].upper() + text[1:]


def error_result(w: Words) -> Result:
    """A failure."""
    message = w.say(
        _FAILURES, n=w.noun(), c=w.pick((w.code, w.word, w.person))(), k=w.between(1, 600), a=w.adjective(), v=w.verb()
    )
    x = w.rng.random()
    if x < 0.3:
        text = f"{w.pick(('Error', 'error', 'ERROR', 'Failed', 'Failure'))}: {message}"
    elif x < 0.5:
        text = dumped(w, {"error": message})
    elif x < 0.62:
        text = dumped(w, {"status": w.pick(("error", "failed")), w.pick(("message", "detail", "reason")): message})
    elif x < 0.75:
        text = f"{w.pick(_EXCEPTIONS)}: {message}"
    elif x < 0.83:
        text = f"Encountered error: {message}"
    elif x < 0.92:
        text = f"Error executing the tool with error:\n {message}\n Please fix the error and try again."
    else:
        text = dumped(w, {"success": False, "error": message})
    return Result(text, f"The tool failed: {message}.")


def done_result(w: Words) -> Result:
    """Success without more to say."""
    return Result(w.pick(_DONE), DONE_ANSWER)


def empty_result(w: Words) -> Result:
    """Nothing found."""
    return Result(w.pick(_NOTHING), NOTHING_ANSWER)


def good_result(w: Words) -> Result:
    """A result of any shape that is no failure."""
    return w.weighted(
        (0.24, scalar_result),
        (0.34, object_result),
        (0.14, list_result),
        (0.18, sentence_result),
        (0.06, done_result),
        (0.04, empty_result),
    )(w)


def any_result(w: Words) -> Result:
    """A result of any shape."""
    return error_result(w) if w.chance(0.14) else good_result(w)

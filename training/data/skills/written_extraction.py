"""JSON from texts written by hand: for a schema, for keys in words, in frameworks' formats, and as a tool's arguments."""

from __future__ import annotations

import json
import re
from typing import Any

from training.data.example import Chat, Example
from training.data.extraction_asks import (
    AROUND,
    EXAMPLES,
    FORMS,
    KEYS,
    LANGCHAIN,
    LANGCHAIN_STRICT,
    LISTED,
    LLAMA_INDEX,
    NULLS,
    OWN_SCHEMA,
    SCHEMA,
    SEVERAL,
    SYSTEM,
    SYSTEM_SCHEMA,
)
from training.data.parameters import spoken
from training.data.records import Shape, another, schema_of, shape
from training.data.skills.extraction import dumped
from training.data.skills.openings import chat_for, system_text
from training.data.words import Phrases, Words

_THOUGHTS = Phrases("I return {k}.", "The keys are {k}.", "I fill in {k}.", "The text tells {k}.")
_TYPES = {"string": "string", "integer": "integer", "number": "number", "boolean": "true or false", "array": "list"}
_LINES = ("- {k}: {d}", "{k}: {d}", '"{k}": {d}', "* {k} - {d}")
_TYPED_LINES = (
    "- {k} ({y}): {d}",
    "* `{k}`: {d} ({y})",
    "- {k} ({y})",
    "{k}: {y}",
    "{k} ({y}) - {d}",
    "- {k}: {y}, {d}",
)
_NAMES = (
    *("{T}", "{T}", "{T}", "{T}", "extract_{t}", "save_{t}", "{t}_info", "Create{T}", "record_{t}", "{T}Schema"),
    *("output_{t}", "{T}Response", "respond_with_{t}", "structured_output", "{T}Details", "submit_{t}", "{t}"),
)
_DOES = ("", "", "A {t}.", "{T} read from a text.", "Use this to record a {t}.", "Always use this tool to answer.", "Data of a {t}.")  # fmt: skip


def _snake(title: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", title).lower()


def _kind(made: Shape) -> dict[str, str]:
    """What the record is of, without and with an article."""
    kind = _snake(made.title).replace("_", " ")
    return {"T": kind, "A": f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"}


def _row(items: list[str], last: str = " and ") -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + last + items[-1]


def _thought(w: Words, made: Shape) -> str:
    return w.say(_THOUGHTS, k=", ".join(f.name for f in made.fields))


def _request(w: Words, made: Shape) -> str:
    """The text as somebody gives it: bare, or with words before or after it."""
    if not w.heldout and w.chance(0.12):
        return made.text
    fields = _row([spoken(f.name) for f in made.fields], w.pick((" and ", " and ", ", ", " & ")))
    return w.ask(SCHEMA, t=made.text, f=fields, **_kind(made))


def _answer(w: Words, chat: Chat, made: Shape) -> None:
    chat.answer(dumped(made.value), _thought(w, made), kind="json", expected=made.value)


def _system(w: Words, chat: Chat, made: Shape, share: float) -> None:
    if not w.chance(share):
        return
    own = w.chance(0.6)
    text = w.tell(SYSTEM_SCHEMA, **_kind(made)) if own else system_text(w, 1)
    chat.system(text)


def _quoted(w: Words, names: list[str]) -> str:
    style = w.pick(("'{}'", '"{}"', "{}", "{}", "`{}`"))
    return _row([style.format(name) for name in names], w.pick((" and ", " and ", ", ")))


def _empty(schema: dict[str, Any], name: str, style: int) -> Any:
    """What stands in a form where a value will be."""
    kind = schema["type"]
    if kind == "array":
        return [_empty(schema["items"], name, style)] if schema["items"]["type"] == "object" or style else []
    if kind == "object":
        return {key: _empty(inner, key, style) for key, inner in schema["properties"].items()}
    if style == 2:
        return kind
    if style == 1:
        return f"<{spoken(name)}>" if kind == "string" else f"<{kind}>"
    return {"string": "...", "integer": 0, "number": 0.0, "boolean": False}[kind]


def _with_schema(w: Words, chat: Chat) -> Shape:
    made = shape(w)
    _system(w, chat, made, 0.3)
    chat.response_format = schema_of(w, made)
    chat.user(_request(w, made))
    return made


def _nulls(w: Words, made: Shape, text: str) -> str:
    if any(f.value is None for f in made.fields) or w.chance(0.3):
        note = w.say(NULLS)
        return f"{note}\n{text}" if w.chance(0.3) else f"{text}\n{note}" if "\n" in text else f"{text} {note}"
    return text


def _typed(schema: dict[str, Any]) -> str:
    """A type as people write it."""
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "object":
        return "object with " + _row(list(schema["properties"]))
    if schema["type"] == "array":
        inner = schema["items"]
        return (
            "list of strings"
            if inner["type"] == "string"
            else f"list of {_typed(inner)}".replace("object ", "objects ")
        )
    return _TYPES[schema["type"]]


def _described_keys(w: Words, chat: Chat) -> Shape:
    """The keys in a list, with what they mean or of which type they are."""
    style = w.pick((*_LINES, *_TYPED_LINES, *_TYPED_LINES))
    made = shape(w, plain="{y}" not in style)
    chat.system(system_text(w, 0.2))
    lines = [style.format(k=f.name, d=f.description or spoken(f.name), y=_typed(f.schema)) for f in made.fields]
    chat.user(_nulls(w, made, w.template(LISTED, rough=False).format(l="\n".join(lines), t=made.text)))
    return made


def _by_keys(w: Words, chat: Chat) -> Shape:
    made = shape(w, plain=True)
    keys = _quoted(w, [f.name for f in made.fields])
    if w.chance(0.25):
        chat.system(_nulls(w, made, w.tell(SYSTEM, k=keys)))
        chat.user(made.text)
    else:
        chat.system(system_text(w, 0.2))
        chat.user(_nulls(w, made, w.ask(KEYS, k=keys, t=made.text)))
    return made


def _by_example(w: Words, chat: Chat) -> Shape:
    """One or two texts with their JSON, and a text to do likewise."""
    while True:
        made = shape(w)
        shown = [one for _ in range(w.pick((1, 2))) if (one := another(w, made)) is not None]
        if shown and all(f.value is not None or f.optional for one in shown for f in one.fields):
            break
    chat.system(system_text(w, 0.2))
    given = "\n\n".join(w.pick(("Text: {t}\nJSON: {v}",)).format(t=one.text, v=dumped(one.value)) for one in shown)
    chat.user(w.template(EXAMPLES, rough=False).replace("{e}", given).replace("{t}", made.text))
    return made


def _by_form(w: Words, chat: Chat) -> Shape:
    made = shape(w)
    while any("enum" in f.schema for f in made.fields):
        made = shape(w)
    chat.system(system_text(w, 0.2))
    style = w.between(0, 2)
    form = json.dumps(
        {f.name: _empty(f.schema, f.name, style) for f in made.fields},
        ensure_ascii=False,
        indent=w.pick((None, None, 2)),
    )
    text = w.template(FORMS, rough=False).replace("{f}", form).replace("{t}", made.text)
    chat.user(_nulls(w, made, text))
    return made


def _by_framework(w: Words, chat: Chat) -> Shape:
    made = shape(w)
    made.pydantic = w.chance(0.85)
    schema = schema_of(w, made)
    query = _request(w, made)
    x = w.rng.random()
    if x < 0.35:
        shown = {k: v for k, v in schema.items() if k not in ("title", "type")}
        instructions = LANGCHAIN if w.chance(0.6) else LANGCHAIN_STRICT
        instructions = instructions.replace("{s}", json.dumps(shown, ensure_ascii=False))
        if w.chance(0.3):
            chat.system(w.pick(("Answer the user query. Wrap the output in nothing.\n{i}", "Answer the user query.\n{i}", "{i}", "You extract data.\n\n{i}")).replace("{i}", instructions))  # fmt: skip
            chat.user(query)
        else:
            chat.user(w.pick(AROUND).replace("{i}", instructions).replace("{q}", query))
    elif x < 0.7:
        instructions = LLAMA_INDEX.replace("{s}", json.dumps(schema, ensure_ascii=False))
        chat.system(system_text(w, 0.15))
        chat.user(f"{query}\n\n{instructions}")
    else:
        chat.system(system_text(w, 0.2))
        shown_schema = json.dumps(schema, ensure_ascii=False, indent=w.pick((None, None, 2)))
        chat.user(w.template(OWN_SCHEMA, rough=False).replace("{s}", shown_schema).replace("{q}", query))
    return made


def _several(w: Words) -> tuple[dict[str, Any], dict[str, Any], str, Shape, str] | None:
    """Some records of one kind: the schema of their list, the value, and the texts in a row."""
    made = shape(w)
    records = [made] + [one for _ in range(w.pick((1, 1, 2))) if (one := another(w, made)) is not None]
    if len(records) == 1 or sum(len(one.text) for one in records) > 700:
        return None
    inner = schema_of(w, made)
    kind = _snake(made.title)
    where = w.pick((f"{kind.removesuffix('s')}s", f"{kind}_list", "items", "entries", "records", "results", "data"))
    title = w.pick(
        (f"{made.title}List", f"{made.title.removesuffix('s')}s", "Records", "Entries", "Extraction", "Results")
    )
    if made.pydantic:
        defs = {**inner.pop("$defs", {}), made.title: inner}
        shown: dict[str, Any] = {
            "items": {"$ref": f"#/$defs/{made.title}"},
            "title": spoken(where).title(),
            "type": "array",
        }
        schema: dict[str, Any] = {
            "$defs": defs,
            "properties": {where: shown},
            "required": [where],
            "title": title,
            "type": "object",
        }
    else:
        inner.pop("description", None)
        schema = {"type": "object", "properties": {where: {"type": "array", "items": inner}}, "required": [where]}
        if w.chance(0.4):
            schema = {"title": title, **schema}
    form = w.pick(("{t}", "{t}", "- {t}", "{n}. {t}", "[{n}] {t}", "Text {n}: {t}"))
    text = w.pick(("\n", "\n\n")).join(form.format(n=at, t=one.text) for at, one in enumerate(records, 1))
    return schema, {where: [one.value for one in records]}, text, made, title


def _list_example(w: Words, skill: str, *, as_tool: bool) -> Example | None:
    found = _several(w)
    if found is None:
        return None
    schema, value, text, made, title = found
    chat = chat_for(w, share=0.06)
    _system(w, chat, made, 0.25)
    chat.user(w.ask(SEVERAL, t=text, T=_kind(made)["T"]) if w.chance(0.85) else text)
    if not as_tool:
        chat.response_format = schema
        chat.answer(dumped(value), "I list the records.", kind="json", expected=value)
    else:
        name = w.pick(_NAMES).format(T=title, t=_snake(title))
        chat.tools = [{"type": "function", "function": {"name": name, "description": "", "parameters": schema}}]
        chat.calls([(name, value)], choice=name)
    return chat.example(skill, heldout=w.heldout)


def written_json(w: Words) -> Example:
    """A text, and what JSON is to be made of it."""
    if w.chance(0.07) and (several := _list_example(w, "written_json", as_tool=False)) is not None:
        return several
    chat = chat_for(w, share=0.08)
    make = w.weighted(
        (0.56, _with_schema),
        (0.14, _by_keys),
        (0.09, _described_keys),
        (0.07, _by_form),
        (0.04, _by_example),
        (0.1, _by_framework),
    )
    if make is not _with_schema and w.chance(0.4):
        chat.response_format = {"type": "object"}
    made = make(w, chat)
    _answer(w, chat, made)
    once = w.heldout or (make is not _with_schema and not any(m["role"] == "system" for m in chat.messages))
    while not once and w.chance(0.65):
        # A schema in the prompt is worth another text.
        more = another(w, made)
        if more is None or (make is not _with_schema and any(f.value is None for f in more.fields)):
            break
        made = more
        chat.user(made.text if make is not _with_schema or w.chance(0.5) else _request(w, made))
        _answer(w, chat, made)
    return chat.example("written_json", heldout=w.heldout)


def written_json_tool(w: Words) -> Example:
    """The same as the arguments of the one tool there is, named after what it stores."""
    if w.chance(0.07) and (several := _list_example(w, "written_json_tool", as_tool=True)) is not None:
        return several
    chat = chat_for(w, share=0.06)
    made = shape(w)
    _system(w, chat, made, 0.25)
    schema = schema_of(w, made)
    t = _snake(made.title)
    name = w.pick(_NAMES).format(T=made.title, t=t)
    about = (
        made.line.one(w, made.line["does"])
        if w.chance(0.55)
        else w.pick(_DOES).format(T=made.title, t=t.replace("_", " "))
    )
    chat.tools = [{"type": "function", "function": {"name": name, "description": about, "parameters": schema}}]
    while True:
        chat.user(_request(w, made))
        needed = schema.get("required", ())
        given = {k: v for k, v in made.value.items() if v is not None or k in needed}
        chat.calls([(name, given)], choice=name)
        more = None if w.heldout or not w.chance(0.55) else another(w, made)
        if more is None:
            return chat.example("written_json_tool", heldout=w.heldout)
        chat.result(w.pick(("ok", "saved", '{"status": "ok"}', "Done", "stored", "{}", "null")))
        if w.chance(0.5):
            chat.answer(w.pick(("Done.", "I have saved it.", "It is stored.", "Saved.")), train=False)
        made = more


__all__ = ["written_json", "written_json_tool"]

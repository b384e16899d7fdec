"""JSON from text: for a schema of the request, for keys named in words, and as the arguments of a tool."""

from __future__ import annotations

import json
from typing import Any

from training.data.example import Chat, Example
from training.data.field_kinds import KINDS
from training.data.fields import Field, Record, any_record, in_prose, known_record, optional_fields, schema_of
from training.data.parameters import spoken
from training.data.skills.openings import chat_for, system_text
from training.data.skills.talk import joke, topic
from training.data.words import Phrases, Words, capitalized

_ASK_SCHEMA = Phrases(
    "{t}", "{t}", "Extract the data: {t}", "Extract the information from this text.\n\n{t}", "{t}\n\nGive me this as JSON.", "Text: {t}", "Fill in the form from this text: {t}",
    "Read the {T} out of the following text.\n{t}", "Parse this: {t}", "What is the {T} in this text?\n\n{t}", "Turn the following into JSON.\n\n{t}", "From the text below, extract the {T}.\n\nText:\n{t}",
    "Please structure this text: {t}", "Convert to JSON: {t}", 'Extract the {T} from "{t}"', "Here is a text about a {T}: {t}", "Generate a {T} from this input: {t}", "I need the {T} as structured data. {t}",
)  # fmt: skip
_ASK_KEYS = Phrases(
    "Extract {k} from the text and return JSON with these keys.\n\nText: {t}", "Return JSON with keys {k}.\n{t}", "Extract the following fields as JSON: {k}.\n\n{t}", "{t}\n\nReturn a JSON object with the keys {k}.",
    "Convert to JSON ({k}): {t}", "{t} Reply only with JSON with {k}.", "You must answer in JSON with the fields {k}. Input: {t}", "{t}\n\nGive me {k} as JSON.", "Make a JSON object with {k} out of this: {t}",
    "Read this and answer with a JSON object that has {k}: {t}", "JSON with {k}, please. {t}", "Fill {k} in a JSON object from: {t}", "Output JSON only. Keys: {k}.\n\n{t}", "{t}\nWrite it as JSON with the keys {k}.",
)  # fmt: skip
_ASK_FORM = Phrases(
    "Extract data as JSON in the form {f}.\nText: {t}", "{t}\nAnswer as JSON: {f}", "Format: {f}\nText: {t}", "Use this template: {f}\n\n{t}", "{t}\n\nReply in the form {f}", "Return {f} filled from this text: {t}",
)  # fmt: skip
_ASK_WITH_SCHEMA = Phrases(
    "Extract the data as JSON matching this schema:\n{s}\n\n{t}", "{t}\n\nHere's a JSON schema to follow:\n{s}\n\nOutput a valid JSON object but do not repeat the schema.\n", "Schema: {s}\nText: {t}\nJSON:",
    "{t}\n\nThe output should be formatted as a JSON instance that conforms to the JSON schema below.\n\nHere is the output schema:\n```\n{s}\n```", "Answer with JSON for the schema {s}. {t}", "Given this JSON schema:\n{s}\nfill it from this text:\n{t}",
)  # fmt: skip
_TOOL_NAMES = (
    "{T}",
    "extract_{t}",
    "save_{t}",
    "{t}_info",
    "Create{T}",
    "record_{t}",
    "{T}Schema",
    "output_{t}",
    "{T}Response",
    "respond_with_{t}",
    "structured_output",
    "{T}Details",
    "submit_{t}",
)
_THOUGHTS = Phrases("I return {k}.", "The keys are {k}.", "I fill in {k}.", "JSON with {k} is wanted.")
_ASK_JOKE = Phrases(
    "Tell me a joke about {p}.",
    "Make a joke about {p}.",
    "A joke about {p}, please",
    "I want a joke about {p}",
    "Give me a joke on {p}",
    "Do you know a joke on {p}?",
    "Something funny about {p}.",
    "Joke about {p}!",
)
_JOKE_JSON = Phrases(
    "Write it as JSON with the keys {a} and {b}.",
    "Answer in JSON with {a} and {b}.",
    "Use JSON; the keys are {a} and {b}.",
    "I need a JSON object with {a} and {b}.",
    "JSON only, with {a} and {b} as keys.",
    "Put it into a JSON object that has {a} and {b}.",
)
_JOKE_KEYS = (
    ("setup", "punchline"),
    ("setup", "punchline"),
    ("question", "answer"),
    ("first", "second"),
    ("opening", "ending"),
    ("intro", "punchline"),
    ("setup", "delivery"),
    ("q", "a"),
)


def dumped(value: Any) -> str:
    """JSON as the model writes it: one line."""
    return json.dumps(value, ensure_ascii=False)


def _thought(w: Words, value: dict[str, Any]) -> str:
    return w.say(_THOUGHTS, k=", ".join(value) or "nothing")


def _answer(w: Words, chat: Chat, value: Any, thought: str) -> None:
    chat.answer(dumped(value), thought, kind="json", expected=value)
    del w


def _enclosed(w: Words) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """Schema, value, text and title of an object that holds others: a list of records, or one record within."""
    title = w.pick(("Person", "Product", "Event", "Book", "Company"))
    naming, names, kinds = KINDS[title]
    key = w.pick(names)
    chosen = w.sample(kinds, w.between(1, 2))
    keys = [w.pick(kind.names) for kind in chosen]
    n = w.between(1, 3)
    items, sentences = [], []
    for _ in range(n):
        name = naming(w)
        item: dict[str, Any] = {key: name}
        for kind, field_key in zip(chosen, keys, strict=True):
            value = kind.value(w)
            item[field_key] = value
            said = "" if isinstance(value, bool) else ", ".join(value) if isinstance(value, list) else str(value)
            sentence = w.tell(
                kind.says,
                N=in_prose(w, title, name),
                v=said,
                k=spoken(field_key),
                K=spoken(field_key).capitalize(),
                **{"not": "" if value else "not "},
            )
            sentences.append(capitalized(sentence))
        items.append(item)
    properties: dict[str, Any] = {key: {"title": spoken(key).title(), "type": "string"}}
    for kind, field_key in zip(chosen, keys, strict=True):
        properties[field_key] = {
            "title": spoken(field_key).title(),
            "type": kind.kind,
            **({"items": {"type": "string"}} if kind.kind == "array" else {}),
        }
    inner = {"properties": properties, "required": list(properties), "title": title, "type": "object"}
    if w.chance(0.55):
        outer, where = (
            f"{title}List",
            w.pick((f"{title.lower()}s", "items", "entries", "results", "people" if title == "Person" else "data")),
        )
        shape: dict[str, Any] = {"items": {"$ref": f"#/$defs/{title}"}, "title": where.title(), "type": "array"}
        whole: dict[str, Any] = {where: items}
    else:
        outer, where = (
            w.pick(("Report", "Order", "Note", "Entry", "Message")),
            w.pick((title.lower(), "subject", "item", "content")),
        )
        shape = {"$ref": f"#/$defs/{title}"}
        whole = {where: items[0]}
        sentences = sentences[: len(chosen)]
    if w.chance(0.35):
        body = {k: v for k, v in inner.items() if k != "title"}
        shape = {"type": "array", "items": body} if shape.get("type") == "array" else body
        schema: dict[str, Any] = {"type": "object", "properties": {where: shape}, "required": [where]}
    else:
        schema = {
            "$defs": {title: inner},
            "properties": {where: shape},
            "required": [where],
            "title": outer,
            "type": "object",
        }
    return schema, whole, w.pick((" ", "\n")).join(sentences), outer


def json_schema(w: Words) -> Example:
    """A text, and a schema as the response format."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.25))
    x = w.rng.random()
    if x < 0.1:
        keys, t = w.pick(_JOKE_KEYS), topic(w)
        value: dict[str, Any] = dict(zip(keys, joke(t), strict=True))
        properties = {
            k: {
                "type": "string",
                **(
                    {"description": w.pick((f"The {k} of the joke", f"{k.capitalize()}", "A part of the joke"))}
                    if w.chance(0.6)
                    else {}
                ),
            }
            for k in keys
        }
        chat.response_format = {"title": "Joke", "type": "object", "properties": properties, "required": list(keys)}
        chat.user(w.ask(_ASK_JOKE, p=t))
        _answer(w, chat, value, f"A joke about {t}.")
        return chat.example("json_schema", heldout=w.heldout)
    if x < 0.28:
        schema, value, text, title = _enclosed(w)
    else:
        record = any_record(w)
        if w.chance(0.35):
            optional_fields(w, record)
        schema, value, text, title = schema_of(w, record), record.value, record.text, record.title
    chat.response_format = schema
    chat.user(w.ask(_ASK_SCHEMA, t=text, T=title.lower()))
    _answer(w, chat, value, _thought(w, value))
    return chat.example("json_schema", heldout=w.heldout)


def _quoted_list(w: Words, names: list[str]) -> str:
    style = w.pick(("'{}'", '"{}"', "{}", "{}", "`{}`"))
    shown = [style.format(name) for name in names]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + w.pick((" and ", ", ")) + shown[-1]


def _is_plain(value: Any) -> bool:
    """Whether the type of a value can be seen without a schema."""
    if isinstance(value, str):
        return not value.replace(".", "").replace("-", "").replace(",", "").isdigit()
    return not isinstance(value, list) or len(value) > 1


def json_by_words(w: Words) -> Example:
    """A text, and keys named in the message; the response format says no more than that it is an object, or nothing."""
    chat = chat_for(w, share=0.08)
    if w.chance(0.4):
        chat.response_format = {"type": "object"}
    if w.chance(0.2):
        keys, t = w.pick(_JOKE_KEYS), topic(w)
        chat.system(system_text(w, 0.15))
        a, b = (f"{q}{key}{q}" for q, key in zip((w.pick(("'", '"', "", "`")),) * 2, keys, strict=True))
        asked = w.ask(_ASK_JOKE, p=t)
        chat.user(f"{asked if asked[-1] in '.?!' else asked + '.'} {w.ask(_JOKE_JSON, a=a, b=b)}")
        _answer(w, chat, dict(zip(keys, joke(t), strict=True)), f"A joke about {t}.")
        return chat.example("json_by_words", heldout=w.heldout)
    record = any_record(w, described=0.1)
    while not all(_is_plain(f.value) for f in record.fields):
        record = any_record(w, described=0.1)
    if w.chance(0.3):
        record.fields = w.shuffled(record.fields)
    value = record.value
    chat.system(system_text(w, 0.25))
    x = w.rng.random()
    if x < 0.6:
        chat.user(w.ask(_ASK_KEYS, k=_quoted_list(w, list(value)), t=record.text))
    elif x < 0.8:
        holes: dict[str, Any] = {
            k: "..." if isinstance(v, str) else [] if isinstance(v, list) else False if isinstance(v, bool) else 0
            for k, v in value.items()
        }
        chat.user(w.template(_ASK_FORM).replace("{f}", dumped(holes)).replace("{t}", record.text))
    else:
        schema = json.dumps(schema_of(w, record), ensure_ascii=False)
        chat.user(w.template(_ASK_WITH_SCHEMA, rough=False).replace("{s}", schema).replace("{t}", record.text))
    _answer(w, chat, value, _thought(w, value))
    return chat.example("json_by_words", heldout=w.heldout)


def structured_tool(w: Words) -> Example:
    """The same as the arguments of the one tool there is, whose name says what they are."""
    chat = chat_for(w, share=0.06)
    chat.system(system_text(w, 0.25))
    x = w.rng.random()
    if x < 0.14:
        keys, t = w.pick(_JOKE_KEYS), topic(w)
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {k: {"type": "string", "description": f"The {k}"} for k in keys},
            "required": list(keys),
        }
        value: dict[str, Any] = dict(zip(keys, joke(t), strict=True))
        title = w.pick(("Joke", "JokeSchema", "make_joke", "joke", "Fun", "JokeOut"))
        name, text, description = (
            title,
            w.ask(_ASK_JOKE, p=t),
            w.pick(("A joke.", "Joke to tell", "", "A funny text in two parts.")),
        )
    else:
        if x < 0.26:
            schema, value, text, title = _enclosed(w)
        else:
            record: Record = any_record(w)
            if w.chance(0.25):
                _leave_out(w, record)
            schema, value, text, title = schema_of(w, record), record.value, record.text, record.title
            value = {k: v for k, v in value.items() if v is not None}
        name = w.pick(_TOOL_NAMES).format(T=title, t=title.lower())
        description = w.pick(
            (
                f"A {title.lower()}.",
                f"{title} read from a text.",
                f"Use this to record a {title.lower()}.",
                "",
                "Always use this tool to answer.",
            )
        )
        text = w.ask(_ASK_SCHEMA, t=text, T=title.lower())
    chat.tools = [{"type": "function", "function": {"name": name, "description": description, "parameters": schema}}]
    chat.user(text)
    chat.calls([(name, value)], choice=name)
    return chat.example("structured_tool", heldout=w.heldout)


def _leave_out(w: Words, record: Record) -> None:
    """Some fields are optional, and what is not told is left out of the call."""
    optional_fields(w, record)


__all__ = ["Field", "json_by_words", "json_schema", "known_record", "structured_tool"]

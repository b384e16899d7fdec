"""Made-up tools, each with a request that needs it, and the JSON a prompt lists them as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.data.composed_tools import composed_tool
from training.data.intents import INTENTS, Intent
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, described, parameter, said_value, spoken
from training.data.tool_phrases import (
    AFTER,
    ASKING,
    BEFORE,
    BUSINESSES,
    CREATE,
    CREATION_SAID,
    DESCRIPTIONS,
    DOING,
    FUNCTION_DESCRIPTIONS,
    FUNCTION_NAMES,
    FUNCTION_SAID,
    KINDS,
    NO_ARGS_NAMES,
    NO_ARGS_SAID,
    OPENERS,
    PEOPLES,
    QUOTES,
)
from training.data.words import Words
from training.data.written_tools import without_end, written_tool


def tool_name(w: Words, verb: str, noun: str) -> str:
    """A name made of a verb and a noun, in one of many styles."""
    verb, noun = verb.replace(" ", "_"), noun.replace(" ", "_")
    x = w.rng.random()
    if x < 0.5:
        return f"{verb}_{noun}"
    if x < 0.6:
        return f"{noun}_{verb}"
    if x < 0.72:
        return cased_camel(f"{verb}_{noun}")
    if x < 0.78:
        return "".join(part.capitalize() for part in f"{verb}_{noun}".split("_"))
    if x < 0.84:
        return f"{verb}-{noun}".replace("_", "-")
    if x < 0.92:
        return f"{verb}_{noun}_{w.pick(('tool', 'v2', 'by_id', 'info', 'data', 'api', 'record', 'now'))}"
    return f"{w.pick((w.syllables, w.salad))()}_{verb}_{noun}"


def cased_camel(name: str) -> str:
    """snake_case as camelCase."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def lowered(text: str) -> str:
    """A sentence as it stands inside another: its first letter small, unless it is a name's."""
    first = text.split(" ", 1)[0]
    return text[0].lower() + text[1:] if first.istitle() and first.isalpha() and len(first) > 1 else text


def joined(w: Words, parts: Sequence[str]) -> str:
    """Phrases in a row, each after a blank, a comma or "and"."""
    out = ""
    for index, part in enumerate(parts):
        out += " " if index == 0 else w.pick((" and ", ", ", " ", ", and "))
        out += part.removeprefix("and ") if out.endswith("and ") else part
    return out


def random_tool(w: Words) -> Tool:
    """A tool of some verb and noun with random parameters."""
    asking = w.chance(0.5)
    verb = w.pick(ASKING if asking else DOING) if not w.chance(0.2) else w.verb()
    noun = w.noun() if w.chance(0.75) else f"{w.adjective()} {w.noun()}"
    used: set[str] = set()
    n = w.pick((1, 1, 1, 2, 2, 2, 3, 3, 4, 5))
    parameters = [parameter(w, used, noun.split()[-1]) for _ in range(n)]
    name = tool_name(w, verb, noun)
    wanted = parameters if n == 1 else [p for p in parameters if w.chance(0.85)] or parameters[:1]
    for p in parameters:
        p.required = p in wanted and w.chance(0.8)
    body = f"{verb} {w.pick(('a ', 'the ', 'the ', 'my ', 'this ', ''))}{noun}"
    said = joined(w, [p.said for p in w.shuffled(wanted)])
    request = w.ask(OPENERS, B=body[0].upper() + body[1:], b=body, s=said, N=name)
    description = w.say(DESCRIPTIONS, V=verb.capitalize(), v=verb, n=noun)
    arguments = {p.name: p.value for p in parameters if p in wanted}
    return Tool(name, description, parameters, arguments, request, noun, body + said)


def no_argument_tool(w: Words) -> Tool:
    """A tool without parameters."""
    noun = w.noun()
    name = cased(w, w.pick(NO_ARGS_NAMES).format(n=noun, a=w.adjective(), x=w.pick((w.syllables, w.salad))()))
    verb = spoken(name) if name.split("_")[0] in ("list", "get", "reset", "refresh", "stop", "count") else f"run {name}"
    request = w.ask(NO_ARGS_SAID, N=name, v=verb, V=verb[0].upper() + verb[1:])
    description = w.pick(
        (
            "",
            f"Returns the {noun}.",
            f"No arguments. About the {noun}.",
            f"The {noun} function.",
            f"Works on the {noun}s.",
        )
    )
    return Tool(name, description, [], {}, request, noun, f"call {name}")


def function_tool(w: Words) -> Tool:
    """A tool called like a mathematical function."""
    name = w.pick(FUNCTION_NAMES).format(n=w.noun(), a=w.adjective(), x=w.pick((w.syllables, w.salad))())
    n = w.pick((1, 1, 1, 1, 2, 2, 3))
    names = w.sample(
        (
            "input",
            "x",
            "value",
            "n",
            "number",
            "arg",
            "a",
            "b",
            "y",
            "z",
            "k",
            "left",
            "right",
            "first",
            "second",
            w.noun(),
            w.syllables(),
        ),
        n,
    )
    parameters = []
    for key in dict.fromkeys(names):
        kind = w.pick(("integer", "integer", "integer", "number", "string"))
        value: Any = w.integer() if kind == "integer" else w.decimal() if kind == "number" else w.word()
        schema: dict[str, Any] = {"type": kind}
        if kind == "integer" and w.chance(0.2):
            schema |= w.pick(
                ({"minimum": -100000, "maximum": 100000}, {"exclusiveMaximum": 100000, "exclusiveMinimum": -1000})
            )
        parameters.append(Parameter(key, schema, value, ""))
    values = [f"'{p.value}'" if isinstance(p.value, str) and w.chance(0.5) else said_value(p.value) for p in parameters]
    request = w.ask(
        FUNCTION_SAID,
        N=name,
        A=", ".join(values),
        K=", ".join(f"{p.name}={v}" for p, v in zip(parameters, values, strict=True)),
        L=" and ".join(f"{p.name} {v}" for p, v in zip(parameters, values, strict=True)),
    )
    description = w.say(
        FUNCTION_DESCRIPTIONS, a=w.adjective(), x=w.syllables(), X=w.syllables().capitalize(), n=w.noun()
    )
    short = f"call {name} with {', '.join(values)}"
    return Tool(name, description, parameters, {p.name: p.value for p in parameters}, request, name, short)


def creation_tool(w: Words) -> Tool:
    """A tool that stores a name, often of another script, with a description."""
    kind = w.pick(KINDS) if w.chance(0.8) else w.noun()
    verb = w.pick(CREATE)
    keys = (
        w.pick((f"{kind}_name", "name", "title")),
        w.pick(("description", "details", "summary", "note", "info", "about")),
    )
    name_value = w.foreign() if w.chance(0.8) else w.pick((w.company, w.person, w.product))()
    about = f"{w.pick(('a', 'an', 'the'))} {w.pick((w.adjective(), w.pick(PEOPLES)))} {w.pick((w.noun(), w.pick(BUSINESSES)))}"
    quote, after = w.pick(QUOTES)
    slots = {
        "V": verb.capitalize(),
        "v": verb,
        "k": kind,
        "q": quote if quote in "'\"" else "'",
        "a": name_value,
        "g": w.company() if w.chance(0.6) else w.title(),
        "b": about,
        "p": keys[1],
    }
    if w.heldout or w.chance(0.35):
        request = w.ask(CREATION_SAID, **slots)
    else:
        gloss = f" ({slots['g']})" if w.chance(0.5) else ""
        head = w.pick(
            (
                "{V} {d} {k}",
                "{V} {d} {k}",
                "Please {v} {d} {k}",
                "Can you {v} {d} {k}",
                "I want to {v} {d} {k}",
                "We have to {v} {d} {k}",
                "{V} this {k}:",
                "New {k}:",
                "Use the tool to {v} {d} {k}",
                "{V} {d} new {k}",
            )
        )
        head = head.format(V=verb.capitalize(), v=verb, k=kind, d=w.pick(("a", "the", "a new", "one")))
        named = (
            ""
            if head.endswith(":")
            else w.pick(
                (
                    " named",
                    " called",
                    " with the name",
                    " by the name of",
                    " known as",
                    " whose name is",
                    " titled",
                    " under the name",
                    ":",
                )
            )
        )
        request = f"{head}{named} {quote}{name_value}{after}{gloss}{w.pick((' - ', ', ', ': ', ' – ', '; it is ', ', which is ', '. It is ', ' / ', ', described as ', ' — '))}{about}{w.pick(('', '', '.', ', please', ', please.'))}"
    parameters = [
        Parameter(key, {"type": "string"}, value, "") for key, value in zip(keys, (name_value, about), strict=True)
    ]
    for p in parameters:
        if w.chance(0.5):
            p.schema["description"] = w.pick(
                (f"The {spoken(p.name)}", f"{spoken(p.name).capitalize()} of the {kind}", "As written by its owner")
            )
    name = cased(
        w,
        w.pick(
            (f"{verb}_{kind}", f"{kind}_{verb}", f"{w.syllables()}_{kind}", f"new_{kind}", f"{w.adjective()}_{kind}")
        ).replace(" ", "_"),
    )
    description = w.pick(
        (f"{verb.capitalize()} a {kind}.", f"Stores a {kind} with its name.", f"Makes a new {kind} record.", "")
    )
    return Tool(
        name,
        description,
        parameters,
        dict(zip(keys, (name_value, about), strict=True)),
        request,
        kind,
        lowered(request),
    )


def intent_tool(w: Words, intent: Intent | None = None) -> Tool:
    """A tool for an everyday request."""
    intent = intent or w.pick(INTENTS)
    base = w.pick(intent.names)
    name = cased(w, _varied_name(w, base))
    values: list[Any] = []
    parameters: list[Parameter] = []
    used: set[str] = set()
    small = w.chance(0.06)  # everything in small letters, as people type
    for slot in intent.slots:
        key = (
            w.pick(slot.names)
            if not w.chance(0.15)
            else f"{w.pick(slot.names)}_{w.pick((w.noun(), w.adjective(), 'value', 'name'))}"
        )
        while key in used:
            key = f"{key}_{w.noun()}"
        used.add(key)
        value = slot.value(w)
        if small and isinstance(value, str):
            value = value.lower()
        schema: dict[str, Any] = {"type": slot.kind}
        if slot.choices and w.chance(0.7):
            schema["enum"] = list(slot.choices)
        key = cased(w, key)
        if w.chance(0.06) and len(intent.slots) < 3:
            schema["description"] = w.pick(("The {}", "{}", "{} goes here", "This is the {}.")).format(spoken(key))
            key = w.pick((f"p{len(used)}", f"arg{len(used)}", w.syllables(), w.noun()))
            used.add(key)
        elif text := described(w, key, spoken(base)):
            schema["description"] = text
        values.append(value)
        parameters.append(Parameter(key, schema, value, ""))
    said = [said_value(v) for v in values]
    for at, slot in enumerate(intent.slots):
        if (
            slot.kind == "integer"
            and 0 < values[at] <= 12
            and "{0} +" not in intent.requests.train[0]
            and w.chance(0.2)
        ):
            said[at] = _SMALL_NUMBERS[values[at] - 1]
    request = w.template(intent.requests)
    onoff = "on" if values and values[-1] is True else "off"
    shown = spoken(name) if name.isascii() else name
    request = request.lower() if small else request
    request = request.format(*said, f=shown.lower() if small else shown, onoff1=onoff)
    short = without_end(lowered(request), values)
    # Optional parameters nobody asked for.
    while w.chance(0.15):
        extra = parameter(w, used, spoken(base), complex_share=0)
        extra.required = False
        parameters.append(extra)
    arguments = {p.name: v for p, v in zip(parameters, values, strict=False)}
    return Tool(
        name, w.pick(intent.does), parameters, arguments, _with_courtesy(w, request), intent.topic.format(*said), short
    )


_SMALL_NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()


def _with_courtesy(w: Words, request: str) -> str:
    """Now and then a word before or after; after it only where the request has an end of its own."""
    x = w.rng.random()
    if x < 0.72:
        return request
    phrases = AFTER if x > 0.86 and request[-1] in ".?!" else BEFORE
    return w.ask(phrases, r=request, l=lowered(request))


def _varied_name(w: Words, name: str) -> str:
    x = w.rng.random()
    if x < 0.4:
        return name
    if x > 0.93:  # only the description says what it does
        return w.pick((w.syllables, w.salad, lambda: f"{w.adjective()}_{w.noun()}"))()
    word = w.pick(
        (
            w.noun,
            w.adjective,
            w.syllables,
            w.salad,
            lambda: w.pick(("my", "tool", "api", "service", "helper", "client", "fn", "maker", "engine", "action")),
        )
    )()
    return f"{name}_{word}" if x < 0.72 else f"{word}_{name}"


def any_tool(w: Words) -> Tool:
    """A tool of any kind."""
    return w.weighted(
        (0.64, written_tool),
        (0.12, composed_tool),
        (0.04, random_tool),
        (0.08, intent_tool),
        (0.04, function_tool),
        (0.03, no_argument_tool),
        (0.05, creation_tool),
    )(w)


def several_tools(w: Words, n: int, first: Tool | None = None) -> list[Tool]:
    """Tools of different names, `first` among them and first in this list."""
    tools = {} if first is None else {first.name: first}
    topics = set() if first is None else {first.topic}
    while len(tools) < n:
        tool = any_tool(w)
        if tool.topic not in topics:
            tools.setdefault(tool.name, tool)
            topics.add(tool.topic)
    return list(tools.values())


# -- as the prompt lists them ------------------------------------------------------------------------------------------


class Listing:
    """How one application writes the JSON of its tools."""

    def __init__(self, w: Words) -> None:
        self.style = w.weighted((0.45, "plain"), (0.3, "titled"), (0.15, "typed"), (0.1, "bare"))
        self.closed = w.chance(0.12)
        self.signature = self.style == "titled" and w.chance(0.6)

    def spec(self, tool: Tool) -> dict[str, Any]:
        """The tool in OpenAI's form."""
        properties: dict[str, Any] = {}
        for p in tool.parameters:
            schema = dict(p.schema)
            if self.style == "titled":
                schema = {"title": spoken(p.name).title(), **schema}
            if not p.required and self.style in ("titled", "typed"):
                schema["default"] = None
            properties[p.name] = schema
        required = [p.name for p in tool.parameters if p.required]
        parameters: dict[str, Any] = {"properties": properties}
        if self.style == "plain":
            parameters = {"type": "object", **parameters}
        if required or self.style == "typed":
            parameters["required"] = required
        parameters.setdefault("type", "object")
        if self.closed:
            parameters["additionalProperties"] = False
        description = tool.description
        if self.signature:
            inner = ", ".join(f"{p.name}: {_PYTHON.get(p.schema.get('type', ''), 'Any')}" for p in tool.parameters)
            description = f"{tool.name}({inner})\n{description}"
        return {
            "type": "function",
            "function": {"name": tool.name, "description": description, "parameters": parameters},
        }

    def specs(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """`spec` of each."""
        return [self.spec(tool) for tool in tools]


_PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}

"""Made-up tools, each with a request that needs it, and the JSON a prompt lists them as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from training.data.composed_tools import composed_tool
from training.data.intents import INTENTS, Intent
from training.data.parameters import (
    GENERIC,
    Parameter,
    Tool,
    cased,
    described,
    identifier,
    parameter,
    said_value,
    spoken,
)
from training.data.words import Phrases, Words
from training.data.written_tools import written_tool

_ASKING = (
    "get",
    "fetch",
    "find",
    "look up",
    "show",
    "list",
    "retrieve",
    "check",
    "search",
    "read",
    "query",
    "load",
    "view",
    "describe",
    "inspect",
    "count",
    "compare",
    "analyze",
)
_DOING = (
    "create",
    "add",
    "register",
    "delete",
    "remove",
    "update",
    "send",
    "schedule",
    "book",
    "cancel",
    "start",
    "stop",
    "open",
    "close",
    "submit",
    "order",
    "assign",
    "upload",
    "archive",
    "approve",
    "reject",
    "make",
    "save",
    "publish",
    "rename",
    "move",
    "copy",
    "print",
    "lock",
    "enable",
    "generate",
    "merge",
)
_DESCRIPTIONS = Phrases(
    "{V} a {n}.",
    "{V} the {n}.",
    "{V} {n} records.",
    "Use this to {v} a {n}.",
    "{V}s a {n} in the system.",
    "Tool to {v} the {n}",
    "",
    "{V} a {n} and return the result.",
    "Useful when you need to {v} a {n}.",
    "{V} one {n}, given its details.",
    "Lets you {v} {n}s.",
    "Call it to {v} the {n}",
)
_OPENERS = Phrases(
    "{B}{s}.",
    "{B}{s}",
    "Please {b}{s}.",
    "Can you {b}{s}?",
    "Could you {b}{s}?",
    "I want to {b}{s}.",
    "I need to {b}{s}",
    "Use the tool to {b}{s}.",
    "Use {N} to {b}{s}.",
    "Now {b}{s}.",
    "Use the {N} tool: {b}{s}",
    "I'd like you to {b}{s}.",
    "Would you {b}{s}, please?",
    "Help me {b}{s}",
    "We have to {b}{s}.",
    "Hey, {b}{s}!",
    "{B}{s}, please",
    "It's time to {b}{s}.",
    "Go ahead and {b}{s}",
    "Let's {b}{s}.",
)
_BEFORE = Phrases(
    "Please: {r}",
    "Hi, {l}",
    "Hey! {r}",
    "Hello. {r}",
    "One question: {l}",
    "I have a request. {r}",
    "Good morning! {r}",
    "Using the tool: {r}",
    "Assistant, {l}",
    "My next task: {r}",
)
_AFTER = Phrases(
    "{r} Thanks!",
    "{r} Use a tool.",
    "{r} Please use the tool.",
    "{r} Thank you.",
    "{r} Quick, please!",
    "{r} I need it now.",
    "{r} Let the tool do it.",
)
_NO_ARGS_NAMES = (
    "list_{n}s",
    "get_all_{n}s",
    "{n}_status",
    "current_{n}",
    "reset_{n}",
    "refresh_{n}",
    "ping",
    "get_{n}",
    "next_{n}",
    "random_{n}",
    "{a}_function",
    "whoami",
    "today",
    "{n}_no_args",
    "{x}",
    "stop_{n}",
    "{x}_{n}",
    "count_{n}s",
    "{a}_{n}",
)
_NO_ARGS_SAID = Phrases(
    "What does {N}() return?",
    "Call {N}.",
    "Run the {N} tool.",
    "Use {N}.",
    "Please call {N}()",
    "What is {N}()?",
    "Tell me the result of {N}.",
    "Execute {N}",
    "{V}.",
    "Can you {v}?",
    "Please {v}",
    "I want you to {v}",
    "Use the tool to {v}.",
    "Invoke {N} now",
    "Start {N}",
    "Find out the value of {N}() with the tool.",
    "Give me the value of {N}()",
)
_FUNCTION_NAMES = (
    "{a}_function",
    "{x}",
    "{x}_{n}",
    "{n}_fn",
    "compute_{x}",
    "{a}_{n}",
    "{x}_function",
    "f",
    "g",
    "{n}_of",
    "{a}_{n}_value",
    "{x}_op",
    "calc_{n}",
)
_FUNCTION_SAID = Phrases(
    "What is {N}({A})?",
    "Call {N} with {K}.",
    "Call {N}({A})",
    "Run {N} with {L}.",
    "Compute {N}({A}).",
    "Please evaluate {N}({K})",
    "Use the {N} tool with {L}",
    "What does {N} return for {A}?",
    "Apply {N} to {A}.",
    "Find the value of {N}({A}) with the tool.",
    "Give me {N} of {A}",
    "Using the tool, tell me {N}({A}).",
    "I need {N}({A}), use the tool",
    "Tell me the value of {N} for {A}.",
    "What value has {N}({A})? Use the tool for it.",
    "{N}({A}) is what? Please use the tool.",
)
_FUNCTION_DESCRIPTIONS = Phrases(
    "Calculate a {a} function.",
    "Compute the {a} value.",
    "",
    "Returns a {a} number.",
    "{X} function.",
    "The {a} {n} of its input.",
    "Performs the {x} operation",
    "Turns numbers into {a} ones.",
)
_KINDS = (
    "customer",
    "supplier",
    "account",
    "project",
    "user",
    "company",
    "partner",
    "product",
    "team",
    "school",
    "shop",
    "client",
    "member",
    "author",
    "restaurant",
)
_CREATE = ("create", "register", "add", "make", "save", "enter", "insert", "set up")
_PEOPLES = (
    "Chinese",
    "Japanese",
    "Korean",
    "Russian",
    "German",
    "French",
    "Indian",
    "Greek",
    "Turkish",
    "Polish",
    "Brazilian",
)
_BUSINESSES = (
    "company",
    "shop",
    "firm",
    "startup",
    "bank",
    "bakery",
    "software house",
    "bookstore",
    "factory",
    "hotel",
    "school",
    "agency",
)
_CREATION_SAID = Phrases(
    "{V} a {k} named {q}{a}{q} ({g}), {b}",
    "{V} a {k} called {q}{a}{q} ({g}) - {b}",
    "{V} a new {k} named {q}{a}{q} - {b}",
    "Please {v} a {k} named {a} ({g}), {b}",
    "{V} {k} {q}{a}{q} with {p} {q}{b}{q}",
    "{V} the {k} {q}{a}{q}: {b}",
    "There is a new {k}, {q}{a}{q} ({g}), {b}. {V} it.",
    "{V} {q}{a}{q} as a {k}; {p}: {b}",
)


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
    verb = w.pick(_ASKING if asking else _DOING) if not w.chance(0.2) else w.verb()
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
    request = w.ask(_OPENERS, B=body[0].upper() + body[1:], b=body, s=said, N=name)
    description = w.say(_DESCRIPTIONS, V=verb.capitalize(), v=verb, n=noun)
    arguments = {p.name: p.value for p in parameters if p in wanted}
    return Tool(name, description, parameters, arguments, request, noun, body + said)


def no_argument_tool(w: Words) -> Tool:
    """A tool without parameters."""
    noun = w.noun()
    name = cased(w, w.pick(_NO_ARGS_NAMES).format(n=noun, a=w.adjective(), x=w.pick((w.syllables, w.salad))()))
    verb = spoken(name) if name.split("_")[0] in ("list", "get", "reset", "refresh", "stop", "count") else f"run {name}"
    request = w.ask(_NO_ARGS_SAID, N=name, v=verb, V=verb[0].upper() + verb[1:])
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
    name = w.pick(_FUNCTION_NAMES).format(n=w.noun(), a=w.adjective(), x=w.pick((w.syllables, w.salad))())
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
        _FUNCTION_SAID,
        N=name,
        A=", ".join(values),
        K=", ".join(f"{p.name}={v}" for p, v in zip(parameters, values, strict=True)),
        L=" and ".join(f"{p.name} {v}" for p, v in zip(parameters, values, strict=True)),
    )
    description = w.say(
        _FUNCTION_DESCRIPTIONS, a=w.adjective(), x=w.syllables(), X=w.syllables().capitalize(), n=w.noun()
    )
    short = f"call {name} with {', '.join(values)}"
    return Tool(name, description, parameters, {p.name: p.value for p in parameters}, request, name, short)


_QUOTES = (("'", "'"), ("'", "'"), ('"', '"'), ('"', '"'), ("", ""), ("“", "”"), ("«", "»"), ("「", "」"), ("`", "`"))


def creation_tool(w: Words) -> Tool:
    """A tool that stores a name, often of another script, with a description."""
    kind = w.pick(_KINDS) if w.chance(0.8) else w.noun()
    verb = w.pick(_CREATE)
    keys = (
        w.pick((f"{kind}_name", "name", "title")),
        w.pick(("description", "details", "summary", "note", "info", "about")),
    )
    name_value = w.foreign() if w.chance(0.8) else w.pick((w.company, w.person, w.product))()
    about = f"{w.pick(('a', 'an', 'the'))} {w.pick((w.adjective(), w.pick(_PEOPLES)))} {w.pick((w.noun(), w.pick(_BUSINESSES)))}"
    quote, after = w.pick(_QUOTES)
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
        request = w.ask(_CREATION_SAID, **slots)
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
    short = lowered(request).rstrip(".?!")
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
    phrases = _AFTER if x > 0.86 and request[-1] in ".?!" else _BEFORE
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


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """A call as people write it in a thought."""
    return f"{name}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in arguments.items())})"


__all__ = ["GENERIC", "Listing", "Tool", "any_tool", "call_text", "identifier", "several_tools"]

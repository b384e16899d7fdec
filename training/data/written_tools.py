"""Tools written by hand, as the generator's `Tool`: requests, several calls at once, results, and what follows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, described, listed, spoken
from training.data.results import Result, any_result, dumped, error_result, good_result
from training.data.swapping import swapped_tool
from training.data.telling import told
from training.data.words import Phrases, Words, capitalized
from training.data.written import HERE, Line, Slots, as_typed, line_of, parameter_schema, said, slots_of, strings_of

_AREA = "tools"
_WRAPS = Phrases(
    "{C}.",
    "{C}",
    "{C}!",
    "Please {c}.",
    "Can you {c}?",
    "Could you please {c}?",
    "I need you to {c}.",
    "I'd like you to {c}",
    "{C}, please.",
    "Would you {c}, please?",
    "Go ahead and {c}.",
    "We need to {c}.",
    "Time to {c}.",
    "Be so kind as to {c}.",
    "I want to {c}.",
    "Help me {c}.",
    "My task for you: {c}.",
    "Let's {c}.",
    "Would it be possible to {c}?",
    "Use the tool to {c}.",
    "Make sure to {c}.",
    "Don't forget to {c}.",
)
#: Kinds of slots whose values can stand in a list: "the weather in Rome, Oslo and Lima".
_LISTABLE = frozenset(("city", "place", "country", "person", "full", "first", "company", "product", "word", "noun", "code", "file"))  # fmt: skip
#: Kinds of slots that are a sentence: in quotes there may be two.
_SENTENCES = ("sentence", "@message", "@note", "@review", "@announcement", "@opinion", "@complaint")
#: Kinds of slots that have values with "and" or a comma too, of which a list could not be told in a list.
_JOINED = frozenset("@" + path.stem.removesuffix("_joined") for path in (HERE / "values").glob("*_joined.txt"))
#: What says that a request names the state or country beside the city.
_REGIONS = ("country", "state", "region", "province")


def _line(w: Words) -> Line:
    """A tool of the split, in training now and then with other nouns."""
    line = line_of(w, _AREA)
    return swapped_tool(w, line) if not w.heldout and w.chance(0.2) else line


def _name(w: Words, line: Line) -> str:
    x = w.rng.random()
    name: str = line["name"] if x < 0.5 or not line.get("also") else w.pick(line["also"])
    if x > 0.9:
        word = w.pick((w.noun(), w.syllables(), w.adjective(), "tool", "v2", "api", "service", "helper"))
        name = f"{name}_{word}" if w.chance(0.6) else f"{word}_{name}"
    return cased(w, name)


def _key(w: Words, own: str, also: list[str], used: set[str]) -> str:
    x = w.rng.random()
    name = own if x < 0.6 or not also else w.pick(also)
    if x > 0.93:
        name = f"{name}_{w.pick((w.noun(), 'value', 'name', w.adjective()))}"
    name = cased(w, name)
    while name in used:
        name = f"{name}_{w.noun()}"
    used.add(name)
    return name


def _arguments(line: Line, template: str, fixed: dict[str, Any], slots: Slots, suffix: str = "") -> dict[str, Any]:
    """What a request passes, by the line's own names: its slots, and what is said beside them."""
    there = set(slots_of(template))
    out: dict[str, Any] = {}
    for own, spec in line["params"].items():
        schema = parameter_schema(spec)
        if own in fixed:
            out[own] = as_typed(schema, slots.value(fixed[own]))
        elif own + suffix in there:
            out[own] = as_typed(schema, slots.get(own + suffix))
        elif own in there:
            out[own] = as_typed(schema, slots.get(own))
    return out


def _required(line: Line) -> set[str]:
    return {own for own, spec in line["params"].items() if not spec.get("optional")}


def _named(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names that this tool has for the line's."""
    names: dict[str, str] = tool.extra["names"]
    return {names[own]: arguments[own] for own in names if own in arguments}


def _split(wording: Any) -> tuple[str, dict[str, Any]]:
    return (wording, {}) if isinstance(wording, str) else (wording[0], wording[1])


def _kinds(w: Words, line: Line, template: str) -> dict[str, str]:
    """The kinds of a line's slots for one request: now and then a city with its country, or a title with "and" in it.

    Only where the value goes into a string and stands alone of its kind, so that nobody takes it for two. In quotes there
    may be two sentences.
    """
    kinds: dict[str, str] = dict(line.get("slots") or {})
    there = slots_of(template)
    if any("array" in str(spec.get("schema", "")) for spec in line["params"].values()):
        return kinds
    counted = [kinds.get(slot) for slot in there]
    regional = any(word in slot for slot in (*kinds, *line["params"]) for word in _REGIONS)
    for slot, kind in zip(there, counted, strict=True):
        if kind is None or slot not in line["params"]:
            continue
        if kind in _SENTENCES and f'"{{{slot}}}"' in template and w.chance(0.3):
            kinds[slot] = f"{kind}+"
        elif kind == "city" and not regional and w.chance(0.12):
            kinds[slot] = "located"
        elif counted.count(kind) == 1 and kind in ("company", "product") and w.chance(0.1):
            kinds[slot] = f"@{kind}_joined"
        elif counted.count(kind) == 1 and kind in _JOINED and w.chance(0.25):
            kinds[slot] = f"{kind}_joined"
    return kinds


def without_end(text: str, values: Any) -> str:
    """A request without the signs at its end, unless they belong to a value that it passes."""
    bare = text.rstrip(".?!")
    return text if any(value in text and value not in bare for value in strings_of(values)) else bare


def written_tool(w: Words, line: Line | None = None, *, clause: bool | None = None) -> Tool:
    """A tool with a request for it.

    Args:
        line: Which; any one if None.
        clause: Whether the request is a clause that others can be joined with; by chance if None.
    """
    line = line or _line(w)
    clauses = line.get("clauses") or []
    as_clause = bool(clauses) and (w.chance(0.25) if clause is None else clause)
    template, fixed = _split(line.one(w, clauses if as_clause else line["requests"]))
    slots = Slots(w, _kinds(w, line, template))
    template = said(w, template, rough=not as_clause)
    text = slots.fill(template)
    arguments = _arguments(line, template, fixed, slots)
    used: set[str] = set()
    names: dict[str, str] = {}
    parameters: list[Parameter] = []
    for own, spec in line["params"].items():
        if spec.get("optional") and own not in arguments and w.chance(0.3):
            continue
        names[own] = _key(w, own, spec.get("also", []), used)
        schema = parameter_schema(spec)
        if "description" not in schema:
            if spec.get("say") and w.chance(0.6):
                schema["description"] = w.pick(spec["say"])
            elif about := described(w, names[own], spoken(line["name"])) if w.chance(0.3) else "":
                schema["description"] = about
        parameters.append(Parameter(names[own], schema, arguments.get(own), "", required=not spec.get("optional")))
    if w.chance(0.08):
        w.rng.shuffle(parameters)
        names = {own: names[own] for p in parameters for own in names if names[own] == p.name}
    description = "" if w.chance(0.06) else line.one(w, line["does"])
    short = text if as_clause else text[:1].lower() + text[1:] if text[1:2].islower() else text
    request = w.ask(_WRAPS, c=text, C=capitalized(text)) if as_clause else text
    extra = {"line": line, "slots": slots, "names": names, "own": arguments}
    tool = Tool(
        _name(w, line), description, parameters, {}, request, line["name"], without_end(short, arguments), extra
    )
    tool.arguments = _named(tool, arguments)
    return tool


def tool_result(w: Words, tool: Tool, *, failed: bool | None = None, alone: bool = True) -> Result:
    """What a tool returns; of a hand-written one mostly what is written for it.

    Args:
        failed: Whether it fails; by chance if None.
        alone: Whether it is the only result of its turn.
    """
    line: Line | None = tool.extra.get("line")
    if line is None or w.chance(0.12):
        return any_result(w) if failed is None else error_result(w) if failed else good_result(w)
    errors, results = line.get("errors") or [], line.get("results") or []
    if failed is None:
        failed = w.chance(0.12)
    some = errors if failed and errors else results or errors
    if not some:
        return any_result(w)
    chosen = line.one(w, some)
    slots = _of_call(w, tool)
    if any(slot not in slots.values and slot in line["params"] for slot in _all_slots(chosen)):
        return any_result(w)  # it speaks of an argument that this call does not pass
    value = slots.value(chosen["result"])
    text = value if isinstance(value, str) else dumped(w, value) if isinstance(value, dict | list) else str(value)
    answer = told(slots, chosen, alone=alone and some is results)
    return Result(text, answer, value if isinstance(value, dict) else None)


def _all_slots(chosen: dict[str, Any]) -> list[str]:
    return [slot for text in strings_of([chosen["result"], chosen["answer"]]) for slot in slots_of(text)]


def _of_call(w: Words, tool: Tool) -> Slots:
    """The slots of one call: those of its own arguments, whatever request they came from."""
    first: Slots = tool.extra["slots"]
    slots = Slots(w, first.kinds)
    own: dict[str, Any] = tool.extra["own"]
    slots.values = {slot: value for slot, value in first.values.items() if "#" not in slot} | {
        slot: value for slot, value in own.items() if isinstance(value, str | int | float)
    }
    return slots


def another_call(tool: Tool, arguments: dict[str, Any], request: str = "", short: str = "") -> Tool:
    """The same tool with other arguments, given by the line's own names."""
    made = replace(tool, request=request, short=short, extra={**tool.extra, "own": arguments})
    made.arguments = _named(made, arguments)
    return made


def asked_again(w: Words, tool: Tool, *, clause: bool = False) -> Tool | None:
    """Another request for a hand-written tool, with other values; None where there is none.

    Args:
        clause: Whether it has to be a clause that others can be joined with.
    """
    line: Line | None = tool.extra.get("line")
    if line is None or (clause and not line.get("clauses")):
        return None
    as_clause = clause or (bool(line.get("clauses")) and w.chance(0.25))
    template, fixed = _split(line.one(w, line["clauses"] if as_clause else line["requests"]))
    slots = Slots(w, _kinds(w, line, template))
    text = slots.fill(said(w, template, rough=not as_clause))
    own = _arguments(line, template, fixed, slots)
    if set(own) - set(tool.extra["names"]):
        return None  # an optional parameter that this tool does not offer
    request = w.ask(_WRAPS, c=text, C=capitalized(text)) if as_clause else text
    made = another_call(tool, own, request, without_end(text, own))
    made.extra["slots"] = slots
    return made


def follow_up(w: Words, tool: Tool) -> Tool | None:
    """A next request for the tool with some arguments changed, where one is written."""
    line: Line | None = tool.extra.get("line")
    if line is None or not line.get("follow"):
        return None
    template, changed = _split(line.one(w, line["follow"]))
    slots: Slots = tool.extra["slots"]
    before = slots.values
    slots.values = {**{k: v for k, v in before.items() if "#" not in k}}
    try:
        request = slots.fill(said(w, template))
        fresh = {
            own: as_typed(parameter_schema(line["params"][own]), slots.value(value))
            for own, value in changed.items()
            if own in tool.extra["names"]
        }
    finally:
        slots.values = before
    if not fresh or len(fresh) != len(changed):
        return None
    own = {**tool.extra["own"], **fresh}
    return another_call(tool, {k: own[k] for k in line["params"] if k in own}, request)


def calls_of_one(w: Words) -> tuple[list[Tool], str]:
    """Several calls of one tool, and the request for all of them."""
    while True:
        line = _line(w)
        if line.get("twice") and (w.chance(0.6) or not (made := _in_a_list(w, line))):
            if made := _twice(w, line):
                return made
        elif made := _in_a_list(w, line):
            return made


def _twice(w: Words, line: Line) -> tuple[list[Tool], str] | None:
    tool = written_tool(w, line)
    template, fixed = _split(line.one(w, line["twice"]))
    slots = tool.extra["slots"] = Slots(w, line.get("slots"))
    request = slots.fill(said(w, template))
    n = 3 if any(slot.endswith("#3") for slot in slots_of(template)) else 2
    suffixes = ["", "#2", "#3"][:n]
    calls = []
    for suffix in suffixes:
        own = _arguments(line, template, fixed, slots, suffix)
        if not _required(line) <= set(own):
            return None
        calls.append(another_call(tool, own))
    if any(set(call.extra["own"]) - set(tool.extra["names"]) for call in calls):
        return None  # an optional parameter that this tool does not offer
    if any(call.arguments == other.arguments for at, call in enumerate(calls) for other in calls[:at]):
        return None  # nobody asks for one thing twice
    return calls, request


def _in_a_list(w: Words, line: Line) -> tuple[list[Tool], str] | None:
    """ "The weather in Rome, Oslo and Lima": a request with several values for its only slot."""
    if len(line["params"]) != 1:
        return None
    (own,) = line["params"]
    if line.get("slots", {}).get(own) not in _LISTABLE:
        return None
    tool = written_tool(w, line)
    template, fixed = _split(line.one(w, line["requests"]))
    if fixed or slots_of(template) != [own] or any(quote in template for quote in "'\"`"):
        return None
    kinds = dict(line["slots"])
    if kinds[own] == "city" and w.chance(0.12):
        kinds[own] = "located"
    slots = tool.extra["slots"] = Slots(w, kinds)
    n = w.pick((2, 2, 2, 3, 3, 4))
    items = [slots.get(own)] + [slots.get(f"{own}#{i}") for i in range(2, n + 1)]
    if len(set(items)) < n:
        return None
    last = w.pick(("and", "and", "and", "&", "as well as", "and also"))
    slots.values[own] = listed(items, last)
    request = slots.fill(said(w, template))
    slots.values[own] = items[0]
    return [another_call(tool, {own: item}) for item in items], request

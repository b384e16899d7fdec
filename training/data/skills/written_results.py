"""Answers from what tools return, by hand-written lines: a field, a count, an extreme, a span, several results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from training.data.example import Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, listed, said_value, spoken
from training.data.prose_parts import laid_out
from training.data.result_fields import ABOVE, TAKEN
from training.data.results import NOTHING_ANSWER, dumped, report
from training.data.skills.calling import call_turn
from training.data.skills.context import UNKNOWN
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.written_agents import (
    as_react,
    asked,
    choose,
    distinct_names,
    made_tool,
    offered,
    part,
    slots_for,
)
from training.data.toolmaking import Listing
from training.data.words import Words
from training.data.written import Line, Slots, line_of, lines, maker, said, slots_of


@dataclass
class Case:
    """A request for a tool, what it returns, the answer, and more questions about the same result."""

    tool: Tool
    text: str
    answer: str
    more: list[tuple[str, str]] = field(default_factory=list)


def styled(w: Words, fields: dict[str, Any]) -> dict[str, str]:
    """How a tool writes the names of its fields: one style for all."""
    x = w.rng.random()
    if x < 0.75:
        return {key: key for key in fields}
    if x < 0.92:
        return {key: key.split("_")[0] + "".join(p.capitalize() for p in key.split("_")[1:]) for key in fields}
    return {key: key.replace("_", " ") for key in fields}


_GROUPS = ("details", "info", "meta", "more", "attributes", "extra", "properties", "data")


def shown(w: Words, fields: dict[str, Any]) -> str:
    """An object as a tool returns it: JSON, wrapped or not, or lines."""
    x = w.rng.random()
    if x < 0.12:
        sign = w.pick((": ", ": ", "=", " = "))
        return w.pick(("\n", "\n", ", ", "; ")).join(f"{key}{sign}{said_value(v)}" for key, v in fields.items())
    if x < 0.2:
        return dumped(w, {w.pick(("result", "data", "item")): fields})
    if x < 0.32 and len(fields) > 3:
        inner = set(w.sample(list(fields)[1:], w.between(1, 3)))
        outer = {key: value for key, value in fields.items() if key not in inner}
        return dumped(w, {**outer, w.pick(_GROUPS): {key: fields[key] for key in fields if key in inner}})
    if x < 0.36:
        return dumped(w, [fields])
    return dumped(w, fields)


def _about_field(key: str, value: Any, ask: dict[str, Any]) -> str:
    """The answer about one field."""
    if "is" in ask:
        if isinstance(value, bool):
            return "Yes." if value else "No."
        good = value == ask["is"]
        return f"{'Yes' if good else 'No'}, the {spoken(key)} is {value}."
    return f"The {spoken(key)} is {said_value(value)}."


def _general(w: Words, op: str) -> str:
    """A question about any result, with slots for what it is about."""
    line = next(line for line in lines("follow_ups") if line["op"] == op)
    said_so: list[str] = line["said"]
    return w.pick(part(w, said_so))


#: How often a tool that is asked for everything says no more than two or three things.
_FEW = 0.6

#: What a tool returns that found nothing.
EMPTY = ("[]", "[]", '{"results": []}', "null", "None", "no results", '{"items": []}', '{"count": 0, "results": []}', '{"data": []}', "{}", "")  # fmt: skip


def _empty(w: Words, line: Line, tool: Tool) -> Case:
    """Nothing was found."""
    return Case(tool, w.pick(EMPTY), line.get("none") or NOTHING_ANSWER)


def record(w: Words, line: Line | None = None) -> Case:
    """One field of an object, or all of them."""
    line = line or _line(w, "record")
    slots = slots_for(w, line["args"], line["record"])
    fields = {key: slots.value(value) for key, value in line["record"].items()}
    for ask in line["asks"]:
        if ask.get("is") == "yes":
            fields[ask["field"]] = fields[ask["field"]] == "yes"
    names = styled(w, fields)
    ask = w.weighted(*((3 if one.get("all") else 1, one) for one in line["asks"] if one["said"]))
    arguments = {own: slots.value(v) for own, v in line["args"].items()}
    tool = made_tool(w, line["tool"], arguments, asked(w, slots, choose(w, line, ask["said"]), arguments.values()))
    if w.chance(0.05):
        return _empty(w, line, tool)
    whole = bool(ask.get("all"))
    kept = [key for key in fields if whole or key == ask["field"] or w.chance(0.85)]
    if whole and len(kept) > 2 and w.chance(_FEW):
        few = w.sample(kept, w.between(2, 3))  # two or three facts are what a tool mostly says, and all are told
        kept = [key for key in kept if key in few]
    if w.chance(0.2):
        w.rng.shuffle(kept)
    text = shown(w, {names[key]: fields[key] for key in kept})
    everything = report({names[key]: fields[key] for key in kept})
    more = [
        (choose(w, line, one["next"]), _about_field(names[one["field"]], fields[one["field"]], one))
        for one in line["asks"]
        if one is not ask and one.get("field") in kept and one["field"] != ask.get("field") and one["next"]
    ]
    for key in w.sample([key for key in kept if not isinstance(fields[key], bool)], 2):
        more.append((_general(w, "field").format(k=spoken(key)), _about_field(names[key], fields[key], {})))
    if not whole and len(kept) < 6 and w.chance(0.3) and not any(isinstance(fields[key], bool) for key in kept):
        more.append((_general(w, "everything"), everything))
    w.rng.shuffle(more)
    return Case(tool, text, everything if whole else _about_field(names[ask["field"]], fields[ask["field"]], ask), more)


def rows(w: Words, line: Line | None = None) -> Case:
    """A list of records: all, those with a value, a field of one, a count, the first or last, the largest or smallest."""
    line = line or _line(w, "row")
    slots = slots_for(w, line["args"], [ask["said"] for ask in line["asks"]])
    makers = {key: maker(kind) for key, kind in line["row"].items()}
    own = next(iter(line["row"]))
    unlike = [key for key, kind in line["row"].items() if key == own or ("|" not in kind and kind != "weekday")]
    n = w.between(max(2, line["n"][0]), line["n"][1])
    made: list[dict[str, Any]] = []
    for _ in range(40 * n):  # fewer rows where a column has not so many values
        if len(made) == n:
            break
        row = {key: make(w) for key, make in makers.items()}
        if not any(row[key] == other[key] for other in made for key in unlike):
            made.append(row)
    ask = w.pick(line["asks"])
    arguments = {own: slots.value(v) for own, v in line["args"].items()}
    meant = [_meant(w.pick(made), one["what"]) for one in line["asks"]]
    slots.values |= meant[line["asks"].index(ask)]
    tool = made_tool(w, line["tool"], arguments, asked(w, slots, choose(w, line, ask["said"]), arguments.values()))
    if w.chance(0.05):
        return _empty(w, line, tool)
    names = styled(w, made[0])
    text = table(w, [{names[key]: value for key, value in row.items()} for row in made], line["things"])
    more = []
    for one, values in zip(line["asks"], meant, strict=True):
        answer = _of_rows(made, line["things"], one["what"], values)
        if one is ask:
            first = answer
        elif one.get("next"):
            question = choose(w, line, one["next"])
            for slot, value in values.items():
                question = question.replace("{" + slot + "}", said_value(value))
            more.append((question, answer))
    more += _more_of_rows(w, made, line["things"])
    w.rng.shuffle(more)
    return Case(tool, text, first, more)


def _meant(row: dict[str, Any], what: list[str]) -> dict[str, Any]:
    """The slots of a question that a record decides: {v} the value to look for, {x} the name of one of the list."""
    return {"v": row[what[1]]} if what[0] == "where" else {"x": row[what[2]]} if what[0] == "lookup" else {}


def table(w: Words, shown: list[dict[str, Any]], things: str) -> str:
    """Records as a tool returns them: JSON, wrapped or not, lines, CSV or a table."""
    x = w.rng.random()
    cells = [[said_value(value) for value in row.values()] for row in shown]
    if x < 0.12:
        return "\n".join("- " + ", ".join(f"{key}: {said_value(v)}" for key, v in row.items()) for row in shown)
    if x < 0.2:
        return "\n".join(",".join(row) for row in [list(shown[0]), *cells])
    if x < 0.27:
        lines_of_table = [list(shown[0]), ["---"] * len(shown[0]), *cells]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines_of_table)
    if x < 0.5:
        return dumped(w, {w.pick((things, "results", "items", "data")): shown})
    return dumped(w, shown)


def _more_of_rows(w: Words, made: list[dict[str, Any]], things: str) -> list[tuple[str, str]]:
    """Questions on a list that fit any list."""
    own, *others = made[0]
    number = [key for key in others if isinstance(made[0][key], int | float)]
    row, key = w.pick(made), w.pick(others)
    out = [(_general(w, "lookup").format(x=row[own], k=spoken(key)), f"The {spoken(key)} is {said_value(row[key])}.")]
    if number:
        op, key = w.pick(("max", "min")), w.pick(number)
        out.append((_general(w, op).format(k=spoken(key)), _of_rows(made, things, [op, key, own])))
    op = w.pick(("count", "first", "last", "all", "all"))
    out.append((_general(w, op).format(things=things), _of_rows(made, things, [op, own])))
    row, key = w.pick(made), w.pick(others)
    where = _of_rows(made, things, ["where", key, own], {"v": row[key]})
    out.append((_general(w, "where").format(k=spoken(key), v=said_value(row[key])), where))
    return out


def all_names(names: list[Any]) -> str:
    """The answer that names some things."""
    return f"It is {names[0]}." if len(names) == 1 else f"They are {listed(names)}."


def _of_rows(made: list[dict[str, Any]], things: str, what: list[str], meant: dict[str, Any] | None = None) -> str:
    """The answer to a question on a list; `meant`: the value that it asks about."""
    if what[0] == "all":
        return all_names([row[what[1]] for row in made])
    if what[0] == "where" and meant:
        return all_names([row[what[2]] for row in made if row[what[1]] == meant["v"]])
    if what[0] == "lookup" and meant:
        row = next(row for row in made if row[what[2]] == meant["x"])
        return f"The {spoken(what[1])} is {said_value(row[what[1]])}."
    if what[0] == "count":
        return f"There are {len(made)} {things}." if len(made) > 1 else "There is only one."
    if what[0] in ("first", "last"):
        return f"It is {made[0 if what[0] == 'first' else -1][what[1]]}."
    best = (max if what[0] == "max" else min)(made, key=lambda row: row[what[1]])
    return f"It is {best[what[2]]}."


def _line(w: Words, key: str) -> Line:
    while True:
        line = line_of(w, "results")
        if line.get(key):
            return line


# -- passages ----------------------------------------------------------------------------------------------------------

_QUERY_KEYS = ("query", "input", "question", "q", "text", "search")
_SYSTEMS = (
    "You have access to a tool that retrieves context. Use the tool to help answer user queries.",
    "Answer with the help of the search tool.",
    "Always search before you answer.",
    "Look things up with the tool, then answer briefly.",
    "You answer questions about our documents. Search them first.",
)


def _passages(w: Words, texts: list[str]) -> str:
    x = w.rng.random()
    if x < 0.2:
        return "\n\n".join(f"Source: {{'source': '{w.file()}'}}\nContent: {text}" for text in texts)
    if x < 0.3:
        return dumped(w, texts)
    if x < 0.42:
        key = w.pick(("content", "text", "page_content", "snippet"))
        return json.dumps([{key: text, "score": round(w.rng.random(), 2)} for text in texts], ensure_ascii=False)
    if x < 0.5:
        return dumped(w, {"results": [{"title": w.title(), "text": text} for text in texts]})
    if x < 0.58:
        return "\n".join(f"{at}. {text}" for at, text in enumerate(texts, 1))
    return laid_out(w, texts)


def searched(w: Words) -> tuple[Case, bool]:
    """A question for a search, the passages it finds, and the span that answers; whether there was a silent one."""
    line = line_of(w, "knowledge")
    slots = slots_for(w, line["passages"])
    key = w.pick(_QUERY_KEYS)
    asks = w.shuffled(line["asks"])
    silent = w.chance(0.12)
    asked_slots = set(slots_of(asks[0]["answer"]))
    kept = [text for text in line["passages"] if not (silent and asked_slots & set(slots_of(text)))]
    silent = silent and len(kept) < len(line["passages"])
    texts = [slots.fill(text) for text in kept]
    for _ in range(w.pick((0, 0, 0, 1, 2))):
        other = w.pick(lines("knowledge"))
        if other is not line and other.heldout is line.heldout:
            texts.append(slots_for(w, other["passages"]).fill(w.pick(other["passages"])))
    if w.chance(0.35):
        w.rng.shuffle(texts)
    request = slots.fill(said(w, choose(w, line, asks[0]["said"])))
    tool = Tool(w.pick(line["names"]), w.pick(line["does"]), [Parameter(key, {"type": "string"}, request, "")], {key: request}, request, line["names"][0], request, {"names": {}})  # fmt: skip
    answer = UNKNOWN if silent else slots.fill(asks[0]["answer"])
    more = [(slots.fill(said(w, choose(w, line, one["said"]))), slots.fill(one["answer"])) for one in asks[1:3]]
    return Case(tool, _passages(w, texts), answer, more), silent


# -- conversations -----------------------------------------------------------------------------------------------------


def _one(w: Words, case: Case, chat: Chat, tools: list[Tool]) -> None:
    chat.tools = Listing(w).specs(offered(w, tools, w.pick((0, 1, 1, 2, 2, 3))))
    if w.chance(0.1):
        plain_turn(w, chat)
    call_turn(w, chat, case.tool)
    chat.result(case.text)
    chat.answer(case.answer, TAKEN)


def result(w: Words) -> Example:
    """A question, the call that it needs, what the tool returns, and the answer from it."""
    chat = chat_for(w, share=0.1)
    x = w.rng.random()
    if x < 0.3:
        case, silent = searched(w)
        chat.system(w.pick(_SYSTEMS) if w.chance(0.45) else system_text(w, 0.3))
        _one(w, case, chat, [case.tool])
        if not w.heldout and not silent and case.more and w.chance(0.5):
            # Another search, whose passages are the same.
            request, answer = case.more[0]
            chat.user(request)
            key = next(iter(case.tool.arguments))
            chat.calls([(case.tool.name, {key: request})])
            chat.result(case.text)
            chat.answer(answer, TAKEN)
        return chat.example("written_result", heldout=w.heldout)
    if x < 0.38:
        case = record(w) if w.chance(0.6) else rows(w)
        shown = offered(w, [case.tool], w.pick((0, 0, 1, 2)))
        return as_react(w, "written_result", shown, case.tool.request, [(case.tool, case.text)], case.answer)
    chat.system(system_text(w, 0.3))
    if x < 0.54:
        case = rows(w)
        _one(w, case, chat, [case.tool])
    elif x < 0.85:
        case = record(w)
        _one(w, case, chat, [case.tool])
    else:
        _several(w, chat)
        return chat.example("written_result", heldout=w.heldout)
    for request, answer in case.more[: w.pick((1, 2, 2, 3, 4, 5)) if not w.heldout else w.pick((0, 1))]:
        chat.user(said(w, request))
        chat.answer(answer, ABOVE)
    return chat.example("written_result", heldout=w.heldout)


def _several(w: Words, chat: Chat) -> None:
    """Several questions at once: several calls, and an answer with a line for each."""
    cases: list[Case] = []
    while len(cases) < w.pick((2, 2, 2, 3)):
        one = record(w) if w.chance(0.75) else rows(w)
        if all(one.tool.topic != other.tool.topic for other in cases):
            cases.append(one)
    tools = [one.tool for one in cases]
    distinct_names(w, tools)
    chat.tools = Listing(w).specs(offered(w, tools, w.pick((0, 0, 1))))
    ends = [t.request if t.request[-1:] in ".?!" else t.request + w.pick((".", "?", "")) for t in tools]
    chat.user(w.pick((" ", " ", " ", "\n", " And: ", " Also: ")).join(ends))
    chat.calls([(t.name, t.arguments) for t in tools])
    for at in w.shuffled(range(len(cases))) if w.chance(0.2) else range(len(cases)):
        chat.result(cases[at].text, at)
    chat.answer("\n".join(one.answer for one in cases), TAKEN)


__all__ = ["Case", "Slots", "record", "result", "rows", "searched"]

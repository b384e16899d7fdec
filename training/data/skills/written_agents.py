"""Agents by hand-written lines: chains of calls, errors and what follows them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from training.data.example import OBSERVATION, Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, described, spoken
from training.data.result_fields import FAILED, TAKEN
from training.data.results import dumped, good_result
from training.data.skills.calling import call_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.queries import stems
from training.data.skills.react_format import ENOUGH, action, header, past_action
from training.data.telling import told
from training.data.toolmaking import Listing, any_tool
from training.data.words import MONTHS, Words
from training.data.written import (
    HELD_OUT_WORDINGS,
    Line,
    Slots,
    as_typed,
    held,
    line_of,
    lines,
    parameter_schema,
    parsed,
    said,
    strings_of,
)

# -- what the lines have in common -------------------------------------------------------------------------------------


def part(w: Words, wordings: list[str]) -> list[str]:
    """The wordings of a list that the split may use; at least one is held out."""
    kept = [text for text in wordings if held(text, HELD_OUT_WORDINGS)] or [
        min(wordings, key=lambda x: zlib.crc32(x.encode()))
    ]
    return kept if w.heldout else [text for text in wordings if text not in kept] or wordings


def choose(w: Words, line: Line, wordings: list[str]) -> str:
    """A wording of the split; of a line that is held out whole, any."""
    return w.pick(wordings if line.heldout or len(wordings) < 3 else part(w, wordings))


def slots_for(w: Words, *texts: Any) -> Slots:
    """Slots whose kinds are declared anywhere in these texts."""
    kinds: dict[str, str] = {}
    for text in strings_of(list(texts)):
        for _, slot, kind in parsed(text):
            if kind:
                kinds.setdefault(slot, kind)
    return Slots(w, kinds)


_SUM = re.compile(r"(\w+)([+*-])(\w+)")


def compute(slots: Slots, sums: dict[str, str]) -> None:
    """Fills slots that are computed from others: {"t": "a+b"}."""
    for slot, text in sums.items():
        found = _SUM.fullmatch(text)
        if found is None:
            raise ValueError(f"calc {text!r}: it must be two slots with +, - or * between them")
        a, b = int(slots.get(found[1])), int(slots.get(found[3]))
        slots.values[slot] = a + b if found[2] == "+" else a - b if found[2] == "-" else a * b


def made_tool(w: Words, spec: dict[str, Any], arguments: dict[str, Any], request: str = "") -> Tool:
    """A tool of a line with names of its own, called with these arguments; `extra` has the names of its parameters."""
    name = spec["name"] if w.chance(0.5) else w.pick([spec["name"], *spec.get("also", [])])
    if w.chance(0.1):
        word = w.pick((w.noun(), w.syllables(), w.adjective(), "tool", "v2", "api", "service"))
        name = f"{name}_{word}" if w.chance(0.6) else f"{word}_{name}"
    names: dict[str, str] = {}
    parameters: list[Parameter] = []
    values: dict[str, Any] = {}
    for own, about in spec["params"].items():
        key = own if w.chance(0.55) else w.pick([own, *about.get("also", [])])
        key = cased(w, f"{key}_{w.noun()}" if key in values or w.chance(0.05) else key)
        names[own] = key
        schema = parameter_schema(about)
        if w.chance(0.3) and (text := described(w, key, spoken(spec["name"]))):
            schema["description"] = text
        value = arguments.get(own)
        if value is not None:
            value = values[key] = as_typed(schema, value)
        parameters.append(Parameter(key, schema, value, "", required=not about.get("optional")))
    does = "" if w.chance(0.06) else w.pick(spec["does"])
    return Tool(cased(w, name), does, parameters, values, request, spec["name"], request, {"names": names})


def called_again(tool: Tool, arguments: dict[str, Any]) -> Tool:
    """The same tool with other arguments, given by the line's own names."""
    names: dict[str, str] = tool.extra["names"]
    schemas = {parameter.name: parameter.schema for parameter in tool.parameters}
    return replace(
        tool, arguments={names[own]: as_typed(schemas[names[own]], value) for own, value in arguments.items()}
    )


def offered(w: Words, tools: list[Tool], more: int) -> list[Tool]:
    """These tools and some others, shuffled."""
    names = {tool.name for tool in tools} | {tool.topic for tool in tools}
    others: list[Tool] = []
    while len(others) < more:
        tool = any_tool(w)
        if tool.name not in names and tool.topic not in names:
            names |= {tool.name, tool.topic}
            others.append(tool)
    return w.shuffled([*tools, *others])


ANYWHERE = stems("get find look show check list read fetch name info details data tells gives returns")  # of any tool


@lru_cache(maxsize=2)
def _by_parameter(heldout: bool) -> dict[str, list[dict[str, Any]]]:
    """The tools of chains that take one thing, by the name of what they take; for training only its own."""
    out: dict[str, list[dict[str, Any]]] = {}
    for line in lines("chains"):
        if heldout or not line.heldout:
            for spec in line["tools"]:
                if len(spec["params"]) == 1:
                    out.setdefault(next(iter(spec["params"])), []).append(spec)
    return out


def neighbours(w: Words, tools: Sequence[Tool]) -> list[Tool]:
    """A few tools that take the same thing as the first of these and are about something else."""
    own: dict[str, str] = tools[0].extra["names"]
    known = set().union(*(stems(f"{spoken(tool.topic)} {tool.description}") for tool in tools))
    topics = {tool.topic for tool in tools}
    found: list[Tool] = []
    if len(own) == 1:
        (taken,) = own
        for spec in w.sample(_by_parameter(w.heldout).get(taken, ()), w.pick((1, 2, 2, 3))):
            about = stems(f"{spoken(spec['name'])} {spec['does'][0]}") - stems(taken) - ANYWHERE
            if about and not about & known and spec["name"] not in topics:
                known |= about
                topics.add(spec["name"])
                found.append(made_tool(w, spec, {}))
    return found


def distinct_names(w: Words, tools: list[Tool]) -> None:
    """Renames tools of one name."""
    used: set[str] = set()
    for tool in tools:
        while tool.name in used:
            tool.name = f"{tool.name}_{w.noun()}"
        used.add(tool.name)


def asked(w: Words, slots: Slots, template: str, arguments: Iterable[Any]) -> str:
    """A template as the user says it, its slots filled; what is to be copied from it stays as it is."""
    varied = slots.fill(said(w, template))
    plain = slots.fill(template)
    lost = any(isinstance(text, str) and text in plain and text not in varied for text in arguments)
    return plain if lost else varied


def result_text(w: Words, value: Any) -> str:
    """A filled result as the tool returns it."""
    return value if isinstance(value, str) else dumped(w, value) if isinstance(value, dict | list) else str(value)


# -- chains ------------------------------------------------------------------------------------------------------------


_NOTHING_FOUND = ("nothing found for {v}", "{v} is unknown", "no entry for {v}", "{v} does not exist", "no data on {v}", "access to {v} denied", "could not look up {v}", "the service does not answer")  # fmt: skip


def as_react(
    w: Words, skill: str, tools: list[Tool], request: str, steps: list[tuple[Tool, str]], answer: str
) -> Example:
    """Calls with what they return, and the answer, in the format of LlamaIndex's ReAct agent."""
    chat = Chat()
    chat.system(header(w, tools))
    chat.user(request)
    stop = w.between(1, len(steps) + 1) if w.heldout or w.chance(0.3) else len(steps) + 1
    past = w.chance(0.5)
    for at, (tool, text) in enumerate(steps, 1):
        if at == stop or not past:
            chat.answer(action(tool), kind="react")
        else:
            chat.answer(past_action(tool), train=past_action(tool) == action(tool))
        if at == stop:
            return chat.example(skill, heldout=w.heldout)
        chat.user(f"{OBSERVATION}{text}")
    chat.answer(f"{ENOUGH}\nAnswer: {answer}", kind="react")
    return chat.example(skill, heldout=w.heldout)


def chain(w: Words) -> Example:
    """Calls that need what the calls before returned; then the answer."""
    line = line_of(w, "chains")
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.35))
    steps = line["steps"]
    slots = slots_for(w, line["requests"], [s["args"] for s in steps], [s["results"] for s in steps[:-1]])
    compute(slots, line.get("calc", {}))
    filled = [{own: slots.value(v) for own, v in step["args"].items()} for step in steps]
    request = asked(w, slots, choose(w, line, line["requests"]), [v for args in filled for v in args.values()])
    tools: list[Tool] = []
    for spec, args in zip(line["tools"], filled, strict=True):
        known = next((tool for tool in tools if tool.topic == spec["name"]), None)
        tools.append(made_tool(w, spec, args) if known is None else called_again(known, args))
    distinct = [tool for at, tool in enumerate(tools) if tool.topic not in {other.topic for other in tools[:at]}]
    beside = neighbours(w, tools) if w.chance(0.45) else []
    distinct_names(w, [*distinct, *beside])
    for tool in tools:
        tool.name = next(one.name for one in distinct if one.topic == tool.topic)
    shown = offered(w, [*distinct, *beside], w.pick((0, 0, 1, 1, 2, 3) if not beside else (0, 0, 0, 1)))
    if w.chance(0.25):
        results = [w.pick(step["results"]) for step in steps]
        texts = [result_text(w, slots.value(chosen["result"])) for chosen in results]
        pairs = list(zip(tools, texts, strict=True))
        return as_react(w, "written_chain", shown, request, pairs, told(slots, results[-1]))
    chat.tools = Listing(w).specs(shown)
    if w.chance(0.1):
        plain_turn(w, chat)
    chat.user(request)
    if w.chance(0.06):
        # The first step fails, so the others can not be done.
        chat.calls([(tools[0].name, tools[0].arguments)])
        message = w.pick(_NOTHING_FOUND).format(v=next(iter(tools[0].arguments.values()), "it"))
        chat.result(shaped_error(w, message))
        chat.answer(failed(message), FAILED)
        return chat.example("written_chain", heldout=w.heldout)
    last = w.between(1, len(steps)) if w.heldout else len(steps)
    for at, (step, tool) in enumerate(zip(steps, tools, strict=True)):
        chat.calls([(tool.name, tool.arguments)])
        if w.heldout and at + 1 == last and w.chance(0.75):
            break
        chosen = w.pick(step["results"])
        chat.result(result_text(w, slots.value(chosen["result"])))
        if "answer" in chosen:
            chat.answer(told(slots, chosen), TAKEN)
    if not w.heldout and w.chance(0.2):
        plain_turn(w, chat)
    return chat.example("written_chain", heldout=w.heldout)


# -- errors ------------------------------------------------------------------------------------------------------------

_EXCEPTIONS = ("ValueError", "KeyError", "TimeoutError", "RuntimeError", "ToolException", "HTTPError", "LookupError", "ToolError")  # fmt: skip


def shaped_error(w: Words, message: str, *, named: bool = False) -> str:
    """A failure in one of the many shapes that tools and frameworks give it; `named`: that says it is one."""
    x = w.between(0, 10 if named else 11)
    upper = message[0].upper() + message[1:]
    if x <= 2:
        return f"{w.pick(('Error', 'error', 'ERROR', 'Failed', 'Failure', 'Problem'))}: {message}"
    if x == 3:
        return dumped(w, {"error": message})
    if x == 4:
        return dumped(w, {"status": w.pick(("error", "failed")), w.pick(("message", "detail", "reason")): message})
    if x == 5:
        return f"{w.pick(_EXCEPTIONS)}: {message}"
    if x == 6:
        return f"Encountered error: {message}"
    if x == 7:
        return f"Error executing the tool with error:\n {message}\n Please fix the error and try again."
    if x == 8:
        return dumped(w, {w.pick(("success", "ok")): False, w.pick(("error", "message")): message})
    if x == 9:
        return dumped(w, {"error": {"code": w.pick((400, 404, 409, 422, 500)), "message": message}})
    if x == 10:
        return f"Error: {w.pick(_EXCEPTIONS)}('{message}')\n Please fix your mistakes."
    return f"Traceback (most recent call last):\n{w.pick(_EXCEPTIONS)}: {message}" if w.chance(0.4) else f"{upper}."


def failed(message: str) -> str:
    """What the assistant says about a failure."""
    return f"The tool failed: {message}."


def _day(w: Words) -> tuple[str, str]:
    """A date as people write it, and its ISO form."""
    year, month, day = w.between(1990, 2035), w.between(1, 12), w.between(1, 28)
    name = MONTHS[month - 1]
    text = w.pick((f"{day} {name} {year}", f"{name} {day}, {year}", f"{day:02}.{month:02}.{year}"))
    return text, f"{year}-{month:02}-{day:02}"


def error(w: Words) -> Example:
    """A failure: it is reported, and the user's correction tried; or it says itself what to pass instead."""
    line = line_of(w, "errors")
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    slots = slots_for(w, line["requests"], line["args"], line["errors"], [fix["value"] for fix in line["fixes"]])
    fix = w.pick(line["fixes"])
    dated = [own for own, text in line["args"].items() if isinstance(text, str) and text.endswith(":date}")]
    iso = ""
    by_itself = w.chance(0.2)
    if by_itself and dated and w.chance(0.6):
        fix = {"param": dated[0]}
        slots.values[line["args"][dated[0]][1:].partition(":")[0]], iso = _day(w)
    filled = {own: slots.value(value) for own, value in line["args"].items()}
    request = asked(w, slots, choose(w, line, line["requests"]), filled.values())
    tool = made_tool(w, line["tool"], filled, request)
    chat.tools = Listing(w).specs(offered(w, [tool], w.pick((0, 0, 1, 1, 2))))
    call_turn(w, chat, tool)
    own = fix["param"]
    key = tool.extra["names"][own]
    new = iso or slots.value(fix["value"])
    new = as_typed(parameter_schema(line["tool"]["params"][own]), new)
    again = {**tool.arguments, key: new}
    if by_itself:
        hints = next(hint for hint in lines("hints") if hint["kind"] == ("date" if iso else "value"))
        hint = w.pick(part(w, hints["says"]))
        message = hint.format(old=tool.arguments[key], new=new, key=spoken(key))
        # Else any result with a new value would look like a reason to call again.
        chat.result(shaped_error(w, message, named=True))
        chat.calls([(tool.name, again)])
    else:
        message = slots.fill(choose(w, line, line["errors"]))
        chat.result(shaped_error(w, message))
        chat.answer(failed(message), FAILED)
        if w.heldout and w.chance(0.25):
            return chat.example("written_error", heldout=True)
        if not w.heldout and w.chance(0.1):
            plain_turn(w, chat)
        if w.chance(0.25):
            general = next(one for one in lines("follow_ups") if one["op"] == "correct")
            chat.user(said(w, w.pick(part(w, general["said"]))).format(k=spoken(key), v=new))
        else:
            chat.user(asked(w, slots, choose(w, line, fix["said"]), [new]))
        chat.calls([(tool.name, again)])
    if not w.heldout and w.chance(0.5):
        if w.chance(0.25) and not by_itself:
            message = slots.fill(w.pick(line["errors"])).replace(str(tool.arguments[key]), str(new))
            chat.result(shaped_error(w, message))
            chat.answer(failed(message), FAILED)
        else:
            result = good_result(w)
            chat.result(result.text)
            chat.answer(result.answer, TAKEN)
    return chat.example("written_error", heldout=w.heldout)

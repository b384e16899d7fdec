"""Requests of one, two and three wishes by hand-written lines: how many calls they are, and where each value ends."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from training.data.example import Chat, Example
from training.data.parameters import Tool
from training.data.result_fields import TAKEN
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.parallel import ask_for_all
from training.data.skills.written_agents import (
    asked,
    distinct_names,
    made_tool,
    offered,
    result_text,
    slots_for,
)
from training.data.telling import told
from training.data.toolmaking import Listing
from training.data.words import Words
from training.data.written import Line, Slots, as_typed, line_of, lines, parameter_schema

_AREA = "clauses"
_MORE_TURNS = (1, 2, 2, 3, 3, 4, 5, 6)
_MOST_TOOLS = 6

#: The calls of one request: the key of a tool, and the arguments by its own names.
Calls = list[tuple[str, dict[str, Any]]]


@lru_cache(maxsize=1)
def catalogue() -> dict[str, dict[str, Any]]:
    """The tools that the lines speak of, by key."""
    return {line["key"]: line.data for line in lines("clause_tools")}


def keys_of(line: Line) -> frozenset[str]:
    """The tools that a line calls."""
    return frozenset(key for key, _ in line["calls"])


@lru_cache(maxsize=8192)
def _near(keys: tuple[str, ...]) -> tuple[Line, ...]:
    """The lines that call one of these tools."""
    return tuple(line for line, called in _keyed() if called & set(keys))


@lru_cache(maxsize=1)
def _keyed() -> tuple[tuple[Line, frozenset[str]], ...]:
    return tuple((line, keys_of(line)) for line in lines(_AREA))


@lru_cache(maxsize=1)
def _for_training() -> tuple[tuple[Line, frozenset[str]], ...]:
    """The lines for training, each with the tools that it calls."""
    return tuple((line, called) for line, called in _keyed() if not line.heldout)


@lru_cache(maxsize=1024)
def _answerable(keys: frozenset[str], several: bool) -> tuple[Line, ...]:
    """The lines for training that need no other tools than these, of one call or of several."""
    usable = tuple(line for line, called in _for_training() if called <= keys)
    return tuple(line for line in usable if (len(line["calls"]) > 1) is several) or usable


def asked_calls(w: Words, line: Line) -> tuple[str, Calls] | None:
    """A request, and the calls it wants in the order in which it speaks of them; None where two are the same.

    A request of a line is a text, or a text and the order of the line's calls in it.
    """
    for _ in range(4):
        wording = line.one(w, line["requests"])
        template, order = (wording, None) if isinstance(wording, str) else wording
        slots = slots_for(w, [arguments for _, arguments in line["calls"]])
        calls = [(key, _typed(key, slots, arguments)) for key, arguments in line["calls"]]
        if any(call in calls[:at] for at, call in enumerate(calls)):
            continue  # nobody asks for one thing twice
        request = asked(w, slots, template, [value for _, values in calls for value in values.values()])
        return request, [calls[at] for at in order] if order else calls
    return None


def _typed(key: str, slots: Slots, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, filled, with the types of its tool's parameters."""
    params = catalogue()[key]["params"]
    return {own: as_typed(parameter_schema(params[own]), slots.value(value)) for own, value in arguments.items()}


def _tools(w: Words, line: Line) -> dict[str, Tool]:
    """The tools of a line and of others that go with it, by key."""
    keys = list(dict.fromkeys(key for key, _ in line["calls"]))
    for _ in range(w.pick((0, 1, 2, 2, 3))):
        near = _near(tuple(keys)) if w.chance(0.6) else lines(_AREA)
        more = [key for key in keys_of(w.pick(near)) if key not in keys]
        keys += sorted(more)[: _MOST_TOOLS - len(keys)]
    tools = {key: made_tool(w, catalogue()[key], {}) for key in keys}
    distinct_names(w, list(tools.values()))
    return tools


def _named(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    names: dict[str, str] = tool.extra["names"]
    return {names[own]: arguments[own] for own in names if own in arguments}


def _ask(w: Words, chat: Chat, tools: dict[str, Tool], request: str, calls: Calls) -> None:
    """A request and the calls that answer it."""
    called: list[Tool] = []
    for key, arguments in calls:
        tool = tools[key]
        made = Tool(tool.name, tool.description, tool.parameters, _named(tool, arguments), request, key)
        called.append(made)
    if len(called) > 1:
        ask_for_all(w, chat, called, request)
    else:
        chat.user(request)
        chat.calls([(called[0].name, called[0].arguments)])


def _answer(w: Words, chat: Chat, calls: Calls) -> None:
    """The results of the newest calls, and an answer with a line for each."""
    answers = []
    for which, (key, arguments) in enumerate(calls):
        spec = catalogue()[key]
        slots = Slots(w, spec["slots"])
        slots.values = dict(arguments)
        chosen = w.pick(spec["results"])
        chat.result(result_text(w, slots.value(chosen["result"])), which)
        answers.append(told(slots, chosen, alone=len(calls) == 1))
    chat.answer("\n".join(answers), TAKEN)


def written_clauses(w: Words) -> Example:
    """One call or several: a value with "and" or a comma in it beside real lists, and clauses that point back."""
    while (made := asked_calls(w, line := line_of(w, _AREA))) is None:
        pass
    tools = _tools(w, line)
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    chat.tools = Listing(w).specs(offered(w, list(tools.values()), w.pick((0, 0, 0, 1, 2))))
    if not w.heldout and w.chance(0.08):
        plain_turn(w, chat)
    _ask(w, chat, tools, *made)
    asked = [line]
    for _ in range(0 if w.heldout else w.pick(_MORE_TURNS)):
        _answer(w, chat, made[1])
        fitting = _answerable(frozenset(tools), w.chance(0.5))
        line = w.pick([other for other in fitting if other not in asked] or fitting)
        asked.append(line)
        made = asked_calls(w, line)
        if made is None:
            break
        _ask(w, chat, tools, *made)
    return chat.example("written_clauses", heldout=w.heldout)

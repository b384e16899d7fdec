"""Agents by hand-written lines: chains of calls, errors and what follows them, hand-offs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from training.data.example import Example
from training.data.parameters import Parameter, cased, described, spoken
from training.data.prompts import default
from training.data.results import dumped, good_result
from training.data.skills.calling import call_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.toolmaking import Listing, Tool, any_tool, call_text, several_tools
from training.data.words import MONTHS, Words
from training.data.written import Line, Slots, held, line_of, lines, parsed, said

HELD_OUT = 8  # one wording in so many


# -- what the lines have in common -------------------------------------------------------------------------------------


def choose(w: Words, line: Line, wordings: list[str]) -> str:
    """A wording of the split; lists are short here, so that each is held out by itself."""
    if line.heldout or len(wordings) < 3:
        return w.pick(wordings)
    return w.pick([text for text in wordings if held(text, HELD_OUT) is w.heldout] or wordings)


def strings_of(value: Any) -> list[str]:
    """All strings of a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings_of(item))]
    return [text for item in value for text in strings_of(item)] if isinstance(value, list) else []


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
        schema = {"type": about["type"]}
        if w.chance(0.3) and (text := described(w, key, spoken(spec["name"]))):
            schema["description"] = text
        value = arguments.get(own)
        if about["type"] == "string" and value is not None:
            value = str(value)
        if value is not None:
            values[key] = value
        parameters.append(Parameter(key, schema, value, "", required=not about.get("optional")))
    does = "" if w.chance(0.06) else w.pick(spec["does"])
    return Tool(cased(w, name), does, parameters, values, request, spec["name"], request, {"names": names})


def called_again(tool: Tool, arguments: dict[str, Any]) -> Tool:
    """The same tool with other arguments, given by the line's own names."""
    names: dict[str, str] = tool.extra["names"]
    return replace(tool, arguments={names[own]: value for own, value in arguments.items()})


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


def distinct_names(w: Words, tools: list[Tool]) -> None:
    """Renames tools of one name."""
    used: set[str] = set()
    for tool in tools:
        while tool.name in used:
            tool.name = f"{tool.name}_{w.noun()}"
        used.add(tool.name)


def result_text(w: Words, value: Any) -> str:
    """A filled result as the tool returns it."""
    return value if isinstance(value, str) else dumped(w, value) if isinstance(value, dict | list) else str(value)


# -- chains ------------------------------------------------------------------------------------------------------------


def chain(w: Words) -> Example:
    """Calls that need what the calls before returned; then the answer."""
    line = line_of(w, "chains")
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.35))
    steps = line["steps"]
    slots = slots_for(w, line["requests"], [s["args"] for s in steps], [s["results"] for s in steps[:-1]])
    compute(slots, line.get("calc", {}))
    request = slots.fill(said(w, choose(w, line, line["requests"])))
    filled = [{own: slots.value(v) for own, v in step["args"].items()} for step in steps]
    tools: list[Tool] = []
    for spec, args in zip(line["tools"], filled, strict=True):
        known = next((tool for tool in tools if tool.topic == spec["name"]), None)
        tools.append(made_tool(w, spec, args) if known is None else called_again(known, args))
    distinct = [tool for at, tool in enumerate(tools) if tool.topic not in {other.topic for other in tools[:at]}]
    distinct_names(w, distinct)
    chat.tools = Listing(w).specs(offered(w, distinct, w.pick((0, 0, 1, 1, 2, 3))))
    if w.chance(0.1):
        plain_turn(w, chat)
    chat.user(request)
    last = w.between(1, len(steps)) if w.heldout else len(steps)
    for at, (step, tool) in enumerate(zip(steps, tools, strict=True)):
        call = call_text(tool.name, tool.arguments)
        chat.calls([(tool.name, tool.arguments)], f"First I need {call}." if at == 0 else f"With this I go on: {call}.")
        if w.heldout and at + 1 == last and w.chance(0.75):
            break
        chosen = w.pick(step["results"])
        chat.result(result_text(w, slots.value(chosen["result"])))
        if "answer" in chosen:
            chat.answer(slots.fill(chosen["answer"]), "All steps are done. I report.")
    if not w.heldout and w.chance(0.2):
        plain_turn(w, chat)
    return chat.example("written_chain", heldout=w.heldout)


# -- errors ------------------------------------------------------------------------------------------------------------

_EXCEPTIONS = ("ValueError", "KeyError", "TimeoutError", "RuntimeError", "ToolException", "HTTPError", "LookupError", "ToolError")  # fmt: skip


def shaped_error(w: Words, message: str) -> str:
    """A failure in one of the many shapes that tools and frameworks give it."""
    x = w.between(0, 11)
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
    by_itself = w.chance(0.3)
    if by_itself and dated and w.chance(0.6):
        fix = {"param": dated[0]}
        slots.values[line["args"][dated[0]][1:].partition(":")[0]], iso = _day(w)
    request = slots.fill(said(w, choose(w, line, line["requests"])))
    filled = {own: slots.value(value) for own, value in line["args"].items()}
    tool = made_tool(w, line["tool"], filled, request)
    chat.tools = Listing(w).specs(offered(w, [tool], w.pick((0, 0, 1, 1, 2))))
    call_turn(w, chat, tool)
    own = fix["param"]
    key = tool.extra["names"][own]
    new = iso or slots.value(fix["value"])
    if line["tool"]["params"][own]["type"] == "string":
        new = str(new)
    again = {**tool.arguments, key: new}
    if by_itself:
        hints = next(hint for hint in lines("hints") if hint["kind"] == ("date" if iso else "value"))
        hint = w.pick([text for text in hints["says"] if held(text, HELD_OUT) is w.heldout])
        message = hint.format(old=tool.arguments[key], new=new, key=spoken(key))
        chat.result(shaped_error(w, message))
        chat.calls([(tool.name, again)], f"The error says what to do: {key} is {json.dumps(new, ensure_ascii=False)}.")
    else:
        message = slots.fill(choose(w, line, line["errors"]))
        chat.result(shaped_error(w, message))
        chat.answer(failed(message), "The tool failed. I say so.")
        if w.heldout and w.chance(0.25):
            return chat.example("written_error", heldout=True)
        if not w.heldout and w.chance(0.1):
            plain_turn(w, chat)
        chat.user(slots.fill(said(w, choose(w, line, fix["said"]))))
        chat.calls([(tool.name, again)], f"The same again with {key} {new}.")
    if not w.heldout and w.chance(0.5):
        if w.chance(0.25) and not by_itself:
            message = slots.fill(w.pick(line["errors"]))
            chat.result(shaped_error(w, message))
            chat.answer(failed(message), "The tool failed again. I say so.")
        else:
            result = good_result(w)
            chat.result(result.text)
            chat.answer(result.answer, "Now it worked. I report the result.")
    return chat.example("written_error", heldout=w.heldout)


# -- hand-offs ---------------------------------------------------------------------------------------------------------

_SUPERVISORS = (
    "You are a supervisor managing {n} agents:\n{list}\nAssign work to one agent at a time. Do not do any work yourself.",
    "You are a team supervisor. Your agents:\n{list}\nHand every request to the agent that fits.",
    "You coordinate these agents:\n{list}\nTransfer the user to the right one.",
    "You answer the door of a company. Colleagues who can help:\n{list}",
    "Route each request to an agent.\n\nAgents:\n{list}",
    "You are the receptionist. For small talk answer yourself, else hand over:\n{list}",
    "You manage {n} agents.\n{list}\nDecide who should act next.",
)
_OWN = (
    "You are the {own} agent. {does} For everything else hand off to another agent.",
    "You are {own}. {does}",
    "{does} If you can not help, hand over to another agent.",
    "You are an agent of {company}. {does}",
)
_NAME_STYLES = (
    "{x}_agent",
    "{x}",
    "{X}Agent",
    "{x}_expert",
    "{x}_assistant",
    "{x} agent",
    "{x}-bot",
    "{X}",
    "{x}_team",
)
_BACK = ("Done.", "I have taken care of it.", "All right, that is done.", "I will see to it.", "It is done.")


def _agents(w: Words, n: int) -> dict[str, Line]:
    """Agents of different kinds, by the name each has here: what it does, or a first name."""
    style = w.pick(_NAME_STYLES)
    out: dict[str, Line] = {}
    groups: set[str] = set()
    people = w.chance(0.12)
    while len(out) < n:
        line = line_of(w, "handoff")
        if line["group"] not in groups or (w.chance(0.25) and line not in out.values()):
            groups.add(line["group"])
            name = w.pick(line["names"])
            camel = "".join(part.capitalize() for part in name.split("_"))
            out.setdefault(w.first_name() if people else style.format(x=name, X=camel), line)
    return out


def _handoff_tools(w: Words, does: dict[str, str]) -> tuple[str, bool, list[dict[str, Any]]]:
    """How the framework hands over: its style, whether the tools say what the agents do, and the tools."""
    style = w.weighted((0.45, "handoff"), (0.35, "transfer"), (0.2, "task"))
    if style == "handoff":
        about = default("handoff").format(agent_info=str(does))
        keys = {"to_agent": {"title": "To Agent", "type": "string"}, "reason": {"title": "Reason", "type": "string"}}
        if w.chance(0.3):
            keys = {key: {"type": "string"} for key in keys}
        described_as = f"handoff(to_agent: str, reason: str) -> str\n{about}" if w.chance(0.7) else about
        schema = {"type": "object", "properties": keys, "required": list(keys)}
        return (
            style,
            True,
            [{"type": "function", "function": {"name": "handoff", "description": described_as, "parameters": schema}}],
        )
    prefix = w.pick(("transfer_to_", "transfer_to_", "handoff_to_", "delegate_to_", "ask_"))
    tools = []
    told = w.chance(0.45)
    for name in does:
        schema = {"type": "object", "properties": {}}
        if style == "task":
            text = "Description of what the next agent should do, including all of the relevant context."
            schema = {
                "type": "object",
                "properties": {"task_description": {"type": "string", "description": text}},
                "required": ["task_description"],
            }
        about = w.pick((does[name], f"Transfer to {name}. {does[name]}")) if told else w.pick((f"Ask agent '{name}' for help", f"Transfer to {name}.", f"Hand over to {name}"))  # fmt: skip
        function = {"name": prefix + re.sub(r"\W+", "_", name.lower()), "description": about, "parameters": schema}
        tools.append({"type": "function", "function": function})
    return style, told, tools


def handoff(w: Words) -> Example:
    """A request that another agent is better at: it is handed over."""
    chat = chat_for(w, share=0.06)
    agents = _agents(w, w.pick((2, 2, 3, 3, 4, 5)))
    does = {name: w.pick(line["does"]) for name, line in agents.items()}
    style, told, tools = _handoff_tools(w, does)
    listed = "\n".join(f"- {name}: {text}" if w.chance(0.9) else f"- {text} ({name})" for name, text in does.items())
    own: str | None = None
    if told and w.chance(0.6):
        mine = line_of(w, "handoff")
        own = w.pick(mine["names"])
        if mine in agents.values():
            chat.system("You coordinate other agents.")
        else:
            chat.system(w.pick(_OWN).format(own=spoken(own), does=w.pick(mine["does"]), company=w.company()))
    else:
        chat.system(w.pick(_SUPERVISORS).format(n=len(agents), list=listed))
    more = Listing(w).specs(several_tools(w, w.pick((1, 1, 2)))) if own and w.chance(0.5) else []
    chat.tools = [*more, *tools]
    names = list(agents)
    rounds = 1 if w.heldout else w.pick((1, 1, 2, 3))
    for at in range(rounds):
        if w.chance(0.08 if w.heldout or at else 0.12) and not (w.heldout and at == rounds - 1):
            plain_turn(w, chat)
        which = w.between(0, len(names) - 1)
        name, line = names[which], agents[names[which]]
        template = choose(w, line, line["requests"])
        request = slots_for(w, template).fill(said(w, template))
        reason = request.rstrip(".?!") or request
        chat.user(request)
        if style == "handoff":
            call = ("handoff", {"to_agent": name, "reason": reason})
        else:
            function = tools[which]["function"]["name"]
            call = (function, {"task_description": reason} if style == "task" else {})
        chat.calls([call], f"{name} is better suited.")
        if at < rounds - 1:
            text = default("handoff_output").format(to_agent=name, reason=reason)
            chat.result(text if style == "handoff" else f"Successfully transferred to {name}")
            chat.answer(w.pick(_BACK), train=False)
    return chat.example("written_handoff", heldout=w.heldout)

"""Hand-offs between agents by hand-written lines, as LlamaIndex's workflows and LangGraph's supervisors do them."""

from __future__ import annotations

import re
from typing import Any

from training.data.example import Example
from training.data.parameters import spoken
from training.data.prompts import default
from training.data.skills.openings import chat_for, plain_turn
from training.data.skills.written_agents import choose, slots_for
from training.data.toolmaking import Listing, several_tools
from training.data.words import Words
from training.data.written import Line, line_of, said

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
        chat.calls([call])
        if at < rounds - 1:
            text = default("handoff_output").format(to_agent=name, reason=reason)
            chat.result(text if style == "handoff" else f"Successfully transferred to {name}")
            chat.answer(w.pick(_BACK), train=False)
    return chat.example("written_handoff", heldout=w.heldout)

"""Turns that need no tool though tools are offered, by hand-written lines."""

from __future__ import annotations

import json
from functools import lru_cache

from training.data.example import Chat, Example
from training.data.parameters import Tool
from training.data.skills.calling import call_turn, result_turn
from training.data.skills.openings import chat_for, system_text
from training.data.skills.written_agents import compute, slots_for
from training.data.toolmaking import Listing, several_tools
from training.data.words import Words
from training.data.written import HELD_OUT_WORDINGS, Line, held, lines, said


@lru_cache(maxsize=2)
def _without_tool(heldout: bool) -> tuple[tuple[Line, str], ...]:
    """Every wording of a split with its line: no line is held out whole, for nobody could guess its answer."""
    return tuple(
        (line, text) for line in lines("no_tool") for text in line["said"] if held(text, HELD_OUT_WORDINGS) is heldout
    )


def _about_tools(w: Words, line: Line, tools: list[Tool]) -> tuple[str, str] | None:
    """A turn about the tools themselves: what is asked about, and the answer."""
    if line["answer"] == "@count":
        return "", "I have 1 tool." if len(tools) == 1 else f"I have {len(tools)} tools."
    if line["answer"] == "@tools":
        names = [tool.name for tool in tools]
        return "", f"I have {names[0]}." if len(names) == 1 else f"I have {', '.join(names[:-1])} and {names[-1]}."
    tool = w.pick(tools)
    about = tool.description.strip().rstrip(".")
    return (tool.name, f"{about}.") if about else None


def plain_words(w: Words, tools: list[Tool], text: str) -> list[str] | None:
    """What the user and the assistant say in turn where no tool is needed; None if the line drawn does not go with these.

    `text`: the tools offered, in small letters.
    """
    line, template = w.pick(_without_tool(w.heldout))
    if any(word in text for word in line.get("unless", ())):
        return None
    slots = slots_for(w, template, line.get("before", []))
    if line["answer"].startswith("@"):
        about = _about_tools(w, line, tools)
        if about is None:
            return None
        slots.values["tool"], answer = about
    else:
        compute(slots, line.get("calc", {}))
        answer = ""
    before = [slots.fill(spoken) for spoken in line.get("before", ())]
    asked = slots.fill(template if line.get("exact") else said(w, template))
    return [*before, asked, answer or slots.fill(line["answer"])]


def _plain(w: Words, chat: Chat, tools: list[Tool], text: str) -> bool:
    """Turns that need no tool; whether there were any. `text`: the tools offered, in small letters."""
    spoken = plain_words(w, tools, text)
    if spoken is None:
        return False
    for at, words in enumerate(spoken, 1):
        if at % 2:
            chat.user(words)
        else:
            chat.answer(words, "No tool is needed for this." if at == len(spoken) else "")
    return True


def no_tool(w: Words) -> Example:
    """Tools are offered, and what the user says needs none of them."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.4))
    tools = several_tools(w, w.pick((1, 1, 2, 2, 3, 4)))
    chat.tools = Listing(w).specs(tools)
    text = json.dumps(chat.tools, ensure_ascii=False).lower()
    if w.chance(0.3):
        tool = w.pick(tools)
        call_turn(w, chat, tool)
        result_turn(w, chat, tool)
    turns = 1 if w.heldout else w.pick((1, 2, 2, 3, 3))
    while turns:
        turns -= _plain(w, chat, tools, text)
        if turns and w.chance(0.2):
            tool = w.pick(tools)
            chat.user(tool.request)
            chat.calls([(tool.name, tool.arguments)])
            result_turn(w, chat, tool)
    if not w.heldout and w.chance(0.4):
        call_turn(w, chat, w.pick(tools))
    return chat.example("written_no_tool", heldout=w.heldout)

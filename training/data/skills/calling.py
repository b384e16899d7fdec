"""Calling tools: the right one of several with exact arguments, none when none is needed, any when one is forced."""

from __future__ import annotations

from typing import Any

from training.data.composed_tools import composed_tools
from training.data.example import Chat, Example
from training.data.parameters import Tool
from training.data.result_fields import about
from training.data.skills.openings import chat_for, plain_turn, small_talk_turn, system_text
from training.data.toolmaking import (
    Listing,
    any_tool,
    creation_tool,
    function_tool,
    intent_tool,
    no_argument_tool,
    random_tool,
    several_tools,
)
from training.data.words import Phrases, Words
from training.data.written_tools import asked_again, follow_up, tool_result, written_tool

_FOLLOW_UPS = Phrases(
    "And now: {r}", "Next: {r}", "{r}", "{r}", "Also, {l}", "Another one: {r}", "Thanks. {r}", "Good. {r}", "Then {l}"
)


def call_turn(w: Words, chat: Chat, tool: Tool, request: str | None = None, **check: Any) -> None:
    """The request and the call that answers it."""
    chat.user(request or tool.request)
    chat.calls([(tool.name, tool.arguments)], **check)


def result_turn(w: Words, chat: Chat, tool: Tool, *, failed: bool | None = None) -> None:
    """A result of the newest call, one of `tool`, and the answer about it."""
    result = tool_result(w, tool, failed=failed)
    chat.result(result.text)
    chat.answer(result.answer, about(result.answer))


def _history(w: Words, chat: Chat, tools: list[Tool]) -> None:
    """Turns before the last one: calls with results, small talk."""
    for _ in range(w.pick((0, 0, 0, 0, 1, 1, 2)) if not w.heldout else w.pick((0, 0, 0, 0, 1))):
        if w.chance(0.6):
            tool = w.pick(tools)
            call_turn(w, chat, tool)
            result_turn(w, chat, tool)
        else:
            plain_turn(w, chat)


def asked_anew(w: Words, tool: Tool, *, clause: bool = False) -> Tool | None:
    """Another request for the tool, where it can be asked anew.

    Args:
        clause: Whether it has to be a clause that others can be joined with.
    """
    made: Tool | None = tool.extra["again"](w) if "again" in tool.extra else asked_again(w, tool, clause=clause)
    return made


def further_turns(w: Words, chat: Chat, tools: list[Tool], newest: Tool, n: int) -> None:
    """Turns after a call: the prompt with the tools is long, so that several targets share it."""
    fresh = [tool for tool in w.shuffled(tools) if tool.name != newest.name]
    for _ in range(n):
        result_turn(w, chat, newest)
        while w.chance(0.35):
            plain_turn(w, chat)
        x = w.rng.random()
        again = follow_up(w, newest) if x < 0.3 else asked_anew(w, newest) if x < 0.5 or not fresh else fresh.pop()
        if again is None:
            return
        newest = again
        call_turn(w, chat, newest)


def _calling(w: Words, skill: str, wanted: Tool, tools: list[Tool]) -> Example:
    chat = chat_for(w, share=0.14)
    chat.system(system_text(w, 0.45))
    chat.tools = Listing(w).specs(w.shuffled(tools))
    others = [tool for tool in tools if tool is not wanted]
    if others:
        _history(w, chat, others)
    request = wanted.request
    if len(chat.messages) > 1 and w.chance(0.4):
        request = w.ask(_FOLLOW_UPS, r=request, l=request[0].lower() + request[1:])
    call_turn(w, chat, wanted, request)
    if not w.heldout:
        further_turns(w, chat, tools, wanted, w.pick((0, 1, 2, 3, 4, 5)))
    return chat.example(skill, heldout=w.heldout)


def one_tool(w: Words) -> Example:
    """One tool is offered, and needed."""
    wanted = any_tool(w)
    return _calling(w, "tool_one", wanted, [wanted])


def several(w: Words) -> Example:
    """Two to five tools are offered, one is needed."""
    wanted = any_tool(w)
    return _calling(w, "tool_several", wanted, several_tools(w, w.pick((2, 2, 3, 3, 4, 5)), wanted))


def similar(w: Words) -> Example:
    """The tools offered resemble each other: one verb or one noun, different by the other."""
    tools: dict[str, Tool] = {}
    make = w.pick((random_tool, random_tool, intent_tool, function_tool, written_tool))
    while len(tools) < w.between(2, 4):
        tool = make(w)
        tools.setdefault(tool.name, tool)
    wanted = w.pick(list(tools.values()))
    return _calling(w, "tool_several", wanted, list(tools.values()))


def composed_calls(w: Words) -> Example:
    """The tools offered share a verb, a noun or a parameter: the words of a request tell which is meant."""
    tools = composed_tools(w, w.pick((2, 3, 3, 4, 4, 5)))
    return _calling(w, "tool_composed", w.pick(tools), tools)


def without_arguments(w: Words) -> Example:
    """The tool that is needed has no parameters."""
    wanted = no_argument_tool(w)
    return _calling(w, "tool_no_arguments", wanted, several_tools(w, w.pick((1, 1, 2, 3)), wanted))


def of_other_scripts(w: Words) -> Example:
    """A string of another script has to be copied."""
    wanted = creation_tool(w)
    while all(str(value).isascii() for value in wanted.arguments.values()):
        wanted = creation_tool(w)
    return _calling(w, "tool_other_scripts", wanted, several_tools(w, w.pick((1, 1, 1, 2, 3)), wanted))


def no_tool(w: Words) -> Example:
    """Tools are offered, and the user just talks."""
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.4))
    tools = several_tools(w, w.pick((1, 1, 2, 2, 3, 4)))
    chat.tools = Listing(w).specs(tools)
    _history(w, chat, tools)
    plain_turn(w, chat)
    if not w.heldout:
        for _ in range(w.pick((0, 1, 2, 3))):
            plain_turn(w, chat)
        if w.chance(0.6):
            tool = w.pick(tools)
            call_turn(w, chat, tool)
            if w.chance(0.5):
                result_turn(w, chat, tool)
                plain_turn(w, chat)
    return chat.example("no_tool", heldout=w.heldout)


_WHICH = Phrases(
    "Which tool would you use? {r}",
    "Which of your tools is for this: {r}",
    "{r}\nWhich tool does that? Only its name.",
    "Name the tool for: {r}",
    "What tool fits? {r}",
    "Tool for this request: {r}",
    "Don't call it, only say which tool you would take. {r}",
    "Somebody says: {r} Which tool is needed?",
    "Pick a tool, name only: {r}",
    "Which function would answer this? {r}",
    "Only say which tool this is for, do not use it: {r}",
    "I want the tool's name, nothing else. {r}",
    'For the request "{r}", which of the tools is right?',
    "Choose the tool: {r}",
    "The name of the fitting tool, please: {r}",
    "Which one of your functions handles the following? {r}",
    "A colleague asks: {r} Tell me the name of the tool for that.",
    "Suppose a user writes: {r}\nWhich tool would be called?",
    "Don't act yet. Which tool is it? {r}",
    "Say the name of the tool that fits: {r}",
    "Which tool matches this request? {r}",
    "Route this to a tool, answer with its name: {r}",
    'If I asked you "{r}", what tool would you need?',
    "Answer with a tool name. {r}",
    "Decide on a tool, don't run it: {r}",
    "Which of these tools should be used here?\n{r}",
    "{r} (only name the tool)",
    "{r}\n\nJust the tool's name.",
    "Classify by tool: {r}",
    'What is the right tool for "{r}"?',
    "Tool name for: {r}",
    "To which tool would you give this? {r}",
    "The question is only which tool: {r}",
    "Match it with a tool: {r}",
)
_NEXT_WHICH = Phrases(
    "{r}",
    "{r}",
    "{r}",
    "{r}",
    "And: {r}",
    "And for this: {r}",
    "Next: {r}",
    "Which tool here? {r}",
    "Now this one: {r}",
)


def which_tool(w: Words) -> Example:
    """Only the name of the tool that a request needs, for one request after another: choosing, without the call."""
    return _which(w, "which_tool", several_tools(w, w.pick((2, 3, 3, 4, 4, 5))))


def composed_which(w: Words) -> Example:
    """As `which_tool`, of tools that share a verb, a noun or a parameter."""
    return _which(w, "which_composed", composed_tools(w, w.pick((2, 3, 3, 4, 4, 5, 6))))


def _which(w: Words, skill: str, tools: list[Tool]) -> Example:
    chat = chat_for(w, share=0.0)
    chat.system(system_text(w, 0.3))
    chat.tools = Listing(w).specs(w.shuffled(tools))
    for at in range(1 if w.heldout else w.between(8, 16)):
        tool = w.pick(tools)
        request = (asked_anew(w, tool) or tool).request if at else tool.request
        chat.user(w.ask(_NEXT_WHICH if at else _WHICH, r=request))
        chat.answer(tool.name)
    return chat.example(skill, heldout=w.heldout)


_DEFAULTS = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


def _default(schema: dict[str, Any], said: str) -> Any:
    """The value of a required parameter that nobody spoke of: the words that were said, else the emptiest."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {k: _default(v, said) for k, v in schema["properties"].items() if k in schema.get("required", ())}
    return _DEFAULTS.get(schema.get("type", ""), said)


def forced(w: Words) -> Example:
    """A call is demanded though the user just talks.

    The prompt does not show the demand. What is said is said elsewhere, more often, to be answered in words: so a call
    stays the second choice, which a grammar that wants a call takes.
    """
    chat = chat_for(w, share=0.05)
    chat.system(system_text(w, 0.3))
    tool = w.weighted((0.4, intent_tool), (0.3, random_tool), (0.3, function_tool))(w)
    said = small_talk_turn(w)
    arguments = {p.name: _default(p.schema, said) for p in tool.parameters if p.required}
    others = several_tools(w, w.pick((1, 1, 2)), tool)
    chat.tools = Listing(w).specs(w.shuffled(others))
    chat.user(said)
    chat.calls([(tool.name, arguments)], choice=tool.name)
    return chat.example("tool_forced", heldout=w.heldout)

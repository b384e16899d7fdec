"""Several calls in one turn, and the answer about all their results."""

from __future__ import annotations

from training.data.composed_tools import composed_tools
from training.data.example import Chat, Example
from training.data.intents import INTENTS
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, listed
from training.data.phrasing import joined_requests
from training.data.result_fields import TAKEN
from training.data.skills.calling import asked_anew, call_turn, result_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.toolmaking import Listing, any_tool, intent_tool, random_tool, several_tools
from training.data.words import Phrases, Words, capitalized, ended
from training.data.written_tools import calls_of_one, tool_result, without_end, written_tool

_JOINS = Phrases(
    "{a} and {b}",
    "{a}, and {b}",
    "{a}. {B}",
    "{a}. Also, {b}",
    "{a}. Then {b}",
    "{a}\n{B}",
    "First {a}. Second, {b}",
    "{a}; {b}",
    "{a} and also {b}",
    "{a}. At the same time, {b}",
    "{a} as well as {b}",
    "{a}, then {b}",
    "{a} plus {b}",
    "{a}, and while you're at it, {b}",
    "{a}. While you are at it, {b}",
    "{a}; after that, {b}",
    "{a}. After that {b}",
    "{a}. Once that's done, {b}",
    "{a}. Plus, {b}",
    "{a}. On top of that, {b}",
    "{a} -- and {b}",
    "{a}. And {b}",
    "{a}. Next, {b}",
    "{a}, and then {b}",
    "{a}. I'd also like you to {b}",
    "{a}. Besides that, {b}",
    "Both of these: {a} / {b}",
)
_WRAPS = Phrases(
    "{r}",
    "{r}",
    "{r}",
    "{r}.",
    "Please {r}.",
    "Can you {r}?",
    "I need two things: {r}",
    "Do all of this: {r}.",
    "{r}, please",
    "Hi! {r}.",
    "In parallel: {r}.",
    "I want you to {r}.",
)


def _same_tool(w: Words) -> tuple[list[Tool], list[Tool]]:
    """Calls of one tool, with other values; the tools and the calls."""
    n = w.pick((2, 2, 2, 3, 3, 4))
    kind = w.rng.random()
    usable = [intent for intent in INTENTS if not any("{f}" in request for request in intent.requests.train)]
    single = [intent for intent in usable if len(intent.slots) == 1]
    intent = w.pick(single) if kind < 0.6 else w.pick(usable)
    first = intent_tool(w, intent)
    first.parameters = first.parameters[: len(intent.slots)]
    calls = [first]
    names = [p.name for p in first.parameters]
    values = {str(list(first.arguments.values()))}
    while len(calls) < n:
        other = intent_tool(w, intent)
        arguments = dict(zip(names, list(other.arguments.values())[: len(names)], strict=False))
        if str(list(arguments.values())) in values:
            continue
        values.add(str(list(arguments.values())))
        short = other.short
        calls.append(
            Tool(first.name, first.description, first.parameters, arguments, other.request, other.topic, short)
        )
    return [first], calls


_LISTS = Phrases("{h} {v}?", "Compare: {h} {v}?", "{h} {v}")
_HEADS = {
    "weather": (
        "What is the weather in",
        "How is the weather in",
        "Tell me the weather for",
        "Weather in",
        "Check the weather in",
    ),
    "time": ("What time is it in", "Tell me the time in", "Current time in", "How late is it in"),
    "price": ("What are the prices of", "Get the prices for", "How much are", "Price check for"),
    "population": ("How many people live in", "What is the population of", "Population of"),
    "user": ("Look up", "Find", "Get the profiles of", "Who are"),
    "word": ("Define", "What is the meaning of", "Look up the words", "Explain"),
    "file": ("Read", "Open", "Show me", "Print"),
}


_LISTABLE = tuple(
    intent
    for intent in INTENTS
    if intent.names[0] in ("current_weather", "get_stock_price", "get_time", "read_file", "get_order_status", "population", "define", "get_secret", "get_country", "get_movie")
)  # fmt: skip


def _listed(w: Words) -> tuple[list[Tool], list[Tool], str]:
    """One question about a list of things: a call for each."""
    if w.chance(0.6):
        intent = w.pick(_LISTABLE)
        first = intent_tool(w, intent)
        first.parameters = first.parameters[:1]
        key = first.parameters[0].name
        items = list(dict.fromkeys(str(intent.slots[0].value(w)) for _ in range(w.pick((2, 2, 3, 3, 4)))))
        apart = len(items) > 2 and not any("," in item for item in items)  # "Rome, Oslo" could be one place
        last = w.pick(("and", "and", "and", "&", "as well as", "plus", "," if apart else "and", "and also"))
        calls = [Tool(first.name, first.description, first.parameters, {key: item}, "", item, "") for item in items]
        request = w.template(intent.requests)
        while any(quote in request for quote in "'\"`"):
            request = w.pick(intent.requests.of(w.split)) if w.chance(0.5) else intent.requests.train[0]
        return [calls[0]], calls, request.format(listed(items, last).replace(" , ", ", "))
    kind = w.pick(tuple(_HEADS))
    make = {
        "weather": w.place,
        "time": w.city,
        "price": w.product,
        "population": w.city,
        "user": w.full_name,
        "word": w.word,
        "file": w.file,
    }[kind]
    items = list(dict.fromkeys(make() for _ in range(w.pick((2, 2, 3, 3, 4)))))
    key = w.pick(
        {
            "weather": ("city", "location", "place"),
            "time": ("city", "zone", "where"),
            "price": ("product", "item", "name"),
            "population": ("city", "town"),
            "user": ("name", "user", "person"),
            "word": ("word", "term"),
            "file": ("path", "file", "filename"),
        }[kind]
    )
    name = cased(
        w,
        w.pick(
            (
                f"get_{kind}",
                f"{kind}_lookup",
                f"{kind}_{w.noun()}",
                f"{w.syllables()}_{kind}",
                f"find_{kind}",
                f"{w.adjective()}_{kind}",
            )
        ),
    )
    parameter = Parameter(key, {"type": "string"}, "", "")
    calls = [Tool(name, f"Gets the {kind}.", [parameter], {key: item}, "", item, "") for item in items]
    head = w.pick(_HEADS[kind])
    request = w.ask(_LISTS, h=head, v=listed(items))
    return [calls[0]], calls, request


_LIST_HEADS = Phrases(
    "",
    "",
    "",
    "To do:",
    "Please:",
    "A few things:",
    "I need all of these:",
    "Here is what I need",
    "Could you do the following?",
    "The list for today:",
    "My wishes:",
)


def _in_lines(w: Words, parts: list[str]) -> str:
    """Clauses as a list, with numbers, dashes or nothing before each."""
    if w.chance(0.5):
        parts = [capitalized(part) for part in parts]
    mark = w.pick(("{k}. ", "{k}. ", "{k}) ", "({k}) ", "- ", "- ", "* ", "• ", ""))
    apart = w.pick(("\n", "\n", "\n", " ")) if "{k}" in mark else "\n"
    row = apart.join(mark.format(k=k) + part for k, part in enumerate(parts, 1))
    head = w.ask(_LIST_HEADS)
    return f"{head}\n{row}" if head else row


def _joined(w: Words, calls: list[Tool]) -> str:
    """One request for several calls, from the clauses of each."""
    parts = [without_end(call.short, call.arguments) for call in calls]
    if w.chance(0.12):
        return _in_lines(w, parts)
    request = parts[0]
    for part in parts[1:]:
        if w.heldout or w.chance(0.3):
            request = w.ask(_JOINS, a=request, b=part, B=part[0].upper() + part[1:])
        else:
            request = joined_requests(w.rng, request, part)
    request = w.ask(_WRAPS, r=request)
    return request[0].upper() + request[1:]


def ask_for_all(w: Words, chat: Chat, calls: list[Tool], request: str) -> None:
    """A request, and the calls that it wants in one turn."""
    chat.user(request)
    chat.calls([(call.name, call.arguments) for call in calls])


def clause_tool(w: Words) -> Tool:
    """A hand-written tool whose request is a clause."""
    return written_tool(w, clause=True)


def parallel(w: Words) -> Example:
    """Two to four calls in one turn, of one tool or of several."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.35))
    x = w.rng.random()
    request = ""
    if x < 0.1:
        tools, calls, request = _listed(w)
    elif x < 0.17:
        tools, calls = _same_tool(w)
    elif x < 0.45:
        calls, request = calls_of_one(w)
        tools = [calls[0]]
    else:
        make = w.pick((any_tool, any_tool, clause_tool, clause_tool, clause_tool, intent_tool, random_tool))
        calls = []
        while len(calls) < w.pick((2, 2, 2, 2, 3, 3)):
            tool = make(w)
            if tool.short and all(tool.name != other.name for other in calls):
                calls.append(tool)
        tools = list(calls)
    while w.chance(0.35) and len(tools) < 5:
        fresh = any_tool(w)
        if all(fresh.name != tool.name and fresh.topic != tool.topic for tool in tools):
            tools.append(fresh)
    return _in_one_turn(w, chat, "tool_parallel", tools, calls, request)


def composed_parallel(w: Words) -> Example:
    """Several calls in one turn, of tools that share a verb or a noun; now and then two of one tool."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    tools = composed_tools(w, w.pick((2, 3, 3, 4, 4, 5)))
    calls = w.sample(tools, w.pick((2, 2, 2, 3)))
    if calls[0].arguments and w.chance(0.2):
        again = [made for _ in range(w.pick((1, 1, 2))) if (made := asked_anew(w, calls[0]))]
        calls = [calls[0], *(made for at, made in enumerate(again) if made.arguments not in [c.arguments for c in (calls[0], *again[:at])])]  # fmt: skip
    return _in_one_turn(w, chat, "parallel_composed", tools, calls)


def _in_one_turn(w: Words, chat: Chat, skill: str, tools: list[Tool], calls: list[Tool], request: str = "") -> Example:
    chat.tools = Listing(w).specs(w.shuffled(tools))
    if not w.heldout and w.chance(0.15):
        plain_turn(w, chat)
    ask_for_all(w, chat, calls, request or _joined(w, calls))
    while not w.heldout and w.chance(0.65):
        answer_results(w, chat, calls)
        again = [made for tool in w.sample(tools, 3) if (made := asked_anew(w, tool, clause=True))]
        if len(again) > 1:
            calls = again
            ask_for_all(w, chat, calls, _joined(w, calls))
        elif calls[0].request:
            tool = w.pick(calls)
            call_turn(w, chat, tool)
            result_turn(w, chat, tool)
            break
    return chat.example(skill, heldout=w.heldout)


def answer_results(w: Words, chat: Chat, calls: list[Tool]) -> None:
    """Results of the newest calls, in any order, and an answer with a line for each."""
    results = [tool_result(w, call, alone=False) for call in calls]
    order = w.shuffled(range(len(calls))) if w.chance(0.2) else range(len(calls))
    for which in order:
        chat.result(results[which].text, which)
    chat.answer("\n".join(result.answer for result in results), TAKEN)


def several_results(w: Words) -> Example:
    """The answer about the results of several calls."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    if w.chance(0.4):
        calls, request = calls_of_one(w)
        tools = calls[:1]
    else:
        tools = several_tools(w, w.pick((2, 2, 3, 4)))
        calls = w.sample(tools, w.pick((2, 2, 2, 3)))
        request = " ".join(ended(call.request) for call in calls)
    chat.tools = Listing(w).specs(tools)
    chat.user(request)
    chat.calls([(call.name, call.arguments) for call in calls], train=False)
    answer_results(w, chat, calls)
    return chat.example("result_several", heldout=w.heldout)

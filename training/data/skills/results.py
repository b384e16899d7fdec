"""What follows a call: answers from results and errors, second steps, hand-offs between agents, context from a tool."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from training.data.example import Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, kind_of, spoken
from training.data.phrasing import said_two_steps
from training.data.prompts import default
from training.data.prose import passage, unanswerable
from training.data.prose_parts import laid_out
from training.data.result_fields import FAILED, TAKEN
from training.data.results import DONE_ANSWER, dumped, error_result, good_result, record, report, sentence_about, value
from training.data.skills.context import UNKNOWN, distinct, found_thought
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.toolmaking import Listing, any_tool, lowered, several_tools
from training.data.words import Phrases, Words, ended
from training.data.written_tools import tool_result


def _called(w: Words, chat: Chat, *, train: bool) -> Tool:
    """A request and a call, the tools set; the tool that is called."""
    chat.system(system_text(w, 0.35))
    wanted = any_tool(w)
    tools = several_tools(w, w.pick((1, 1, 1, 2, 2, 3)), wanted)
    chat.tools = Listing(w).specs(w.shuffled(tools))
    if w.chance(0.12):
        plain_turn(w, chat)
    chat.user(wanted.request)
    text = w.pick(("I look it up.", "One moment.", "Let me check.", "I use a tool for this.")) if w.chance(0.06) else ""
    chat.calls([(wanted.name, wanted.arguments)], text=text, train=train and not text)
    return wanted


def from_result(w: Words) -> Example:
    """The answer says what the result says."""
    chat = chat_for(w, share=0.12)
    wanted = _called(w, chat, train=not w.heldout)
    result = tool_result(w, wanted, failed=False)
    chat.result(result.text)
    chat.answer(result.answer, TAKEN)
    if not w.heldout and w.chance(0.35):
        plain_turn(w, chat)
    return chat.example("result_answer", heldout=w.heldout)


def from_error(w: Words) -> Example:
    """The answer reports the failure."""
    chat = chat_for(w, share=0.12)
    wanted = _called(w, chat, train=not w.heldout)
    result = tool_result(w, wanted, failed=True)
    chat.result(result.text)
    chat.answer(result.answer, FAILED)
    return chat.example("result_error", heldout=w.heldout)


_ONE_FIELD = Phrases(
    "{r} I only want the {k}.",
    "{r} Tell me just the {k}.",
    "{r} What is the {k}?",
    "{r} Only the {k}, please.",
    "{r} I need the {k} from it.",
    "{r} Which {k} does it give?",
)
_NEXT_FIELD = Phrases(
    "And the {k}?",
    "What about the {k}?",
    "What is the {k}?",
    "Tell me the {k} as well.",
    "Which {k} does it have?",
    "I also need the {k}.",
)


def one_field(w: Words) -> Example:
    """One field of an object is asked for, at once or afterwards."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    wanted = any_tool(w)
    chat.tools = Listing(w).specs(several_tools(w, w.pick((1, 1, 2, 3)), wanted))
    fields = record(w, 2, 5)
    names = list(fields)
    asked = w.pick(names)
    request = ended(wanted.request)
    chat.user(w.ask(_ONE_FIELD, r=request, k=spoken(asked)))
    chat.calls([(wanted.name, wanted.arguments)], train=not w.heldout)
    chat.result(dumped(w, fields))
    thought = f"I need the {spoken(asked)} only."
    text = sentence_about(asked, fields[asked])
    chat.answer(text[0].upper() + text[1:] + ".", thought)
    for _ in range(w.pick((0, 1, 1, 2)) if not w.heldout else w.pick((0, 1))):
        asked = w.pick(names)
        chat.user(w.ask(_NEXT_FIELD, k=spoken(asked)))
        text = sentence_about(asked, fields[asked])
        chat.answer(text[0].upper() + text[1:] + ".", f"I need the {spoken(asked)} only.")
    return chat.example("result_field", heldout=w.heldout)


# -- second steps ------------------------------------------------------------------------------------------------------

_TWO_STEPS = Phrases(
    "Find the {k} of {n} and {v} it.", "Look up the {k} of {n}, then {v} it.", "First get the {k} for {n}, and with it {v}.", "I want to {v} the {k} of {n}. Look it up first.",
    "{V} the {k} that belongs to {n}.", "What is the {k} of {n}? {V} it too.", "Get {n}'s {k} and then {v} it", "With the {k} of {n}, {v}.", "Please {v} for {n}; you have to find the {k} first.",
    "{V} using the {k} of {n}.", "Determine the {k} of {n}. After that {v} it.", "For {n}: find the {k}, then {v}.", "Take the {k} of {n} and {v} it, please.",
)  # fmt: skip
_FIRST_NAMES = (
    "find_{k}",
    "get_{k}",
    "{k}_lookup",
    "lookup_{k}",
    "search_{k}",
    "{k}_of",
    "fetch_{k}",
    "{x}_{k}",
    "resolve_{k}",
)
_SECOND_VERBS = (
    "delete",
    "update",
    "send",
    "print",
    "open",
    "book",
    "cancel",
    "lock",
    "archive",
    "check",
    "rename",
    "approve",
    "call",
    "notify",
    "track",
    "order",
    "close",
    "verify",
    "publish",
    "translate",
    "validate",
    "charge",
    "ship",
)
_STEP_VALUES: tuple[tuple[tuple[str, ...], str, Callable[[Words], Any]], ...] = (
    (
        ("id", "user_id", "order_id", "customer_id", "record_id", "number", "account_id", "seat"),
        "integer",
        lambda w: w.between(1, 99999),
    ),
    (("code", "sku", "reference", "serial", "token", "ticket", "key"), "string", Words.code),
    (("email", "address", "mail"), "string", Words.email),
    (("city", "location", "capital", "hometown"), "string", Words.city),
    (("name", "owner", "author", "manager"), "string", Words.full_name),
    (("price", "amount", "temperature", "weight"), "number", Words.decimal),
    (("file", "path", "document"), "string", Words.file),
    (("url", "link"), "string", Words.url),
)


def second_step(w: Words) -> Example:
    """The second call needs what the first returned; then the answer about the second result."""
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.35))
    keys, kind, make = w.pick(_STEP_VALUES)
    key = w.pick(keys) if w.chance(0.8) else f"{w.noun()}_{w.pick(keys)}"
    subject = w.pick((w.full_name, w.company, w.product, w.first_name, w.foreign, w.city))()
    verb = w.pick(_SECOND_VERBS) if w.chance(0.8) else w.verb()
    item = make(w)
    subject_key = w.pick(("name", "query", "who", "subject", "q", "customer", "search", "input", w.noun()))
    first = Tool(
        cased(w, w.pick(_FIRST_NAMES).format(k=key, x=w.syllables())),
        w.pick((f"Finds the {spoken(key)} of something.", f"Returns a {spoken(key)} for a name.", "")),
        [Parameter(subject_key, {"type": "string"}, subject, "")],
        {subject_key: subject},
        "",
    )
    second_key = key if w.chance(0.6) else w.pick((key, "value", "input", f"target_{key}", "item", w.noun()))
    second = Tool(
        cased(
            w,
            w.pick(
                (f"{verb}_{key}", f"{verb}_by_{key}", f"{verb}_{w.noun()}", f"{w.syllables()}_{verb}", f"{verb}_item")
            ),
        ),
        w.pick(
            (
                f"{verb.capitalize()}s by {spoken(key)}.",
                f"Needs the {spoken(key)}. Then it can {verb}.",
                f"{verb.capitalize()} something, given its {spoken(key)}.",
            )
        ),
        [Parameter(second_key, {"type": kind}, item, "")],
        {second_key: item},
        "",
    )
    if first.name == second.name:
        second.name += "_now"
    tools = several_tools(w, w.pick((0, 0, 1, 2)) + 1, first)
    tools = [tool for tool in tools if tool.name != second.name] + [second]
    chat.tools = Listing(w).specs(w.shuffled(tools))
    said = said_two_steps(w.rng) if not w.heldout and w.chance(0.6) else w.template(_TWO_STEPS)
    if said in _TWO_STEPS.heldout and not w.heldout:
        said = w.pick(_TWO_STEPS.train)
    chat.user(said.format(k=spoken(key), n=subject, v=verb, V=verb.capitalize()))
    chat.calls([(first.name, first.arguments)], train=not w.heldout)
    at = w.rng.random()
    if at < 0.08 and not w.heldout:
        failure = error_result(w)
        chat.result(failure.text)
        chat.answer(failure.answer, FAILED)
        return chat.example("result_step", heldout=w.heldout)
    shown: Any = {key: item}
    if w.chance(0.45):
        shown = (
            {**{w.noun(): value(w) for _ in range(w.between(1, 2))}, **shown}
            if w.chance(0.5)
            else {**shown, w.noun(): value(w)}
        )
    chat.result(
        str(item)
        if w.chance(0.3)
        else f"The {spoken(key)} of {subject} is {item}."
        if w.chance(0.25)
        else dumped(w, shown)
    )
    chat.calls([(second.name, second.arguments)])
    if not w.heldout or w.chance(0.4):
        result = good_result(w)
        chat.result(result.text)
        chat.answer(result.answer, TAKEN)
    return chat.example("result_step", heldout=w.heldout)


def retry(w: Words) -> Example:
    """After a failure the user corrects a value, and the tool is called again."""
    chat = chat_for(w, share=0.08)
    chat.system(system_text(w, 0.3))
    tool = any_tool(w)
    while not any(
        isinstance(v, str | int) and not isinstance(v, bool) and p.schema.get("enum") is None
        for p, v in ((p, tool.arguments.get(p.name)) for p in tool.parameters)
    ):
        tool = any_tool(w)
    chat.tools = Listing(w).specs(several_tools(w, w.pick((1, 1, 2)), tool))
    chat.user(tool.request)
    chat.calls([(tool.name, tool.arguments)], train=not w.heldout)
    failure = error_result(w)
    chat.result(failure.text)
    chat.answer(failure.answer, FAILED, train=not w.heldout)
    names = [
        p.name
        for p in tool.parameters
        if isinstance(tool.arguments.get(p.name), str | int)
        and not isinstance(tool.arguments.get(p.name), bool)
        and p.schema.get("enum") is None
    ]
    name = w.pick(names)
    fresh: Any = w.integer() if not isinstance(tool.arguments[name], str) else w.text()
    chat.user(w.ask(_CORRECTIONS, k=spoken(name), v=fresh))
    chat.calls([(tool.name, {**tool.arguments, name: fresh})])
    return chat.example("result_retry", heldout=w.heldout)


_CORRECTIONS = Phrases(
    "Try again with {k} {v}.",
    "Then use {v} as {k}.",
    "Sorry, the {k} is {v}.",
    "I meant the {k} {v}",
    "Once more, but with the {k} {v}.",
    "Change the {k} to {v} and try again",
    "Do it again; the {k} should be {v}.",
)


# -- agents ------------------------------------------------------------------------------------------------------------

_AGENT_NAMES = ("{x}Agent", "{x}_agent", "{x}", "{x} Agent")
_SPECIALTIES = (
    "research",
    "writing",
    "math",
    "review",
    "billing",
    "weather",
    "travel",
    "support",
    "sales",
    "coding",
    "translation",
    "planning",
    "calendar",
    "search",
    "legal",
    "music",
    "cooking",
)
_AGENT_DESCRIPTIONS = Phrases(
    "Useful for {x} tasks.",
    "Handles everything about {x}.",
    "Does {x}.",
    "Is good at {x}.",
    "Takes care of {x} questions.",
    "Answers questions on {x}",
)
_HANDOFF_ASKS = Phrases(
    "I have a question about {x}.",
    "Help me with {x}.",
    "Please do some {x} for me.",
    "This is about {x}.",
    "I need the {x} team",
    "Can somebody do the {x}?",
    "Let's get the {x} done.",
    "Start with the {x}.",
)


def handoff(w: Words) -> Example:
    """An agent that can not help hands over to the one that can."""
    chat = chat_for(w, share=0.06)
    specialties = (
        w.sample(_SPECIALTIES, w.between(2, 3)) if w.chance(0.7) else [w.noun() for _ in range(w.between(2, 3))]
    )
    specialties = list(dict.fromkeys(specialties))
    style = w.pick(_AGENT_NAMES)
    agents = {
        style.format(x=one.capitalize() if "Agent" in style else one): w.say(_AGENT_DESCRIPTIONS, x=one)
        for one in specialties
    }
    wanted = w.between(0, len(agents) - 1)
    name = list(agents)[wanted]
    own = w.noun()
    chat.system(
        w.pick(
            (
                f"You are the {own} agent.",
                f"You are an agent for {own}. Hand over what you can not do.",
                "You coordinate other agents.",
                f"You do {own}. For other things use the handoff tool.",
            )
        )
    )
    tool = {
        "type": "function",
        "function": {
            "name": "handoff",
            "description": f"handoff(to_agent: str, reason: str) -> str\n{default('handoff').format(agent_info=str(agents))}",
            "parameters": {
                "properties": {
                    "to_agent": {"title": "To Agent", "type": "string"},
                    "reason": {"title": "Reason", "type": "string"},
                },
                "required": ["to_agent", "reason"],
                "type": "object",
            },
        },
    }
    others = Listing(w).specs(several_tools(w, w.between(1, 2))) if w.chance(0.5) else []
    chat.tools = [*others, tool]
    request = w.ask(_HANDOFF_ASKS, x=specialties[wanted])
    reason = request.rstrip(".?")
    chat.user(request)
    chat.calls([("handoff", {"to_agent": name, "reason": reason})])
    return chat.example("agent_handoff", heldout=w.heldout)


_SEARCH_NAMES = (
    "search_{x}",
    "retrieve_context",
    "retriever",
    "query_engine_tool",
    "knowledge_base",
    "{x}_search",
    "search_documents",
    "lookup_{x}",
    "ask_{x}",
    "{x}_retriever",
    "docs_tool",
    "vector_query",
)
_SEARCH_DOES = Phrases(
    "Retrieve information to help answer a query.",
    "Search the documents.",
    "Useful for answering natural language questions about {x}.",
    "Searches the notes on {x}.",
    "Returns passages that fit the question.",
    "Finds text about {x}",
)


def retrieval(w: Words) -> Example:
    """A question, a search for it, passages as the result, and the answer from them."""
    chat = chat_for(w, share=0.12)
    chat.system(
        system_text(w, 0.3)
        if w.chance(0.6)
        else w.pick(
            (
                "You have access to a tool that retrieves context. Use the tool to help answer user queries.",
                "Answer with the help of the search tool.",
                "Always search before you answer.",
            )
        )
    )
    topic = w.noun()
    key = w.pick(("query", "input", "question", "q", "text"))
    name = w.pick(_SEARCH_NAMES).format(x=topic)
    tool = Tool(name, w.say(_SEARCH_DOES, x=topic), [Parameter(key, {"type": "string"}, "", "")], {}, "", topic)
    chat.tools = Listing(w).specs([tool])
    read = passage(w, w.between(1, 7))
    questions = distinct(read.questions)
    if not questions or w.chance(0.12):
        question, answer, thought = unanswerable(w, read), UNKNOWN, "The passages do not say it."
    else:
        one = w.pick(questions)
        question, answer, thought = one.text, one.answer, found_thought(w, one)
    chat.user(question)
    chat.calls([(name, {key: question})], train=not w.heldout)
    text = laid_out(w, read.sentences)
    if w.chance(0.2):
        text = "\n\n".join(f"Source: {{'source': '{w.file()}'}}\nContent: {part}" for part in text.split("\n\n"))
    elif w.chance(0.1):
        text = json.dumps(
            [{"content": part, "score": round(w.rng.random(), 2)} for part in text.split("\n\n")], ensure_ascii=False
        )
    chat.result(text)
    chat.answer(answer, thought)
    return chat.example("result_context", heldout=w.heldout)


def structured_end(w: Words) -> Example:
    """An agent whose last word is an object for a schema: as JSON text, or as the call of a tool made for it."""
    chat = chat_for(w, share=0.05)
    chat.system(system_text(w, 0.3))
    wanted = any_tool(w)
    tools = Listing(w).specs(several_tools(w, w.pick((1, 1, 2)), wanted))
    fields = {k: v for k, v in record(w, 1, 4).items() if not isinstance(v, list)} or {"value": w.integer()}
    asked = w.sample(list(fields), w.between(1, len(fields)))
    answer = {k: fields[k] for k in asked}
    title = w.pick((w.noun().capitalize(), "Answer", "Report", "Result", "Response"))
    schema: dict[str, Any] = {
        "properties": {k: {"title": spoken(k).title(), "type": kind_of(v)} for k, v in answer.items()},
        "required": asked,
        "title": title,
        "type": "object",
    }
    as_tool = w.chance(0.5)
    if as_tool:
        tools.append(
            {
                "type": "function",
                "function": {
                    "name": title,
                    "description": w.pick(("", f"The final {title.lower()}.", "Use this for the final answer.")),
                    "parameters": schema,
                },
            }
        )
    else:
        chat.response_format = schema
    chat.tools = tools
    chat.user(wanted.request)
    chat.calls([(wanted.name, wanted.arguments)], train=not w.heldout)
    chat.result(dumped(w, fields) if w.chance(0.7) else report(fields))
    if as_tool:
        chat.calls([(title, answer)])
    else:
        thought = "I have what I need for the answer."
        chat.answer(json.dumps(answer, ensure_ascii=False), thought, kind="json", expected=answer)
    return chat.example("result_structured", heldout=w.heldout)


__all__ = [
    "DONE_ANSWER",
    "from_error",
    "from_result",
    "handoff",
    "lowered",
    "one_field",
    "report",
    "retrieval",
    "retry",
    "second_step",
    "structured_end",
]

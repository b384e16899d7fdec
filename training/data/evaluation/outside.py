"""Cases as a stranger would write them: lines by hand that share nothing with the generator, filled and put together.

The files are `outside/*.jsonl`; slots are filled with held-out values.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ds4_core.chat.relevance import relevance_messages
from training.data.evaluation.outside_lines import (
    TALKATIVE,
    UNKNOWN,
    Filled,
    check_of,
    lines,
    offered,
    schema_of,
    tool_lines,
    words_of,
)
from training.data.example import OBSERVATION, Chat, Example
from training.data.prompts import default
from training.data.words import Words
from training.data.written import slots_of

Make = Callable[[Words], Example]

RAG = (
    "Use the following pieces of context to answer the question at the end. If you don't know the answer, just say that you don't know, don't try to make up an answer.\n\n{c}\n\nQuestion: {q}\nHelpful Answer:",
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise.\nQuestion: {q} \nContext: {c} \nAnswer:",
    "Answer the question based only on the following context:\n{c}\n\nQuestion: {q}\n",
    "{c}\n\nWith this in mind: {q}",
)
RAG_SYSTEM = (
    "Answer any use questions based solely on the context below:\n\n<context>\n{c}\n</context>",
    "Use the given context to answer the question. If you don't know the answer, say you don't know. Use three sentence maximum and keep the answer concise. Context: {c}",
)
CONTEXTUALIZE = "Given a chat history and the latest user question which might reference context in the chat history, formulate a standalone question which can be understood without the chat history. Do NOT answer the question, just reformulate it if needed and otherwise return it as is."
EXTRACT = (
    "Extract the information from this text: {t}",
    "{t}",
    "Please turn the following into JSON.\n\n{t}",
    "Fill in the fields from the text below.\n\nText: {t}",
    "Read the message and pull out the data.\n\n\"{t}\"",
    "Here is a note I got:\n{t}\n\nParse it for me.",
    "What are the details in this text?\n\n{t}",
)  # fmt: skip
TOOL_THOUGHT = "The current language of the user is: English. I need to use a tool to help me answer the question."


def _finished(chat: Chat, skill: str, check: dict[str, Any]) -> Example:
    chat.answer("")
    return replace(chat.example(skill, heldout=True), check=check)


def _returned(value: Any) -> str:
    """What a tool returned, as the model sees it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- tools -------------------------------------------------------------------------------------------------------------


def _requested(line: dict[str, Any], request: Any, w: Words) -> tuple[str, dict[str, Any], Filled]:
    """A request's text, and the arguments that it determines."""
    text, fixed = (request, {}) if isinstance(request, str) else request
    slots = Filled(w, [request])
    slots.kinds = line["slots"] | slots.kinds
    said = slots.fill(text)
    arguments = {name: slots.get(name) for name in slots_of(text) if name in line["params"]}
    return said, arguments | slots.value(fixed), slots


def tool_call(line: dict[str, Any], request: Any, w: Words, thinking: bool = False) -> Example:
    """One tool is needed of those offered."""
    said, arguments, _ = _requested(line, request, w)
    chat = Chat(thinking, w.pick(("low", "high")) if thinking else None)
    chat.tools = offered(w, [line["name"]], w.between(0, 4))
    if w.chance(0.15):
        chat.system("You are a helpful assistant.")
    chat.user(said)
    return _finished(chat, "outside_tool", {"kind": "calls", "expected": [[line["name"], arguments]]})


def several_calls(line: dict[str, Any], w: Words) -> Example:
    """Several calls are needed in one turn."""
    slots = Filled(w, line)
    chat = Chat()
    chat.user(slots.fill(line["text"]))
    calls = slots.value(line["calls"])
    chat.tools = offered(w, [name for name, _ in calls], w.between(0, 2))
    return _finished(chat, "outside_several", {"kind": "calls", "expected": calls})


def no_tool(line: dict[str, Any], w: Words) -> Example:
    """Tools are offered, and the user just talks."""
    slots = Filled(w, line)
    chat = Chat(tools=offered(w, (), w.between(1, 4), TALKATIVE))
    chat.user(slots.fill(line["text"]))
    return _finished(chat, "outside_no_tool", check_of(line, slots))


def tool_result(line: dict[str, Any], w: Words) -> Example:
    """What is said about a result, or the step that it makes possible."""
    slots = Filled(w, line)
    chat = Chat()
    chat.user(slots.fill(line["user"]))
    calls = [(name, arguments) for name, arguments in slots.value(line["calls"])]
    chat.calls(calls, train=False)
    for at, result in enumerate(slots.value(line["results"])):
        chat.result(_returned(result), at)
    if "again" in line:
        chat.answer(slots.fill(line["said"]), train=False)
        chat.user(slots.fill(line["again"]))
    then = slots.value(line.get("then", []))
    chat.tools = offered(w, [*(name for name, _ in calls), *(name for name, _ in then)], w.between(0, 2))
    check = {"kind": "calls", "expected": then} if then else check_of(line, slots)
    part = "step" if then else "answer" if "holds" in line else "error"
    return _finished(chat, f"outside_result_{part}", check)


def agent_loop(line: dict[str, Any], w: Words) -> Example:
    """The simplest loop of an agent: one of one to three small tools was called, and its result is to be told."""
    city, tools = w.city(), [line, *w.sample([other for other in lines("loops") if other != line], w.between(0, 2))]
    slots = Filled(w, [])
    slots.values["c"] = city
    chat = Chat()
    shape = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    functions = [{"name": tool["name"], "description": tool["does"], "parameters": shape} for tool in w.shuffled(tools)]
    chat.tools = [{"type": "function", "function": function} for function in functions]
    chat.user(slots.fill(w.pick(line["asks"])))
    chat.calls([(line["name"], {"city": city})], train=False)
    result, told = w.pick(line["results"])
    chat.result(_returned(slots.value(result)))
    return _finished(chat, "outside_agent_loop", {"kind": "words", "expected": [[told]]})


# -- texts -------------------------------------------------------------------------------------------------------------


def _asked(w: Words, context: str, question: str) -> Chat:
    """A question on a context, in the frameworks' own words."""
    chat = Chat()
    way = w.between(0, 9)
    if way < 4:
        if w.chance(0.7):
            chat.system(default("qa_system"))
        chat.user(default("qa").format(context_str=context, query_str=question))
    elif way == 4:
        name = w.pick(("simple_context", "condense_context"))
        chat.system(default(name).format(context_str=context))
        chat.user(question)
    elif way == 5:
        chat.user(default("tree_summarize").format(context_str=context, query_str=question))
    elif way == 6:
        chat.system(w.pick(RAG_SYSTEM).format(c=context))
        chat.user(question)
    else:
        chat.user(w.pick(RAG).format(c=context, q=question))
    return chat


def context_question(line: dict[str, Any], question: Any, w: Words) -> Example:
    """A question on one or two passages."""
    slots = Filled(w, line)
    text = slots.fill(line["text"])
    if w.chance(0.3):
        text = f"page_label: {w.between(1, 40)}\nfile_path: {w.file()}\n\n{text}"
    texts = [text]
    if w.chance(0.4):
        other = w.pick([one for one in lines("passages") if one is not line])
        texts.append(Filled(w, other).fill(other["text"]))
    asked, answer = question if isinstance(question, list) else (question, UNKNOWN)
    words = [slots.fill(x) for x in ([answer] if isinstance(answer, str) else answer)]
    chat = _asked(w, "\n\n".join(w.shuffled(texts)), slots.fill(asked))
    skill = "outside_context" if isinstance(question, list) else "outside_context_unknown"
    return _finished(chat, skill, {"kind": "words", "expected": [words]})


def refined(line: dict[str, Any], w: Words) -> Example:
    """An answer is there and new context comes."""
    slots = Filled(w, line)
    context, said, query = (slots.fill(line[key]) for key in ("context", "existing", "query"))
    chat = Chat()
    name = w.pick(("chat_refine", "chat_refine", "refine"))
    chat.user(default(name).format(context_msg=context, existing_answer=said, query_str=query))
    return _finished(chat, "outside_refine", check_of(line, slots))


def condensed(line: dict[str, Any], w: Words) -> Example:
    """A follow-up as a question that stands alone."""
    slots = Filled(w, line)
    turns = [(slots.fill(asked), slots.fill(said)) for asked, said in line["history"]]
    follow = slots.fill(line["follow"])
    chat = Chat()
    if w.chance(0.3):
        chat.system(CONTEXTUALIZE)
        for asked, said in turns:
            chat.user(asked)
            chat.answer(said, train=False)
        chat.user(follow)
    else:
        history = "\n".join(f"user: {asked}\nassistant: {said}" for asked, said in turns)
        name = w.pick(("condense", "condense_question"))
        chat.user(default(name).format(chat_history=history, question=follow))
    return _finished(chat, "outside_condense", check_of(line, slots))


def json_for_schema(line: dict[str, Any], w: Words) -> Example:
    """A text, and the object that a schema wants of it."""
    slots = Filled(w, line)
    text, value, schema = slots.fill(line["text"]), slots.value(line["value"]), schema_of(line["fields"])
    chat = Chat()
    if w.chance(0.25):  # a structured answer by way of a tool, as LangChain asks for it
        name = w.pick(("Record", "ExtractedData", "Details"))
        function = {"name": name, "description": "The data of the text.", "parameters": schema}
        chat.tools = [{"type": "function", "function": function}]
        chat.user(w.pick(EXTRACT).format(t=text))
        check = {"kind": "calls", "expected": [[name, value]], "choice": name}
        return _finished(chat, "outside_json_tool", check)
    chat.response_format = schema
    chat.user(w.pick(EXTRACT).format(t=text))
    return _finished(chat, "outside_json", {"kind": "json", "expected": value})


# -- agents, talk, thinking --------------------------------------------------------------------------------------------


def _react_system(tools: Sequence[dict[str, Any]]) -> str:
    """The system message of LlamaIndex's ReAct agent."""
    told, names = [], []
    for one in tools:
        function = one["function"]
        schema = function["parameters"]
        properties = {key: {**value, "title": key.title()} for key, value in schema["properties"].items()}
        arguments = {"properties": properties, "required": schema["required"], "type": "object"}
        told.append(
            f"> Tool Name: {function['name']}\nTool Description: {function['description']}\n"
            f"Tool Args: {json.dumps(arguments, ensure_ascii=False)}\n"
        )
        names.append(function["name"])
    return default("react").format(tool_desc="\n".join(told), tool_names=", ".join(names))


def _action(name: str, arguments: dict[str, Any]) -> str:
    given = json.dumps(arguments, ensure_ascii=False)
    return f"Thought: {TOOL_THOUGHT}\nAction: {name}\nAction Input: {given}"


def react_call(line: dict[str, Any], request: Any, w: Words) -> Example:
    """A step of a ReAct agent that calls a tool."""
    said, arguments, _ = _requested(line, request, w)
    chat = Chat()
    chat.system(_react_system(offered(w, [line["name"]], w.between(0, 3))))
    chat.user(said)
    return _finished(chat, "outside_react", {"kind": "react", "expected": _action(line["name"], arguments)})


def react_result(line: dict[str, Any], w: Words) -> Example:
    """A step of a ReAct agent after an observation."""
    slots = Filled(w, line)
    chat = Chat()
    name, arguments = line["calls"][0]
    result = line["results"][0]
    then = line.get("then")
    names = [name, *([then[0][0]] if then else [])]
    chat.system(_react_system(offered(w, names, w.between(0, 2))))
    chat.user(slots.fill(line["user"]))
    chat.answer(_action(name, slots.value(arguments)), train=False)
    value = slots.value(result)
    chat.user(OBSERVATION + _returned(value))
    if then:
        expected = _action(then[0][0], slots.value(then[0][1]))
        return _finished(chat, "outside_react_step", {"kind": "react", "expected": expected})
    return _finished(chat, "outside_react_answer", {"kind": "react_words", "expected": words_of(line, slots)})


def react_talk(line: dict[str, Any], w: Words) -> Example:
    """A ReAct agent answers at once."""
    slots = Filled(w, line)
    chat = Chat()
    chat.system(_react_system(offered(w, (), w.between(1, 3), TALKATIVE)))
    chat.user(slots.fill(line["text"]))
    return _finished(chat, "outside_react_talk", {"kind": "react_words", "expected": words_of(line, slots) or []})


def talk(line: dict[str, Any], w: Words) -> Example:
    """Small talk, facts, sums, formats, memory."""
    slots = Filled(w, line)
    chat = Chat()
    if w.chance(0.15):
        chat.system("You are a helpful assistant.")
    for at, text in enumerate(line.get("messages") or [line["text"]]):
        if at % 2:
            chat.answer(slots.fill(text), train=False)
        else:
            chat.user(slots.fill(text))
    return _finished(chat, "outside_" + line["part"].replace(" ", "_"), check_of(line, slots))


def steps(line: dict[str, Any], w: Words) -> Example:
    """Sums of two steps."""
    slots = Filled(w, line)
    chat = Chat(thinking=True, effort=w.pick(("low", "high")))
    chat.user(slots.fill(line["text"]))
    return _finished(chat, "outside_steps", check_of(line, slots))


def relevance(line: dict[str, Any], w: Words, *, good: bool) -> Example:
    """A query and a passage, to be judged."""
    slots = Filled(w, line)
    passage = slots.fill(line["yes"] if good else line["no"])
    if not good and w.chance(0.5):
        other = w.pick([one for one in lines("relevance") if one is not line])
        passage = Filled(w, other).fill(other["yes"])
    (message,) = relevance_messages(slots.fill(line["query"]), passage)
    chat = Chat()
    chat.user(message.content)
    return _finished(chat, "outside_relevance", {"kind": "text", "expected": "yes" if good else "no"})


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutsideRow:
    """One row of the table: groups of makers of cases, each with its share, and what the row should reach."""

    name: str
    parts: tuple[tuple[float, Sequence[Make]], ...]
    bar: float


def _each(make: Callable[..., Example], name: str) -> list[Make]:
    return [partial(make, line) for line in lines(name)]


def _requests(make: Callable[..., Example], **more: Any) -> list[Make]:
    return [partial(make, line, request, **more) for line in tool_lines().values() for request in line["requests"]]


def _questions(key: str) -> list[Make]:
    return [partial(context_question, line, question) for line in lines("passages") for question in line[key]]


def rows() -> tuple[OutsideRow, ...]:
    """The rows of the table that are right or wrong case by case."""
    react = [
        partial(react_result, line) for line in lines("results") if len(line["calls"]) == 1 and "again" not in line
    ]
    return (
        OutsideRow("tool call", ((1, _requests(tool_call)),), 0.95),
        OutsideRow("several calls in one turn", ((1, _each(several_calls, "several")),), 0.90),
        OutsideRow("no tool needed", ((1, _each(no_tool, "no_tool")),), 0.97),
        OutsideRow("tool results", ((1, _each(tool_result, "results")),), 0.95),
        OutsideRow("simplest agent loops", ((1, _each(agent_loop, "loops")),), 0.95),
        OutsideRow(
            "answer from context",
            (
                (5, _questions("qa")),
                (2, _questions("none")),
                (1.5, _each(refined, "refine")),
                (1.5, _each(condensed, "condense")),
            ),
            0.90,
        ),
        OutsideRow("JSON for a schema", ((1, _each(json_for_schema, "json")),), 0.95),
        OutsideRow("ReAct format", ((4, _requests(react_call)), (4, react), (1, _each(react_talk, "react"))), 0.90),
        OutsideRow("talk, facts, arithmetic, formats", ((1, _each(talk, "talk")),), 0.95),
        OutsideRow("tool call after thinking", ((1, _requests(tool_call, thinking=True)),), 0.95),
    )


def drawn(row: OutsideRow, n: int, seed: int) -> list[Example]:
    """Cases of a row: every line in turn, in an order that the seed decides."""
    rng = random.Random(f"{seed}/{row.name}")
    total = sum(share for share, _ in row.parts)
    out: list[Example] = []
    for at, (share, makers) in enumerate(row.parts):
        wanted = n - len(out) if at + 1 == len(row.parts) else round(n * share / total)
        out += _cases(makers, wanted, rng)
    return out


def two_steps(n: int, seed: int) -> list[Example]:
    """Sums in two steps, to be thought about."""
    return _cases(_each(steps, "steps"), n, random.Random(f"{seed}/steps"))


def passages(n: int, seed: int) -> list[Example]:
    """Passages that help with a query, and as many that do not."""
    makers = [partial(relevance, line, good=good) for line in lines("relevance") for good in (True, False)]
    return _cases(makers, n, random.Random(f"{seed}/relevance"))


def _cases(makers: Sequence[Make], n: int, rng: random.Random) -> list[Example]:
    order: list[Make] = []
    while len(order) < n:
        order += rng.sample(makers, len(makers))
    return [make(Words(rng, "heldout")) for make in order[:n]]

"""Questions on what a tool returned, answered from it without a new call, beside requests that need one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.data.composed_tools import composed_tools
from training.data.example import Example
from training.data.parameters import Tool, said_value
from training.data.result_fields import ABOVE, TAKEN, Field, again, fields, report
from training.data.results import NOTHING_ANSWER, dumped
from training.data.skills.calling import asked_anew, call_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.written_results import all_names, shown, styled, table
from training.data.toolmaking import Listing, several_tools
from training.data.words import Phrases, Words, capitalized, ended
from training.data.written import maker

Turn = tuple[str, str]

_BARE = Phrases(
    "{q} Just the value.", "{q} Only the value, please.", "{q} Only that, no sentence.", "{q} Answer with the value alone.", "{q} Nothing else.",
    "{q} Reply with the value only.", "Only the {k}, nothing else.", "Just the {k}.", "Write the {k} and nothing else.", "{q} As short as you can.",
    "The bare {k}, please.", "{q} No sentence, please.", "Give me the {k} alone.", "The {k} without any words around it.", "{q} Just that.",
    "Return only the {k}.", "{q} Short answer: the value.", "Your answer must be the {k} only.", "Output the {k}, no other text.", "{q} One value, no sentence.",
)  # fmt: skip
_TWO = Phrases(
    "What are the {k} and the {j}?", "And the {k} and the {j}?", "The {k} and the {j}, please.", "I need the {k} and the {j}.", "Tell me the {k}, and the {j} too.",
    "Which {k} and which {j}?", "Give me both the {k} and the {j}.", "What is the {k}? And the {j}?", "{K} and {j}?", "The {k}, then the {j}.",
    "What does it say about the {k} and the {j}?", "Both the {k} and the {j}, please.", "I want to know the {k} as well as the {j}.", "First the {k}, then the {j}.",
)  # fmt: skip
_ALL = Phrases(
    "Tell me everything about it.", "What does it say in all?", "Give me all the details.", "All of it, please.", "Read me the whole result.", "Everything it says, please.",
    "What are all the details?", "Sum up the whole result.", "Can you list all the fields?", "I want every detail.", "Now everything in one sentence.", "What do we know about it?",
    "Show me all the data you got.", "The full record, please.", "Don't leave anything out: what did it return?", "What did the tool return?", "Repeat the result in full.", "Every field, please.",
)  # fmt: skip
_CHECKED = Phrases(
    "Is the {k} {v}?", "Is {v} the {k}?", "The {k} is {v}, isn't it?", "Does it give {v} as {k}?", "I think the {k} is {v}. Right?", "Is it true that the {k} is {v}?",
    "So the {k} is {v}?", "Would the {k} be {v}?", "Did it say {v} for the {k}?", "My note says the {k} is {v}. Is that correct?", "Can you confirm that the {k} is {v}?", "{K}: {v}?",
)  # fmt: skip
_FIRST = Phrases(
    "{r} {q}", "{r} {q}", "{r} {q}", "{r} I only want the {k}.", "{r} Then tell me the {k}.", "{r} I'm after the {k}.", "{r} I need the {k} from it.",
    "{r} Which {k} does it give?", "{r} What I want to know is the {k}.", "{r} Tell me the {k} that comes back.", "{r} And what is the {k}?", "{r} It's about the {k}.",
    "I need the {k}. {r}", "{r} The {k} is what I need.", "{r} Report the {k} to me.", "{r} Just tell me the {k} then.",
)  # fmt: skip
_NAMES = Phrases(
    "Which ones are there?", "What are their names?", "Name them all.", "All the names, please.", "Give me all of them.", "List them.", "Read me the list.", "Who or what is on the list?",
    "Which ones did you find?", "Tell me all the names.", "What's on the list?", "Only the names of all of them.", "Can you name every one?", "Everything on the list, just the names.",
    "What did you find?", "Every entry, please.", "And which are they?", "List all the entries.", "Which have we got?", "What are they called?",
)  # fmt: skip
_COUNT = Phrases(
    "How many are there?", "How many did you find?", "How many entries?", "How many is that?", "Count them.", "What's the number of entries?", "How many are on the list?",
    "How long is the list?", "And how many in all?", "How many results?", "How many have we got?", "The number of results, please.",
)  # fmt: skip
_LOOKED_UP = Phrases(
    "What is the {k} of {x}?", "What's the {k} of {x}?", "And the {k} of {x}?", "{x}: which {k}?", "The {k} of {x}, please.", "Tell me the {k} of {x}.", "Which {k} does {x} have?",
    "For {x}, what is the {k}?", "How about {x}, the {k}?", "I need the {k} of {x}.", "What {k} is given for {x}?", "And for {x}, which {k}?", "Give me {x}'s {k}.", "What's {x}'s {k}?",
    "{x} - what is the {k}?", "Read me the {k} of {x}.", "I want to know the {k} of {x}.", "Can you tell me the {k} of {x}?", "What about {x}? The {k}, I mean.", "And {x}'s {k}?",
)  # fmt: skip
_REVERSED = Phrases(
    "Which one has the {k} {v}?", "Which has the {k} {v}?", "Whose {k} is {v}?", "Which one is it with the {k} {v}?", "To which belongs the {k} {v}?", "Find the one with the {k} {v}.",
    "The one with {k} {v}, which is it?", "What's the name of the one with the {k} {v}?", "Who or what has the {k} {v}?", "Name the one whose {k} is {v}.", "{v} is the {k} of which one?", "Which entry says {k} {v}?",
    "Which one has {v} as {k}?", "Tell me which one has the {k} {v}.", "The {k} {v} is whose?", "I look for the one with the {k} {v}.",
)  # fmt: skip
_FIRST_ONE = Phrases("Which one is first?", "What's at the top?", "And the first one?", "The first of them, please.", "Name the first.", "What comes first?", "The top entry?", "Which is listed first?")  # fmt: skip
_LAST_ONE = Phrases("Which one is last?", "What's at the bottom?", "And the last one?", "The last of them, please.", "Name the last.", "What comes last?", "The bottom entry?", "Which is listed last?")  # fmt: skip
_WHOLE = Phrases("What does it say?", "What did the tool say?", "Read it to me.", "What was the result?", "Repeat the result.", "Tell me what came back.", "What exactly did it return?", "Once more, the whole answer.", "What's the full text?", "Say it again.")  # fmt: skip
_NEXT = Phrases("{r}", "{r}", "{r}", "Next: {r}", "Thanks. {r}", "Good. Now something else: {r}", "Another thing. {r}", "Ok. {r}", "That's all I need. {r}", "Great. {r}", "Fine. {r}")  # fmt: skip
_EMPTY = ("[]", "[]", '{"results": []}', "null", "None", "no results", '{"items": []}', '{"count": 0, "results": []}', '{"data": []}', "{}", "")  # fmt: skip


@dataclass
class Outcome:
    """What a tool returned: its text, the answer to a plain request, what may be asked at once, and further questions."""

    text: str
    whole: str
    first: list[Field]
    ask: Callable[[Words], Turn] | None


# -- one record --------------------------------------------------------------------------------------------------------


def _asked(w: Words, given: list[Field], left: list[Field], subject: str) -> Turn:
    """A question on a record; those in `left` have not been asked for. `subject`: what it is about, or ""."""
    one = left.pop() if left else w.pick(given)
    plain = [field for field in given if not field.quality]
    x = w.rng.random()
    if x < 0.04:
        return w.ask(_ALL), report(given)
    if x < 0.12 and len(plain) > 1:
        a, b = w.sample(plain, 2)
        return w.ask(_TWO, k=a.label, j=b.label, K=capitalized(a.label)), report([a, b])
    if subject and not one.quality and x > 0.85:
        return w.ask(_LOOKED_UP, k=one.label, x=subject), one.answer
    if one.quality or x > 0.36:
        return one.question(w), one.answer
    if x > 0.2:
        return w.ask(_BARE, q=one.question(w), k=one.label), said_value(one.value)
    right = w.chance(0.5)
    same = [field.value for field in given if field is not one and type(field.value) is type(one.value)]
    wrong = w.pick(same) if same else f"{w.word()}" if isinstance(one.value, str) else w.integer()
    right = right or wrong == one.value
    said = one.value if right else wrong
    return w.ask(
        _CHECKED, k=one.label, K=capitalized(one.label), v=said_value(said)
    ), f"{'Yes' if right else 'No'}, {one.clause}."


def _record(w: Words, tool: Tool, who: str) -> Outcome:
    given = fields(w, who, w.pick((2, 3, 3, 4, 4, 5, 6, 7)))
    names = styled(w, {one.name: one.value for one in given})
    given = [Field(names[one.name], one.label, one.value, one.sentence, one.asks, one.quality) for one in given]
    written = {one.name: one.value for one in given}
    own = next((value for value in tool.arguments.values() if isinstance(value, str | int)), None)
    if (
        own is not None
        and not isinstance(own, bool)
        and "name" not in written
        and "id" not in written
        and w.chance(0.3)
    ):
        written = {"name" if isinstance(own, str) else "id": own, **written}
    left = w.shuffled(given)
    subject = own if isinstance(own, str) and len(own) < 40 and len(tool.arguments) == 1 else ""
    return Outcome(shown(w, written), report(given), given, lambda w: _asked(w, given, left, subject))


# -- lists -------------------------------------------------------------------------------------------------------------

_HEADS: tuple[tuple[tuple[str, ...], Callable[[Words], str]], ...] = (
    (("name", "full_name", "person", "member", "contact"), Words.full_name),
    (("name", "first_name", "user", "guest", "player"), Words.first_name),
    (("title", "name", "event", "entry"), maker("@event")),
    (("title", "task", "name", "item"), maker("@task")),
    (("name", "company", "firm", "vendor"), Words.company),
    (("place", "city", "town", "name"), Words.city),
    (("id", "code", "number", "key", "ref"), Words.code),
    (("name", "product", "item", "article"), Words.product),
    (("title", "book", "name"), maker("@book")),
    (("name", "shop", "place"), maker("@shop")),
    (("dish", "name", "meal"), maker("@dish")),
)  # fmt: skip


def _list(w: Words, who: str) -> Outcome:
    keys, make = w.pick(_HEADS[:2] if who == "p" else _HEADS)
    key = w.pick(keys)
    n = w.pick((2, 2, 3, 3, 3, 4, 5))
    heads = list(dict.fromkeys(make(w) for _ in range(n)))
    n = len(heads)
    if w.chance(0.25):
        text = w.weighted(
            (5, dumped(w, heads)),
            (2, dumped(w, {w.pick(("results", "items", "data", "names", "found")): heads})),
            (1, "\n".join(heads)),
            (1, "\n".join(f"- {head}" for head in heads)),
            (1, ", ".join(heads)),
        )
        return Outcome(text, all_names(heads), [], lambda w: _of_list(w, heads))
    kinds = [
        one for one in fields(w, who, w.pick((1, 2, 2, 3)), truths=False) if key not in (one.name, *one.label.split())
    ]
    rows = [kinds, *(again(w, kinds, who) for _ in heads[1:])]
    names = styled(w, {key: 0, **{one.name: 0 for one in kinds}})
    written = [
        {names[key]: head, **{names[one.name]: one.value for one in row}} for head, row in zip(heads, rows, strict=True)
    ]
    things = w.pick(("results", "items", "entries", "records"))
    text = table(w, written, things)
    order = w.shuffled(range(n))

    def ask(w: Words) -> Turn:
        if not kinds or w.chance(0.22):
            return _of_list(w, heads)
        at = order.pop() if order else w.between(0, n - 1)
        field = w.pick(rows[at])
        others = [row[rows[at].index(field)].value for row in rows if row is not rows[at]]
        if field.value not in others and w.chance(0.25):
            return w.ask(_REVERSED, k=field.label, v=said_value(field.value)), f"It is {heads[at]}."
        question = w.ask(_LOOKED_UP, k=field.label, x=heads[at])
        if w.chance(0.15):
            return w.ask(_BARE, q=question, k=f"{field.label} of {heads[at]}"), said_value(field.value)
        return question, field.answer

    return Outcome(text, all_names(heads), [], ask)


def _of_list(w: Words, heads: list[str]) -> Turn:
    x = w.rng.random()
    if x < 0.45:
        return w.ask(_NAMES), all_names(heads)
    if x < 0.7:
        return w.ask(_COUNT), f"There are {len(heads)}." if len(heads) > 1 else "There is only one."
    return (w.ask(_FIRST_ONE), f"It is {heads[0]}.") if x < 0.85 else (w.ask(_LAST_ONE), f"It is {heads[-1]}.")


# -- texts -------------------------------------------------------------------------------------------------------------


def _text(w: Words, who: str) -> Outcome:
    given = fields(w, who, w.pick((1, 1, 2, 2, 3, 4)), made_up=0.2)
    text = " ".join(one.sentence for one in given)
    left = w.shuffled(given)

    def ask(w: Words) -> Turn:
        if w.chance(0.1):
            return w.ask(_WHOLE), text
        one = left.pop() if left else w.pick(given)
        if w.chance(0.15) and not one.quality:
            return w.ask(_BARE, q=one.question(w), k=one.label), said_value(one.value)
        return one.question(w), one.answer if one.quality else one.sentence

    return Outcome(text, text, [], ask)


def outcome(w: Words, tool: Tool) -> Outcome:
    """What a tool may return, of any shape."""
    plan = tool.extra.get("plan")
    people = plan is not None and plan.noun.kind in ("people", "person", "being")
    who = "p" if people or (plan is None and w.chance(0.15)) else "t"
    many = plan is not None and plan.many
    x = w.rng.random()
    if x < 0.05:
        return Outcome(w.pick(_EMPTY), NOTHING_ANSWER, [], None)
    if x < (0.6 if many else 0.25):
        return _list(w, who)
    return _text(w, who) if x > 0.87 else _record(w, tool, who)


# -- conversations -----------------------------------------------------------------------------------------------------


def _tools(w: Words) -> list[Tool]:
    n = w.pick((2, 2, 3, 3, 4, 5))
    if w.chance(0.35):
        return several_tools(w, n)
    tools = composed_tools(w, n if w.chance(0.6) else 2)
    return several_tools(w, n, tools[0]) if len(tools) < n or w.chance(0.15) else tools


def _request(w: Words, tool: Tool, made: Outcome) -> Turn:
    """The request, now and then with a question on what comes back; the answer."""
    request = tool.request
    if not made.first or w.chance(0.55 if len(made.first) < 5 else 0.2):
        return request, made.whole
    one = w.pick([field for field in made.first if not field.quality] or made.first)
    if one.quality:
        return f"{ended(request)} {one.question(w)}", one.answer
    return w.ask(_FIRST, r=ended(request), q=one.question(w), k=one.label), one.answer


def composed_result(w: Words) -> Example:
    """A call, what it returns, and questions on that, which need no other call; now and then one that does."""
    chat = chat_for(w, share=0.08)
    chat.system(system_text(w, 0.3))
    tools = _tools(w)
    chat.tools = Listing(w).specs(w.shuffled(tools))
    n_left = w.pick((0, 0, 1, 1, 2, 3)) if w.heldout else w.between(6, 10)
    asking = [tool for tool in tools if "plan" in tool.extra and tool.extra["plan"].deed.question]
    tool, first = w.pick(asking if asking and w.chance(0.5) else tools), True
    while True:
        made = outcome(w, tool)
        request, answer = _request(w, tool, made)
        call_turn(w, chat, tool, request if first else w.ask(_NEXT, r=request))
        if w.heldout and not first and w.chance(0.5):
            break
        chat.result(made.text)
        chat.answer(answer, TAKEN)
        for _ in range(0 if made.ask is None else min(n_left, w.pick((1, 2, 3, 4, 5, 8)))):
            assert made.ask is not None
            question, answer = made.ask(w)
            chat.user(question)
            chat.answer(answer, ABOVE)
            n_left -= 1
        if not w.heldout and w.chance(0.04):
            plain_turn(w, chat)
        n_left -= 1
        if n_left < 0 or (w.heldout and w.chance(0.7)):
            break
        first, other = False, w.pick(tools)
        tool = asked_anew(w, other) or next((one for one in tools if one is not tool), other)
    return chat.example("composed_result", heldout=w.heldout)

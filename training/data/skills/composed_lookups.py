"""Lookups: a question on one thing needs a call, a further one on the same thing does not, one on another thing does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from training.data.composed_tool_words import named_noun
from training.data.composed_words import Noun
from training.data.example import Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, schema_of
from training.data.result_fields import ABOVE, TAKEN, Field, again, fields, report
from training.data.skills.calling import call_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.written_agents import distinct_names, offered
from training.data.skills.written_results import shown, styled
from training.data.toolmaking import Listing
from training.data.words import Phrases, Words, capitalized
from training.data.written import maker

_KINDS = (
    "record",
    "people",
    "people",
    "file",
    "message",
    "schedule",
    "media",
    "shop",
    "trip",
    "money",
    "system",
    "any",
)
_NAMES = ("get_{n}", "find_{n}", "{n}_info", "{n}_lookup", "look_up_{n}", "{n}_details", "fetch_{n}", "show_{n}", "read_{n}", "{n}_data", "describe_{n}", "query_{n}", "{n}_status", "about_{n}")  # fmt: skip
_DOES = Phrases(
    "Looks up {a}.", "Gives the data of {a}.", "Details of {a}.", "Finds {a}.", "Returns what is known about {a}.", "Information on {a}.", "Reads the record of {a}.", "Data of one {n}.",
    "Use it for questions about {a}.", "Answers what is stored on {a}.", "The facts on {a}.", "Get {a} with all its fields.", "Shows {a}.", "Fetches {a} from the database.", "{N} lookup.",
)  # fmt: skip
_QUESTIONS = Phrases(
    "What is the {k} of {x}?", "What's the {k} of {x}?", "The {k} of {x}, please.", "Tell me the {k} of {x}.", "Which {k} does {x} have?", "I need the {k} of {x}.", "Look up the {k} of {x}.",
    "Can you tell me the {k} of {x}?", "Find the {k} of {x}.", "Do you know the {k} of {x}?", "{k} of {x}?", "Which {k} is stored for {x}?", "Get me the {k} of {x}.", "Check the {k} of {x}.",
    "I'd like to know the {k} of {x}.", "Could you look up which {k} {x} has?", "For {x}, what is the {k}?", "{X}: what {k}?", "I have a question on {x}: what's the {k}?", "Please give me the {k} of {x}.",
    "We need the {k} of {x}.", "Somebody asked me for the {k} of {x}.", "About {x}: which {k} has it got?", "Search for {x} and tell me the {k}.", "What does the system say is the {k} of {x}?",
).always("What is the {k} of {x}?", "What's the {k} of {x}?")  # fmt: skip
_WHOLE = Phrases(
    "Show me {x}.", "Look up {x}.", "Get {x}.", "What do we know about {x}?", "Tell me about {x}.", "Find {x}.", "Give me the data of {x}.", "I need the details of {x}.", "Details of {x}, please.",
    "Can you look up {x}?", "Everything on {x}, please.", "Read me the record of {x}.", "What's stored about {x}?", "Check {x}.", "Please fetch {x}.",
)  # fmt: skip
_SAME = Phrases(
    "And for {x}?", "And {x}?", "What about {x}?", "The same for {x}, please.", "How about {x}?", "And of {x}?", "Now for {x}.", "The same question for {x}.", "And that of {x}?", "Now {x}, please.",
    "Also for {x}.", "And what is it for {x}?", "Check {x} too.", "Then {x}?",
)  # fmt: skip
_BACK = Phrases(
    "Back to {x}: what was the {k}?", "And the {k} of {x}?", "What was the {k} of {x} again?", "The {k} of {x} once more?", "You looked up {x} before. Which {k}?", "Remind me of the {k} of {x}.",
    "Again for {x}: the {k}?", "What did it say about {x}, the {k}?", "And {x}, what {k} was that?", "Earlier you had {x}. The {k}?",
)  # fmt: skip


@dataclass
class _Shelf:
    """Things of one kind that a tool looks up: all have the same fields."""

    noun: Noun
    tool: Tool
    key: str
    who: str
    given: list[Field]
    names: dict[str, str]
    seen: dict[str, list[Field]] = field(default_factory=dict)


def _shelf(w: Words) -> _Shelf:
    noun, snake = named_noun(w, _KINDS)
    key = cased(
        w, w.pick((f"{snake}", f"{snake}_name", f"{snake}_id", "name", "id", "query", "key", f"{snake}_number"))
    )
    who = "p" if noun.kind in ("people", "person", "being") else "t"
    article = f"{'an' if noun.one[0] in 'aeiou' else 'a'} {noun.one}"
    does = w.say(_DOES, a=article, n=noun.one, N=capitalized(noun.one))
    schema = schema_of(w, key, "string", noun.one)
    name = cased(w, w.pick(_NAMES).format(n=snake))
    tool = Tool(name, does, [Parameter(key, schema, "", "")], {}, "", name)
    given = fields(w, who, w.pick((3, 3, 4, 4, 5, 6)), truths=False)
    return _Shelf(noun, tool, key, who, given, styled(w, {one.name: one.value for one in given}))


_THINGS = (Words.code, Words.code, Words.title, Words.company, maker("@topic"), maker("@project"), maker("100-99999"))


def _subject(w: Words, shelf: _Shelf) -> str:
    while True:
        text = str(w.full_name() if shelf.who == "p" else w.pick(_THINGS)(w))
        if text not in shelf.seen:
            return text


def _said(w: Words, shelf: _Shelf, subject: str) -> str:
    noun = shelf.noun.one
    return w.pick((f"{noun} {subject}", f"the {noun} {subject}", f"the {noun} {subject}", f"our {noun} {subject}"))


def _call(w: Words, chat: Chat, shelf: _Shelf, request: str, subject: str) -> list[Field]:
    """The request, the call and its result."""
    call_turn(w, chat, replace(shelf.tool, arguments={shelf.key: subject}), request)
    given = again(w, shelf.given, shelf.who) if shelf.seen else shelf.given
    shelf.seen[subject] = given
    written = {shelf.names[one.name]: one.value for one in given}
    if w.chance(0.35) and shelf.key not in written:
        written = {shelf.key: subject, **written}
    chat.result(shown(w, written))
    return given


def composed_lookup(w: Words) -> Example:
    """Questions on things that a tool looks up: one call for each thing, and as many questions on it as one likes."""
    chat = chat_for(w, share=0.08)
    chat.system(system_text(w, 0.3))
    shelves = [_shelf(w) for _ in range(w.pick((1, 1, 2, 2, 3)))]
    if len({shelf.noun.one for shelf in shelves}) < len(shelves):
        return composed_lookup(w)
    distinct_names(w, [shelf.tool for shelf in shelves])
    for shelf in shelves:
        shelf.tool.topic = shelf.tool.name
    chat.tools = Listing(w).specs(offered(w, [shelf.tool for shelf in shelves], w.pick((0, 1, 1, 2, 2))))
    shelf, subject, newest, label = shelves[0], "", shelves[0].given, ""
    for turn in range(w.pick((1, 2, 3, 4)) if w.heldout else w.between(8, 13)):
        x = w.rng.random()
        if turn and x < 0.58:
            one = w.pick([other for other in newest if other.label != label])
            chat.user(one.question(w))
        elif turn and x < 0.66 and len(shelf.seen) > 1:
            subject = w.pick([other for other in shelf.seen if other != subject])
            newest = shelf.seen[subject]
            one = w.pick(newest)
            chat.user(w.ask_keeping((subject,), _BACK, k=one.label, x=_said(w, shelf, subject)))
        else:
            same = bool(turn) and bool(label) and w.chance(0.45)
            shelf = shelf if same or not turn else w.pick(shelves)
            subject = _subject(w, shelf)
            thing = subject if same and w.chance(0.4) else _said(w, shelf, subject)
            one = next((other for other in shelf.given if other.label == label), shelf.given[0])
            one = one if same else w.pick(shelf.given)
            whole = not same and w.chance(0.2)
            form = _SAME if same else _WHOLE if whole else _QUESTIONS
            request = w.ask_keeping((subject,), form, k=one.label, x=thing, X=capitalized(thing))
            newest = _call(w, chat, shelf, request, subject)
            one = next(other for other in newest if other.label == one.label)
            label = "" if whole else one.label
            if w.heldout and w.chance(0.3):
                chat.messages.pop()
                break
            chat.answer(report(newest) if whole else one.answer, TAKEN)
            continue
        label = one.label
        chat.answer(one.answer, ABOVE)
        if not w.heldout and w.chance(0.02):
            plain_turn(w, chat)
    return chat.example("composed_lookup", heldout=w.heldout)

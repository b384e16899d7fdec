"""Two deeds of which the second needs what the first finds; the first alone; and the second with a value that is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from training.data.chain_parts import Pair, Use, by_value, composed_pair, pronoun, written_pair
from training.data.example import Chat, Example
from training.data.parameters import Tool, said_value, spoken
from training.data.result_fields import TAKEN, Field, fields, named, report
from training.data.results import DONE_ANSWER, NOTHING_ANSWER, done_result, scalar_result
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.written_agents import as_react, distinct_names, offered
from training.data.skills.written_results import shown, styled
from training.data.toolmaking import Listing
from training.data.words import Phrases, Words, capitalized

_BOTH = Phrases(
    "{F} and {d}.", "{F} and {d}.", "{F}, then {d}.", "{F}. Then {d}.", "First {f}, then {d}.", "Please {f} and {d}.", "Can you {f} and {d}?", "{F} and after that {d}.",
    "I want you to {f} and {d}.", "{F}. With that, {d}.", "Could you {f} and then {d}?", "{F} so that you can {d}.", "{F}. When you have it, {d}.", "{F} first. Next, {d}.",
    "Two things: {f}, and {d}.", "Would you {f} and {d} for me?", "{F}. After that {d}.", "I'd like you to {f} and then to {d}.", "{F} & {d}", "You need to {f}, then {d}.",
    "{F}; {d}.", "Once you {f}, {d}.", "Before you can {d}, {f}. Do both.", "My request: {f} and {d}.", "{F}, and as soon as that is done, {d}.", "Go and {f}, and then {d}.",
).always("{F} and {d}.", "{F}, then {d}.", "Please {f} and {d}.")  # fmt: skip
_DIRECT = Phrases(
    "{D}.", "{D}.", "{D}", "Please {d}.", "Can you {d}?", "I'd like you to {d}.", "I want to {d}.", "Could you {d}?", "{D}, please.", "Would you {d} for me?", "I need you to {d}.",
    "Help me {d}.", "It's time to {d}.", "We have to {d}.", "Go ahead and {d}.", "Don't forget to {d}.", "Is it possible to {d}?", "My boss wants you to {d}.",
).always("{D}.", "Please {d}.")  # fmt: skip
_SEARCHED = Phrases(
    "{D}. You have to look it up first.", "{D}, but look that up first.", "{D}. Search for it.", "{D}! I don't know which it is, so search.", "{D}, I don't have it at hand.",
    "Please {d}. Look it up yourself.", "Can you {d}? You'll have to find it.", "{D}. You can find it with the search.", "{D}, after you have looked it up.",
)  # fmt: skip
_WHAT_IS = Phrases("What is {w}?", "What's {w}?", "Do you know {w}?", "I need {w}.", "Tell me {w}.", "Give me {w}.", "Can you tell me {w}?", "I'd like to know {w}.", "Have you got {w}?", "{W}?", "{W}, please.")  # fmt: skip
_WONDERED = Phrases(
    "Do you know {w}?",
    "Tell me {w}.",
    "I wonder {w}.",
    "Can you tell me {w}?",
    "I'd like to know {w}.",
    "I want to know {w}.",
    "Could you say {w}?",
    "Please tell me {w}.",
)
_ASKED_FOR = ("phone", "email", "address", "city", "amount", "person", "date")
_ONLY = Phrases(
    "{F}.", "{F}.", "{F}", "Please {f}.", "Can you {f}?", "I want you to {f}.", "{F}, nothing else.", "Just {f}.", "Could you {f}?", "Would you {f} for me?", "{F}, please.",
    "I need you to {f}.", "Only {f}, do nothing with it.", "For now, {f}.", "Go and {f}.", "I'd like you to {f}.", "Help me: {f}.", "{F} for me.",
)  # fmt: skip
_THEN = Phrases(
    "Now {d}.", "{D}.", "Good. Then {d}.", "Thanks, now {d}.", "And now {d}, please.", "Then {d}.", "Great, {d}.", "Okay, {d}.", "Please {d}.", "Can you {d}?",
    "Fine. {D}.", "That's right. {D}.", "Could you {d}?", "Perfect. Please {d}.", "I want you to {d} now.", "As a next step, {d}.", "So {d}.", "Right, then {d}.",
)  # fmt: skip
_FIND = Phrases(
    "find {w}", "look up {w}", "get {w}", "search for {w}", "fetch {w}", "check {w}", "find me {w}", "look for {w}"
)
_FIND_OUT = Phrases("find out {w}", "look up {w}", "check {w}", "see {w}", "tell me {w}", "look {w}")
_OPENING = Phrases(
    "{r}", "{r}", "{r}", "Next: {r}", "Thanks. {r}", "Good. Now: {r}", "Another thing. {r}", "Ok. {r}", "One more: {r}"
)
_ANOTHER = Phrases(
    "And {n}?", "What about {n}?", "And for {n}?", "How about {n}?", "The same for {n}, please.", "Now {n}.", "And {n}, please?", "Then {n}.", "I need {n} too.", "Also for {n}?",
    "Do you have {n} as well?", "{n}?", "Same question for {n}.", "And that of {n}?", "And now for {n}.",
)  # fmt: skip
_NUMBERS = ("id", "number", "reference", "code", "serial")  # what might be taken for what is looked for
_CLAUSES = ("where", "when", "what", "who", "how", "on what", "in which", "whose", "which")
_NOTHING = ("[]", "null", "None", '{"results": []}', "no results", '{"result": null}')


@dataclass
class _Case:
    """Something to find, and what to do with it."""

    pair: Pair
    subject: Any
    value: Any
    what: str
    use: Use
    doer: Tool
    keys: tuple[str, ...]
    more: Any

    @property
    def label(self) -> str:
        """What is found, as people call it."""
        return spoken(named(self.pair.key, self.pair.source.keys))

    def first(self) -> Tool:
        """The call that finds."""
        return replace(self.pair.finder, arguments={self.pair.subject_key: self.subject})

    def second(self) -> Tool:
        """The call that takes what was found."""
        values = dict(zip(self.keys, (self.value, self.more), strict=False))
        return replace(self.doer, arguments={p.name: values[p.name] for p in self.doer.parameters})

    def deed(self, w: Words, thing: str) -> str:
        """What to do, to a thing that is called so."""
        return w.pick(self.use.clauses.of(w.split)).format(o=thing, x=said_value(self.more))


def _case(w: Words, pair: Pair) -> _Case:
    use, doer, keys = w.pick(pair.uses)
    subject = str(pair.source.subject(w))
    what = w.pick(pair.source.what.of(w.split)).format(n=subject)
    return _Case(pair, subject, pair.source.make(w), what, use, doer, keys, use.make(w) if use.make else None)


def _find(w: Words, case: _Case) -> str:
    return w.pick((_FIND_OUT if _clause(case.what) else _FIND).of(w.split)).format(w=case.what)


def _clause(what: str) -> bool:
    return what.startswith(tuple(f"{word} " for word in _CLAUSES))


def _kept(w: Words, phrases: Phrases, /, *values: Any, **slots: str) -> str:
    """What a user says, in which these values stand as they are."""
    return w.ask_keeping((said_value(value) for value in values if value is not None), phrases, **slots)


def _both(w: Words, case: _Case) -> str:
    """A request for both deeds."""
    if not _clause(case.what) and w.chance(0.35):
        deed = case.deed(w, case.what)
        form = _SEARCHED if w.chance(0.3) else _DIRECT
        return _kept(w, form, case.subject, case.more, d=deed, D=capitalized(deed))
    find, deed = _find(w, case), case.deed(w, pronoun(w, case.pair.source))
    return _kept(w, _BOTH, case.subject, case.more, f=find, F=capitalized(find), d=deed, D=capitalized(deed))


def _only(w: Words, case: _Case, *, asked: bool) -> str:
    """A request for the first deed alone; `asked`: for the value itself."""
    if asked:
        form = _WONDERED if _clause(case.what) else _WHAT_IS
        return _kept(w, form, case.subject, w=case.what, W=capitalized(case.what))
    find = _find(w, case)
    return _kept(w, _ONLY, case.subject, f=find, F=capitalized(find))


def _found(w: Words, case: _Case, *, asked: bool = False) -> tuple[str, str]:
    """What the first tool returns, and the answer about it; `asked`: about the value alone."""
    x = w.rng.random()
    label = case.label
    if x < 0.16:
        return said_value(case.value), f"The result is {said_value(case.value)}."
    key = Field(case.pair.key, label, case.value, "", None)
    people = case.pair.source.sort in ("phone", "email", "user")
    more = [
        one
        for one in fields(w, "p" if people and w.chance(0.7) else "t", w.pick((0, 0, 1, 1, 2, 3)), made_up=0.2)
        if not set(one.label.split()) & {*label.split(), *_NUMBERS} and one.value != case.value
    ]
    given = w.shuffled([key, *more]) if w.chance(0.6) else [key, *more]
    written: dict[str, Any] = {one.name: one.value for one in given}
    if w.chance(0.35) and not {case.pair.subject_key, case.subject} & {*written, *map(str, written.values())}:
        written = {case.pair.subject_key: case.subject, **written}
    names = styled(w, written)
    return shown(w, {names[name]: value for name, value in written.items()}), key.answer if asked else report(given)


def _done(w: Words, use: Use) -> tuple[str, str]:
    """What the second tool returns, and the answer."""
    x = w.rng.random()
    if use.returns is not None and x < 0.85:
        value = use.returns(w)
        if w.chance(0.15):
            return said_value(value), f"The result is {said_value(value)}."
        more = fields(w, "t", w.pick((0, 0, 0, 1)), made_up=0.0)
        given = [Field(use.field, spoken(use.field), value, "", None), *more]
        return shown(w, {one.name: one.value for one in given}), given[0].answer
    if x < 0.5:
        return done_result(w).text, DONE_ANSWER
    if x < 0.65:
        result = scalar_result(w)
        return result.text, result.answer
    given = fields(w, "t", w.pick((1, 1, 1, 2)), made_up=0.2)
    if x < 0.75:
        text = " ".join(one.sentence for one in given)
        return text, text
    return shown(w, {one.name: one.value for one in given}), report(given)


def _first_call(chat: Chat, case: _Case) -> None:
    tool = case.first()
    chat.calls([(tool.name, tool.arguments)])


def _second_call(chat: Chat, case: _Case) -> None:
    tool = case.second()
    chat.calls([(tool.name, tool.arguments)])


def _last(w: Words, chat: Chat, case: _Case) -> None:
    text, answer = _done(w, case.use)
    chat.result(text)
    chat.answer(answer, TAKEN)


def _opened(w: Words, chat: Chat, request: str) -> str:
    if all(message["role"] == "system" for message in chat.messages):
        return request
    return w.pick(_OPENING.of(w.split)).format(r=request)


def _turn(w: Words, chat: Chat, case: _Case) -> None:
    """One of: both deeds, the first and maybe the second afterwards, the second with its value."""
    x = w.rng.random()
    if x < 0.52:
        chat.user(_opened(w, chat, _both(w, case)))
        _first_call(chat, case)
        if w.heldout and w.chance(0.15):
            return
        if w.chance(0.05):
            chat.result(w.pick(_NOTHING))
            chat.answer(NOTHING_ANSWER, TAKEN)
            return
        chat.result(_found(w, case)[0])
        _second_call(chat, case)
        if not w.heldout or w.chance(0.2):
            _last(w, chat, case)
        return
    if x < 0.86:
        asked = case.pair.source.sort in _ASKED_FOR and w.chance(0.45)
        chat.user(_opened(w, chat, _only(w, case, asked=asked)))
        _first_call(chat, case)
        text, answer = _found(w, case, asked=asked)
        chat.result(text)
        chat.answer(answer, TAKEN)
        if w.chance(0.6):
            deed = case.deed(w, pronoun(w, case.pair.source))
            chat.user(_kept(w, _THEN, case.more, d=deed, D=capitalized(deed)))
            _second_call(chat, case)
            if not w.heldout:
                _last(w, chat, case)
        return
    deed = case.deed(w, by_value(w, case.pair.source, case.value))
    chat.user(_opened(w, chat, _kept(w, _DIRECT, case.value, case.more, d=deed, D=capitalized(deed))))
    _second_call(chat, case)
    if not w.heldout:
        _last(w, chat, case)


def _bare(tool: Tool) -> Tool:
    """The tool as short as people write it: nothing is said of its parameters."""
    for parameter in tool.parameters:
        parameter.schema.pop("description", None)
    return tool


def _looked_up(w: Words, case: _Case) -> tuple[str, str]:
    """What a tool that only looks something up returns, and the answer."""
    if w.chance(0.25) and not _clause(case.what):
        sentence = f"{capitalized(case.what)} is {said_value(case.value)}."
        return sentence if w.chance(0.8) else sentence[:-1], sentence
    if w.chance(0.3):
        key = Field(case.pair.key, case.label, case.value, "", None)
        return shown(w, {key.name: case.value}), key.answer
    return _found(w, case, asked=True)


def lookups(w: Words) -> Example:
    """Tools that each look up one thing, and questions for one thing at a time: no result is taken on to another."""
    chat = chat_for(w, share=0.08)
    pairs: list[Pair] = []
    for _ in range(w.pick((1, 2, 2, 2, 3, 3, 4))):
        pair = written_pair(w, 1) if w.chance(0.85) else composed_pair(w, 1)
        if all(pair.key != other.key and pair.source != other.source for other in pairs):
            pairs.append(pair)
    tools = [pair.finder for pair in pairs]
    if w.chance(0.3):
        tools.append(w.pick(pairs).uses[0][1])
    distinct_names(w, tools)
    if w.chance(0.65):
        tools = [_bare(tool) for tool in tools]
    chat.system(system_text(w, 0.2))
    chat.tools = Listing(w).specs(w.shuffled(tools))
    last: Pair | None = None
    for _ in range(1 if w.heldout else w.pick((3, 4, 4, 5, 6))):
        again = last if last is not None and w.chance(0.25) else None
        case = _case(w, again or w.pick(pairs))
        if again is not None:
            request = _kept(w, _ANOTHER, case.subject, n=case.subject)
        else:
            request = _opened(w, chat, _only(w, case, asked=w.chance(0.75)))
        chat.user(request)
        tool = case.first()
        chat.calls([(tool.name, tool.arguments)])
        text, answer = _looked_up(w, case)
        chat.result(text)
        chat.answer(answer, TAKEN)
        last = case.pair
    return chat.example("composed_chain", heldout=w.heldout)


def composed_chain(w: Words) -> Example:
    """Requests for two deeds, for the first of them, and for the second, over the same tools."""
    if w.chance(0.35):
        return lookups(w)
    chat = chat_for(w, share=0.08)
    pairs: list[Pair] = []
    for _ in range(w.pick((1, 1, 1, 2, 2))):
        pairs.append(written_pair(w, w.pick((1, 1, 2))) if w.chance(0.6) else composed_pair(w, w.pick((1, 1, 2))))
    if len({pair.source.noun or pair.source.sort for pair in pairs}) < len(pairs):
        return composed_chain(w)
    tools = [tool for pair in pairs for tool in (pair.finder, *(doer for _, doer, _ in pair.uses))]
    distinct_names(w, tools)
    for tool in tools:
        tool.topic = tool.name
    listed = offered(w, tools, w.pick((0, 0, 0, 1, 1)))
    if w.chance(0.07):
        case = _case(w, pairs[0])
        text, answer = _done(w, case.use)
        steps = [(case.first(), _found(w, case)[0]), (case.second(), text)]
        return as_react(w, "composed_chain", listed, _both(w, case), steps, answer)
    chat.system(system_text(w, 0.3))
    chat.tools = Listing(w).specs(listed)
    for _ in range(1 if w.heldout else w.pick((3, 3, 4, 5))):
        _turn(w, chat, _case(w, w.pick(pairs)))
        if not w.heldout and w.chance(0.05):
            plain_turn(w, chat)
    return chat.example("composed_chain", heldout=w.heldout)

"""What the user said earlier in the conversation, by hand-written lines: several facts, other turns, then questions."""

from __future__ import annotations

from training.data.example import Chat, Example
from training.data.skills.memory import NOTED
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.talk import UNKNOWN_ANSWER
from training.data.slips import typed
from training.data.toolmaking import Listing, several_tools
from training.data.words import Words
from training.data.written import Line, Slots, line_of, parsed, said


class _Fact:
    """One thing that is told, with the values of its slots."""

    def __init__(self, w: Words, line: Line) -> None:
        self.line = line
        self._slots = Slots(w)
        self.says: str = self._slots.fill(line.get("says", ""))
        self.told: str = self._slots.fill(said(w, line.one(w, line["tell"])))
        self.answer: str = self._slots.fill(line["answer"])
        pieces = [(text, str(self._slots.get(slot)) if slot else "") for text, slot, _ in parsed(line["answer"])]
        self.values = "".join(["\n" if text else value for text, value in pieces]).split("\n")
        self.values = [value for value in self.values if value]

    def asked(self, w: Words) -> str:
        """A question about it."""
        return self._slots.fill(typed(w, self.line.one(w, self.line["ask"])))


def _lines(w: Words, n: int) -> list[Line]:
    """So many lines about different things."""
    found: dict[str, Line] = {}
    while len(found) < n:
        line = line_of(w, "memory")
        clash = line.get("unless", ())
        if not any(topic in clash or line["topic"] in other.get("unless", ()) for topic, other in found.items()):
            found.setdefault(line["topic"], line)
    return list(found.values())


def _unknown(w: Words, line: Line) -> str | None:
    """A question about what was never told, if one can be asked without its values."""
    can = [ask for ask in line.among(w, line["ask"]) if "{" not in ask]
    return typed(w, w.pick(can)) if can else None


def _other_turn(w: Words, chat: Chat) -> None:
    """A turn about something else; not one in which somebody tells another name."""
    plain_turn(w, chat)
    if chat.messages[-1]["content"].startswith("Nice to meet you"):
        del chat.messages[-2:]


def _tell(w: Words, chat: Chat, facts: list[_Fact]) -> None:
    """The facts are told, one or several in a message, and other things are talked about in between."""
    rest = list(facts)
    while rest:
        n = w.pick((1, 1, 1, 2, 3)) if len(rest) > 1 else 1
        now, rest = rest[:n], rest[n:]
        if any(fact.says for fact in now):  # a question: it is answered alone
            now, rest = now[:1], now[1:] + rest
        if len(now) > 1 and w.chance(0.2):
            mark = w.pick(("- ", "* ", ""))
            text = "\n".join(mark + fact.told for fact in now)
            opening = w.pick(("Some things about me:\n", "Please remember this:\n", "For later:\n", "Facts:\n", ""))
            chat.user(opening + text)
        else:
            chat.user(" ".join(fact.told for fact in now))
        if now[0].says:
            chat.answer(now[0].says, "The user asks for something.", train=False)
        elif w.chance(0.7):
            chat.answer(NOTED, "The user tells me something to remember.")
        else:  # others are fine too, but nobody can guess which
            chat.answer(w.pick(now[-1].line["reply"]), "The user tells me something to remember.", train=False)
        while w.chance(0.35):
            _other_turn(w, chat)


def written_memory(w: Words) -> Example:
    """Things are told, other turns follow, and some of them are asked for, now and then one that was never told."""
    chat = chat_for(w, share=0.1)
    system = system_text(w, 0.3)
    chat.system("" if "name is" in system else system)  # the user may tell another one
    if w.chance(0.15):
        chat.tools = Listing(w).specs(several_tools(w, w.pick((1, 1, 2, 3))))
    n = w.between(2, 5)
    some = _lines(w, n + 1)
    facts = [_Fact(w, line) for line in some[:n]]
    _tell(w, chat, facts)
    asked: list[_Fact | None] = list(w.shuffled(facts)[: w.between(min(2, n), n)])
    unknown = _unknown(w, some[n]) if w.chance(0.25) else None
    if unknown:
        asked.insert(w.between(0, len(asked)), None)
    if w.heldout:
        asked = asked[:1]
    for fact in asked:
        if fact is not None:
            chat.user(fact.asked(w))
            chat.answer(fact.answer, "It was said before.", kind="holds_all", expected=fact.values)
        elif unknown:
            chat.user(unknown)
            chat.answer(UNKNOWN_ANSWER, "I was not told this.", kind="holds", expected="don't know")
        if w.chance(0.15) and not w.heldout:
            _other_turn(w, chat)
    return chat.example("written_memory", heldout=w.heldout)

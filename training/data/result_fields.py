"""Fields of made-up results: names with natural values, what a sentence says of them, and how people ask for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from training.data.composed_tool_words import FACETS
from training.data.parameters import said_value, spoken
from training.data.words import Phrases, Words, capitalized
from training.data.written import HERE, held, maker

TAKEN = "I take what was asked for from the result."  # what is thought before a result is reported,
FAILED = "The tool failed. I say so."  # before a failure is,
ABOVE = "The result above says it."  # and before a further question on a result is answered
#: Questions for any field. {k} is its name in words, {K} the same with a capital.
ASKED = Phrases(
    "What is the {k}?", "What's the {k}?", "And the {k}?", "The {k}?", "{K}?", "Tell me the {k}.", "Give me the {k}.", "I need the {k}.",
    "Which {k}?", "Which {k} is it?", "What {k} does it say?", "What about the {k}?", "Can you tell me the {k}?", "How about the {k}?",
    "Do you know the {k}?", "And what's the {k}?", "I'd like to know the {k}.", "Now the {k}, please.", "What does it say about the {k}?",
    "Please tell me the {k} as well.", "The {k}, please.", "Read me the {k}.", "Is there a {k}? What is it?", "Remind me of the {k}.",
    "What was the {k} again?", "I forgot the {k}.", "One more thing: the {k}.", "So what is the {k}?", "Also the {k}.", "{k}",
    "Let me have the {k}.", "What did it give as {k}?", "Could you repeat the {k}?", "I have to write down the {k}.", "Mention the {k}.",
    "My colleague asks for the {k}.", "Thanks. What's the {k}?", "Good. And the {k}?", "Ok, and which {k}?", "Wait, what is the {k}?",
    "They want to know the {k}.", "What have you got for the {k}?", "Name the {k}.", "For the form I need the {k}.", "What would the {k} be?",
    "What's its {k}?", "And its {k}?", "What is their {k}?", "And her {k}?", "What's his {k}?", "Which {k} does it have?", "What {k} do they have?", "Which {k} is given?", "What {k}?",
    "And what {k}?", "Under {k}, what does it say?", "Is the {k} in there? Tell me.", "Do we have the {k}?", "May I know the {k}?", "I'm also interested in the {k}.", "Look up the {k} in the result.",
).always("What is the {k}?", "What's the {k}?", "And the {k}?", "Which {k}?")  # fmt: skip
_UNLIKE: dict[str, set[str]] = {
    "location": {"shelf", "warehouse", "address", "city", "country", "room", "floor", "platform", "gate", "seat", "destination"},
    "duration": {"distance", "width"},
    "urgent": {"priority"},
    "room": {"floor"},
}  # fmt: skip
_HELD_OUT = 12  # one kind of field in so many is held out
_NO_NOUNS = ("at", "by", "on", "until")


@dataclass(frozen=True)
class Kind:
    """A field that results may have: its names, its values, a sentence, and questions for it."""

    names: tuple[str, ...]
    make: Callable[[Words], Any]
    sentence: str
    asks: Phrases | None


@dataclass(frozen=True)
class Field:
    """A field of one result.

    Attributes:
        name: As the tool writes it.
        label: As people say it.
        value: What it holds.
        sentence: A sentence that says it.
        asks: Ways to ask for it alone, beside those for any field.
        quality: Of a truth value: what the thing is if it is true.
    """

    name: str
    label: str
    value: Any
    sentence: str
    asks: Phrases | None
    quality: str = ""

    @property
    def clause(self) -> str:
        """What it says, as a part of a sentence."""
        if self.quality:
            return f"it is {'' if self.value else 'not '}{self.quality}"
        return f"the {self.label} is {said_value(self.value)}"

    @property
    def answer(self) -> str:
        """The answer to a question for it."""
        if self.quality:
            return "Yes." if self.value else "No."
        return f"The {self.label} is {said_value(self.value)}."

    def question(self, w: Words) -> str:
        """A question for it."""
        if self.asks is not None and (self.quality or w.chance(0.55)):
            return w.template(self.asks)
        return w.ask(ASKED, k=self.label, K=capitalized(self.label))


def about(answer: str) -> str:
    """What is thought before an answer about a result."""
    return FAILED if answer.startswith("The tool failed") else TAKEN


@lru_cache(maxsize=2)
def _kinds(split: str) -> dict[str, tuple[Kind, ...]]:
    out: dict[str, list[Kind]] = {"t": [], "p": []}
    for line in (HERE / "composed" / "result_fields.txt").read_text("utf-8").splitlines():
        if line[:1] in ("", "#") or (split == "train" and held(line, _HELD_OUT)):
            continue
        who, _, rest = line.partition(" | ")
        names, _, rest = rest.partition(" | ")
        kind, _, rest = rest.partition(" | ")
        sentence, _, asks = rest.partition(" | ")
        made = Kind(
            tuple(names.split()),
            (lambda w: w.chance(0.5)) if kind == "yes" else maker(kind),
            sentence,
            Phrases(*(ask.strip() for ask in asks.split(" ; "))),
        )
        for one in "tp" if who == "b" else who:
            out[one].append(made)
    return {who: tuple(kinds) for who, kinds in out.items()}


_MADE_UP: tuple[Callable[[Words], Any], ...] = (
    *(Words.integer, Words.integer, Words.decimal, Words.noun, Words.code, Words.full_name, Words.city, Words.word),
    *(maker("hhmm"), maker("isodate"), Words.company, Words.adjective, maker("1-90"), maker("color"), Words.title),
)


def _made_up(w: Words) -> Kind:
    """A field of a random name: a noun, or one side of a noun."""
    noun = w.real_noun()
    x = w.rng.random()
    facet = w.pick(FACETS)
    name = noun if x < 0.4 or facet == noun else f"{noun}_{facet}" if x < 0.9 else f"{w.adjective()}_{noun}"
    return Kind((name.replace(" ", "_").replace("-", "_"),), w.pick(_MADE_UP), "", None)


def _clash(one: Field, other: Field) -> bool:
    """Whether a question for one might mean the other."""
    mine, others = set(one.label.split()), set(other.label.split())
    return mine <= others or others <= mine


def fields(w: Words, who: str, n: int, *, made_up: float = 0.35, truths: bool = True) -> list[Field]:
    """So many fields of one result, no two of which a question might mistake for each other.

    Args:
        who: "t" of a thing, "p" of a person.
        n: How many.
        made_up: The share of results whose fields have random names.
        truths: Whether some may be true or false.
    """
    random_names = w.chance(made_up)
    out: list[Field] = []
    used: set[str] = set()
    while len(out) < n:
        kind = _made_up(w) if random_names and w.chance(0.8) else w.pick(_kinds(w.split)[who])
        first = kind.names[0]
        if first in used or any(first in _UNLIKE.get(other, ()) or other in _UNLIKE.get(first, ()) for other in used):
            continue
        made = _field(w, kind)
        if (made.quality and not truths) or any(_clash(made, other) for other in out):
            continue
        out.append(made)
        used.add(first)
    return out


def _field(w: Words, kind: Kind) -> Field:
    name = kind.names[0] if w.chance(0.65) else w.pick(kind.names)
    label = spoken(named(name, kind.names))
    value = kind.make(w)
    if isinstance(value, bool):
        return Field(name, label, value, f"It is {'' if value else 'not '}{kind.sentence}.", kind.asks, kind.sentence)
    sentence = (kind.sentence or f"The {label} is {{v}}.").replace("{v}", said_value(value))
    return Field(name, label, value, sentence, kind.asks)


def named(name: str, names: Sequence[str]) -> str:
    """A field's name, or for one that is no noun, as "arrives_on", the first of its kind's that is one."""
    return next((one for one in (name, *names) if one.rpartition("_")[2] not in _NO_NOUNS), name)


def again(w: Words, kinds_of: list[Field], who: str) -> list[Field]:
    """The same fields with other values, for the next record of a list."""
    known = {name: kind for kind in _kinds(w.split)[who] for name in kind.names}
    out = []
    for one in kinds_of:
        kind = known.get(one.name)
        value = kind.make(w) if kind else _like(w, one.value)
        out.append(Field(one.name, one.label, value, "", one.asks))
    return out


def _like(w: Words, value: Any) -> Any:
    """Another value of the sort of one."""
    if isinstance(value, int):
        return w.integer()
    if isinstance(value, float):
        return w.decimal()
    return w.pick((w.noun, w.code, w.full_name, w.city, w.company))()


def report(given: list[Field]) -> str:
    """All fields in a sentence."""
    parts = [one.clause for one in given]
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{capitalized(text)}."

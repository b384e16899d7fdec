"""Entries with a value each, as sentences and as tables, with questions about them."""

from __future__ import annotations

from training.data.prose_parts import Passage, Question
from training.data.words import Phrases, Words, capitalized

# -- records and lists -------------------------------------------------------------------------------------------------

_THE_OF = Phrases(
    "What is the {k} of {o}?",
    "Tell me the {k} of {o}.",
    "Which {k} does {o} have?",
    "What {k} is given for {o}?",
    "Give me the {k} for {o}",
    "{o}: what is its {k}?",
)

_KEYS = (
    "price",
    "code",
    "color",
    "size",
    "owner",
    "status",
    "weight",
    "number",
    "address",
    "deadline",
    "phone",
    "password",
    "version",
    "author",
    "name",
    "limit",
    "rating",
    "location",
    "date",
    "manager",
    "budget",
    "type",
    "origin",
    "height",
    "duration",
    "port",
    "capacity",
    "material",
    "password hint",
    "serial number",
    "opening time",
    "head count",
)

_OPAQUE = Phrases(
    "The {k} of {o} is {v}.",
    "{o} has the {k} {v}.",
    "For {o}, the {k} is {v}.",
    "{v} is the {k} of {o}.",
    "As {k} of {o}, {v} was noted.",
    "The {k} given for {o} is {v}.",
    "According to the notes, the {k} of {o} is {v}.",
    "{o} comes with {v} as its {k}.",
)


def _thing(w: Words) -> str:
    return w.pick(
        (
            lambda: f"the {w.adjective()} {w.noun()}",
            lambda: f"the {w.noun()}",
            lambda: f"project {w.syllables().capitalize()}",
            lambda: f"room {w.between(1, 900)}",
            w.code,
            w.compound,
            w.company,
            w.full_name,
            lambda: f"the {w.noun()} of {w.city()}",
            w.foreign,
        )
    )()


def _value(w: Words) -> str:
    return w.weighted(
        (3, lambda: str(w.integer())),
        (2, w.word),
        (2, w.code),
        (2, w.person),
        (1.5, w.city),
        (1.5, w.date),
        (1, w.phrase),
        (1, w.foreign),
        (1, w.time),
        (1, w.email),
        (1, lambda: str(w.decimal())),
        (1, w.compound),
        (
            1,
            lambda: (
                f"{w.between(2, 900)} {w.pick(('dollars', 'euros', 'kilograms', 'meters', 'minutes', 'pages', 'people'))}"
            ),
        ),
    )()


def records(w: Words, n: int) -> Passage:
    """Facts of the form: the so-and-so of something is this."""
    out = Passage()
    seen: set[str] = set()
    for _ in range(n):
        thing = _thing(w)
        if thing in seen:
            continue
        seen.add(thing)
        keys = w.sample(_KEYS, w.pick((1, 1, 2, 3)))
        if w.chance(0.2):
            keys = [w.noun()]
        if w.chance(0.5):
            other = w.pick(_KEYS)
            if other not in keys:
                out.missing.append(w.ask(_THE_OF, k=other, o=thing))
        for key in keys:
            value = _value(w)
            sentence = (
                capitalized(w.tell(_OPAQUE, k=key, o=thing, v=value))
                if w.chance(0.8)
                else f"{capitalized(thing)} - {key}: {value}"
            )
            out.sentences.append(sentence)
            out.questions.append(Question(w.ask(_THE_OF, k=key, o=thing), value, sentence, thing))
    return out


def table(w: Words, n: int) -> tuple[str, Passage]:
    """A table of Markdown or CSV, with questions for its cells."""
    keys = w.sample(_KEYS, w.between(2, 3))
    makers = [w.pick((w.word, lambda: str(w.integer()), w.city, w.code, w.person, w.date)) for _ in keys]
    names = list(dict.fromkeys(w.pick((w.full_name, w.noun, w.city, w.company))() for _ in range(n)))
    rows = [[name, *(make() for make in makers)] for name in names]
    head = [w.pick(("name", "item", "entry", "id")), *keys]
    if w.chance(0.6):
        lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    else:
        lines = [",".join(row) for row in (head, *rows)]
    out = Passage([lines[0]])
    for row, line in zip(rows, lines[-len(rows) :], strict=True):
        for key, value in zip(keys, row[1:], strict=True):
            out.questions.append(Question(w.ask(_THE_OF, k=key, o=row[0]), value, line, row[0]))
    return "\n".join(lines), out

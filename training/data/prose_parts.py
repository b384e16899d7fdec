"""What all passages have in common: questions with answers, what surrounds and joins sentences, how they are laid out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from training.data.words import Phrases, Words, capitalized


@dataclass(frozen=True)
class Question:
    """A question, its answer as it stands in the passage, and the sentence that holds it."""

    text: str
    answer: str
    evidence: str
    about: str = ""  # whom or what it asks about


@dataclass
class Passage:
    """Sentences in order, and what can be asked about them."""

    sentences: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    nouns: dict[str, str] = field(default_factory=dict)  # what kind of thing each of them is
    missing: list[str] = field(default_factory=list)  # questions that look answerable and are not

    def add(self, other: Passage) -> None:
        """Appends another passage."""
        self.sentences += other.sentences
        self.questions += other.questions
        self.names += other.names
        self.nouns |= other.nouns
        self.missing += other.missing


def possessed(name: str) -> str:
    """A name with its apostrophe."""
    return f"{name}'s"


_FILLERS = Phrases(
    "Many people have heard of {N}.", "Not everybody agrees about this.", "The {a} {n} is another story.", "This was reported in the local newspaper.",
    "Some say that the {n} was {a}.", "It was a {a} year for everyone.", "Visitors often ask about the {n}.", "The {n} and the {m} were never found.",
    "Nobody expected that.", "In {c} things were different.", "A {a} {n} stood near the {m}.", "The neighbors still talk about it.",
    "Later the {n} became {a}.", "There are {k} photographs of the {n}.", "{p} told a similar story about a {n}.", "Since then much has changed.",
    "The weather was {a} that day.", "It took {k} days to repair the {n}.", "Experts consider this {a}.", "For a long time the {n} was forgotten.",
    "As a rule, a {n} needs a {m}.", "The same is true for the {n}.", "Critics called the {n} {a}.", "{p} disagreed and wrote a letter about the {n}.",
)  # fmt: skip


def filler(w: Words, name: str = "", pronoun: str = "It") -> str:
    """A sentence that nobody asks about."""
    return capitalized(
        w.say(
            _FILLERS,
            N=name or w.full_name(),
            P=pronoun,
            a=w.adjective(),
            n=w.real_noun(),
            m=w.real_noun(),
            c=w.city(),
            k=w.between(2, 90),
            p=w.full_name(),
        )
    )


_BEFORE = Phrases(
    "According to the records, {s}",
    "As far as we know, {s}",
    "In the end, {s}",
    "It is said that {s}",
    "Everybody knows that {s}",
    "The report says that {s}",
    "Of course, {s}",
    "In fact, {s}",
    "A visitor told us that {s}",
    "Interestingly, {s}",
    "Nowadays, {s}",
)

_AFTERWARDS = Phrases(
    "{s}, which surprised many",
    "{s}, although few people noticed",
    "{s}, as {p} has shown",
    "{s}, and that is no secret",
    "{s}, if the sources are right",
    "{s}, much to the joy of {p}",
    "{s}, unlike its neighbors",
    "{s} (see page {k})",
    "{s}, according to {p}",
)


def decorated(w: Words, sentence: str, name: str = "") -> str:
    """A sentence with something around it that changes nothing."""
    if not sentence.endswith(".") or w.chance(0.5):
        return sentence
    if w.chance(0.5):
        first = sentence.split(" ", 1)[0]
        small = first in (
            "He",
            "She",
            "It",
            "They",
            "His",
            "Her",
            "Its",
            "The",
            "In",
            "On",
            "At",
            "A",
            "By",
            "Since",
            "To",
        )
        return w.tell(_BEFORE, s=sentence[0].lower() + sentence[1:] if small else sentence)
    return w.tell(_AFTERWARDS, s=sentence[:-1], p=w.full_name(), k=w.between(2, 300)) + "."


def merged(w: Words, sentences: list[str], subjects: tuple[str, ...]) -> dict[str, str]:
    """Neighbouring sentences on one subject as one, by "and"; from each old sentence to the one it is in now."""
    out: dict[str, str] = {}
    at = 0
    while at < len(sentences):
        first = sentences[at]
        out[first] = first
        if at + 1 < len(sentences) and first.endswith(".") and w.chance(0.3):
            second = sentences[at + 1]
            start = next((s for s in subjects if second.startswith(s + " ")), None)
            if start and any(first.startswith(s + " ") for s in subjects):
                both = first[:-1] + w.pick((" and ", " and ", ", and ", " and also ")) + second[len(start) + 1 :]
                out[first] = out[second] = both
                at += 1
        at += 1
    return out


def laid_out(w: Words, sentences: list[str]) -> str:
    """Sentences as a document: one paragraph, lines, chunks with or without a header, bullets; a title at times."""
    if w.chance(0.12):
        return f"{w.title()}{w.pick((chr(10), chr(10) * 2, ' - ', '. '))}{_laid_out(w, sentences)}"
    return _laid_out(w, sentences)


def _laid_out(w: Words, sentences: list[str]) -> str:
    x = w.rng.random()
    if x < 0.5:
        return " ".join(sentences)
    if x < 0.6:
        return "\n".join(sentences)
    if x < 0.66:
        return "\n".join(f"- {sentence}" for sentence in sentences)
    style = w.pick(("", "", "", "file", "page", "source", "title", "number", "doc"))
    chunks: list[str] = []
    at = 0
    while at < len(sentences):
        size = w.between(1, 5)
        body = " ".join(sentences[at : at + size])
        at += size
        chunks.append(_HEADERS[style](w, len(chunks) + 1) + body)
    return "\n\n".join(chunks)


_HEADERS: dict[str, Callable[[Words, int], str]] = {
    "": lambda w, i: "",
    "file": lambda w, i: f"file_path: {w.file()}\n\n",
    "page": lambda w, i: f"page_label: {i}\nfile_path: {w.file()}\n\n",
    "source": lambda w, i: f"Source {i}:\n",
    "title": lambda w, i: f"# {w.title()}\n\n",
    "number": lambda w, i: f"[{i}] ",
    "doc": lambda w, i: f"Document {i}: ",
}

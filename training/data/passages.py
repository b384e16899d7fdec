"""Passages of prose written by hand (`written/prose`): filled, with their questions, and laid out as contexts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from training.data.prose import passage as generated
from training.data.prose_parts import Question
from training.data.swap import Swap
from training.data.words import Words, capitalized
from training.data.written import HELD_OUT_WORDINGS, Line, Slots, held, line_of, said

_AREA = "prose"
_CHUNK = (170, 440)  # letters of a chunk, about 60 to 150 tokens

# -- passages ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """The wordings of one question that a split may use, and its answers."""

    wordings: tuple[str, ...]
    answer: str
    short: str


@dataclass(frozen=True)
class _Source:
    """A line of the files for one split."""

    topic: str
    text: str
    asked: tuple[_Asked, ...]
    untold: tuple[str, ...]


@dataclass
class Reading:
    """A passage with its slots filled: what it says, what can be asked and what can not."""

    topic: str
    text: str
    sentences: list[tuple[str, str]]  # what stands between it and the one before, and the sentence
    questions: list[Question] = field(default_factory=list)
    short: dict[str, str] = field(default_factory=dict)  # of an answer, the words that are enough
    untold: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """A title line."""
        return capitalized(self.topic)

    def alone(self) -> list[Question]:
        """The questions that need no passage before them to be understood."""
        return [question for question in self.questions if not points_back(question.text)]


#: What points to something said before.
_POINTING = re.compile(
    r"\b(?:it|he|she|they|him|them|his|her|their|its|this|that day|there|then|the two|both|these|those|I|you)\b",
    re.IGNORECASE,
)


def points_back(text: str) -> bool:
    """Whether a question needs a text before it to be understood."""
    return bool(_POINTING.search(text))


_BREAK = re.compile(r"\n+|(?<!\bDr\.)(?<!\bMr\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bNo\.)(?<=[.!?\"')]) +(?=[\"'(]?[A-Z0-9])")
_ENDED = re.compile(r"[.!?][\"')]*$")
_SOURCES: dict[tuple[int, bool], _Source] = {}


def _wordings(line: Line, texts: Sequence[str], heldout: bool) -> tuple[str, ...]:
    """The wordings of a question for a split; a held-out line is held out with all of them."""
    if line.heldout:
        return tuple(texts)
    out = [held(text, HELD_OUT_WORDINGS) for text in texts]
    if all(out):
        out[0] = False
    return tuple(text for text, is_held in zip(texts, out, strict=True) if is_held is heldout)


def source_of(line: Line, heldout: bool) -> _Source:
    """A line's part for a split, parsed once."""
    known = _SOURCES.get((id(line), heldout))
    if known is None:
        asked = []
        for texts, answer, *short in line["qa"]:
            if wordings := _wordings(line, texts, heldout):
                asked.append(_Asked(wordings, answer, short[0] if short else answer))
        untold = _wordings(line, line.get("no", []), heldout) or tuple(line.get("no", ()))
        known = _SOURCES[id(line), heldout] = _Source(line["topic"], line["text"], tuple(asked), untold)
    return known


def split(text: str) -> list[tuple[str, str]]:
    """A text's sentences and lines, each with what stands before it."""
    out, begin, before = [], 0, ""
    for found in _BREAK.finditer(text):
        part = text[begin : found.start()]
        if found[0][0] == " " and not _ENDED.search(part):
            continue
        out.append((before, part))
        begin, before = found.end(), found[0]
    return [*out, (before, text[begin:])]


def read(w: Words) -> Reading:
    """A passage of the split, filled."""
    source = source_of(line_of(w, _AREA), w.heldout)
    slots = Slots(w)
    text = slots.fill(source.text)
    # Held-out passages are new as they are; those of training would be learned by heart.
    swap = Swap(w, text, 0.0 if w.heldout or w.chance(0.3) else w.pick((0.1, 0.25, 0.5)))
    text = swap(text)
    out = Reading(swap(source.topic), text, split(text))
    for one in source.asked:
        answer = swap(slots.fill(one.answer))
        evidence = next((s for _, s in out.sentences if answer in s), "")
        if not evidence:  # the answer spans two sentences
            continue
        wording = w.pick(one.wordings)
        question = slots.fill(said(w, wording) if w.chance(0.6) else wording)
        out.questions.append(Question(swap(question), answer, evidence))
        out.short[answer] = swap(slots.fill(one.short))
    out.untold = [swap(slots.fill(text)) for text in source.untold]
    return out if out.questions else read(w)


def several(w: Words, n: int) -> list[Reading]:
    """Passages on different topics."""
    out: list[Reading] = []
    while len(out) < n:
        one = read(w)
        if one.topic not in {other.topic for other in out}:
            out.append(one)
    return out


# -- layout ------------------------------------------------------------------------------------------------------------


def chunks(w: Words, one: Reading) -> list[str]:
    """A passage in chunks of about 60 to 150 tokens, cut between sentences."""
    out: list[str] = []
    wanted = w.between(*_CHUNK)
    for before, sentence in one.sentences:
        if out and len(out[-1]) < wanted:
            out[-1] += before + sentence
        else:
            out.append(sentence)
            wanted = w.between(*_CHUNK)
    return out


def _slug(w: Words, topic: str) -> str:
    return re.sub(r"\W+", w.pick("_-"), topic.lower()).strip("_-")


def path_of(w: Words, topic: str) -> str:
    """The path of a file about a topic."""
    folder = w.pick(("", "", "docs/", "data/", "notes/", f"/home/{w.first_name().lower()}/", "/srv/texts/", "archive/"))
    return f"{folder}{_slug(w, topic)}.{w.pick(('txt', 'md', 'txt', 'pdf', 'html', 'docx'))}"


def headed(w: Words, parts: Sequence[tuple[str, str]]) -> str:
    """Pairs of topic and text one after another, each with a heading of one style."""
    style = w.pick(
        ("", "", "file", "file", "page", "source", "title", "title", "plain", "number", "doc", "rule", "xml")
    )
    out = []
    for at, (topic, text) in enumerate(parts, 1):
        title = capitalized(topic)
        out.append(
            {
                "": text,
                "file": f"file_path: {path_of(w, topic)}\n\n{text}",
                "page": f"page_label: {at}\nfile_path: {path_of(w, topic)}\n\n{text}",
                "source": f"Source {at}:\n{text}",
                "title": f"{'#' * (1 + len(parts) % 2)} {title}\n\n{text}",
                "plain": f"{title}\n{text}",
                "number": f"[{at}] {text}",
                "doc": f"Document {at}: {text}",
                "rule": ("---\n" if at > 1 else "") + text,
                "xml": f'<document index="{at}">\n{text}\n</document>',
            }[style]
        )
    return "\n\n".join(out)


def laid_out(w: Words, one: Reading) -> str:
    """One passage as a context: as it is, under its title, in chunks, or among pieces of others."""
    x = w.rng.random()
    if x < 0.45:
        return one.text
    if x < 0.55:
        return f"{w.pick(('', '', '# ', 'Title: '))}{one.title}{w.pick((chr(10), chr(10) * 2))}{one.text}"
    if x < 0.6:
        return "\n".join(sentence for _, sentence in one.sentences)
    if x < 0.75:
        return headed(w, [(one.topic, text) for text in chunks(w, one)])
    # As a retriever returns it: pieces of other texts before and after.
    parts = [(one.topic, text) for text in ([one.text] if w.chance(0.4) else chunks(w, one))]
    for other in several(w, w.pick((1, 1, 2))):
        if other.topic != one.topic:
            piece = (other.topic, w.pick(chunks(w, other)))
            parts.insert(0 if w.chance(0.5) else len(parts), piece)
    if w.chance(0.15):
        other_text = " ".join(generated(w, w.between(1, 3)).sentences)
        parts.insert(0 if w.chance(0.5) else len(parts), (w.noun(), other_text))
    return headed(w, parts)

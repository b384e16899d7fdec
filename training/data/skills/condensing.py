"""Standalone questions from a conversation, and summaries: what chat engines and memories ask for."""

from __future__ import annotations

from training.data.entities import ENTITIES, EntityKind
from training.data.example import Chat, Example
from training.data.prompts import CONDENSE_SYSTEM, SUMMARIZE, default
from training.data.prose import passage
from training.data.prose_parts import laid_out, possessed
from training.data.skills.openings import chat_for, system_text
from training.data.skills.talk import exchange
from training.data.words import Phrases, Words

_SUBJECT_CUES = (
    "does {N}",
    "did {N}",
    "was {N}",
    "is {N}",
    "has {N}",
    "can {N}",
    "which {N}",
    "will {N}",
    "that {N}",
    "may {N}",
    "must {N}",
)
_OBJECTS = {"He": "him", "She": "her", "It": "it"}


def _pronominal(kind: EntityKind, question: str, pronoun: str, possessive: str) -> str:
    """A question with a pronoun in the place of its name."""
    if any(cue in question for cue in _SUBJECT_CUES) or pronoun not in _OBJECTS:
        said = pronoun.lower()
    else:
        said = _OBJECTS[pronoun]
    text = question.replace("{Ns}", possessive.lower()).replace("{N}", said)
    return text[0].upper() + text[1:]


_OPENINGS = Phrases(
    "Tell me about {N}.",
    "Do you know {N}?",
    "I read something on {N}.",
    "Let's talk about {N}.",
    "Have you heard of {N}?",
    "I am interested in {N}.",
    "What about {N}?",
)
_REPLIES = Phrases(
    "{N} is well known.",
    "Yes, I know {N}.",
    "Of course. What do you want to know?",
    "Here is what I have on {N}.",
    "Sure, ask me.",
    "I have some information.",
)


def condense(w: Words) -> Example:
    """The follow-up refers to somebody by a pronoun: the standalone question names them."""
    chat = chat_for(w, share=0.06)
    kind = w.pick(ENTITIES)
    name = kind.name(w)
    pronoun, possessive = w.pick(kind.pronouns)
    first, second = w.sample(kind.relations, 2)
    history: list[tuple[str, str]] = []
    if w.chance(0.3):
        user, answer, *_ = exchange(w)
        history.append((user, answer))
    if w.chance(0.3):
        history.append((w.ask(_OPENINGS, N=name), w.say(_REPLIES, N=name)))
    else:
        history.append((w.tell(first.questions, N=name, Ns=possessed(name)), first.value(w) + w.pick(("", "."))))
    template = w.template(second.questions, rough=False)
    standalone = template.format(N=name, Ns=possessed(name))
    follow = _pronominal(kind, template, pronoun, possessive)
    if w.chance(0.15):
        follow = standalone
    x = w.rng.random()
    if x < 0.7:
        roles = w.weighted((0.75, ("user", "assistant")), (0.25, ("Human", "Assistant")))
        lines = "\n".join(f"{roles[0]}: {u}\n{roles[1]}: {a}" for u, a in history)
        chat.system(system_text(w, 0.1))
        chat.user(default("condense" if x < 0.4 else "condense_question").format(chat_history=lines, question=follow))
        chat.answer(standalone, f"It is about {name}.")
    else:
        chat.system(w.tell(CONDENSE_SYSTEM))
        for user, answer in history:
            chat.user(user)
            chat.answer(answer, train=False)
        chat.user(follow)
        chat.answer(standalone, f"It is about {name}.")
    return chat.example("condense", heldout=w.heldout)


def summary(w: Words) -> Example:
    """A text's summary is its first sentence; a conversation's is what was wanted and said last."""
    chat = chat_for(w, share=0.05)
    if w.chance(0.12):
        _middleware(w, chat)
        return chat.example("summary", heldout=w.heldout)
    read = passage(w, w.between(2, 8))
    context = laid_out(w, read.sentences) if w.chance(0.4) else " ".join(read.sentences)
    if w.chance(0.35):
        chat.user(default("summary").format(context_str=context))
    else:
        chat.user(w.template(SUMMARIZE, rough=False).format(c=context))
    chat.answer(read.sentences[0], "The first sentence says what it is about.")
    return chat.example("summary", heldout=w.heldout)


def _middleware(w: Words, chat: Chat) -> None:
    turns = [exchange(w)[:2] for _ in range(w.between(1, 4))]
    lines = "\n".join(f"Human: {user}\nAI: {answer}" for user, answer in turns)
    chat.user(default("summarization_middleware").replace("{messages}", lines).rstrip())
    chat.answer(
        f"## SESSION INTENT\n{turns[0][0]}\n\n## SUMMARY\n{turns[-1][1]}\n\n## ARTIFACTS\nNone\n\n## NEXT STEPS\nNone",
        "I fill in the sections.",
    )

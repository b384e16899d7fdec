"""What was said earlier in the conversation: names, favorites, numbers, instructions."""

from __future__ import annotations

from training.data.example import Example
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.talk import NICE
from training.data.words import COLORS, Phrases, Words

_TELL_NAME = Phrases(
    "My name is {n}.",
    "I am {n}",
    "Hello, I am {n}.",
    "Hi, my name is {n}",
    "I'm {n}.",
    "Call me {n}",
    "Hi! I'm {n}.",
    "Hello, {n} here.",
)
_ASK_NAME = Phrases(
    "What is my name?",
    "Who am I?",
    "Do you remember my name?",
    "What's my name?",
    "How am I called?",
    "Tell me my name.",
    "Can you say my name?",
    "Which name did I give you?",
    "what is my name",
)
_TELL = Phrases(
    "My favorite {o} is {v}.",
    "My {o} is {v}.",
    "Remember that my {o} is {v}.",
    "Please note: my {o} is {v}.",
    "You should know that my {o} is {v}.",
    "Keep in mind that my {o} is {v}",
    "By the way, my {o} is {v}.",
)
_ASK = Phrases(
    "What is my {f}{o}?",
    "Do you remember my {f}{o}?",
    "Which {f}{o} did I tell you?",
    "Tell me my {f}{o}.",
    "What did I say my {f}{o} is?",
    "And my {f}{o}?",
    "What was my {f}{o} again?",
)
_OTHERS = Phrases(
    "{p}'s {o} is {v}.", "The {o} of {p} is {v}.", "{p} has the {o} {v}.", "Note that the {o} of {p} is {v}."
)
_ASK_OTHERS = Phrases(
    "What is {p}'s {o}?",
    "What is the {o} of {p}?",
    "Which {o} does {p} have?",
    "Tell me the {o} of {p}.",
    "Do you remember {p}'s {o}?",
)
_WHAT_SAID = Phrases(
    "What did I just say?",
    "What was my last message?",
    "Repeat what I said.",
    "What did I write before this?",
    "Say again what I told you.",
)
NOTED = "I will remember that."


def memory(w: Words) -> Example:
    """Something is told, other things may follow, and then it is asked for."""
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.3))
    told: list[tuple[str, str, str]] = []
    for _ in range(w.pick((1, 1, 2, 3))):
        x = w.rng.random()
        if x < 0.35 and not any(kind == "name" for kind, *_ in told):
            name = w.person() if w.chance(0.85) else w.foreign()
            chat.user(w.ask(_TELL_NAME, n=name))
            chat.answer(NICE.format(n=name), "The user tells a name.")
            told.append(("name", "", f"Your name is {name}."))
        elif x < 0.75:
            thing = w.pick(("color", "food", "animal", "city", "number", "song", "job", "car", w.noun()))
            if any(thing == other for _, other, _ in told):
                continue
            value = (
                w.pick(COLORS)
                if thing == "color"
                else str(w.integer())
                if thing == "number"
                else w.pick((w.noun, w.syllables, w.city, w.phrase, w.foreign))()
            )
            text = w.ask(_TELL, o=thing, v=value)
            favorite = "favorite " if "favorite" in text else ""
            chat.user(text)
            chat.answer(NOTED, "The user tells me something to remember.")
            told.append(("thing", thing, f"Your {favorite}{thing} is {value}."))
        else:
            person, thing, value = w.first_name(), w.noun(), w.pick((w.word, w.city, lambda: str(w.integer())))()
            chat.user(w.ask(_OTHERS, p=person, o=thing, v=value))
            chat.answer(NOTED, "The user tells me something to remember.")
            told.append((person, thing, f"The {thing} of {person} is {value}."))
        if w.chance(0.35):
            plain_turn(w, chat)
    for kind, thing, answer in w.shuffled(told)[: 1 if w.heldout else w.between(1, 3)]:
        if kind == "name":
            chat.user(w.ask(_ASK_NAME))
        elif kind == "thing":
            chat.user(w.ask(_ASK, o=thing, f="favorite " if "favorite" in answer else ""))
        else:
            chat.user(w.ask(_ASK_OTHERS, p=kind, o=thing))
        chat.answer(answer, "It was said before.")
    return chat.example("memory", heldout=w.heldout)

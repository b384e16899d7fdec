"""Ways to type the same words: case, signs, slips of the keyboard, and what people put before and after a sentence."""

from __future__ import annotations

import random
import re

from training.data.words import Words

_SLOT = re.compile(r"(\{[^{}]*\})")
_WORDS = re.compile(r"[A-Za-z]{5,}")
_BEFORE = (
    "Hey, ",
    "Well, ",
    "So, ",
    "Ok, ",
    "Hm, ",
    "Oh, ",
    "And ",
    "Now, ",
    "By the way, ",
    "Okay. ",
    "Hi! ",
    "Right. ",
)
_BEFORE_QUESTION = ("Question: ", "Quick question: ", "Just wondering: ", "Tell me: ", "I have a question. ", "Say, ")
_AFTER_QUESTION = (" Thanks.", " Please.", " Thank you!", " I'm curious.", " It's for a friend.", " Just asking.")
_AFTER = (" 🙂", " :)", "...", " ...", "!", "!!", " 👍", " 😊")


def _slip(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word) - 1)
    x = rng.random()
    if x < 0.4:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if x < 0.7 else word[:at] + word[at] + word[at:]


def typed(w: Words, template: str) -> str:
    """A template as somebody types it: most of the time as it is, and always so in held-out conversations.

    The words stay the same, so that what is said stays true; slots stay as they are.
    """
    if w.heldout or not w.chance(0.4):
        return template
    rng, x = w.rng, w.rng.random()
    question = template.endswith("?")
    if x < 0.25:
        return "".join(part if at % 2 else part.lower() for at, part in enumerate(_SLOT.split(template)))
    if x < 0.45:
        parts = _SLOT.split(template)
        at = 2 * rng.randrange((len(parts) + 1) // 2)
        found = list(_WORDS.finditer(parts[at]))
        if found:
            one = rng.choice(found)
            parts[at] = parts[at][: one.start()] + _slip(rng, one[0]) + parts[at][one.end() :]
        return "".join(parts)
    if x < 0.7:
        bare = template.rstrip(".!?")
        return bare + rng.choice(("", "", " ?", "??", "?!") if question else ("", "", ".", "."))
    if x < 0.85:
        start = rng.choice(_BEFORE + _BEFORE_QUESTION if question else _BEFORE)
        small = start.endswith((", ", "And ", ": ")) and template[1:2].islower() and not template.startswith("I ")
        return start + (template[0].lower() + template[1:] if small else template)
    return template + rng.choice(_AFTER_QUESTION if question else _AFTER)

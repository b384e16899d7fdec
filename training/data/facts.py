"""A few hundred facts of the world that are asked for without a context."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from training.data.words import MONTHS, WEEKDAYS, Phrases, Words, wordlists

_CAPITAL = Phrases(
    "What is the capital of {a}?",
    "Which city is the capital of {a}?",
    "capital of {a}?",
    "What's the capital of {a}",
    "Tell me the capital of {a}.",
    "Name the capital of {a}",
    "Do you know the capital of {a}?",
    "{a}: what is its capital?",
)
_CONTINENT = Phrases(
    "On which continent is {a}?",
    "Which continent is {a} on?",
    "In what continent does {a} lie?",
    "What continent does {a} belong to?",
    "Where on Earth is {a}, which continent?",
    "Tell me the continent of {a}.",
)
_CURRENCY = Phrases(
    "What is the currency of {a}?",
    "Which currency is used in {a}?",
    "What money do they use in {a}?",
    "What do people pay with in {a}?",
    "currency of {a}?",
    "Name the currency of {a}.",
)
_PLAIN: tuple[tuple[Phrases, str], ...] = (
    (Phrases("How many days are in a week?", "How many days does a week have?", "Number of days in a week?", "days in a week?", "A week has how many days?"), "A week has 7 days."),
    (Phrases("How many months are in a year?", "How many months does a year have?", "Number of months in a year?", "months in a year?"), "A year has 12 months."),
    (Phrases("How many hours are in a day?", "How many hours does a day have?", "hours in a day?"), "A day has 24 hours."),
    (Phrases("How many minutes are in an hour?", "How many minutes does an hour have?", "minutes in an hour?"), "An hour has 60 minutes."),
    (Phrases("How many seconds are in a minute?", "How many seconds does a minute have?", "seconds in a minute?"), "A minute has 60 seconds."),
    (Phrases("How many legs does a spider have?", "How many legs has a spider?", "legs of a spider?"), "A spider has 8 legs."),
    (Phrases("How many legs does an insect have?", "How many legs do insects have?"), "An insect has 6 legs."),
    (Phrases("What color is the sky?", "What is the color of the sky?", "Which color does the sky have?"), "The sky is blue."),
    (Phrases("What color is grass?", "What is the color of grass?"), "Grass is green."),
    (Phrases("What is the largest planet?", "Which planet is the largest?", "Name the biggest planet of the solar system."), "The largest planet is Jupiter."),
    (Phrases("Which planet is closest to the sun?", "What is the closest planet to the sun?"), "Mercury is closest to the sun."),
    (Phrases("How many planets are in the solar system?", "How many planets are there?"), "There are 8 planets."),
    (Phrases("What is the chemical formula of water?", "What is water made of?", "formula of water?"), "Water is H2O."),
    (Phrases("At what temperature does water boil?", "When does water boil?", "What is the boiling point of water?"), "Water boils at 100 degrees Celsius."),
    (Phrases("At what temperature does water freeze?", "When does water freeze?", "What is the freezing point of water?"), "Water freezes at 0 degrees Celsius."),
    (Phrases("Who wrote Romeo and Juliet?", "Who is the author of Romeo and Juliet?", "Who wrote Hamlet?"), "William Shakespeare."),
    (Phrases("Who painted the Mona Lisa?", "Which painter made the Mona Lisa?"), "Leonardo da Vinci."),
    (Phrases("What is the tallest mountain?", "Which mountain is the highest in the world?", "What is the highest mountain on Earth?"), "The highest mountain is Mount Everest."),
    (Phrases("What is the largest ocean?", "Which ocean is the largest?"), "The largest ocean is the Pacific Ocean."),
    (Phrases("What is the opposite of hot?", "opposite of hot?"), "cold"),
    (Phrases("What is the opposite of big?", "opposite of big?"), "small"),
    (Phrases("How many sides does a triangle have?", "How many sides has a triangle?"), "A triangle has 3 sides."),
    (Phrases("How many sides does a square have?", "How many sides has a square?"), "A square has 4 sides."),
    (Phrases("How many letters are in the alphabet?", "How many letters does the English alphabet have?"), "The alphabet has 26 letters."),
    (Phrases("Who was the first person on the moon?", "Who walked on the moon first?"), "Neil Armstrong."),
    (Phrases("What is the speed of light?", "How fast is light?"), "About 300,000 kilometers per second."),
    (Phrases("What do bees make?", "What do bees produce?"), "Bees make honey."),
    (Phrases("What is Python?", "What is the Python language?"), "Python is a programming language."),
    (Phrases("What does CPU stand for?", "What is a CPU?"), "Central processing unit."),
    (Phrases("Where do penguins live?", "On which continent do penguins live?"), "Penguins live in the southern half of the world."),
)  # fmt: skip
_SOUNDS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "bee": "buzz"}
_OPPOSITES = {
    "up": "down", "left": "right", "old": "young", "fast": "slow", "high": "low", "open": "closed", "light": "dark",
    "rich": "poor", "wet": "dry", "early": "late", "full": "empty", "happy": "sad", "hard": "soft", "day": "night",
    "good": "bad", "long": "short", "strong": "weak", "clean": "dirty", "first": "last", "true": "false", "north": "south",
    "east": "west", "inside": "outside", "before": "after", "always": "never", "push": "pull", "buy": "sell", "win": "lose",
}  # fmt: skip
_OPPOSITE = Phrases(
    "What is the opposite of {a}?",
    "Give me the opposite of {a}.",
    "opposite of {a}?",
    "Which word is the opposite of {a}?",
    "What's the contrary of {a}?",
    "Tell me the opposite of '{a}'",
)
_AFTER = Phrases(
    "What comes after {a}?",
    "Which day comes after {a}?",
    "What is the day after {a}?",
    "{a} is followed by which day?",
    "Name the day following {a}.",
)
_AFTER_MONTH = Phrases(
    "Which month comes after {a}?",
    "What is the month after {a}?",
    "Name the month that follows {a}.",
    "{a} is followed by which month?",
    "What month is next after {a}?",
)


@lru_cache(maxsize=1)
def _countries() -> list[list[Any]]:
    return wordlists()["countries"]


def fact(w: Words) -> tuple[str, str]:
    """A question and its answer. The facts themselves are known to both splits: only the questions are held out."""
    x = w.rng.random()
    if x < 0.5:
        country, capital, continent, currency = w.pick(_countries())
        y = w.rng.random()
        if y < 0.6:
            return w.ask(_CAPITAL, a=country), f"The capital of {country} is {capital}."
        if y < 0.8:
            return w.ask(_CONTINENT, a=country), f"{country} is in {continent}."
        return w.ask(_CURRENCY, a=country), f"The currency of {country} is the {currency}."
    if x < 0.75:
        phrases, answer = w.pick(_PLAIN)
        return w.ask(phrases), answer
    if x < 0.87:
        a, b = w.pick(list(_OPPOSITES.items()))
        if w.chance(0.5):
            a, b = b, a
        return w.ask(_OPPOSITE, a=a), b
    if x < 0.95:
        names, phrases = (WEEKDAYS, _AFTER) if w.chance(0.5) else (MONTHS, _AFTER_MONTH)
        at = w.between(0, len(names) - 1)
        return w.ask(phrases, a=names[at]), names[(at + 1) % len(names)]
    animal, sound = w.pick(list(_SOUNDS.items()))
    return f"What sound does a {animal} make?", f"A {animal} says {sound}."

"""Little tasks with a text: repeat it, follow a format, write numbers and dates another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.data.example import Example
from training.data.parameters import listed
from training.data.skills.openings import chat_for, system_text
from training.data.words import MONTHS, Phrases, Words

Exchange = tuple[str, str, str, dict[str, Any]]

_REPEAT = Phrases(
    "Repeat after me: {t}",
    'Say "{t}"',
    "Repeat: {t}",
    "Please say '{t}'",
    "Echo {t}",
    "Reply with exactly: {t}",
    "Repeat the following text: {t}",
    "Copy this: {t}",
    'Write "{t}"',
    "Answer with: {t}",
    'Output the text "{t}" and nothing else.',
    "Print exactly this: {t}",
    "Say the following: {t}",
    "Repeat this back to me: {t}",
    "Just say {t}",
    "Type {t}",
)
_UPPER = Phrases(
    "Write {t} in capital letters.",
    "Put '{t}' in upper case",
    'Uppercase "{t}"',
    "{t} in capitals please",
    "Convert {t} to uppercase.",
    "How does {t} look in capital letters?",
)
_LOWER = Phrases(
    "Write {t} in small letters.",
    "Put '{t}' in lower case",
    'Lowercase "{t}"',
    "Convert {t} to lowercase.",
    "{t} without capitals, please",
)
_BULLETS = Phrases(
    "Write {t} as a bulleted list.",
    "Make a list with bullets of {t}",
    "List {t} with dashes.",
    "Put {t} into a bullet list",
    "Turn {t} into a list, one per line with a dash",
    "Bullet points: {t}",
)
_NUMBERED = Phrases(
    "Write {t} as a numbered list.",
    "Number these: {t}",
    "Make a numbered list of {t}",
    "Turn {t} into a numbered list",
    "Enumerate {t}.",
)
_COMMAS = Phrases(
    "Write {t} separated by commas.",
    "Join {t} with commas",
    "Put {t} on one line with commas between",
    "List {t}, separated by commas only",
    "Give me {t} as comma-separated values.",
)
_ONE_WORD = Phrases(
    "Answer with one word: what color is {n} if it is {c}?",
    "The {n} is {c}. What color is it? One word only.",
    "In one word, what color has a {c} {n}?",
    "A {n} is {c}. Reply with its color only.",
    "Reply with a single word: which color has the {c} {n}?",
)
_YES_NO = Phrases(
    "Answer yes or no: is {a} larger than {b}?",
    "Is {a} greater than {b}? Only say yes or no.",
    "Yes or no: {a} > {b}?",
    "Reply with yes or no. Is {a} more than {b}?",
    "Is {a} bigger than {b}? yes/no",
)
_COUNT = Phrases(
    "Count to {k}.",
    "Count from 1 to {k}",
    "Please count up to {k}",
    "Write the numbers from 1 to {k}.",
    "List the numbers 1 to {k}",
)
_BEGIN = Phrases(
    "Start your answer with '{t}' and then say {u}.",
    "Say {u}, but begin with '{t}'",
    "Begin with {t}, then write {u}",
    "Answer '{u}', with '{t}' in front",
)
_QUOTE = Phrases(
    "Put {t} in quotes.",
    "Write {t} between double quotes",
    "Quote the word {t}",
    "{t} in quotation marks, please",
    "Surround {t} with double quotes.",
)
_BRACKET = Phrases(
    "Put {t} in brackets.",
    "Write {t} in square brackets",
    "{t} in square brackets please",
    "Surround {t} with square brackets.",
    "Wrap {t} in []",
)
_TIMES = Phrases(
    "Say {t} {k} times.",
    "Repeat {t} {k} times",
    "Write {t} {k} times.",
    "{t}, {k} times please",
    "Print the word {t} {k} times",
)
_TO_WORDS = Phrases(
    "Write {k} in words.",
    "Spell out the number {k}",
    "{k} in words?",
    "How do you write {k} as a word?",
    "Put the number {k} into words",
    "Translate {k} into words.",
)
_TO_DIGITS = Phrases(
    "Write {t} as a number.",
    "Write {t} in digits",
    "{t} in digits?",
    "Which number is {t}?",
    "Turn {t} into digits.",
    "What is {t} as a number?",
)
_TO_GERMAN = Phrases(
    "What is {t} in {l}?",
    "How do you say {t} in {l}?",
    "Translate {t} into {l}.",
    "{t} in {l}?",
    "Say {t} in {l}",
    "Give me the {l} word for {t}",
)
_TO_ISO = Phrases(
    "Write the date {t} in ISO format.",
    "{t} as YYYY-MM-DD",
    "Convert {t} to the ISO format",
    "Put the date {t} into the form YYYY-MM-DD.",
    "Translate the date {t} to ISO 8601",
    "What is {t} in the format YYYY-MM-DD?",
    "ISO date of {t}?",
)
_FROM_ISO = Phrases(
    "Write {t} with the name of the month.",
    "Spell out the date {t}",
    "{t} as day, month and year",
    "Write out the date {t}.",
    "Put the date {t} into words with its month",
    "Which day is {t}, with the month's name?",
)
_JSON = Phrases(
    "Write {k} = {v} as JSON.",
    "JSON object with {k} set to {v}",
    "Make a JSON object where {k} is {v}",
    "Give me JSON with the key {k} and the value {v}.",
    "Answer in JSON: {k} is {v}",
)

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {
    "German": "null eins zwei drei vier fünf sechs sieben acht neun zehn".split(),
    "French": "zéro un deux trois quatre cinq six sept huit neuf dix".split(),
    "Spanish": "cero uno dos tres cuatro cinco seis siete ocho nueve diez".split(),
    "Italian": "zero uno due tre quattro cinque sei sette otto nove dieci".split(),
}


def in_words(n: int) -> str:
    """A number below 100 in English words."""
    if n < 20:
        return _ONES[n]
    tens, ones = divmod(n, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def any_text(w: Words) -> str:
    """A text of any kind."""
    return w.weighted(
        (3, w.word),
        (3, w.phrase),
        (3, w.sentence),
        (2, w.salad),
        (2, w.foreign),
        (1.5, w.compound),
        (1, w.code),
        (1, w.email),
        (1, w.title),
        (0.7, w.url),
        (0.5, lambda: str(w.integer())),
    )()


def repeat(w: Words) -> Exchange:
    """Says a text again."""
    text = any_text(w)
    if w.chance(0.15):
        text = f"{text} {any_text(w)}"
    return w.ask(_REPEAT, t=text), text, "I repeat the text.", {}


def follow_format(w: Words) -> Exchange:
    """Does something simple to a text."""
    kind = w.between(0, 13)
    if kind <= 1:
        text = w.pick((w.real_noun, w.adjective, w.city, lambda: f"{w.adjective()} {w.real_noun()}"))()
        return (
            (w.ask(_UPPER, t=text), text.upper(), "In capitals.", {})
            if kind
            else (w.ask(_LOWER, t=text.upper()), text.lower(), "In small letters.", {})
        )
    items = [w.noun() if w.chance(0.8) else w.product() for _ in range(w.between(2, 5))]
    if kind <= 3:
        return w.ask(_BULLETS, t=listed(items)), "\n".join(f"- {item}" for item in items), "One line for each.", {}
    if kind == 4:
        return (
            w.ask(_NUMBERED, t=listed(items)),
            "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1)),
            "One line for each.",
            {},
        )
    if kind == 5:
        return w.ask(_COMMAS, t=listed(items)), ", ".join(items), "With commas.", {}
    if kind == 6:
        color = w.pick(("red", "green", "blue", "yellow", "black", "white", "purple", "orange", "grey", "pink"))
        return w.ask(_ONE_WORD, n=w.noun(), c=color), color, "One word.", {}
    if kind == 7:
        a, b = w.between(0, 99), w.between(0, 99)
        return w.ask(_YES_NO, a=a, b=b), "yes" if a > b else "no", f"I compare {a} and {b}.", {}
    if kind == 8:
        k = w.between(2, 20)
        return w.ask(_COUNT, k=k), ", ".join(str(i) for i in range(1, k + 1)), f"From 1 to {k}.", {}
    if kind == 9:
        first, then = w.word(), w.pick((w.word, w.phrase))()
        return w.ask(_BEGIN, t=first, u=then), f"{first} {then}", "First one, then the other.", {}
    word = any_text(w)
    if kind == 10:
        return w.ask(_QUOTE, t=word), f'"{word}"', "In quotes.", {}
    if kind == 11:
        return w.ask(_BRACKET, t=word), f"[{word}]", "In brackets.", {}
    if kind == 12:
        word, k = w.word(), w.between(2, 5)
        return w.ask(_TIMES, t=word, k=w.pick((str(k), in_words(k)))), " ".join([word] * k), f"{k} times.", {}
    key, value = w.word(), w.word()
    return w.ask(_JSON, k=key, v=value), f'{{"{key}": "{value}"}}', "A JSON object.", {}


def rewrite(w: Words) -> Exchange:
    """Writes numbers and dates another way."""
    kind = w.between(0, 5)
    if kind == 0:
        k = w.between(0, 99)
        return w.ask(_TO_WORDS, k=k), in_words(k), "In words.", {}
    if kind == 1:
        k = w.between(0, 99)
        return w.ask(_TO_DIGITS, t=in_words(k)), str(k), "In digits.", {}
    if kind == 2:
        language = w.pick(list(_NUMBERS))
        k = w.between(0, 10)
        return (
            w.ask(_TO_GERMAN, t=w.pick((in_words(k), str(k))), l=language),
            _NUMBERS[language][k],
            f"In {language}.",
            {},
        )
    year, month, day = w.between(1900, 2035), w.between(1, 12), w.between(1, 28)
    iso = f"{year}-{month:02}-{day:02}"
    name = MONTHS[month - 1]
    if kind <= 4:
        text = w.pick((f"{day} {name} {year}", f"{name} {day}, {year}", f"{day:02}.{month:02}.{year}"))
        return w.ask(_TO_ISO, t=text), iso, f"{name} is month {month}.", {}
    return w.ask(_FROM_ISO, t=iso), f"{day} {name} {year}", f"Month {month} is {name}.", {}


def task_exchange(w: Words) -> Exchange:
    """Any of them."""
    return w.weighted((0.45, repeat), (0.35, follow_format), (0.2, rewrite))(w)


def _example(w: Words, skill: str, make: Callable[[Words], Exchange]) -> Example:
    chat = chat_for(w, share=0.1)
    chat.system(system_text(w, 0.25))
    for _ in range(w.pick((1, 2, 3, 5)) if not w.heldout else 1):
        user, answer, thought, check = make(w)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example(skill, heldout=w.heldout)


def repeating(w: Words) -> Example:
    """Repeat a text."""
    return _example(w, "repeat", repeat)


def formatting(w: Words) -> Example:
    """Follow a format instruction."""
    return _example(w, "format", follow_format)


def rewriting(w: Words) -> Example:
    """Translate numbers and dates."""
    return _example(w, "translate", rewrite)

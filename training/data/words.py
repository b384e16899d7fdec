"""Where every random thing comes from: words and values, split into those for training and those held out."""

from __future__ import annotations

import json
import random
import re
import string
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from training.data.phrasing import vary
from training.data.word_parts import (
    COMPANY_ENDS,
    CONSONANTS,
    EMOJI,
    ENDINGS,
    HAN_COMMON,
    SCRIPTS,
    SNIPPETS,
    STATES,
    SUFFIXES_CJK,
    VOWELS,
)

T = TypeVar("T")

_SMALL_WORDS = ("of", "of the", "in", "in the", "at the", "on the", "to", "to the")
_TITLES = (
    *("The {n} of {m}", "{n} in the {m}", "The {n} for {p}", "{n} and {m}", "The {a} {n} at the {m}", "{n} to {c}"),
    *("From {n} to {m}", "{n} without {m}", "On the {n} in {c}", "When {p} Went to {c}", "The {n} on the {m}"),
    *("{a} by {n}", "Under the {a} {m}", "How to {v} the {n}", "{p} and the {a} {n}", "No {n} for {p}"),
    *("Two {n} from {c}", "What the {n} Said to {p}", "{n} with {m}", "{a} as the {n}", "{n} at the Edge of the {m}"),
    *("{v} Me in {c}", "{a} Days in the {n}", "Is {p} at the {n}?", "{n} over {c}", "{v} and {m}"),
)

_KINDS = ("nouns", "adjectives", "verbs", "first", "last", "jobs", "foreign", "cities", "countries")

_HELD_OUT_WORDS = 10  # one word in so many is held out

_HELD_OUT_PHRASES = 7  # one phrasing in so many


def _bucket(text: str, n: int) -> int:
    return zlib.crc32(text.encode()) % n


@lru_cache(maxsize=1)
def wordlists() -> dict[str, list[Any]]:
    """All words by kind, of both splits."""
    loaded: dict[str, list[Any]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=2)
def _words(split: str) -> dict[str, list[Any]]:
    def belongs(word: Any) -> bool:
        text = word if isinstance(word, str) else word[0]
        return (_bucket(text, _HELD_OUT_WORDS) == 0) == (split == "heldout")

    words = {kind: [word for word in wordlists()[kind] if belongs(word)] for kind in _KINDS}
    words["any_nouns"] = words["nouns"]
    words["nouns"] = [noun for noun in words["nouns"] if not noun.endswith(_IRREGULAR) or noun.endswith(_REGULAR)]
    return words


#: Endings of nouns that take more than an "s" in the plural; phrases say "{n}s".
_IRREGULAR = ("s", "x", "z", "ch", "sh", "y", "man", "men", "feet", "mouse")

_REGULAR = ("ay", "ey", "oy")


def capitalized(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    """With a sign at its end: a full stop where there is none."""
    return text if text[-1:] in ".?!" else f"{text}."


def regular_plural(noun: str) -> str:
    """More than one of a thing whose plural follows the rules."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search(r"[^aeiou]y$", noun) else f"{noun}s"


class Phrases:
    """Ways to say one thing. About one in seven is held out, where there are enough of them."""

    def __init__(self, *phrases: str) -> None:
        held = [p for p in phrases if _bucket(p, _HELD_OUT_PHRASES) == 0]
        if len(phrases) >= 5 and not held:
            held = [min(phrases, key=lambda p: zlib.crc32(p.encode()))]
        if len(phrases) < 5:
            held = []
        self.heldout = held or list(phrases)
        self.train = [p for p in phrases if p not in held]

    def always(self, *common: str) -> Phrases:
        """The same, but these are trained whatever their checksum: what everybody says must not be missing.

        One other at least is held out in their place, where there are enough of them.
        """
        self.train += [phrase for phrase in self.heldout if phrase in common and phrase not in self.train]
        self.heldout = [phrase for phrase in self.heldout if phrase not in common]
        if not self.heldout:
            rest = [phrase for phrase in self.train if phrase not in common]
            self.heldout = [min(rest, key=lambda p: zlib.crc32(p.encode()))] if rest else list(self.train)
            self.train = [phrase for phrase in self.train if phrase not in self.heldout] or list(self.heldout)
        return self

    def of(self, split: str) -> list[str]:
        """Those of a split."""
        return self.heldout if split == "heldout" else self.train


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)

COLORS = ("red", "green", "blue", "yellow", "black", "white", "purple", "orange", "grey", "pink", "brown", "silver")


class Words:
    """Random words and values of one split, drawn from one generator."""

    def __init__(self, rng: random.Random, split: str) -> None:
        """Args:
        rng: Decides everything.
        split: "train" or "heldout".
        """
        if split not in ("train", "heldout"):
            raise ValueError(f"split={split!r}: it must be 'train' or 'heldout'")
        self.rng = rng
        self.split = split
        self.heldout = split == "heldout"
        self._lists = _words(split)

    # -- chance --------------------------------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.rng.random() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[int(self.rng.random() * len(items))]

    def weighted(self, *pairs: tuple[float, T]) -> T:
        """One of them, by weight."""
        x = self.rng.random() * sum(weight for weight, _ in pairs)
        for weight, item in pairs:
            x -= weight
            if x < 0:
                return item
        return pairs[-1][1]

    def say(self, phrases: Phrases, **slots: Any) -> str:
        """One of the phrasings of this split, its slots filled."""
        phrase = self.pick(phrases.of(self.split))
        return phrase.format_map(slots) if slots else phrase

    def template(self, phrases: Phrases, *, rough: bool = True) -> str:
        """One of the phrasings of this split with its slots; in training often said another way, but never a held-out one.

        Args:
            phrases: Ways to say one thing.
            rough: Whether case, signs and spelling may suffer too.
        """
        chosen = self.pick(phrases.of(self.split))
        if self.heldout or not self.chance(0.6):
            return chosen
        varied = vary(self.rng, chosen, rough=rough)
        return chosen if varied in phrases.heldout and varied not in phrases.train else varied

    def ask(self, phrases: Phrases, **slots: Any) -> str:
        """What a user says: a `template`, its slots filled."""
        return self.template(phrases).format_map(slots)

    def ask_keeping(self, kept: Iterable[str], phrases: Phrases, /, **slots: Any) -> str:
        """As `ask`, but these texts stand in it as they are: saying it another way may not change them."""
        kept = tuple(kept)
        for _ in range(4):
            text = self.ask(phrases, **slots)
            if all(one in text for one in kept):
                return text
        return self.pick(phrases.of(self.split)).format_map(slots)

    def tell(self, phrases: Phrases, **slots: Any) -> str:
        """What a text says: a `template` in good order, its slots filled."""
        return self.template(phrases, rough=False).format_map(slots)

    def sample(self, items: Sequence[T], n: int) -> list[T]:
        """Some of them, each once, in random order."""
        return self.rng.sample(items, min(n, len(items)))

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """All of them in random order."""
        out = list(items)
        self.rng.shuffle(out)
        return out

    def between(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))

    # -- words ---------------------------------------------------------------------------------------------------------

    def syllables(self, low: int = 2, high: int = 3) -> str:
        """A word that does not exist."""
        pick = self.pick
        return "".join([pick(CONSONANTS) + pick(VOWELS) for _ in range(self.between(low, high))]) + pick(ENDINGS)

    def salad(self) -> str:
        """Fragments of real words in an order nobody has seen: practice in copying, piece by piece."""
        parts = []
        for _ in range(self.between(2, 4)):
            word = self.pick(self._lists[self.pick(("any_nouns", "verbs", "adjectives", "last", "first"))])
            begin = int(self.rng.random() * max(1, len(word) - 2))
            parts.append(word[begin : begin + self.between(1, 5)].lower())
        return "".join(parts)

    def noun(self) -> str:
        """A noun, now and then an invented one."""
        x = self.rng.random()
        if x < 0.9:
            word: str = self.pick(self._lists["nouns"])
            return word
        return self.syllables() if x < 0.96 else self.salad()

    def real_noun(self) -> str:
        """A noun that exists."""
        word: str = self.pick(self._lists["nouns"])
        return word

    def adjective(self) -> str:
        """An adjective."""
        word: str = self.pick(self._lists["adjectives"])
        return word

    def verb(self) -> str:
        """A verb in its base form."""
        word: str = self.pick(self._lists["verbs"])
        return word

    def word(self) -> str:
        """Any word, real or not."""
        x = self.rng.random()
        if x < 0.62:
            word: str = self.pick(self._lists[self.pick(("any_nouns", "any_nouns", "adjectives", "verbs"))])
            return word
        return self.syllables() if x < 0.8 else self.salad()

    def phrase(self, low: int = 2, high: int = 4) -> str:
        """Some words, now and then with a small one among them."""
        words = [self.word() for _ in range(self.between(low, high))]
        if len(words) > 1 and self.chance(0.15):
            words.insert(self.between(1, len(words) - 1), self.pick(_SMALL_WORDS))
        return " ".join(words)

    def title(self) -> str:
        """A title in capitals: one to four words, or with small ones among them."""
        if self.chance(0.65):
            return " ".join([self.word().capitalize() for _ in range(self.between(1, 4))])
        return self.pick(_TITLES).format(
            n=self.word().capitalize(),
            m=self.word().capitalize(),
            a=self.adjective().capitalize(),
            v=self.verb().capitalize(),
            p=self.first_name(),
            c=self.city(),
        )

    # -- names ---------------------------------------------------------------------------------------------------------

    def first_name(self) -> str:
        """A first name."""
        name: str = self.pick(self._lists["first"]) if self.chance(0.85) else self.syllables().capitalize()
        return name

    def last_name(self) -> str:
        """A family name."""
        name: str = self.pick(self._lists["last"]) if self.chance(0.75) else self.syllables().capitalize()
        return name

    def full_name(self) -> str:
        """First name and family name."""
        return f"{self.first_name()} {self.last_name()}"

    def person(self) -> str:
        """A person, by full name or first name."""
        return self.first_name() if self.chance(0.35) else self.full_name()

    def city(self) -> str:
        """A city, real or invented."""
        name: str = self.pick(self._lists["cities"]) if self.chance(0.75) else self.syllables().capitalize()
        return name

    def place(self) -> str:
        """A city, now and then with its state or country."""
        return self.located() if self.chance(0.25) else self.city()

    def located(self) -> str:
        """A city with its state or country: "Leeds, UK"."""
        x = self.rng.random()
        if x < 0.55:
            return f"{self.city()}, {self.pick(STATES)}"
        if x < 0.62:
            return f"{self.city()}, {''.join(self.pick(string.ascii_uppercase) for _ in range(2))}"
        return f"{self.city()}, {self.country()}"

    def country(self) -> str:
        """A country that exists."""
        name: str = self.pick(self._lists["countries"])[0]
        return name

    def company(self) -> str:
        """A company."""
        head = (
            self.last_name() if self.chance(0.5) else self.pick((self.syllables, self.salad, self.noun))().capitalize()
        )
        return f"{head} {self.pick(COMPANY_ENDS)}"

    def product(self) -> str:
        """A thing to buy."""
        x = self.rng.random()
        if x < 0.45:
            return f"{self.adjective()} {self.noun()}"
        if x < 0.6:
            return f"{self.syllables().capitalize()} {self.between(1, 99)}"
        if x < 0.8:
            return self.noun()
        return self.syllables().capitalize() + self.pick((" Pro", " Max", " Mini", " Plus", ""))

    def job(self) -> str:
        """An occupation."""
        name: str = self.pick(self._lists["jobs"])
        return name

    def foreign(self) -> str:
        """A name or word with letters beyond ASCII: real names, and random letters of many scripts."""
        x = self.rng.random()
        n = self.between(2, 6) if self.chance(0.55) else self.between(3, 11)
        if x < 0.16:
            name: str = self.pick(self._lists["foreign"])
            return name
        if x < 0.92:
            letters = self.weighted(*SCRIPTS)
            text = "".join([self.pick(letters) for _ in range(n)])
            if letters[0] in "\u4e00\u4e2d\u3041\u30a1":
                return text + (self.pick(SUFFIXES_CJK) if self.chance(0.4) else "")
            return text.capitalize() if self.chance(0.7) else text
        if x < 0.97:
            return "".join([self.pick(EMOJI) for _ in range(self.between(1, 4))])
        return f"{self.pick((self.noun, self.syllables))()}{self.pick((' ', '-', ''))}{''.join([self.pick(HAN_COMMON + EMOJI) for _ in range(self.between(1, 3))])}"

    # -- values --------------------------------------------------------------------------------------------------------

    def integer(self) -> int:
        """Mostly a small one; now and then large or negative."""
        x = self.rng.random()
        if x < 0.4:
            return self.between(0, 20)
        if x < 0.7:
            return self.between(0, 100)
        if x < 0.9:
            return self.between(100, 99999)
        return -self.between(1, 999)

    def decimal(self) -> float:
        """A number with one to three decimals."""
        value = round(self.rng.uniform(0, self.pick((1, 10, 100, 1000))), self.between(1, 3))
        if value == int(value):
            value += 0.5
        return -value if self.chance(0.12) else value

    def number(self) -> int | float:
        """An integer or a decimal number."""
        return self.integer() if self.chance(0.4) else self.decimal()

    def date(self) -> str:
        """A date, written in one of many ways."""
        year, month, day = self.between(1900, 2035), self.between(1, 12), self.between(1, 28)
        x = self.rng.random()
        if x < 0.5:
            return f"{year}-{month:02}-{day:02}"
        if x < 0.65:
            return f"{day} {MONTHS[month - 1]} {year}"
        if x < 0.8:
            return f"{MONTHS[month - 1]} {day}" + (f", {year}" if self.chance(0.5) else "")
        if x < 0.85:
            return f"{day:02}.{month:02}.{year}"
        return self.pick((*WEEKDAYS, "tomorrow", "today", "next week"))

    def time(self) -> str:
        """A time of day."""
        if self.chance(0.7):
            return f"{self.between(0, 23):02}:{self.between(0, 59):02}"
        return f"{self.between(1, 12)}{self.pick((' am', ' pm', 'am', 'pm'))}"

    def email(self) -> str:
        """An address."""
        user = self.pick((self.noun, self.syllables, self.salad, self.first_name))().lower().replace(" ", "")
        user += self.pick(("", "", ".", "_", "-")) + self.pick((self.syllables(), str(self.between(1, 99))))
        return f"{user}@{self.pick((self.syllables(), self.noun(), 'example', 'mail'))}.{self.pick(('com', 'org', 'net', 'io', 'de'))}"

    def code(self) -> str:
        """An identifier of letters and digits."""
        x = self.rng.random()
        letters = "".join(self.pick(string.ascii_uppercase) for _ in range(self.between(1, 4)))
        if x < 0.4:
            return letters + self.pick(("-", "", "_")) + str(self.between(10, 99999))
        if x < 0.6:
            return str(self.between(100, 999999))
        if x < 0.75:
            return f"{self.between(0x100000, 0xFFFFFF):x}"
        if x < 0.9:
            return f"{self.pick((self.syllables, self.salad, self.noun))()}-{self.between(1, 999)}"
        return "".join(self.pick(string.ascii_letters + string.digits) for _ in range(self.between(4, 9)))

    def file(self) -> str:
        """A file's path."""
        folder = self.pick(("", "", "/tmp/", f"/home/{self.syllables()}/", "data/", "src/", f"{self.noun()}/"))
        name = self.noun() + (self.pick("_-.") + self.word() if self.chance(0.5) else "")
        return f"{folder}{name}.{self.pick(('txt', 'py', 'csv', 'json', 'md', 'pdf', 'log', 'html'))}"

    def url(self) -> str:
        """A web address."""
        path = self.pick(("", f"/{self.noun()}", f"/{self.noun()}/{self.between(1, 99)}", f"/{self.noun()}.html"))
        return f"https://{self.pick((self.syllables, self.noun))()}.{self.pick(('com', 'org', 'dev', 'net'))}{path}"

    def compound(self) -> str:
        """Several words in one: hyphens, underscores, camel case, capitals."""
        words = [self.word() for _ in range(self.between(2, 3))]
        return self.pick(
            (
                "-".join(words),
                "_".join(words),
                "".join(w.capitalize() for w in words),
                words[0] + "".join(w.capitalize() for w in words[1:]),
                "_".join(words).upper(),
                ".".join(words),
                words[0].upper(),
            )
        )

    def snippet(self) -> str:
        """A bit of code or markup: signs in places where words do not have them."""
        a, b, k, j = self.word(), self.word(), self.integer(), self.integer()
        return self.pick(SNIPPETS).format(a=a, b=b, k=k, j=j, c=self.compound(), p=self.first_name())

    def sentence(self) -> str:
        """A short sentence to be copied as a whole."""
        text = self.say(
            _SENTENCES,
            n=self.noun(),
            m=self.noun(),
            a=self.adjective(),
            v=self.verb(),
            k=self.between(2, 99),
            p=self.person(),
            t=self.time(),
            c=self.city(),
        )
        return text[0].upper() + text[1:] if self.chance(0.6) else text

    def text(self) -> str:
        """Some string to copy, of any kind."""
        return self.pick(self._texts())()

    def _texts(self) -> tuple[Callable[[], str], ...]:
        return (
            *(self.person, self.place, self.company, self.product, self.noun, self.syllables, self.salad, self.salad),
            *(self.phrase, self.code, self.foreign, self.foreign, self.email, self.file, self.date, self.sentence),
            *(self.url, self.compound, self.compound, self.title, self.snippet),
        )


_SENTENCES = Phrases(
    "the {n} is {a}",
    "we need {k} {n}s",
    "please {v} the {n}",
    "{p} will {v} at {t}",
    "do not forget the {a} {n}",
    "see you in {c}",
    "{n} and {m}",
    "{v} every {n} before {t}",
    "the {a} {n} costs {k} dollars",
    "I will be late because of the {n}",
    "can we meet in {c} at {t}?",
    "thanks for the {a} {n}!",
    "the {n} from {c} has arrived",
    "{p} wants {k} more {n}s",
    "your {n} is ready",
    "who left the {n} next to the {m}?",
    "call {p} about the {n}",
    "never {v} a {a} {n}",
    "meeting moved to {t}",
    "the {n} needs a new {m} by {t}",
    "happy birthday, {p}!",
)

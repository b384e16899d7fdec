"""The words that passages are composed of: verbs with their forms and frames, nouns by kind, and what goes around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from training.data.words import Words, regular_plural
from training.data.written import HERE, held

_FOLDER = HERE / "composed"
_HELD_OUT_FRAMES = 8  # one frame in so many is held out
_ENOUGH = 6  # of a list for a split
_HELD_OUT_VALUES = 10  # one noun, adjunct or modifier in so many


def _lines(name: str) -> list[str]:
    texts = (line.strip() for line in (_FOLDER / f"{name}.txt").read_text("utf-8").splitlines())
    return [text for text in texts if text and not text.startswith("#")]


def _of_split(texts: list[str], split: str, n: int = _HELD_OUT_VALUES) -> tuple[str, ...]:
    """The part of a list that a split may use; all of it where the part would be tiny."""
    out = tuple(text for text in texts if held(text, n) == (split == "heldout"))
    return out if len(out) >= _ENOUGH else tuple(texts)


@lru_cache(maxsize=64)
def listed(name: str, split: str) -> tuple[str, ...]:
    """The lines of a list, of one split."""
    return _of_split(_lines(name), split)


@lru_cache(maxsize=8)
def _words(name: str) -> frozenset[str]:
    return frozenset(" ".join(_lines(name)).split())


@lru_cache(maxsize=2)
def roles(split: str) -> tuple[str, ...]:
    """What people are called by what they do."""
    return _of_split([part.strip() for part in " ".join(_lines("roles")).split(",")], split)


# -- verbs -------------------------------------------------------------------------------------------------------------

_DOUBLED = frozenset("bid spin swim wed cut put run set let shut win get dig hit forget begin sit quit".split())
_VOWELS = "aeiou"
_ADVERBS = ("secretly", "wrongly", "narrowly")


@lru_cache(maxsize=1)
def _irregular() -> dict[str, tuple[str, str]]:
    return {base: (past, done) for base, past, done in (line.split() for line in _lines("irregular"))}


@dataclass(frozen=True)
class Verb:
    """The forms of a verb, with its particle or preposition."""

    base: str
    past: str
    done: str
    ing: str
    third: str


def _ing(base: str, past: str) -> str:
    if past.endswith("ed") and past[:-2] == base + base[-1]:
        return f"{past[:-2]}ing"
    if base in _DOUBLED:
        return f"{base}{base[-1]}ing"
    if base.endswith("ie"):
        return f"{base[:-2]}ying"
    return f"{base[:-1]}ing" if base.endswith("e") and not base.endswith(("ee", "ye")) else f"{base}ing"


def _third(base: str) -> str:
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return f"{base}es"
    return f"{base[:-1]}ies" if base.endswith("y") and base[-2] not in _VOWELS else f"{base}s"


@lru_cache(maxsize=2048)
def verb(text: str) -> Verb:
    """A verb as the frames write it: "take_off", "secretly_mend"."""
    words = text.split("_")
    at = 1 if words[0] in _ADVERBS else 0
    base = words[at]
    if base in _irregular():
        past, done = _irregular()[base]
    elif base.endswith("e"):
        past = done = f"{base}d"
    elif base.endswith("y") and base[-2] not in _VOWELS:
        past = done = f"{base[:-1]}ied"
    else:
        past = done = f"{base}ed"
    forms = (base, past, done, _ing(base, past), _third(base))
    return Verb(*(" ".join([*words[:at], form, *words[at + 1 :]]) for form in forms))


# -- frames ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """What can be done to what, and what can be added to it.

    Attributes:
        verbs: The verb and those that mean the same here.
        objects: Kinds of nouns.
        phrases: Prepositions with the kind of what follows.
        flags: "F" firms do it too, "i" with an instrument, "b" for somebody, "$" for a price, "d" it takes time, "l" it
            lasts, "x" it is not done on purpose, "p" a phrase is never left out.
        noun: The name of the deed, "repair", or "".
        alone: Whether there is no object; `objects` are kinds of subjects then.
    """

    verbs: tuple[Verb, ...]
    objects: tuple[str, ...]
    phrases: tuple[tuple[str, str], ...]
    flags: frozenset[str]
    noun: str
    alone: bool = False

    @property
    def bases(self) -> frozenset[str]:
        """What tells it from others."""
        return frozenset(one.base for one in self.verbs)

    def near(self, other: Frame) -> bool:
        """Whether a question about the other deed may be meant for this one."""
        groups = _groups()
        shared = groups.get(self.verbs[0].base, frozenset()) & groups.get(other.verbs[0].base, frozenset())
        return bool(shared or self.bases & other.bases)


@lru_cache(maxsize=1)
def _groups() -> dict[str, frozenset[int]]:
    """In which lines of verbs of near meanings each verb is."""
    lines = [{part.strip() for part in line.split(",")} for line in _lines("near")]
    return {base: frozenset(at for at, line in enumerate(lines) if base in line) for base in set().union(*lines)}


def _frame(line: str, alone: bool = False) -> Frame:
    verbs, objects, phrases, flags = (part.split() for part in line.split("|"))
    kinds = [kind for name in objects for kind in aliases().get(name, (name,))]
    pairs = tuple(tuple(phrase.replace("_", " ").split(":")) for phrase in phrases)
    noun = next((flag[2:] for flag in flags if flag.startswith("n:")), "")
    return Frame(
        tuple(verb(text.lstrip("~")) for text in verbs),
        tuple(kinds),
        tuple((preposition, kind) for preposition, kind in pairs),
        frozenset(flag for flag in flags if len(flag) == 1),
        noun,
        alone,
    )


@lru_cache(maxsize=4)
def frames(split: str, alone: bool = False) -> tuple[Frame, ...]:
    """The frames of a split, with an object or alone."""
    texts = _lines("intransitive" if alone else "frames")
    return tuple(
        _frame(line, alone) for line in texts if held(line.split()[0], _HELD_OUT_FRAMES) == (split == "heldout")
    )


@lru_cache(maxsize=256)
def frames_for(split: str, kind: str) -> tuple[Frame, ...]:
    """The frames of a split that take a kind of noun."""
    return tuple(frame for frame in frames(split) if kind in frame.objects)


# -- nouns -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noun:
    """A noun of a kind."""

    one: str
    many: str
    kind: str
    mass: bool
    modifiers: str  # the list of what can stand before it


def _plural(text: str) -> str:
    head, _, rest = text.partition(" of ")
    head = regular_plural(head)
    return f"{head} of {rest}" if rest else head


@lru_cache(maxsize=1)
def aliases() -> dict[str, tuple[str, ...]]:
    """Names for several kinds at once."""
    found = (line.split(" = ") for line in _lines("nouns") if " = " in line)
    return {name: tuple(kinds.split()) for name, kinds in found}


@lru_cache(maxsize=4)
def _nouns(split: str) -> dict[str, tuple[Noun, ...]]:
    out: dict[str, tuple[Noun, ...]] = {}
    for line in _lines("nouns"):
        if " = " in line:
            continue
        head, _, rest = line.partition(":")
        name, modifiers = head.split()
        kind, mass = name.rstrip("~"), name.endswith("~")
        texts = _of_split([text.strip() for text in rest.split(",")], split)
        made = []
        for text in texts:
            one, _, many = text.rstrip("~").partition("/")
            made.append(Noun(one, many or _plural(one), kind, mass or text.endswith("~"), modifiers))
        out[kind] = tuple(made)
    for name, kinds in aliases().items():
        out[name] = tuple(noun for kind in kinds for noun in out[kind])
    return out


def noun(w: Words, kind: str) -> Noun:
    """A noun of a kind."""
    return w.pick(_nouns(w.split)[kind])


@lru_cache(maxsize=64)
def modifiers(name: str, split: str) -> tuple[str, ...]:
    """What can stand before nouns; of one split."""
    for line in _lines("modifiers"):
        head, _, rest = line.partition(":")
        if head == name:
            return _of_split([text.strip() for text in rest.split(",")], split)
    return ()


# -- people ------------------------------------------------------------------------------------------------------------

_HERS = frozenset(
    "chambermaid dairymaid governess housewife landlady laundress matron midwife nun policewoman postmistress soprano stuntwoman waitress dressmaker lacemaker mother-in-law grandmother bride bridesmaid barmaid great-aunt headmistress seamstress duchess countess princess widow schoolgirl chairwoman".split()
)


def pronoun_of(w: Words, name: str) -> str:
    """ "he" or "she" for a first name or a role; either where both are possible."""
    last = name.split()[-1]
    if last in _HERS:
        return "she"
    if last.endswith(("man", "master")) or last in (
        "butler",
        "admiral",
        "sexton",
        "monk",
        "knight",
        "squire",
        "bishop",
        "cardinal",
        "tenor",
        "boy",
        "bellboy",
        "nephew",
        "godfather",
    ):
        return "he"
    first = name.split()[0]
    if first in _words("female"):
        return "she"
    if first in _words("either") or name.islower():
        return w.pick(("he", "she"))
    return "he" if not first.endswith(("a", "ia", "ea")) else "she"

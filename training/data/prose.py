"""Passages of ordinary prose about invented people, firms, places, things and events, with questions about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from training.data.entities import ENTITIES, EntityKind, Relation
from training.data.stories import tell
from training.data.words import MONTHS, WEEKDAYS, Phrases, Words


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


def capitalized(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


# -- entities ----------------------------------------------------------------------------------------------------------


def about(w: Words, kind: EntityKind | None = None, n: int | None = None, name: str | None = None) -> Passage:
    """Some sentences about one entity: its name first, then often a pronoun; every sentence tells another fact."""
    kind = kind or w.pick(ENTITIES)
    name = name or kind.name(w)
    pronoun, possessive = w.pick(kind.pronouns)
    other = kind.noun
    relations = w.sample(range(len(kind.relations)), n or w.between(1, 6))
    out = Passage(names=[name], nouns={name: kind.noun})
    for place, number in enumerate(relations):
        relation = kind.relations[number]
        value = relation.value(w)
        if place == 0 or w.chance(0.35):
            mention, owner = name, possessed(name)
        elif w.chance(0.7):
            mention, owner = pronoun, possessive
        else:
            mention, owner = f"The {other}", f"The {other}'s"
        sentence = _statement(w, relation, mention, owner, value)
        if mention is not name and not (
            mention in sentence or owner in sentence or mention.lower() in sentence or owner.lower() in sentence
        ):
            sentence = _statement(w, relation, name, possessed(name), value)
        out.sentences.append(sentence)
        question = w.ask(relation.questions, N=name, Ns=possessed(name))
        out.questions.append(Question(question, value, sentence, name))
        if w.chance(0.12):
            out.sentences.append(filler(w, name, pronoun))
    renamed = merged(w, out.sentences, (capitalized(name), pronoun, f"The {other}"))
    if w.chance(0.3):
        for old, new in list(renamed.items()):
            if old == new and w.chance(0.3):
                renamed[old] = decorated(w, new, name)
    out.sentences = list(dict.fromkeys(renamed[sentence] for sentence in out.sentences))
    out.questions = [Question(q.text, q.answer, renamed[q.evidence], q.about) for q in out.questions]
    untold = [number for number in range(len(kind.relations)) if number not in relations]
    if untold:
        out.missing.append(w.ask(kind.relations[w.pick(untold)].questions, N=name, Ns=possessed(name)))
    return out


def possessed(name: str) -> str:
    """A name with its apostrophe."""
    return f"{name}'s"


def _statement(w: Words, relation: Relation, mention: str, owner: str, value: str) -> str:
    text = w.tell(
        relation.statements,
        S=mention,
        Ss=owner,
        v=value,
        y=w.between(1800, 2024),
        n=w.real_noun(),
        a=w.adjective(),
        k=w.between(2, 40),
    )
    # A pronoun inside the sentence is small.
    for word in (mention, owner):
        if word in ("He", "She", "It", "They", "His", "Her", "Its", "Their") or word.startswith("The "):
            at = text.find(word, 1)
            if at > 0 and text[at - 1] == " ":
                text = text[:at] + word[0].lower() + text[at + 1 :]
    return capitalized(_AS_OBJECT.sub(lambda found: found[1] + _OBJECTS[found[2]], text))


_OBJECTS = {"he": "him", "she": "her", "they": "them"}
_AS_OBJECT = re.compile(r"\b((?:to|for|of|find|by|than|from|at|reach|contact|with|on|visit) )(he|she|they)\b")


def unanswerable(w: Words, passage: Passage) -> str:
    """A question that the passage does not answer: about a stranger, or about what is not told of somebody in it."""
    if passage.missing and w.chance(0.12):
        return w.pick(passage.missing)
    text = " ".join(passage.sentences)
    while True:
        x = w.rng.random()
        if x < 0.35:
            question = w.pick(event(w).questions)
        elif x < 0.5:
            question = w.pick(records(w, 1).questions)
        else:
            question = w.pick(about(w, n=1).questions)
        if question.about and question.about not in text:
            return question.text


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


# -- events ------------------------------------------------------------------------------------------------------------

_VERBS = tuple(
    tuple(pair.split("/"))
    for pair in (
        "paint/painted build/built sell/sold find/found buy/bought repair/repaired lose/lost steal/stole open/opened close/closed "
        "clean/cleaned visit/visited draw/drew carry/carried hide/hid break/broke invent/invented discover/discovered "
        "photograph/photographed study/studied design/designed destroy/destroyed measure/measured collect/collected "
        "deliver/delivered order/ordered cook/cooked bake/baked plant/planted cut/cut wash/washed bring/brought take/took "
        "describe/described record/recorded test/tested replace/replaced install/installed remove/removed inspect/inspected "
        "rent/rented borrow/borrowed lend/lent throw/threw catch/caught win/won receive/received send/sent write/wrote "
        "publish/published translate/translated examine/examined restore/restored finish/finished start/started lead/led "
        "move/moved present/presented announce/announced approve/approved reject/rejected cancel/cancelled launch/launched "
        "praise/praised ignore/ignored admire/admired follow/followed watch/watched teach/taught train/trained feed/fed "
        "grow/grew harvest/harvested drive/drove ride/rode fly/flew sink/sank save/saved protect/protected guard/guarded "
        "decorate/decorated polish/polished weigh/weighed pack/packed unload/unloaded wrap/wrapped inherit/inherited "
        "donate/donated auction/auctioned print/printed film/filmed sketch/sketched carve/carved assemble/assembled "
        "dismantle/dismantled investigate/investigated review/reviewed update/updated upgrade/upgraded program/programmed "
        "prepare/prepared serve/served taste/tasted choose/chose offer/offered accept/accepted refuse/refused"
    ).split()
)
_REASONS = Phrases(
    "the {n} was {a}",
    "it was too {a}",
    "the old {n} had broken",
    "nobody else wanted the {n}",
    "{p} had asked for it",
    "the {n} was missing",
    "there was no {n} left",
    "the {n} of {c} was closed",
    "a {a} {n} was needed",
    "the {n} cost only {k} dollars",
    "the {n} had become {a}",
    "{p} was ill",
    "everyone liked the {n}",
    "the law required a {n}",
)


def event(w: Words, subject: str | None = None) -> Passage:
    """One sentence about somebody who did something, with questions for each of its parts."""
    base, past = w.pick(_VERBS)
    if w.chance(0.35) and (verb := w.verb()) not in _IRREGULAR:
        base, past = verb, regular_past(verb)
    done = _PARTICIPLES.get(past, past)
    who = subject or w.weighted((6, w.full_name), (2, w.first_name), (2, w.company))()
    count = w.between(2, 95) if w.chance(0.25) else 0
    noun = w.noun()
    written = _NUMBERS[count - 2] if 2 <= count <= 20 and w.chance(0.5) else str(count)
    thing = (
        f"{written} {noun}s"
        if count
        else f"{w.pick(('the', 'a', 'the old', 'the first', 'his', 'the new', 'an unusual'))} {w.adjective() + ' ' if w.chance(0.6) else ''}{noun}"
    )
    place = w.city() if w.chance(0.75) else f"the {w.adjective()} {w.real_noun()}"
    time = w.weighted(
        (5, lambda: f"in {w.between(1500, 2030)}"),
        (2, lambda: f"on {w.pick(WEEKDAYS)}"),
        (2, lambda: f"on {w.between(1, 28)} {w.pick(MONTHS)}"),
        (1, lambda: f"at {w.time()}"),
        (1, lambda: f"in {w.pick(MONTHS)} {w.between(1900, 2030)}"),
    )()
    reason = w.say(_REASONS, n=w.real_noun(), a=w.adjective(), p=w.first_name(), c=w.city(), k=w.between(2, 99))
    tool = f"{w.pick(('a', 'the'))} {w.adjective()} {w.real_noun()}"
    friend = w.full_name()
    passive = w.chance(0.3)
    if passive and thing.startswith("his "):
        thing = "the " + thing[4:]
    order = w.pick(_PASSIVE_ORDERS if passive else _ORDERS)
    described = who
    if " " in who and w.chance(0.18) and who.split()[-1] not in _FIRMS:
        job, home = w.job(), w.city()
        described = w.pick(
            (
                f"{who}, a {job} from {home},",
                f"{who} (a {job} from {home})",
                f"{who}, who came from {home} and was a {job},",
                f"{who}, the {job} from {home},",
            )
        )
    else:
        job = home = ""
    shown = {
        "s": described,
        "v": past,
        "o": thing,
        "pv": f"{'were' if count else 'was'} {done}",
        "by": f"by {who}",
        "pl": f"in {place}",
        "ti": time,
        "re": f"because {reason}",
        "wi": f"with {tool}",
        "fo": f"for {friend}",
    }
    text = " ".join(shown[part.rstrip(",")] + ("," if part.endswith(",") else "") for part in order)
    if w.chance(0.3) and not order[0].endswith(","):
        text = w.tell(_CLAUSES, n=w.real_noun(), m=w.real_noun(), a=w.adjective(), p=w.full_name(), c=w.city()) + text
    sentence = capitalized(text) + "."
    if "re" not in order and w.chance(0.25):
        sentence = (
            sentence[:-1]
            + w.tell(_TAILS, n=w.real_noun(), m=w.real_noun(), a=w.adjective(), p=w.full_name(), c=w.city())
            + "."
        )
    elif w.chance(0.15):
        sentence = decorated(w, sentence)
    parts = {part.rstrip(",") for part in order}
    named = "s" in parts or "by" in parts
    asks: list[tuple[Phrases, str]] = []
    if named:
        asks.append((_WHO_PASSIVE if w.chance(0.4) else _WHO, who))
        asks.append((_HOW_MANY, written) if count else (_WHAT, thing))
    # Either voice may be asked for in either voice, as long as nothing is named that the text does not tell.
    turned = not named or w.chance(0.45)
    if "pl" in parts:
        asks.append((_WHERE_PASSIVE if turned else _WHERE, place))
    if "ti" in parts:
        asks.append((_WHEN_PASSIVE if turned else _WHEN, time.split(" ", 1)[1]))
    if "re" in parts:
        asks.append((_WHY, reason))
    if "wi" in parts:
        asks.append((_WITH_WHAT, tool))
    if "fo" in parts:
        asks.append((_FOR_WHOM, friend))
    said = f"the {noun}" if not count and w.chance(0.2) else thing
    said = said if not said.startswith("his ") else "the " + thing[4:] if turned else thing
    shown_who = who.split()[-1] if w.chance(0.12) else who
    slots = {"s": shown_who, "b": base, "p": past, "o": said, "n": noun, "d": done, "was": "were" if count else "was"}
    questions = [
        Question(
            w.ask(phrases, **slots),
            answer,
            sentence,
            noun if phrases in (_WHO, _WHO_PASSIVE, _WHERE_PASSIVE, _WHEN_PASSIVE) else who,
        )
        for phrases, answer in asks
    ]
    if job and "s" in parts:
        questions.append(Question(w.ask(_JOB_OF, N=who), job, sentence, who))
        questions.append(Question(w.ask(_FROM_WHERE, N=who), home, sentence, who))
    if named and w.chance(0.25):
        questions.append(Question(w.ask(_TELL, **slots), sentence, sentence, who))
    if not named:
        return Passage([sentence], questions, missing=[w.ask(_WHO_PASSIVE, **slots)])
    untold = [
        phrases
        for part, phrases in (("pl", _WHERE), ("ti", _WHEN), ("re", _WHY), ("wi", _WITH_WHAT), ("fo", _FOR_WHOM))
        if part not in parts
    ]
    missing = [w.ask(w.pick(untold), **slots)] if untold and w.chance(0.6) else []
    return Passage([sentence], questions, missing=missing)


_PASSIVE_ORDERS = tuple(
    tuple(order.split())
    for order in (
        "o pv by",
        "o pv by ti",
        "o pv by pl",
        "o pv ti by",
        "ti, o pv by",
        "o pv ti",
        "o pv pl",
        "o pv pl ti",
        "pl, o pv by",
        "o pv by pl re",
        "o pv by fo",
        "o pv ti pl",
    )
)
_WHO_PASSIVE = Phrases(
    "By whom {was} {o} {d}?",
    "Who {p} {o}?",
    "Who was {o} {d} by?",
    "Name the person or firm that {p} {o}.",
    "Tell me by whom {o} {was} {d}.",
    "Whose work was it that {o} {was} {d}?",
)
_WHERE_PASSIVE = Phrases(
    "Where {was} {o} {d}?",
    "In which place {was} {o} {d}?",
    "Tell me where {o} {was} {d}.",
    "Where was it that {o} {was} {d}?",
    "What is the place where {o} {was} {d}?",
)
_WHEN_PASSIVE = Phrases(
    "When {was} {o} {d}?",
    "At what time {was} {o} {d}?",
    "Tell me when {o} {was} {d}.",
    "When was it that {o} {was} {d}?",
    "What is the date on which {o} {was} {d}?",
)
_PARTICIPLES = {
    "stole": "stolen",
    "drew": "drawn",
    "hid": "hidden",
    "broke": "broken",
    "took": "taken",
    "threw": "thrown",
    "wrote": "written",
    "grew": "grown",
    "drove": "driven",
    "rode": "ridden",
    "flew": "flown",
    "sank": "sunk",
    "chose": "chosen",
}
_ORDERS = tuple(
    tuple(order.split())
    for order in (
        "s v o",
        "s v o pl",
        "s v o ti",
        "s v o pl ti",
        "ti, s v o",
        "ti, s v o pl",
        "s v o re",
        "s v o pl re",
        "ti, s v o re",
        "s v o wi",
        "s v o wi pl",
        "s v o fo",
        "s v o fo ti",
        "s v o wi ti",
        "ti, s v o fo pl",
        "pl, s v o ti",
        "pl, s v o wi",
        "ti s v o pl re",
    )
)
_WHO = Phrases(
    "Who {p} {o}?",
    "Who {p} {o}?",
    "By whom was it that somebody {p} {o}?",
    "Which person or firm {p} {o}?",
    "Who was it that {p} {o}?",
    "Do you know who {p} {o}?",
    "Tell me who {p} {o}.",
    "Name the one who {p} {o}.",
)
_WHAT = Phrases(
    "What did {s} {b}?",
    "What was it that {s} {p}?",
    "Which thing did {s} {b}?",
    "Tell me what {s} {p}.",
    "What exactly did {s} {b}?",
    "Can you tell what {s} {p}?",
)
_HOW_MANY = Phrases(
    "How many {n}s did {s} {b}?",
    "What number of {n}s did {s} {b}?",
    "How many {n}s were there that {s} {p}?",
    "Tell me how many {n}s {s} {p}.",
)
_WHERE = Phrases(
    "Where did {s} {b} {o}?",
    "In which place did {s} {b} {o}?",
    "Where was it that {s} {p} {o}?",
    "Tell me where {s} {p} {o}.",
    "Where was {s} when {s} {p} {o}?",
)
_WHEN = Phrases(
    "When did {s} {b} {o}?",
    "At what time did {s} {b} {o}?",
    "When was it that {s} {p} {o}?",
    "Tell me when {s} {p} {o}.",
    "What was the date when {s} {p} {o}?",
)
_WHY = Phrases(
    "Why did {s} {b} {o}?",
    "For what reason did {s} {b} {o}?",
    "What made {s} {b} {o}?",
    "Tell me why {s} {p} {o}.",
    "What was the reason that {s} {p} {o}?",
)
_WITH_WHAT = Phrases(
    "With what did {s} {b} {o}?",
    "What did {s} {b} {o} with?",
    "What did {s} use to {b} {o}?",
    "Which tool did {s} {b} {o} with?",
)
_FOR_WHOM = Phrases(
    "For whom did {s} {b} {o}?",
    "Who did {s} {b} {o} for?",
    "Whom was it for that {s} {p} {o}?",
    "Tell me for whom {s} {p} {o}.",
)
_TELL = Phrases(
    "What does the text say about {s}?",
    "What happened with {s}?",
    "What do you know about {s}?",
    "Tell me about {s}.",
    "Give me details on {s}.",
    "What did {s} do?",
    "Describe what {s} did.",
)


_NUMBERS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
_CLAUSES = Phrases(
    "After the {n} had become {a}, ",
    "When the {n} was over, ",
    "Although nobody had asked for a {n}, ",
    "While {p} looked after the {n}, ",
    "Before the {a} {n} arrived, ",
    "As the {n} of {c} was {a}, ",
    "Thanks to a {a} {n}, ",
    "With the help of {p}, ",
    "Despite the {a} {n}, ",
    "Long before {c} had a {n}, ",
    "Since there was no {n}, ",
    "During the {a} {n}, ",
    "Like many others, ",
    "To the surprise of {p}, ",
    "Without a {n} or a {m}, ",
)
_TAILS = Phrases(
    ", while {p} waited with the {n}",
    ", which made the {n} {a}",
    ", and later the {n} followed",
    ", where a {a} {n} still stands",
    " and never spoke of the {n} again",
    ", though the {n} was {a}",
    ", as the {n} of {c} reported",
    ", so that the {m} became {a}",
    ", long before the {n} came to {c}",
    " and was praised by {p}",
    ", but the {n} remained {a}",
    ", which {p} did not like at all",
)
_FIRMS = frozenset(
    ("Corp", "Inc", "Ltd", "Labs", "Group", "Systems", "Foods", "Bank", "Works", "Media", "Partners", "GmbH")
)
_JOB_OF = Phrases(
    "What was the job of {N}?",
    "What did {N} do for a living?",
    "Which profession did {N} have?",
    "What was {N} by profession?",
    "As what did {N} work?",
)
_FROM_WHERE = Phrases(
    "Where was {N} from?",
    "Where did {N} come from?",
    "From which place was {N}?",
    "What was the home of {N}?",
    "Which town did {N} come from?",
)
#: Verbs whose past is not made by "ed".
_IRREGULAR = frozenset(
    "arise awake be bear beat become begin bend bet bid bind bite bleed blow break breed bring broadcast build burn burst buy cast catch choose cling come cost creep cut deal dig do draw dream drink drive eat fall feed feel fight find flee fling fly forbid forecast forget forgive freeze get give go grind grow hang have hear hide hit hold hurt keep kneel knit know lay lead lean leap learn leave lend let lie light lose make mean meet mistake overcome pay prove put quit read ride ring rise run saw say see seek sell send set sew shake shed shine shoot show shrink shut sing sink sit sleep slide sling slit smell speak speed spell spend spill spin spit split spoil spread spring stand steal stick sting stink strike string strive swear sweep swell swim swing take teach tear tell think throw thrust tread understand undertake upset wake wear weave weep win wind withdraw withstand wring write abide behold bespeak beget foresee foretell input mow outdo partake rid shear slay sow spoil stride undergo undo uphold".split()
)


def regular_past(verb: str) -> str:
    """The past of a regular verb; short vowels double the consonant."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ied"
    if len(verb) <= 4 and verb[-1] not in "aeiouwxyh" and verb[-2] in "aeiou" and verb[-3:-2] not in "aeiou":
        return verb + verb[-1] + "ed"
    return verb + "ed"


def events(w: Words, n: int) -> Passage:
    """Several events; questions about a subject are asked only where it has one."""
    out = Passage()
    used: set[str] = set()
    for _ in range(n):
        one = event(w)
        if one.questions[0].answer in used:
            continue
        used.add(one.questions[0].answer)
        out.add(one)
        if w.chance(0.2):
            out.sentences.append(filler(w))
    return out


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


def story(w: Words) -> Passage:
    """A paragraph of ordinary prose."""
    sentences, questions, untold = tell(w)
    return Passage(sentences, [Question(*one) for one in questions], missing=untold)


# -- documents ---------------------------------------------------------------------------------------------------------


def passage(w: Words, n: int) -> Passage:
    """About `n` sentences of one manner or another."""
    x = w.rng.random()
    out = Passage()
    if n >= 3 and x < 0.42:
        out = story(w)
        if n >= 8:
            for more in (
                w.pick((story, lambda some: about(some, n=3), lambda some: events(some, 2)))(w) for _ in range(n // 5)
            ):
                if not {q.text for q in more.questions} & {q.text for q in out.questions}:
                    out.add(more)
        return out
    x = w.rng.random()
    if x < 0.4:
        while len(out.sentences) < n:
            fresh = about(w, n=min(w.between(1, 6), max(1, n - len(out.sentences))))
            if not set(fresh.names) & set(out.names):
                out.add(fresh)
    elif x < 0.65:
        out = events(w, n)
    elif x < 0.78:
        out = records(w, n)
    else:
        while len(out.sentences) < n:
            fresh = w.pick(
                (lambda: about(w, n=w.between(1, 4)), lambda: events(w, w.between(1, 2)), lambda: records(w, 1))
            )()
            if not set(fresh.names) & set(out.names):
                out.add(fresh)
            if w.chance(0.25):
                out.sentences.append(filler(w))
    return out if out.questions else passage(w, n)


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

"""Sentences about somebody who did something, with questions for each of their parts."""

from __future__ import annotations

from training.data.prose_parts import Passage, Question, decorated, filler
from training.data.words import MONTHS, WEEKDAYS, Phrases, Words, capitalized

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

"""Conversations of turns that were written by hand: small talk, facts, what nobody can know, and other ways to write."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from functools import lru_cache
from itertools import accumulate
from typing import Any

from training.data.example import Example
from training.data.numerals import MONTHS as MONTHS_IN
from training.data.numerals import NUMBERS, clock12, english, ordinal, roman
from training.data.numerals import WEEKDAYS as WEEKDAYS_IN
from training.data.skills.openings import chat_for, system_text
from training.data.skills.written_sums import sum_turn
from training.data.slips import typed
from training.data.words import MONTHS, WEEKDAYS, Words, wordlists
from training.data.written import Line, Slots, lines

Exchange = tuple[str, str, str, dict[str, Any]]

_SHARED = 3  # an answer of so many lines can be held out with one of them: the others teach it


@lru_cache(maxsize=8)
def _known(area: str, heldout: bool) -> tuple[Line, ...]:
    """The lines of a split. Held out with all its wordings is only what has an answer that other lines teach."""
    found = lines(area)
    shared = Counter(line.get("answer") for line in found)
    for line in found:
        if line.get("follow") or line.get("rows") or line.get("countries") or shared[line.get("answer")] < _SHARED:
            line.heldout = False
    return tuple(line for line in found if line.heldout is heldout)


def _line(w: Words, area: str) -> Line:
    held = _known(area, True)
    return w.pick(held if w.heldout and held and w.chance(0.5) else _known(area, False))


def _said(w: Words, line: Line, slots: Slots) -> str:
    return slots.fill(typed(w, line.one(w, line["user"])))


# -- small talk --------------------------------------------------------------------------------------------------------

_THOUGHTS = {"remarks": "The user just talks.", "luck_fun": "The user just talks.", "advice": "A short tip will do."}


def _thought(line: Line) -> str:
    if line.get("tools"):
        return "No tool does this."
    return _THOUGHTS.get(line["topic"], "This is small talk.")


#: Stands for tools that can do anything.
_EVERYTHING = "*"


def _offered(line: Line, offered: str | None) -> bool:
    tools = line.get("tools") or ()
    return bool(tools) and offered is not None and (offered == _EVERYTHING or any(word in offered for word in tools))


def talk_turns(w: Words, *, offered: str | None = None, follow: bool = True) -> list[Exchange]:
    """Small talk, with what is said next where that was written too.

    Args:
        w: Decides everything.
        offered: The tools of the conversation as one text in small letters: nothing is asked for that they do.
        follow: Whether more than one exchange may come.
    """
    line = _line(w, "talk")
    while _offered(line, offered):
        line = _line(w, "talk")
    slots = Slots(w)
    turns: list[Exchange] = [(_said(w, line, slots), slots.fill(line["answer"]), _thought(line), {})]
    if follow:
        for more in (line.get("follow") or ())[: w.between(0, 3)]:
            user = slots.fill(typed(w, line.one(w, more["user"])))
            turns.append((user, slots.fill(more["answer"]), "This is small talk.", {}))
    return turns


def talk_turn(w: Words, *, offered: str | None = None) -> Exchange:
    """One exchange of small talk."""
    return talk_turns(w, offered=offered, follow=False)[0]


def remark_turn(w: Words) -> Exchange:
    """One exchange of small talk that asks for nothing a tool could do."""
    return talk_turn(w, offered=_EVERYTHING)


_WORD = re.compile(r"[a-z]{4,}")
_EMPTY = frozenset(
    "what which when where whose with that this from tell about does have give name type number many much there would"
    " will could know your like they them into been more than over some then make string".split()
)


def fits(text: str, offered: str | None) -> bool:
    """Whether no tool is listed that has a word of a question, so that it can hardly answer it."""
    return not offered or not any(word in offered for word in _WORD.findall(text.lower()) if word not in _EMPTY)


def unknown_turn(w: Words, *, offered: str | None = None) -> Exchange:
    """A question that nobody can answer, or not this model, and no listed tool."""
    for _ in range(8):
        line = _line(w, "unknown")
        user = _said(w, line, Slots(w))
        if fits(user, offered):
            return user, line["answer"], "I do not know this.", {}
    return remark_turn(w)


# -- facts -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _facts() -> tuple[tuple[Line, ...], tuple[float, ...]]:
    """All facts, and the sum of their weights up to each: a table counts by its length."""
    found = _known("facts", False)
    sizes = [45 if line.get("countries") else max(1, len(line.get("rows") or ())) ** 0.8 for line in found]
    return found, tuple(accumulate(sizes))


def _rows(line: Line) -> list[list[str]]:
    """The pairs that a table tells, if the line is one."""
    if columns := line.get("countries"):
        return _countries(*columns)
    return line.get("rows") or []


@lru_cache(maxsize=8)
def _countries(key: int, value: int) -> list[list[str]]:
    return [[country[key], country[value]] for country in wordlists()["countries"]]


_ARTICLE = re.compile(r"\b([Aa]) \{([abc])\}")


def fact_turn(w: Words) -> Exchange:
    """A fact that is asked for without a context. The facts are known to both splits: only wordings are held out."""
    found, ends = _facts()
    line = found[bisect(ends, w.rng.random() * ends[-1])]
    slots = Slots(w)
    wording, answer = typed(w, line.one(w, line["user"])), line["answer"]
    if rows := _rows(line):
        row = w.pick(rows)
        slots.values.update(a=row[0], b=row[1])
        if line.get("claim"):
            said_value = row[1] if w.chance(0.5) else w.pick(rows)[1]
            slots.values["c"] = said_value
            answer = f"{'Yes' if said_value == row[1] else 'No'}. {answer}"

        def article(found: re.Match[str]) -> str:
            n = "n" if str(slots.values[found[2]])[0] in "aeioAEIO8" else ""
            return f"{found[1]}{n} {{{found[2]}}}"

        wording, answer = _ARTICLE.sub(article, wording), _ARTICLE.sub(article, answer)
    return slots.fill(wording), slots.fill(answer), "I know this fact.", {}


# -- other ways to write -----------------------------------------------------------------------------------------------


def _date(w: Words, wanted: str) -> tuple[str, str]:
    """A date in another form than the wanted one, and in the wanted one."""
    year, month, day = w.between(1900, 2035), w.between(1, 12), w.between(1, 28)
    name = MONTHS[month - 1]
    forms = {
        "iso": f"{year}-{month:02}-{day:02}",
        "us": f"{month:02}/{day:02}/{year}",
        "german": f"{day:02}.{month:02}.{year}",
        "long": f"{day} {name} {year}",
    }
    given = [form for kind, form in forms.items() if kind not in (wanted, "us")]
    if wanted != "long":
        given += [f"{name} {day}, {year}", f"{name} {ordinal(day)}, {year}", f"the {ordinal(day)} of {name} {year}"]
        given.append(f"{day} {name[:3]} {year}")
    return w.pick(given), forms[wanted]


def _rewritten(w: Words, task: str) -> tuple[dict[str, Any], str, str]:
    """The slots of a task, its answer and a thought."""
    n = w.between(0, 99)
    language = w.pick(list(NUMBERS))
    if task == "words":
        return {"a": n}, english(n), "In words."
    if task == "digits":
        return {"a": english(n)}, str(n), "In digits."
    if task == "to":
        n = w.between(0, 100)
        return {"a": w.pick((n, n, english(n))), "l": language}, NUMBERS[language][n], f"In {language}."
    if task == "from":
        n = w.between(0, 100)
        return {"t": NUMBERS[language][n], "l": language}, str(n), "In digits."
    if task in ("day_to", "day_from"):
        names, words = w.pick(((WEEKDAYS, WEEKDAYS_IN), (MONTHS, MONTHS_IN)))
        language = w.pick(list(words))
        at = w.between(0, len(names) - 1)
        if task == "day_to":
            return {"a": names[at], "l": language}, words[language][at], f"In {language}."
        return {"t": words[language][at], "l": language}, names[at], "In English."
    if task in ("iso", "us", "german", "long"):
        given, answer = _date(w, task)
        return {"t": given}, answer, "The date in another form."
    if task in ("to24", "to12"):
        hour, minute = w.between(0, 23), w.pick((0, 15, 30, 45, w.between(0, 59)))
        long = f"{hour:02}:{minute:02}"
        if task == "to12":
            return {"t": long}, clock12(hour, minute), "With am or pm."
        short = clock12(hour, minute, mark=w.pick(("am pm", "AM PM", "a.m. p.m.")))
        return {"t": short.replace(":00 ", " ") if w.chance(0.4) else short}, long, "With 24 hours."
    if task == "ordinal":
        return {"a": n + 1}, ordinal(n + 1), "With its ending."
    n = w.between(1, 50) if w.chance(0.8) else w.between(51, 100)
    return ({"a": n}, roman(n), "In Roman numerals.") if task == "roman" else ({"t": roman(n)}, str(n), "In digits.")


def translate_turn(w: Words) -> Exchange:
    """A number, a day, a date or a time in another form."""
    line = w.pick(_known("translate", False))
    given, answer, thought = _rewritten(w, line["task"])
    slots = Slots(w)
    slots.values.update(given)
    return _said(w, line, slots), answer, thought, {}


# -- any of them -------------------------------------------------------------------------------------------------------

_LOOKS_UP = ("search", "look", "find", "quer", "docu", "docs", "knowledge", "retriev", "defin", "countr", "wiki", "get")
_COUNTS = ("calc", "comput", "math", "sum", "add", "plus", "multipl", "subtract", "divid", "number", "arith")
_REWRITES = ("translat", "convert", "format", "date", "time", "number", "language")


def written_turn(w: Words, *, offered: str | None = None) -> Exchange:
    """One exchange of any kind, none that an offered tool could do; `offered` as in `talk_turns`."""
    x = w.rng.random()
    listed = offered or ""
    if x < 0.24 and not any(word in listed for word in _LOOKS_UP):
        return fact_turn(w)
    if x < 0.4 and not any(word in listed for word in _COUNTS):
        return sum_turn(w)
    if x < 0.52 and not any(word in listed for word in _LOOKS_UP):
        return unknown_turn(w, offered=offered)
    if x < 0.6 and not any(word in listed for word in _REWRITES):
        return translate_turn(w)
    return talk_turn(w, offered=offered)


_MAKERS = {"talk": talk_turn, "facts": fact_turn, "unknown": unknown_turn, "translate": translate_turn}


def _conversation(w: Words, kind: str) -> Example:
    """Two to six exchanges, most of one kind, every answer a target; held out, one or two."""
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.25))
    n = w.between(2, 6) if not w.heldout else w.pick((1, 1, 2))
    turns: list[Exchange] = []
    while len(turns) < n:
        if len(turns) < n - 1 and w.chance(0.35):
            turns.append(written_turn(w))
        elif kind == "talk":
            turns += talk_turns(w)
        else:
            turns.append(_MAKERS[kind](w))
    for user, answer, thought, check in turns:
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example(f"written_{kind}", heldout=w.heldout)


def written_talk(w: Words) -> Example:
    """Small talk."""
    return _conversation(w, "talk")


def written_facts(w: Words) -> Example:
    """Facts."""
    return _conversation(w, "facts")


def written_unknown(w: Words) -> Example:
    """What can not be known."""
    return _conversation(w, "unknown")


def written_translate(w: Words) -> Example:
    """Numbers, days, dates and times in other forms."""
    return _conversation(w, "translate")

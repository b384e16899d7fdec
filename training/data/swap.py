"""Other nouns and adjectives in a text and in all that is said of it."""

from __future__ import annotations

import re
from functools import lru_cache

from training.data.words import Words, capitalized, regular_plural, wordlists

WORD = re.compile(r"\b[A-Za-z][a-z]{3,}\b")
_WITH_ARTICLE = re.compile(r"\b(?:([Aa])([Nn]?) )?([A-Za-z]{4,})\b")
#: What questions ask by other words (how long, when, who, how much) or what stands for what was said before.
_KEPT = frozenset(
    """
    time times date number name names person people woman women child children part place thing things question answer
    text page title email phone address minute hour week month year second morning evening afternoon night spring summer
    autumn winter euro dollar percent kilometre metre gram litre degree half quarter dozen hundred thousand million first
    last next other same many more most less least much little such only own true false north south east west mother
    father sister brother daughter husband wife friend couple family town city village country street house home price
    cost colour reason kind sort way one down back well round past fine light right left good each whole January February March April June July August September October November
    December Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    will can might being beyond inside outside till still maybe thanks thank hello nobody nothing something anything
    everything everyone someone anyone yourself today tomorrow yesterday tonight fall somebody everybody somewhere used late better early fast ahead
    going working waiting running known thought possible available means former middle open closed full empty
    """.split()
)


@lru_cache(maxsize=1)
def _kinds() -> tuple[frozenset[str], frozenset[str]]:
    """Nouns, and adjectives, that are nothing else."""
    lists = wordlists()
    nouns, adjectives, verbs = ({str(word) for word in lists[kind]} for kind in ("nouns", "adjectives", "verbs"))
    jobs = {word.lower() for job in lists["jobs"] for word in str(job).split()}
    return frozenset(nouns - adjectives - verbs - _KEPT - jobs), frozenset(adjectives - nouns - verbs - _KEPT)


class Swap:
    """Some words of a text, each with another that takes its place wherever it stands."""

    def __init__(self, w: Words, text: str, share: float) -> None:
        """`share` of the nouns and adjectives of `text` change."""
        nouns, adjectives = _kinds()
        self._new: dict[str, str] = {}
        for word in sorted({found.lower() for found in WORD.findall(text)}):
            singular = next(
                (s for s in (word[:-1], word[:-2], word[:-3] + "y") if s in nouns and regular_plural(s) == word), ""
            )
            if not (word in nouns or word in adjectives or singular) or not w.chance(share):
                continue
            new = w.noun() if word in nouns or singular else w.adjective()
            if new.isalpha() and new.isascii():
                self._new[word] = regular_plural(new) if singular and word not in nouns else new

    def __call__(self, text: str) -> str:
        """The text, or one about it, with the other words."""
        return _WITH_ARTICLE.sub(self._put, text) if self._new else text

    def _put(self, found: re.Match[str]) -> str:
        article, _, old = found.groups()
        new = self._new.get(old.lower())
        if new is None:
            return found[0]
        new = new.upper() if old.isupper() else capitalized(new) if old[0].isupper() else new
        if article is None:
            return new
        return f"{article}{'n' if new[0].lower() in 'aeiou' else ''} {new}"

"""JSON numbers in a range, each a `syntax.Machine`: arithmetic tells the shortest number behind what is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ds4_core.errors import InternalError, UnsupportedError

_UNKNOWN: Any = object()
_PREFIX = re.compile(r"(-?)(?:(0|[1-9][0-9]*)(?:(\.)([0-9]*))?)?")


class Number:
    """A JSON number in a range. A state is what is written of it.

    Attributes:
        low, high: The range, its ends included unless `low_open` or `high_open`; None is no end.
        multiple: It is a multiple of this.
        is_integer: It has no fraction.
    """

    start = ""

    crossing: re.Pattern[bytes] | None = re.compile(rb"[^-+.0-9eE]")

    def __init__(
        self,
        *,
        is_integer: bool,
        low: Fraction | None = None,
        high: Fraction | None = None,
        low_open: bool = False,
        high_open: bool = False,
        multiple: Fraction | None = None,
    ) -> None:
        self.is_integer, self.low, self.high = is_integer, low, high
        self.low_open, self.high_open, self.multiple = low_open, high_open, multiple
        given = [value for value in (low, high, multiple) if value is not None]
        self._decimals = 0 if is_integer else max([_decimals(value) for value in given], default=0) + 1
        top = max([abs(value) for value in given], default=Fraction(1))
        self._digits = len(str(math.ceil(top))) + 1
        self._rests: dict[str, Any] = {}

    def step(self, state: str, char: str) -> str | None:  # noqa: D102
        after = state + char
        return after if self._rest(after) is not None else None

    def done(self, state: str) -> bool:  # noqa: D102
        return self._rest(state) == ""

    def open(self, state: str) -> bool:  # noqa: D102
        return True

    def rest(self, state: str) -> str:  # noqa: D102
        return self._rest(state) or ""

    def possible(self) -> bool:
        """Whether any number fits."""
        return self._rest("") is not None

    def _rest(self, text: str) -> str | None:
        found: str | None = self._rests.get(text, _UNKNOWN)
        if found is _UNKNOWN:
            if len(self._rests) > 10_000:
                self._rests.clear()
            found = self._rests[text] = self._shortest(text)
        return found

    def _shortest(self, text: str) -> str | None:
        match = _PREFIX.fullmatch(text)
        if match is None or (match[3] and self.is_integer):
            return None
        sign, whole, point, fraction = match[1], match[2] or "", match[3] or "", match[4] or ""
        if not text:
            below = self._some("-", "")
            both = (self._some("", ""), None if below is None else "-" + below)
            return min((rest for rest in both if rest is not None), key=len, default=None)
        if not whole:
            return self._some(sign, "")
        if point:
            return self._with_fraction(sign, whole, fraction)
        found = self._fits(sign, int(whole), 1, 0)
        if found is not None:
            return ""
        rests = [self._some(sign, whole)] if whole != "0" else []
        if not self.is_integer:
            rests.append(_dotted(self._with_fraction(sign, whole, "")))
        return min((rest for rest in rests if rest is not None), key=len, default=None)

    def _some(self, sign: str, whole: str) -> str | None:
        """The shortest number of this sign that begins with these digits, less the sign and the digits."""
        best: str | None = None
        for more in range(0 if whole else 1, self._digits + 1):
            base, count = _span(whole, more)
            found = self._fits(sign, base, count, 0)
            if found is not None:
                best = str(found)[len(whole) :]
                break
        return best if self.is_integer else self._shorter_fraction(sign, whole, best)

    def _shorter_fraction(self, sign: str, whole: str, best: str | None) -> str | None:
        for places in range(1, self._decimals + 1):
            for more in range(0 if whole else 1, self._digits + 1):
                if best is not None and len(best) <= more + 1 + places:
                    continue
                scale = 10**places
                base, count = _span(whole, more)
                found = self._fits(sign, base * scale, count * scale, places)
                if found is not None:
                    digits = str(found // scale)[len(whole) :]
                    best = f"{digits}.{found % scale:0{places}d}"
        return best

    def _with_fraction(self, sign: str, whole: str, fraction: str) -> str | None:
        """The shortest rest behind the point."""
        last = max(self._decimals, len(fraction) + 1)
        for places in range(max(1, len(fraction)), last + 1):
            more = 10 ** (places - len(fraction))
            base = (int(whole) * 10 ** len(fraction) + int(fraction or "0")) * more
            found = self._fits(sign, base, more, places)
            if found is not None:
                return str(found).zfill(places)[-places:][len(fraction) :] if places > len(fraction) else ""
        return None

    def _fits(self, sign: str, base: int, count: int, places: int) -> int | None:
        """The smallest number from `base` on, in units of 10**-places, that fits with this sign; None if none does."""
        scale = 10**places
        low, high, low_open, high_open = self.low, self.high, self.low_open, self.high_open
        if sign:
            low, high = (None if high is None else -high), (None if low is None else -low)
            low_open, high_open = high_open, low_open
        first, last = base, base + count - 1
        if low is not None:
            at = low * scale
            first = max(first, math.floor(at) + 1 if low_open else math.ceil(at))
        if high is not None:
            at = high * scale
            last = min(last, math.ceil(at) - 1 if high_open else math.floor(at))
        if self.multiple is not None:
            # The whole numbers n with n / scale a multiple are the multiples of this:
            unit = (self.multiple * scale).numerator
            first = -(-first // unit) * unit
        return first if first <= last else None

    def worst(self, price: Callable[[str], int], state: str | None = None) -> int:  # noqa: D102
        return self._digits + self._decimals + 2

    def inert(self, state: str) -> str | None:  # noqa: D102
        return None

    def skip(self, state: str, count: int) -> None:  # noqa: D102
        return None

    def mark(self, state: str) -> Any:  # noqa: D102
        return state

    def pick(self, state: str, low: int, high: int) -> str | None:  # noqa: D102
        return None


class Checked(Number):
    """A number in a range, in the spellings that llguidance has for it, which are some of those there are."""

    _SEARCHED = 20_000

    def __init__(self, grammar: str, **bounds: Any) -> None:
        """Takes the grammar, and what `Number` takes.

        Raises:
            UnsupportedError: llguidance does not take the grammar.
        """
        from llguidance import LLMatcher

        super().__init__(**bounds)
        self._matcher: Any = LLMatcher(_byte_tokenizer(), grammar, log_level=0)
        if self._matcher.is_error():
            raise UnsupportedError(f"llguidance does not take {grammar!r:.300}: {self._matcher.get_error():.300}")
        self._probes: dict[str, Any] = {}

    def step(self, state: str, char: str) -> str | None:  # noqa: D102
        return state + char if self._probe(state + char) is not None else None

    def done(self, state: str) -> bool:  # noqa: D102
        probe = self._probe(state)
        return probe is not None and probe[0]

    def worst(self, price: Callable[[str], int], state: str | None = None) -> int:  # noqa: D102
        return super().worst(price) + 4

    def _probe(self, text: str) -> tuple[bool, str] | None:
        """Whether a text may end here, and the characters that may follow; None when nothing begins like it."""
        known: tuple[bool, str] | None = self._probes.get(text, _UNKNOWN)
        if known is _UNKNOWN:
            if len(self._probes) > 10_000:
                self._probes.clear()
            matcher = self._matcher.deep_copy()
            codes = [ord(char) if char.isascii() else 255 for char in text]
            found = None
            if matcher.try_consume_tokens(codes) == len(codes):
                mask = int.from_bytes(matcher.compute_bitmask(), "little")
                found = (matcher.is_accepting(), "".join(char for char in _NUMERIC if mask >> ord(char) & 1))
            known = self._probes[text] = found
        return known

    def _shortest(self, text: str) -> str | None:
        guess = super()._shortest(text)
        if guess is not None and self.done(text + guess):
            return guess
        todo = [""]
        for rest in todo:
            probe = self._probe(text + rest)
            if probe is None:
                return None
            if probe[0]:
                return rest
            if len(todo) < self._SEARCHED:
                todo += [rest + char for char in probe[1]]
        raise InternalError(f"no end is found for the number {text!r}")


_NUMERIC = "0123456789.-+eE"


@lru_cache(maxsize=1)
def _byte_tokenizer() -> Any:
    """One token for each byte, and an end."""
    from llguidance import LLTokenizer, TokenizerWrapper

    class Bytes:
        eos_token_id, bos_token_id = 256, None
        tokens = [*(bytes([byte]) for byte in range(256)), b"<end>"]  # noqa: RUF012
        special_token_ids = [256]  # noqa: RUF012

        def __call__(self, text: bytes | str) -> list[int]:
            return list(text.encode() if isinstance(text, str) else text)

    return LLTokenizer(TokenizerWrapper(Bytes()), n_vocab=257, eos_token=256)


def _span(whole: str, more: int) -> tuple[int, int]:
    """The first number, and how many there are, that begin with the digits `whole` and have `more` others."""
    if whole:
        return int(whole) * 10**more, 10**more
    first = 10 ** (more - 1) if more > 1 else 0
    return first, 10**more - first


def _dotted(rest: str | None) -> str | None:
    return None if rest is None else "." + rest


def _decimals(value: Fraction) -> int:
    """Digits behind the point that a number has; as many as a double may have when it never ends."""
    for places in range(32):
        if (value * 10**places).denominator == 1:
            return places
    return 32


class Free(Number):
    """A number in no range; if it is no integer it may have an exponent."""

    _WHOLE = r"-?(0|[1-9][0-9]{0,30})"

    def __init__(self, *, is_integer: bool) -> None:
        """Takes what it may be."""
        super().__init__(is_integer=is_integer)
        more, begun = r"(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", r"(\.[0-9]{0,30}|(\.[0-9]{1,30})?[eE][+-]?[0-9]{0,2})?"
        self.regex = self._WHOLE + ("" if is_integer else more)
        self._all = re.compile(self.regex)
        self._begun = re.compile(f"-?|{self._WHOLE}{'' if is_integer else begun}")

    def _rest(self, text: str) -> str | None:
        if not self._begun.fullmatch(text):
            return None
        return "" if self._all.fullmatch(text) else "0"


#: Up to here llguidance, which holds the ends of a range as doubles, keeps to them exactly.
EXACT = 2**53 - 1


def integer_regex(low: int | None, high: int | None) -> str:
    """A regular expression of the integers from `low` to `high`, None being no end; not for an empty range.

    Without an end they have up to 31 digits, or as many as the other end and one more.
    """
    options = []
    if high is None or high >= 0:
        options.append(_whole_regex(max(low or 0, 0), high))
    if low is None or low < 0:
        options.append("-" + _whole_regex(max(-high, 1) if high is not None else 1, None if low is None else -low))
    return "(" + "|".join(options) + ")"


def _whole_regex(low: int, high: int | None) -> str:
    """Of whole numbers, none of them negative."""
    first = str(low)
    last = "9" * max(31, len(first) + 1) if high is None else str(high)
    if len(first) == len(last):
        return _same_length(first, last)
    options = [_same_length(first, "9" * len(first))]
    if len(last) - len(first) > 1:
        options.append(f"[1-9][0-9]{{{len(first)},{len(last) - 2}}}")
    options.append(_same_length("1" + "0" * (len(last) - 1), last))
    return "(" + "|".join(options) + ")"


def _same_length(first: str, last: str) -> str:
    """Of the numbers between two that have as many digits."""
    common = next((at for at, (one, other) in enumerate(zip(first, last)) if one != other), len(first))
    head, first, last = first[:common], first[common:], last[common:]
    if not first:
        return head
    more = len(first) - 1
    low, high, options = int(first[0]), int(last[0]), []
    if first[1:].strip("0"):
        options.append(f"{low}{_same_length(first[1:], '9' * more)}")
        low += 1
    if last[1:].strip("9"):
        options.append(f"{high}{_same_length('0' * more, last[1:])}")
        high -= 1
    if low <= high:
        options.append(f"[{low}-{high}][0-9]{{{more}}}")
    return f"{head}({'|'.join(options)})"

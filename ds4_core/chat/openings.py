"""Where in the visible answer a tool block begins: the text before it, shown as early as can be, and its spelling."""

from __future__ import annotations

import re

from ds4_core.chat.dsml_tags import MARK, NAMES

# What models write instead of the control token: its text, with bars missing, doubled or of ASCII, or nothing at all.
_BARRED = r"(?:[｜|]{1,2}DSML[｜|]{0,2}|DSML[｜|]{1,2}) ?"
_OPENING = re.compile(
    rf"{MARK}"
    rf"|</?(?P<barred>{_BARRED})(?=[A-Za-z])"
    rf"|</?(?P<bare>DSML ?)(?={'|'.join(NAMES)})"
    r"|<tool_calls(?=[\s>])"
    r"|<invoke[ \t\r\n]{1,2}name ?="
)
_CONTROL = re.compile(MARK)
_BEFORE_MARK = re.compile(r"</?(?P<bars>[｜|]{0,2})\Z")
# The beginnings of an opening, which may still become one.
_BEGINNING = re.compile(
    r"</?[｜|]{0,2}(?:D(?:S(?:M(?:L(?:[｜|]{0,2} ?)?)?)?)?)?"
    r"|<(?:invoke[ \t\r\n]{1,2}(?:n(?:a(?:m(?:e ?)?)?)?)?|t\w{0,9}|i\w{0,5})"
    r"|</?DSML ?(?P<name>[a-z_]+)"
)
_BLANKS_BEFORE = 2  # newlines that the protocol puts before a block


class _Quotes:
    """Tells whether the end of a text is code in Markdown: a fenced block, or between backticks in a line."""

    def __init__(self) -> None:
        self._head = ""  # of the current line
        self._ticks = 0  # in it
        self._fence = ""

    def feed(self, text: str) -> None:
        *lines, last = text.split("\n") if "\n" in text else (text,)
        for line in lines:
            self._add(line)
            mark = self._head.lstrip(" ")[:3]
            if mark in ("```", "~~~") and self._fence in ("", mark):
                self._fence = "" if self._fence else mark
            self._head, self._ticks = "", 0
        self._add(last)

    def _add(self, part: str) -> None:
        self._ticks += part.count("`")
        if len(self._head) < 8:
            self._head += part[:8]

    @property
    def open(self) -> bool:
        return bool(self._fence) or self._ticks % 2 == 1 or self._head.lstrip(" ").startswith(("```", "~~~"))


class OpeningFinder:
    """Splits the visible answer at tool blocks.

    The control token always opens a block. A spelling of it does, unless it is quoted as code in Markdown. Up to two
    newlines before a block belong to it, and so do blanks between a block and the next one, or the end.
    """

    def __init__(self, *, tolerant: bool = True) -> None:
        """Begins at the start of the answer.

        Args:
            tolerant: Whether spellings of the control token open a block, or it alone.
        """
        self._opening = _OPENING if tolerant else _CONTROL
        self._tolerant = tolerant
        self._held = ""
        self._n_quoted = 0  # characters of _held that _quotes has seen
        self._quotes = _Quotes()
        self._gap: list[str] | None = None  # blanks after a block
        self._n_gap = 0

    @property
    def n_held(self) -> int:
        """Characters at the end of what was fed that are held back."""
        return len(self._held) + self._n_gap

    def feed(self, text: str) -> tuple[str, str | None]:
        """Takes more text.

        Returns:
            What can be shown now, and, where a block begins, the text from there on, its newlines included; None where
            none does.
        """
        if not self._held and self._gap is None and "<" not in text and MARK not in text and "\n" not in text:
            self._quotes.feed(text)
            return text, None
        buf = self._held + text
        opening = self._find(buf)
        if opening is not None:
            end = opening
            while end and opening - end < _BLANKS_BEFORE and buf[end - 1] == "\n":
                end -= 1
            shown = self._show(buf[:end])
            self._held, self._n_quoted, self._gap, self._n_gap = "", 0, None, 0
            return shown, buf[end:]
        keep = self._hold(buf)
        self._see(buf, keep)
        self._n_quoted -= keep
        self._held = buf[keep:]
        return self._show(buf[:keep]), None

    def finish(self) -> str:
        """Returns what was held back, at a point where nothing can become a block any more."""
        shown = self._show(self._held)
        self._quotes.feed(self._held[self._n_quoted :])
        self._held, self._n_quoted = "", 0
        return shown

    def after_block(self) -> None:
        """The text fed next follows a block."""
        self._gap, self._n_gap = [], 0
        self._quotes.feed("\n")

    def _find(self, buf: str) -> int | None:
        at = 0
        while found := self._opening.search(buf, at):
            start = found.start()
            if found.group() == MARK:
                # The angle bracket before it, which was held back, belongs to the tag.
                head = _BEFORE_MARK.search(buf, max(0, start - 4), start)
                if head is None or (head["bars"] and not (self._tolerant and not self._is_quoted(buf, head.start()))):
                    return start
                return head.start()
            if not self._is_quoted(buf, start):
                return start
            at = found.end()
        return None

    def _hold(self, buf: str) -> int:
        """Where the end of `buf` begins that may still belong to a block."""
        keep = buf.rfind("<")
        tail = buf[keep:] if keep >= 0 else ""
        if not self._may_open(tail, tolerant=self._tolerant) or (
            tail not in ("<", "</") and self._is_quoted(buf, keep)
        ):
            keep = len(buf)
        for _ in range(_BLANKS_BEFORE):
            keep -= buf.endswith("\n", 0, keep)
        return keep

    @staticmethod
    def _may_open(tail: str, *, tolerant: bool) -> bool:
        if not tolerant:
            return tail in ("<", "</")
        beginning = _BEGINNING.fullmatch(tail)
        if beginning is None:
            return False
        if name := beginning["name"]:
            return any(known.startswith(name) for known in NAMES)
        return tail[1:2] not in ("t", "i") or "tool_calls".startswith(tail[1:]) or "invoke".startswith(tail[1:7])

    def _see(self, buf: str, end: int) -> None:
        if end > self._n_quoted:
            self._quotes.feed(buf[self._n_quoted : end])
            self._n_quoted = end

    def _is_quoted(self, buf: str, at: int) -> bool:
        self._see(buf, at)
        return self._quotes.open

    def _show(self, text: str) -> str:
        if self._gap is None or not text:
            return text
        if text.isspace():
            self._gap.append(text)
            self._n_gap += len(text)
            return ""
        shown = "".join(self._gap) + text
        self._gap, self._n_gap = None, 0
        return shown


def spelling_of(block: str) -> str:
    """How the block that begins with this text, its newlines left out, spells the control token."""
    if block.lstrip("</｜|").startswith(MARK):
        return MARK
    found = _OPENING.match(block)
    return "" if found is None else found["barred"] or found["bare"] or ""

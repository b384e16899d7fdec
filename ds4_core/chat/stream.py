"""Tokens to events: UTF-8 across tokens, thinking split from text, stop strings, tool calls, log-probabilities."""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from ds4_core.chat.assembly import Entry, Joiner, Ledger, ScoredToken
from ds4_core.chat.dsml import TRUNCATED, BlockParser, Calls
from ds4_core.chat.dsml_tags import BAD, MARK
from ds4_core.chat.events import (
    Accumulator,
    Alternative,
    Delta,
    ReasoningDelta,
    Section,
    TextDelta,
    TokenLogprob,
    ToolCallEnd,
    ToolCallStart,
    Turn,
)
from ds4_core.chat.openings import OpeningFinder, spelling_of
from ds4_core.chat.protocol import Special
from ds4_core.chat.stop import StopMatcher
from ds4_core.errors import InvalidRequestError

__all__ = ["ScoredToken", "StopMatcher", "StreamDecoder", "TokenTable", "new_call_id", "parse_turn"]

# Control tokens that stand for no text. The DSML marker is missing on purpose: it is only markup inside a tool block.
_SILENT = (Special.BOS, Special.USER, Special.ASSISTANT, Special.LATEST_REMINDER)

_MARK_BAD_BYTES = "ds4.mark-bad-bytes"


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BAD, error.end


codecs.register_error(_MARK_BAD_BYTES, _mark_bad_bytes)


class TokenTable(Protocol):
    """What the decoder asks of a vocabulary."""

    def token_bytes(self, token: int, /) -> bytes:
        """The bytes one token stands for."""
        ...

    def find_token(self, text: str, /) -> int | None:
        """The id of the token whose text is exactly this, None when there is none."""
        ...


def new_call_id() -> str:
    """An id for a tool call, unique in practice."""
    return f"call_{secrets.token_hex(12)}"


class StreamDecoder:
    """Turns generated token ids into events, in any chunking and in linear time.

    Thinking begins and ends at the real `<think>` and `</think>` ids, never at text that looks like them. Stop strings
    are looked for in the visible answer only, and do not reach over thinking or a tool block. A byte sequence that is
    cut off at the end of a section, or is no UTF-8, becomes U+FFFD in text, as in `bytes.decode(errors="replace")`, and
    makes a tool call invalid.
    """

    def __init__(
        self,
        table: TokenTable,
        *,
        stop: Sequence[str] = (),
        reasoning: bool = False,
        tools: bool | Collection[str] = False,
        tolerant: bool = True,
        logprobs: bool = False,
        end_tokens: Collection[int] = (),
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        """Begins a stream.

        Args:
            table: The vocabulary.
            stop: Stop strings; none of them empty.
            reasoning: Whether the prompt left the model inside a thinking block.
            tools: Whether the request has tools, or their names. Without any, nothing is a tool block. A call of an
                unknown name is still a call.
            tolerant: Whether the spellings of the DSML marker that models write by mistake open a tool block as well.
            logprobs: Whether the events carry log-probabilities; every token fed must then be a `ScoredToken`.
            end_tokens: Ids that end the turn beside the end-of-sentence token; they stand for no text.
            new_id: Makes the ids of tool calls.

        Raises:
            InvalidRequestError: A stop string is empty.
        """
        self._table = table
        self._reasoning = reasoning
        self._new_id = new_id
        self._matcher = StopMatcher(stop)
        self._finder = OpeningFinder(tolerant=tolerant) if tools else None
        self._block: BlockParser | None = None
        self._think_open = table.find_token(Special.THINK_OPEN.value)
        self._think_close = table.find_token(Special.THINK_CLOSE.value)
        self._mark = table.find_token(Special.DSML.value)
        self._ends = {table.find_token(Special.EOS.value), *end_tokens} - {None}
        self._silent = {table.find_token(special.value) for special in _SILENT} - {None} | self._ends
        self._special = self._silent | {self._think_open, self._think_close, self._mark} - {None}
        self._bytes: dict[int, bytes] = {}
        self._partial = b""  # of an unfinished character
        self._n_chars = 0
        self._logprobs = logprobs
        self._ledger = Ledger() if logprobs or self._matcher.stops else None
        self._n_fed = 0
        self._n_kept: int | None = None
        self._out = Joiner()
        self._calls = Calls(self._begin_call, self._add_arguments, self._end_call)
        self.n_reasoning = 0
        self.n_calls = 0
        self.n_complete_calls = 0

    @property
    def stopped(self) -> str | None:
        """The stop string that fired, None while none did. Tokens fed later are ignored."""
        return self._matcher.fired

    @property
    def n_kept(self) -> int:
        """Generated tokens that lie wholly before the stop string that fired; while none did, all that were fed."""
        return self._n_fed if self._n_kept is None else self._n_kept

    @property
    def trailing(self) -> tuple[TokenLogprob, ...]:
        """After `finish`: log-probabilities of the tokens that came after the last event."""
        return tuple(self._ledger.ready) if self._ledger and self._logprobs else ()

    def feed(self, tokens: Iterable[int | ScoredToken]) -> list[Delta]:
        """Takes the next tokens, the one that ends the turn included, and returns the events that are certain now.

        Neighbouring deltas of one kind are joined.

        Raises:
            InvalidRequestError: A token comes without its log-probability although the events are to carry it.
        """
        for item in tokens:
            if self._matcher.fired is not None:
                break
            token = item.token if isinstance(item, ScoredToken) else item
            data = self._bytes.get(token)
            if data is None:
                data = self._bytes[token] = self._table.token_bytes(token)
            self._n_fed += 1
            if token in self._special and self._special_token(token, item, data):
                continue
            start = self._n_chars
            self.n_reasoning += self._reasoning
            text = self._decode(data)
            self._n_chars += len(text)
            if self._ledger is not None:
                width = len(text) + bool(self._partial)
                self._ledger.add(start, width, self._entry(item, data))
            if text:
                self._route(text)
        return self._out.take()

    def finish(self) -> list[Delta]:
        """Ends the stream and returns what was still held back. A tool call that is open becomes an invalid one."""
        if self._matcher.fired is None:
            self._end_section()
            self._settle(self._n_chars, "text" if self._finder is None else "tool")
        return self._out.take()

    # Tokens to characters.

    def _special_token(self, token: int, item: int | ScoredToken, data: bytes) -> bool:
        """Treats a token that may be more than its text; tells whether it was."""
        if token == self._mark:
            if self._finder is None or self._reasoning:
                return False
            self._end_characters()
            self._account(item, data, None, 1)
            self._route(MARK)
            return True
        if token in self._silent:
            if self._block is not None:
                error = TRUNCATED if token in self._ends else "a control token interrupts the call"
                self._end_block(self._block, error)
            self._end_characters()
            section: Section = "eos" if token in self._ends else "reasoning" if self._reasoning else "text"
            self._account(item, data, section, 0)
            return True
        if self._block is not None:  # in a call, the markers of thinking are what they spell
            return False
        self._end_section()
        thinks = self._reasoning or token == self._think_open  # a `</think>` in the answer ends nothing
        self.n_reasoning += thinks
        self._account(item, data, "reasoning" if thinks else "text", 0)
        self._reasoning = token == self._think_open
        return True

    def _decode(self, data: bytes, *, final: bool = False) -> str:
        if self._partial:
            data = self._partial + data
        text, used = codecs.utf_8_decode(data, _MARK_BAD_BYTES, final)
        self._partial = data[used:]
        return text

    def _end_characters(self) -> None:
        """Ends a character that is cut off here."""
        if self._partial:
            text = self._decode(b"", final=True)
            self._n_chars += len(text)
            self._route(text)

    def _end_block(self, block: BlockParser, error: str) -> None:
        """Ends a tool block before its closing tag."""
        after = None
        if self._partial:
            self._partial = b""
            self._n_chars += 1
            after = block.feed("\ufffd")  # cut off, not wrong
        self._leave_block(block.finish(error) if after is None else after)

    def _end_section(self) -> None:
        """Ends what is open here: a character, a tool call, what may have become a tool block or a stop string."""
        if self._block is not None:
            self._end_block(self._block, TRUNCATED)
        self._end_characters()
        if self._reasoning:
            return
        if self._finder is not None:
            self._visible(self._finder.finish(), self._finder.n_held)
        self._flush_stop(0 if self._finder is None else self._finder.n_held)

    # Characters to events. `behind` is the number of characters after those at hold.

    def _route(self, text: str) -> None:
        if self._block is not None:
            self._feed_block(self._block, text)
        elif self._reasoning:
            self._settle(self._n_chars, "reasoning")
            self._show(ReasoningDelta, text.replace(BAD, "\ufffd"))
        elif self._finder is not None:
            self._search(self._finder, text)
        else:
            self._visible(text, 0)

    def _search(self, finder: OpeningFinder, text: str) -> None:
        shown, block = finder.feed(text)
        self._visible(shown, finder.n_held if block is None else len(block))
        if block is None or self._matcher.fired is not None:
            return
        self._flush_stop(len(block))
        block = block.lstrip("\n")
        self._block = BlockParser(spelling_of(block), self._calls)
        self._feed_block(self._block, block)

    def _feed_block(self, block: BlockParser, text: str) -> None:
        after = block.feed(text)
        if after is not None:
            self._leave_block(after)

    def _leave_block(self, after: str) -> None:
        self._block = None
        if self._finder is not None:
            self._finder.after_block()
            if after:
                self._search(self._finder, after)

    def _visible(self, text: str, behind: int) -> None:
        if not text or self._matcher.fired is not None:
            return
        if BAD in text:
            text = text.replace(BAD, "\ufffd")
        end = self._n_chars - behind
        before = end - len(text) - self._matcher.n_held
        shown = self._matcher.feed(text)
        fired = self._matcher.fired is not None
        end = before + len(shown) if fired else end - self._matcher.n_held
        self._settle(end, "text")
        if shown:
            self._show(TextDelta, shown)
        if fired and self._ledger is not None:
            self._n_kept = self._ledger.stop_at(end)

    def _flush_stop(self, behind: int) -> None:
        held = self._matcher.flush()
        if held:
            self._settle(self._n_chars - behind, "text")
            self._show(TextDelta, held)

    def _show(self, kind: type[ReasoningDelta] | type[TextDelta], text: str) -> None:
        self._out.text(kind, text, self._take_tokens())

    # What the parser of a tool block finds.

    def _begin_call(self, name: str) -> None:
        self.n_calls += 1
        self._settle_block()
        self._out.event(ToolCallStart(self.n_calls - 1, self._new_id(), name, tuple(self._take_tokens())))

    def _add_arguments(self, fragment: str) -> None:
        self._settle_block()
        self._out.fragment(self.n_calls - 1, fragment, self._take_tokens())

    def _end_call(self, error: str | None, raw: str | None) -> None:
        self.n_complete_calls += error is None
        self._settle_block()
        tokens = tuple(self._take_tokens())
        self._out.event(ToolCallEnd(self.n_calls - 1, error is None, error, raw, tokens))

    # Log-probabilities.

    def _account(self, item: int | ScoredToken, data: bytes, section: Section | None, width: int) -> None:
        """Notes a control token, which stands for `width` characters."""
        start = self._n_chars
        self._n_chars += width
        if self._ledger is not None:
            self._ledger.add(start, width, self._entry(item, data), section)

    def _entry(self, item: int | ScoredToken, data: bytes) -> Entry | None:
        if not self._logprobs:
            return None
        if not isinstance(item, ScoredToken):
            raise InvalidRequestError(f"token {item} came without its log-probability, which the events are to carry")
        return item, data, tuple(Alternative(t.token, self._table.token_bytes(t.token), t.logprob) for t in item.top)

    def _settle(self, end: int, section: Section) -> None:
        if self._ledger is not None:
            self._ledger.settle(end, section)

    def _settle_block(self) -> None:
        if self._ledger is not None and self._block is not None:
            self._ledger.settle(self._n_chars - self._block.n_pending, "tool")

    def _take_tokens(self) -> list[TokenLogprob]:
        if self._ledger is None:
            return []
        tokens, self._ledger.ready = self._ledger.ready, []
        return tokens


def parse_turn(
    table: TokenTable,
    tokens: Iterable[int],
    *,
    reasoning: bool = False,
    tools: bool | Collection[str] = False,
    stop: Sequence[str] = (),
    new_id: Callable[[], str] = new_call_id,
) -> Turn:
    """What a whole turn says: the fold over the events of its tokens; the arguments are those of `StreamDecoder`."""
    decoder = StreamDecoder(table, stop=stop, reasoning=reasoning, tools=tools, new_id=new_id)
    total = Accumulator()
    for event in decoder.feed(tokens) + decoder.finish():
        total.add(event)
    return total.turn()

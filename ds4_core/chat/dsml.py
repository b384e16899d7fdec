"""The tool-call blocks of the message protocol, parsed while they stream in: text to calls with JSON arguments.

A block is `<Mtool_calls>`, then calls (`<Minvoke name="...">`) that hold parameters (`<Mparameter name="..."
string="true|false">`), and the closing tags. M is the block's spelling: the control token `｜DSML｜` itself, or what a
model writes by mistake instead. The spelling that opened a block is the only one that counts in it. What does not parse
becomes an invalid call; a call is never completed, corrected or left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring

from ds4_core.chat.dsml_tags import (
    BAD,
    BLANKS,
    NO_TOOL_NAME,
    json_error,
    plain,
    read_attributes,
    tags_of,
)

TRUNCATED = "the generation ended inside the call"
_NO_UTF8 = "the call holds bytes that are no UTF-8"
_MAX_TAG = 4096  # characters; bounds how much is held back for a tag that never closes
_MAX_BLANKS = 16  # before the end of a tag without attributes


@dataclass(frozen=True, slots=True)
class Calls:
    """Where a parser puts what it finds. `BlockParser.n_pending` tells how much of its text is still undecided.

    Attributes:
        begin: Takes the name of a call that begins; empty when it could not be read.
        arguments: Takes a piece of the JSON text of the call's arguments.
        end: Takes what is wrong with a call that is over, or None, and the text an invalid one was parsed from.
    """

    begin: Callable[[str], None]
    arguments: Callable[[str], None]
    end: Callable[[str | None, str | None], None]


class BlockParser:
    """Parses one block. The time it takes is linear in the text, however the text is cut."""

    def __init__(self, spelling: str, calls: Calls) -> None:
        """Begins before the block's first tag.

        Args:
            spelling: What stands between `<` or `</` and the name in the block's tags: `MARK`, or text.
            calls: Takes what is found.
        """
        self._tags = tags_of(spelling)
        self._calls = calls
        self._state: Callable[[], bool] | None = self._at_start
        self._buf, self._at = "", 0
        self._wrapped = False  # whether the tool_calls tag was there
        self._opening: list[str] = []  # what was read of a block without a call yet
        self._gap: list[str] = []  # blanks after a call without a wrapper: the block's, or of the text after it
        self._n_gap = self._n_calls = 0
        self._in_call = self._announced = False
        self._raw: list[str] = []
        self._error = ""
        self._n_head = self._scanned = 0  # of the tag whose attributes are read: its name, and what holds no other tag
        self._key = ""
        self._keys: set[str] = set()
        self._value: list[str] = []

    @property
    def n_pending(self) -> int:
        """Characters at the end of what was fed that are not decided yet."""
        return len(self._buf) - self._at + self._n_gap

    def feed(self, text: str) -> str | None:
        """Takes more text; once the block is over, returns what follows it, until then None."""
        self._buf, self._at = self._buf[self._at :] + text, 0
        while self._state is not None:
            if not self._state():
                return None
        return "".join(self._gap) + self._buf[self._at :]

    def finish(self, error: str = TRUNCATED) -> str:
        """Ends the block where the text ends. A call that is open is invalid, because of `error`.

        Returns:
            What turned out not to belong to the block.
        """
        if self._in_call:
            self._take(len(self._buf))
            self._end_call(self._error or error)
            return ""
        rest = self._buf[self._at :]
        if not self._n_calls:
            self._opening.append(rest)
            self._at = len(self._buf)
            self._invalid(error)
            return ""
        if not self._wrapped and len(rest) < 2:
            return "".join(self._gap) + rest
        self._gap, self._n_gap, self._at = [], 0, len(self._buf)
        if len(rest) > 1 and not self._tags.close_block.startswith(rest):
            self._opening = [rest]
            self._invalid(error)
        return ""

    # Each state consumes what it can, and tells whether another one (or the same again) can go on with the rest.

    def _at_start(self) -> bool:
        tag = self._tags.match(self._buf, self._at)
        if tag is None:
            if self._tags.may_become_tag(self._buf[self._at :]):
                return False
            return self._begin_broken("the block does not begin with a tag of the protocol")
        head = tag.group()
        if head == self._tags.open_call:
            return self._begin_call()
        if head == self._tags.open_block:
            return self._open_block(tag.end())
        if head == self._tags.open_value:
            return self._begin_broken("a parameter outside of a call", tag.end())
        closed = self._closed(tag.end())
        if closed is None:
            return False
        self._opening = [self._buf[self._at : closed or tag.end()]]
        self._at = closed or tag.end()
        self._invalid("a closing tag without its opening tag")
        return self._close()

    def _open_block(self, end: int) -> bool:
        closed = self._closed(end)
        if closed is None:
            return False
        if not closed:
            return self._begin_broken("the tag that opens the block is not closed", end)
        self._opening = [self._buf[self._at : closed]]
        self._at, self._wrapped, self._state = closed, True, self._between_calls
        return True

    def _between_calls(self) -> bool:
        self._skip_blanks()
        if self._at == len(self._buf):
            return False
        tag = self._tags.match(self._buf, self._at)
        if tag is None:
            if self._tags.may_become_tag(self._buf[self._at :]):
                return False
            return self._begin_broken("text between the calls") if self._wrapped else self._close()
        head = tag.group()
        if head == self._tags.open_call:
            return self._begin_call()
        if head == self._tags.open_block and not self._wrapped:
            return self._close()
        if head != self._tags.close_block:
            return self._begin_broken("a tag out of place between the calls", tag.end())
        closed = self._closed(tag.end())
        if closed is None:
            return False
        if not closed:
            return self._begin_broken("the tag that closes the block is not closed", tag.end())
        self._opening.append(self._buf[self._at : closed])
        self._at, self._gap, self._n_gap = closed, [], 0
        if not self._n_calls:
            self._invalid("the block holds no call")
        return self._close()

    def _call_header(self) -> bool:
        attributes = self._attributes()
        if attributes is None:
            return False
        if isinstance(attributes, str):
            return self._fail(attributes)
        name = attributes.get("name")
        if name is None or set(attributes) != {"name"}:
            return self._fail("the tag of a call has one attribute, its name")
        if NO_TOOL_NAME.search(name):
            return self._fail("the name of the call can not be the name of a tool")
        self._announce(name)
        self._state = self._in_invoke
        return True

    def _in_invoke(self) -> bool:
        buf, at = self._buf, self._at
        while at < len(buf) and buf[at] in BLANKS:
            at += 1
        self._take(at)
        if at == len(buf):
            return False
        tag = self._tags.match(buf, at)
        if tag is None:
            if self._tags.may_become_tag(buf[at:]):
                return False
            return self._fail("text between the parameters")
        head = tag.group()
        if head == self._tags.open_value:
            self._n_head = self._scanned = len(head)
            self._state = self._value_header
            return True
        if head != self._tags.close_call:
            return self._fail("a tag out of place between the parameters")
        closed = self._closed(tag.end())
        if closed is None:
            return False
        if not closed:
            return self._fail("the tag that closes the call is not closed")
        self._take(closed)
        self._calls.arguments("}" if self._keys else "{}")
        return self._end_call(None)

    def _value_header(self) -> bool:
        attributes = self._attributes()
        if attributes is None:
            return False
        if isinstance(attributes, str):
            return self._fail(attributes)
        if set(attributes) != {"name", "string"} or attributes["string"] not in ("true", "false"):
            return self._fail('the tag of a parameter has the attributes name and string, which is "true" or "false"')
        if BAD in attributes["name"]:
            return self._fail(_NO_UTF8)
        key = plain(attributes["name"])
        if key in self._keys:
            return self._fail(f"the parameter {key!r:.80} appears twice")
        self._key = ("{" if not self._keys else ", ") + encode_basestring(key) + ": "
        self._keys.add(key)
        if attributes["string"] == "true":
            self._calls.arguments(self._key + '"')
            self._state = self._string_value
        else:
            self._value, self._state = [], self._json_value
        return True

    def _string_value(self) -> bool:
        tag, text = self._until_tag()
        text, bad, _ = text.partition(BAD)
        if text:
            self._calls.arguments(encode_basestring(plain(text))[1:-1])
        if bad:
            return self._fail(_NO_UTF8)
        if tag is None:
            return False
        if self._value_closed(tag):
            self._calls.arguments('"')
            self._state = self._in_invoke
        return True

    def _json_value(self) -> bool:
        tag, text = self._until_tag()
        self._value.append(text)
        if BAD in text:
            return self._fail(_NO_UTF8)
        if tag is None:
            return False
        if self._value_closed(tag):
            value = plain("".join(self._value)).strip(BLANKS)
            error = json_error(value)
            if error:
                return self._fail(f'a parameter with string="false" is no JSON: {error}')
            self._calls.arguments(self._key + value)
            self._state = self._in_invoke
        return True

    def _until_tag(self) -> tuple[re.Match[str] | None, str]:
        """Takes the text of a value up to the next tag, or up to what may still become one."""
        tag = self._tags.search(self._buf, self._at)
        end = tag.start() if tag else self._tags.hold(self._buf, self._at)
        text = self._buf[self._at : end]
        self._take(end)
        return tag, text

    def _value_closed(self, tag: re.Match[str]) -> bool:
        """Whether the tag closes the value; any other one ends the call as invalid."""
        if tag.group() == self._tags.close_value and self._buf[tag.end()] == ">":
            self._take(tag.end() + 1)
            return True
        self._fail("a parameter is not closed, or holds a tag of the protocol")
        return False

    def _broken(self) -> bool:
        """Inside an invalid call: goes on to where the next one may begin."""
        tags, buf = self._tags, self._buf
        tag = tags.search(buf, self._at)
        if tag is None:
            self._take(tags.hold(buf, self._at))
            return False
        head, start, end = tag.group(), tag.start(), tag.end()
        self._take(start)
        if head == tags.open_call:
            self._end_call(self._error)
            return self._begin_call()
        ends = (tags.close_call, tags.close_block, *(() if self._wrapped else (tags.open_block,)))
        closed = self._closed(end) if head in ends else 0
        if closed is None:
            return False
        if not closed:
            self._take(end)
        elif head == tags.close_call:
            self._take(closed)
            self._end_call(self._error)
        else:
            self._end_call(self._error)
            if head == tags.open_block:
                self._at, self._wrapped = closed, True
        return True

    # What the states are made of.

    def _closed(self, end: int) -> int | None:
        """The end of a tag without attributes whose name ends at `end`: 0 when it has no `>`, None when unknown yet."""
        start, limit = end, min(len(self._buf), end + _MAX_BLANKS)
        while end < limit and self._buf[end] in BLANKS:
            end += 1
        if end == len(self._buf) and end - start < _MAX_BLANKS:
            return None
        return end + 1 if self._buf.startswith(">", end) else 0

    def _attributes(self) -> dict[str, str] | str | None:
        """Reads the attributes of the tag at hand: a dict, an error, or None when its end is not there yet."""
        buf, start = self._buf, self._at
        limit = min(len(buf), start + _MAX_TAG)
        other = self._tags.search(buf, start + self._scanned)
        if other:
            limit = min(limit, other.start())
        if buf.find(">", start + self._scanned, limit) >= 0:
            read = read_attributes(buf, start + self._n_head, limit)
            if read is not None:
                attributes, end = read
                self._take(end)
                return attributes
        if other or limit == start + _MAX_TAG:
            self._take(limit)
            return "a tag is not closed, or its attributes can not be read"
        self._scanned = max(self._scanned, self._tags.hold(buf, start + self._scanned) - start)
        return None

    def _begin_call(self) -> bool:
        self._in_call, self._announced, self._raw, self._error = True, False, [], ""
        self._n_calls += 1
        self._gap, self._n_gap, self._opening = [], 0, []
        self._keys = set()
        self._n_head = self._scanned = len(self._tags.open_call)
        self._state = self._call_header
        return True

    def _begin_broken(self, error: str, end: int = 0) -> bool:
        """An invalid call begins here; what lies before `end` certainly belongs to it."""
        self._begin_call()
        self._take(max(end, self._at))
        return self._fail(error)

    def _announce(self, name: str) -> None:
        self._calls.begin(name)
        self._announced = True

    def _fail(self, error: str) -> bool:
        if not self._announced:
            self._announce("")
        self._error, self._state = error, self._broken
        return True

    def _end_call(self, error: str | None) -> bool:
        if not self._announced:
            self._announce("")
        self._calls.end(error, plain("".join(self._raw)) if error else None)
        self._in_call, self._raw, self._state = False, [], self._between_calls
        return True

    def _invalid(self, error: str) -> None:
        """A whole invalid call: what was read of the block so far."""
        self._n_calls += 1
        self._calls.begin("")
        self._calls.end(error, plain("".join(self._opening)))
        self._opening = []

    def _close(self) -> bool:
        self._state = None
        return True

    def _skip_blanks(self) -> None:
        at = self._at
        while at < len(self._buf) and self._buf[at] in BLANKS:
            at += 1
        blanks, self._at = self._buf[self._at : at], at
        if not self._wrapped:
            self._gap.append(blanks)
            self._n_gap += len(blanks)
        elif not self._n_calls:
            self._opening.append(blanks)

    def _take(self, end: int) -> None:
        """Consumes the text up to `end` as part of the call."""
        self._raw.append(self._buf[self._at : end])
        self._at = end

"""The words of a tool block: its tags in one spelling, their attributes, and what a JSON value may be."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from ds4_core.chat.protocol import Special

# Two characters that no UTF-8 decodes to, so that they can not come from text.
#: Stands for the control token in the text that the parsers read.
MARK = "\udbfe"
#: Stands for bytes that are no UTF-8.
BAD = "\udbff"

NAMES = ("tool_calls", "invoke", "parameter")
BLANKS = " \t\r\n"

_DOUBLE, _SINGLE = '"“”„‟＂', "'‘’‚‛"  # noqa: RUF001 - the quotes that models write
_NEXT = rf"(?=\s+[A-Za-z_][\w-]*\s*=\s*[{_DOUBLE}{_SINGLE}]|\s*>)"  # ends a value: another attribute, or the tag's end
_ATTRIBUTE = re.compile(
    rf"\s+([A-Za-z_][\w-]*)\s*=\s*(?:[{_DOUBLE}](.*?)[{_DOUBLE}]|[{_SINGLE}](.*?)[{_SINGLE}]){_NEXT}", re.S
)
_TAG_END = re.compile(r"\s*>")
#: Finds something in a text that can not be the name of a tool.
NO_TOOL_NAME = re.compile(rf"[<>{_DOUBLE}{_SINGLE}\x00-\x1f\x7f{MARK}{BAD}]|^\s*$")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def plain(text: str) -> str:
    """Text with the characters that stand for something spelled out."""
    return text.replace(MARK, Special.DSML.value).replace(BAD, "\ufffd")


class Tags:
    """The tags of one spelling."""

    def __init__(self, spelling: str) -> None:
        self.heads = tuple(f"<{slash}{spelling}{name}" for name in NAMES for slash in ("", "/"))
        self.open_block, self.close_block, self.open_call, self.close_call = self.heads[:4]
        self.open_value, self.close_value = self.heads[4:]
        heads = "|".join(map(re.escape, self.heads))
        self.match = re.compile(rf"(?:{heads})(?=[^A-Za-z0-9_\-])").match
        # The control token in a block of another spelling is no text that anybody meant.
        foreign = "" if spelling == MARK else f"|(?:</?)?{MARK}"
        self.search = re.compile(rf"(?:{heads})(?=[^A-Za-z0-9_\-]){foreign}").search

    def hold(self, text: str, start: int) -> int:
        """Where the end of `text` begins that may still become a tag; its length when no end may."""
        at = text.rfind("<", start)
        return at if at >= 0 and self.may_become_tag(text[at:]) else len(text)

    def may_become_tag(self, text: str) -> bool:
        """Whether the text is the beginning of a tag, or all of one up to its name."""
        return any(head.startswith(text) for head in self.heads)


tags_of = lru_cache(maxsize=64)(Tags)


def read_attributes(text: str, start: int, end: int) -> tuple[dict[str, str] | str, int] | None:
    """Reads a tag from behind its name on.

    Args:
        text: Holds the tag.
        start: Where its name ends.
        end: Where to stop reading.

    Returns:
        The attributes, or what is wrong with them, and where the tag ends; None when it does not end before `end`.
    """
    found: dict[str, str] = {}
    error = ""
    while attribute := _ATTRIBUTE.match(text, start, end):
        name, double, single = attribute.groups()
        if name in found:
            error = f"the attribute {name} appears twice"
        found[name] = double if double is not None else single
        start = attribute.end()
    tag_end = _TAG_END.match(text, start, end)
    return (error or found, tag_end.end()) if tag_end else None


def json_error(text: str) -> str | None:
    """Why the text is no JSON value, None when it is one. Numbers may have any size; keys must be unique."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_unique)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return str(error)
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has the same key twice")
    return values

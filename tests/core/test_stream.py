"""Tokens to events: characters, thinking, stop strings, and that the chunking of the tokens leaves no trace."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import InvalidRequestError
from ds4_core.chat import (
    ChatResult,
    Finish,
    ReasoningDelta,
    Special,
    StopMatcher,
    StreamDecoder,
    TextDelta,
    Timings,
    Usage,
    collect,
)

PIECES = [b"a", b"b", b"ab", b"ba ", b"\xc3", b"\xa9", "é".encode(), b"\xf0\x9f", b"\x98\x80", b"\xff", b"<think>", b""]
SPECIALS = [Special.THINK_OPEN, Special.THINK_CLOSE, Special.USER, Special.EOS, Special.DSML]


class Table:
    """A vocabulary of a few pieces of bytes, followed by control tokens."""

    def token_bytes(self, token):
        return PIECES[token] if token < len(PIECES) else SPECIALS[token - len(PIECES)].value.encode()

    def find_token(self, text):
        return next((len(PIECES) + i for i, special in enumerate(SPECIALS) if special.value == text), None)


TABLE = Table()
OPEN, CLOSE, USER, EOS, DSML = (TABLE.find_token(special.value) for special in SPECIALS)
TOKENS = st.lists(st.integers(0, len(PIECES) + len(SPECIALS) - 1), max_size=40)
STOPS = st.lists(st.text("abé", min_size=1, max_size=5), max_size=3)


def ids(*pieces):
    return [PIECES.index(piece) for piece in pieces]


def run(tokens, *, cuts=(), **options):
    """(text, reasoning) after feeding the tokens in the chunks that `cuts` makes."""
    decoder = StreamDecoder(TABLE, **options)
    events, borders = [], [0, *sorted(cuts), len(tokens)]
    for start, end in pairwise(borders):
        events += decoder.feed(tokens[start:end])
    events += decoder.finish()
    assert all(event.text for event in events)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, "".join(event.text for event in events if isinstance(event, ReasoningDelta)), decoder


def expected(tokens, stops, reasoning):
    """The same by looking at the whole: cut at control tokens, decode, search."""
    sections, current = [], (reasoning, [b""])
    for token in tokens:
        if token in (OPEN, CLOSE):
            sections.append(current)
            current = (token == OPEN, [b""])
        elif token in (USER, EOS):
            current[1].append(b"")
        else:
            current[1][-1] += TABLE.token_bytes(token)
    text = thoughts = ""
    for is_reasoning, parts in [*sections, current]:
        piece = "".join(part.decode(errors="replace") for part in parts)
        if is_reasoning:
            thoughts += piece
            continue
        found = [(piece.index(stop) + len(stop), -len(stop), stop) for stop in stops if stop in piece]
        if found:
            end, _, stop = min(found)
            return text + piece[: end - len(stop)], thoughts, stop
        text += piece
    return text, thoughts, None


@settings(deadline=None)
@given(TOKENS, STOPS, st.booleans(), st.lists(st.integers(0, 40), max_size=10))
def test_any_chunking_gives_what_the_whole_says(tokens, stops, reasoning, cuts):
    text, thoughts, decoder = run(tokens, cuts=[min(c, len(tokens)) for c in cuts], stop=stops, reasoning=reasoning)
    assert (text, thoughts, decoder.stopped) == expected(tokens, stops, reasoning)


@settings(deadline=None)
@given(TOKENS, STOPS)
def test_token_by_token_equals_all_at_once(tokens, stops):
    assert run(tokens, stop=stops)[:2] == run(tokens, cuts=range(1, len(tokens)), stop=stops)[:2]


@settings(deadline=None)
@given(st.text("abc", max_size=40), st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=3))
def test_only_what_may_become_a_stop_string_is_held_back(text, stops):
    matcher, shown = StopMatcher(stops), ""
    for i, char in enumerate(text, start=1):
        shown += matcher.feed(char)
        if matcher.fired is not None:
            return
        seen = text[:i]
        assert seen.startswith(shown)
        held = max((n for stop in stops for n in range(len(stop)) if n and seen.endswith(stop[:n])), default=0)
        assert len(shown) == i - held
    assert shown + matcher.flush() == text


def test_character_over_several_tokens_comes_whole():
    decoder = StreamDecoder(TABLE)
    assert decoder.feed(ids(b"\xf0\x9f")) == []
    assert decoder.feed(ids(b"\x98\x80")) == [TextDelta("😀")]
    assert decoder.finish() == []


def test_character_cut_off_at_the_end_becomes_a_replacement_character():
    assert run(ids(b"a", b"\xf0\x9f"))[0] == "a\ufffd"


def test_character_cut_off_by_thinking_stays_in_its_section():
    text, thoughts, _ = run([*ids(b"\xc3"), OPEN, *ids(b"\xa9", b"a"), CLOSE, *ids(b"b")])
    assert (text, thoughts) == ("\ufffdb", "\ufffda")


def test_thinking_begins_and_ends_at_the_real_tokens_only():
    text, thoughts, decoder = run([*ids(b"<think>", b"a"), OPEN, *ids(b"b"), CLOSE, *ids(b"ab")])
    assert (text, thoughts) == ("<think>aab", "b")
    assert decoder.n_reasoning == 3


def test_end_of_thinking_where_none_is_open_is_no_thinking():
    text, thoughts, decoder = run([*ids(b"a"), CLOSE, *ids(b"b"), CLOSE], reasoning=True)
    assert (text, thoughts) == ("b", "a")
    assert decoder.n_reasoning == 2


def test_prompt_that_opened_thinking_starts_in_thinking():
    text, thoughts, _ = run([*ids(b"a"), CLOSE, *ids(b"b")], reasoning=True)
    assert (text, thoughts) == ("b", "a")


def test_control_tokens_stand_for_no_text_but_the_dsml_marker_does():
    assert run([*ids(b"a"), USER, EOS, DSML, *ids(b"b")])[0] == "a" + Special.DSML.value + "b"


def test_stop_strings_are_not_looked_for_in_thinking():
    text, thoughts, decoder = run([OPEN, *ids(b"ab"), CLOSE, *ids(b"b", b"ab")], stop=["ab"])
    assert (text, thoughts, decoder.stopped) == ("b", "ab", "ab")


def test_stop_string_that_ends_first_fires_and_the_longer_one_of_a_tie():
    assert run(ids(b"a", b"b", b"a"), stop=["aba", "b"])[::2][0] == "a"
    _, _, decoder = run(ids(b"a", b"b"), stop=["b", "ab"])
    assert decoder.stopped == "ab"


def test_partial_stop_string_is_shown_when_the_stream_ends():
    text, _, decoder = run(ids(b"b", b"a"), stop=["ab"])
    assert (text, decoder.stopped) == ("ba", None)


def test_tokens_after_a_stop_are_ignored():
    decoder = StreamDecoder(TABLE, stop=["a"])
    assert decoder.feed(ids(b"b", b"a", b"b")) == [TextDelta("b")]
    assert decoder.feed(ids(b"b")) == []
    assert decoder.finish() == []


def test_empty_stop_string_is_refused():
    with pytest.raises(InvalidRequestError, match="empty"):
        StreamDecoder(TABLE, stop=["a", ""])


def test_collect_adds_events_up():
    finish = Finish("stop", Usage(3, 0, 4, 1), Timings())
    events = [ReasoningDelta("x"), TextDelta("a"), TextDelta("b"), finish]
    assert collect(events) == ChatResult("ab", "x", finish)
    assert finish.usage.total_tokens == 7


def test_stream_without_its_finish_is_no_result():
    with pytest.raises(ValueError, match="Finish"):
        collect([TextDelta("a")])

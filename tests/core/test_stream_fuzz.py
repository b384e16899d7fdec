"""Random turns: any chunking gives the same events, every token is accounted for once, calls are JSON or invalid."""

# ruff: noqa: RUF001 - lookalike characters are what is tested

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ds4_core import InvalidRequestError
from ds4_core.chat import Special, StreamDecoder
from ds4_core.chat.events import (
    Accumulator,
    Alternative,
    Finish,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
    Usage,
)
from ds4_core.chat.messages import ToolCall
from ds4_core.chat.stream import ScoredToken, parse_turn
from ds4_core.chat.tools import calls_block
from ds4_core.types import TokenScore
from tests.core.token_pieces import PieceTable

M = Special.DSML
MARKUP = [
    *(f"{name}>" for name in ("tool_calls", "invoke", "parameter")),
    'invoke name="f">',
    'parameter name="a" string="true">',
    'parameter name="b" string="false">',
    "parameter name=“c” string='true'>",
    'invoke name="',
    'g">\n',
    "tool_",
    "calls",
    "invoke",
    " name=",
]
SPELLED = ["DSML｜", "｜DSML｜", "|DSML|", "｜", "DS", "ML", "<tool_calls>\n", '<invoke name="h">', "</invoke>"]
PLAIN = [
    "<",
    "</",
    ">",
    "\n",
    "\n\n",
    " ",
    "a",
    "b",
    "ab",
    '"',
    "\\",
    "12",
    "[1]",
    "{",
    "`",
    "```",
    "é",
    "😀",
    "x < y",
    "&lt;",
]
BYTES = [b"\xc3", b"\xa9", b"\xf0\x9f", b"\x98\x80", b"\xff", b""]
SPECIALS = [Special.THINK_OPEN, Special.THINK_CLOSE, Special.USER, Special.EOS]
WELL_FORMED = [
    ("<", M, "tool_calls>", "\n"),
    ("<", M, "invoke", ' name="f">', "\n"),
    ("<", M, "parameter", ' name="a" string="true', '">'),
    ("<", M, "parameter", ' name="b" string="false">'),
    ("</", M, "parameter", ">"),
    ("\n</", M, "invoke>"),
    ("\n</", M, "tool_calls>"),
    ("<tool_calls>", "\n<invoke name=", '"f">', '<parameter name="a" string="true">', "a"),
    ("</parameter>", "</invoke>", "</tool_calls>"),
]
PIECES = st.one_of(
    st.sampled_from([(piece,) for piece in [*MARKUP, *SPELLED, *PLAIN, *BYTES, *SPECIALS, M]]),
    st.sampled_from(WELL_FORMED),
)


@st.composite
def nearly_calls(draw):
    """A block as it should be, with a few pieces of it missing, doubled, or replaced."""
    spelling = draw(st.sampled_from([M, "｜DSML｜", "DSML｜", ""]))
    pieces = ["Hi", "\n\n", "<", spelling, "tool_calls", ">\n"]
    for _ in range(draw(st.integers(1, 3))):
        pieces += ["<", spelling, "invoke", ' name="', "f", '"', ">", "\n"]
        for name in draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True)):
            string, value = draw(
                st.sampled_from([("true", 'x "\\\n'), ("true", b"\xc3"), ("false", "[1, "), ("true", "")])
            )
            after = {b"\xc3": b"\xa9", "[1, ": "2]"}.get(value, "<")
            pieces += ["<", spelling, "parameter", f' name="{name}" string="', string, '">', value, after]
            pieces += ["</", spelling, "parameter", ">", "\n"]
        pieces += ["</", spelling, "invoke", ">", "\n"]
    pieces += ["</", spelling, "tool_calls", ">", "bye"]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(pieces) - 1))
        pieces[at : at + draw(st.integers(0, 2))] = draw(PIECES)
    return tuple(pieces)


TURNS = st.lists(PIECES, max_size=30).map(lambda parts: tuple(itertools.chain(*parts))) | nearly_calls()
STOPS = st.lists(st.sampled_from(["a", "ab", "b\n", "\n\n", "<", "é", "x < y", "```", "1"]), max_size=2)
CUTS = st.lists(st.integers(0, 60), max_size=8)
FUZZ = settings(deadline=None, max_examples=150)
# Many chunkings of long turns, for `make test-long`.
LONG = settings(deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck))


def merged(events):
    """The events with neighbouring deltas joined, which is all that the chunking may change."""
    out = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, ReasoningDelta | TextDelta) and type(last) is type(event):
            out[-1] = type(event)(last.text + event.text, last.tokens + event.tokens)
        elif (
            isinstance(event, ToolCallArgumentsDelta)
            and isinstance(last, ToolCallArgumentsDelta)
            and last.index == event.index
        ):
            out[-1] = ToolCallArgumentsDelta(event.index, last.fragment + event.fragment, last.tokens + event.tokens)
        else:
            out.append(event)
    return out


def scored(table, pieces):
    tokens = table.ids(*pieces)
    return [ScoredToken(t, -i / 8, (TokenScore(t, 1.0, -i / 8),), forced=i % 7 == 6) for i, t in enumerate(tokens)]


def play(table, tokens, cuts=(), **options):
    """(events, decoder) after feeding the tokens in the chunks that `cuts` makes."""
    ids = (f"id{i}" for i in itertools.count())
    decoder = StreamDecoder(table, new_id=lambda: next(ids), **options)
    events = []
    for start, end in itertools.pairwise([0, *sorted(min(cut, len(tokens)) for cut in cuts), len(tokens)]):
        events += decoder.feed(tokens[start:end])
    return events + decoder.finish(), decoder


def state(decoder):
    return (
        decoder.stopped,
        decoder.n_reasoning,
        decoder.n_calls,
        decoder.n_complete_calls,
        decoder.n_kept,
        decoder.trailing,
    )


def check_chunking(pieces, cuts, options):
    table = PieceTable()
    tokens = scored(table, pieces) if options["logprobs"] else table.ids(*pieces)
    whole, decoder = play(table, tokens, **options)
    for chunks in (cuts, range(1, len(tokens))):
        events, other = play(table, tokens, chunks, **options)
        assert merged(events) == merged(whole)
        assert state(other) == state(decoder)


OPTIONS = st.fixed_dictionaries(
    {
        "stop": STOPS,
        "reasoning": st.booleans(),
        "tools": st.booleans(),
        "tolerant": st.booleans(),
        "logprobs": st.booleans(),
    }
)


@FUZZ
@given(TURNS, CUTS, OPTIONS)
def test_any_chunking_gives_the_same_events(pieces, cuts, options):
    check_chunking(pieces, cuts, options)


@pytest.mark.long
@LONG
@given(TURNS, CUTS, OPTIONS)
def test_any_chunking_gives_the_same_events_often(pieces, cuts, options):
    check_chunking(pieces, cuts, options)


def is_object(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def check_shape(pieces, reasoning):
    table = PieceTable()
    events, decoder = play(table, table.ids(*pieces), range(60), tools=True, reasoning=reasoning)
    open_call, fragments, n_calls, n_complete = None, "", 0, 0
    for event in events:
        if isinstance(event, ToolCallStart):
            assert open_call is None
            assert event.index == n_calls
            open_call, fragments, n_calls = event, "", n_calls + 1
        elif isinstance(event, ToolCallArgumentsDelta):
            assert open_call is not None
            assert event.fragment
            fragments += event.fragment
            assert any(is_object(fragments + rest) for rest in ("", "}", '"}'))
        elif isinstance(event, ToolCallEnd):
            assert open_call is not None
            assert event.complete == (event.error is None) == (event.raw is None)
            if event.complete:
                assert open_call.name
                assert isinstance(json.loads(fragments), dict)
                n_complete += 1
            else:
                assert event.error
            open_call = None
        else:
            assert event.text
            assert open_call is None
            assert "\udbfe" not in event.text
            assert "\udbff" not in event.text
    assert open_call is None
    assert (decoder.n_calls, decoder.n_complete_calls) == (n_calls, n_complete)
    return events


@FUZZ
@given(TURNS, st.booleans())
def test_calls_are_whole_objects_or_invalid_and_never_inside_text(pieces, reasoning):
    check_shape(pieces, reasoning)


@FUZZ
@given(st.lists(st.sampled_from([*MARKUP, *PLAIN, M, "<", "</"]), max_size=30))
def test_the_real_marker_is_never_visible(pieces):
    table = PieceTable()
    turn = parse_turn(table, table.ids(*pieces), tools=True)
    assert M.value not in turn.text
    assert bool(turn.tool_calls) >= (M in pieces)


@FUZZ
@given(TURNS, st.booleans())
def test_without_tools_only_the_markers_of_thinking_matter(pieces, reasoning):
    table = PieceTable()
    events, _ = play(table, table.ids(*pieces), reasoning=reasoning)
    assert all(isinstance(event, TextDelta | ReasoningDelta) for event in events)
    shown = [b"\0" if isinstance(p, Special) and p != M else table.token_bytes(table.id(p)) for p in pieces]
    text = b"".join(shown).split(b"\0")
    assert "".join(event.text for event in events) == "".join(part.decode(errors="replace") for part in text)


@FUZZ
@given(TURNS, CUTS, st.booleans(), st.booleans(), STOPS)
def test_every_generated_token_has_one_entry_in_order(pieces, cuts, reasoning, tools, stop):
    table = PieceTable()
    tokens = scored(table, pieces)
    events, decoder = play(table, tokens, cuts, reasoning=reasoning, tools=tools, stop=stop, logprobs=True)
    entries = [entry for event in events for entry in event.tokens] + list(decoder.trailing)
    assert [(e.token, e.logprob) for e in entries] == [(t.token, t.logprob) for t in tokens[: len(entries)]]
    if decoder.stopped is None:
        assert len(entries) == len(tokens) == decoder.n_kept
    else:
        assert decoder.n_kept <= len(entries) <= decoder.n_kept + 2
    for entry, token in zip(entries, tokens, strict=False):
        assert entry.bytes == table.token_bytes(token.token)
        assert entry.top == (Alternative(token.token, entry.bytes, token.logprob),)
        assert (entry.section == "forced") == token.forced
        if token.token == table.id(Special.EOS) and not token.forced:
            assert entry.section == "eos"


@FUZZ
@given(
    st.lists(st.sampled_from(["a", "b", "ab", "ba", "é", b"\xc3", b"\xa9a", "", Special.USER]), max_size=20),
    st.lists(st.text("abé", min_size=1, max_size=4), min_size=1, max_size=2),
)
def test_tokens_before_a_stop_string_are_counted(pieces, stop):
    table = PieceTable()
    tokens = table.ids(*pieces)
    events, decoder = play(table, tokens, range(30), stop=stop)
    text = "".join(event.text for event in events)
    kept = parse_turn(table, tokens[: decoder.n_kept]).text
    if decoder.stopped is None:
        assert kept == text
        return
    # What is kept is text before the stop, cut at most inside a character, and one token more would be too much.
    assert text.startswith(kept.removesuffix("\ufffd"))
    more = parse_turn(table, tokens[: decoder.n_kept + 1]).text
    assert len(more) > len(text) or decoder.stopped.startswith(more[len(text) :]) or more.endswith("\ufffd")
    assert not text.startswith(more) or len(more) < len(text) + 1


def json_values(max_leaves=8):
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=max_leaves,
    )


def texts():
    tricky = [
        "</",
        M.value,
        "parameter>",
        "invoke>",
        "tool_calls>",
        "&lt;",
        "\\",
        '"',
        "\n",
        "😀",
        "你好",
        "<think>",
        "`",
        "</parameter>",
    ]
    return st.lists(
        st.sampled_from(tricky) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6
    ).map("".join)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\"'“”„‟＂‘’‚‛"), max_size=8)
CALLS = st.lists(
    st.builds(
        lambda name, arguments: ToolCall(name, json.dumps(arguments, ensure_ascii=False)),
        st.sampled_from(["f", "get_weather", "a.b"]),
        st.dictionaries(NAMES, json_values(), max_size=4),
    ),
    min_size=1,
    max_size=3,
)


def check_round_trip(calls, text, size, cuts):
    table = PieceTable()
    tokens = table.ids(*(c.encode() for c in text))
    for segment in calls_block(calls):
        if isinstance(segment, Special):
            tokens.append(table.id(segment))
        else:
            data = segment.encode()
            tokens += [table.id(data[i : i + size]) for i in range(0, len(data), size)]
    events, _ = play(table, tokens, cuts, tools=True)
    total = Accumulator()
    for event in events:
        total.add(event)
    turn = total.turn()
    assert turn.text == text
    assert [(c.name, c.arguments, c.complete, c.error) for c in turn.tool_calls] == [
        (call.name, call.arguments, True, None) for call in calls
    ]


@FUZZ
@given(CALLS, st.text("ab <>\n", max_size=6), st.integers(1, 9), CUTS)
def test_what_the_encoding_writes_comes_back_exactly(calls, text, size, cuts):
    check_round_trip(calls, text, size, cuts)


@pytest.mark.long
@LONG
@given(CALLS, st.text("ab <>\n", max_size=6), st.integers(1, 9), CUTS)
def test_what_the_encoding_writes_comes_back_exactly_often(calls, text, size, cuts):
    check_round_trip(calls, text, size, cuts)


def test_sections_and_the_events_that_tokens_travel_with():
    table = PieceTable()
    pieces = [
        "so",
        Special.THINK_CLOSE,
        "Hi",
        "\n\n",
        "<",
        M,
        'invoke name="f">',
        "</",
        M,
        "invoke>",
        "\n",
        Special.EOS,
    ]
    tokens = [ScoredToken(t, -1.0, forced=t == table.id(Special.THINK_CLOSE)) for t in table.ids(*pieces)]
    events, decoder = play(table, tokens, range(20), tools=True, reasoning=True, logprobs=True)

    def entries(*names):
        return tuple(
            TokenLogprob(table.id(piece), table.token_bytes(table.id(piece)), -1.0, (), section)
            for piece, section in names
        )

    assert events == [
        ReasoningDelta("so", entries(("so", "reasoning"))),
        TextDelta("Hi", entries((Special.THINK_CLOSE, "forced"), ("Hi", "text"))),
        ToolCallStart(0, "id0", "f", entries(*((p, "tool") for p in pieces[3:7]))),
        ToolCallArgumentsDelta(0, "{}", entries(*((p, "tool") for p in pieces[7:10]))),
        ToolCallEnd(0, complete=True),
    ]
    assert decoder.trailing == entries(("\n", "tool"), (Special.EOS, "eos"))
    finish = Finish("tool_calls", Usage(), Timings(), tokens=decoder.trailing)
    total = Accumulator()
    for event in [*events, finish]:
        total.add(event)
    result = total.result()
    assert len(result.tokens) == len(pieces)
    assert [call.arguments for call in result.tool_calls] == ["{}"]


def test_token_that_is_cut_by_a_stop_has_its_entry_and_those_behind_have_none():
    table = PieceTable()
    tokens = scored(table, ["a", "bS", "TO", "Pc", "d"])
    events, decoder = play(table, tokens, range(20), stop=["STOP"], logprobs=True)
    assert [event.text for event in events] == ["a", "b"]
    assert [entry.bytes for event in events for entry in event.tokens] == [b"a", b"bS"]
    assert (decoder.n_kept, decoder.trailing) == (1, ())


def test_tokens_that_end_the_turn_show_nothing():
    table = PieceTable()
    tokens = scored(table, ["a", "END"])
    events, decoder = play(table, tokens, end_tokens=[table.id("END")], logprobs=True)
    assert [event.text for event in events] == ["a"]
    assert [entry.section for entry in decoder.trailing] == ["eos"]


def test_plain_token_is_refused_where_logprobs_are_asked_for():
    table = PieceTable()
    with pytest.raises(InvalidRequestError, match="log-probability"):
        StreamDecoder(table, logprobs=True).feed(table.ids("a"))

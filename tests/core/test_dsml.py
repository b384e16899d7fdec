"""Tool blocks: what is a call, what is an invalid call, what is text; and that arguments arrive as they were meant."""

# ruff: noqa: RUF001 - lookalike characters are what is tested

import itertools
import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import Model
from ds4_core.chat import Special, StreamDecoder
from ds4_core.chat.encoding import encode
from ds4_core.chat.events import (
    Accumulator,
    TextDelta,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
)
from ds4_core.chat.messages import ToolCall
from ds4_core.chat.stream import parse_turn
from ds4_core.chat.tools import calls_block
from tests.core.token_pieces import PieceTable

M = Special.DSML.value
GOLDEN = json.loads((Path(__file__).parent / "encoding_golden.json").read_text(encoding="utf-8"))
CASES = [case for case in GOLDEN if any(m.get("tool_calls") for m in case["messages"])]


def value(name, text, m=M, *, string=True):
    return f'<{m}parameter name="{name}" string="{str(string).lower()}">{text}</{m}parameter>\n'


def invoke(name, *values, m=M):
    return f'<{m}invoke name="{name}">\n{"".join(values)}</{m}invoke>\n'


def block(*calls, m=M):
    return f"\n\n<{m}tool_calls>\n{''.join(calls)}</{m}tool_calls>"


ADD = invoke("add", value("a", "1", string=False), value("b", "x y"))
ADD_ARGUMENTS = '{"a": 1, "b": "x y"}'


def decoder(table, **options):
    ids = (f"id{i}" for i in itertools.count())
    return StreamDecoder(table, new_id=lambda: next(ids), **{"tools": True, **options})


def turn(text, *, letters=False, **options):
    """The turn that this text is, its literals being control tokens unless it is spelled in letters."""
    table = PieceTable()
    tokens = table.letters(text) if letters else table.spell(text, cuts=range(0, 400, 3))
    return parse_turn(table, tokens, **{"tools": True, **options})


def only_call(text, **options):
    result = turn(text, **options)
    assert result.text == ""
    (call,) = result.tool_calls
    return call


def test_block_as_the_protocol_writes_it():
    result = turn("Let me add." + block(ADD, invoke("now")))
    assert result.text == "Let me add."
    assert [(c.name, c.arguments, c.complete, c.error, c.raw) for c in result.tool_calls] == [
        ("add", ADD_ARGUMENTS, True, None, None),
        ("now", "{}", True, None, None),
    ]
    assert len({c.id for c in result.tool_calls}) == 2


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_official_rendering_parses_back(case):
    calls = [m for m in case["messages"] if m["role"] == "assistant" and m.get("tool_calls")]
    parts = case["rendered"].split(Special.ASSISTANT.value)[1:]
    turns = [part.split(Special.EOS.value)[0] for part in parts if "tool_calls>" in part]
    assert len(turns) == len(calls)
    for rendered, message in zip(turns, calls, strict=True):
        thinks = rendered.startswith("<think>")
        result = turn(rendered.removeprefix("<think>").removeprefix("</think>" if not thinks else ""), reasoning=thinks)
        assert result.text == message["content"]
        if thinks:
            assert result.reasoning == message.get("reasoning", "")
        assert [(c.name, c.arguments) for c in result.tool_calls] == [
            (c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]
        ]


def test_arguments_stream_while_they_are_written():
    table = PieceTable()
    stream = decoder(table)
    seen = [stream.feed([token]) for token in table.spell("\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=", [0])]
    assert not any(seen)
    assert stream.feed(table.ids('"write')) == []
    assert stream.feed(table.ids('">')) == [ToolCallStart(0, "id0", "write")]
    assert stream.feed(table.ids("\n<", Special.DSML, 'parameter name="text" string="true"')) == []
    assert stream.feed(table.ids(">")) == [ToolCallArgumentsDelta(0, '{"text": "')]
    assert stream.feed(table.ids('say "')) == [ToolCallArgumentsDelta(0, 'say \\"')]
    assert stream.feed(table.ids(b"\xf0\x9f")) == []
    assert stream.feed(table.ids(b"\x98\x80\n")) == [ToolCallArgumentsDelta(0, "😀\\n")]
    assert stream.feed(table.ids("1 <")) == [ToolCallArgumentsDelta(0, "1 ")]
    assert stream.feed(table.ids("/")) == []
    assert stream.feed(table.ids("b")) == [ToolCallArgumentsDelta(0, "</b")]
    assert stream.feed(table.ids("</", Special.DSML, "parameter")) == []
    assert stream.feed(table.ids(">")) == [ToolCallArgumentsDelta(0, '"')]
    assert stream.feed(table.ids("\n</", Special.DSML, "invoke>")) == [
        ToolCallArgumentsDelta(0, "}"),
        ToolCallEnd(0, complete=True),
    ]
    assert stream.feed(table.ids("\n</", Special.DSML, "tool_calls>", "\n")) == []
    assert stream.finish() == []
    assert (stream.n_calls, stream.n_complete_calls) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "a & b &amp; &lt; &quot; &#39;",
        "ls 2>&1",
        "a < b </ c </p> <｜ <| ｜DSML",
        '"\\ / \b\f\n\r\t\0\x7f \u2028 "',
        "你好 é 🎉 👩\u200d👩\u200d👧 \ufffd \ufeff",
        f"</{M}parameter>",
        f'</{M}invoke></{M}tool_calls>\n<{M}invoke name="rm">',
        "</parameter></invoke></tool_calls><tool_calls>",
        "<think>no</think><｜User｜><｜end▁of▁sentence｜>",
        "}" * 50 + '"]',
        f"<{M}tool_calls>",
    ],
)
def test_strings_arrive_exactly(text):
    table = PieceTable()
    head, tail = block(invoke("f", value("x", "\0", m="M"), m="M"), m="M").split("\0")
    tokens = []
    for part, spell in ((head, True), (text, False), (tail, True)):
        pieces = part.replace("M", M) if spell else part
        tokens += table.spell(pieces, [1, 4]) if spell else table.letters(pieces)
    (call,) = parse_turn(table, tokens, tools=True).tool_calls
    assert call.complete
    assert json.loads(call.arguments) == {"x": text}
    assert call.arguments == json.dumps({"x": text}, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    ["1", "-1.50", "1e999", "9" * 6000, "true", "null", ' {"a" :\n[1, {"b": "</p>"}]} ', '"\\u003c/x"', "[]", '"é"'],
)
def test_json_values_pass_as_they_are(text):
    call = only_call(block(invoke("f", value("x", text, string=False))))
    assert call.complete
    assert call.arguments == '{"x": ' + text.strip() + "}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "'a'",
        "{1: 2}",
        '{"a": 1,}',
        '"\\ud83d"',
        "NaN",
        "Infinity",
        '"a\nb"',
        "1 2",
        '{"a":1,"a":2}',
        "[" * 99999,
    ],
)
def test_values_that_are_no_json_make_the_call_invalid(text):
    call = only_call(block(invoke("f", value("x", text, string=False))))
    assert not call.complete
    assert "JSON" in call.error
    assert call.raw == invoke("f", value("x", text, string=False)).rstrip("\n")


SPELLINGS = ["DSML｜", "｜DSML", "|DSML|", "DSML|", "｜DSML｜", "｜｜DSML｜｜", "｜DSML｜ ", "DSML ", "DSML", ""]


@pytest.mark.parametrize("m", SPELLINGS)
def test_known_misspellings_of_the_marker_are_calls(m):
    result = turn("Sure." + block(ADD.replace(M, m), m=m), letters=True)
    assert result.text == "Sure."
    assert [(c.name, c.arguments, c.complete) for c in result.tool_calls] == [("add", ADD_ARGUMENTS, True)]


@pytest.mark.parametrize("m", SPELLINGS)
def test_a_misspelled_block_is_text_without_tools(m):
    text = "Sure." + block(ADD.replace(M, m), m=m)
    result = turn(text, letters=True, tools=False)
    assert (result.text, result.tool_calls) == (text, ())


def test_the_real_marker_is_text_without_tools_too():
    text = "Sure." + block(ADD)
    assert turn(text, tools=()) == turn(text, tools=False)
    assert turn(text, tools=False).text == text


@pytest.mark.parametrize("m", [M, *SPELLINGS])
def test_thinking_holds_no_calls(m):
    text = "so" + block(ADD.replace(M, m), m=m)
    result = turn(text, reasoning=True)
    assert (result.reasoning, result.text, result.tool_calls) == (text, "", ())


@pytest.mark.parametrize("m", [M, *SPELLINGS])
def test_calls_without_the_wrapper(m):
    call = ADD.replace(M, m)
    for text in (f"\n{call}", f"\n\n{call}{call}", f"{call}</{m}tool_calls>"):
        result = turn(f"Well.{text}", letters=m != M)
        assert result.text == "Well."
        assert [c.arguments for c in result.tool_calls] == [ADD_ARGUMENTS] * text.count("add")
        assert all(c.complete for c in result.tool_calls)


def test_text_after_a_call_without_the_wrapper_is_text():
    result = turn(f"{ADD}\nDone. 1 < 2")
    assert result.text == "\n\nDone. 1 < 2"
    assert [c.complete for c in result.tool_calls] == [True]


@pytest.mark.parametrize(
    "tag",
    [
        "name=“add”",
        "name='add'",
        "name=‘add’",
        'name = "add" ',
        '\n  name=“add"',
    ],
)
def test_smart_quotes_and_blanks_in_tags(tag):
    assert only_call(f"<{M}tool_calls><{M}invoke {tag}></{M}invoke></{M}tool_calls>").name == "add"


def test_names_of_parameters_arrive_exactly():
    for name in ["a b", "é", "a&amp;b", "a<b", "it's", 'q"q', "”", "name=", "", "<", "a'>b", "x\\y", "1\n2"]:
        call = only_call(block(invoke("f", value(name, "v"), value("other", "1", string=False))))
        assert call.complete, name
        assert json.loads(call.arguments) == {name: "v", "other": 1}


@pytest.mark.parametrize("name", ["no such tool", "a.b/c:d-e", "é", "arguments"])
def test_any_readable_name_is_a_call(name):
    assert only_call(block(invoke(name, value("arguments", "x")))).name == name


BROKEN = {
    "empty name": invoke(""),
    "no name": f"<{M}invoke>\n</{M}invoke>",
    "unquoted name": f"<{M}invoke name=add>\n</{M}invoke>",
    "name over lines": f'<{M}invoke name="add {{\na">\n</{M}invoke>',
    "name not closed": f'<{M}invoke name="add>\n</{M}invoke>',
    "other attribute": f'<{M}invoke name="add" id="1">\n</{M}invoke>',
    "name twice": f'<{M}invoke name="add" name="sub">\n</{M}invoke>',
    "no string attribute": invoke("f", f'<{M}parameter name="x">1</{M}parameter>'),
    "string attribute odd": invoke("f", f'<{M}parameter name="x" string="yes">1</{M}parameter>'),
    "parameter twice": invoke("f", value("x", "1"), value("x", "1")),
    "text between parameters": invoke("f", value("x", "1"), "and", value("y", "1")),
    "text before the end": invoke("f", value("x", "1"), "and"),
    "parameter not closed": invoke("f", f'<{M}parameter name="x" string="true">1\n'),
    "parameter closed without the marker": invoke("f", f'<{M}parameter name="x" string="true">1</parameter>\n'),
    "parameter in a parameter": invoke("f", f'<{M}parameter name="x" string="true">{value("y", "1")}</{M}parameter>'),
    "call in a call": invoke("f", f"<{M}tool_calls>"),
    "garbage": f"garbage </{M}invoke>",
    "json": '{"name": "add", "arguments": {}}',
    "parameter without a call": value("x", "1"),
    "bare marker": M,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_does_not_parse_is_an_invalid_call_and_its_siblings_are_not(broken):
    result = turn("A" + block(ADD, broken, ADD) + "B")
    assert result.text == "AB"
    first, *invalid, last = result.tool_calls
    assert (first.arguments, last.arguments) == (ADD_ARGUMENTS, ADD_ARGUMENTS)
    assert first.complete
    assert last.complete
    assert len(invalid) == 1
    assert not any(c.complete for c in invalid)
    assert all(c.error and c.raw for c in invalid)
    assert "".join(c.raw for c in invalid).strip() == broken.strip()


def test_an_unclosed_parameter_does_not_swallow_the_next_call():
    bad = f'<{M}invoke name="rm">\n<{M}parameter name="path" string="true">notes\n'
    result = turn(block(bad, ADD))
    assert [(c.name, c.complete) for c in result.tool_calls] == [("rm", False), ("add", True)]


@pytest.mark.parametrize(
    "text",
    [
        f"<{M}tool_calls>\n</{M}tool_calls>",
        f"</{M}tool_calls>",
        f"</{M}parameter>",
        f"<{M}function_calls>\n</{M}function_calls>",
        f"{M}tool_calls>\n",
        f"<｜{M}｜tool_calls>\n",
        value("x", "1"),
        f"the {M} marker",
    ],
)
def test_a_real_marker_that_begins_no_call_is_never_visible(text):
    result = turn("\n\n" + text)
    assert result.tool_calls
    assert "<" not in result.text
    assert not any(c.complete for c in result.tool_calls)
    assert M not in result.text
    assert "tool_calls" not in result.text
    assert all(c.raw and c.error for c in result.tool_calls)


def test_blocks_are_closed_by_their_own_spelling_only():
    real = f'<{M}tool_calls>\n<{M}invoke name="f">\n<{M}parameter name="x" string="true">1'
    for m in ("", "｜DSML｜", "DSML｜"):
        table = PieceTable()
        closing = f"</{m}parameter></{m}invoke></{m}tool_calls>"
        tokens = [*table.spell(real), *table.letters(closing)]
        (call,) = parse_turn(table, tokens, tools=True).tool_calls
        assert not call.complete
        assert json.loads(call.arguments + '"}') == {"x": "1" + closing}
        tokens = [*table.letters(real.replace(M, m)), *table.spell(closing.replace(f"/{m}", f"/{M}")), *table.ids("x")]
        (call,) = parse_turn(table, tokens, tools=True).tool_calls
        assert not call.complete
        assert json.loads(call.arguments + '"}') == {"x": "1"}


def test_truncation_at_every_token_never_makes_a_complete_call_of_an_open_one():
    table = PieceTable()
    whole = "Hi." + block(ADD, invoke("write", value("text", 'a "b" 你好 </p>'), value("n", "[1, 2]", string=False)))
    tokens = table.spell(whole, range(400))
    for n in range(len(tokens) + 1):
        stream = decoder(table)
        total = Accumulator()
        for event in stream.feed(tokens[:n]) + stream.finish():
            total.add(event)
        result = total.turn()
        text = b"".join(table.token_bytes(t) for t in tokens[:n]).decode(errors="replace")
        n_closed = text.count(f"</{M}invoke>")
        assert [c.complete for c in result.tool_calls][:n_closed] == [True] * n_closed
        assert not any(c.complete for c in result.tool_calls[n_closed:])
        assert len(result.tool_calls) <= n_closed + 1
        assert M not in result.text
        if text.count(f"<{M}invoke") > n_closed:
            call = result.tool_calls[n_closed]
            assert call.raw.startswith((f"<{M}invoke", f"<{M}tool_calls>"))
            assert text.endswith(call.raw)
            assert "ended" in call.error


def test_end_of_turn_without_the_closing_tags():
    opened = block(ADD).removesuffix(f"</{M}tool_calls>")
    for tail in ("", "<", "</", f"</{M}", f"</{M}tool_calls"):
        result = turn(opened + tail)
        assert [c.complete for c in result.tool_calls] == [True]
        assert result.text == ""
    for tail in (f"<{M}", f"<{M}inv", "more"):
        assert [c.complete for c in turn(opened + tail).tool_calls] == [True, False]


def test_control_token_in_a_call_breaks_it():
    for special in (Special.USER, Special.EOS, Special.BOS):
        result = turn(block(invoke("f", value("x", f"a{special.value}b"))))
        assert not any(c.complete for c in result.tool_calls)
        assert result.tool_calls[0].name == "f"


def test_markers_of_thinking_in_a_value_are_its_text():
    call = only_call(block(invoke("f", value("x", "a<think>b</think>c"))))
    assert json.loads(call.arguments) == {"x": "a<think>b</think>c"}


def test_bytes_that_are_no_text_make_the_call_invalid():
    table = PieceTable()
    head, tail = block(invoke("f", value("x", "\0"))).split("\0")
    for bad in ([b"\xff"], [b"\xf0\x9f"], [b"a\xc3", b"a"]):
        tokens = [*table.spell(head), *table.ids(*bad), *table.spell(tail)]
        (call,) = parse_turn(table, tokens, tools=True).tool_calls
        assert not call.complete
        assert "UTF-8" in call.error


def test_several_blocks_with_text_around_them():
    result = turn("A" + block(ADD) + "\n\n" + block(ADD) + "\nB\n" + block(ADD) + "\n\n\n")
    assert result.text == "A\nB\n"
    assert len(result.tool_calls) == 3


def test_only_the_newlines_of_the_protocol_belong_to_the_block():
    assert turn("A\n\n\n" + block(ADD)).text == "A\n\n\n"
    assert turn("A\n" + block(ADD).lstrip("\n")).text == "A"


@pytest.mark.parametrize(
    "text",
    [
        "2 <",
        "a\n\n",
        "</",
        "<tool_call",
        "<tools> <invoked name='x'> <invoke>",
        "<p>DSML｜ <DSM",
        'Use `<tool_calls>` or `<｜DSML｜invoke name="x">`.',
        '```xml\n<tool_calls>\n<invoke name="x">\n</invoke>\n</tool_calls>\n```\nbye',
        "~~~\n<|DSML|tool_calls>\n~~~",
    ],
)
def test_text_that_only_resembles_a_block_is_text(text):
    assert turn(text, letters=True).text == text
    table = PieceTable()
    assert parse_turn(table, table.ids(text), tools=True).text == text


def test_quoting_ends_where_the_code_ends():
    table = PieceTable()
    text = "```\n<tool_calls>\n```\n" + block(ADD.replace(M, ""), m="")
    result = parse_turn(table, table.letters(text), tools=True)
    assert result.text == "```\n<tool_calls>\n```\n"
    assert [c.complete for c in result.tool_calls] == [True]


def test_hold_back_is_what_may_become_a_block_and_no_more():
    table = PieceTable()
    stream = decoder(table)
    for fed, shown in [
        ("a <", "a "),
        ("b", "<b"),
        ("\n", ""),
        ("\n", ""),
        ("\n", "\n"),
        ("x", "\n\nx"),
        ("<invoke", ""),
        ("d", "<invoked"),
        ("<｜DS", ""),
        ("L", "<｜DSL"),
        ("\n<tool_call", ""),
        (" ", "\n<tool_call "),
        ("`<tool", "`<tool"),
        ("` <to", "` "),
        ("p", "<top"),
    ]:
        assert stream.feed(table.ids(fed)) == ([TextDelta(shown)] if shown else []), fed


BARS = ["".join(bars) for n in range(3) for bars in itertools.product("｜|", repeat=n)]
BEGINNINGS = [
    "<tool_calls>",
    *(f"<invoke{blanks}name =" for blanks in (" ", "\n", "  ", " \n", "\n ", "\n\n")),
    *(
        f"<{slash}{left}DSML{right}{space}{name}"
        for slash, left, right, space, name in itertools.product(
            ("", "/"), BARS, BARS, ("", " "), ("tool_calls", "invoke", "parameter")
        )
    ),
]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*"<\n/｜|Dpnti ", "DSM", "DSML", "tool_", "calls", "invoke", " name", "para", "meter", "x"]),
        max_size=20,
    )
)
def test_nothing_else_is_held_back(pieces):
    table = PieceTable()
    stream = decoder(table)
    fed = shown = ""
    for piece in pieces:
        events = stream.feed(table.ids(piece))
        if any(not isinstance(event, TextDelta) for event in events) or stream._block is not None:
            return
        fed += piece
        shown += "".join(event.text for event in events)
        assert fed.startswith(shown)
        held = fed[len(shown) :]
        assert len(held) - len(held.lstrip("\n")) <= 2
        assert any(beginning.startswith(held.lstrip("\n")) for beginning in BEGINNINGS)


def test_real_tokens_of_the_encoding_come_back(tiny_path):
    text = 'x <b> "q" &amp; 你好 🎉 </｜DSML｜parameter>\n<think> C:\\path\t' * 20
    calls = [
        ToolCall("write", json.dumps({"text": text, "n": [1, {"a": None, "b": text}]}, ensure_ascii=False)),
        ToolCall("now"),
    ]
    with Model(tiny_path) as model:
        tokens = encode(model, ["Yes.", *calls_block(calls)])
        result = parse_turn(model, tokens, tools=True)
    assert result.text == "Yes."
    assert [(c.name, c.arguments) for c in result.tool_calls] == [(c.name, c.arguments) for c in calls]


def test_stop_strings_see_the_text_around_blocks_only():
    assert turn("A" + block(invoke("f", value("x", "STOP"))) + "bSTOPc", stop=["STOP"]).text == "Ab"
    result = turn("aSTOP" + block(ADD), stop=["STOP"])
    assert (result.text, result.tool_calls) == ("a", ())
    assert turn("a" + block(ADD), stop=["\n\n"]).text == "a"
    assert turn("aST" + block(ADD) + "OP", stop=["STOP"]).text == "aSTOP"


def test_ids_are_unique_over_turns():
    ids = [c.id for _ in range(20) for c in turn(block(ADD, ADD)).tool_calls]
    assert len(set(ids)) == len(ids) == 40


def test_call_that_is_not_over_is_not_complete():
    total = Accumulator()
    total.add(ToolCallStart(0, "id", "f"))
    total.add(ToolCallArgumentsDelta(0, "{}"))
    (call,) = total.turn().tool_calls
    assert (call.name, call.arguments, call.complete) == ("f", "{}", False)
    assert "not ended" in call.error


def test_no_marker_in_the_vocabulary_means_no_real_blocks():
    class Bare(PieceTable):
        def find_token(self, text):
            return None

    table = Bare()
    assert parse_turn(table, table.letters("a" + block(ADD)), tools=True).tool_calls[0].complete


OPEN = f'<{M}tool_calls><{M}invoke name="f"><{M}parameter name="x" string='
ENDLESS = {
    "plain": ("", [" the", " fox", ".\n", "1 <", " 2"]),
    "nearly blocks": ("", ["<", "<tool_call", "\n", "`"]),
    "string": (f'{OPEN}"true">', [" the", '"', "é", "\n", "<", "</", "a"]),
    "json": (f'{OPEN}"false">[', ['"a b"', ", "]),
    "tag": (f'<{M}invoke name="', ['a">', " ", 'b"']),
    "blanks in a block": (f"<{M}tool_calls>", ["\n"]),
    "blanks after a call": (f'<{M}invoke name="f"></{M}invoke>', ["\n"]),
    "blanks in a tag": (f'<{M}invoke name="f"></{M}invoke', ["\n"]),
    "blanks after a block": (block(ADD), ["\n"]),
    "garbage": (f"<{M}tool_calls>", ["a", "<", Special.DSML]),
    "calls": ("", ["<", Special.DSML, 'invoke name="f">', "</", Special.DSML, "invoke>"]),
}


@pytest.mark.parametrize(("head", "rest"), ENDLESS.values(), ids=ENDLESS)
def test_time_is_linear(head, rest):
    table = PieceTable()
    seconds = []
    for n in (1_000, 16_000):
        tokens = table.spell(head) + table.ids(*rest) * (n // len(rest))
        best = math.inf
        for _ in range(2):
            stream = decoder(table, stop=["never", "ending"])
            begin = time.process_time()
            for token in tokens:
                stream.feed((token,))
            stream.finish()
            best = min(best, time.process_time() - begin)
        seconds.append(best)
    # Processor time, 256 times as much if it were quadratic: far enough for any other load of the machine.
    assert seconds[1] < 96 * max(seconds[0], 1e-3), f"16 times the tokens: {seconds[0]:.4f} s became {seconds[1]:.4f} s"


DOCUMENT = '{"a": "<invoke name=x>", "b": "<tool_calls>", "c": "<｜DSML｜invoke name=\\"y\\">"}\n\n'


@pytest.mark.parametrize("letters", [False, True])
def test_beside_a_document_only_the_marker_itself_opens_a_call(letters):
    table = PieceTable()
    tokens = table.letters(DOCUMENT) if letters else table.ids(*DOCUMENT.partition("<｜"))
    assert parse_turn(table, tokens, tools=True).text != DOCUMENT
    whole = decoder(table, tolerant=False)
    total = Accumulator()
    for event in whole.feed(tokens) + whole.finish():
        total.add(event)
    assert (total.turn().text, total.turn().tool_calls) == (DOCUMENT, ())

    marked = decoder(table, tolerant=False)
    total = Accumulator()
    for event in marked.feed(table.spell(block(ADD))) + marked.finish():
        total.add(event)
    (call,) = total.turn().tool_calls
    assert (call.name, call.arguments, call.complete, total.turn().text) == ("add", ADD_ARGUMENTS, True, "")

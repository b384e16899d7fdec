"""The official renderings, byte for byte, and on two vocabularies the ids that another tokenizer gives their text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ds4_core import Model
from ds4_core.chat import Message, Special, as_messages, render_text
from ds4_core.chat.encoding import PromptOptions, encode, render
from ds4_core.chat.tools import as_tools
from tests.core.reference_tokenizers import gguf_tokenizer_json, reference, v4_tokenizer_json
from tests.core.vocab_gguf import write_vocab_gguf

CASES = json.loads((Path(__file__).parent / "encoding_golden.json").read_text(encoding="utf-8"))
LITERALS = [special.value for special in Special]
BY_NAME = {case["name"]: case for case in CASES}


def named(case):
    return case["name"]


def options(case):
    return PromptOptions(
        as_tools(case["tools"]), case["response_format"], case["thinking"], case["effort"] or "low", case["release"]
    )


def segments(case):
    return render(as_messages(case["messages"]), options(case))


def has_literals(case):
    texts = json.dumps([case["messages"], case["tools"], case["response_format"]], ensure_ascii=False)
    return any(literal in texts for literal in LITERALS)


def has_reminder(case):
    return any(message["role"] == "latest_reminder" for message in case["messages"])


@pytest.fixture(scope="module")
def tiny():
    with Model("ds4-tiny") as model:
        yield model


@pytest.fixture(scope="module")
def v4(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "v4.gguf"
    write_vocab_gguf(path, v4_tokenizer_json())
    with Model(path) as model:
        yield model


@pytest.fixture(scope="module")
def tiny_reference(tiny):
    return reference(gguf_tokenizer_json(tiny))


@pytest.fixture(scope="module")
def v4_reference():
    return reference(v4_tokenizer_json())


def test_golden_file_covers_the_encoding():
    assert len(CASES) >= 60
    roles = {message["role"] for case in CASES for message in case["messages"]}
    assert roles == {"system", "developer", "user", "assistant", "tool", "latest_reminder"}
    assert {(case["release"], case["effort"]) for case in CASES if case["thinking"]} >= {
        ("0731", "low"),
        ("0731", "high"),
        ("0731", "max"),
        ("original", "high"),
        ("original", "max"),
    }
    assert any(case["response_format"] for case in CASES)
    assert sum(map(has_literals, CASES)) >= 4


@pytest.mark.parametrize("case", CASES, ids=named)
def test_conversation_renders_as_the_official_encoding(case):
    arguments = {name: case[name] for name in ("tools", "response_format", "thinking", "effort", "release")}
    assert render_text(case["messages"], **arguments) == case["rendered"]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_segments_spell_the_rendered_text_on_the_real_vocabulary(v4, case):
    assert v4.detokenize(encode(v4, segments(case))).decode() == case["rendered"]


@pytest.mark.parametrize("case", [case for case in CASES if not has_literals(case)], ids=named)
def test_ids_are_those_of_the_reference_on_the_real_vocabulary(v4, v4_reference, case):
    assert encode(v4, segments(case)) == v4_reference(case["rendered"])


@pytest.mark.parametrize(
    "case", [case for case in CASES if not has_literals(case) and not has_reminder(case)], ids=named
)
def test_ids_are_those_of_the_reference_on_the_small_vocabulary(tiny, tiny_reference, case):
    assert encode(tiny, segments(case)) == tiny_reference(case["rendered"])


@pytest.mark.parametrize("case", [case for case in CASES if has_literals(case)], ids=named)
def test_literals_in_messages_are_text_and_those_of_the_template_ids(v4, case):
    controls = {v4.find_token(literal) for literal in LITERALS}
    found = [token for token in encode(v4, segments(case)) if token in controls]
    assert found == [v4.find_token(segment.value) for segment in segments(case) if isinstance(segment, Special)]


def test_tools_of_the_template_hold_control_tokens(tiny):
    ids = encode(tiny, segments(BY_NAME["tools_no_system/chat"]))
    # Nine tags in the example of a block, and each of the thinking tags is named twice or more.
    assert ids.count(tiny.token_dsml) == 9
    assert ids.count(tiny.token_think_open) == 2
    assert ids.count(tiny.token_think_close) == 3  # and the one that ends the prompt


# -- what the official cases in the file do not show -------------------------------------------------------------------

ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
TOOLS = "## Tools"


def call(name, call_id="", arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_results_are_ordered_by_the_calls_and_texts_between_them_stay():
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [call("f", "x"), call("f", "y"), call("f", "z")]},
        {"role": "tool", "content": "Z", "tool_call_id": "z"},
        {"role": "user", "content": "wait"},
        {"role": "tool", "content": "X", "tool_call_id": "x"},
        {"role": "tool", "content": "Y", "tool_call_id": "y"},
    ]
    assert (
        "<｜User｜><tool_result>X</tool_result>\n\nwait\n\n<tool_result>Y</tool_result>\n\n"
        "<tool_result>Z</tool_result><｜Assistant｜>"
    ) in render_text(messages, tools=[ADD])


def test_results_follow_the_newest_calls_only():
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [call("f", "a"), call("f", "b")]},
        {"role": "tool", "content": "B", "tool_call_id": "b"},
        {"role": "tool", "content": "A", "tool_call_id": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call("f", "b"), call("f", "a")]},
        {"role": "tool", "content": "A", "tool_call_id": "a"},
        {"role": "tool", "content": "B", "tool_call_id": "b"},
    ]
    text = render_text(messages)
    assert text.index("A</tool_result>") < text.index("B</tool_result>")
    assert text.rindex("B</tool_result>") < text.rindex("A</tool_result>")


def test_results_without_ids_stay_in_their_order():
    messages = [
        {"role": "assistant", "content": "", "tool_calls": [call("f"), call("f")]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
    ]
    assert "<tool_result>1</tool_result>\n\n<tool_result>2</tool_result>" in render_text(messages)


@pytest.mark.parametrize("value", ["1", "not json", "[1]", '"x"', '{"a": 1', ""])
def test_arguments_that_are_no_object_are_one_text_parameter(value):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [call("f", "x", value)]}]
    assert (
        f'<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="arguments" string="true">{value}</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>"
    ) in render_text(messages)


def test_call_that_could_not_be_read_is_shown_and_not_left_out():
    messages = [{"role": "assistant", "tool_calls": [call("", "x", '{"path": "/home/us')]}]
    assert 'invoke name="">' in render_text(messages)
    assert 'name="arguments" string="true">{"path": "/home/us</' in render_text(messages)


def test_arguments_of_every_json_kind():
    values = {
        "s": "a\nb",
        "i": 1,
        "f": 1.5,
        "t": True,
        "n": None,
        "l": [1, "é"],
        "o": {"k": "v"},
        "e": "",
        "b": 10**30,
    }
    messages = [{"role": "assistant", "tool_calls": [call("f", "x", values)]}]
    expected = {
        "s": ("true", "a\nb"), "i": ("false", "1"), "f": ("false", "1.5"), "t": ("false", "true"),
        "n": ("false", "null"), "l": ("false", '[1, "é"]'), "o": ("false", '{"k": "v"}'), "e": ("true", ""),
        "b": ("false", "1" + "0" * 30),
    }  # fmt: skip
    lines = [
        f'<｜DSML｜parameter name="{name}" string="{kind}">{text}</｜DSML｜parameter>'
        for name, (kind, text) in expected.items()
    ]
    assert "\n".join(lines) in render_text(messages)


def test_sections_go_into_a_system_message_only_if_it_is_first():
    system, user = {"role": "system", "content": "S"}, {"role": "user", "content": "u"}
    assert render_text([system, user], tools=[ADD]).startswith(f"<｜begin▁of▁sentence｜>S\n\n{TOOLS}")
    assert render_text([user, system], tools=[ADD]).startswith(f"<｜begin▁of▁sentence｜>\n\n{TOOLS}")
    both = render_text([system, user], tools=[ADD], response_format={"type": "object"})
    assert both.index(TOOLS) < both.index("\n\n## Response Format:") < both.index('{"type": "object"}<｜User｜>u')
    assert render_text([system, user], tools=[], response_format={}) == render_text([system, user])


def test_thinking_is_kept_with_tools_and_dropped_without():
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning": "because"},
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": "c"},
    ]
    assert "<think>because</think>b" in render_text(messages, thinking=True, tools=[ADD])
    assert "rules" in render_text(messages, thinking=True, tools=[ADD])
    dropped = render_text(messages, thinking=True)
    assert "<｜User｜>a<｜Assistant｜></think>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>" in dropped
    assert "because" not in render_text(messages, tools=[ADD])


def test_thinking_after_the_last_turn_of_the_user_is_kept():
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "because"}]
    assert render_text(messages, thinking=True).endswith("<｜Assistant｜><think>because</think>b<｜end▁of▁sentence｜>")


def test_effort_says_nothing_without_thinking():
    messages = [{"role": "user", "content": "a"}]
    assert render_text(messages, effort="max") == render_text(messages)
    assert render_text(messages, thinking=True) == render_text(messages, thinking=True, effort="low")
    assert render_text([], thinking=True, effort="max") == "<｜begin▁of▁sentence｜>"


def test_original_release_has_words_for_max_alone():
    messages = [{"role": "user", "content": "a"}]
    plain = render_text(messages, thinking=True, release="original")
    for effort in ("low", "high"):
        assert render_text(messages, thinking=True, effort=effort, release="original") == plain
    assert render_text(messages, thinking=True, effort="max", release="original") == render_text(
        messages, thinking=True, effort="high"
    )


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "latest_reminder"])
def test_empty_texts_keep_their_place(role):
    plain = [Message("user", "x"), Message(role, "y"), Message("user", "z")]
    empty = [Message("user", "x"), Message(role, ""), Message("user", "z")]
    assert render_text(empty) == render_text(plain).replace("y", "")

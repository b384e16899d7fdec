"""The message encoding: the official renderings, the ids behind them, and that text can not forge control tokens."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import InvalidRequestError, Model, UnsupportedError
from ds4_core.chat import ChatRequest, Message, Sampling, Special, as_message, count_tokens, encode_messages, encode_raw
from ds4_core.chat.encoding import encode, render, render_prompt, render_text
from ds4_core.chat.request import build_request

CASES = json.loads((Path(__file__).parent / "encoding_golden.json").read_text(encoding="utf-8"))


def arguments(case):
    names = ("tools", "response_format", "thinking", "effort", "release")
    return {name: case[name] for name in names}


def is_plain(case):
    uses_tools = any(m["role"] == "tool" or m.get("tool_calls") for m in case["messages"])
    return not (case["tools"] or case["response_format"] or case["thinking"] or uses_tools)


PLAIN = [case for case in CASES if is_plain(case)]
OTHERS = [case for case in CASES if not is_plain(case)]


@pytest.fixture(scope="module")
def tiny():
    with Model("ds4-tiny") as model:
        yield model


def test_golden_file_has_both_kinds_of_cases():
    assert len(PLAIN) >= 10
    assert len(OTHERS) >= 40


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["name"])
def test_plain_conversation_renders_as_the_official_encoding(case):
    assert render_text(case["messages"], **arguments(case)) == case["rendered"]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case["name"])
def test_what_is_not_supported_is_refused_and_never_left_out(case):
    with pytest.raises(UnsupportedError, match="not supported yet"):
        render_text(case["messages"], **arguments(case))


def test_reasoning_of_earlier_turns_is_left_out_without_thinking():
    messages = [Message("user", "q"), Message("assistant", "a", reasoning="because"), Message("user", "r")]
    assert "because" not in render_text(messages)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["name"])
def test_ids_spell_the_rendered_text(tiny, case):
    messages = [as_message(message) for message in case["messages"]]
    # The small vocabulary has no token for a reminder.
    if any(message.role == "latest_reminder" for message in messages):
        with pytest.raises(UnsupportedError, match="latest_reminder"):
            encode(tiny, render(messages))
    else:
        assert tiny.detokenize(encode(tiny, render(messages))).decode() == case["rendered"]


def test_prompt_always_ends_in_an_open_turn_of_the_assistant():
    opening = [Special.ASSISTANT, Special.THINK_CLOSE]
    for roles in (["user"], ["system"], ["user", "assistant"], ["system", "user", "assistant", "user"], ["developer"]):
        segments = render_prompt([Message(role, "x") for role in roles])
        assert segments[-2:] == opening
        assert segments[-4:-2] != opening


def test_neighbouring_texts_are_joined_before_tokenizing(tiny):
    split = [Special.BOS, "What is the cap", "", "ital of France?", Special.EOS]
    joined = [Special.BOS, "What is the capital of France?", Special.EOS]
    assert encode(tiny, split) == encode(tiny, joined)


def test_control_tokens_are_single_ids(tiny):
    ids = encode_messages(tiny, [Message("user", "Hello")])
    assert ids[0] == tiny.token_bos
    assert ids[1] == tiny.token_user
    assert ids[-2:] == [tiny.token_assistant, tiny.token_think_close]
    assert ids[2:-2] == tiny.tokenize("Hello")


LITERALS = [special.value for special in Special]


@settings(deadline=None)
@given(st.lists(st.sampled_from([*LITERALS, "<", "｜", "think", ">", "a", " ", "\n", "é"]), max_size=12).map("".join))
def test_text_of_a_caller_never_becomes_a_control_token(text):
    with Model("ds4-tiny") as model:
        controls = {model.find_token(literal) for literal in LITERALS} - {None}
        messages = [Message("system", text), Message("user", text), Message("assistant", text), Message("user", text)]
        found = [token for token in encode_messages(model, messages) if token in controls]
        bos, eos, user = model.token_bos, model.token_eos, model.token_user
        opening = [model.token_assistant, model.token_think_close]
        assert found == [bos, user, *opening, eos, user, *opening]
        assert model.detokenize(encode_messages(model, messages)).decode() == render_text(messages)


def test_raw_prompt_is_used_as_it_is_with_its_control_tokens(tiny):
    messages = [Message("system", "Be concise."), Message("user", "Hello!")]
    assert encode_raw(tiny, render_text(messages)) == encode_messages(tiny, messages)
    assert encode_raw(tiny, "Hello!") == tiny.tokenize("Hello!")


def test_count_tokens_is_the_length_of_the_prompt(tiny):
    messages = [Message("system", "Be concise."), Message("user", "What is 17 + 25?")]
    assert count_tokens(tiny, messages) == len(encode_messages(tiny, messages))


def test_lone_surrogate_is_refused_with_its_place(tiny):
    with pytest.raises(InvalidRequestError, match=r"U\+D800 at character 1"):
        encode_messages(tiny, [Message("user", "a\ud800")])


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"role": "wizard", "content": "x"}, InvalidRequestError),
        ({"role": "user", "content": None}, InvalidRequestError),
        ({"role": "user", "content": [{"type": "text"}]}, InvalidRequestError),
        ({"role": "user", "content": "x", "reasonning": "y"}, InvalidRequestError),
        ({"role": "user", "content": "x", "name": "Ann"}, InvalidRequestError),
        ({"role": "assistant", "content": "x", "reasoning": 5}, InvalidRequestError),
        ({"role": "assistant", "content": "x", "reasoning": "a", "reasoning_content": "b"}, InvalidRequestError),
        ("hello", InvalidRequestError),
        ({"role": "tool", "content": "3", "tool_call_id": "k"}, UnsupportedError),
    ],
)
def test_message_that_can_not_be_encoded_is_refused(message, error):
    with pytest.raises(error):
        as_message(message)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"top_k": -1},
        {"top_k": 2**31},
        {"top_k": 1.5},
        {"top_k": True},
        {"temperature": "1"},
        {"temperature": None},
        {"temperature": True},
        {"temperature": float("inf")},
        {"temperature": 10**400},
        {"top_p": "0.5"},
        {"min_p": float("nan")},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 1.5},
        {"seed": "a"},
        {"seed": True},
    ],
)
def test_sampling_out_of_range_is_refused(values):
    with pytest.raises(InvalidRequestError, match=next(iter(values))):
        Sampling(**values)


def test_sampling_takes_the_whole_range_and_numpy_numbers():
    sampling = Sampling(temperature=np.float32(0.5), top_k=np.int64(3), seed=2**64 - 1)
    assert (sampling.temperature, sampling.top_k, sampling.seed) == (0.5, 3, 2**64 - 1)
    assert (type(sampling.temperature), type(sampling.top_k)) == (float, int)
    assert Sampling(top_k=2**31 - 1).top_k == 2**31 - 1


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"max_tokens": "3"},
        {"max_tokens": True},
        {"n_ctx": 0},
        {"n_ctx": 100.0},
        {"n_ctx": 2**31},
        {"timeout_s": 0},
        {"timeout_s": "1"},
        {"timeout_s": True},
        {"timeout_s": float("inf")},
        {"stop": ("",)},
        {"stop": "x"},
        {"stop": 5},
        {"stop": (1,)},
        {"thinking": "no"},
        {"sampling": {"temperature": 0}},
        {"messages": ({"role": "user", "content": "x"},)},
        {"messages": "x"},
    ],
)
def test_limit_of_another_type_or_out_of_range_is_refused(values):
    with pytest.raises(InvalidRequestError, match=next(iter(values))):
        ChatRequest(**{"messages": (Message("user", "x"),), **values})


@pytest.mark.parametrize("prompt", [5, b"x", ["x"]])
def test_prompt_that_is_no_text_is_refused(prompt):
    with pytest.raises(InvalidRequestError, match="prompt"):
        ChatRequest(prompt=prompt)


@pytest.mark.parametrize("values", [("tool", "x"), ("wizard", "x"), (None, "x"), ("user", 5), ("assistant", "x", None)])
def test_message_with_another_role_or_type_is_refused(values):
    with pytest.raises(InvalidRequestError, match="message"):
        Message(*values)


def test_thinking_of_a_dict_has_two_names():
    for name in ("reasoning", "reasoning_content"):
        message = as_message({"role": "assistant", "content": None, name: "because", "tool_calls": []})
        assert message == Message("assistant", "", reasoning="because")


def test_effort_and_release_are_checked():
    messages = [Message("user", "x")]
    assert render_text(messages, release="original") == render_text(messages)
    with pytest.raises(UnsupportedError, match="effort"):
        render_text(messages, effort="max")
    for values in ({"effort": "huge"}, {"release": "nonsense"}):
        with pytest.raises(InvalidRequestError, match=next(iter(values))):
            render_text(messages, **values)


def test_request_takes_messages_or_a_prompt():
    for values in ({}, {"messages": (Message("user", "x"),), "prompt": "y"}, {"prompt": ""}):
        with pytest.raises(InvalidRequestError):
            ChatRequest(**values)


def test_options_of_a_call_win_and_none_lifts_a_limit():
    own = {"temperature": 0.5, "max_tokens": 10, "stop": ["a"], "seed": 7}
    request = build_request(own, {"temperature": 0, "max_tokens": None, "stop": "b"}, prompt="x")
    assert request.sampling == Sampling(temperature=0, seed=7)
    assert request.max_tokens is None
    assert request.stop == ("b",)
    assert build_request(own, {"temperature": None}, prompt="x").sampling.temperature == 0.5


@pytest.mark.parametrize("stop", ["", [""], 5, [1]])
def test_stop_of_a_call_is_checked_like_any_other(stop):
    with pytest.raises(InvalidRequestError, match="stop"):
        build_request({"stop": ["a"]}, {"stop": stop}, prompt="x")
    assert build_request({"stop": ["a"]}, {"stop": []}, prompt="x").stop == ()


def test_tool_choice_that_chooses_nothing_passes():
    for choice in ("auto", "none"):
        assert build_request({}, {"tool_choice": choice}, prompt="x").prompt == "x"
    with pytest.raises(UnsupportedError, match="tool_choice"):
        build_request({}, {"tool_choice": "any"}, prompt="x")


def test_unknown_option_names_the_closest_known_one():
    with pytest.raises(TypeError, match="did you mean 'max_tokens'"):
        build_request({}, {"max_token": 3}, prompt="x")


@pytest.mark.parametrize("name", ["tools", "tool_choice", "response_format", "logprobs", "reasoning_effort"])
def test_option_for_later_is_refused_by_name_unless_empty(name):
    with pytest.raises(UnsupportedError, match=name):
        build_request({}, {name: ["something"]}, prompt="x")
    assert build_request({}, {name: None}, prompt="x").prompt == "x"


def test_thinking_is_refused():
    with pytest.raises(UnsupportedError, match="thinking"):
        build_request({}, {"thinking": True}, prompt="x")

"""Messages, requests and the prompts they become: what is accepted, what is refused, and what depends on the model."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from ds4_core import InvalidRequestError, Model, UnsupportedError
from ds4_core.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Sampling,
    Special,
    Tool,
    ToolCall,
    as_message,
    as_response_format,
    as_tool_call,
    as_tools,
    check_effort,
    count_tokens,
    encode_messages,
    encode_raw,
    encode_request,
    release_of,
    render_text,
)
from ds4_core.chat.encoding import MAX_EFFORT_MIN_N_CTX, PromptOptions, encode, render_prompt
from ds4_core.chat.protocol import RELEASES
from ds4_core.chat.request import CALL_OPTIONS, REQUEST_OPTIONS, build_request

ADD = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}}}
CALL = {"id": "k", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.fixture(scope="module")
def tiny():
    with Model("ds4-tiny") as model:
        yield model


def test_prompt_always_ends_in_an_open_turn_of_the_assistant():
    for roles in (
        ["user"],
        ["system"],
        ["user", "assistant"],
        ["system", "user", "assistant", "user"],
        ["developer"],
        ["tool"],
        ["user", "system"],
        ["assistant", "latest_reminder"],
        ["user", "latest_reminder"],
        [],
    ):
        for thinking, tag in ((False, Special.THINK_CLOSE), (True, Special.THINK_OPEN)):
            segments = render_prompt([Message(role, "x") for role in roles], PromptOptions(thinking=thinking))
            controls = [segment for segment in segments if isinstance(segment, Special)]
            if controls[-1] is Special.LATEST_REMINDER:
                controls.pop()
            assert controls[-2:] == [Special.ASSISTANT, tag]
            assert controls[-3] in (Special.USER, Special.EOS, Special.BOS, Special.LATEST_REMINDER)


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


def test_raw_prompt_is_used_as_it_is_with_its_control_tokens(tiny):
    messages = [Message("system", "Be concise."), Message("user", "Hello!")]
    assert encode_raw(tiny, render_text(messages)) == encode_messages(tiny, messages)
    assert encode_raw(tiny, "Hello!") == tiny.tokenize("Hello!")


def test_count_tokens_is_the_length_of_the_prompt(tiny):
    messages = [Message("system", "Be concise."), Message("user", "What is 17 + 25?")]
    assert count_tokens(tiny, messages) == len(encode_messages(tiny, messages))


def test_counting_with_tools_and_thinking_is_exact(tiny):
    messages = [Message("user", "What is 17 + 25?")]
    options = {"tools": [ADD], "thinking": True, "effort": "max", "response_format": {"type": "object"}}
    text = render_text(messages, **options)
    assert count_tokens(tiny, messages, **options) == len(tiny.tokenize(text, parse_special=True))


def test_a_request_to_think_without_an_effort_means_high(tiny):
    messages = [Message("user", "x")]
    high = encode_messages(tiny, messages, thinking=True, effort="high")
    assert encode_messages(tiny, messages, thinking=True) == high
    assert encode_messages(tiny, messages, thinking=True, effort="low") != high
    assert count_tokens(tiny, messages, thinking=True) == len(high)
    assert ChatRequest(tuple(messages), thinking=True).effective_effort == "high"
    assert ChatRequest(tuple(messages), thinking=True, effort="low").effective_effort == "low"
    assert ChatRequest(tuple(messages), effort="max").effective_effort is None


def test_effort_max_needs_a_large_context():
    check_effort("max", MAX_EFFORT_MIN_N_CTX)
    check_effort("high", 100)
    check_effort(None, 100)
    with pytest.raises(InvalidRequestError, match=r"393216.*393215"):
        check_effort("max", MAX_EFFORT_MIN_N_CTX - 1)


@pytest.mark.parametrize(
    ("metadata", "release"),
    [
        ({}, "0731"),
        ({"general.name": "DeepSeek V4 Flash"}, "0731"),
        ({"general.name": "DeepSeek-V4-Flash-Original"}, "original"),
        ({"general.name": "DeepSeek V4", "general.version": "original release"}, "original"),
        ({"general.version": "0731"}, "0731"),
        ({"general.name": "Aboriginal languages"}, "0731"),
        ({"general.name": 5}, "0731"),
    ],
)
def test_release_is_what_the_file_says(metadata, release):
    assert release_of(metadata) == release


def test_release_of_the_file_decides_unless_the_request_does(tiny):
    class Original:
        metadata: ClassVar = {"general.version": "original"}
        tokenize, find_token = tiny.tokenize, tiny.find_token

    messages = (Message("user", "x"),)
    request = ChatRequest(messages, thinking=True, effort="max")
    original, newer = (
        encode_messages(tiny, messages, thinking=True, effort="max", release=release) for release in RELEASES
    )
    assert original != newer
    assert encode_request(tiny, request) == newer
    assert encode_request(Original(), request) == original
    assert encode_request(Original(), replace(request, release="0731")) == newer


def test_request_becomes_the_prompt_it_asks_for(tiny):
    messages = (Message("system", "Be concise."), Message("user", "1 + 1?"))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    request = ChatRequest(messages, tools=(ADD,), response_format=schema, thinking=True)
    text = render_text(messages, tools=[ADD], response_format=schema, thinking=True, effort="high")
    assert tiny.detokenize(encode_request(tiny, request)).decode() == text
    assert encode_request(tiny, ChatRequest(prompt=text)) == encode_request(tiny, request)


def test_lone_surrogate_is_refused_with_its_place(tiny):
    for message in (
        Message("user", "a\ud800"),
        Message("assistant", "", tool_calls=(ToolCall("f", '{"x": "a\ud800"}'),)),
        Message("assistant", "", tool_calls=(ToolCall("f", r'{"x": "a\ud800"}'),)),
        Message("tool", "a\ud800"),
    ):
        with pytest.raises(InvalidRequestError, match=r"messages\[1\].*U\+D800"):
            encode_messages(tiny, [Message("user", "x"), message])
    with pytest.raises(InvalidRequestError, match=r"U\+D800 at character 1 of its content"):
        encode_messages(tiny, [Message("user", "a\ud800")])
    with pytest.raises(InvalidRequestError, match=r"tools\[0\]"):
        as_tools([{"name": "f", "description": "\ud800"}])


@pytest.mark.parametrize(
    "message",
    [
        {"role": "wizard", "content": "x"},
        {"role": ["user"], "content": "x"},
        {"role": "user", "content": None},
        {"role": "tool", "content": None},
        {"role": "user", "content": [{"type": "text"}]},
        {"role": "user", "content": "x", "reasonning": "y"},
        {"role": "user", "content": "x", "name": "Ann"},
        {"role": "user", "content": "x", "reasoning": "y"},
        {"role": "user", "content": "x", "tool_calls": [CALL]},
        {"role": "user", "content": "x", "tool_call_id": "k"},
        {"role": "user", "content": "x", "raw": [1]},
        {"role": "assistant", "content": "x", "reasoning": 5},
        {"role": "assistant", "content": "x", "reasoning": "a", "reasoning_content": "b"},
        {"role": "assistant", "content": "x", "raw": "abc"},
        {"role": "assistant", "content": "x", "raw": [True]},
        {"role": "assistant", "content": "x", "raw": [-1]},
        {"role": "assistant", "content": "x", "tool_calls": CALL},
        {"role": "assistant", "content": "x", "tool_calls": ["f"]},
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "k"}]},
        {"role": "assistant", "content": "x", "tool_calls": [{**CALL, "type": "web_search"}]},
        {"role": "assistant", "content": "x", "tool_calls": [{**CALL, "extra": 1}]},
        {"role": "assistant", "content": "x", "tool_calls": [{**CALL, "id": 5}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": None}}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": {"a": {1}}}}]},
        "hello",
    ],
)
def test_message_that_can_not_be_encoded_is_refused_with_its_number(message):
    with pytest.raises(InvalidRequestError):
        as_message(message)
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]"):
        render_text([{"role": "user", "content": "x"}, message])


def test_messages_come_as_dicts_or_as_they_are():
    message = as_message({"role": "assistant", "content": None, "tool_calls": [CALL], "raw": [5, 6]})
    assert message == Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 1}', "k"),))
    assert message.raw == (5, 6)
    assert as_message(message) is message
    assert as_tool_call({"function": {"name": "f", "arguments": {"é": 1}}}) == ToolCall("f", '{"é": 1}')
    assert as_tool_call({"function": {"name": "f"}}) == ToolCall("f", "{}")
    for messages in ("x", {"role": "user", "content": "x"}, None):
        with pytest.raises(InvalidRequestError, match="list of messages"):
            render_text(messages)


@pytest.mark.parametrize(
    "tool",
    [
        "add",
        {"type": "web_search"},
        {"type": "function"},
        {"type": "function", "function": "add"},
        {"type": "function", "function": {"description": "x"}},
        {"type": "function", "function": {"name": 5}},
        {"type": "function", "function": {"name": ""}},
        {"type": "function", "function": {"name": 'a"b'}},
        {"type": "function", "function": {"name": "a\nb"}},
        {"type": "function", "function": {"name": "add", "parameters": "none"}},
        {"type": "function", "function": {"name": "add", "description": 5}},
        {"type": "function", "function": {"name": "add", "parameters": {"default": {1}}}},
        ADD,  # a second one of the name
    ],
)
def test_tool_that_can_not_be_shown_is_refused_with_its_number(tool):
    with pytest.raises(InvalidRequestError, match=r"tools\[1\]"):
        as_tools([ADD, tool])
    with pytest.raises(InvalidRequestError, match=r"tools\[1\]"):
        ChatRequest((Message("user", "x"),), tools=(ADD, tool))


def test_tools_come_in_several_forms():
    function = ADD["function"]
    (tool,) = as_tools([ADD])
    assert (tool.name, tool.description, tool.parameters) == ("add", "Add.", {"type": "object"})
    assert as_tools([function]) == as_tools([Tool("add", "Add.", {"type": "object"})]) == as_tools([tool]) == (tool,)
    assert as_tools(None) == as_tools([]) == ()
    assert '"strict": true' in render_text([], tools=[{"type": "function", "function": {**function, "strict": True}}])
    for tools in ("x", ADD, 5):
        with pytest.raises(InvalidRequestError, match="list of tools"):
            as_tools(tools)


def test_later_changes_of_a_tool_change_no_request():
    function = {"name": "add", "parameters": {"type": "object"}}
    request = ChatRequest((Message("user", "x"),), tools=(function,), response_format=function["parameters"])
    function["parameters"]["type"] = "string"
    assert request.tools[0].parameters == request.response_format.schema == {"type": "object"}


@pytest.mark.parametrize(
    ("given", "kind", "schema"),
    [
        ({"type": "json_object"}, "json_object", {"type": "object"}),
        ({"type": "object", "title": "A"}, "json_schema", {"type": "object", "title": "A"}),
        ({"type": ["string", "null"]}, "json_schema", {"type": ["string", "null"]}),
        ({"anyOf": [{}]}, "json_schema", {"anyOf": [{}]}),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"a": 1}}}, "json_schema", {"a": 1}),
        ({"type": "regex", "regex": "[0-9]+"}, "regex", None),
        ({"type": "lark", "lark": 'start: "a"'}, "lark", None),
        ({"type": "choice", "choice": ["a", "b", "a"]}, "choice", None),
        (ResponseFormat("json_object"), "json_object", {"type": "object"}),
    ],
)
def test_response_format_comes_in_several_forms(given, kind, schema):
    request = ChatRequest((Message("user", "x"),), response_format=given)
    assert (request.response_format.kind, request.response_format.prompt_schema) == (kind, schema)


def test_response_format_of_a_model_class_or_of_nothing():
    class Answer:
        @classmethod
        def model_json_schema(cls):
            return {"type": "object", "title": "Answer"}

    assert as_response_format(Answer) == ResponseFormat("json_schema", {"type": "object", "title": "Answer"})
    assert as_response_format({"type": "text"}) is None
    assert as_response_format(None) is None


@pytest.mark.parametrize(
    "given",
    [
        "json",
        5,
        {},
        {"type": "yaml"},
        {"type": 5},
        {"kind": "json_object"},
        {"type": "json_object", "json_object": {}},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"name": "a"}},
        {"type": "json_schema", "schema": {"type": "object"}},
        {"type": "regex"},
        {"type": "regex", "regex": ""},
        {"type": "regex", "pattern": "a"},
        {"type": "lark", "lark": 5},
        {"type": "choice"},
        {"type": "choice", "choice": []},
        {"type": "choice", "choice": ["a", ""]},
        {"type": "choice", "choice": "ab"},
        {"type": "object", "default": {1}},
    ],
)
def test_response_format_of_no_known_form_is_refused(given):
    with pytest.raises(InvalidRequestError, match="response"):
        ChatRequest((Message("user", "x"),), response_format=given)


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
        {"thinking": None},
        {"effort": "huge"},
        {"release": "1999"},
        {"tools": "add"},
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


@pytest.mark.parametrize("values", [("wizard", "x"), (None, "x"), ("user", 5), ("assistant", "x", None)])
def test_message_with_another_role_or_type_is_refused(values):
    with pytest.raises(InvalidRequestError, match="message"):
        Message(*values)


def test_thinking_of_a_dict_has_two_names():
    for name in ("reasoning", "reasoning_content"):
        message = as_message({"role": "assistant", "content": None, name: "because", "tool_calls": []})
        assert message == Message("assistant", "", reasoning="because")


def test_options_of_a_prompt_are_checked():
    messages = [Message("user", "x")]
    assert render_text(messages, release="original") == render_text(messages)
    for values in ({"effort": "huge"}, {"release": "nonsense"}, {"thinking": "no"}, {"response_format": "json"}):
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


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(None, None), (False, None), ("", None), ("auto", "auto"), (True, "required"), ("any", "any"), ("add", "add")],
)
def test_tool_choice_takes_the_usual_forms(choice, expected):
    tools = [{"type": "function", "function": {"name": "add"}}]
    request = build_request({}, {"tools": tools, "tool_choice": choice}, prompt="x")
    assert (request.tools[0].name, request.tool_choice) == ("add", expected)


def test_unknown_option_names_the_closest_known_one():
    with pytest.raises(TypeError, match="did you mean 'max_tokens'"):
        build_request({}, {"max_token": 3}, prompt="x")


@pytest.mark.parametrize("name", [*REQUEST_OPTIONS, *CALL_OPTIONS])
def test_option_of_a_call_that_is_none_says_nothing(name):
    assert build_request({}, {name: None}, prompt="x") == ChatRequest(prompt="x")


@pytest.mark.parametrize(
    ("own", "call", "expected"),
    [
        ({}, {}, (False, 0)),
        ({"top_logprobs": 2}, {}, (True, 2)),
        ({"logprobs": True}, {"top_logprobs": 3}, (True, 3)),
        ({"logprobs": False}, {"top_logprobs": 3}, (True, 3)),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": False}, (False, 0)),
        ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 0}, (True, 0)),
    ],
)
def test_asking_for_likely_tokens_asks_for_logprobs_and_the_call_wins(own, call, expected):
    request = build_request(own, call, prompt="x")
    assert (request.logprobs, request.top_logprobs) == expected


def test_likely_tokens_beside_refused_logprobs_are_a_contradiction():
    for own, call in (({"logprobs": False, "top_logprobs": 2}, {}), ({}, {"logprobs": False, "top_logprobs": 2})):
        with pytest.raises(InvalidRequestError, match="top_logprobs"):
            build_request(own, call, prompt="x")


def test_raw_prompt_says_itself_whether_the_model_thinks():
    with pytest.raises(InvalidRequestError, match="thinking"):
        ChatRequest(prompt="x", thinking=True)


@pytest.mark.parametrize(
    ("own", "call", "expected"),
    [
        ({}, {}, None),
        ({"thinking": "auto"}, {}, None),
        ({"thinking": "auto", "reasoning_effort": "low"}, {}, "low"),
        ({"thinking": False, "reasoning_effort": "low"}, {}, None),
        ({"thinking": True}, {}, "high"),
        ({"thinking": True}, {"thinking": False}, None),
        ({"thinking": True}, {"thinking": None}, "high"),
        ({"thinking": False}, {"reasoning_effort": "low"}, "low"),
        ({"reasoning_effort": "low"}, {"thinking": False}, None),
        ({}, {"reasoning_effort": "low", "thinking": False}, None),
    ],
)
def test_an_effort_asks_for_thinking_unless_that_is_refused(own, call, expected):
    request = build_request(own, call, messages=[Message("user", "x")])
    assert request.effective_effort == expected
    assert not build_request(own, {name: call[name] for name in call if name != "thinking"}, prompt="x").thinking


def test_thinking_of_a_raw_prompt_is_for_the_prompt_to_say():
    with pytest.raises(InvalidRequestError, match="thinking"):
        build_request({}, {"thinking": True}, prompt="x")
    with pytest.raises(InvalidRequestError, match="thinking"):
        build_request({}, {"thinking": "yes"}, messages=[Message("user", "x")])


def test_control_token_that_the_vocabulary_lacks_is_named(tiny):
    class Lacking:
        metadata, tokenize = tiny.metadata, tiny.tokenize

        def find_token(self, text, /):
            return None if text == Special.LATEST_REMINDER.value else tiny.find_token(text)

    assert encode_messages(Lacking(), [Message("user", "x")]) == encode_messages(tiny, [Message("user", "x")])
    with pytest.raises(UnsupportedError, match="latest_reminder"):
        encode_messages(Lacking(), [Message("user", "x"), Message("latest_reminder", "today")])

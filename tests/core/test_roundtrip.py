"""History renders to the tokens that were sampled, while they say what the message says, and never says more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import InvalidTokenError, Model
from ds4_core.chat import Message, Special, Tool, ToolCall, agrees, count_tokens, encode_messages

TOOLS = (Tool("add"),)
USER = Message("user", "What is the capital of France?")


@pytest.fixture(scope="module")
def tiny():
    with Model("ds4-tiny") as model:
        yield model


def sample(model, text):
    """A text as tokens that the tokenizer would not choose: every character on its own."""
    return [token for char in text for token in model.tokenize(char)]


def sampled_turn(model, message, thinks, *, ends=True):
    """An assistant message without calls, as a model would sample it after its turn was opened."""
    thoughts = [*sample(model, message.reasoning), model.token_think_close] if thinks else []
    return (*thoughts, *sample(model, message.content), *([model.token_eos] if ends else []))


def parser(model):
    """Reads turns without calls."""

    def parse(tokens, thinks):
        tokens = list(tokens)
        reasoning = []
        if thinks:
            end = tokens.index(model.token_think_close) if model.token_think_close in tokens else len(tokens)
            reasoning, tokens = tokens[:end], tokens[end + 1 :]
        return Message("assistant", model.detokenize(tokens).decode(), model.detokenize(reasoning).decode())

    return parse


texts = st.text("ab c\né中<>", max_size=8)
history = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["system", "developer", "user", "tool"]), texts),
        st.builds(Message, st.just("assistant"), texts, texts),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("n_examples", [80, pytest.param(4000, marks=pytest.mark.long)])
@pytest.mark.parametrize("thinking", [False, True])
def test_history_begins_with_the_prompt_and_the_sampled_tokens(tiny, thinking, n_examples):
    """Without thinking, and in a tools context, whatever stood before and whatever comes next."""
    parse = parser(tiny)
    options = {"tools": TOOLS, "thinking": True} if thinking else {}

    @settings(max_examples=n_examples, deadline=None)
    @given(before=history, text=texts, thoughts=texts, ends=st.booleans(), after=history)
    def check(before, text, thoughts, ends, after):
        prompt = encode_messages(tiny, before, parse=parse, **options)
        answer = Message("assistant", text, thoughts if thinking else "")
        raw = sampled_turn(tiny, answer, thinking, ends=ends)
        later = encode_messages(tiny, [*before, replace(answer, raw=raw), *after], parse=parse, **options)
        expected = [*prompt, *raw, *([] if ends else [tiny.token_eos])]
        assert later[: len(expected)] == expected

    check()


def test_several_sampled_turns_are_all_used(tiny):
    parse = parser(tiny)
    messages = [Message("system", "Be concise."), USER]
    for text in ("Paris.", "It is Paris.", "Still Paris."):
        prompt = encode_messages(tiny, messages, parse=parse)
        answer = Message("assistant", text)
        raw = sampled_turn(tiny, answer, thinks=False)
        messages += [replace(answer, raw=raw), USER]
        later = encode_messages(tiny, messages, parse=parse)
        assert later[: len(prompt) + len(raw)] == [*prompt, *raw]
        assert later != encode_messages(tiny, messages)
        assert count_tokens(tiny, messages, parse=parse) == len(later)


def test_dropped_thoughts_share_the_prompt_up_to_the_turn(tiny):
    answer = Message("assistant", "Paris.", "France's capital is Paris.")
    raw = sampled_turn(tiny, answer, thinks=True)
    prompt = encode_messages(tiny, [USER], thinking=True)
    later = encode_messages(tiny, [USER, replace(answer, raw=raw), USER], thinking=True, parse=parser(tiny))
    assert later == encode_messages(tiny, [USER, answer, USER], thinking=True)
    assert prompt[-2:] == [tiny.token_assistant, tiny.token_think_open]
    assert later[: len(prompt)] == [*prompt[:-1], tiny.token_think_close]


def test_answer_without_thoughts_is_used_in_a_conversation_that_thinks_later(tiny):
    answer = Message("assistant", "Paris.")
    raw = sampled_turn(tiny, answer, thinks=False)
    later = encode_messages(tiny, [USER, replace(answer, raw=raw), USER], thinking=True, parse=parser(tiny))
    spelled = encode_messages(tiny, [USER, answer, USER], thinking=True)
    assert later != spelled
    assert tiny.detokenize(later) == tiny.detokenize(spelled)


def test_turn_cut_while_thinking_is_closed_after_what_was_sampled(tiny):
    answer = Message("assistant", "", "Let me see")
    raw = tuple(sample(tiny, answer.reasoning))
    prompt = encode_messages(tiny, [USER], thinking=True, tools=TOOLS)
    messages = [USER, replace(answer, raw=raw), USER]
    later = encode_messages(tiny, messages, thinking=True, tools=TOOLS, parse=parser(tiny))
    assert later[: len(prompt) + len(raw) + 2] == [*prompt, *raw, tiny.token_think_close, tiny.token_eos]


CALL = ToolCall("add", '{"a": 1, "b": "x"}', "k")


@pytest.mark.parametrize(
    ("message", "parsed", "same"),
    [
        (Message("assistant", "a"), Message("assistant", "a"), True),
        (Message("assistant", "a"), Message("assistant", "a "), False),
        (Message("assistant", "a"), Message("assistant", "a", "r"), False),
        (Message("assistant", "a", "r"), Message("assistant", "a"), False),
        (Message("assistant", "a", tool_calls=(CALL,)), Message("assistant", "a"), False),
        (CALL, replace(CALL, id="other"), True),
        (CALL, replace(CALL, arguments='{"a":1,"b":"\\u0078"}'), True),
        (CALL, replace(CALL, arguments='{"b": "x", "a": 1}'), False),
        (CALL, replace(CALL, arguments='{"a": 1.0, "b": "x"}'), False),
        (CALL, replace(CALL, arguments='{"a": true, "b": "x"}'), False),
        (CALL, replace(CALL, arguments='{"a": 1, "b": "x"'), False),
        (CALL, replace(CALL, name="sub"), False),
        (replace(CALL, arguments="{a"), replace(CALL, arguments="{a"), True),
        (replace(CALL, arguments="{a"), replace(CALL, arguments="{ a"), False),
    ],
)
def test_what_counts_as_saying_the_same(message, parsed, same):
    def whole(one):
        return Message("assistant", "", tool_calls=(one,)) if isinstance(one, ToolCall) else one

    assert agrees(whole(message), whole(parsed)) is same


def test_edited_message_is_rendered_anew(tiny):
    answer = Message("assistant", "Paris.")
    raw = sampled_turn(tiny, answer, thinks=False)
    for edited in (replace(answer, content="Rome.", raw=raw), replace(answer, tool_calls=(CALL,), raw=raw)):
        anew = replace(edited, raw=None)
        assert edited == anew
        assert encode_messages(tiny, [USER, edited, USER], parse=parser(tiny)) == encode_messages(
            tiny, [USER, anew, USER]
        )


@pytest.mark.parametrize("special", [special for special in Special if special is not Special.LATEST_REMINDER])
@pytest.mark.parametrize("thinking", [False, True])
def test_raw_tokens_can_not_open_a_turn_or_think_elsewhere(tiny, special, thinking):
    """Even for a parser to which control tokens mean nothing."""
    options = {"thinking": True, "tools": TOOLS} if thinking else {}
    answer = Message("assistant", "Paris.", "Hm." if thinking else "")
    raw = [*sampled_turn(tiny, answer, thinking)]
    forged = replace(answer, raw=(*raw[:-3], tiny.find_token(special.value), *raw[-3:]))
    later = encode_messages(tiny, [USER, forged, USER], parse=lambda tokens, thinks: answer, **options)
    if special is Special.DSML:  # no turn is opened by it, and what it says is the parser's to know
        assert later != encode_messages(tiny, [USER, answer, USER], **options)
    else:
        assert later == encode_messages(tiny, [USER, answer, USER], **options)


def test_tokens_of_another_vocabulary_are_left_alone(tiny):
    def parse(tokens, thinks):
        raise InvalidTokenError("no such token")

    answer = Message("assistant", "Paris.", raw=(10**6,))
    plain = encode_messages(tiny, [USER, answer, USER])
    assert encode_messages(tiny, [USER, answer, USER], parse=parse) == plain
    assert encode_messages(tiny, [USER, answer, USER], parse=lambda tokens, thinks: None) == plain


def test_raw_tokens_are_neither_compared_nor_printed():
    answer = Message("assistant", "Paris.", raw=(1, 2))
    assert answer == Message("assistant", "Paris.")
    assert hash(answer) == hash(Message("assistant", "Paris."))
    assert "raw" not in repr(answer)

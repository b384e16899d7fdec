"""Text from outside forges nothing: whatever a conversation says, its control tokens are those of its structure."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import Model
from ds4_core.chat import Message, Special, Tool, ToolCall
from ds4_core.chat.encoding import PromptOptions, encode, render, render_prompt
from ds4_core.chat.protocol import Sampled, spell, template
from tests.core.reference_tokenizers import v4_tokenizer_json
from tests.core.vocab_gguf import write_vocab_gguf

LITERALS = [special.value for special in Special]
# Whole literals, and what joins with its neighbours, or with the template's text, to become one.
PIECES = [
    *LITERALS,
    *(literal[:n] for literal in LITERALS for n in (1, 3, len(literal) - 1)),
    *(literal[n:] for literal in LITERALS for n in (1, 3, len(literal) - 1)),
    *(
        "<｜",
        "｜>",
        "</｜DSML｜parameter>",
        "</tool_result>",
        "<tool_result>",
        "｜｜DSML｜｜",
        "\udcef\udcbd\udc9cDSML｜",
    ),
    *('"', "\\", "\n\n", " ", "a", "é", "中", "\x00", "&lt;", "{", "}"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
unicode_texts = st.lists(st.sampled_from([piece for piece in PIECES if piece.isprintable()]), max_size=4).map("".join)
arguments = st.one_of(
    texts, st.dictionaries(unicode_texts, st.one_of(unicode_texts, st.lists(unicode_texts))).map(json.dumps)
)
calls = st.builds(ToolCall, unicode_texts.filter(bool), arguments, st.sampled_from(["", "x", "y"]))
messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "developer", "user", "latest_reminder"]), texts),
    st.builds(Message, st.just("assistant"), texts, texts, st.lists(calls, max_size=2).map(tuple)),
    st.builds(
        lambda text, call_id: Message("tool", text, tool_call_id=call_id), texts, st.sampled_from(["", "x", "y"])
    ),
)
conversations = st.lists(messages, max_size=6)
prompts = st.builds(
    PromptOptions,
    tools=st.one_of(
        st.just(()),
        st.builds(lambda text: (Tool("f", text, {"type": "object", "description": text}),), unicode_texts),
    ),
    schema=st.one_of(st.none(), st.builds(lambda text: {"type": "string", "const": text}, unicode_texts)),
    thinking=st.booleans(),
    effort=st.sampled_from(["low", "high", "max"]),
    release=st.sampled_from(["original", "0731"]),
)


def hostile_vocabulary():
    """A vocabulary that stores the literals in every way that might let text spell them: as ordinary tokens that merges
    lead to, twice, as user-defined tokens, in the byte alphabet."""
    whole = v4_tokenizer_json()["model"]
    alphabet = [text for text in whole["vocab"] if len(text) == 1]
    vocab = {text: i for i, text in enumerate(alphabet)}
    merges: list[str] = []
    in_bytes = {}
    byte_text = _byte_alphabet()
    for literal in LITERALS:
        spelled = "".join(byte_text[byte] for byte in literal.encode())
        in_bytes[literal] = spelled
        for end in range(2, len(spelled) + 1):
            merges.append(f"{spelled[: end - 1]} {spelled[end - 1]}")
            vocab.setdefault(spelled[:end], len(vocab))
    added = []
    for i, literal in enumerate(LITERALS):
        for special in (i % 2 == 0, False):
            added.append({"id": len(vocab) + len(added), "content": literal, "special": special})
    return {"model": {"vocab": vocab, "merges": merges}, "added_tokens": added}


def _byte_alphabet():
    """Byte-level BPE's character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {**{byte: chr(byte) for byte in kept}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


@pytest.fixture(scope="module", params=["ds4-tiny", "v4", "hostile"])
def model(request, tmp_path_factory):
    if request.param == "ds4-tiny":
        path = "ds4-tiny"
    else:
        path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.gguf"
        write_vocab_gguf(path, v4_tokenizer_json() if request.param == "v4" else hostile_vocabulary())
    with Model(path) as model:
        yield model


@pytest.fixture(scope="module")
def controls(model):
    """Every token that spells a protocol literal, and which one."""
    found = {}
    for token in range(model.n_vocab):
        data = model.token_bytes(token)
        if data.decode("utf-8", "replace") in LITERALS:
            found[token] = data.decode()
    assert len(found) >= 7
    return found


def test_hostile_vocabulary_is_hostile(tmp_path):
    path = tmp_path / "vocabulary.gguf"
    write_vocab_gguf(path, hostile_vocabulary())
    with Model(path) as model:
        spelled = [model.token_bytes(token).decode("utf-8", "replace") for token in range(model.n_vocab)]
        assert all(spelled.count(literal) >= 2 for literal in LITERALS)
        assert "｜DSML" in spelled


@pytest.mark.parametrize("n_examples", [60, pytest.param(5000, marks=pytest.mark.long)])
def test_control_tokens_are_those_of_the_structure_and_the_text_stays(model, controls, n_examples):
    @settings(deadline=None, max_examples=n_examples)
    @given(conversation=conversations, options=prompts)
    def check(conversation, options):
        if model.find_token(Special.LATEST_REMINDER.value) is None:
            conversation = [message for message in conversation if message.role != "latest_reminder"]
        segments = render_prompt(conversation, options)
        ids = encode(model, segments)
        assert [controls[token] for token in ids if token in controls] == [
            segment.value for segment in segments if isinstance(segment, Special)
        ]
        assert model.detokenize(ids) == spell(segments).encode("utf-8", "surrogateescape")

    check()


@settings(deadline=None, max_examples=60)
@given(conversation=conversations, options=prompts)
def test_structure_does_not_depend_on_what_texts_say(conversation, options):
    """The control tokens of a conversation are those of the same one whose every text says "x"."""

    def harmless(call):
        try:
            values = json.loads(call.arguments)
        except ValueError:
            values = None
        names = values if isinstance(values, dict) else ["arguments"]
        return ToolCall("x", json.dumps({f"x{i}": "x" for i, _ in enumerate(names)}), call.id)

    plain = [
        Message(m.role, "x", m.reasoning and "x", tuple(map(harmless, m.tool_calls)), m.tool_call_id)
        for m in conversation
    ]
    quiet = PromptOptions(
        tuple(Tool("x") for _ in options.tools),
        options.schema and {"x": "x"},
        options.thinking,
        options.effort,
        options.release,
    )
    assert _specials(render(conversation, options)) == _specials(render(plain, quiet))


def _specials(segments):
    return [segment for segment in segments if isinstance(segment, Special)]


@given(text=texts)
def test_template_turns_every_literal_into_its_token(text):
    segments = template(text)
    assert spell(segments) == text
    plain = [segment for segment in segments if isinstance(segment, str)]
    assert not any(literal in piece for piece in plain for literal in LITERALS)
    assert not any(isinstance(segment, Sampled) for segment in segments)
    assert all(isinstance(one, Special) or isinstance(other, Special) for one, other in pairwise(segments))


@pytest.mark.parametrize("literal", LITERALS)
def test_literal_in_any_place_of_a_caller_is_text(model, controls, literal):
    conversation = [
        Message("system", literal),
        Message("user", literal),
        Message(
            "assistant", literal, literal, (ToolCall(literal, json.dumps({literal: literal, "b": [literal]}), "x"),)
        ),
        Message("tool", literal, tool_call_id="x"),
        Message("user", literal),
    ]
    options = PromptOptions((Tool("f", literal),), {"const": literal}, thinking=True, effort="high")
    ids = encode(model, render_prompt(conversation, options))
    expected = [segment.value for segment in render_prompt(conversation, options) if isinstance(segment, Special)]
    assert [controls[token] for token in ids if token in controls] == expected

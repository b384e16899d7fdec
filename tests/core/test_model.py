"""Facts and vocabulary of a file, read without weights and compared with the gguf package where it knows them."""

from __future__ import annotations

import threading
from dataclasses import fields

import pytest
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import Engine, Model, errors, registry


@pytest.fixture(scope="module")
def model():
    with Model("ds4-tiny") as model:
        yield model


@pytest.fixture(scope="module")
def reader(tiny_path):
    return GGUFReader(str(tiny_path))


def test_metadata_is_what_the_gguf_package_reads(model, reader):
    expected = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert dict(model.metadata) == expected
    assert len(model.metadata) == len(expected)


def test_an_unknown_metadata_key_is_a_key_error(model):
    assert "no.such.key" not in model.metadata
    with pytest.raises(KeyError, match=r"no\.such\.key"):
        model.metadata["no.such.key"]


def test_tensors_are_what_the_gguf_package_reads(model, reader):
    expected = [
        (t.name, t.tensor_type.name, int(t.tensor_type), tuple(map(int, t.shape)), int(t.n_bytes))
        for t in reader.tensors
    ]
    assert [(t.name, t.type, t.type_id, t.dims, t.n_bytes) for t in model.tensors] == expected


def test_info_tells_sizes_but_no_weights(model, tiny_path, reader):
    info = model.info
    assert not info.has_weights
    assert info.backend == "none"
    assert info.has_vocab
    assert info.file_bytes == tiny_path.stat().st_size
    assert info.n_params == sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert info.n_vocab == model.n_vocab == len(model.metadata["tokenizer.ggml.tokens"])
    assert info.n_layer == model.metadata["deepseek4.block_count"]
    assert info.n_context_train == model.metadata["deepseek4.context_length"]


@settings(deadline=None)
@given(st.text())
def test_text_survives_the_round_trip(model, text):
    assert model.detokenize(model.tokenize(text)).decode() == text


@settings(deadline=None)
@given(st.binary())
def test_bytes_survive_the_round_trip(model, data):
    tokens = model.tokenize(data)
    assert model.detokenize(tokens) == data
    assert b"".join(model.token_bytes(token) for token in tokens) == data


def test_surrogate_escapes_stand_for_raw_bytes(model):
    assert model.tokenize("a\udcffb") == model.tokenize(b"a\xffb")


def test_a_long_text_is_tokenized_whole(model):
    text = "zq" * 50_000
    tokens = model.tokenize(text)
    assert model.detokenize(tokens) == text.encode()


def test_control_tokens_in_text_stay_text_unless_asked_for(model):
    text = model.token_bytes(model.token_user).decode()
    assert model.tokenize(text, parse_special=True) == [model.token_user]
    assert model.token_user not in model.tokenize(text)
    assert model.detokenize(model.tokenize(text)).decode() == text


def test_special_tokens_are_found_by_their_text(model):
    named = [
        model.token_bos,
        model.token_eos,
        model.token_user,
        model.token_assistant,
        model.token_think_open,
        model.token_think_close,
    ]
    assert None not in named
    assert len(set(named)) == len(named)
    assert model.find_token(model.token_bytes(model.token_eos)) == model.token_eos
    assert model.token_kind(model.token_bos) == "control"
    assert model.token_kind(model.tokenize("a")[0]) == "normal"


def test_a_text_that_is_no_token_is_not_found(model):
    assert model.find_token("certainly not one token") is None


def test_no_text_is_no_tokens(model):
    assert model.tokenize("") == []
    assert model.detokenize([]) == b""


@pytest.mark.parametrize("token", [-1, 10**6, 2**31, 2**63, -(2**70)])
def test_a_token_outside_the_vocabulary_is_a_typed_error(model, token):
    for use in (model.token_bytes, model.token_kind, lambda token: model.detokenize([1, token])):
        with pytest.raises(errors.InvalidTokenError, match=str(token)):
            use(token)


@pytest.mark.parametrize("tokens", [[1.5], ["a"], [[1, 2]]])
def test_tokens_that_are_no_integers_are_refused(model, tokens):
    with pytest.raises(errors.InvalidRequestError, match="integers"):
        model.detokenize(tokens)


def test_memory_estimates_grow_with_sessions_and_context(model):
    small, large, two = model.memory_estimate(128), model.memory_estimate(4096), model.memory_estimate(4096, 2)
    assert small.kv_pages < large.kv_pages
    assert two.kv_pages == 2 * large.kv_pages
    assert two.session_state > large.session_state
    parts = [getattr(large, field.name) for field in fields(large) if field.name != "total"]
    assert large.total == sum(parts)


@pytest.mark.parametrize(("n_ctx", "n_sessions"), [(0, 1), (-5, 1), (2**31, 1), (128, 0), (1.5, 1), (True, 1)])
def test_a_senseless_memory_estimate_is_refused(model, n_ctx, n_sessions):
    with pytest.raises(errors.InvalidRequestError, match="integer from 1"):
        model.memory_estimate(n_ctx, n_sessions)


def test_models_of_one_file_share_a_native_handle(model, tiny_path):
    before = registry.open_count()
    with Model(tiny_path) as other:
        assert registry.open_count() == before
        assert other.info == model.info


def test_a_closed_model_says_so(tiny_path):
    model = Model(tiny_path)
    metadata = model.metadata
    model.close()
    model.close()
    for use in (lambda: model.info, lambda: model.tokenize("a"), lambda: model.tensors, lambda: metadata["x"]):
        with pytest.raises(errors.EngineClosedError, match="closed"):
            use()


def test_a_dropped_model_gives_its_share_back(tiny_path, tmp_path):
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_path.read_bytes())
    before = registry.open_count()
    model = Model(copy)
    assert registry.open_count() == before + 1
    del model
    assert registry.open_count() == before


def test_tokenizing_does_not_open_an_engine(tiny_path):
    with Engine(tiny_path, n_batch=33) as engine:
        assert engine.model.tokenize("hello")
        assert engine.memory_estimate(1024).total > 0
        assert not engine.is_open


def test_threads_can_tokenize_at_once(model):
    texts = [f"The number {i} and its square {i * i}." * 20 for i in range(16)]
    expected = [model.tokenize(text) for text in texts]
    results = [None] * len(texts)

    def work(i):
        results[i] = model.tokenize(texts[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == expected


@pytest.mark.parametrize("text", [5, None, ["a"], 1.5])
def test_something_that_is_no_text_is_refused(model, text):
    for use in (model.tokenize, model.find_token):
        with pytest.raises(errors.InvalidRequestError, match="str or bytes"):
            use(text)


def test_other_buffers_are_bytes(model):
    expected = model.tokenize(b"hello")
    assert model.tokenize(bytearray(b"hello")) == model.tokenize(memoryview(b"hello")) == expected


def test_a_lone_surrogate_is_refused_with_its_place(model):
    for use in (model.tokenize, model.find_token):
        with pytest.raises(errors.InvalidRequestError, match=r"U\+D800 at character 2"):
            use("ab\ud800")


def test_without_weights_no_kv_dtype_is_in_use(model):
    assert model.info.kv_dtype == "none"

"""The tiny models themselves: reproducible weights, valid files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
import pytest

from tests.conformance import models
from tests.conformance.harness import ModelFile
from training.gguf_layout import tensors


def test_weights_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for name, values in models.make_weights("D", 1).items():
        digest.update(name.encode() + values.astype(values.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == "f29964b8d38d335acc561c85524595375b0bc0e066e2f48345a01d364b4a5dad"


def test_random_values_have_the_asked_moments() -> None:
    values = models.gaussian(3, "x", (400, 500), 0.5, 2.0)
    assert values.dtype == np.float32
    assert abs(float(values.mean()) - 2.0) < 5e-3
    assert abs(float(values.std()) - 0.5) < 5e-3


def test_a_shorter_token_sequence_begins_a_longer_one() -> None:
    assert models.token_ids(300, 512, 7)[:41] == models.token_ids(41, 512, 7)
    assert models.token_ids(20, 512, 7) != models.token_ids(20, 512, 8)


@pytest.mark.parametrize("name", [*models.CONFIGS, "tiny"])
def test_file_holds_every_tensor_with_its_values(name: str, model_file: ModelFile) -> None:
    reader = gguf.GGUFReader(model_file(name))
    weights = models.make_weights(name, 0)
    assert [t.name for t in reader.tensors] == [s.name for s in tensors(models.shape_of(name))]
    for tensor in reader.tensors:
        assert np.array_equal(tensor.data.reshape(weights[tensor.name].shape), weights[tensor.name]), tensor.name


@pytest.mark.parametrize("name", ["tiny", "k256", "flashlike"])
def test_preset_files_keep_the_rules_other_loaders_check(name: str) -> None:
    shape = models.shape_of(name)
    assert shape.n_stream == 4
    assert shape.idx_dim % 64 == 0
    assert models.CSA in shape.kinds
    assert {r for k, r in zip(shape.kinds, shape.ratios, strict=True) if k == models.CSA} == {4}
    assert {r for k, r in zip(shape.kinds, shape.ratios, strict=True) if k == models.HCA} == {128}
    names = {s.name for s in tensors(shape)}
    for il in range(shape.n_layer):
        hashed = il < shape.n_hash  # such a layer carries the table and must not carry a bias
        assert (f"blk.{il}.ffn_gate_tid2eid.weight" in names) == hashed
        assert (f"blk.{il}.exp_probs_b.bias" in names) != hashed


def test_preset_metadata_holds_what_other_loaders_require(model_file: ModelFile) -> None:
    fields = {k: f.contents() for k, f in gguf.GGUFReader(model_file("tiny", 0, "q8_0")).fields.items()}
    assert fields["general.architecture"] == "deepseek4"
    assert fields["deepseek4.expert_gating_func"] == 4
    assert fields["deepseek4.context_length"] == 4096
    assert fields["deepseek4.rope.scaling.type"] == "yarn"
    assert fields["deepseek4.attention.compress_ratios"] == [0, 128, 4, 128, 4, 0]
    assert fields["deepseek4.swiglu_clamp_exp"] == [2.0] * 6
    assert fields["tokenizer.ggml.model"] == "gpt2"
    assert fields["tokenizer.ggml.pre"] == "joyai-llm"
    assert len(fields["tokenizer.ggml.token_type"]) == len(fields["tokenizer.ggml.tokens"]) == 1536


@pytest.mark.parametrize("n_vocab", [264, 512, 1536])
def test_vocabulary_is_a_valid_byte_level_bpe(n_vocab: int) -> None:
    v = models.make_vocabulary(n_vocab)
    assert len(v.tokens) == len(set(v.tokens)) == len(v.token_types) == n_vocab
    assert set(models.byte_symbols()) <= set(v.tokens)
    known = set(models.byte_symbols())
    for merge in v.merges:
        left, right = merge.split(" ")
        assert {left, right} <= known
        known.add(left + right)
    assert known <= set(v.tokens)


def test_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        models.make_vocabulary(200)


@pytest.mark.parametrize("qtype", models.RANDOM_BLOCKS, ids=lambda q: q.name)
def test_random_blocks_have_about_the_asked_spread(qtype: gguf.GGMLQuantizationType) -> None:
    blocks = models.random_blocks(0, "x", (64, 512), qtype, 0.25)
    values = gguf.quants.dequantize(blocks, qtype)
    assert values.shape == (64, 512)
    assert 0.15 < values.std() < 0.4
    assert abs(values.mean()) < 0.1


@pytest.mark.parametrize("layout", ["f16", "bf16", "q8_0", "mxfp4", "ds4-q2", "ds4-q4", "q6_k"])
def test_dequantized_twin_holds_the_same_values(layout: str, tmp_path: Path) -> None:
    twins = [models.write_gguf("k256", 0, tmp_path / f"{d}.gguf", quant=layout, dequantize=d) for d in (False, True)]
    packed, plain = (gguf.GGUFReader(path) for path in twins)
    kinds = {t.tensor_type.name for t in packed.tensors}
    assert kinds - {"F32", "I32"}, "nothing was quantised"
    for a, b in zip(packed.tensors, plain.tensors, strict=True):
        assert b.tensor_type.name in ("F32", "I32")
        values = a.data if b.tensor_type.name == "I32" else gguf.quants.dequantize(a.data, a.tensor_type)
        assert np.array_equal(np.asarray(values, b.data.dtype).reshape(b.data.shape), b.data), a.name

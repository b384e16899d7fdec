"""The model that trains against the model that runs: same numbers, packed or alone."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.types import Span

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training import check_hf, export, kernels, tokenizer  # noqa: E402
from training.config import BLOCK, ModelConfig  # noqa: E402
from training.convert_checkpoint import FULL, convert  # noqa: E402
from training.model import Model  # noqa: E402
from training.rows import RowsMaker  # noqa: E402

CPU = torch.device("cpu")
# PyTorch's own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
SIZES = dict(
    n_vocab=600, n_embd=64, ratios=(0, 4, 128, 4), n_hash=2, q_rank=32, n_head=4, o_rank=32, n_ff=32, idx_top_k=24
)


def random_model(seed: int, **sizes: object) -> Model:
    """A model whose every parameter matters."""
    torch.manual_seed(seed)
    model = Model(ModelConfig(**{**SIZES, **sizes}))
    with torch.no_grad():
        for name, p in model.named_parameters():
            leaf = name.rsplit(".", 1)[-1]
            if "norm" in leaf:
                p.add_(0.2 * torch.randn_like(p))
            elif leaf in ("sinks", "ape", "base", "scale"):
                p.add_(0.5 * torch.randn_like(p))
        for layer in model.layers:
            if layer.ffn.bias is not None:
                layer.ffn.bias.normal_(0, 0.1)
    return model


def tokenizer_of(n_vocab: int, path: Path) -> None:
    """A tokenizer of this size, of bytes and merges of letters."""
    alphabet = sorted(tokenizer.pre_tokenizers.ByteLevel.alphabet())
    letters = [chr(97 + i) for i in range(26)]
    pairs = [(a, b) for a in letters for b in letters][: n_vocab - len(alphabet) - len(tokenizer.CONTROL)]
    tokenizer.assemble([*tokenizer.CONTROL, *alphabet, *(a + b for a, b in pairs)], pairs).save(str(path))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    folder = tmp_path_factory.mktemp("checkpoint")
    model = random_model(1)
    tokenizer_of(model.config.n_vocab, folder / "tokenizer.json")
    export.save(model, folder / "tokenizer.json", folder, {"step": 0, "elapsed_s": 0.0, "tokens": 0})
    export.load(model, folder)  # the 16-bit values that the files hold
    return model, folder


def test_a_packed_document_computes_what_it_does_alone() -> None:
    model = random_model(0)
    maker = RowsMaker(model.config, 4 * BLOCK, CPU)
    tokens = torch.randint(0, 600, (1, 4 * BLOCK))
    with torch.no_grad():
        packed = model(tokens, maker(torch.tensor([[0, 1, 1, 3]])))
        for begin, end in ((0, 1), (1, 3), (3, 4)):
            part = tokens[:, begin * BLOCK : end * BLOCK]
            alone = model(part, RowsMaker(model.config, part.shape[1], CPU)(torch.zeros(1, end - begin)))
            assert (packed[:, begin * BLOCK : end * BLOCK] - alone).abs().max() < 1e-4


@pytest.mark.parametrize("hashed", [True, False])
def test_as_many_experts_serve_a_token_as_are_used(hashed: bool) -> None:
    experts = random_model(2, n_hash=2 if hashed else 0).layers[0].ffn
    tokens = torch.randint(0, 600, (1, 64))
    out, load = experts(torch.randn(1, 64, 64), experts.prior(tokens))
    assert out.shape == (1, 64, 64)
    assert load.sum() == 64 * experts.n_used


def test_the_engine_computes_the_exported_models_logits(checkpoint: tuple[Model, Path], tmp_path: Path) -> None:
    model, folder = checkpoint
    convert(folder, tmp_path / "full.gguf", "random", FULL)
    ids = [random.Random(3).randrange(600) for _ in range(300)]
    ours = check_hf.logits(model, ids).numpy()
    with Engine(tmp_path / "full.gguf", backend="cpu", exact=True) as engine:
        session = engine.session(n_ctx=len(ids))
        theirs = engine.forward([Span(session, ids, wanted=range(len(ids)))])[0].logits
    differing = np.abs(ours - theirs).max(1) > 1e-3
    assert differing.mean() < 0.02, "more than a few near-ties of the indexer fell the other way"


def test_conversion_is_deterministic(checkpoint: tuple[Model, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        convert(checkpoint[1], tmp_path / name, "ds4-tiny")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_config_of_an_export_reads_back(checkpoint: tuple[Model, Path]) -> None:
    model, folder = checkpoint
    assert replace(check_hf.config_of(folder)) == model.config
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["step"] == 0


def test_hugging_face_computes_the_same(checkpoint: tuple[Model, Path]) -> None:
    transformers = pytest.importorskip("transformers", reason="only a check")
    model, folder = checkpoint
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = torch.randint(10, 600, (1, 200))
    with torch.no_grad():
        reference = theirs(tokens, attention_mask=torch.ones_like(tokens)).logits[0]
    worst = (check_hf.logits(model, tokens[0].tolist()) - reference).abs().amax(-1)
    assert (worst > 1e-3).float().mean() < 0.02


def test_every_parameter_learns_and_the_language_models_loss_leaves_the_indexer_alone() -> None:
    model = random_model(2)
    rows = RowsMaker(model.config, 2 * BLOCK, CPU)(torch.zeros(1, 2))
    streams, _, index_loss = model.hidden(torch.randint(0, 600, (1, 2 * BLOCK)), rows)
    model.logits(streams).logsumexp(-1).mean().backward()
    silent = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert silent == {n for n, _ in model.named_parameters() if ".indexer." in n}
    before = {n: p.grad.clone() for n, p in model.named_parameters() if n not in silent}
    index_loss.backward()
    assert all(dict(model.named_parameters())[n].grad.any() for n in silent)
    assert all(torch.equal(dict(model.named_parameters())[n].grad, g) for n, g in before.items())


def test_the_indexer_keeps_at_most_top_k_of_the_rows_that_a_query_sees() -> None:
    q, keys, weights = torch.randn(1, 2 * BLOCK, 16, 64), torch.randn(1, 64, 64), torch.randn(1, 2 * BLOCK, 16)
    first = torch.zeros(1, 2, dtype=torch.int64)
    chosen = kernels.select_rows(q, keys, weights, first, 5)
    seen = kernels.visible_rows(first, torch.arange(2 * BLOCK), 64, 4)
    assert torch.equal(chosen.sum(-1), seen.sum(-1).clamp(max=5))
    assert not (chosen & ~seen).any()


def test_sinkhorns_result_sums_to_one_both_ways() -> None:
    k = kernels.sinkhorn(torch.randn(50, 4, 4), 20, 1e-6)
    assert (k.sum(1) - 1).abs().max() < 1e-5
    assert (k.sum(2) - 1).abs().max() < 1e-3

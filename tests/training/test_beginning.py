"""What a model can do before it has learned anything."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.attention import visibility  # noqa: E402
from training.config import BLOCK, ModelConfig  # noqa: E402
from training.hyper import rms  # noqa: E402
from training.initial import PLACES, place_channels  # noqa: E402
from training.model import Model  # noqa: E402
from training.rows import RowsMaker  # noqa: E402

CPU = torch.device("cpu")
N = 253  # tokens that come twice: no multiple of a row's four
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def repeated() -> tuple[Model, torch.Tensor]:
    """A new model, and tokens of which the second half repeats the first."""
    torch.manual_seed(3)
    model = Model(ModelConfig())
    tokens = torch.randint(0, model.config.n_vocab, (1, N))
    return model, torch.cat([tokens, tokens, tokens], 1)[:, : 4 * BLOCK]


@pytest.mark.parametrize("sizes", [(128, 64), (64, 64), (64, 32)])
def test_places_of_a_row_share_no_channel(sizes: tuple[int, int]) -> None:
    places = place_channels(*sizes)
    channels = [c for place in places for c in place]
    assert len(places) == PLACES
    assert len({len(place) for place in places}) == 1
    assert len(set(channels)) == len(channels) > 0
    assert 0 <= min(channels) <= max(channels) < sizes[0]


def test_each_matching_head_of_a_new_model_finds_the_row_with_the_token(repeated) -> None:
    model, tokens = repeated
    attn, seen = model.layers[2].attn, {}
    attn.forward, forward = lambda x, rows: seen.update(x=x) or forward(x, rows), attn.forward
    s = tokens.shape[1]
    rows = RowsMaker(model.config, s, CPU)(torch.zeros(1, s // BLOCK), prune=False)
    try:
        with torch.no_grad():
            model.hidden(tokens, rows)
            low = rms(attn.q_a(seen["x"]), attn.q_a_norm)
            q, keys, _ = attn.queries_and_keys(seen["x"], low, rows)
    finally:
        attn.forward = forward
    logits = torch.einsum("bqhd,bkd->bhqk", q, keys)[0] * q.shape[-1] ** -0.5
    mass = logits.masked_fill(~visibility(rows.first, s, 4)[0], -torch.inf).softmax(-1)
    for head in range(PLACES - 1):
        # Head 0 looks for the last token before a row, the others for its first, second and third.
        again = [t for t in range(N + 4, 2 * N - 8) if (t - N) % 4 == (head - 1) % 4]
        found = [mass[head, t, s + (t - N) // 4 + (head == 0)] for t in again]
        assert torch.stack(found).mean() > 0.3  # of about 230 visible keys


def test_a_new_model_expects_what_followed_a_token_before(repeated) -> None:
    model, tokens = repeated
    s = tokens.shape[1]
    rows = RowsMaker(model.config, s, CPU)(torch.zeros(1, s // BLOCK), prune=False)
    with torch.no_grad():
        logits = model(tokens, rows)[0]
    places = torch.arange(N + 8, 2 * N - 8)
    of_next = logits[places].gather(1, tokens[0, places + 1][:, None])
    rank = (logits[places] > of_next).float().mean(1)
    assert rank.median() < 0.3  # half of all tokens would be before it by chance


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_group": 1, "o_rank": 32},
        {"n_group": 2, "o_rank": 24},
        {"o_rank": 16},
        {"q_rank": 8},
        {"n_embd": 8},
        {"head_dim": 8, "n_rot": 8, "idx_dim": 8},
        {"n_head": 2, "n_group": 2},
    ],
)
def test_models_of_small_sizes_begin_too(sizes: dict[str, int]) -> None:
    model = Model(ModelConfig(**{"n_vocab": 64, "ratios": (4,), "n_hash": 1, "n_ff": 16, **sizes}))
    rows = RowsMaker(model.config, BLOCK, CPU)(torch.zeros(1, 1))
    assert torch.isfinite(model(torch.randint(0, 64, (1, BLOCK)), rows)).all()


def test_heads_that_the_groups_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="n_head=6"):
        Model(ModelConfig(n_vocab=64, ratios=(4,), n_hash=1, n_head=6, n_group=4))

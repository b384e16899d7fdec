"""How a model begins: able to find a token again in a compressed row, and to say which one came next.

A row pools eight tokens into the channels of a head, which are key and value at once. From random weights it begins
as their mean, in which no token can be told from its neighbours, and copying out of rows is what takes longest to
learn. So here a row begins as a list: some channels for each of its tokens, and for the last one before them, all
seen through one small projection. The first heads begin as matches of the newest token with one place of the list
each, and what they write is the next place, through the same projection. Only the beginning is chosen: everything is
learned on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from training.attention import Attention
    from training.layers import Compressor

PLACES = 5  # of a row: the last token before it, and its four
PREFERENCE = 4.0  # logarithm of how much more a place takes of its own token than of each other one
SHARPNESS = 2.0  # norm of rows: how far a match stands out
ASIDE = 0.2  # how much a matching head looks at other channels than its place's, beside random weights
VOICE = 0.5  # how loud what it found is, beside the token itself
_PLAIN, _SLOW = 12, 2  # channels of a place that are not rotated, and pairs of those that turn slowly


def place_channels(dim: int, n_rot: int) -> list[list[int]]:
    """For each place its channels: such whose rotation a thousand tokens do not change much."""
    plain = min(_PLAIN, (dim - n_rot) // PLACES)
    n_slow = min(_SLOW, n_rot // 2 // PLACES)
    pairs = [range(dim - 2 * i - 2, dim - 2 * i) for i in range(PLACES * n_slow)]
    return [
        [*range(plain * p, plain * (p + 1)), *(c for pair in pairs[p::PLACES] for c in pair)] for p in range(PLACES)
    ]


@torch.no_grad()
def place_rows(compressor: Compressor, n_rot: int) -> Tensor:
    """Makes a compressor of four tokens with two lanes keep its tokens apart.

    Returns:
        The projection [channels of a place, n_embd], with orthonormal rows.
    """
    n_embd = compressor.kv.weight.shape[1]
    places = [channels[:n_embd] for channels in place_channels(compressor.dim, n_rot)]
    projection = torch.linalg.qr(torch.randn(n_embd, len(places[0])))[0].T
    compressor.gate.weight.mul_(0.5)
    compressor.norm.fill_(SHARPNESS)
    for place, channels in enumerate(places):
        lane, token = (0, 3) if place == 0 else (compressor.dim, place - 1)
        at = torch.tensor(channels, dtype=torch.int64) + lane
        compressor.kv.weight[at] = projection
        compressor.ape[token, at] = PREFERENCE
    return projection


@torch.no_grad()
def match_and_copy(attn: Attention, projection: Tensor, n_rot: int) -> None:
    """The first four heads begin as matches of the newest token with a place, and write the next place.

    Where the low ranks of queries and outputs are small they look at fewer channels of each place.
    """
    per_group = attn.n_head // attn.n_group
    n = min(len(projection), len(attn.q_a.weight), attn.o_a.shape[1] // min(per_group, PLACES - 1))
    places = [torch.tensor(channels[:n], dtype=torch.int64) for channels in place_channels(attn.head_dim, n_rot)]
    projection = projection[:n]
    attn.q_a.weight[:n] = projection
    heads = attn.q_b.weight.view(attn.n_head, attn.head_dim, -1)
    out = attn.o_b.weight.view(-1, attn.n_group, attn.o_a.shape[1])
    for head in range(min(PLACES - 1, attn.n_head)):
        heads[head] *= ASIDE
        heads[head, places[head]] = torch.eye(n, heads.shape[-1])
        group, member = divmod(head, per_group)
        rank = torch.arange(n) + member * n
        attn.o_a[group, rank] = 0.0
        attn.o_a[group, rank, places[head + 1] + member * attn.head_dim] = 1.0
        out[:, group, rank] = VOICE * projection.T

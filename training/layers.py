"""Parts that attention and the indexer share: linear maps, rotary positions, and the compressor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.hyper import rms


def linear(n_in: int, n_out: int, std: float | None = None) -> nn.Linear:
    """A map without bias whose outputs begin about as large as its inputs."""
    layer = nn.Linear(n_in, n_out, bias=False)
    nn.init.normal_(layer.weight, 0.0, n_in**-0.5 if std is None else std)
    return layer


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates the last channels of x by neighbouring pairs; cos and sin broadcast to [..., pairs]."""
    n_rot = 2 * cos.shape[-1]
    kept, turned = x[..., :-n_rot], x[..., -n_rot:].float()
    a, b = turned[..., 0::2], turned[..., 1::2]
    turned = torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    return torch.cat([kept, turned.to(x.dtype)], -1)


class Compressor(nn.Module):
    """One row for each `ratio` tokens, pooled per channel by a learned softmax.

    With ratio 4 a row also pools the four tokens before its own, through weights of their own (lane A).
    """

    def __init__(self, n_embd: int, dim: int, ratio: int) -> None:
        super().__init__()
        self.ratio, self.dim = ratio, dim
        self.lanes = 2 if ratio == 4 else 1
        self.kv = linear(n_embd, self.lanes * dim)
        self.gate = linear(n_embd, self.lanes * dim)
        self.ape = nn.Parameter(torch.zeros(ratio, self.lanes * dim))
        self.norm = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor, starts: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B, S, d] to rows [B, S / ratio, dim], rotated to the position of their first token."""
        b, s, _ = x.shape
        blocks = (b, s // self.ratio, self.ratio, self.lanes * self.dim)
        values = self.kv(x).view(blocks).float()
        gates = self.gate(x).view(blocks).float() + self.ape
        if self.lanes == 2:
            before = [F.pad(t[:, :-1, :, : self.dim], (0, 0, 0, 0, 1, 0)) for t in (values, gates)]
            before[1] = before[1].masked_fill(starts[:, :, None, None], -1e30)
            values, gates = (
                torch.cat([p, t[..., self.dim :]], 2) for p, t in zip(before, (values, gates), strict=True)
            )
        pooled = (values * gates.softmax(2)).sum(2).to(x.dtype)
        return rotate(rms(pooled, self.norm), cos[:: self.ratio], sin[:: self.ratio])

"""Attention of the three kinds of layer: a sliding window, and compressed rows of 4 or of 128 tokens beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training import initial
from training.attention_kernels import attend
from training.config import BLOCK, ModelConfig
from training.hyper import rms
from training.indexer import Indexer
from training.kernels import visible_rows
from training.layers import Compressor, linear, rotate
from training.rows import Rows


def visibility(first: Tensor, n_token: int, ratio: int) -> Tensor:
    """[B, S, K] bool: which keys queries see, tokens and then compressed rows, without the indexer's choice.

    Args:
        first: [B, S / 128] the first block of each block's document.
        n_token: S.
        ratio: Tokens per compressed row, 0 for none.
    """
    q = torch.arange(n_token, device=first.device)
    begin = first[:, q // BLOCK, None] * BLOCK
    seen = (q <= q[:, None]) & (q[:, None] - q < BLOCK) & (q >= begin)
    return torch.cat([seen, visible_rows(first, q, n_token // ratio, ratio)], -1) if ratio else seen


def attend_plain(q: Tensor, keys: Tensor, first: Tensor, chosen: Tensor | None, ratio: int) -> tuple[Tensor, Tensor]:
    """`attend` with every mask spelled out; memory is quadratic: for the CPU and short rows."""
    seen = visibility(first, q.shape[1], ratio)
    if chosen is not None:
        seen[:, :, q.shape[1] :] &= chosen
    logits = torch.einsum("bqhd,bkd->bqhk", q.float(), keys.float()) * q.shape[3] ** -0.5
    logits = logits.masked_fill(~seen[:, :, None], -torch.inf)
    return torch.einsum("bqhk,bkd->bqhd", logits.softmax(-1).to(q.dtype), keys), logits.logsumexp(-1)


class Attention(nn.Module):
    """Multi-query attention with one shared row per position, a sink per head, and a low-rank output by groups."""

    def __init__(self, config: ModelConfig, ratio: int) -> None:
        """`ratio`: tokens per compressed row, 0 for none.

        Raises:
            ValueError: The groups of the output do not divide the heads.
        """
        super().__init__()
        c = config
        if c.n_head % c.n_group:
            raise ValueError(f"n_head={c.n_head}: it must be a multiple of n_group={c.n_group}")
        self.ratio, self.n_head, self.head_dim, self.n_group = ratio, c.n_head, c.head_dim, c.n_group
        width, mixed = c.n_head * c.head_dim, c.n_group * c.o_rank
        self.q_a = linear(c.n_embd, c.q_rank)
        self.q_a_norm = nn.Parameter(torch.ones(c.q_rank))
        self.q_b = linear(c.q_rank, width)
        self.kv = linear(c.n_embd, c.head_dim)
        self.kv_norm = nn.Parameter(torch.ones(c.head_dim))
        self.sinks = nn.Parameter(torch.zeros(c.n_head))
        self.o_a = nn.Parameter(torch.randn(c.n_group, c.o_rank, width // c.n_group) * (width // c.n_group) ** -0.5)
        self.o_b = linear(mixed, c.n_embd, 0.5 * mixed**-0.5)
        if ratio:
            self.compressor = Compressor(c.n_embd, c.head_dim, ratio)
        if ratio == 4:
            self.indexer = Indexer(config)
            projection = initial.place_rows(self.compressor, c.n_rot)
            initial.match_and_copy(self, projection, c.n_rot)

    def queries_and_keys(self, x: Tensor, low: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
        """What x and its low-rank form attend with.

        Returns:
            Queries [B, S, H, D]; keys [B, K, D], one for each token and then the rows; the rows alone
            [B, S / ratio, D], None where there are none.
        """
        b, s, _ = x.shape
        cos, sin = rows.rope[self.ratio]
        q = rotate(rms(self.q_b(low).view(b, s, self.n_head, self.head_dim)), cos[:, None], sin[:, None])
        keys = rotate(rms(self.kv(x), self.kv_norm), cos, sin)
        if not self.ratio:
            return q, keys, None
        compressed = self.compressor(x, rows.starts, cos, sin)
        return q, torch.cat([keys, compressed], 1), compressed

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """x [B, S, d] to the block's output, and the indexer's loss (0 in layers without one)."""
        b, s, _ = x.shape
        cos, sin = rows.rope[self.ratio]
        low = rms(self.q_a(x), self.q_a_norm)
        q, keys, compressed = self.queries_and_keys(x, low, rows)
        chosen = None
        if self.ratio == 4:
            index = self.indexer.inputs(x, low, rows)
            if rows.top_k is not None:
                chosen = self.indexer.choose(index, rows)
        out, log_sum = (attend if x.is_cuda else attend_plain)(q, keys, rows.first, chosen, self.ratio)
        # A sink adds to a softmax's sum and has no value.
        out = out * torch.sigmoid(log_sum - self.sinks)[..., None].to(out.dtype)
        out = rotate(out, cos[:, None], -sin[:, None]).reshape(b, s, self.n_group, -1)
        mixed = torch.einsum("bsgi,gri->bsgr", out, self.o_a.to(out.dtype))
        loss = x.new_zeros((), dtype=torch.float32)
        if self.ratio == 4:
            assert compressed is not None
            log_sum = torch.logaddexp(log_sum, self.sinks)
            loss = self.indexer.loss(index, q.detach(), compressed.detach(), log_sum.detach(), rows)
        return self.o_b(mixed.flatten(2)), loss

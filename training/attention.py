"""Attention of the three kinds of layer: a sliding window, and compressed rows of 4 or of 128 tokens beside it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import AuxRequest, flex_attention

from training import initial
from training.config import ModelConfig
from training.hyper import rms
from training.indexer import Indexer
from training.layers import Compressor, linear, rotate
from training.rows import BLOCK, Rows, n_key, visibility


def attend_plain(q: Tensor, keys: Tensor, rows: Rows, ratio: int, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention with every mask spelled out; keys are values. Memory is quadratic: for tests and short rows.

    Args:
        q: [B, S, H, D].
        keys: [B, K, D], tokens and then compressed rows.
        chosen: [B, S, R] bool, the rows that the indexer keeps.

    Returns:
        Outputs [B, S, H, D], and the logarithm of each softmax's sum [B, H, S].
    """
    b, s, _, d = q.shape
    at = (torch.arange(n, device=q.device) for n in (b, s, keys.shape[1]))
    batch, query, key = torch.meshgrid(*at, indexing="ij")
    seen = visibility(rows.first, s, ratio)(batch, None, query, key)
    if chosen is not None:
        seen[:, :, s : s + chosen.shape[2]] &= chosen
    logits = torch.einsum("bqhd,bkd->bhqk", q.float(), keys.float()) * d**-0.5
    logits = logits.masked_fill(~seen[:, None], -torch.inf)
    return torch.einsum("bhqk,bkd->bqhd", logits.softmax(-1).to(q.dtype), keys), logits.logsumexp(-1)


def attend_flex(q: Tensor, keys: Tensor, rows: Rows, ratio: int, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
    """`attend_plain` by FlexAttention, which skips the blocks that nobody sees."""
    s = q.shape[1]
    score_mod, n_row = None, chosen.shape[2] if chosen is not None else 0
    if chosen is not None:

        def score_mod(score, b, h, qi, ki):
            kept = chosen[b, qi, torch.clamp(ki - s, 0, n_row - 1)]
            return torch.where((ki < s) | kept, score, -float("inf"))

    shared = keys[:, None]
    out, aux = flex_attention(
        q.transpose(1, 2),
        shared,
        shared,
        score_mod=score_mod,
        block_mask=rows.masks[ratio],
        enable_gqa=True,
        return_aux=AuxRequest(lse=True),
    )
    return out.transpose(1, 2), aux.lse


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
        padding = n_key(s, self.ratio) - s - compressed.shape[1]
        return q, torch.cat([keys, F.pad(compressed, (0, 0, 0, padding))], 1), compressed

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
        attend = attend_flex if rows.masks else attend_plain
        out, log_sum = attend(q, keys, rows, self.ratio, chosen)
        # A sink adds to a softmax's sum and has no value.
        sinks = self.sinks[None, :, None]
        out = out * torch.sigmoid(log_sum - sinks).transpose(1, 2)[..., None].to(out.dtype)
        out = rotate(out, cos[:, None], -sin[:, None]).reshape(b, s, self.n_group, -1)
        mixed = torch.einsum("bsgi,gri->bsgr", out, self.o_a.to(out.dtype))
        loss = x.new_zeros((), dtype=torch.float32)
        if self.ratio == 4:
            assert compressed is not None
            log_sum = torch.logaddexp(log_sum, sinks)
            loss = self.indexer.loss(index, q.detach(), compressed.detach(), log_sum.detach(), rows)
        return self.o_b(mixed.flatten(2)), loss


__all__ = ["BLOCK", "Attention", "attend_flex", "attend_plain"]

"""The indexer of ratio-4 layers: it scores compressed rows, and learns from where attention goes.

Scores only select, so the language model's loss does not reach the indexer. It has its own: the divergence of its
softmax over rows from the layer's attention mass on them, averaged over heads. Nothing flows back into the layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.config import ModelConfig
from training.kernels import select_rows, visible_rows
from training.layers import Compressor, linear, rotate
from training.rows import Rows


@dataclass
class IndexInputs:
    """queries [B, Q, H, D], keys [B, R, D] and head weights [B, Q, H], scaled so that scores are plain sums.

    Q is all positions where rows are chosen, and else only those that the indexer learns from.
    """

    queries: Tensor
    keys: Tensor
    weights: Tensor


class Indexer(nn.Module):
    """Sixteen small heads over rows of their own compressor."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.dim = config.idx_head, config.idx_dim
        self.q = linear(config.q_rank, self.heads * self.dim)
        self.proj = linear(config.n_embd, self.heads)
        self.compressor = Compressor(config.n_embd, self.dim, 4)

    def inputs(self, x: Tensor, low: Tensor, rows: Rows) -> IndexInputs:
        """From the layer's input x and its low-rank query, both cut off from their gradients."""
        x, low = x.detach(), low.detach()
        cos, sin = rows.rope[4]
        keys = self.compressor(x, rows.starts, cos, sin)
        if rows.top_k is None:
            x, low, cos, sin = x[:, rows.sampled], low[:, rows.sampled], cos[rows.sampled], sin[rows.sampled]
        queries = rotate(self.q(low).unflatten(-1, (self.heads, self.dim)), cos[:, None], sin[:, None])
        weights = self.proj(x).float() * (self.heads * self.dim) ** -0.5
        return IndexInputs(queries, keys, weights)

    def choose(self, index: IndexInputs, rows: Rows) -> Tensor:
        """[B, S, R] bool: the rows that attention may see."""
        assert rows.top_k is not None
        tensors = (index.queries.detach(), index.keys.detach(), index.weights.detach())
        return select_rows(*tensors, rows.first, rows.top_k)

    def loss(self, index: IndexInputs, q: Tensor, compressed: Tensor, log_sum: Tensor, rows: Rows) -> Tensor:
        """Mean divergence of the sampled queries that see at least two rows.

        Args:
            q: [B, S, H, D] the layer's queries.
            compressed: [B, R, D] the layer's compressed rows.
            log_sum: [B, S, H] logarithm of the attention's softmax sums, sinks included.
        """
        at = rows.sampled
        seen = visible_rows(rows.first, at, compressed.shape[1], 4)
        logits = torch.einsum("bqhd,brd->bqhr", q[:, at], compressed).float() * q.shape[-1] ** -0.5
        mass = (logits - log_sum[:, at, :, None]).exp().mean(2).masked_fill(~seen, 0.0)
        target = mass / (mass.sum(-1, keepdim=True) + 1e-9)
        queries, weights = index.queries, index.weights
        if rows.top_k is not None:
            queries, weights = queries[:, at], weights[:, at]
        dots = torch.einsum("bqhd,brd->bqhr", queries, index.keys).relu().float()
        scores = (dots * weights[..., None]).sum(2)
        predicted = scores.masked_fill(~seen, -1e30).log_softmax(-1)
        divergence = (target * ((target + 1e-9).log() - predicted.clamp(min=-1e4))).sum(-1)
        counted = (seen.sum(-1) > 1).float()
        return (divergence * counted).sum() / counted.sum().clamp(min=1.0)

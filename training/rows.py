"""What a batch of packed rows looks like to attention: who sees whom, and where each document begins.

Documents begin at multiples of 128 tokens, so compressed blocks never straddle two of them, and a whole 128-token block
has one document. With masks made of `first` a packed document computes exactly what it would alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.config import BLOCK, ModelConfig


@dataclass
class Rows:
    """Of one batch, what all layers share.

    Attributes:
        first: [B, S / 128] int64, the first block of each block's document.
        starts: [B, S / 4] bool: a block of four tokens that begins a document.
        sampled: [Q] int64, positions of the queries that train the indexer.
        rope: Per ratio, cosines and sines [S, n_rot / 2].
        top_k: Rows that the indexer keeps, or None to attend to all.
    """

    first: Tensor
    starts: Tensor
    sampled: Tensor
    rope: dict[int, tuple[Tensor, Tensor]]
    top_k: int | None


def rope_table(n_token: int, n_rot: int, theta: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position. Positions count from the row's start: only differences matter."""
    frequency = theta ** (-torch.arange(0, n_rot, 2, dtype=torch.float64) / n_rot)
    angle = torch.arange(n_token, dtype=torch.float32)[:, None] * frequency.to(torch.float32)
    return angle.cos().to(device), angle.sin().to(device)


class RowsMaker:
    """Makes `Rows` for batches of one length."""

    def __init__(self, config: ModelConfig, n_token: int, device: torch.device, *, stride: int = 1) -> None:
        """`stride`: one query in so many trains the indexer."""
        if n_token % BLOCK:
            raise ValueError(f"rows of {n_token} tokens: they must be multiples of {BLOCK}")
        self._n_token, self._device, self._stride = n_token, device, stride
        self._top_k = config.idx_top_k
        ratios = sorted(set(config.ratios))
        bases = {r: config.theta_compressed if r else config.theta for r in ratios}
        self._rope = {r: rope_table(n_token, config.n_rot, bases[r], device) for r in ratios}

    def sampled(self, offset: int) -> Tensor:
        """Positions of the queries that train the indexer, on the CPU; `offset` picks them."""
        return torch.arange(offset % self._stride, self._n_token, self._stride)

    def tensors(self, first: Tensor) -> list[Tensor]:
        """What of `Rows` changes with the documents, computed where `first` is: `first` and `starts`."""
        first = first.to(torch.int64)
        starts = torch.zeros(len(first), self._n_token // 4, dtype=torch.bool, device=first.device)
        starts[:, :: BLOCK // 4] = first == torch.arange(first.shape[1], device=first.device)
        return [first, starts]

    def assemble(self, sampled: Tensor, tensors: Sequence[Tensor], *, prune: bool = True) -> Rows:
        """`Rows` over what `sampled` and `tensors` gave, on this device."""
        first, starts = tensors
        return Rows(first, starts, sampled, self._rope, self._top_k if prune else None)

    def __call__(self, first: Tensor, *, prune: bool = True, offset: int = 0) -> Rows:
        """For documents that begin at the blocks `first` [B, S / 128]; `offset` picks the indexer's queries."""
        sampled = self.sampled(offset).to(self._device)
        return self.assemble(sampled, self.tensors(first.to(self._device)), prune=prune)

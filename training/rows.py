"""What a batch of packed rows looks like to attention: who sees whom, and where each document begins.

Documents begin at multiples of 128 tokens, so compressed blocks never straddle two of them, and a whole 128-token block
has one document. With the masks made here a packed document computes exactly what it would alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from training.config import BLOCK, ModelConfig

Mask = Callable[[Any, Any, Any, Any], Any]


def n_key(n_token: int, ratio: int) -> int:
    """Keys of a layer: every token, then its compressed rows, filled up to whole blocks."""
    n_row = n_token // ratio if ratio else 0
    return n_token + -(-n_row // BLOCK) * BLOCK


def visibility(first: Tensor, n_token: int, ratio: int) -> Mask:
    """The mask of a layer, without the indexer's choice: (batch, head, query, key) to bool, for tensors of indices."""

    def mask(b: Any, h: Any, q: Any, k: Any) -> Any:
        begin = first[b, q // BLOCK] * BLOCK
        seen = (k <= q) & (q - k < BLOCK) & (k >= begin)  # a key beyond the tokens is greater than any query
        if ratio:
            row = k - n_token
            seen = seen | ((row * ratio >= begin) & (row * ratio + (ratio - 1) <= q) & (k >= n_token))
        return seen

    return mask


def blocks_seen(first: Tensor, n_token: int, ratio: int) -> Tensor:
    """[B, S / 128, keys / 128] bool: the blocks of keys of which a block of queries sees anything."""
    q = torch.arange(n_token // BLOCK, device=first.device)[:, None]
    begin = first[:, :, None]
    k = torch.arange(n_token // BLOCK, device=first.device)
    seen = (k <= q) & (k >= q - 1) & (k >= begin)
    if ratio:
        span = ratio  # a block of rows stands for `ratio` blocks of tokens
        row = torch.arange(n_key(n_token, ratio) // BLOCK - n_token // BLOCK, device=first.device)
        seen = torch.cat([seen, (row * span <= q) & (row * span + span > begin)], -1)
    return seen


def block_lists(first: Tensor, n_token: int, ratio: int) -> list[Tensor]:
    """FlexAttention's block lists: per block of queries how many blocks of keys and which, then the other way round."""
    seen = blocks_seen(first, n_token, ratio)[:, None]
    lists = []
    for side in (seen, seen.mT):
        lists.append(side.sum(-1, dtype=torch.int32))
        lists.append(torch.argsort(side.to(torch.int32), dim=-1, descending=True, stable=True).to(torch.int32))
    return lists


def block_mask(first: Tensor, n_token: int, ratio: int, lists: Sequence[Tensor]) -> BlockMask:
    """`visibility` for FlexAttention."""
    n_seen, seen, n_seeing, seeing = lists
    return BlockMask(
        seq_lengths=(n_token, n_key(n_token, ratio)),
        kv_num_blocks=n_seen,
        kv_indices=seen,
        full_kv_num_blocks=None,
        full_kv_indices=None,
        q_num_blocks=n_seeing,
        q_indices=seeing,
        full_q_num_blocks=None,
        full_q_indices=None,
        BLOCK_SIZE=(BLOCK, BLOCK),
        mask_mod=visibility(first, n_token, ratio),
    )


@dataclass
class Rows:
    """Of one batch, what all layers share.

    Attributes:
        first: [B, S / 128] int64, the first block of each block's document.
        starts: [B, S / 4] bool: a block of four tokens that begins a document.
        sampled: [Q] int64, positions of the queries that train the indexer.
        rope: Per ratio, cosines and sines [S, n_rot / 2].
        masks: Per ratio, FlexAttention's mask; empty on the CPU, where attention is plain.
        top_k: Rows that the indexer keeps, or None to attend to all.
    """

    first: Tensor
    starts: Tensor
    sampled: Tensor
    rope: dict[int, tuple[Tensor, Tensor]]
    masks: dict[int, BlockMask]
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
        self._bases = {r: config.theta_compressed if r else config.theta for r in ratios}
        self._ratios, self._n_rot = ratios, config.n_rot
        self._rope = {r: rope_table(n_token, config.n_rot, self._bases[r], device) for r in ratios}

    def sampled(self, offset: int) -> Tensor:
        """Positions of the queries that train the indexer, on the CPU; `offset` picks them."""
        return torch.arange(offset % self._stride, self._n_token, self._stride)

    def tensors(self, first: Tensor) -> list[Tensor]:
        """What of `Rows` changes with the documents, computed where `first` is: `first`, `starts`, and all lists."""
        first = first.to(torch.int64)
        starts = torch.zeros(len(first), self._n_token // 4, dtype=torch.bool, device=first.device)
        starts[:, :: BLOCK // 4] = first == torch.arange(first.shape[1], device=first.device)
        flex = self._device.type == "cuda"
        lists = [t for r in self._ratios if flex for t in block_lists(first, self._n_token, r)]
        return [first, starts, *lists]

    def assemble(self, sampled: Tensor, tensors: Sequence[Tensor], *, prune: bool = True) -> Rows:
        """`Rows` over what `sampled` and `tensors` gave, on this device."""
        first, starts, *lists = tensors
        of_ratio = {r: lists[4 * i : 4 * i + 4] for i, r in enumerate(self._ratios) if lists}
        masks = {r: block_mask(first, self._n_token, r, ts) for r, ts in of_ratio.items()}
        return Rows(first, starts, sampled, self._rope, masks, self._top_k if prune else None)

    def __call__(self, first: Tensor, *, prune: bool = True, offset: int = 0) -> Rows:
        """For documents that begin at the blocks `first` [B, S / 128]; `offset` picks the indexer's queries."""
        sampled = self.sampled(offset).to(self._device)
        return self.assemble(sampled, self.tensors(first.to(self._device)), prune=prune)

"""What plain PyTorch does too slowly: the indexer's choice as Triton kernels; and Sinkhorn, plain, for comparison.

The choice is a custom operator with a plain implementation for the CPU, which is also what tests compare it with. On a
GPU hyper-connections have Sinkhorn in kernels of their own (`training.hyper_sinkhorn`).
"""

from __future__ import annotations

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # a machine without a GPU
    triton = None

BLOCK = 128  # tokens per block of a row; a block never holds two documents


# -- Sinkhorn ----------------------------------------------------------------------------------------------------------


def sinkhorn(logits: Tensor, rounds: int, eps: float) -> Tensor:
    """[T, n, n] logits to a nearly doubly stochastic matrix: softmax over the last axis, then `rounds` normalisations.

    Axis 1 is the source stream, axis 2 the destination; the last pass normalises over sources.
    """
    k = torch.softmax(logits, -1) + eps
    k = k / (k.sum(1, keepdim=True) + eps)
    for _ in range(rounds - 1):
        k = k / (k.sum(2, keepdim=True) + eps)
        k = k / (k.sum(1, keepdim=True) + eps)
    return k


# -- rows chosen by the indexer ----------------------------------------------------------------------------------------


def visible_rows(first: Tensor, positions: Tensor, n_row: int, ratio: int) -> Tensor:
    """Which compressed rows a query sees before any are chosen.

    Args:
        first: [B, S / BLOCK] index of the first block of each block's document.
        positions: [Q] positions of the queries in the row of tokens.
        n_row: Compressed rows.
        ratio: Tokens per compressed row.

    Returns:
        [B, Q, n_row] bool.
    """
    row = torch.arange(n_row, device=first.device)
    begin = first[:, positions // BLOCK] * (BLOCK // ratio)
    end = (positions + 1) // ratio
    return (row >= begin[..., None]) & (row < end[:, None])


def select_rows_plain(q: Tensor, keys: Tensor, weights: Tensor, first: Tensor, top_k: int) -> Tensor:
    """`select_rows` in plain PyTorch."""
    n_query, n_row = q.shape[1], keys.shape[1]
    seen = visible_rows(first, torch.arange(n_query, device=q.device), n_row, n_query // n_row)
    if top_k >= n_row:
        return seen
    dots = torch.einsum("bqhd,brd->bqhr", q.float(), keys.float()).relu()
    scores = torch.einsum("bqhr,bqh->bqr", dots, weights.float()).masked_fill(~seen, -torch.inf)
    chosen = torch.zeros_like(seen).scatter_(-1, scores.topk(top_k, -1).indices, value=True)
    return chosen & seen


if triton is not None:

    @triton.jit
    def _index_scores(
        q,
        keys,
        weights,
        first,
        top_k,
        scores,
        n_query,
        n_row,
        RATIO: tl.constexpr,
        H: tl.constexpr,
        D: tl.constexpr,
        Q: tl.constexpr,
        R: tl.constexpr,
        B: tl.constexpr,
    ):
        """One tile of Q queries by R rows: the sum over heads of weight * relu(query . key)."""
        batch, q0, r0 = tl.program_id(2), tl.program_id(1) * Q, tl.program_id(0) * R
        begin = tl.load(first + batch * (n_query // B) + q0 // B).to(tl.int32) * (B // RATIO)
        end = (q0 + Q) // RATIO
        # Nothing is computed for tiles that nobody sees, nor where all rows are kept anyway.
        if (end - begin > top_k) & (r0 < end) & (r0 + R > begin):
            qi, ri, di = q0 + tl.arange(0, Q), r0 + tl.arange(0, R), tl.arange(0, D)
            k = tl.load(keys + (batch * n_row + ri[None, :]) * D + di[:, None])
            total = tl.zeros((Q, R), tl.float32)
            for h in range(H):
                at = (batch * n_query + qi) * H + h
                dots = tl.dot(tl.load(q + at[:, None] * D + di[None, :]), k)
                total += tl.maximum(dots, 0.0) * tl.load(weights + at).to(tl.float32)[:, None]
            tl.store(scores + (batch.to(tl.int64) * n_query + qi[:, None]) * n_row + ri[None, :], total)

    @triton.jit
    def _choose(scores, first, top_k, chosen, n_query, n_row, RATIO: tl.constexpr, N: tl.constexpr, B: tl.constexpr):
        """One query: its best rows, by bisection on the bits of the k-th largest score."""
        batch, t = tl.program_id(1), tl.program_id(0)
        begin = tl.load(first + batch * (n_query // B) + t // B).to(tl.int32) * (B // RATIO)
        end = (t + 1) // RATIO
        row = tl.arange(0, N)
        seen = (row >= begin) & (row < end)
        at = (batch.to(tl.int64) * n_query + t) * n_row + row
        if end - begin > top_k:
            bits = tl.load(scores + at, mask=seen, other=0.0).to(tl.int32, bitcast=True)
            # Floats in the order of unsigned integers; 0 is below every score.
            order = tl.where(bits < 0, ~bits, bits ^ (-2147483648)).to(tl.uint32, bitcast=True)
            order = tl.where(seen, order, 0)
            bound = tl.zeros((), tl.uint32)
            bit = tl.full((), 2147483648, tl.uint32)
            for _ in range(32):
                guess = bound | bit
                bound = tl.where(tl.sum((order >= guess).to(tl.int32), 0) >= top_k, guess, bound)
                bit = bit >> 1
            tl.store(chosen + at, (seen & (order >= bound)).to(tl.int8), mask=row < n_row)
        else:
            tl.store(chosen + at, seen.to(tl.int8), mask=row < n_row)


def select_rows_kernel(q: Tensor, keys: Tensor, weights: Tensor, first: Tensor, top_k: int) -> Tensor:
    """`select_rows` by the two kernels."""
    batch, n_query, heads, dim = q.shape
    n_row = keys.shape[1]
    q, keys, weights, first = q.contiguous(), keys.contiguous(), weights.contiguous(), first.contiguous()
    scores = torch.empty(batch, n_query, n_row, dtype=torch.float32, device=q.device)
    chosen = torch.empty(batch, n_query, n_row, dtype=torch.int8, device=q.device)
    ratio, tile = n_query // n_row, min(BLOCK, n_row)
    grid = (n_row // tile, n_query // 64, batch)
    _index_scores[grid](
        q, keys, weights, first, top_k, scores, n_query, n_row,
        RATIO=ratio, H=heads, D=dim, Q=64, R=tile, B=BLOCK, num_warps=4,
    )  # fmt: skip
    grid = (n_query, batch)
    _choose[grid](
        scores, first, top_k, chosen, n_query, n_row,
        RATIO=ratio, N=triton.next_power_of_2(n_row), B=BLOCK, num_warps=2,
    )  # fmt: skip
    return chosen.view(torch.bool)


@torch.library.custom_op("ds4_training::select_rows", mutates_args=())
def select_rows(q: Tensor, keys: Tensor, weights: Tensor, first: Tensor, top_k: int) -> Tensor:
    """The compressed rows that queries attend to: the `top_k` best of those that they see.

    A row's score is the sum over indexer heads of weight * max(0, query . key). Equal scores at the border all stay.

    Args:
        q: [B, S, H, D] indexer queries.
        keys: [B, R, D] indexer keys, one for each S / R tokens.
        weights: [B, S, H] head weights.
        first: [B, S / BLOCK] int64, the first block of each block's document.
        top_k: How many to keep.

    Returns:
        [B, S, R] bool.
    """
    if q.device.type == "cpu":
        return select_rows_plain(q, keys, weights, first, top_k)
    return select_rows_kernel(q, keys, weights, first, top_k)


@select_rows.register_fake
def _(q: Tensor, keys: Tensor, weights: Tensor, first: Tensor, top_k: int) -> Tensor:
    return torch.empty(q.shape[0], q.shape[1], keys.shape[1], dtype=torch.bool, device=q.device)

"""Attention to a window and to compressed rows as two Triton kernels: all heads of some queries are one tile of lines.

Heads share their keys, which are their values too, so a tile of 128 lines (16 queries of 8 heads) looks at the 143
tokens of its queries' window, and at their rows. The backward kernel goes over the same tiles and adds to the gradient
of keys atomically.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.config import BLOCK

try:
    import triton
    import triton.language as tl
except ImportError:  # a machine without a GPU
    triton = None

_LINES = 128  # queries times heads of a tile
_FORWARD = {"W": 64, "num_warps": 8, "num_stages": 2}  # keys of a tile, and how it is compiled
# Compiled by Triton 3.6 for 64 keys, this one accesses foreign memory in layers of ratio 4; why is not known.
_BACKWARD = {"W": 32, "num_warps": 8, "num_stages": 1}
_LOG2E = 1.4426950408889634

if triton is not None:

    @triton.jit
    def _add(query, key, seen, scale, top, total, out):
        """One tile of keys into the running softmax: its maximum `top`, its sum, and the sum of values."""
        logits = tl.where(seen, tl.dot(query, tl.trans(key)) * scale, -float("inf"))
        new = tl.maximum(top, tl.max(logits, 1))
        mass = tl.exp2(logits - new[:, None])
        shrink = tl.exp2(top - new)
        out = tl.dot(mass.to(key.dtype), key, out * shrink[:, None])
        return new, total * shrink + tl.sum(mass, 1), out

    @triton.jit
    def _forward(
        q, keys, first, chosen, out, log_sum, n_token, n_key, scale,
        RATIO: tl.constexpr, CHOSEN: tl.constexpr, H: tl.constexpr, D: tl.constexpr, Q: tl.constexpr,
        W: tl.constexpr, R: tl.constexpr, B: tl.constexpr,
    ):  # fmt: skip
        """Q queries of all heads. Their own tokens come first: every query sees one, so no maximum is infinite."""
        batch, q0 = tl.program_id(1).to(tl.int64), tl.program_id(0) * Q
        line, d = tl.arange(0, Q * H), tl.arange(0, D)
        t = q0 + line // H
        at = (batch * n_token + q0) * H + line
        query = tl.load(q + at[:, None] * D + d)
        begin = tl.load(first + batch * (n_token // B) + q0 // B).to(tl.int32) * B
        of_batch = keys + batch * n_key * D
        top = tl.full((Q * H,), -float("inf"), tl.float32)
        total, value = tl.zeros((Q * H,), tl.float32), tl.zeros((Q * H, D), tl.float32)
        own = q0 + tl.arange(0, Q)
        own_key = tl.load(of_batch + own[:, None] * D + d)
        top, total, value = _add(query, own_key, own <= t[:, None], scale, top, total, value)
        for k0 in range(tl.maximum(begin, q0 - B), q0, W):
            k = k0 + tl.arange(0, W)
            key = tl.load(of_batch + k[:, None] * D + d, mask=k[:, None] < q0, other=0.0)
            seen = (k < q0) & (t[:, None] - k < B)
            top, total, value = _add(query, key, seen, scale, top, total, value)
        if RATIO:
            end = (q0 + Q) // RATIO
            for r0 in range(begin // RATIO, end, R):
                r = r0 + tl.arange(0, R)
                row = tl.load(of_batch + (n_token + r[:, None]) * D + d, mask=r[:, None] < end, other=0.0)
                kept = r * RATIO + (RATIO - 1) <= t[:, None]
                if CHOSEN:
                    place = chosen + (batch * n_token + t[:, None]) * (n_token // RATIO) + r
                    kept = kept & (tl.load(place, mask=r < end, other=0) != 0)
                top, total, value = _add(query, row, kept, scale, top, total, value)
        tl.store(out + at[:, None] * D + d, (value / total[:, None]).to(query.dtype))
        tl.store(log_sum + at, (top + tl.log2(total)) / 1.4426950408889634)

    @triton.jit
    def _share(query, grad, key, seen, scale, log_sum, shift, grad_query, to_key, inside, D: tl.constexpr):
        """One tile of keys: adds to the gradient of the queries, and in memory to that of the keys."""
        mass = tl.where(seen, tl.exp2(tl.dot(query, tl.trans(key)) * scale - log_sum[:, None]), 0.0)
        slope = mass * (tl.dot(grad, tl.trans(key)) - shift[:, None])
        slope = (slope * (scale / 1.4426950408889634)).to(key.dtype)
        grad_query = tl.dot(slope, key, grad_query)
        grad_key = tl.dot(tl.trans(slope), query, tl.dot(tl.trans(mass.to(key.dtype)), grad))
        tl.atomic_add(to_key + tl.arange(0, D), grad_key, mask=inside, sem="relaxed")
        return grad_query

    @triton.jit
    def _backward(
        q, keys, first, chosen, out, log_sum, grad_out, grad_sum, grad_q, grad_keys, n_token, n_key, scale,
        RATIO: tl.constexpr, CHOSEN: tl.constexpr, H: tl.constexpr, D: tl.constexpr, Q: tl.constexpr,
        W: tl.constexpr, R: tl.constexpr, B: tl.constexpr,
    ):  # fmt: skip
        """The gradients that the same queries give: `grad_q`, and added to `grad_keys`."""
        batch, q0 = tl.program_id(1).to(tl.int64), tl.program_id(0) * Q
        line, d = tl.arange(0, Q * H), tl.arange(0, D)
        t = q0 + line // H
        at = (batch * n_token + q0) * H + line
        query, grad = tl.load(q + at[:, None] * D + d), tl.load(grad_out + at[:, None] * D + d)
        shift = tl.sum(grad.to(tl.float32) * tl.load(out + at[:, None] * D + d).to(tl.float32), 1)
        shift -= tl.load(grad_sum + at)
        lse = tl.load(log_sum + at) * 1.4426950408889634
        begin = tl.load(first + batch * (n_token // B) + q0 // B).to(tl.int32) * B
        of_batch, to_batch = keys + batch * n_key * D, grad_keys + batch * n_key * D
        total = tl.zeros((Q * H, D), tl.float32)
        own = q0 + tl.arange(0, Q)
        own_key, to_own = tl.load(of_batch + own[:, None] * D + d), to_batch + own[:, None] * D
        total = _share(
            query, grad, own_key, own <= t[:, None], scale, lse, shift, total, to_own, own[:, None] >= 0, D
        )  # fmt: skip
        for k0 in range(tl.maximum(begin, q0 - B), q0, W):
            k = k0 + tl.arange(0, W)
            key = tl.load(of_batch + k[:, None] * D + d, mask=k[:, None] < q0, other=0.0)
            seen, to_key = (k < q0) & (t[:, None] - k < B), to_batch + k[:, None] * D
            total = _share(query, grad, key, seen, scale, lse, shift, total, to_key, k[:, None] < q0, D)
        if RATIO:
            end = (q0 + Q) // RATIO
            for r0 in range(begin // RATIO, end, R):
                r = r0 + tl.arange(0, R)
                row = tl.load(of_batch + (n_token + r[:, None]) * D + d, mask=r[:, None] < end, other=0.0)
                kept, to_row = r * RATIO + (RATIO - 1) <= t[:, None], to_batch + (n_token + r[:, None]) * D
                if CHOSEN:
                    place = chosen + (batch * n_token + t[:, None]) * (n_token // RATIO) + r
                    kept = kept & (tl.load(place, mask=r < end, other=0) != 0)
                total = _share(query, grad, row, kept, scale, lse, shift, total, to_row, r[:, None] < end, D)
        tl.store(grad_q + at[:, None] * D + d, total.to(query.dtype))


def _sizes(
    q: Tensor, ratio: int, chosen: Tensor | None, options: dict[str, int]
) -> tuple[tuple[int, int], dict[str, Any]]:
    """A kernel's grid, and its constants."""
    batch, n_token, heads, dim = q.shape
    if heads & (heads - 1):
        raise ValueError(f"{heads} heads: the kernels take a power of two")
    queries = max(16, _LINES // heads)
    constants = {"RATIO": ratio, "CHOSEN": chosen is not None, "H": heads, "D": dim, "Q": queries, "B": BLOCK}
    constants |= {"R": options["W"] if ratio == 4 else 16, **options}
    if chosen is not None:
        constants["num_stages"] = 1  # choices are bytes, which are not loaded ahead
    return (n_token // queries, batch), constants


@torch.library.custom_op("ds4_training::attend", mutates_args=())
def attend(q: Tensor, keys: Tensor, first: Tensor, chosen: Tensor | None, ratio: int) -> tuple[Tensor, Tensor]:
    """`training.attention.attend_plain` on a GPU. Heads and channels must be powers of two, channels at least 16.

    Args:
        q: [B, S, H, D].
        keys: [B, K, D] tokens and then compressed rows, of the same type.
        first: [B, S / 128] int64, the first block of each block's document.
        chosen: [B, S, R] bool, the rows that the indexer keeps, or None for all.
        ratio: Tokens per compressed row, 0 for none.

    Returns:
        Outputs [B, S, H, D], and the logarithm of each softmax's sum [B, S, H].
    """
    q, keys = q.contiguous(), keys.contiguous()
    out, log_sum = _like(q)
    grid, constants = _sizes(q, ratio, chosen, _FORWARD)
    scale = q.shape[3] ** -0.5 * _LOG2E
    _forward[grid](
        q, keys, first.contiguous(), _bytes(chosen, first), out, log_sum, q.shape[1], keys.shape[1], scale, **constants
    )
    return out, log_sum


@attend.register_fake
def _like(q: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(q, memory_format=torch.contiguous_format), q.new_empty(q.shape[:3], dtype=torch.float32)


def _bytes(chosen: Tensor | None, otherwise: Tensor) -> Tensor:
    """Choices as the kernels read them; anything where there are none."""
    return otherwise if chosen is None else chosen.contiguous().view(torch.int8)


@torch.library.custom_op("ds4_training::attend_backward", mutates_args=())
def _gradients(
    q: Tensor, keys: Tensor, first: Tensor, chosen: Tensor | None, out: Tensor, log_sum: Tensor, grad_out: Tensor,
    grad_sum: Tensor, ratio: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The gradients of q, and of keys in 32 bits."""
    q, keys = q.contiguous(), keys.contiguous()
    grad_q, grad_keys = torch.empty_like(q), torch.zeros_like(keys, dtype=torch.float32)
    grid, constants = _sizes(q, ratio, chosen, _BACKWARD)
    scale = q.shape[3] ** -0.5 * _LOG2E
    _backward[grid](
        q, keys, first.contiguous(), _bytes(chosen, first), out, log_sum, grad_out.contiguous(), grad_sum.contiguous(),
        grad_q, grad_keys, q.shape[1], keys.shape[1], scale, **constants,
    )  # fmt: skip
    return grad_q, grad_keys


@_gradients.register_fake
def _(q: Tensor, keys: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    grad_keys = keys.new_empty(keys.shape, dtype=torch.float32)
    return torch.empty_like(q, memory_format=torch.contiguous_format), grad_keys


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, keys, first, chosen, ctx.ratio = inputs
    ctx.save_for_backward(q, keys, first, chosen, *output)


def _backward_attend(ctx: Any, grad_out: Tensor, grad_sum: Tensor) -> tuple[Tensor | None, ...]:
    q, keys, *others = ctx.saved_tensors
    grad_q, grad_keys = _gradients(q, keys, *others, grad_out, grad_sum, ctx.ratio)
    return grad_q, grad_keys.to(keys.dtype), None, None, None


attend.register_autograd(_backward_attend, setup_context=_remember)

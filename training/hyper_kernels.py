"""Hyper-connections in few passes over memory: Triton kernels that read and write the streams, and their gradients.

`training.hyper` has the same in plain PyTorch, which is what these are compared with. There are four streams of
a power of two of values.

Weights of a token are kept one after the other ([24, T] and not [T, 24]), so that a thread that computes all of a
token's loads them together with its neighbours (`training.hyper_sinkhorn`).

The gradient of the streams has two parts: what `write` passes through its matrix, and what `read` gathers. Were each of
them an operator's result, PyTorch would write both and add them. So `read` returns a third thing beside the input and
the weights, the `way`: it stands for the mixed streams, comb^T streams, with comb held constant, and is never computed.
`write` gives it the gradient of the new streams as its own, and `read`'s backward pass puts that through the matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl

    from training.hyper_sinkhorn import weights_backward, weights_forward
except ImportError:  # a machine without a GPU
    triton = None

N_MIX = 24  # weights of a token before they are squashed: 4 to read with, 4 to write with, 16 to mix with
_PAD = 32  # what products of matrices make of them
# Tokens per program, and how it is compiled: with few enough registers for three programs on a multiprocessor.
_READ, _READ_OPTIONS = 16, {"num_warps": 4, "maxnreg": 168}
_READ_GRAD, _READ_GRAD_OPTIONS = 16, {"num_warps": 4, "num_stages": 2, "maxnreg": 168}
_WRITE, _WRITE_OPTIONS = 8, {"num_warps": 8}
_WRITE_GRAD, _WRITE_GRAD_OPTIONS = 8, {"num_warps": 8, "maxnreg": 80}
_SINKHORN, _SINKHORN_OPTIONS = 128, {"num_warps": 4}
_WIDTH = 64  # values of each stream that the backward pass of reading takes at a time


if triton is not None:

    @triton.jit
    def _read_forward(
        streams, fn, base, scale, norm, x, mix, roots, n_token, EPS: tl.constexpr, D: tl.constexpr, T: tl.constexpr
    ):
        """The input of the block, normalised; the weights before they are squashed; the two reciprocal RMS."""
        t, d, c = tl.program_id(0) * T + tl.arange(0, T), tl.arange(0, D), tl.arange(0, 32)
        inside = t < n_token
        some, real = inside[:, None], (c < 24)[None, :]
        at = streams + t[:, None] * (4 * D) + d[None, :]
        s0 = tl.load(at, mask=some, other=0.0)
        s1 = tl.load(at + D, mask=some, other=0.0)
        s2 = tl.load(at + 2 * D, mask=some, other=0.0)
        s3 = tl.load(at + 3 * D, mask=some, other=0.0)
        f = fn + c[None, :] * (4 * D) + d[:, None]
        m = tl.dot(s0, tl.load(f, mask=real, other=0.0), input_precision="ieee")
        m = tl.dot(s1, tl.load(f + D, mask=real, other=0.0), m, input_precision="ieee")
        m = tl.dot(s2, tl.load(f + 2 * D, mask=real, other=0.0), m, input_precision="ieee")
        m = tl.dot(s3, tl.load(f + 3 * D, mask=real, other=0.0), m, input_precision="ieee")
        x0, x1, x2, x3 = s0.to(tl.float32), s1.to(tl.float32), s2.to(tl.float32), s3.to(tl.float32)
        root = tl.rsqrt(tl.sum(x0 * x0 + x1 * x1 + x2 * x2 + x3 * x3, 1) / (4 * D) + EPS)
        m = m * root[:, None]
        tl.store(mix + c[None, :] * n_token + t[:, None], m, mask=some & real)
        pre = tl.sigmoid(m * tl.load(scale) + tl.load(base + c, mask=c < 24, other=0.0)[None, :]) + EPS
        y = tl.sum(tl.where(c[None, :] == 0, pre, 0.0), 1)[:, None] * x0
        y += tl.sum(tl.where(c[None, :] == 1, pre, 0.0), 1)[:, None] * x1
        y += tl.sum(tl.where(c[None, :] == 2, pre, 0.0), 1)[:, None] * x2
        y += tl.sum(tl.where(c[None, :] == 3, pre, 0.0), 1)[:, None] * x3
        root_y = tl.rsqrt(tl.sum(y * y, 1) / D + EPS)
        y = y * root_y[:, None] * tl.load(norm + d)[None, :]
        tl.store(x + t[:, None] * D + d[None, :], y.to(x.dtype.element_ty), mask=some)
        tl.store(roots + t, root, mask=inside)
        tl.store(roots + n_token + t, root_y, mask=inside)

    @triton.jit
    def _read_backward(
        streams, fn, base, scale, norm, mix, roots, comb, grad_x, grad_new, grad_logits, grad_streams, grad_raw,
        partial, n_token, EPS: tl.constexpr, D: tl.constexpr, T: tl.constexpr, W: tl.constexpr,
    ):  # fmt: skip
        """The gradient of the streams, of streams @ fn^T, and sums over the program's tokens for the parameters.

        It goes twice over its tokens, W values of each stream at a time: the second time they are in a cache.
        """
        t, d, c = tl.program_id(0) * T + tl.arange(0, T), tl.arange(0, W), tl.arange(0, 32)
        inside = t < n_token
        some, real = inside[:, None], (c < 24)[None, :]
        at = t[:, None] * (4 * D) + d[None, :]
        row = t[:, None] * D + d[None, :]
        first, m = tl.load(scale), mix + t
        q0 = tl.sigmoid(tl.load(m, mask=inside, other=0.0) * first + tl.load(base))
        q1 = tl.sigmoid(tl.load(m + n_token, mask=inside, other=0.0) * first + tl.load(base + 1))
        q2 = tl.sigmoid(tl.load(m + 2 * n_token, mask=inside, other=0.0) * first + tl.load(base + 2))
        q3 = tl.sigmoid(tl.load(m + 3 * n_token, mask=inside, other=0.0) * first + tl.load(base + 3))
        root = tl.load(roots + t, mask=inside, other=0.0)
        root_y = tl.load(roots + n_token + t, mask=inside, other=0.0)
        # Products of the gradient, and of the sum of streams y, with each stream.
        zero = tl.zeros((T,), tl.float32)
        a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
        for o in range(0, D, W):
            g = tl.load(grad_x + row + o, mask=some, other=0.0).to(tl.float32) * tl.load(norm + o + d)[None, :]
            s0 = tl.load(streams + at + o, mask=some, other=0.0).to(tl.float32)
            s1 = tl.load(streams + at + (D + o), mask=some, other=0.0).to(tl.float32)
            s2 = tl.load(streams + at + (2 * D + o), mask=some, other=0.0).to(tl.float32)
            s3 = tl.load(streams + at + (3 * D + o), mask=some, other=0.0).to(tl.float32)
            y = (q0 + EPS)[:, None] * s0 + (q1 + EPS)[:, None] * s1
            y += (q2 + EPS)[:, None] * s2 + (q3 + EPS)[:, None] * s3
            a0, a1, a2, a3 = (
                a0 + tl.sum(g * s0, 1),
                a1 + tl.sum(g * s1, 1),
                a2 + tl.sum(g * s2, 1),
                a3 + tl.sum(g * s3, 1),
            )
            b0, b1, b2, b3 = (
                b0 + tl.sum(y * s0, 1),
                b1 + tl.sum(y * s1, 1),
                b2 + tl.sum(y * s2, 1),
                b3 + tl.sum(y * s3, 1),
            )
        # The norm takes from the gradient its part along y.
        along = ((q0 + EPS) * a0 + (q1 + EPS) * a1 + (q2 + EPS) * a2 + (q3 + EPS) * a3) * root_y * root_y / D
        z = tl.load(grad_logits + c[None, :] * n_token + t[:, None], mask=some & real & (c >= 4)[None, :], other=0.0)
        z = tl.where(c[None, :] == 0, ((a0 - along * b0) * root_y * q0 * (1 - q0))[:, None], z)
        z = tl.where(c[None, :] == 1, ((a1 - along * b1) * root_y * q1 * (1 - q1))[:, None], z)
        z = tl.where(c[None, :] == 2, ((a2 - along * b2) * root_y * q2 * (1 - q2))[:, None], z)
        z = tl.where(c[None, :] == 3, ((a3 - along * b3) * root_y * q3 * (1 - q3))[:, None], z)
        # From the squashed weights to the streams.
        w = tl.load(mix + c[None, :] * n_token + t[:, None], mask=some & real, other=0.0)
        sums = partial + tl.program_id(0) * (64 + D)
        tl.store(sums + c, tl.sum(z, 0))
        tl.store(sums + 32 + c, tl.sum(z * w, 0))
        z = z * tl.load(scale + tl.where(c < 4, 0, tl.where(c < 8, 1, 2)))[None, :]
        back = (tl.sum(z * w, 1) * root * root / (4 * D))[:, None]
        z = (z * root[:, None]).to(streams.dtype.element_ty)
        tl.store(grad_raw + t[:, None] * 24 + c[None, :], z, mask=some & real)
        f, rows = fn + c[:, None] * (4 * D) + d[None, :], (c < 24)[:, None]
        for o in range(0, D, W):
            h0 = tl.load(grad_new + at + o, mask=some, other=0.0)
            h1 = tl.load(grad_new + at + (D + o), mask=some, other=0.0)
            h2 = tl.load(grad_new + at + (2 * D + o), mask=some, other=0.0)
            h3 = tl.load(grad_new + at + (3 * D + o), mask=some, other=0.0)
            g = tl.load(grad_x + row + o, mask=some, other=0.0).to(tl.float32)
            s0 = tl.load(streams + at + o, mask=some, other=0.0)
            s1 = tl.load(streams + at + (D + o), mask=some, other=0.0)
            s2 = tl.load(streams + at + (2 * D + o), mask=some, other=0.0)
            s3 = tl.load(streams + at + (3 * D + o), mask=some, other=0.0)
            y = (q0 + EPS)[:, None] * s0.to(tl.float32) + (q1 + EPS)[:, None] * s1.to(tl.float32)
            y += (q2 + EPS)[:, None] * s2.to(tl.float32) + (q3 + EPS)[:, None] * s3.to(tl.float32)
            tl.store(sums + 64 + o + d, tl.sum(g * y * root_y[:, None], 0))
            g = (g * tl.load(norm + o + d)[None, :] - y * along[:, None]) * root_y[:, None]
            for i in tl.static_range(4):
                k = comb + 4 * i * n_token + t
                total = tl.load(k, mask=inside, other=0.0)[:, None] * h0.to(tl.float32)
                total += tl.load(k + n_token, mask=inside, other=0.0)[:, None] * h1.to(tl.float32)
                total += tl.load(k + 2 * n_token, mask=inside, other=0.0)[:, None] * h2.to(tl.float32)
                total += tl.load(k + 3 * n_token, mask=inside, other=0.0)[:, None] * h3.to(tl.float32)
                if i == 0:
                    total += (q0 + EPS)[:, None] * g - back * s0.to(tl.float32)
                elif i == 1:
                    total += (q1 + EPS)[:, None] * g - back * s1.to(tl.float32)
                elif i == 2:
                    total += (q2 + EPS)[:, None] * g - back * s2.to(tl.float32)
                else:
                    total += (q3 + EPS)[:, None] * g - back * s3.to(tl.float32)
                total += tl.dot(z, tl.load(f + (i * D + o), mask=rows, other=0.0), input_precision="ieee")
                place = grad_streams + at + (i * D + o)
                tl.store(place, total.to(grad_streams.dtype.element_ty), mask=some)

    @triton.jit
    def _write_forward(out, streams, post, comb, new, n_token, D: tl.constexpr, T: tl.constexpr):
        t, d = tl.program_id(0) * T + tl.arange(0, T), tl.arange(0, D)
        inside = t < n_token
        some = inside[:, None]
        at = t[:, None] * (4 * D) + d[None, :]
        y = tl.load(out + t[:, None] * D + d[None, :], mask=some, other=0.0).to(tl.float32)
        s0 = tl.load(streams + at, mask=some, other=0.0).to(tl.float32)
        s1 = tl.load(streams + at + D, mask=some, other=0.0).to(tl.float32)
        s2 = tl.load(streams + at + 2 * D, mask=some, other=0.0).to(tl.float32)
        s3 = tl.load(streams + at + 3 * D, mask=some, other=0.0).to(tl.float32)
        for j in tl.static_range(4):
            k = comb + j * n_token + t
            total = tl.load(post + j * n_token + t, mask=inside, other=0.0)[:, None] * y
            total += tl.load(k, mask=inside, other=0.0)[:, None] * s0
            total += tl.load(k + 4 * n_token, mask=inside, other=0.0)[:, None] * s1
            total += tl.load(k + 8 * n_token, mask=inside, other=0.0)[:, None] * s2
            total += tl.load(k + 12 * n_token, mask=inside, other=0.0)[:, None] * s3
            tl.store(new + at + j * D, total.to(new.dtype.element_ty), mask=some)

    @triton.jit
    def _write_backward(
        grad, out, streams, post, grad_out, grad_post, grad_comb, n_token, D: tl.constexpr, T: tl.constexpr
    ):
        t, d = tl.program_id(0) * T + tl.arange(0, T), tl.arange(0, D)
        inside = t < n_token
        some = inside[:, None]
        at = t[:, None] * (4 * D) + d[None, :]
        row = t[:, None] * D + d[None, :]
        y = tl.load(out + row, mask=some, other=0.0).to(tl.float32)
        s0 = tl.load(streams + at, mask=some, other=0.0).to(tl.float32)
        s1 = tl.load(streams + at + D, mask=some, other=0.0).to(tl.float32)
        s2 = tl.load(streams + at + 2 * D, mask=some, other=0.0).to(tl.float32)
        s3 = tl.load(streams + at + 3 * D, mask=some, other=0.0).to(tl.float32)
        g0 = tl.load(grad + at, mask=some, other=0.0).to(tl.float32)
        g1 = tl.load(grad + at + D, mask=some, other=0.0).to(tl.float32)
        g2 = tl.load(grad + at + 2 * D, mask=some, other=0.0).to(tl.float32)
        g3 = tl.load(grad + at + 3 * D, mask=some, other=0.0).to(tl.float32)
        total = tl.load(post + t, mask=inside, other=0.0)[:, None] * g0
        total += tl.load(post + n_token + t, mask=inside, other=0.0)[:, None] * g1
        total += tl.load(post + 2 * n_token + t, mask=inside, other=0.0)[:, None] * g2
        total += tl.load(post + 3 * n_token + t, mask=inside, other=0.0)[:, None] * g3
        tl.store(grad_out + row, total.to(grad_out.dtype.element_ty), mask=some)
        for j in tl.static_range(4):
            if j == 0:
                g = g0
            elif j == 1:
                g = g1
            elif j == 2:
                g = g2
            else:
                g = g3
            tl.store(grad_post + j * n_token + t, tl.sum(g * y, 1), mask=inside)
            k = grad_comb + j * n_token + t
            tl.store(k, tl.sum(g * s0, 1), mask=inside)
            tl.store(k + 4 * n_token, tl.sum(g * s1, 1), mask=inside)
            tl.store(k + 8 * n_token, tl.sum(g * s2, 1), mask=inside)
            tl.store(k + 12 * n_token, tl.sum(g * s3, 1), mask=inside)


# -- reading -----------------------------------------------------------------------------------------------------------


@torch.library.custom_op("ds4_training::hyper_read", mutates_args=())
def hyper_read(
    streams: Tensor, fn: Tensor, base: Tensor, scale: Tensor, norm: Tensor, rounds: int, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A block's normalised input, and the weights that write its output.

    Args:
        streams: [T, 4, d].
        fn: [24, 4 d] of the streams' type; a token's weights are its RMS-normalised streams times this.
        base, scale: [24] and [3] float32, applied to the weights before they are squashed.
        norm: [d] float32, the weight of the block's norm.
        rounds: Of Sinkhorn.
        eps: Of Sinkhorn and of the norms.

    Returns:
        The input [T, d] of the streams' type; post [4, T] and comb [4, 4, T] (source, destination); the way [T, 4, d],
        which has no values; and for the backward pass the weights before scale and base [24, T], and the reciprocal RMS
        of streams and input [2, T].
    """
    n_token, _, dim = streams.shape
    x, post, comb, way, mix, roots = _like_read(streams)
    _read_forward[(triton.cdiv(n_token, _READ),)](
        streams, fn, base, scale, norm, x, mix, roots, n_token, EPS=eps, D=dim, T=_READ, **_READ_OPTIONS
    )
    weights_forward[(triton.cdiv(n_token, _SINKHORN),)](
        mix, base, scale, post, comb, n_token, ROUNDS=rounds, EPS=eps, T=_SINKHORN, **_SINKHORN_OPTIONS
    )
    return x, post, comb, way, mix, roots


@hyper_read.register_fake
def _like_read(streams: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    n_token, n, dim = streams.shape
    x, way = streams.new_empty(n_token, dim), streams.new_empty(1, 1, 1).expand(n_token, n, dim)
    post, comb, mix, roots = (
        streams.new_empty(*shape, n_token, dtype=torch.float32) for shape in ((n,), (n, n), (N_MIX,), (2,))
    )
    return x, post, comb, way, mix, roots


@torch.library.custom_op("ds4_training::hyper_read_backward", mutates_args=())
def _read_grad(
    streams: Tensor, fn: Tensor, base: Tensor, scale: Tensor, norm: Tensor, comb: Tensor, mix: Tensor, roots: Tensor,
    grad_x: Tensor, grad_post: Tensor, grad_comb: Tensor, grad_way: Tensor, rounds: int, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The gradients of the streams [T, 4, d] and of streams @ fn^T [T, 24], and [P, 64 + d] parts of sums over tokens.

    The first 24 columns of the sums are the gradient of base; those from 32 on are products with the weights, whose
    sums over each kind of weight are the gradient of scale; those from 64 on are the gradient of norm.
    """
    n_token, _, dim = streams.shape
    grad_streams, grad_raw, partial = _like_read_grad(streams)
    grad_logits, history = torch.empty_like(mix), mix.new_empty(rounds - 1, 4, n_token)
    weights_backward[(triton.cdiv(n_token, _SINKHORN),)](
        mix, base, scale, grad_post, grad_comb, grad_logits, history, n_token,
        ROUNDS=rounds, EPS=eps, T=_SINKHORN, **_SINKHORN_OPTIONS,
    )  # fmt: skip
    _read_backward[(len(partial),)](
        streams, fn, base, scale, norm, mix, roots, comb, grad_x, grad_way, grad_logits, grad_streams, grad_raw,
        partial, n_token, EPS=eps, D=dim, T=_READ_GRAD, W=min(dim, _WIDTH), **_READ_GRAD_OPTIONS,
    )  # fmt: skip
    return grad_streams, grad_raw, partial


@_read_grad.register_fake
def _like_read_grad(streams: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    n_token, _, dim = streams.shape
    n_part = (n_token + _READ_GRAD - 1) // _READ_GRAD
    partial = streams.new_empty(n_part, 2 * _PAD + dim, dtype=torch.float32)
    return torch.empty_like(streams), streams.new_empty(n_token, N_MIX), partial


def _remember_read(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, rounds, eps = inputs
    ctx.rounds, ctx.eps = rounds, eps
    _, _, comb, _, mix, roots = output
    ctx.save_for_backward(*tensors, comb, mix, roots)


def _backward_read(
    ctx: Any, grad_x: Tensor, grad_post: Tensor, grad_comb: Tensor, grad_way: Tensor, *_: Any
) -> tuple[Tensor | None, ...]:
    saved, grads = ctx.saved_tensors, (g.contiguous() for g in (grad_x, grad_post, grad_comb, grad_way))
    grad_streams, grad_raw, partial = _read_grad(*saved, *grads, ctx.rounds, ctx.eps)
    sums = partial.sum(0)
    grad_fn = grad_raw.t() @ saved[0].flatten(1)
    kinds = [sums[_PAD + a : _PAD + b].sum() for a, b in ((0, 4), (4, 8), (8, N_MIX))]
    return grad_streams, grad_fn, sums[:N_MIX], torch.stack(kinds), sums[2 * _PAD :], None, None


hyper_read.register_autograd(_backward_read, setup_context=_remember_read)


# -- writing -----------------------------------------------------------------------------------------------------------


@torch.library.custom_op("ds4_training::hyper_write", mutates_args=())
def hyper_write(out: Tensor, streams: Tensor, post: Tensor, comb: Tensor, way: Tensor) -> Tensor:
    """The streams [T, 4, d] after a block whose output is `out` [T, d]; the rest is `hyper_read`'s input and results.

    The gradient of `streams` takes the way: this returns none for it.
    """
    n_token, _, dim = streams.shape
    new = torch.empty_like(streams)
    _write_forward[(triton.cdiv(n_token, _WRITE),)](
        out, streams, post, comb, new, n_token, D=dim, T=_WRITE, **_WRITE_OPTIONS
    )
    return new


@hyper_write.register_fake
def _(out: Tensor, streams: Tensor, post: Tensor, comb: Tensor, way: Tensor) -> Tensor:
    return torch.empty_like(streams)


@torch.library.custom_op("ds4_training::hyper_write_backward", mutates_args=())
def _write_grad(grad: Tensor, out: Tensor, streams: Tensor, post: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of out [T, d], post [4, T] and comb [4, 4, T]."""
    n_token, _, dim = streams.shape
    grad_out, grad_post, grad_comb = _like_write_grad(grad, out, streams, post)
    _write_backward[(triton.cdiv(n_token, _WRITE_GRAD),)](
        grad, out, streams, post, grad_out, grad_post, grad_comb, n_token,
        D=dim, T=_WRITE_GRAD, **_WRITE_GRAD_OPTIONS,
    )  # fmt: skip
    return grad_out, grad_post, grad_comb


@_write_grad.register_fake
def _like_write_grad(grad: Tensor, out: Tensor, streams: Tensor, post: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n, n_token = post.shape
    return torch.empty_like(out), torch.empty_like(post), post.new_empty(n, n, n_token)


def _remember_write(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])


def _backward_write(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad = grad.contiguous()
    grad_out, grad_post, grad_comb = _write_grad(grad, *ctx.saved_tensors)
    return grad_out, None, grad_post, grad_comb, grad


hyper_write.register_autograd(_backward_write, setup_context=_remember_write)

"""The weights with which hyper-connections write, Sinkhorn's matrix among them, and their gradient: one token a thread.

They hardly touch memory but take long, and would hold up the kernels that stream the rest (`training.hyper_kernels`).
Sinkhorn keeps the matrix k as it was, and a factor for each row and column: u_i k_ij v_j is the result so far. Each of
a token's four by four values is a tensor of its own, over tokens.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _matrix(mix, base, scale, t, inside, n_token, EPS: tl.constexpr):
    """The softmax over destinations, plus EPS, as 16 tensors."""
    factor = tl.load(scale + 2)
    k = ()
    for i in tl.static_range(4):
        m, b = mix + (8 + 4 * i) * n_token + t, base + 8 + 4 * i
        a0 = tl.load(m, mask=inside, other=0.0) * factor + tl.load(b)
        a1 = tl.load(m + n_token, mask=inside, other=0.0) * factor + tl.load(b + 1)
        a2 = tl.load(m + 2 * n_token, mask=inside, other=0.0) * factor + tl.load(b + 2)
        a3 = tl.load(m + 3 * n_token, mask=inside, other=0.0) * factor + tl.load(b + 3)
        top = tl.maximum(tl.maximum(a0, a1), tl.maximum(a2, a3))
        a0, a1, a2, a3 = tl.exp(a0 - top), tl.exp(a1 - top), tl.exp(a2 - top), tl.exp(a3 - top)
        s = 1 / (a0 + a1 + a2 + a3)
        k = k + (a0 * s + EPS, a1 * s + EPS, a2 * s + EPS, a3 * s + EPS)  # noqa: RUF005
    return k


@triton.jit
def _weigh(k, v, ROWS: tl.constexpr):
    """k v, or k^T v unless ROWS."""
    result = ()
    for i in tl.static_range(4):
        if ROWS:
            a = k[4 * i] * v[0] + k[4 * i + 1] * v[1] + k[4 * i + 2] * v[2] + k[4 * i + 3] * v[3]
        else:
            a = k[i] * v[0] + k[4 + i] * v[1] + k[8 + i] * v[2] + k[12 + i] * v[3]
        result = result + (a,)  # noqa: RUF005
    return result


@triton.jit
def _balance(k, own, other, ROWS: tl.constexpr, EPS: tl.constexpr):
    """The factors `own` of rows (or columns) after these are divided by their sum + EPS."""
    a = _weigh(k, other, ROWS)
    return (
        own[0] / (own[0] * a[0] + EPS),
        own[1] / (own[1] * a[1] + EPS),
        own[2] / (own[2] * a[2] + EPS),
        own[3] / (own[3] * a[3] + EPS),
    )


@triton.jit
def _unbalance(grad, own):
    """From the gradient of factors to that of the sums that made them: own = 1 / (sum + EPS / own before).

    Left out: the gradient of the factors before, which is EPS / (what was divided by)^2 of that of those after.
    """
    return (
        -grad[0] * own[0] * own[0],
        -grad[1] * own[1] * own[1],
        -grad[2] * own[2] * own[2],
        -grad[3] * own[3] * own[3],
    )


@triton.jit
def _add_outer(total, a, b):
    """total_ij + a_i b_j."""
    result = ()
    for i in tl.static_range(16):
        result = result + (total[i] + a[i // 4] * b[i % 4],)  # noqa: RUF005
    return result


@triton.jit
def weights_forward(mix, base, scale, post, comb, n_token, ROUNDS: tl.constexpr, EPS: tl.constexpr, T: tl.constexpr):
    """The weights that `write` uses."""
    t = tl.program_id(0) * T + tl.arange(0, T)
    inside = t < n_token
    factor = tl.load(scale + 1)
    for j in tl.static_range(4):
        m = tl.load(mix + (4 + j) * n_token + t, mask=inside, other=0.0) * factor + tl.load(base + 4 + j)
        tl.store(post + j * n_token + t, 2 * tl.sigmoid(m), mask=inside)
    k = _matrix(mix, base, scale, t, inside, n_token, EPS)
    one = tl.full((T,), 1.0, tl.float32)
    u = (one, one, one, one)
    v = _balance(k, u, u, False, EPS)
    for _ in range(ROUNDS - 1):
        u = _balance(k, u, v, True, EPS)
        v = _balance(k, v, u, False, EPS)
    for i in tl.static_range(16):
        tl.store(comb + i * n_token + t, u[i // 4] * k[i] * v[i % 4], mask=inside)


@triton.jit
def weights_backward(
    mix, base, scale, grad_post, grad_comb, grad_logits, history, n_token,
    ROUNDS: tl.constexpr, EPS: tl.constexpr, T: tl.constexpr,
):  # fmt: skip
    """The gradient of the weights that `write` uses, before they are squashed; `history` is room for factors."""
    t = tl.program_id(0) * T + tl.arange(0, T)
    inside = t < n_token
    factor = tl.load(scale + 1)
    for j in tl.static_range(4):
        m = tl.load(mix + (4 + j) * n_token + t, mask=inside, other=0.0) * factor + tl.load(base + 4 + j)
        q = tl.sigmoid(m)
        g = tl.load(grad_post + j * n_token + t, mask=inside, other=0.0)
        tl.store(grad_logits + (4 + j) * n_token + t, 2 * g * q * (1 - q), mask=inside)
    k = _matrix(mix, base, scale, t, inside, n_token, EPS)
    one, zero = tl.full((T,), 1.0, tl.float32), tl.zeros((T,), tl.float32)
    u = (one, one, one, one)
    v = _balance(k, u, u, False, EPS)
    past = history + t
    for r in range(ROUNDS - 1):
        for j in tl.static_range(4):
            tl.store(past + (4 * r + j) * n_token, v[j], mask=inside)
        u = _balance(k, u, v, True, EPS)
        v = _balance(k, v, u, False, EPS)
    tl.debug_barrier()  # every thread reads what it wrote itself
    # The result: u_i k_ij v_j.
    h, total = (), ()
    for i in tl.static_range(16):
        g = tl.load(grad_comb + i * n_token + t, mask=inside, other=0.0)
        h = h + (g * k[i],)  # noqa: RUF005
        total = total + (g * u[i // 4] * v[i % 4],)  # noqa: RUF005
    grad_u, grad_v = _weigh(h, v, True), _weigh(h, u, False)
    # Back through the rounds. The rows' factors are nearly what follows from the columns' before them.
    for step in range(ROUNDS - 1):
        b = _unbalance(grad_v, v)
        v = ()
        for j in tl.static_range(4):
            v = v + (tl.load(past + (4 * (ROUNDS - 2 - step) + j) * n_token, mask=inside, other=1.0),)  # noqa: RUF005
        s = _weigh(k, v, True)
        u = (1 / (s[0] + EPS * s[0]), 1 / (s[1] + EPS * s[1]), 1 / (s[2] + EPS * s[2]), 1 / (s[3] + EPS * s[3]))
        total = _add_outer(total, u, b)
        a = _weigh(k, b, True)
        a = _unbalance((a[0] + grad_u[0], a[1] + grad_u[1], a[2] + grad_u[2], a[3] + grad_u[3]), u)
        grad_u = (zero, zero, zero, zero)
        total = _add_outer(total, a, v)
        grad_v = _weigh(k, a, False)
    total = _add_outer(total, (one, one, one, one), _unbalance(grad_v, v))
    for i in tl.static_range(4):
        k0, k1, k2, k3 = k[4 * i] - EPS, k[4 * i + 1] - EPS, k[4 * i + 2] - EPS, k[4 * i + 3] - EPS
        g0, g1, g2, g3 = total[4 * i], total[4 * i + 1], total[4 * i + 2], total[4 * i + 3]
        mean = k0 * g0 + k1 * g1 + k2 * g2 + k3 * g3
        place = grad_logits + (8 + 4 * i) * n_token + t
        tl.store(place, k0 * (g0 - mean), mask=inside)
        tl.store(place + n_token, k1 * (g1 - mean), mask=inside)
        tl.store(place + 2 * n_token, k2 * (g2 - mean), mask=inside)
        tl.store(place + 3 * n_token, k3 * (g3 - mean), mask=inside)

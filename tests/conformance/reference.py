"""The forward pass of DeepSeek V4 in float64 numpy: a second opinion that shares nothing with the engine.

Whole prompts only. It favours plain statements over speed, and records how close every discrete choice (indexer rows,
routed experts) was, so that a comparison can tell a rounding flip from a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from training.gguf_layout import HCA, SLIDING, ModelShape

Array = np.ndarray[Any, np.dtype[Any]]


# ------------------------------------------------------------------------------------------ activation simulation


def round_to_table(x: Array, table: Array) -> Array:
    """Nearest entry of an ascending magnitude table, ties to the even index, sign kept."""
    magnitude = np.abs(x)
    hi = np.clip(np.searchsorted(table, magnitude), 1, len(table) - 1)
    below, above = magnitude - table[hi - 1], table[hi] - magnitude
    take_hi = (above < below) | ((above == below) & (hi % 2 == 0))
    return np.copysign(np.where(take_hi, table[hi], table[hi - 1]), x)


E4M3 = np.array([(8 * (e > 0) + m) * 2.0 ** (max(e, 1) - 10) for e in range(16) for m in range(8)][:127])
E2M1 = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def block_round(x: Array, block: int, table: Array, floor: float) -> Array:
    """Rounds blocks of the last axis to table * 2^k, with the smallest k that avoids overflow."""
    blocks = x.reshape(*x.shape[:-1], x.shape[-1] // block, block)
    top = np.maximum(np.abs(blocks).max(-1, keepdims=True), floor)
    fraction, exponent = np.frexp((top / table[-1]).astype(np.float32))
    unit = np.ldexp(1.0, exponent - (fraction == 0.5))  # 2^ceil(log2(top / max)) without a rounded logarithm
    return (round_to_table(np.clip(blocks / unit, -table[-1], table[-1]), table) * unit).reshape(x.shape)


def simulate_kv(x: Array, n_rot: int) -> Array:
    """KV rows: the channels that are not rotated, to E4M3 in blocks of 64."""
    keep = x.shape[-1] - n_rot
    return np.concatenate([block_round(x[..., :keep], 64, E4M3, 1e-4), x[..., keep:]], -1)


def simulate_indexer(x: Array) -> Array:
    """Indexer queries and rows: an orthonormal Walsh-Hadamard transform, then E2M1 in blocks of 32."""
    n = x.shape[-1]
    matrix = np.ones((1, 1))
    while matrix.shape[0] < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return block_round(x @ matrix * n**-0.5, 32, E2M1, 6 * 2.0**-126)


def int8_round(x: Array, block: int) -> Array:
    """Activations as int8 with one float32 scale per block: what fast mode multiplies quantised weights with."""
    blocks = x.astype(np.float32).reshape(*x.shape[:-1], x.shape[-1] // block, block)
    scale = np.abs(blocks).max(-1, keepdims=True) / np.float32(127)
    inverse = np.float32(1) / np.where(scale > 0, scale, 1)
    return (np.rint(blocks * inverse).astype(np.float64) * scale).reshape(x.shape)


# ------------------------------------------------------------------------------------------------------ functions


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def frequencies(s: ModelShape, compressed: bool) -> Array:
    """RoPE frequency of every rotated pair, rounded to float32: [n_rot / 2]."""
    pair = np.arange(s.n_rot // 2)
    theta = s.theta_compressed if compressed else s.theta
    f = theta ** (-2.0 * pair / s.n_rot)
    if compressed and s.yarn:

        def correction(beta: float) -> float:
            assert s.yarn
            return float(s.n_rot * np.log(s.yarn.n_context / (2 * np.pi * beta)) / (2 * np.log(theta)))

        lo = max(0.0, np.floor(correction(s.yarn.beta_fast)))
        hi = min(s.n_rot - 1.0, np.ceil(correction(s.yarn.beta_slow)))
        blend = np.clip((pair - lo) / (hi - lo if hi != lo else 0.001), 0, 1)
        f = f * (1 - blend) + f / s.yarn.factor * blend
    return f.astype(np.float32)


def rope(x: Array, positions: Array, f: Array, direction: int = 1) -> Array:
    """Rotates adjacent pairs of the last channels. x: [n, ..., dim], positions: [n]; direction -1 undoes it."""
    angle = (positions.astype(np.float32)[:, None] * f).astype(np.float64)  # the angle is a float32 product
    turn = np.exp(1j * direction * angle).reshape(len(positions), *[1] * (x.ndim - 2), -1)
    head, tail = x[..., : -2 * len(f)], x[..., -2 * len(f) :]
    turned = (tail[..., 0::2] + 1j * tail[..., 1::2]) * turn
    return np.concatenate([head, np.stack([turned.real, turned.imag], -1).reshape(tail.shape)], -1)


def choose(scores: Array, k: int) -> tuple[Array, float]:
    """The k best (lowest index wins a tie) and the relative gap to the first one left out."""
    order = np.argsort(-scores, kind="stable")
    if len(scores) <= k:
        return order, np.inf
    last, first_out = scores[order[k - 1]], scores[order[k]]
    return order[:k], float((last - first_out) / max(abs(last), 1e-30))


@dataclass
class Result:
    """Logits [n, n_vocab] and, per position, how narrowly the discrete choices were made (relative; inf: no choice)."""

    logits: Array
    indexer_gap: Array  # [n] smallest over layers
    router_gap: Array  # [n] smallest over layers


class Reference:
    """One model, evaluated in float64.

    Args:
        shape: Its sizes.
        weights: GGUF tensor name -> values, row-major.
        simulate: Round KV and indexer rows as the released model was trained.
        half_rows: Round KV and indexer rows to float16, as they are stored outside exact mode.
        int8: Tensor name -> block size, for the matrices whose input is rounded to int8.
    """

    def __init__(
        self,
        shape: ModelShape,
        weights: Mapping[str, Array],
        *,
        simulate: bool = False,
        half_rows: bool = False,
        int8: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.s, self.half_rows, self.int8 = shape, half_rows, int8
        self.w = {k: v if v.dtype.kind == "i" else v.astype(np.float64) for k, v in weights.items()}
        self.simulate = simulate

    def logits(self, tokens: Sequence[int]) -> Result:
        """A prompt from position 0."""
        s, ids = self.s, np.asarray(tokens)
        self._gap = np.full((2, len(ids)), np.inf)
        streams = np.repeat(self.w["token_embd.weight"][ids][:, None], s.n_stream, 1)
        for il in range(s.n_layer):
            for part, sublayer in (("attn", self._attention), ("ffn", self._experts)):
                x, post, mix = self._open(streams, f"blk.{il}.hc_{part}")
                out = sublayer(il, self._norm(x, f"blk.{il}.{part}_norm.weight"), ids)
                streams = post[..., None] * out[:, None] + np.swapaxes(mix, 1, 2) @ streams
        h = self._norm(self._head(streams), "output_norm.weight")
        return Result(self._mul(h, "output.weight"), self._gap[0], self._gap[1])

    def _input(self, x: Array, name: str) -> Array:
        return int8_round(x, self.int8[name]) if name in self.int8 else x

    def _mul(self, x: Array, name: str, expert: int | None = None) -> Array:
        w = self.w[name] if expert is None else self.w[name][expert]
        return self._input(x, name) @ w.T

    def _stored(self, rows: Array) -> Array:
        return rows.astype(np.float16).astype(np.float64) if self.half_rows else rows

    def _norm(self, x: Array, weight: str | None = None) -> Array:
        y = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.s.rms_eps)
        return y if weight is None else y * self.w[weight]

    def _open(self, streams: Array, name: str) -> tuple[Array, Array, Array]:
        """Sub-layer input [n, n_embd], post weights [n, n_stream], stream matrix [n, from, to]."""
        n, k, eps = len(streams), self.s.n_stream, self.s.hc_eps
        m = self._mul(self._norm(streams.reshape(n, -1)), f"{name}_fn.weight")
        scale = np.repeat(self.w[f"{name}_scale.weight"], (k, k, k * k))
        m = m * scale + self.w[f"{name}_base.weight"]
        pre, post = sigmoid(m[:, :k]) + eps, 2 * sigmoid(m[:, k : 2 * k])
        mix = softmax(m[:, 2 * k :].reshape(n, k, k), 2) + eps
        for step in range(2 * self.s.n_sinkhorn - 1):  # columns, rows, columns, ..., columns
            mix = mix / (mix.sum(1 if step % 2 == 0 else 2, keepdims=True) + eps)
        return (pre[..., None] * streams).sum(1), post, mix

    def _head(self, streams: Array) -> Array:
        m = self._mul(self._norm(streams.reshape(len(streams), -1)), "output_hc_fn.weight")
        pre = sigmoid(m * self.w["output_hc_scale.weight"] + self.w["output_hc_base.weight"]) + self.s.hc_eps
        return (pre[..., None] * streams).sum(1)

    # ------------------------------------------------------------------------------------------------------ attention

    def _compress(self, x: Array, name: str, il: int, f: Array) -> Array:
        """Rows of all complete blocks: [n // ratio, dim]."""
        ratio, lanes = self.s.ratios[il], self.s.lanes(il)
        n_rows = len(x) // ratio
        blocks = x[: n_rows * ratio].reshape(n_rows, ratio, x.shape[-1])
        value = self._mul(blocks, f"{name}_kv.weight")
        gate = self._mul(blocks, f"{name}_gate.weight") + self.w[f"{name}_ape.weight"]
        if lanes == 2:  # the first lane belongs to the next row, the second to this one
            dim = value.shape[-1] // 2
            before = np.zeros((min(n_rows, 1), ratio, dim))
            value = np.concatenate([np.concatenate([before, value[:-1, :, :dim]]), value[..., dim:]], 1)
            gate = np.concatenate([np.concatenate([before - np.inf, gate[:-1, :, :dim]]), gate[..., dim:]], 1)
        if not n_rows:
            return np.zeros((0, value.shape[-1]))
        rows = self._norm((softmax(gate, 1) * value).sum(1), f"{name}_norm.weight")
        return rope(rows, np.arange(n_rows) * ratio, f)

    def _visible(self, il: int, x: Array, q_low: Array, f: Array) -> Array:
        """Which compressed rows each position attends to: bool [n, n // ratio]."""
        s, n = self.s, len(x)
        closed = (np.arange(n) + 1) // s.ratios[il]
        mask: Array = np.arange(n // s.ratios[il])[None] < closed[:, None]
        if s.kinds[il] == HCA or not mask.size:
            return mask
        keys = self._compress(x, f"blk.{il}.indexer_compressor", il, f)
        query = self._mul(q_low, f"blk.{il}.indexer.attn_q_b.weight").reshape(n, s.idx_head, s.idx_dim)
        query = rope(query, np.arange(n), f)
        if self.simulate:
            query, keys = simulate_indexer(query), simulate_indexer(keys)
        keys = self._stored(keys)
        weight = self._mul(x, f"blk.{il}.indexer.proj.weight")
        dots = np.maximum(np.einsum("thd,wd->thw", query, keys), 0)
        scores = np.einsum("th,thw->tw", weight, dots) * (s.idx_head * s.idx_dim) ** -0.5
        for t in range(n):
            if closed[t] > s.idx_top_k:
                best, gap = choose(scores[t, : closed[t]], s.idx_top_k)
                mask[t] = np.isin(np.arange(mask.shape[1]), best)
                self._gap[0, t] = min(self._gap[0, t], gap)
        return mask

    def _attention(self, il: int, x: Array, _ids: Array) -> Array:
        s, n, blk = self.s, len(x), f"blk.{il}."
        f, pos = frequencies(s, s.kinds[il] != SLIDING), np.arange(n)
        q_low = self._norm(self._mul(x, blk + "attn_q_a.weight"), blk + "attn_q_a_norm.weight")
        q = self._norm(self._mul(q_low, blk + "attn_q_b.weight").reshape(n, s.n_head, s.head_dim))
        q = rope(q, pos, f)
        rows = rope(self._norm(self._mul(x, blk + "attn_kv.weight"), blk + "attn_kv_a_norm.weight"), pos, f)
        age = pos[:, None] - pos[None]
        mask = (age >= 0) & (age < s.n_window)
        if s.kinds[il] != SLIDING:
            compressed = self._compress(x, blk + "attn_compressor", il, f)
            rows = np.concatenate([rows, compressed])
            mask = np.concatenate([mask, self._visible(il, x, q_low, f)], 1)
        if self.simulate:
            rows = simulate_kv(rows, s.n_rot)
        rows = self._stored(rows)
        score = np.where(mask[:, None], np.einsum("thd,kd->thk", q, rows) * s.head_dim**-0.5, -np.inf)
        sink = np.broadcast_to(self.w[blk + "attn_sinks.weight"][None, :, None], (n, s.n_head, 1))
        p = softmax(np.concatenate([score, sink], -1), -1)[..., :-1]
        o = rope(np.einsum("thk,kd->thd", p, rows), pos, f, -1).reshape(n, s.n_group, -1)
        name = blk + "attn_output_a.weight"
        low = self.w[name].reshape(s.n_group, s.o_rank, -1)
        z = np.einsum("tgi,gri->tgr", self._input(o, name), low).reshape(n, -1)
        return self._mul(z, blk + "attn_output_b.weight")

    # --------------------------------------------------------------------------------------------------------- experts

    def _mlp(self, x: Array, name: str, expert: int | None = None) -> Array:
        """SwiGLU with the matrices {name}gate, up and down: the shared one's, or those of one routed expert."""
        suffix = "_shexp.weight" if expert is None else "_exps.weight"
        g = np.minimum(self._mul(x, f"{name}gate{suffix}", expert), self.s.clamp)
        u = np.clip(self._mul(x, f"{name}up{suffix}", expert), -self.s.clamp, self.s.clamp)
        return self._mul(g * sigmoid(g) * u, f"{name}down{suffix}", expert)

    def _experts(self, il: int, x: Array, ids: Array) -> Array:
        s, blk = self.s, f"blk.{il}.ffn_"
        z = self._mul(x, blk + "gate_inp.weight")
        affinity = np.sqrt(np.where(z > 20, z, np.log1p(np.exp(np.minimum(z, 20)))))
        if il < s.n_hash:
            chosen = self.w[blk + "gate_tid2eid.weight"][ids]
        else:
            picks = [choose(row, s.n_expert_used) for row in affinity + self.w[f"blk.{il}.exp_probs_b.bias"]]
            chosen = np.stack([p for p, _ in picks])
            self._gap[1] = np.minimum(self._gap[1], [g for _, g in picks])
        out = self._mlp(x, blk)
        weight = np.take_along_axis(affinity, chosen, 1)
        weight = weight / (weight.sum(1, keepdims=True) + 1e-20) * s.expert_scale
        for e in range(s.n_expert):
            t, slot = np.nonzero(chosen == e)
            if len(t):
                out[t] += weight[t, slot][:, None] * self._mlp(x[t], blk, e)
        return out

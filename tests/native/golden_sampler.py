"""Writes golden_sampler.inc: token sequences of the DS4 sampler, computed with NumPy float32 by a full stable sort.

Run it as `python tests/native/golden_sampler.py > tests/native/golden_sampler.inc`. It shares no code with libds4.
"""

from __future__ import annotations

import numpy as np

F = np.float32
N_DRAWS = 24
MASK64 = (1 << 64) - 1


def make_logits(kind: int, n_vocab: int) -> np.ndarray:
    """Logits anyone can rebuild: kind 0 uniform in [-10, 10), kind 1 many ties, kind 2 one peak and a long tail."""
    h = (np.arange(n_vocab, dtype=np.uint64) * 2654435761 + 12345) % (1 << 32)
    if kind == 0:
        return (h >> 8).astype(F) * F(20.0 / (1 << 24)) - F(10)
    if kind == 1:
        return (h >> 29).astype(F)
    return np.where(h >> 25 == 7, F(9), F(0)) + (h >> 8).astype(F) * F(4.0 / (1 << 24))


class Rng:
    """xorshift64* with 24-bit floats."""

    def __init__(self, state: int) -> None:
        self.state = state

    def next(self) -> np.float32:
        x = self.state or 0x9E3779B97F4A7C15
        x ^= x >> 12
        x = (x ^ (x << 25)) & MASK64
        x ^= x >> 27
        self.state = x
        return F(((x * 0x2545F4914F6CDD1D) & MASK64) >> 40) / F(1 << 24)


def running_sum(values: np.ndarray) -> np.ndarray:
    """Sequential single precision sums."""
    return np.add.accumulate(values.astype(F), dtype=F)


def walk(weights: np.ndarray, r: np.float32) -> int:
    """Index where r, reduced by one weight after the other, is used up; -1 when it never is."""
    for i, w in enumerate(weights):
        if w == 0:
            continue
        r = F(r - w)
        if r <= 0:
            return i
    return -1


def sample(logits: np.ndarray, temperature: float, top_k: int, top_p: float, min_p: float, rng: Rng) -> int:
    """One token, all logits finite."""
    if temperature <= 0:
        return int(np.argmax(logits))
    t, top = F(temperature), logits.max()
    top_p_f = F(1) if top_p <= 0 or top_p > 1 else F(top_p)
    min_p_f = F(max(min_p, 0))
    if top_k <= 0 and top_p_f >= 1:
        w = np.exp((logits - top) / t)
        w = np.where(w >= min_p_f, w, F(0))
        i = walk(w, F(rng.next() * running_sum(w)[-1]))
        return i if i >= 0 else int(np.argmax(logits))
    order = np.argsort(-logits, kind="stable")
    if top_k > 0:
        order = order[:top_k]
        total = running_sum(np.exp((logits[order] - top) / t))[-1]
    else:
        total = running_sum(np.exp((logits - top) / t))[-1]
    p = (np.exp((logits[order] - top) / t) / total).astype(F)
    kept = running_sum(p)
    below = np.flatnonzero(p[1:] < F(min_p_f * p[0]))
    end = below[0] + 1 if below.size else p.size
    reached = np.flatnonzero(kept >= top_p_f)
    if reached.size:
        end = min(end, reached[0] + 1)
    i = walk(p[:end], F(rng.next() * kept[end - 1]))
    return int(order[i if i >= 0 else end - 1])


CASES = [
    # kind, n_vocab, seed, temperature, top_k, top_p, min_p
    (0, 1000, 0, 0.0, 0, 1.0, 0.0),
    (0, 1000, 0, 1.0, 0, 1.0, 0.0),
    (0, 1000, 42, 1.0, 0, 1.0, 0.05),
    (0, 1000, 7, 0.6, 0, 0.95, 0.0),
    (0, 1000, 7, 0.6, 0, 0.95, 0.2),
    (0, 1000, 7, 1.7, 0, 0.5, 0.3),
    (0, 1000, 99, 1.0, 40, 1.0, 0.0),
    (0, 1000, 99, 1.3, 40, 0.8, 0.02),
    (0, 1000, 5, 1.0, 5000, 0.9, 0.0),
    (0, 1000, 5, 1.0, 1, 1.0, 0.0),
    (1, 1000, 11, 1.0, 0, 1.0, 0.0),
    (1, 1000, 11, 1.0, 0, 0.7, 0.0),
    (1, 1000, 11, 2.0, 100, 0.9, 0.0),
    (1, 7, 18446744073709551615, 3.0, 3, 0.99, 0.0),
    (2, 129280, 1234567, 1.0, 0, 1.0, 0.0),
    (2, 129280, 1234567, 1.0, 0, 1.0, 0.05),
    (2, 129280, 1234567, 1.0, 0, 0.9, 0.0),
    (2, 129280, 1234567, 5.0, 0, 0.99, 0.0),
    (2, 129280, 1234567, 1.0, 1024, 0.95, 0.05),
    (0, 129280, 3, 0.7, 0, 0.999, 0.0),
    (0, 129280, 3, 1.0, 0, 1.5, -1.0),
    (0, 1, 3, 1.0, 0, 0.5, 0.0),
]


def main() -> None:
    """Prints the table."""
    rng = Rng(0)
    draws = [int(rng.next() * (1 << 24)) for _ in range(8)]
    print("// Made by golden_sampler.py. The first draws of state 0 in units of 2^-24, then the cases.")
    print("static const uint32_t golden_draws[] = {" + ", ".join(map(str, draws)) + "};")
    print("static const GoldenCase golden_cases[] = {")
    for kind, n_vocab, seed, temperature, top_k, top_p, min_p in CASES:
        logits = make_logits(kind, n_vocab)
        rng = Rng(seed)
        tokens = [sample(logits, temperature, top_k, top_p, min_p, rng) for _ in range(N_DRAWS)]
        print(f"    {{{kind}, {n_vocab}, {seed}u, {temperature}f, {top_k}, {top_p}f, {min_p}f, 0x{rng.state:016x}u,")
        lines = [tokens[i : i + 12] for i in range(0, N_DRAWS, 12)]
        print("     {" + ",\n      ".join(", ".join(map(str, line)) for line in lines) + "}},")
    print("};")


if __name__ == "__main__":
    main()

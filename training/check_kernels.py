"""Compares the fast operations with their plain versions on a GPU: Sinkhorn, the indexer's choice, attention.

python -m training.check_kernels
"""

from __future__ import annotations

import torch
from torch import Tensor

from training import kernels
from training.attention import attend_flex, attend_plain
from training.config import ModelConfig
from training.rows import RowsMaker, n_key


def difference(a: Tensor, b: Tensor) -> float:
    """Norm of a - b over the norm of b."""
    return float((a.float() - b.float()).norm() / b.float().norm())


def check_sinkhorn(device: torch.device) -> dict[str, float]:
    logits = (2 * torch.randn(1000, 4, 4, device=device)).requires_grad_()
    weights = torch.randn(1000, 4, 4, device=device)
    values, grads = [], []
    for function in (kernels.sinkhorn, kernels.sinkhorn_plain):
        value = function(logits, 20, 1e-6)
        grads.append(torch.autograd.grad((value * weights).sum(), logits)[0])
        values.append(value)
    return {"sinkhorn": difference(*values), "sinkhorn gradient": difference(*grads)}


def check_choice(device: torch.device) -> dict[str, float]:
    """Share of choices that differ; rounding may flip a few."""
    q, keys = torch.randn(2, 1024, 16, 64, device=device), torch.randn(2, 256, 64, device=device)
    weights, first = (
        torch.randn(2, 1024, 16, device=device),
        torch.tensor([[0] * 8, [0, 0, 0, 3, 3, 3, 3, 7]], device=device),
    )
    top_k = 50
    tensors = (q.bfloat16(), keys.bfloat16(), weights, first, top_k)
    fast, plain = kernels.select_rows_kernel(*tensors), kernels.select_rows_plain(*tensors)
    return {"choice": float((fast != plain).sum() / plain.sum()), "chosen too many": float(fast.sum(-1).max() - 50)}


def check_attention(device: torch.device) -> dict[str, float]:
    config, out = ModelConfig(), {}
    first = torch.tensor([[0] * 8, [0, 0, 0, 3, 3, 3, 3, 7]], device=device)
    rows = RowsMaker(config, 1024, device)(first)
    fast = torch.compile(attend_flex, dynamic=False)
    for ratio in (0, 4, 128):
        q = torch.randn(2, 1024, 8, 128, device=device, dtype=torch.bfloat16, requires_grad=True)
        keys = torch.randn(2, n_key(1024, ratio), 128, device=device, dtype=torch.bfloat16, requires_grad=True)
        chosen = torch.rand(2, 1024, 256, device=device) < 0.5 if ratio == 4 else None
        results = []
        for function in (fast, attend_plain):
            value, log_sum = function(q, keys, rows, ratio, chosen)
            loss = (value.float() * torch.linspace(-1, 1, 128, device=device)).sum() + log_sum.sin().sum()
            results.append((value, log_sum, *torch.autograd.grad(loss, (q, keys))))
        for name, a, b in zip(("", " sum", " q gradient", " key gradient"), *results, strict=True):
            out[f"attention {ratio}{name}"] = difference(a, b)
    return out


def main() -> None:
    torch.manual_seed(0)
    device = torch.device("cuda")
    for check in (check_sinkhorn, check_choice, check_attention):
        for name, value in check(device).items():
            print(f"{name:32} {value:.2e}", flush=True)


if __name__ == "__main__":
    main()

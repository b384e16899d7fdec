"""The kernels of attention against plain PyTorch, in Triton's interpreter: values and all gradients."""

from __future__ import annotations

import sys
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("triton", reason="the kernels are Triton's")

NAMES = ("outputs", "sums", "gradient of queries", "gradient of keys")


def compare(ratio: int, n_head: int, chosen: bool) -> None:
    """Prints for each of NAMES the relative difference of the kernels from plain PyTorch in float32."""
    import torch

    from training import attention_kernels
    from training.attention import attend_plain

    def counting(*bounds: Any) -> range:
        return range(*(int(x.handle.data.item() if hasattr(x, "handle") else x) for x in bounds))

    attention_kernels.range = counting  # the interpreter's numbers are arrays, which NumPy 2.4 does not take for ints
    torch.manual_seed(ratio)
    first, n_token, dim = torch.tensor([[0, 0, 0, 3], [0, 1, 1, 1]]), 512, 32
    n_row = n_token // ratio if ratio else 0
    q, keys = torch.randn(2, n_token, n_head, dim), torch.randn(2, n_token + n_row, dim)
    kept = torch.rand(2, n_token, n_row) < 0.5 if chosen else None
    weights, results = torch.randn(2, n_token, n_head, dim), []
    for function in (attend_plain, attention_kernels.attend):
        tensors = q.clone().requires_grad_(), keys.clone().requires_grad_()
        out, sums = function(*tensors, first, kept, ratio)
        gradients = torch.autograd.grad((out * weights).sum() + sums.sin().sum(), tensors)
        results.append((out, sums, *gradients))
    for name, a, b in zip(NAMES, *results, strict=True):
        print(f"{name}: {float((a - b).detach().norm() / a.detach().norm())}")


@pytest.mark.parametrize(("ratio", "n_head", "chosen"), [(0, 8, False), (4, 8, False), (4, 4, True), (128, 2, False)])
def test_the_kernels_compute_what_plain_pytorch_does(interpreted, ratio: int, n_head: int, chosen: bool) -> None:
    apart = interpreted(__file__, ratio, n_head, int(chosen))
    assert set(apart) == set(NAMES)
    assert all(x < 1e-5 for x in apart.values()), apart


if __name__ == "__main__":
    compare(int(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3])))

"""The kernels of hyper-connections against plain PyTorch, in Triton's interpreter: values and all gradients."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("triton", reason="the kernels are Triton's")

NAMES = ("input", "streams", "streams gradient", "fn gradient", "base gradient", "scale gradient", "norm gradient")


def compare(n_token: int, dim: int, spread: float) -> None:
    """Prints for each of NAMES the relative difference of the kernels from plain PyTorch in float32."""
    import torch

    from training.config import ModelConfig
    from training.hyper import HyperConnection, Mixing
    from training.hyper_kernels import hyper_read, hyper_write

    def poisoned(*args: object, **options: object) -> torch.Tensor:
        return empty(*args, **options).fill_(torch.nan)

    torch.manual_seed(n_token)
    c = HyperConnection(ModelConfig(n_embd=dim), 1)
    with torch.no_grad():
        c.scale.add_(spread * torch.rand(3))
        c.base.add_(0.5 * torch.randn(24))
    norm = (1 + 0.3 * torch.randn(dim)).requires_grad_()
    streams, grad = torch.randn(1, n_token, 4, dim).requires_grad_(), torch.randn(1, n_token, 4, dim)
    matrix = torch.randn(dim, dim) / dim**0.5  # a block
    results = []
    for kernels in (False, True):
        if kernels:
            empty, torch.Tensor.new_empty = torch.Tensor.new_empty, poisoned
            x, *mixing = hyper_read(streams[0], c.fn, c.base, c.scale, norm, c.rounds, c.eps)[:4]
            new = hyper_write((x @ matrix).tanh(), streams[0], *Mixing(*mixing))
        else:
            x, mixing = c.read_plain(streams, norm)
            new = c.write_plain((x @ matrix).tanh(), streams, mixing)
        gradients = torch.autograd.grad(new.view_as(grad), (streams, c.fn, c.base, c.scale, norm), grad)
        results.append([x.view(1, n_token, dim), new.view_as(grad), *gradients])
    for name, a, b in zip(NAMES, *results, strict=True):
        print(f"{name}: {float((a - b).detach().norm() / a.detach().norm())}")


@pytest.mark.parametrize(("n_token", "dim", "spread"), [(37, 64, 0.5), (20, 256, 6.0)])
def test_the_kernels_compute_what_plain_pytorch_does(interpreted, n_token: int, dim: int, spread: float) -> None:
    apart = interpreted(__file__, n_token, dim, spread)
    assert set(apart) == set(NAMES)
    assert all(x < 1e-5 for x in apart.values()), apart


if __name__ == "__main__":
    compare(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))

"""Compares the fast operations with their plain versions on a GPU: the indexer's choice, attention, hyper-connections.

python -m training.check_kernels
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from training import hyper_kernels, kernels
from training.attention import attend_plain
from training.attention_kernels import attend
from training.config import ModelConfig, TrainConfig
from training.hyper import HyperConnection


def difference(a: Tensor, b: Tensor) -> float:
    """Norm of a - b over the norm of b."""
    return float((a.detach().float() - b.detach().float()).norm() / b.detach().float().norm())


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
    """Attention and its gradients, of each kind of layer."""
    first, out = torch.tensor([[0] * 8, [0, 0, 0, 3, 3, 3, 3, 7]], device=device), {}
    for ratio, some in ((0, False), (4, False), (4, True), (128, False)):
        n_key = 1024 + (1024 // ratio if ratio else 0)
        q = torch.randn(2, 1024, 8, 128, device=device, dtype=torch.bfloat16, requires_grad=True)
        keys = torch.randn(2, n_key, 128, device=device, dtype=torch.bfloat16, requires_grad=True)
        chosen = torch.rand(2, 1024, 256, device=device) < 0.5 if some else None
        results = []
        for function in (attend, attend_plain):
            value, log_sum = function(q, keys, first, chosen, ratio)
            loss = (value.float() * torch.linspace(-1, 1, 128, device=device)).sum() + log_sum.sin().sum()
            results.append((value, log_sum, *torch.autograd.grad(loss, (q, keys))))
        for name, a, b in zip(("", " sum", " q gradient", " key gradient"), *results, strict=True):
            out[f"attention {ratio}{', chosen' if some else ''}{name}"] = difference(a, b)
    return out


HYPER = ("input", "streams", "streams gradient", "fn gradient", "base gradient", "scale gradient", "norm gradient")


def hyper_case(device: torch.device) -> tuple[HyperConnection, Tensor, Tensor, Tensor]:
    """A connection, the weight of a norm, a step's streams, and a gradient of the new streams."""
    config = ModelConfig()
    connection = HyperConnection(config, 0).to(device)
    with torch.no_grad():
        connection.base.add_(0.5 * torch.randn_like(connection.base))
        connection.scale.add_(torch.rand_like(connection.scale))
    norm = (1 + 0.3 * torch.randn(config.n_embd, device=device)).requires_grad_()
    shape = (TrainConfig.n_row, config.n_context, config.n_stream, config.n_embd)
    streams, grad = (torch.randn(shape, device=device).bfloat16() for _ in range(2))
    return connection, norm, streams, grad


def read_and_write(connection: HyperConnection, norm: Tensor, streams: Tensor, *, plain: bool) -> tuple[Tensor, Tensor]:
    """A sub-layer whose block does nothing: the block's input, and the new streams."""
    c = connection
    read, write = (c.read_plain, c.write_plain) if plain else (c.read, c.write)
    x, mixing = read(streams, norm)
    return x, write(x, streams, mixing)


def hyper_pass(
    connection: HyperConnection,
    norm: Tensor,
    streams: Tensor,
    grad: Tensor,
    *,
    plain: bool,
    function: Callable[..., tuple[Tensor, Tensor]] = read_and_write,
) -> list[Tensor]:
    """What `HYPER` names, of `read_and_write`."""
    streams = streams.detach().requires_grad_()
    x, new = function(connection, norm, streams, plain=plain)
    c = connection
    return [x, new, *torch.autograd.grad(new, (streams, c.fn, c.base, c.scale, norm), grad)]


def check_hyper(device: torch.device) -> dict[str, float]:
    """The kernels and the plain code in bfloat16, each against the plain code in float32."""
    connection, norm, streams, grad = hyper_case(device)
    exact = hyper_pass(connection, norm, streams.float(), grad.float(), plain=True)
    out = {}
    for plain in (False, True):
        for name, a, b in zip(HYPER, hyper_pass(connection, norm, streams, grad, plain=plain), exact, strict=True):
            out[f"hyper {name}{', plain' if plain else ''}"] = difference(a, b)
    return out


def time_hyper(device: torch.device) -> dict[str, float]:
    """Milliseconds of a sub-layer's read and write with their gradients, and of each operator."""
    from triton.testing import do_bench_cudagraph

    connection, norm, streams, grad = hyper_case(device)
    times: dict[str, Callable[[], object]] = {}
    function = torch.compile(read_and_write, dynamic=False)
    for name, plain in (("kernels", False), ("plain", True)):
        times[f"hyper {name}, ms"] = partial(
            hyper_pass, connection, norm, streams, grad, plain=plain, function=function
        )
    s, g = streams.flatten(0, 1), grad.flatten(0, 1)
    tensors = (s, connection.fn.detach().bfloat16(), connection.base.detach(), connection.scale.detach(), norm.detach())
    options = (connection.rounds, connection.eps)
    x, post, comb, way, mix, roots = hyper_kernels.hyper_read(*tensors, *options)
    ops = torch.ops.ds4_training
    _, *small = ops.hyper_write_backward(g, x, s, post)
    raw = ops.hyper_read_backward(*tensors, comb, mix, roots, x, *small, g, *options)[1]
    times |= {
        "hyper read, ms": lambda: ops.hyper_read(*tensors, *options),
        "hyper write, ms": lambda: ops.hyper_write(x, s, post, comb, way),
        "hyper write backward, ms": lambda: ops.hyper_write_backward(g, x, s, post),
        "hyper read backward, ms": lambda: ops.hyper_read_backward(*tensors, comb, mix, roots, x, *small, g, *options),
        "hyper fn gradient, ms": lambda: raw.t() @ s.flatten(1),
    }
    return {name: do_bench_cudagraph(function) for name, function in times.items()}


def main() -> None:
    """The command line."""
    torch.manual_seed(0)
    device = torch.device("cuda")
    for check in (check_choice, check_attention, check_hyper, time_hyper):
        for name, value in check(device).items():
            print(f"{name:32} {value:.2e}", flush=True)


if __name__ == "__main__":
    main()

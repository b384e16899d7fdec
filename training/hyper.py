"""Hyper-connections: how a layer reads its four residual streams and writes to them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config import ModelConfig
from training.hyper_kernels import hyper_read, hyper_write
from training.kernels import sinkhorn


def rms(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """RMS norm over the last axis in float32; the result has the type of x."""
    y = x.float()
    y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps)
    return (y if weight is None else y * weight).to(x.dtype)


class Mixing(NamedTuple):
    """What `write` needs of `read`.

    Attributes:
        post: [B, S, n] how much of a block's output each stream takes; of the kernels [n, B S].
        comb: [B, S, n, n] how much of each stream (the source) goes to each (the destination); of the kernels
            [n, n, B S].
        way: Of the kernels, see `training.hyper_kernels`.
    """

    post: Tensor
    comb: Tensor
    way: Tensor | None = None


class HyperConnection(nn.Module):
    """One sub-layer's mixing: `read` the streams, then `write` the block's output back."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        """`index` counts sub-layers; each begins by reading mostly one stream, in turn."""
        super().__init__()
        n = config.n_stream
        self.n, self.rounds, self.eps = n, config.n_sinkhorn, config.eps
        self.fn = nn.Parameter(torch.randn((2 + n) * n, n * config.n_embd) * 0.02)
        pre = torch.full((n,), -1.5)
        pre[index % n] = 1.5
        self.base = nn.Parameter(torch.cat([pre, torch.randn(n) * 0.3, (3.0 * torch.eye(n)).flatten()]))
        self.scale = nn.Parameter(torch.full((3,), 0.3))

    def read(self, streams: Tensor, norm: Tensor) -> tuple[Tensor, Mixing]:
        """Streams [B, S, n, d] to the block's input [B, S, d], normalised, and what `write` needs."""
        if streams.device.type == "cpu":
            return self.read_plain(streams, norm)
        tensors = (self.fn.to(streams.dtype), self.base, self.scale, norm)
        x, *mixing = hyper_read(streams.flatten(0, 1).contiguous(), *tensors, self.rounds, self.eps)[:4]
        return x.view(*streams.shape[:2], -1), Mixing(*mixing)

    def write(self, out: Tensor, streams: Tensor, mixing: Mixing) -> Tensor:
        """The streams after a block whose output is `out` [B, S, d]."""
        if mixing.way is None:
            return self.write_plain(out, streams, mixing)
        out = out.to(streams.dtype).flatten(0, 1).contiguous()
        new: Tensor = hyper_write(out, streams.flatten(0, 1).contiguous(), *mixing)
        return new.view(streams.shape)

    def read_plain(self, streams: Tensor, norm: Tensor) -> tuple[Tensor, Mixing]:
        """`read` in plain PyTorch."""
        b, s, n, _ = streams.shape
        flat = streams.flatten(2)
        scale = torch.rsqrt(flat.float().square().mean(-1, keepdim=True) + self.eps)
        mix = F.linear(flat, self.fn.to(flat.dtype)).float() * scale
        pre = torch.sigmoid(mix[..., :n] * self.scale[0] + self.base[:n]) + self.eps
        post = 2 * torch.sigmoid(mix[..., n : 2 * n] * self.scale[1] + self.base[n : 2 * n])
        logits = mix[..., 2 * n :] * self.scale[2] + self.base[2 * n :]
        comb = sinkhorn(logits.reshape(b * s, n, n), self.rounds, self.eps).view(b, s, n, n)
        x = (pre[..., None] * streams.float()).sum(2).to(streams.dtype)
        return rms(x, norm, self.eps), Mixing(post, comb)

    def write_plain(self, out: Tensor, streams: Tensor, mixing: Mixing) -> Tensor:
        """`write` in plain PyTorch."""
        x, y, (post, comb, _) = streams.float(), out.float(), mixing
        new = [
            post[..., j, None] * y + sum(comb[..., i, j, None] * x[..., i, :] for i in range(self.n))
            for j in range(self.n)
        ]
        return torch.stack(new, 2).to(streams.dtype)

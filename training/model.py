"""DeepSeek V4 in plain PyTorch, for training: whole rows of packed documents, no cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.attention import Attention
from training.config import ModelConfig
from training.hyper import HyperConnection, rms
from training.layers import linear
from training.rows import Rows


class Experts(nn.Module):
    """Routed experts beside a shared one. All experts compute, which for a few narrow ones is the fastest way."""

    def __init__(self, config: ModelConfig, *, hashed: bool) -> None:
        """`hashed`: experts are chosen by token id instead of by score."""
        super().__init__()
        c = config
        self.n_used, self.scale, self.clamp = c.n_expert_used, c.expert_scale, c.clamp
        self.router = nn.Parameter(torch.randn(c.n_expert, c.n_embd) * c.n_embd**-0.5)
        self.gate = nn.Parameter(torch.randn(c.n_expert, c.n_ff, c.n_embd) * c.n_embd**-0.5)
        self.up = nn.Parameter(torch.randn(c.n_expert, c.n_ff, c.n_embd) * c.n_embd**-0.5)
        self.down = nn.Parameter(torch.randn(c.n_expert, c.n_embd, c.n_ff) * 0.5 * c.n_ff**-0.5)
        self.shared_gate = linear(c.n_embd, c.n_ff)
        self.shared_up = linear(c.n_embd, c.n_ff)
        self.shared_down = linear(c.n_ff, c.n_embd, 0.5 * c.n_ff**-0.5)
        self.register_buffer("by_token", None)
        self.register_buffer("bias", None)
        if hashed:
            self.by_token = torch.rand(c.n_vocab, c.n_expert).argsort(-1)[:, : c.n_expert_used].contiguous()
        else:
            self.bias = torch.zeros(c.n_expert)

    def _swiglu(self, gate: Tensor, up: Tensor) -> Tensor:
        return F.silu(gate.float().clamp(max=self.clamp)) * up.float().clamp(-self.clamp, self.clamp)

    def prior(self, tokens: Tensor) -> Tensor:
        """[B, S, E] what is added to scores for the choice alone: the balancing bias, or the choice by token id."""
        none = torch.zeros(*tokens.shape, len(self.router), device=tokens.device)
        return none + self.bias if self.bias is not None else none.scatter_(-1, self.by_token[tokens], 1e4)

    def forward(self, x: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, S, d] to outputs, and how many tokens each expert served [E]."""
        with torch.autocast(x.device.type, enabled=False):
            scores = F.softplus(F.linear(x.float(), self.router.float())).sqrt()
        chosen_by = scores.detach() + prior
        better = chosen_by[..., None, :] > chosen_by[..., None]  # compiled, it never leaves the registers
        mask = (better.sum(-1) < self.n_used).to(scores.dtype)
        weights = scores * mask
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20) * self.scale
        n_expert, n_ff, _ = self.gate.shape
        gate = F.linear(x, self.gate.flatten(0, 1).to(x.dtype))
        up = F.linear(x, self.up.flatten(0, 1).to(x.dtype))
        hidden = self._swiglu(gate, up).unflatten(-1, (n_expert, n_ff)) * weights[..., None]
        down = self.down.permute(1, 0, 2).flatten(1)
        out = F.linear(hidden.flatten(-2).to(x.dtype), down.to(x.dtype))
        shared = self._swiglu(self.shared_gate(x), self.shared_up(x)).to(x.dtype)
        return out + self.shared_down(shared), mask.sum((0, 1))


class Layer(nn.Module):
    """Attention, then experts, each between a read and a write of the streams."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.attn_hc, self.ffn_hc = HyperConnection(config, 2 * index), HyperConnection(config, 2 * index + 1)
        self.attn_norm, self.ffn_norm = (nn.Parameter(torch.ones(config.n_embd)) for _ in range(2))
        self.attn = Attention(config, config.ratios[index])
        self.ffn = Experts(config, hashed=index < config.n_hash)

    def attend(self, streams: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """The streams after attention, and the indexer's loss."""
        x, mixing = self.attn_hc.read(streams, self.attn_norm)
        out, index_loss = self.attn(x, rows)
        return self.attn_hc.write(out, streams, mixing), index_loss

    def feed(self, streams: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """The streams after the experts, and their loads."""
        x, mixing = self.ffn_hc.read(streams, self.ffn_norm)
        out, load = self.ffn(x, prior)
        return self.ffn_hc.write(out, streams, mixing), load

    def forward(self, streams: Tensor, tokens: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """The streams after the layer, the experts' loads, and the indexer's loss."""
        streams, index_loss = self.attend(streams, rows)
        return *self.feed(streams, self.ffn.prior(tokens)), index_loss

    def compile(self) -> None:
        """Compiles the two halves. Layers whose halves are of one kind share the code."""
        self.attend, self.feed = (partial(compiled(half), self) for half in (Layer.attend, Layer.feed))


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled for fixed shapes, once per process."""
    return torch.compile(function, dynamic=False)


class Model(nn.Module):
    """Tokens to logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        n, d = config.n_stream, config.n_embd
        self.config = config
        self.embed = nn.Embedding(config.n_vocab, d)
        nn.init.normal_(self.embed.weight)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.n_layer))
        self.head_hc_fn = nn.Parameter(torch.randn(n, n * d) * 0.02)
        self.head_hc_base = nn.Parameter(torch.zeros(n))
        self.head_hc_scale = nn.Parameter(torch.full((1,), 0.3))
        self.norm = nn.Parameter(torch.ones(d))
        self.head = linear(d, config.n_vocab)
        with torch.no_grad():  # what attention copies is a token's embedding: it begins as that token's logit
            self.head.weight.copy_(self.embed.weight * 0.5 * d**-0.5)

    def streams(self, tokens: Tensor) -> Tensor:
        """[B, S, n, d]: every stream begins as the embedding."""
        x = self.embed(tokens)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return x[:, :, None].expand(-1, -1, self.config.n_stream, -1).contiguous()

    def hidden(self, tokens: Tensor, rows: Rows) -> tuple[Tensor, list[Tensor], Tensor]:
        """The streams after all layers, each layer's expert loads, and the sum of the indexers' losses."""
        x, loads, index_loss = self.streams(tokens), [], torch.zeros((), device=tokens.device)
        for layer in self.layers:
            x, load, loss = layer(x, tokens, rows)
            loads.append(load)
            index_loss = index_loss + loss
        return x, loads, index_loss

    def logits(self, streams: Tensor) -> Tensor:
        """Streams [..., n, d] to logits [..., V]."""
        flat = streams.flatten(-2).float()
        mix = F.linear(rms(flat), self.head_hc_fn)
        weights = torch.sigmoid(mix * self.head_hc_scale + self.head_hc_base) + self.config.eps
        return self.head(rms((weights[..., None] * streams.float()).sum(-2), self.norm))

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """Logits [B, S, V] of every position."""
        return self.logits(self.hidden(tokens, rows)[0])


def head_loss(model: Model, streams: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted mean loss, and that of targets alone (for the log)."""
    logits = model.logits(streams).float().flatten(0, 1)
    losses = F.cross_entropy(logits, targets.flatten(), reduction="none")
    w = weights.flatten()
    only = (w >= 1).float()
    return (losses * w).sum() / w.sum().clamp(min=1e-6), (losses * only).sum() / only.sum().clamp(min=1.0)

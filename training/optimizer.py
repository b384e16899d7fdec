"""Muon for matrices, AdamW for everything else, under one learning-rate schedule."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from training.config import TrainConfig

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(x: Tensor, rounds: int = 5) -> Tensor:
    """Roughly the nearest matrices with equal singular values to x [..., r, c] with r <= c, by Newton-Schulz."""
    a, b, c = NEWTON_SCHULZ
    x = x.bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        g = x @ x.mT
        x = a * x + (b * g + c * (g @ g)) @ x
    return x


def wide(x: Tensor) -> Tensor:
    """A view as a stack of matrices that are no taller than wide: [n, r, c], r <= c."""
    x = x if x.ndim == 3 else x[None]
    return x if x.shape[1] <= x.shape[2] else x.mT


class Muon:
    """Momentum whose step is made orthogonal, for all matrices of one shape at once."""

    def __init__(self, params: list[nn.Parameter], *, momentum: float = 0.95, decay: float = 0.0) -> None:
        self._momentum, self._decay = momentum, decay
        groups: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
        for p in params:
            groups[tuple(wide(p).shape[1:])].append(p)
        self._groups = list(groups.values())
        self.state = [torch.zeros_like(torch.cat([wide(p.data) for p in ps])) for ps in self._groups]

    @torch.no_grad()
    def step(self, lr: Tensor) -> None:
        """One step with the learning rate `lr`, 0-dimensional; clears the gradients."""
        for params, velocity in zip(self._groups, self.state, strict=True):
            grads = torch.cat([wide(p.grad) for p in params])
            velocity.lerp_(grads, 1 - self._momentum)
            update = orthogonal(grads.lerp(velocity, self._momentum)).float()
            update *= -0.06 * max(update.shape[1:]) ** 0.5 * lr
            parts = update.split([wide(p.data).shape[0] for p in params])
            torch._foreach_mul_([p.data for p in params], 1 - lr * self._decay)
            torch._foreach_add_([wide(p.data) for p in params], list(parts))
            for p in params:
                p.grad = None


class Optimizer:
    """Both optimizers of a model."""

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self._config = config
        matrices: list[nn.Parameter] = []
        others: dict[float, list[nn.Parameter]] = defaultdict(list)
        for name, p in model.named_parameters():
            leaf = name.rsplit(".", 1)[-1]
            if name == "embed.weight":
                others[config.embed_lr].append(p)
            elif name == "head.weight":
                others[config.head_lr].append(p)
            elif leaf in ("ape", "sinks"):
                others[config.small_lr].append(p)
            elif p.ndim < 2 or leaf in ("fn", "head_hc_fn", "router") or "indexer.proj" in name:
                others[config.vector_lr].append(p)
            else:
                matrices.append(p)
        self.muon = Muon(matrices, decay=config.weight_decay)
        # Rates are tensors, and steps are counted on the device: a captured graph can change them.
        device = next(model.parameters()).device
        self._rates = {lr: torch.tensor(lr, device=device) for lr in others}
        self.adam = torch.optim.AdamW(
            [{"params": ps, "lr": self._rates[lr]} for lr, ps in others.items()],
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=device.type == "cuda",
            capturable=device.type == "cuda",
        )

    @torch.no_grad()
    def step(self, factor: Tensor) -> None:
        """One step with all learning rates times `factor`, 0-dimensional; clears the gradients."""
        for base, rate in self._rates.items():
            rate.copy_(base * factor)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.muon.step(self._config.muon_lr * factor)

    def state_dict(self) -> dict[str, Any]:
        """The state of both, for `load_state_dict`."""
        return {"adam": self.adam.state_dict(), "muon": self.muon.state}

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes, apart from parameters."""
        return [*self.muon.state, *(t for s in self.adam.state.values() for t in s.values())]

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what `state_dict` gave; the rates stay the tensors that a captured step reads."""
        self.adam.load_state_dict(state["adam"])
        for group, rate in zip(self.adam.param_groups, self._rates.values(), strict=True):
            group["lr"] = rate
        for mine, saved in zip(self.muon.state, state["muon"], strict=True):
            mine.copy_(saved)


def schedule(config: TrainConfig, step: int, progress: float) -> float:
    """Factor on the learning rates: a short warm-up by steps, then constant, then linear to 2 % by time."""
    warm = min(1.0, (step + 1) / config.warm_steps)
    return config.rate * warm * min(1.0, max(0.02, (1 - progress) / config.decay))

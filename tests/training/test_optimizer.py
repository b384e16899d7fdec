"""What a step of the optimizers does."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from training.optimizer import Muon  # noqa: E402


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (2, 3, 5)])
def test_weight_decay_takes_its_part_of_the_rate_off_matrices(shape: tuple[int, ...]) -> None:
    parameter = torch.nn.Parameter(torch.randn(shape))
    before = parameter.detach().clone()
    parameter.grad = torch.zeros(shape)
    Muon([parameter], decay=0.5).step(torch.tensor(0.1))
    assert torch.allclose(parameter, 0.95 * before)


def test_a_step_goes_against_the_gradient() -> None:
    parameter = torch.nn.Parameter(torch.zeros(4, 6))
    gradient = torch.randn(4, 6)
    parameter.grad = gradient.clone()
    Muon([parameter]).step(torch.tensor(0.1))
    assert (parameter.detach() * gradient).sum() < 0
    assert parameter.grad is None

"""Tensors side by side in one buffer of the GPU, which one transfer fills: a launch costs more than the bytes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ALIGNMENT = 16


class Arena:
    """Places for tensors of fixed shapes and types."""

    def __init__(self, like: Sequence[Tensor], device: torch.device) -> None:
        """`like`: one tensor for each place; their values are the first ones."""
        self._at, size = [], 0
        for tensor in like:
            self._at.append((size, tensor.dtype, tensor.shape))
            size += -(-tensor.numel() * tensor.element_size() // _ALIGNMENT) * _ALIGNMENT
        cuda = device.type == "cuda"
        self._flat = torch.zeros(size, dtype=torch.uint8, device=device)
        self._host = torch.zeros(size, dtype=torch.uint8, pin_memory=cuda)
        self._sent = torch.cuda.Event() if cuda else None
        self.tensors, self._host_views = self._views(self._flat), self._views(self._host)
        self.fill(like)

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [flat[at : at + shape.numel() * dtype.itemsize].view(dtype).view(shape) for at, dtype, shape in self._at]

    def fill(self, values: Sequence[Tensor]) -> None:
        """Puts values into `tensors`, in order with the work of the current stream.

        Raises:
            ValueError: A value's shape or type is not its place's.
        """
        for view, value in zip(self._host_views, values, strict=True):
            if (view.shape, view.dtype) != (value.shape, value.dtype):
                raise ValueError(f"{value.dtype} {list(value.shape)} for a place of {view.dtype} {list(view.shape)}")
        if self._sent is not None:
            self._sent.synchronize()  # the last transfer may still read the buffer
        for view, value in zip(self._host_views, values, strict=True):
            view.copy_(value)
        self._flat.copy_(self._host, non_blocking=True)
        if self._sent is not None:
            self._sent.record()

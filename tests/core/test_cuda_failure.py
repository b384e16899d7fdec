"""Requests on a device that fails: on the emulated one (`make test-cuda`), which fails on demand; skipped elsewhere."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from ds4_core import Engine, errors, native
from ds4_core.generation import SampledToken


class Controls(ctypes.Structure):
    """`EmulatedDevice` of tests/native/cuda_emulation/control.h."""

    _fields_ = (
        ("n_devices", ctypes.c_int32),
        ("driver", ctypes.c_int32),
        ("has_code", ctypes.c_int32),
        ("total_bytes", ctypes.c_size_t),
        ("used_bytes", ctypes.c_size_t),
        ("fail_after", ctypes.c_int64),
        ("fail_with", ctypes.c_int32),
        ("calls", ctypes.c_int64),
    )


@pytest.fixture
def controls() -> Iterator[Controls]:
    """What the emulated device is told; as it was before, after the test."""
    library = Path(native.find_library()).parent / "libds4_cuda.so"
    if not library.is_file():
        pytest.skip("no libds4_cuda beside libds4")
    loaded = ctypes.CDLL(str(library))
    if not hasattr(loaded, "ds4_emulated_device"):
        pytest.skip("the device is not the emulated one")
    loaded.ds4_emulated_device.restype = ctypes.POINTER(Controls)
    device = loaded.ds4_emulated_device().contents
    yield device
    device.n_devices, device.fail_after = 1, -1


def draw(engine: Engine) -> list[int]:
    stream = engine.generate([5, 6, 7], max_tokens=2, temperature=0)
    return [event.token for event in stream if isinstance(event, SampledToken)]


def test_a_failing_device_fails_the_requests_and_the_process_goes_on(tiny_path: Path, controls: Controls) -> None:
    with Engine(tiny_path, backend="cuda") as engine:
        expected = draw(engine)
        controls.fail_after, controls.fail_with = 40, 700
        with pytest.raises(errors.BackendError, match="illegal memory access"):
            draw(engine)
        controls.fail_after = -1
        for _ in range(2):  # nothing that it left on the device can be trusted
            with pytest.raises(errors.BackendError, match="open it again"):
                draw(engine)
    with Engine(tiny_path, backend="cuda") as engine:
        assert draw(engine) == expected


def test_auto_goes_to_the_cpu_when_there_is_no_device(tiny_path: Path, controls: Controls) -> None:
    controls.n_devices = 0
    with Engine(tiny_path) as engine:
        assert engine.info.backend == "cpu"
        assert "no CUDA device is visible" in engine.info.backend_reason

"""`python -m ds4_core doctor`: what is installed, what this machine offers, and whether a token really comes out.

Every part is looked at even when another one is broken; a part that is says why, and the exit status is then 1.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from ds4_core import native
from ds4_core.chat import ChatRequest, Message, Sampling, collect, generate, prompt_tokens
from ds4_core.engine import Engine
from ds4_core.errors import DS4Error, ModelFormatError
from ds4_core.model import Model
from ds4_core.models import catalogue
from ds4_core.types import Backend, Isa

#: Distributions whose versions matter when something is reported.
_DISTRIBUTIONS: Final = (
    "ds4-integrations",
    "ds4-integrations-cuda",
    "numpy",
    "cffi",
    "llguidance",
    "langchain-core",
    "llama-index-core",
)
_ISAS: Final[tuple[Isa, ...]] = ("avx512", "avx2", "neon", "portable")
_QUESTION: Final = "What is the capital of France?"

Report = dict[str, Any]


def examine(model: str = "ds4-tiny", backend: Backend = "auto") -> Report:
    """Everything the doctor knows, as plain data for JSON.

    Args:
        model: Name or path of the model that has to generate a token.
        backend: Where it has to.

    Returns:
        `"ok"`, `"problems"` (texts, empty when ok) and one entry a part: "versions", "library", "cpu", "gpu", "models",
        "generation". A part that failed has an `"error"`.
    """
    parts: dict[str, Callable[[], Any]] = {
        "versions": _versions,
        "library": _library,
        "cpu": _cpu,
        "gpu": _gpu,
        "models": lambda: _models(model),
        "generation": lambda: _generation(model, backend),
    }
    report: Report = {}
    problems = []
    for name, look in parts.items():
        try:
            report[name] = look()
        except Exception as error:  # noqa: BLE001 - the others are looked at all the same
            kind = "" if isinstance(error, DS4Error) else f"{type(error).__name__}: "
            report[name] = {"error": f"{kind}{error}"}
        entries = report[name] if isinstance(report[name], list) else [report[name]]
        problems += [f"{name}: {entry['error']}" for entry in entries if "error" in entry]
    return {"ok": not problems, "problems": problems, **report}


def _versions() -> Report:
    found: Report = {"python": platform.python_version(), "system": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _library() -> Report:
    loaded = native.load()
    return {
        "path": str(loaded.path),
        "version": loaded.version,
        "abi": native.ABI_VERSION,
        "bytes": loaded.path.stat().st_size,
        "from_environment": bool(os.environ.get("DS4_LIBRARY")),
    }


def _cpu() -> Report:
    usable = []
    for isa in _ISAS:
        with suppress(DS4Error), Engine("ds4-tiny", backend="cpu", isa=isa) as engine:
            engine.open()
            usable.append(isa)
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "name": _cpu_name(),
        "machine": platform.machine(),
        "processors": len(affinity(0)) if affinity else os.cpu_count(),
        "kernels": usable,
        "memory_bytes": _memory_bytes(),
    }


def _cpu_name() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware"):
                return value.strip()
    return platform.processor() or "unknown"


def _memory_bytes() -> int | None:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _gpu() -> Report:
    report: Report = {"devices": [], "driver": None}
    try:
        report |= _cuda_devices()
    except OSError:
        report["driver"] = "none"
        if sys.platform == "darwin":
            report["note"] = "Apple GPUs are not supported yet: libds4 computes on the CPU"
    try:
        with Engine("ds4-tiny", backend="cuda") as engine:
            engine.open()
        report["usable"] = True
    except DS4Error as error:
        report["usable"] = False
        report["reason"] = str(error)
    return report


def _cuda_devices() -> Report:
    # Asked of the driver itself, so that a device is seen also when the CUDA part of libds4 is not installed.
    driver = ctypes.CDLL("libcuda.so.1")
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    text = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    if status := driver.cuInit(0):
        return {"driver": text, "devices": [], "note": f"the driver answers with CUDA error {status}"}
    driver.cuDeviceGetCount(ctypes.byref(count))
    devices = []
    for index in range(count.value):
        device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
        major, minor = ctypes.c_int(), ctypes.c_int()
        driver.cuDeviceGet(ctypes.byref(device), index)
        driver.cuDeviceGetName(name, len(name), device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # compute capability
        driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
        architecture = f"sm_{major.value}{minor.value}"
        devices.append({"name": name.value.decode(), "memory_bytes": memory.value, "architecture": architecture})
    return {"driver": text, "devices": devices}


def _models(model: str) -> list[Report]:
    reports = []
    for name in dict.fromkeys([*catalogue.names(), model]):
        report: Report = {"name": name}
        try:
            with Model(name) as opened:
                info = opened.info
                report |= {
                    "path": opened.path,
                    "bytes": info.file_bytes,
                    "layers": info.n_layer,
                    "parameters": info.n_params,
                    "context": info.n_context_train,
                    "checked": os.path.basename(opened.path) in catalogue.checksums() and name in catalogue.names(),
                }
        except DS4Error as error:
            report["error"] = str(error)
        reports.append(report)
    return reports


def _generation(model: str, backend: Backend) -> Report:
    start = time.perf_counter()
    with Engine(model, backend=backend) as engine:
        info = engine.info
        opened = time.perf_counter()
        if not info.has_vocab:
            return _first_token_without_text(engine) | {"backend": info.backend}
        request = ChatRequest(
            messages=(Message("user", _QUESTION),), sampling=Sampling(temperature=0), max_tokens=1, logprobs=True
        )
        result = collect(generate(engine, request))
        if trouble := _senseless(engine, request):
            raise ModelFormatError(f"{engine.path}: {trouble}")
        return {
            "model": model,
            "backend": info.backend,
            **{name: text for name, text in asdict(info).items() if name in ("device", "backend_reason") and text},
            "kernels": info.isa,
            "threads": info.n_threads,
            "question": _QUESTION,
            "token": result.tokens[0].token,
            "text": result.text,
            "logprob": result.tokens[0].logprob,
            "open_s": opened - start,
            "prefill_tokens": result.finish.usage.prompt_tokens,
            "prefill_s": result.finish.timings.prefill_s,
        }


def _senseless(engine: Engine, request: ChatRequest) -> str:
    """What is wrong with the logits of a prompt, where damaged weights leave them all alike or not finite; else ""."""
    with engine.session() as session:
        session.sync(prompt_tokens(engine.model, request))
        logits = session.logits()
    if not np.isfinite(logits).all():
        return "its weights give logits that are not finite: they are damaged, compare the file's SHA-256"
    if logits.max() - logits.min() < 1e-6:
        return "its weights find every token equally likely: they are damaged, compare the file's SHA-256"
    return ""


def _first_token_without_text(engine: Engine) -> Report:
    with engine.session() as session:
        session.sync([0])
        return {"model": engine.path, "token": session.argmax(), "note": "the file has no vocabulary"}


# -- as text -----------------------------------------------------------------------------------------------------------


def as_text(report: Report) -> str:
    """The report for people, one part a paragraph."""
    lines = []
    for name, part in report.items():
        if name in ("ok", "problems"):
            continue
        lines.append(name)
        entries = part if isinstance(part, list) else [part]
        for entry in entries:
            lines += [f"  {_label(key):<22} {_value(key, value)}" for key, value in entry.items()]
        lines.append("")
    lines += [f"PROBLEM  {problem}" for problem in report["problems"]]
    lines.append("everything works" if report["ok"] else f"{len(report['problems'])} problem(s)")
    return "\n".join(lines)


def _label(key: str) -> str:
    return key.removesuffix("_bytes").removesuffix("_s").replace("_", " ") if key != "bytes" else "size"


def _value(key: str, value: Any) -> str:
    if value is None:
        return "not installed" if "-" in key else "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "bytes" or key.endswith("_bytes"):
        return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"
    if key.endswith("_s"):
        return f"{value * 1e3:.1f} ms"
    if key == "text":
        return repr(value)
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return ", ".join(_device(item) if isinstance(item, dict) else str(item) for item in value) or "none"
    return f"{value:,}" if key in ("parameters", "context") else str(value)


def _device(device: Report) -> str:
    return f"{device['name']} ({device['architecture']}, {device['memory_bytes'] / 2**30:.0f} GiB)"

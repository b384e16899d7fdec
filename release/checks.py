"""What has to be true of a wheel and of the sdist before anybody gets them."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

#: Most bytes of a base wheel: 12 MB of ds4-tiny at most, 1 MB of library, code and text.
WHEEL_BYTES_MAX = 14_000_000
#: Most bytes of libds4 in it, unpacked.
LIBRARY_BYTES_MAX = 3_000_000
#: Most bytes of the wheel of libds4_cuda, whose kernels are there once for every architecture.
CUDA_WHEEL_BYTES_MAX = 60_000_000
#: Most bytes of the sdist: the model, sources, tests with their golden files, notebooks.
SDIST_BYTES_MAX = 24_000_000

PACKAGES = ("ds4_core", "langchain_ds4", "llama_index_ds4")

_NEEDED = (
    "ds4_core/lib/ds4x.h",
    "ds4_core/lib/ds4.h",
    "ds4_core/models/ds4-tiny.gguf",
    "ds4_core/models/ds4-tiny.md",
    "ds4_core/models/SHA256SUMS",
    *(f"{package}/py.typed" for package in PACKAGES),
)
#: Beginnings of the library file: ELF, and Mach-O of 64 bits.
_MAGIC = {"libds4.so": b"\x7fELF", "libds4.dylib": b"\xcf\xfa\xed\xfe"}
_MACHINES = {"x86_64": (0x3E, None), "aarch64": (0xB7, None), "arm64": (None, 0x0100000C)}
_SYSTEM_LIBRARIES = re.compile(r"lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux-[\w-]+\.so\.\d")


def check_wheel(wheel: Path, platform_tag: str) -> list[str]:
    """What is wrong with a base wheel, nothing when all is well."""
    problems = []
    if not re.fullmatch(rf"ds4_integrations-[\w.]+-py3-none-{platform_tag}\.whl", wheel.name):
        problems.append(f"{wheel.name}: expected ds4_integrations-VERSION-py3-none-{platform_tag}.whl")
    size = wheel.stat().st_size
    if size > WHEEL_BYTES_MAX:
        problems.append(f"{wheel.name}: {size:,} bytes are more than the budget of {WHEEL_BYTES_MAX:,}")
    library = "libds4.dylib" if platform_tag.startswith("macosx") else "libds4.so"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        needed = {*_NEEDED, f"ds4_core/lib/{library}"}
        problems += [f"{wheel.name}: {name} is missing" for name in sorted(needed - names)]
        problems += _foreign(wheel, names)
        problems += _missing_notices(wheel, names)
        if f"ds4_core/lib/{library}" in names:
            data = archive.read(f"ds4_core/lib/{library}")
            problems += [f"{wheel.name}: {library} {text}" for text in check_library(data, library, platform_tag)]
    if platform_tag.startswith("manylinux"):
        problems += audit(wheel, platform_tag)
    return problems


def _foreign(wheel: Path, names: set[str]) -> list[str]:
    tops = {name.split("/")[0] for name in names}
    strange = {top for top in tops if top not in PACKAGES and not top.endswith(".dist-info")}
    strange |= {name for name in names if name.endswith((".pyc", ".cpp", ".o"))}
    return [f"{wheel.name}: {name} has no place in it" for name in sorted(strange)]


def _missing_notices(wheel: Path, names: set[str]) -> list[str]:
    return [
        f"{wheel.name}: no {notice}"
        for notice in ("LICENSE", "NOTICE")
        if not any(re.fullmatch(rf"[^/]+\.dist-info/licenses/{notice}", name) for name in names)
    ]


def check_cuda_wheel(wheel: Path) -> list[str]:
    """What is wrong with the wheel of libds4_cuda: that library, and nothing else."""
    size = wheel.stat().st_size
    problems = []
    if size > CUDA_WHEEL_BYTES_MAX:
        problems.append(f"{wheel.name}: {size:,} bytes are more than the budget of {CUDA_WHEEL_BYTES_MAX:,}")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    found = {name for name in names if ".dist-info/" not in name}
    if found != {"ds4_core/lib/libds4_cuda.so"}:
        problems.append(f"{wheel.name}: holds {', '.join(sorted(found)) or 'nothing'}, not libds4_cuda.so alone")
    problems += _missing_notices(wheel, names)
    if match := re.search(r"-py3-none-(manylinux_\w+)\.whl", wheel.name):
        problems += audit(wheel, match[1])
    return problems


def check_library(data: bytes, name: str, platform_tag: str) -> list[str]:
    """What is wrong with the library in a wheel: kind, machine, size, paths of the building machine."""
    problems = []
    if not data.startswith(_MAGIC[name]):
        return [f"begins with {data[:4]!r}, it is no library of that system"]
    elf, mach = next(value for arch, value in _MACHINES.items() if platform_tag.endswith(arch))
    machine = int.from_bytes(data[18:20], "little") if elf else int.from_bytes(data[4:8], "little")
    if machine != (elf or mach):
        problems.append(f"is for machine {machine:#x}, not for {platform_tag}")
    if mach:
        problems += _check_mach_o(data)
    if len(data) > LIBRARY_BYTES_MAX:
        problems.append(f"has {len(data):,} bytes, more than the budget of {LIBRARY_BYTES_MAX:,}")
    if found := re.search(rb"/(?:home|root|tmp|work|Users)/[\w./-]{3,60}", data):
        problems.append(f"tells a path of the machine that built it: {found[0].decode()}")
    return problems


def _check_mach_o(data: bytes) -> list[str]:
    # What auditwheel does for Linux: libraries that not every system has; and the signature that Apple silicon wants.
    n_commands, at = int.from_bytes(data[16:20], "little"), 32
    needs, signed = [], False
    for _ in range(n_commands):
        kind, size = struct.unpack_from("<II", data, at)
        if kind in (0xC, 0x80000018):  # LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB
            name = at + int.from_bytes(data[at + 8 : at + 12], "little")
            needs.append(data[name : at + size].partition(b"\0")[0].decode())
        signed |= kind == 0x1D  # LC_CODE_SIGNATURE
        at += size
    problems = [f"needs {name}" for name in needs if not name.startswith(("/usr/lib/", "/System/Library/"))]
    return problems if signed else [*problems, "is not signed"]


def audit(wheel: Path, platform_tag: str) -> list[str]:
    """What auditwheel says against the tag: newer symbols than it allows, libraries that systems need not have."""
    result = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True, check=False
    )
    text = " ".join(result.stdout.split())
    if result.returncode != 0:
        return [f"{wheel.name}: auditwheel fails: {result.stderr.strip()[-300:]}"]
    found = re.search(r'consistent with the following platform tag: "manylinux_(\d+)_(\d+)_', text)
    wanted = re.match(r"manylinux_(\d+)_(\d+)_", platform_tag)
    if found is None or wanted is None:
        return [f"{wheel.name}: auditwheel finds no manylinux tag: {text[:300]}"]
    problems = []
    if (int(found[1]), int(found[2])) > (int(wanted[1]), int(wanted[2])):
        problems.append(f"{wheel.name}: needs manylinux_{found[1]}_{found[2]}")
    if external := [name for name in re.findall(r"[\w+-]+\.so\.\d+", text) if not _SYSTEM_LIBRARIES.fullmatch(name)]:
        problems.append(f"{wheel.name}: needs {', '.join(sorted(set(external)))}")
    return problems


def check_sdist(sdist: Path) -> list[str]:
    """What is wrong with the sdist."""
    problems = []
    size = sdist.stat().st_size
    if size > SDIST_BYTES_MAX:
        problems.append(f"{sdist.name}: {size:,} bytes are more than the budget of {SDIST_BYTES_MAX:,}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = (
        "pyproject.toml", "LICENSE", "NOTICE", "README.md", "csrc/CMakeLists.txt", "csrc/include/ds4x.h",
        "ds4_core/models/ds4-tiny.gguf", "tests/conftest.py",
    )  # fmt: skip
    problems += [f"{sdist.name}: {name} is missing" for name in needed if name not in names]
    problems += [
        f"{sdist.name}: {name} has no place in it"
        for name in sorted(names)
        if name.endswith((".so", ".dylib", ".o", ".pyc")) or name.startswith(("build/", ".venv/", "dist/", ".git/"))
    ]
    return problems

"""Builds the sdist and the wheels of all systems on one machine, and checks them.

    python release/build_wheels.py [--out dist] [--sdist] [linux-x86_64] [linux-aarch64] [macos-arm64] [cuda]

Without a target it builds the first three. Their compiler is that of the PyPI package ziglang. `cuda` is the wheel of
libds4_cuda alone, built by this machine's nvcc and C++ compiler: what passes between the two libraries is plain data,
so that they may come from different compilers (`release/two_compilers.py` tries it). Needs the extra `release`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from release.checks import check_cuda_wheel, check_sdist, check_wheel  # noqa: E402


@dataclass(frozen=True)
class Target:
    """A system that wheels are built for.

    Attributes:
        zig: What Zig calls it, with the oldest version of its C library or system that the wheel works with.
        tag: The wheel's platform tag.
    """

    zig: str
    tag: str


TARGETS = {
    "linux-x86_64": Target("x86_64-linux-gnu.2.28", "manylinux_2_28_x86_64"),
    "linux-aarch64": Target("aarch64-linux-gnu.2.28", "manylinux_2_28_aarch64"),
    "macos-arm64": Target("aarch64-macos.11.0", "macosx_11_0_arm64"),
}

_NOTHING = "exit 0"


def zig_tools() -> Path:
    """The folder with the compiler under the names that CMake looks for. It stays: build folders remember it."""
    folder = ROOT / "build" / "zig"
    folder.mkdir(parents=True, exist_ok=True)
    zig = f'exec "{sys.executable}" -m ziglang'
    tools = {
        "cc": f'{zig} cc -target "$DS4_ZIG_TARGET" "$@"',
        "c++": f'{zig} c++ -target "$DS4_ZIG_TARGET" "$@"',
        "ar": f'{zig} ar "$@"',
        "ranlib": f'{zig} ranlib "$@"',
        "install_name_tool": _NOTHING,
    }
    for name, line in tools.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    return folder


def build_environment() -> dict[str, str]:
    """Of builds: files carry the time of the last commit, so that the same commit gives the same wheel."""
    environment = dict(os.environ)
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    if commit and "SOURCE_DATE_EPOCH" not in environment:
        environment["SOURCE_DATE_EPOCH"] = commit
    return environment


def build(out: Path, *options: str, environment: dict[str, str], source: Path = ROOT) -> Path:
    """Runs `python -m build` and moves what it made to `out`; returns that."""
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", made, *options, str(source)]
        subprocess.run(command, check=True, env=environment)
        (path,) = Path(made).iterdir()
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(path, out / path.name))


def build_wheel(target: Target, out: Path) -> Path:
    """One wheel; returns its path."""
    environment = build_environment() | {
        "DS4_ZIG_TARGET": target.zig,
        "DS4_ZIG_TOOLS": str(zig_tools()),
        # What scikit-build-core makes the platform tag from.
        "_PYTHON_HOST_PLATFORM": target.tag,
    }
    if match := re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", target.tag):
        environment |= {
            "MACOSX_DEPLOYMENT_TARGET": f"{match[1]}.{match[2]}",
            "ARCHFLAGS": f"-arch {match[3]}",
            "_PYTHON_HOST_PLATFORM": f"macosx-{match[1]}.{match[2]}-{match[3]}",
        }
    return build(
        out,
        "--wheel",
        f"-Cbuild-dir={ROOT / 'build' / f'wheel-{target.tag}'}",
        f"-Ccmake.define.CMAKE_TOOLCHAIN_FILE={ROOT / 'release' / 'zig.cmake'}",
        "-Cinstall.strip=false",  # the linker has done it
        environment=environment,
    )


def native_environment() -> dict[str, str]:
    """For this machine's compilers. In the containers for manylinux the platform tag is theirs, else it is plain."""
    environment = build_environment()
    if platform := environment.get("AUDITWHEEL_PLAT"):
        environment["_PYTHON_HOST_PLATFORM"] = platform
    return environment


def build_cuda(out: Path) -> Path:
    """The wheel of libds4_cuda; returns its path."""
    return build(
        out,
        "--wheel",
        f"-Cbuild-dir={ROOT / 'build' / 'wheel-cuda'}",
        environment=native_environment(),
        source=ROOT / "release" / "cuda",
    )


def main() -> int:
    """Builds and checks what is asked for; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--sdist", action="store_true", help="also the sdist")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)} (none is these), cuda")
    options = parser.parse_args()
    if unknown := set(options.targets) - {*TARGETS, "cuda"}:
        parser.error(f"unknown target {', '.join(sorted(unknown))}: known ones are {', '.join(TARGETS)}, cuda")
    problems = []
    if options.sdist:
        sdist = build(options.out, "--sdist", environment=build_environment())
        problems += check_sdist(sdist)
        print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
    for name in options.targets or TARGETS:
        if name == "cuda":
            wheel = build_cuda(options.out)
            problems += check_cuda_wheel(wheel)
        else:
            wheel = build_wheel(TARGETS[name], options.out)
            problems += check_wheel(wheel, TARGETS[name].tag)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    for problem in problems:
        print(f"PROBLEM  {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

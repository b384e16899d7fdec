"""Compiles the native tests for another Linux with Zig and runs them under QEMU's user emulation.

    python release/emulate.py linux-aarch64 [FILTER]

Needs the extra `release`, and QEMU with a C library for that system: on Debian the packages qemu-user and
libc6-arm64-cross.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from release.build_wheels import TARGETS, zig_tools  # noqa: E402

#: Target -> emulator, and where its C library lies.
EMULATORS = {"linux-aarch64": ("qemu-aarch64", "/usr/aarch64-linux-gnu")}


def compile_with_zig(name: str, folder: Path, target: str = "all") -> Path:
    """Builds the native tests for a system; returns their folder."""
    environment = os.environ | {"DS4_ZIG_TARGET": TARGETS[name].zig, "DS4_ZIG_TOOLS": str(zig_tools())}
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'release' / 'zig.cmake'}"
    configure = ["cmake", "-S", str(ROOT / "csrc"), "-B", str(folder), "-G", "Ninja", toolchain, "-DDS4_TESTS=ON"]
    subprocess.run(configure, check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder), "--target", target], check=True, env=environment)
    return folder / "native_tests"


def main() -> int:
    """The command line; returns the exit status of the tests."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", choices=EMULATORS)
    parser.add_argument("filter", nargs="*", help="beginnings of names of tests")
    options = parser.parse_args()
    emulator, system = EMULATORS[options.target]
    if shutil.which(emulator) is None or not Path(system).is_dir():
        parser.error(f"{emulator} or {system} is missing: on Debian install qemu-user and libc6-arm64-cross")
    program = compile_with_zig(options.target, ROOT / "build" / f"emulate-{options.target}") / "ds4_native_tests"
    return subprocess.run([emulator, "-L", system, str(program), *options.filter], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

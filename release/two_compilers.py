"""Runs the tests of the CUDA backend with libds4 and libds4_cuda from different compilers, as their wheels are.

    python release/two_compilers.py [FILTER]

libds4 comes from Zig's compiler and its libc++, libds4_cuda for the emulated device from this machine's compiler. Linux
on x86-64; needs the extra `release`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from release.emulate import compile_with_zig  # noqa: E402


def emulated_device(folder: Path) -> Path:
    """libds4_cuda for the emulated device, by this machine's compiler."""
    configure = ["cmake", "-S", str(ROOT / "csrc"), "-B", str(folder), "-G", "Ninja", "-DDS4_TESTS=ON"]
    subprocess.run([*configure, "-DCMAKE_BUILD_TYPE=Release"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder), "--target", "ds4_cuda_emulation"], check=True)
    return folder / "native_tests" / "cuda_emulation" / "libds4_cuda.so"


def main() -> int:
    """Builds both sides, puts them together and runs the tests; returns their exit status."""
    folder = ROOT / "build" / "two-compilers"
    folder.mkdir(parents=True, exist_ok=True)
    tests = compile_with_zig("linux-x86_64", folder / "zig", "ds4_cuda_tests") / "cuda_emulation" / "ds4_cuda_tests"
    program = Path(shutil.copy2(tests, folder / tests.name))
    shutil.copy2(emulated_device(folder / "native"), folder / "libds4_cuda.so")
    return subprocess.run([str(program), *(sys.argv[1:] or ["cuda_"])], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

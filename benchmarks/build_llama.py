"""Builds llama.cpp for the comparison: llama-cpp-python from its source distribution, Release, native flags.

    python -m benchmarks.build_llama DIR

makes a virtual environment in DIR (half an hour on two cores). `DIR/llama-build.txt` keeps the options and the
compiler's flags; `benchmarks.cpu --compare llama.cpp --llama-python DIR/bin/python` prints them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

VERSION = "0.3.36"
OPTIONS = (
    "-DGGML_NATIVE=ON",
    "-DCMAKE_BUILD_TYPE=Release",
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
)
#: A file of the CPU backend whose command line is recorded.
_KERNELS = "ggml-cpu/quants.c"


def record(venv: Path, build: Path) -> None:
    """Writes llama-build.txt from the build folder."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    command = next(entry["command"] for entry in commands if entry["file"].endswith(_KERNELS)).split()
    compiler = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=True).stdout
    flags = [word for word in command[1:] if word.startswith(("-O", "-m", "-f", "-std", "-DNDEBUG", "-DGGML_USE"))]
    lines = [f"options   {' '.join(OPTIONS)}", f"compiler  {compiler.splitlines()[0]}", f"flags     {' '.join(flags)}"]
    (venv / "llama-build.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    venv = args.venv.absolute()
    build = venv / "llama-build"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    environment = {**os.environ, "CMAKE_ARGS": " ".join(OPTIONS), "CMAKE_BUILD_PARALLEL_LEVEL": str(args.jobs)}
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-binary", "llama-cpp-python"]
    subprocess.run([*pip, "-C", f"build-dir={build}", f"llama-cpp-python=={VERSION}"], check=True, env=environment)
    record(venv, build)
    print((venv / "llama-build.txt").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()

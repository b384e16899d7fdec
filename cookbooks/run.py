"""Runs the notebooks and writes their outputs into them.

    python cookbooks/run.py [06_logprobs.ipynb ...]

Without names, all of them. `make cookbooks` does it; the tests only compare that every cell still runs.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
#: Longest time of one cell, in seconds.
CELL_TIMEOUT_S = 600


def notebooks() -> list[Path]:
    """All of them, in reading order."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh run in its own folder.

    Raises:
        CellExecutionError: A cell fails, also by an assertion of its own.
    """
    notebook = nbformat.read(path, as_version=4)
    environment = os.environ | {
        "DS4_PROGRESS": "0",  # bars would be left in the outputs, half drawn
        "OPENBLAS_NUM_THREADS": "1",  # NumPy's threads would wait in loops beside the engine's
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        coalesce_streams=True,
        record_timing=False,  # the same run gives the same file
        extra_arguments=["--log-level=ERROR"],  # it warns that it talks over the loopback device unencrypted
    )
    client.execute(env=environment)
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without what differs from machine to machine and tells a reader nothing."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    for path in parser.parse_args().notebooks or notebooks():
        start = time.perf_counter()
        notebook = execute(FOLDER / path.name)
        nbformat.write(tidy(notebook), FOLDER / path.name)
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Installs a wheel in an empty environment and uses it: the doctor, a session, and the demo through both frameworks.

    python release/smoke.py dist/ds4_integrations-VERSION-py3-none-PLATFORM.whl [--no-frameworks]

Dependencies come from the package index that pip is set up for. The source tree is out of reach: everything runs in an
empty folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_SESSION = """
from ds4_core import Engine
with Engine("ds4-tiny") as engine, engine.session() as session:
    session.sync(engine.model.tokenize("The capital of France is"))
    branch = session.fork()
    assert branch.argmax() == session.argmax()
    print("session works")
"""


def run(python: Path, *arguments: str, folder: str) -> str:
    """What a command of the new environment prints.

    Raises:
        SystemExit: It failed; what it printed is shown.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DS4_"))}
    result = subprocess.run(
        [str(python), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{result.stdout}\n{result.stderr}")
    return result.stdout


def try_wheel(wheel: Path, *, frameworks: bool) -> None:
    """Installs and uses it; raises what goes wrong."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(f"{folder}/venv", with_pip=True)
        python = Path(folder, "venv", "bin", "python")
        extra = "[all]" if frameworks else ""
        print(f"installing {wheel.name}{extra}", flush=True)
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", f"{wheel}{extra}", folder=folder)
        report = json.loads(run(python, "-m", "ds4_core", "doctor", "--json", folder=folder))
        inside = os.path.realpath(report["library"]["path"]).startswith(os.path.realpath(folder))
        if not report["ok"] or not inside:
            raise SystemExit(f"the doctor is not content: {report['problems'] or report['library']['path']}")
        print(f"doctor: {report['generation']['text']!r} from {report['generation']['kernels']}")
        print(run(python, "-c", _SESSION, folder=folder).strip())
        if frameworks:
            shown = run(python, "-m", "ds4_core.demo", folder=folder)
            answers = [line.strip() for line in shown.splitlines()]
            for question in ("What is the capital of France?", "When was Acme Robotics founded?"):
                answer = answers[answers.index(f"> {question}") + 1]
                print(f"demo: {question} {answer}")
                if not answer:
                    raise SystemExit(f"the demo does not answer {question!r}:\n{shown}")


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--no-frameworks", action="store_true", help="the base wheel alone")
    options = parser.parse_args()
    try_wheel(options.wheel.resolve(), frameworks=not options.no_frameworks)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line behind `python -m ds4_core`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import get_args

from ds4_core import __version__
from ds4_core.types import Backend


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        The exit status: 0, or 1 when the doctor has found a problem. Arguments it does not know end the process with 2.
    """
    parser = argparse.ArgumentParser(prog="python -m ds4_core", description="DS4 for Python")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    doctor = commands.add_parser("doctor", help="what is installed, what this machine offers, one generated token")
    doctor.add_argument("--model", default="ds4-tiny", metavar="MODEL", help="name or path of the model that is tried")
    doctor.add_argument("--backend", choices=get_args(Backend), default="auto", help="where it is tried")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    commands.add_parser("demo", help="answers through both frameworks, token by token")
    options = parser.parse_args(arguments)
    if options.command == "demo":
        from ds4_core import demo

        return demo.main()
    from ds4_core.doctor import as_text, examine

    report = examine(options.model, options.backend)
    print(json.dumps(report, indent=2, ensure_ascii=False) if options.json else as_text(report))
    return 0 if report["ok"] else 1

"""Draws what `python -m ds4_core demo` prints as a picture of a terminal, for the README.

    python release/still.py docs/images/demo.svg

Needs rich.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

WIDTH = 108


def main() -> None:
    """Writes the picture to the path given."""
    (path,) = sys.argv[1:]
    command = [sys.executable, "-m", "ds4_core", "demo"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ python -m ds4_core demo\n", style="bold green"))
    for line in shown.rstrip().splitlines():
        style = "bold cyan" if re.match(r"(LangChain|LlamaIndex|Without)", line) else "yellow" if "  > " in line else ""
        console.print(Text(line, style=style))
    svg = console.export_svg(title="DS4 for Python", theme=DIMMED_MONOKAI, unique_id="demo")
    # The picture loads no font from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    Path(path).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

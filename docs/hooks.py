"""Hooks of mkdocs: the executed notebooks in `cookbooks/` become the pages of `tutorials/`, with their outputs."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

_COOKBOOKS = Path(__file__).parents[1] / "cookbooks"
_FOLDER = "tutorials"
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def notebooks() -> list[Path]:
    """The notebooks in the order in which they are to be read."""
    return sorted(_COOKBOOKS.glob("*.ipynb"))


def title(notebook: Path) -> str:
    """That of the page: the first heading of the notebook."""
    import nbformat

    first = nbformat.read(notebook, as_version=4).cells[0].source
    return first.splitlines()[0].lstrip("# ").strip()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the tutorials into the navigation, before the how-to guides."""
    pages = [{title(path): f"{_FOLDER}/{path.stem}.md"} for path in notebooks()]
    if pages and config.nav is not None:
        config.nav.insert(2, {"Tutorials": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each notebook, and its pictures."""
    exporter: Any = MarkdownExporter()
    for path in notebooks():
        text, resources = exporter.from_filename(str(path), resources={"unique_key": path.stem})
        note = (
            f"\n\n*This page is the notebook `cookbooks/{path.name}` with the outputs of its last run on ds4-tiny. Set "
            "`MODEL` to a file of your own and run it there.*\n"
        )
        text = _ESCAPES.sub("", text)  # colours of a terminal
        heading, _, rest = text.lstrip().partition("\n")
        files.append(File.generated(config, f"{_FOLDER}/{path.stem}.md", content=f"{heading}{note}{rest}"))
        for name, data in resources.get("outputs", {}).items():
            files.append(File.generated(config, posixpath.join(_FOLDER, name), content=data))
    return files

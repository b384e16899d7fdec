"""Every notebook runs on ds4-tiny with real inference, and the assertions in its cells hold."""

from __future__ import annotations

import re

import nbformat
import pytest

from cookbooks import run

NOTEBOOKS = [path.name for path in run.notebooks()]

# Raised by Jupyter's own packages.
pytestmark = pytest.mark.filterwarnings("default")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def errors(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_its_assertions_hold(name):
    executed = run.execute(run.FOLDER / name)  # raises when a cell fails
    committed = nbformat.read(run.FOLDER / name, as_version=4)
    # Where the committed one shows a picture, a table or text, a fresh run does too.
    for fresh, shown in zip(code_cells(executed), code_cells(committed), strict=True):
        assert {kind_of(output) for output in fresh.outputs} == {kind_of(output) for output in shown.outputs}


def kind_of(output):
    return output.name if output.output_type == "stream" else tuple(sorted(output.data))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_as_a_clean_run(name):
    notebook = nbformat.read(run.FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert errors(notebook) == []
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell.outputs)
    assert 'MODEL = "ds4-tiny"' in cells[0].source
    assert sum(cell.source.count("assert ") for cell in cells) >= 5
    # At the top: what it shows, and how long it takes.
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert re.search(r"\b[Tt]akes\b", first.source)


def test_the_nine_notebooks_are_there():
    assert [name[:2] for name in NOTEBOOKS] == [f"{number:02}" for number in range(1, 10)]


def test_the_articles_are_short_plain_prose():
    articles = sorted((run.FOLDER / "articles").glob("*.txt"))
    assert len(articles) >= 10
    for path in articles:
        title, blank, *text = path.read_text(encoding="utf-8").splitlines()
        assert title
        assert not blank
        assert 60 < len(" ".join(text).split()) < 200
        assert not re.search(r"[<>{}|*#_]", " ".join(text))

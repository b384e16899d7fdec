"""The Python examples of the README and of the documentation run as they stand, page by page."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/index.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/how-to/*.md")))]


def blocks(text):
    """Each example with the number of its first line."""
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)) + 1, match.group(1)


@pytest.fixture
def event_loop_of_the_page():
    """The main thread's: frameworks take it, make one where there is none, and close none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("shared_tiny", "event_loop_of_the_page")
def test_examples_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = list(blocks((ROOT / page).read_text(encoding="utf-8")))
    assert found
    namespace = {"__name__": "__main__"}
    for line, code in found:
        # Blank lines in front: a traceback then shows the line of the page.
        exec(compile("\n" * (line - 1) + code, page, "exec"), namespace)


@pytest.mark.usefixtures("shared_tiny")
def test_the_readme_shows_what_its_first_chain_prints(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, code = next((line, code) for line, code in blocks(text) if "ChatDS4" in code)
    shown = re.search(r"^# (The capital .*)$", code, re.MULTILINE)
    exec(compile(code, "README.md", "exec"), {})
    assert shown.group(1) in capsys.readouterr().out

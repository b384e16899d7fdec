"""The documentation is complete: every page is in the navigation, every public name in the reference, links lead on."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


def test_every_page_is_in_the_navigation_and_the_other_way_round():
    listed = set(re.findall(r":\s+([\w/-]+\.md)\s*$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {str(page.relative_to(DOCS)) for page in PAGES}


@pytest.mark.parametrize("package", ["ds4_core", "ds4_core.chat"])
def test_every_public_name_is_in_the_reference(package):
    module = importlib.import_module(package)
    reference = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    shown = set(re.findall(r"^::: [\w.]+\.(\w+)$", reference, re.MULTILINE))
    assert "::: ds4_core.errors" in reference  # all of them
    names = {name for name in module.__all__ if isinstance(value := getattr(module, name), type) or callable(value)}
    names = {name for name in names if not isinstance(getattr(module, name), type) or not is_error(module, name)}
    # What can be made or called; unions and literals are explained where they are used.
    assert {name for name in names if getattr(getattr(module, name), "__module__", "").startswith("ds4_core")} <= shown


def is_error(module, name):
    return issubclass(getattr(module, name), Exception) and not issubclass(getattr(module, name), Warning)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "SECURITY.md", *PAGES], ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
        assert not target.startswith("http"), f"{page.name} depends on {target}"
        assert (page.parent / target).exists(), f"{page.name} links to {target}"

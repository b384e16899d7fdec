"""Makes `suite_sequences.json` from the installed `langchain-tests`: checksums of what its chat model tests say.

python -m training.data.make_suite_sequences
"""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from training.data.contamination import sequences

MODULES = ("langchain_tests.integration_tests.chat_models", "langchain_tests.unit_tests.chat_models")
OUT = Path(__file__).with_name("suite_sequences.json")


def _is_documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a node is a test, or a class of tests, that begins with its documentation."""
    is_ours = "Tests" in node.name if isinstance(node, ast.ClassDef) else node.name.startswith("test")
    return is_ours and isinstance(node.body[0], ast.Expr)


def suite_texts() -> Iterator[str]:
    """Every text of the suite's modules that is no documentation of a class or a test."""
    for module in MODULES:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{module} is not installed; pip install langchain-tests")
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        documentation = {id(tree.body[0].value)} if isinstance(tree.body[0], ast.Expr) else set()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and _is_documented(node):
                documentation.add(id(node.body[0].value))  # type: ignore[attr-defined] # an expression, as seen there
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(v.value if isinstance(v, ast.Constant) else " " for v in node.values)  # type: ignore[misc]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                yield node.value


def main() -> None:
    """Writes the file."""
    found = sorted({checksum for text in suite_texts() for checksum in sequences(text)})
    OUT.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(found), "sequences")


if __name__ == "__main__":
    main()

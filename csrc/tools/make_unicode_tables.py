"""Writes csrc/src/text/unicode_tables.h: the character classes of the pre-tokenizer, as runs of code points.

Run by hand; the output is committed. The Unicode version is fixed to the one of the regex engine in the Hugging Face
``tokenizers`` package (0.23), whose splits are the reference: 16.0. Python 3.14 has it built in; for other versions of
Python, the package ``unicodedata2`` 16.0.0 supplies it. ``--check`` compares every code point with that engine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

UNICODE_VERSION = "16.0.0"
OUTPUT = Path(__file__).resolve().parents[1] / "src" / "text" / "unicode_tables.h"
SURROGATES = range(0xD800, 0xE000)
# The property White_Space, which is what \s means. It is not str.isspace(), which adds U+001C..001F.
WHITE_SPACE = {
    *range(0x09, 0x0E),
    *range(0x2000, 0x200B),
    *map(ord, " \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000"),
}
# Order of CharClass in unicode.h. No rule of the pre-tokenizer tells L from M or P from S.
CLASSES = ["other", "number", "letter", "symbol", "space"]
CLASS_OF_CATEGORY = {"N": "number", "L": "letter", "M": "letter", "P": "symbol", "S": "symbol"}
PATTERNS = {"number": r"\p{N}", "letter": r"[\p{L}\p{M}]", "symbol": r"[\p{P}\p{S}]", "space": r"\s"}
PER_LINE = 10


def load_classes() -> list[str]:
    """Returns the class name of each of the 0x110000 code points.

    Raises:
        SystemExit: neither Python nor unicodedata2 has the wanted Unicode version.
    """
    for name in ("unicodedata", "unicodedata2"):
        try:
            data = importlib.import_module(name)
        except ImportError:
            continue
        if data.unidata_version == UNICODE_VERSION:
            break
    else:
        raise SystemExit(f"Unicode {UNICODE_VERSION} is needed: Python 3.14, or unicodedata2=={UNICODE_VERSION}")
    classes = []
    for cp in range(0x110000):
        name = CLASS_OF_CATEGORY.get(data.category(chr(cp))[0], "other")
        classes.append("space" if cp in WHITE_SPACE else name)
    return classes


def runs(classes: list[str]) -> Iterator[tuple[int, str]]:
    """Yields (first code point, class) of each maximal run."""
    first = 0
    for name, group in groupby(classes):
        yield first, name
        first += sum(1 for _ in group)


def render(classes: list[str]) -> str:
    """Returns the text of the header."""
    words = [f"0x{first << 3 | CLASSES.index(name):06x}," for first, name in runs(classes)]
    lines = [" ".join(words[i : i + PER_LINE]) for i in range(0, len(words), PER_LINE)]
    body = "\n".join("    " + line for line in lines)
    return (
        f"// Runs of code points of one class, Unicode {UNICODE_VERSION}. "
        "Written by csrc/tools/make_unicode_tables.py.\n"
        "#pragma once\n\n"
        "#include <cstdint>\n\n"
        "namespace ds4 {\n\n"
        "// Each entry is (first code point << 3 | CharClass), ascending; a run ends where the next one starts.\n"
        "// clang-format off\n"
        f"inline constexpr uint32_t kClassRuns[{len(words)}] = {{\n{body}\n}};\n"
        "// clang-format on\n\n"
        "} // namespace ds4\n"
    )


def check(classes: list[str]) -> int:
    """Compares with the regex engine of ``tokenizers``; prints and returns the number of differing code points."""
    from tokenizers import Regex, pre_tokenizers

    code_points = [cp for cp in range(0x110000) if cp not in SURROGATES]
    text = "".join(map(chr, code_points))
    wrong = 0
    for name, pattern in PATTERNS.items():
        splitter = pre_tokenizers.Split(Regex(pattern), "removed")
        kept = {ord(char) for piece, _ in splitter.pre_tokenize_str(text) for char in piece}
        differing = [cp for cp in code_points if (cp not in kept) != (classes[cp] == name)]
        wrong += len(differing)
        examples = "".join(f" U+{cp:04X}" for cp in differing[:10])
        sys.stdout.write(f"{name}: {len(differing)} code points differ{examples}\n")
    return wrong


def main() -> None:
    """Writes the header, or only checks it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the tokenizers package instead of writing")
    classes = load_classes()
    if parser.parse_args().check:
        raise SystemExit(1 if check(classes) else 0)
    OUTPUT.write_text(render(classes), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Which file a benchmark measures: a catalogue name, a path, or a random model written on demand."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from benchmarks.c_helper import cache_dir
from ds4_core.models import catalogue

PRESETS = ("tiny", "k256", "flashlike")
SEED = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--model, --gguf and --preset with --type: the three ways to name a file."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", default="ds4-tiny", help="name in the catalogue (default: %(default)s)")
    which.add_argument("--gguf", metavar="FILE", help="any GGUF file of the architecture")
    which.add_argument("--preset", choices=PRESETS, help="write a model of random weights and measure that")
    parser.add_argument(
        "--type", default="q8_0", help="types of a preset's tensors: q8_0, f32, f16, mxfp4, ds4-q2, ..."
    )


def from_arguments(args: argparse.Namespace) -> Path:
    """The file that the arguments name, written first when it is a preset."""
    if args.preset:
        return preset_file(args.preset, args.type)
    return Path(catalogue.resolve(Path(args.gguf) if args.gguf else args.model))


def preset_file(preset: str, layout: str) -> Path:
    """The file of a preset, kept in the cache folder until the code that writes it changes.

    Raises:
        SystemExit: The writer's packages are missing.
    """
    try:
        from tests.conformance import models
        from training import gguf_layout
    except ImportError as error:
        raise SystemExit(
            f"{error}: presets are written by the test tools; run from a checkout with '.[test]'"
        ) from error
    sources = b"".join(Path(str(m.__file__)).read_bytes() for m in (models, gguf_layout))
    path = cache_dir() / f"{preset}-{layout}-{hashlib.sha256(sources).hexdigest()[:12]}.gguf"
    if not path.exists():
        partial = path.with_suffix(".partial")
        models.write_gguf(preset, SEED, partial, quant=layout)
        partial.replace(path)
    return path

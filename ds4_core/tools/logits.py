"""Writes the logits of every position of a token sequence, so that any file can be compared with any other program.

    python -m ds4_core.tools.logits MODEL.gguf --tokens ids.txt --out logits.npy [--chunks 7,1,30]

The result is float32 `[n_tokens, n_vocab]` in NumPy's .npy format: row i holds the logits after tokens 0 .. i. They are
computed in exact mode (f32 activations and KV) unless `--fast` is given, and do not depend on `--chunks` or
`--threads`.

The exit status is 0, 2 when an argument or the token file can not be used as such, 1 after any other error.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from ds4_core.engine import Engine
from ds4_core.errors import DS4Error, InvalidRequestError, InvalidTokenError
from ds4_core.types import Backend, Isa, Span

#: Rows of logits held in memory at once when no chunks are asked for, in bytes.
_PIECE_BYTES = 64 * 2**20
_PIECE_TOKENS = 512


def read_tokens(path: Path) -> list[int]:
    """Token ids from a text file, separated by whitespace, commas or both.

    Raises:
        InvalidRequestError: Something else is in it, or nothing is.
    """
    try:
        words = [word for word in re.split(r"[\s,]+", path.read_text(encoding="utf-8")) if word]
        tokens = [int(word) for word in words]
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{path}: no text file: token ids are integers in plain text") from error
    except ValueError as error:
        raise InvalidRequestError(f"{path}: token ids are integers: {error}") from error
    if not tokens:
        raise InvalidRequestError(f"{path}: no token ids in it")
    return tokens


def parse_chunks(text: str) -> list[int]:
    """Span sizes from "7,1,30".

    Raises:
        argparse.ArgumentTypeError: Not a list of positive integers.
    """
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of positive sizes like 7,1,30")
    return [int(size) for size in text.split(",")]


def pieces(n_tokens: int, sizes: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Cuts 0 .. n_tokens into [begin, end) of the given sizes, cycled."""
    begin = 0
    for size in itertools.cycle(sizes):
        end = min(begin + size, n_tokens)
        yield begin, end
        begin = end
        if begin == n_tokens:
            return


def write_logits(
    engine: Engine, tokens: Sequence[int], out: Path, chunks: Sequence[int] | None = None
) -> tuple[int, int]:
    """Computes and writes the logits of all positions; memory does not grow with the number of tokens.

    Args:
        engine: On any model, in any mode.
        tokens: At least one id.
        out: The .npy file, new or a regular file; replaced only when everything went well.
        chunks: Sizes of the spans, cycled; None chooses.

    Returns:
        The shape, `(n_tokens, n_vocab)`.

    Raises:
        InvalidRequestError: `out` is something that must not be replaced.
        InvalidTokenError: A token outside the vocabulary; nothing is written.
    """
    if os.path.lexists(out) and not out.is_file():
        raise InvalidRequestError(f"{out}: is no regular file, it will not be replaced")
    if out.exists() and out.samefile(engine.path):
        raise InvalidRequestError(f"{out}: is the model file")
    n_vocab = engine.model.n_vocab
    for token in tokens:
        if not 0 <= token < n_vocab:
            raise InvalidTokenError(f"token {token} is outside the vocabulary: ids are 0 .. {n_vocab - 1}")
    sizes = chunks or [max(1, min(_PIECE_TOKENS, _PIECE_BYTES // (4 * n_vocab)))]
    out = out.resolve()
    handle, name = tempfile.mkstemp(prefix=out.name + ".", suffix=".partial", dir=out.parent)
    os.close(handle)
    partial = Path(name)
    try:
        rows = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(len(tokens), n_vocab))
        with engine.session(len(tokens)) as session:
            for begin, end in pieces(len(tokens), sizes):
                (result,) = engine.forward([Span(session, tokens[begin:end], wanted=range(end - begin))])
                if result.error is not None:
                    raise result.error
                rows[begin:end] = result.logits
        rows.flush()
        del rows
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)  # temporary files begin as their owner's alone
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return len(tokens), n_vocab


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    assert __doc__ is not None  # noqa: S101 - for the type checker
    parser = argparse.ArgumentParser(prog="python -m ds4_core.tools.logits", description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL.gguf", help="a .gguf file, or the name of a model of the catalogue")
    parser.add_argument("--tokens", type=Path, required=True, help="text file of token ids")
    parser.add_argument("--out", type=Path, required=True, help=".npy file to write")
    parser.add_argument("--chunks", type=parse_chunks, help="sizes of the spans, cycled, like 7,1,30")
    parser.add_argument("--backend", choices=get_args(Backend), default="auto")
    parser.add_argument("--isa", choices=get_args(Isa), default="auto", help="instruction set of the CPU backend")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 = one per processor")
    parser.add_argument("--fast", action="store_true", help="as in everyday use, not in exact mode")
    options = parser.parse_args(arguments)
    try:
        tokens = read_tokens(options.tokens)
        if options.out.exists() and options.out.samefile(options.tokens):
            raise InvalidRequestError(f"--out {options.out}: is the file of token ids")
        with Engine(
            options.model,
            backend=options.backend,
            isa=options.isa,
            n_threads=options.threads,
            exact=not options.fast,
        ) as engine:
            shape = write_logits(engine, tokens, options.out, options.chunks)
    except (DS4Error, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidRequestError) else 1
    print(f"{options.out}: float32 {list(shape)}, {'fast' if options.fast else 'exact'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

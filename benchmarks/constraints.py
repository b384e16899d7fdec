"""What constraints cost per token: masks, forced tokens and following what was drawn, without a model in between.

    python -m benchmarks.constraints [--vocabulary tiny|v4|both] [--answers 40]

Answers that fit are played through a guide, one token at a time, as a model that wants to write them would: forced
tokens are taken as they are, at every other position the mask is computed and the answer's next token looked up in it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ds4_core import Model
from ds4_core.chat import ChatRequest, Message
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.vocabulary import vocabulary_of

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 200},
        "kind": {"enum": ["report", "note", "letter"]},
        "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        "authors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "mail": {"type": "string", "pattern": "^[a-z.]+@[a-z.]+$"}},
                "required": ["name"],
            },
        },
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "abstract": {"type": "string"},
    },
    "required": ["title", "kind", "year", "authors", "abstract"],
}
TOOL = {
    "name": "search_documents",
    "parameters": {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50},
            "sources": {"type": "array", "items": {"enum": ["web", "files", "mail"]}},
            "filter": {"type": "object", "properties": {"after": {"type": "string", "format": "date"}}},
        },
        "required": ["query"],
    },
}
WORDS = (
    "the model reads a prompt and writes an answer in the form that was asked for which is then parsed and checked by "
    "a program that trusts nothing it has not seen before über größe 日本 naïve data, results; (see below) 12 of 34."
).split()


def document(rng: random.Random) -> str:
    def text(n: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(n))

    value = {"title": text(6), "kind": rng.choice(("report", "note", "letter")), "year": rng.randint(1900, 2100)}
    if rng.random() < 0.7:
        value["tags"] = [rng.choice(WORDS) for _ in range(rng.randint(0, 6))]
    value["authors"] = [{"name": text(2), "mail": "a.b@example.org"} for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        value["score"] = round(rng.random(), 3)
    value["abstract"] = text(40)
    return json.dumps(value, ensure_ascii=False)


def call(rng: random.Random) -> str:
    mark = "｜DSML｜"
    query = " ".join(rng.choice(WORDS) for _ in range(12))
    return (
        f'\n\n<{mark}tool_calls>\n<{mark}invoke name="search_documents">\n'
        f'<{mark}parameter name="query" string="true">{query}</{mark}parameter>\n'
        f'<{mark}parameter name="limit" string="false">{rng.randint(1, 50)}</{mark}parameter>\n'
        f'<{mark}parameter name="sources" string="false">["web", "mail"]</{mark}parameter>\n'
        f"</{mark}invoke>\n</{mark}tool_calls>"
    )


@contextmanager
def vocabularies(wanted: str) -> Iterator[list[tuple[str, Model]]]:
    with tempfile.TemporaryDirectory() as folder:
        models = []
        if wanted in ("tiny", "both"):
            models.append(("ds4-tiny", Model("ds4-tiny")))
        if wanted in ("v4", "both"):
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "core"))
            from reference_tokenizers import v4_tokenizer_json
            from vocab_gguf import write_vocab_gguf

            path = Path(folder) / "v4.gguf"
            write_vocab_gguf(path, v4_tokenizer_json())
            models.append(("V4", Model(path)))
        try:
            yield models
        finally:
            for _, model in models:
                model.close()


def respelled(model: Model, tokens: list[int], at: int, mask: np.ndarray) -> Iterator[int]:
    """The longest allowed token that the token at hand begins with; it and the rest take its place."""
    text = model.token_bytes(tokens[at])
    for size in range(len(text) - 1, 0, -1):
        token = model.find_token(text[:size])
        if token is not None and mask[token >> 5] >> (token & 31) & 1:
            tokens[at : at + 1] = [token, *model.tokenize(text[size:])]
            yield token


def play(guide, model: Model, tokens: list[int], spent: list[float]) -> int:
    """Appends the time each token took, in seconds; returns how many were forced."""
    at = n_forced = 0
    clock = time.thread_time  # of this thread alone: the machine may be busy
    eos = model.token_eos
    while not guide.finished or tokens[at - 1] != eos:
        begin = clock()
        forced = guide.forced()
        if forced:
            tokens[at : at + len(forced)] = forced  # the same text, or what is left of the limit
            for token in forced:
                guide.accept(token)
            took = (clock() - begin) / len(forced)
            spent += [took] * len(forced)
            at += len(forced)
            n_forced += len(forced)
            continue
        mask = guide.mask()
        begin, took = clock(), clock() - begin
        token = tokens[at]
        if mask is not None and not mask[token >> 5] >> (token & 31) & 1:
            # Near the limit the end comes first: as much of the token as may be, or what is left.
            token = next(iter(respelled(model, tokens, at, mask)), None)
            if token is None:
                token = int(np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))[0])
                tokens[at:] = [token] * 100_000
        begin = clock()
        guide.accept(token)
        spent.append(took + clock() - begin)
        at += 1
    return n_forced


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", choices=("tiny", "v4", "both"), default="both")
    parser.add_argument("--answers", type=int, default=40)
    arguments = parser.parse_args()
    print("vocabulary  answer      max_tokens  compile ms  tokens  forced   mean us   p50 us   p99 us   max us")
    with vocabularies(arguments.vocabulary) as models:
        for name, model in models:
            begin = time.perf_counter()
            vocabulary_of(model)
            print(f"{name}: {model.n_vocab} tokens, read once in {time.perf_counter() - begin:.2f} s")
            for kind, limit in (
                ("document", None),
                ("document", 4096),
                ("document", 300),
                ("call", None),
                ("call", 300),
            ):
                measure(model, name, kind, limit, arguments.answers)


def measure(model: Model, name: str, kind: str, limit: int | None, answers: int) -> None:
    asked = {"response_format": SCHEMA} if kind == "document" else {"tools": (TOOL,)}
    request = ChatRequest(messages=(Message("user", "x"),), max_tokens=limit, **asked)
    options = {} if kind == "document" else {"tool_choice": "required", "strict": True}
    begin = time.perf_counter()
    compile_constraint(request, model, thinking=False, **options)
    compiled = time.perf_counter() - begin
    rng = random.Random(1)
    spent: list[float] = []
    n_forced = 0
    for _ in range(answers):
        text = document(rng) if kind == "document" else call(rng)
        tokens = [*model.tokenize(text, parse_special=kind == "call"), model.token_eos]
        if limit is not None and len(tokens) > limit:
            continue
        guide = compile_constraint(request, model, thinking=False, **options)
        n_forced += play(guide, model, tokens, spent)
    us = np.array(spent) * 1e6
    p50, p99 = np.percentile(us, [50, 99])
    print(
        f"{name:11} {kind:11} {limit or 'none':>10} {compiled * 1e3:11.1f} {len(us):7} {n_forced:7} {us.mean():9.1f} "
        f"{p50:8.1f} {p99:8.1f} {us.max():8.1f}"
    )


if __name__ == "__main__":
    main()

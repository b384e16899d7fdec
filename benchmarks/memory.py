"""How much memory does it take? Copies at opening, estimate against use, heap calls per decoded token.

    python -m benchmarks.memory --preset flashlike --type q8_0 --n-ctx 4096

Ends with status 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import c_helper, heap_calls, model_files
from benchmarks.raw_engine import RawEngine
from benchmarks.table import machine, show
from ds4_core import native

MAX_COPIED = 64 << 20
MAX_GAP = 0.05
FIELDS = ("weights_mapped", "weights_copied", "workspace", "session_state", "kv_pages", "checkpoints", "total")


def anonymous_bytes() -> int | None:
    """Resident memory of this process that no file backs; None where /proc does not tell."""
    try:
        with open("/proc/self/smaps_rollup", encoding="utf-8") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))
    except (OSError, StopIteration):
        return None


def observe(path: Path, n_ctx: int, n_sessions: int, n_threads: int, vocab_only: bool) -> dict[str, Any]:
    """Opens the file and fills the sessions, in this process; sizes in bytes."""
    native.load()  # parsing the header takes Python's memory, not libds4's
    start = anonymous_bytes()
    raw = RawEngine(path, n_threads=n_threads, vocab_only=vocab_only)
    ffi, lib = raw.native.ffi, raw.native.lib
    facts: dict[str, Any] = {"start": start, "opened": anonymous_bytes()}
    memory, err = ffi.new("ds4x_memory *"), raw.native.new_error()
    raw.native.check(lib.ds4x_memory_estimate(raw.ptr, n_ctx, n_sessions, memory, err), err)
    facts["estimate"] = {name: int(getattr(memory, name)) for name in FIELDS}
    if not vocab_only:
        ids = [(7 * i) % raw.info.n_vocab for i in range(n_ctx)]
        tokens = ffi.new("int32_t[]", ids)
        sessions = []
        for _ in range(n_sessions):
            sessions.append(raw.session(n_ctx))
            raw.forward(tokens, n_ctx)
        raw.native.check(lib.ds4x_memory_used(raw.ptr, memory, err), err)
        facts["used"] = {name: int(getattr(memory, name)) for name in FIELDS}
        facts["filled"] = anonymous_bytes()
        facts["page_tokens"] = int(raw.info.page_tokens)
        for session in sessions:
            raw.free(session)
    raw.close()
    return facts


def in_child(args: argparse.Namespace, path: Path, vocab_only: bool) -> dict[str, Any]:
    """`observe` in a new process, so that nothing else has used its heap."""
    numbers = [str(n) for n in (args.n_ctx, args.sessions, args.threads, int(vocab_only))]
    command = [sys.executable, "-m", "benchmarks.memory", "--observe", str(path), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


class Verdicts:
    """Limits and whether they hold."""

    def __init__(self) -> None:
        """None yet."""
        self.rows: list[list[str]] = []
        self.failed = False

    def add(self, what: str, value: str, limit: str, holds: bool) -> None:
        """One line of the last table."""
        self.rows.append([what, value, limit, "yes" if holds else "NO"])
        self.failed |= not holds


def mib(n_bytes: float) -> str:
    """Bytes as MiB."""
    return f"{n_bytes / 2**20:,.2f}"


def check_sizes(args: argparse.Namespace, path: Path, verdicts: Verdicts) -> int:
    """Estimate, what libds4 counts and what the system gave it; returns the tokens of a page."""
    full, vocab = in_child(args, path, False), in_child(args, path, True)
    estimate, used = full["estimate"], full["used"]
    rows = [[name, mib(vocab["estimate"][name]), mib(estimate[name]), mib(used[name])] for name in FIELDS]
    title = f"MiB, {args.sessions} session(s) filled with {args.n_ctx} tokens, {args.threads} thread(s)"
    show(title, ["", "estimate, no weights", "estimate", "used"], rows)
    verdicts.add(
        "weights copied at opening, MiB", mib(used["weights_copied"]), "<= 64", used["weights_copied"] <= MAX_COPIED
    )
    anonymous = {name: e["total"] - e["weights_mapped"] for name, e in (("estimate", estimate), ("used", used))}
    for what, value, base in (
        ("used / estimate, with mapped weights", used["total"], estimate["total"]),
        ("used / estimate, without them", anonymous["used"], anonymous["estimate"]),
        ("estimate without weights / with", vocab["estimate"]["total"], estimate["total"]),
    ):
        verdicts.add(what, f"{value / base:.3f}", "within 5 %", abs(value / base - 1) <= MAX_GAP)
    if full["start"] is None:
        print("  resident memory not measured: /proc/self/smaps_rollup is missing")
        return int(full["page_tokens"])
    text = vocab["opened"] - vocab["start"]
    growth = full["filled"] - full["start"]
    rows = [
        ["growth at opening", mib(full["opened"] - full["start"])],
        ["  of which vocabulary and tensor directory (what a vocabulary-only engine takes)", mib(text)],
        ["growth after filling", mib(growth)],
        ["  without the vocabulary", mib(growth - text)],
        ["estimate without mapped weights", mib(anonymous["estimate"])],
    ]
    show("anonymous resident memory of the process, MiB", ["", ""], rows)
    ratio = (growth - text) / anonymous["estimate"]
    # Pages that were reserved and never touched are not resident: what must not happen is more than the estimate.
    holds = growth - text <= anonymous["estimate"] * (1 + MAX_GAP) + (1 << 20)
    verdicts.add("resident growth / estimate", f"{ratio:.3f}", "<= 1.05, + 1 MiB", holds)
    return int(full["page_tokens"])


def check_heap(args: argparse.Namespace, path: Path, page_tokens: int, verdicts: Verdicts) -> None:
    """Heap calls per decoded token, page borders apart."""
    n = 2 * page_tokens + 64
    try:
        counts = heap_calls.count(path, n, args.threads)
    except c_helper.HelperError as error:
        print(f"\nheap calls not counted: {error}")
        return
    first = heap_calls.N_PROMPT + 1
    border = {first + i: c for i, c in enumerate(counts) if (first + i) % page_tokens == 0}
    inside = {first + i: c for i, c in enumerate(counts) if c and (first + i) % page_tokens}
    print(f"\nheap calls of {len(counts)} decoded tokens from position {first} on, a page is {page_tokens} tokens")
    print(f"  at page borders: {', '.join(f'{c} at {pos}' for pos, c in border.items()) or 'none met'}")
    print(f"  elsewhere: {', '.join(f'{c} at {pos}' for pos, c in list(inside.items())[:12]) or 'none'}")
    verdicts.add("heap calls inside a page", str(sum(inside.values())), "0", not inside)


def main() -> None:
    if sys.argv[1:2] == ["--observe"]:
        n_ctx, n_sessions, n_threads, vocab_only = map(int, sys.argv[3:])
        print(json.dumps(observe(Path(sys.argv[2]), n_ctx, n_sessions, n_threads, bool(vocab_only))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model_files.add_arguments(parser)
    parser.add_argument("--n-ctx", type=int, default=2048, help="tokens per session (default: %(default)s)")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    path = model_files.from_arguments(args)
    print(f"machine    {machine()}\nfile       {path.name}: {path.stat().st_size / 1e6:.2f} MB")
    verdicts = Verdicts()
    check_heap(args, path, check_sizes(args, path, verdicts), verdicts)
    show("limits", ["", "measured", "limit", "holds"], verdicts.rows)
    sys.exit(int(verdicts.failed))


if __name__ == "__main__":
    main()

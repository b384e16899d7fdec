"""How fast is the CPU backend? Prefill and decode speed, share of the read bandwidth, time by op; llama.cpp beside it.

python -m benchmarks.cpu --model ds4-tiny
python -m benchmarks.cpu --preset tiny --type q8_0 --compare llama.cpp --llama-python DIR/bin/python
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import c_helper, model_files, read_bandwidth
from benchmarks.llama_client import LlamaCpp
from benchmarks.raw_engine import ISA_NAMES, RawEngine
from benchmarks.table import Timing, alternate, machine, show
from ds4_core import Engine

PREFILL = (512, 1024)
N_PROMPT, N_DECODE = 64, 256
N_BATCH = 512
N_CTX_THEIRS = 1024  # llama.cpp sizes its buffers by it: as small as the longest prompt allows
OURS, SESSION, THEIRS, MEMORY = "ds4", "ds4 Session", "llama.cpp", "memory"


@dataclass(frozen=True)
class Key:
    """What one timing is of."""

    who: str
    what: str
    threads: int


def token_ids(n: int, n_vocab: int) -> list[int]:
    """The same pseudo-random ids every time, for every engine."""
    return [int(v) for v in np.random.default_rng(1).integers(0, n_vocab, n)]


def time_session(engine: Engine, prompt: list[int], ids: list[int]) -> float:
    """Seconds to append `ids` one at a time through ds4_core.Session, with an argmax after each."""
    with engine.session(len(prompt) + len(ids), seed=0) as session:
        session.sync(prompt)
        begin = time.perf_counter()
        for token in ids:
            session.eval(token)
            session.argmax()
        return time.perf_counter() - begin


class Benchmark:
    """One file, measured by every engine with every number of threads."""

    def __init__(self, path: Path, args: argparse.Namespace) -> None:
        """Opens one native engine per number of threads; both map the same file."""
        self.path = path
        self.threads: list[int] = args.threads
        self.repeats: int = args.repeats
        self.raw = {n: RawEngine(path, n_threads=n, n_batch=N_BATCH, exact=args.exact) for n in self.threads}
        self.engines = {n: Engine(path, n_threads=n, n_batch=N_BATCH, exact=args.exact) for n in self.threads}
        self.info = self.raw[self.threads[0]].info
        limit = self.info.n_context_train or max(PREFILL)
        self.prefill = sorted({min(n, limit) for n in PREFILL})
        self.n_decode = max(1, min(N_DECODE, limit - N_PROMPT))
        self.ids = token_ids(max(*self.prefill, N_PROMPT + self.n_decode), self.info.n_vocab)
        self.prompt, self.tail = self.ids[:N_PROMPT], self.ids[N_PROMPT : N_PROMPT + self.n_decode]
        self.decode = f"decode {self.n_decode} after {N_PROMPT}"
        self.buffers = [] if args.no_roofline else self._buffers()
        self.timings: dict[Key, Timing] = {}

    def _buffers(self) -> list[int]:
        # Sizes to read for comparison: one that no cache holds, and one like the weights.
        try:
            c_helper.build("read_bandwidth.c")
        except c_helper.HelperError as error:
            print(f"read bandwidth not measured: {error}")
            return []
        return [read_bandwidth.MEMORY_BYTES, max(int(self.info.weight_bytes), 1 << 20)]

    def measure(self, llama: LlamaCpp | None) -> None:
        """Every kind of run, our engine and llama.cpp in turn."""
        for threads in self.threads:
            raw = self.raw[threads]
            for n in self.prefill:
                what = f"prefill {n}"
                runs = [self._run(OURS, what, threads, n, partial(raw.time_prefill, self.ids[:n]))]
                if llama:
                    runs.append(self._run(THEIRS, what, threads, n, partial(llama.time_prefill, n, threads)))
                alternate(runs, self.repeats)
            n = self.n_decode
            runs = [self._run(OURS, self.decode, threads, n, partial(raw.time_decode, self.prompt, self.tail))]
            if llama:
                theirs = partial(llama.time_decode, N_PROMPT, n, threads)
                runs.append(self._run(THEIRS, self.decode, threads, n, theirs))
            by_session = partial(time_session, self.engines[threads], self.prompt, self.tail)
            runs.append(self._run(SESSION, self.decode, threads, n, by_session))
            for n_bytes in self.buffers:
                read = partial(read_bandwidth.seconds, threads, n_bytes)
                runs.append(self._run(MEMORY, f"{n_bytes / 1e6:,.0f} MB", threads, n_bytes, read))
            alternate(runs, self.repeats)

    def _run(
        self, who: str, what: str, threads: int, n_units: int, run: Callable[[], float]
    ) -> tuple[Timing, Callable[[], float]]:
        timing = self.timings[Key(who, what, threads)] = Timing(n_units)
        return timing, run

    # -- printing ------------------------------------------------------------------------------------------------------

    def show_facts(self) -> None:
        """Machine, file, engine."""
        info, raw = self.info, self.raw[self.threads[0]]
        print(f"machine    {machine()}")
        print(
            f"file       {self.path.name}: {info.file_bytes / 1e6:.2f} MB, {info.n_params / 1e6:.2f} M parameters, "
            f"{info.n_layer} layers; a decoded token reads {info.decode_bytes / 1e6:.2f} MB of weights"
        )
        kind = "exact" if info.exact else "not exact"
        print(
            f"ds4        libds4 {raw.native.version}, {ISA_NAMES.get(info.isa, '?')} kernels, {kind}, "
            f"pieces of {info.n_batch} tokens: {raw.native.path}"
        )
        print(f"repeats    {self.repeats} in turn after one to warm up; the best counts, spread = 1 - worst / best")

    def show_speed(self) -> None:
        """Tokens per second, and for decoding the weights read per second."""
        rows = []
        for key, timing in self.timings.items():
            if key.who == MEMORY:
                continue
            read = "" if not key.what.startswith("decode") or key.who == THEIRS else f"{self._read(timing) / 1e9:.2f}"
            speed = [f"{timing.best:,.0f}", f"{timing.worst:,.0f}", f"{timing.spread:.0%}", read]
            rows.append([f"{key.what}, {key.who}", str(key.threads), *speed])
        rows.sort(key=lambda row: (row[0].split(",")[0], row[1]))
        show("speed", ["", "threads", "tokens/s", "worst", "spread", "GB/s of weights"], rows)

    def show_ratios(self) -> None:
        """Our speed over llama.cpp's, best against best and pair by pair."""
        rows = []
        for key, ours in self.timings.items():
            theirs = self.timings.get(Key(THEIRS, key.what, key.threads))
            if key.who != OURS or theirs is None:
                continue
            pairs = sorted(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True))
            speeds = [f"{ours.best:,.0f}", f"{theirs.best:,.0f}", f"{ours.best / theirs.best:.2f}"]
            rows.append([key.what, str(key.threads), *speeds, f"{pairs[0]:.2f} .. {pairs[-1]:.2f}"])
        if rows:
            show("ds4 / llama.cpp", ["", "threads", "ds4", "llama.cpp", "ratio", "ratios of the pairs"], rows)

    def _read(self, timing: Timing) -> float:
        return timing.best * float(self.info.decode_bytes)

    def show_roofline(self) -> None:
        """Weights read while decoding beside what the machine can read."""
        if not self.buffers:
            return
        rows = []
        for threads in self.threads:
            reads = self._read(self.timings[Key(OURS, self.decode, threads)])
            cells = [str(threads), f"{reads / 1e9:.2f}"]
            for key, timing in self.timings.items():
                if key.who == MEMORY and key.threads == threads:
                    cells += [f"{timing.best / 1e9:.2f}", f"{reads / timing.best:.0%}"]
            rows.append(cells)
        header = ["threads", "decoding GB/s"]
        for n_bytes in self.buffers:
            header += [f"{n_bytes / 1e6:,.0f} MB buffer GB/s", "share"]
        show("weights read while decoding, beside the machine's read bandwidth", header, rows)
        print(f"  read bandwidth: {read_bandwidth.HOW}; the second buffer is as large as the weights")

    def show_ops(self) -> None:
        """Where the time goes: the fastest of the repeats, profiled."""
        for threads in self.threads:
            raw, last = self.raw[threads], self.prefill[-1]
            prompt = partial(raw.time_prefill, self.ids[:last], profiled=True)
            self._show_ops(raw, f"prefill {last}, {threads} threads", last, prompt)
            decode = partial(raw.time_decode, self.prompt, self.tail, profiled=True)
            self._show_ops(raw, f"{self.decode}, {threads} threads", self.n_decode, decode)

    def _show_ops(self, raw: RawEngine, title: str, n_tokens: int, run: Callable[[], float]) -> None:
        results = [(run(), raw.op_times()) for _ in range(self.repeats)]
        seconds, ops = min(results, key=lambda result: result[0])
        rows = [(op.name, op.calls, op.ns / 1e9, op.n_bytes) for op in ops]
        rows.append(("outside ops", 0, max(0.0, seconds - sum(op.ns for op in ops) / 1e9), 0))
        texts = []
        for name, calls, time_s, n_bytes in rows:
            rate = f"{n_bytes / time_s / 1e9:.2f}" if n_bytes and time_s else ""
            per_token = [f"{calls / n_tokens:.2f}", f"{1e6 * time_s / n_tokens:.2f}"]
            texts.append([name, *per_token, f"{time_s / seconds:.1%}", rate])
        header = ["", "calls/token", "µs/token", "share", "GB/s of weights"]
        show(f"time by op, {title}: {n_tokens / seconds:,.0f} tokens/s while profiled", header, texts)

    def show_agreement(self, llama: LlamaCpp) -> None:
        """How close the two engines' logits are: they must have computed the same model."""
        n, threads = self.prefill[0], self.threads[-1]
        raw = self.raw[threads]
        raw.time_prefill(self.ids[:n])
        ours, theirs = raw.logits(), np.array(llama.logits(n, threads), dtype=np.float32)
        gap = float(np.abs(ours - theirs).max() / theirs.std())
        alike = float(np.corrcoef(ours, theirs)[0, 1])
        agreement = f"correlation {alike:.4f}, largest difference {gap:.3f} standard deviations"
        print(f"\nlogits of both after {n} tokens: {agreement}")

    def close(self) -> None:
        """Frees the engines."""
        for raw in self.raw.values():
            raw.close()
        for engine in self.engines.values():
            engine.close()


def show_llama(llama: LlamaCpp) -> None:
    """What the other side is."""
    print(f"llama.cpp  llama-cpp-python {llama.version}, n_batch = n_ubatch = {N_BATCH}, {llama.layout}")
    print(f"           {llama.system}")
    for line in llama.build or ["no record of its build (see benchmarks/build_llama.py)"]:
        print(f"           {line}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model_files.add_arguments(parser)
    default = sorted({1, min(2, os.cpu_count() or 1)})
    parser.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=default, metavar="1,2")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count (default: %(default)s)")
    parser.add_argument("--exact", action="store_true", help="measure the exact mode")
    parser.add_argument("--compare", choices=["llama.cpp"], help="run it on the same file, in turn with ours")
    parser.add_argument("--llama-python", metavar="PATH", help="interpreter with llama-cpp-python, for --compare")
    parser.add_argument("--no-ops", action="store_true", help="leave the time by op out")
    parser.add_argument("--no-roofline", action="store_true", help="leave the read bandwidth out")
    args = parser.parse_args()
    if args.compare and not args.llama_python:
        parser.error("--compare needs --llama-python (see benchmarks/README.md)")
    return args


def main() -> None:
    args = parse()
    path = model_files.from_arguments(args)
    with contextlib.ExitStack() as stack:
        benchmark = stack.enter_context(contextlib.closing(Benchmark(path, args)))
        benchmark.show_facts()
        llama = None
        if args.compare:
            try:
                llama = LlamaCpp(args.llama_python, path, benchmark.ids, n_ctx=N_CTX_THEIRS, n_batch=N_BATCH)
            except (OSError, RuntimeError) as error:
                raise SystemExit(f"no comparison: {error}") from error
            stack.enter_context(llama)
            show_llama(llama)
        benchmark.measure(llama)
        benchmark.show_speed()
        if llama:
            benchmark.show_ratios()
            benchmark.show_agreement(llama)
        benchmark.show_roofline()
        if not args.no_ops:
            benchmark.show_ops()


if __name__ == "__main__":
    main()

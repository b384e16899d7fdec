"""How fast is the CUDA backend? Prompts, single tokens, batches against the memory's speed; launches; time by kernel.

python -m benchmarks.cuda --gguf FILE
python -m benchmarks.cuda --preset flashlike --type q8_0 --bandwidth 4300
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import model_files
from benchmarks.raw_engine import RawEngine
from benchmarks.table import show

#: Bytes per nanosecond that an H200 copies, reads and writes counted together.
BANDWIDTH = 4300.0


class Batch:
    """Sessions that each append one token per call, all in one forward."""

    def __init__(self, raw: RawEngine, prompts: Sequence[Sequence[int]], n_ctx: int) -> None:
        """Gives every session its prompt."""
        ffi = raw.native.ffi
        self.raw, self.n = raw, len(prompts)
        self.spans = ffi.new("ds4x_span[]", self.n)
        self.tokens = ffi.new("int32_t[]", self.n)
        self.wanted = ffi.new("uint32_t[1]")
        self.sessions = []
        for i, prompt in enumerate(prompts):
            self.sessions.append(raw.session(n_ctx))
            raw.forward(ffi.new("int32_t[]", list(prompt)), len(prompt))
            span = self.spans[i]
            span.session, span.tokens, span.n_tokens = self.sessions[i], self.tokens + i, 1
            span.wanted, span.n_wanted = self.wanted, 1

    def seconds(self, columns: Sequence[Sequence[int]]) -> float:
        """Time to append one column of tokens after the other."""
        lib, ffi, err = self.raw.native.lib, self.raw.native.ffi, self.raw.native.new_error()
        begin = time.perf_counter()
        for column in columns:
            self.tokens[0 : self.n] = list(column)
            self.raw.native.check(lib.ds4x_forward(self.raw.ptr, self.spans, self.n, ffi.NULL, err), err)
        return time.perf_counter() - begin

    def close(self) -> None:
        """Frees the sessions."""
        for session in self.sessions:
            self.raw.free(session)


def show_kernels(title: str, raw: RawEngine, seconds: float, n_tokens: int) -> None:
    """Where the device's time went, and how many launches it took."""
    kernels = raw.kernel_times()
    busy = sum(k.ns for k in kernels) / 1e9
    rows = [
        [k.name, f"{k.calls / n_tokens:.1f}", f"{k.ns / 1e6 / n_tokens:.3f}", f"{k.ns / 1e9 / busy:.1%}"]
        for k in kernels
    ]
    launches = sum(k.calls for k in kernels) / n_tokens
    rows.append(["all kernels", f"{launches:.1f}", f"{busy * 1e3 / n_tokens:.3f}", f"busy {busy / seconds:.0%}"])
    show(f"kernels, {title} (timed one by one)", ["", "launches/token", "ms/token", "share"], rows)


def resident_gib() -> float:
    """Memory that this process holds in the host's RAM."""
    with open("/proc/self/status", encoding="utf-8") as facts:
        return next(int(line.split()[1]) for line in facts if line.startswith("VmRSS:")) / 2**20


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model_files.add_arguments(parser)
    parser.add_argument("--prefill", type=lambda s: [int(n) for n in s.split(",")], default=[512, 2048])
    parser.add_argument("--decode", type=int, default=64, help="single tokens (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="sessions side by side (default: %(default)s)")
    parser.add_argument("--n-batch", type=int, default=512, help="most tokens computed at once")
    parser.add_argument("--bandwidth", type=float, default=BANDWIDTH, help="of the memory, GB/s (default: %(default)s)")
    parser.add_argument("--exact", action="store_true", help="measure the exact mode")
    return parser.parse_args()


def measure(raw: RawEngine, args: argparse.Namespace, path: Path) -> None:
    """All tables."""
    info, ffi = raw.info, raw.native.ffi
    ids = [int(v) for v in np.random.default_rng(1).integers(0, info.n_vocab, max(args.prefill) + args.decode)]
    print(f"device     {ffi.string(info.device).decode()}; {'exact' if info.exact else 'not exact'}")
    read_mb = info.decode_bytes / 1e6
    print(f"file       {path.name}: {info.file_bytes / 1e9:.2f} GB, a decoded token reads {read_mb:.1f} MB")
    roof = args.bandwidth * 1e9 / info.decode_bytes
    print(f"roofline   {roof:,.0f} single tokens/s at {args.bandwidth:,.0f} GB/s")

    rows = []
    for n in args.prefill:
        raw.time_prefill(ids[:n])
        seconds = raw.time_prefill(ids[:n])
        rows.append([f"prompt of {n}", f"{n / seconds:,.0f}", f"{1e3 * seconds:.1f}", ""])
    for n in args.prefill:
        tail = ids[n : n + args.decode]
        raw.time_decode(ids[:n], tail[:4])
        speed = len(tail) / raw.time_decode(ids[:n], tail)
        rows.append([f"single tokens after {n}", f"{speed:,.1f}", f"{1e3 / speed:.2f}", f"{speed / roof:.1%}"])
    columns = np.random.default_rng(2).integers(0, info.n_vocab, (args.decode, args.batch)).tolist()
    with contextlib.closing(Batch(raw, [ids[i : i + 64] for i in range(args.batch)], 64 + 2 * args.decode)) as batch:
        batch.seconds(columns[:4])
        seconds = batch.seconds(columns)
        speed = args.batch * len(columns) / seconds
        rows.append([f"{args.batch} sessions", f"{speed:,.1f}", f"{1e3 * seconds / len(columns):.2f}", ""])
    show("speed", ["", "tokens/s", "ms (prompt, step)", "of the roofline"], rows)

    n = args.prefill[0]
    tail = ids[n : n + min(args.decode, 16)]
    show_kernels(f"single tokens after {n}", raw, raw.time_decode(ids[:n], tail, profiled=True), len(tail))
    show_kernels(f"prompt of {n}", raw, raw.time_prefill(ids[:n], profiled=True), n)


def main() -> None:
    args = parse()
    path = model_files.from_arguments(args)
    begin = time.perf_counter()
    with contextlib.closing(RawEngine(path, backend="cuda", n_batch=args.n_batch, exact=args.exact)) as raw:
        print(f"opened     in {time.perf_counter() - begin:.2f} s, {resident_gib():.2f} GiB resident")
        measure(raw, args, path)


if __name__ == "__main__":
    main()

"""What do sessions and many requests cost? Fork, rewind, second turns, shared prefixes, batches, the event loop.

    python -m benchmarks.sessions --model ds4-tiny --threads 1 2

Everything is compared with libds4 called directly in the same run: `raw` below.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.raw_engine import RawEngine
from benchmarks.table import PAUSE_S, machine, show
from ds4_core import Engine, GenerationEnd, SampledToken, Session, TokenRequest
from ds4_core.models import catalogue

GREEDY = {"temperature": 0.0, "ignore_eos": True}


def ids(n: int, n_vocab: int, seed: int = 0) -> list[int]:
    """n token ids that no other seed begins with."""
    return [(7919 * (i + 1) + 104729 * (seed + 1) * (i + 3)) % (n_vocab - 8) + 4 for i in range(n)]


def best(run: Callable[[], float], repeats: int) -> float:
    """The fastest of some repeats, in seconds; one more warms up."""
    seconds = []
    for index in range(repeats + 1):
        time.sleep(PAUSE_S)
        taken = run()
        if index:
            seconds.append(taken)
    return min(seconds)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def filled(engine: Engine, n: int, seed: int = 0) -> Session:
    session = engine.session(n + 64)
    session.sync(ids(n, engine.info.n_vocab, seed))
    return session


def fork_and_rewind(engine: Engine, positions: Sequence[int], repeats: int) -> None:
    rows = []
    for n in positions:
        session = filled(engine, n)
        tokens = session.tokens

        def fork(session: Session = session) -> float:
            start = time.perf_counter()
            twin = session.fork()
            seconds = time.perf_counter() - start
            twin.close()
            return seconds

        def back(k: int, session: Session = session, tokens: list[int] = tokens) -> float:
            session.sync(tokens)
            return timed(lambda: session.rewind(len(tokens) - k))

        made = best(lambda: timed(session.checkpoint), repeats)  # noqa: B023
        whole = best(lambda: timed(lambda: filled(engine, n)), 1)  # noqa: B023
        rows.append(
            [
                f"{n:,}",
                *(f"{1e3 * seconds:.2f}" for seconds in (best(fork, repeats), made)),
                *(f"{1e3 * best(lambda k=k: back(k), repeats):.2f}" for k in (5, 100, n // 2)),  # type: ignore[misc]
                f"{1e3 * whole:.1f}",
            ]
        )
        session.close()
    header = ["tokens", "fork", "checkpoint", "rewind by 5", "by 100", "by half", "computing all"]
    show("Fork and rewind against position, milliseconds", header, rows)


def first_token(engine: Engine, prompt: list[int]) -> tuple[float, int]:
    """Seconds to the first token, and how many tokens of the prompt were cached."""
    start = time.perf_counter()
    seconds = 0.0
    cached = 0
    for event in engine.generate(prompt, max_tokens=1, n_ctx=len(prompt) + 8, **GREEDY):
        if isinstance(event, SampledToken):
            seconds = time.perf_counter() - start
        elif isinstance(event, GenerationEnd):
            cached = event.usage.cached_tokens
    return seconds, cached


def second_turn(engine: Engine, raw: RawEngine, n: int, added: Sequence[int], repeats: int) -> None:
    rows = []
    n_vocab = engine.info.n_vocab
    history = ids(n, n_vocab, 11)
    cold = min(first_token(engine, ids(n, n_vocab, 20 + i))[0] for i in range(repeats))
    first_token(engine, history)
    for k in added:
        cached = 0
        turns = []
        for index in range(repeats + 1):
            time.sleep(PAUSE_S)
            seconds, cached = first_token(engine, history + ids(k, n_vocab, 100 + index))
            turns.append(seconds)
        alone = raw_prefill_at(raw, history, [ids(k, n_vocab, 200 + index) for index in range(repeats + 1)])
        turn = min(turns[1:])
        rows.append(
            [
                f"{k}",
                f"{cached:,}",
                f"{1e3 * turn:.2f}",
                f"{1e3 * alone:.2f}",
                f"{turn / alone:.2f}x",
                f"{cold / turn:.0f}x",
            ]
        )
    header = ["new tokens", "cached", "first token ms", "raw prefill ms", "ratio", "faster than all"]
    show(f"Second turn after {n:,} tokens ({1e3 * cold:.1f} ms when nothing is cached)", header, rows)


def raw_prefill_at(raw: RawEngine, history: list[int], tails: Sequence[list[int]]) -> float:
    """Best seconds to append a tail to a native session that holds the history, and to draw a token."""
    ffi, lib = raw.native.ffi, raw.native.lib
    base = raw.session(len(history) + 1024)
    raw.forward(ffi.new("int32_t[]", history), len(history))
    seconds = []
    for tail in tails:
        out, tokens = ffi.new("ds4x_session **"), ffi.new("int32_t[]", tail)
        raw.native.check(lib.ds4x_session_fork(base, out, raw.native.new_error()), raw.native.new_error())
        raw.spans[0].session = out[0]
        time.sleep(PAUSE_S)
        start = time.perf_counter()
        raw.forward(tokens, len(tail))
        lib.ds4x_sample(raw.ptr, raw.draw, 1, raw.native.new_error())
        seconds.append(time.perf_counter() - start)
        raw.free(out[0])
    raw.free(base)
    return min(seconds[1:])


def run_threads(engine: Engine, requests: Sequence[TokenRequest]) -> tuple[float, int, int]:
    """All at once, one thread each: seconds, tokens drawn, prompt tokens computed."""
    ends: list[GenerationEnd] = []

    def take(request: TokenRequest) -> None:
        ends.extend(event for event in engine.generate(request) if isinstance(event, GenerationEnd))

    threads = [threading.Thread(target=take, args=(request,)) for request in requests]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    computed = sum(end.usage.prompt_tokens - end.usage.cached_tokens for end in ends)
    return seconds, sum(end.usage.completion_tokens for end in ends), computed


def shared_prefix(path: str, n_threads: int, n_prefix: int, n_requests: int, n_answer: int) -> None:
    rows = []
    for name, prefix_bytes, parallel in (
        ("8 separate runs", 0, False),
        ("one after the other, prefix cache", 2**30, False),
        ("parallel", 2**30, True),
    ):
        with Engine(path, n_threads=n_threads, prefix_bytes_max=prefix_bytes) as engine:
            n_vocab = engine.info.n_vocab
            prefix = ids(n_prefix, n_vocab)
            requests = [
                TokenRequest(prefix + ids(16, n_vocab, 50 + i), max_tokens=n_answer, **GREEDY)
                for i in range(n_requests)
            ]
            groups = [requests] if parallel else [[request] for request in requests]
            results = [run_threads(engine, group) for group in groups]
            seconds = sum(result[0] for result in results)
            drawn = sum(result[1] for result in results)
            rows.append([name, f"{sum(r[2] for r in results):,}", f"{1e3 * seconds:.0f}", f"{drawn / seconds:,.0f}"])
    title = f"{n_requests} requests, {n_prefix:,} tokens in common + 16 of their own, {n_answer} tokens each"
    show(title, ["", "prompt tokens computed", "ms", "tokens/s"], rows)


def decode(engine: Engine, raw: RawEngine, n_answer: int, repeats: int) -> None:
    n_vocab = engine.info.n_vocab

    def request(seed: int) -> TokenRequest:
        return TokenRequest(ids(64, n_vocab, seed), max_tokens=n_answer, **GREEDY)

    drawn: list[int] = []

    def one() -> float:
        drawn.clear()
        times = []
        for event in engine.generate(request(0)):
            if isinstance(event, SampledToken):
                times.append(time.perf_counter())
                drawn.append(event.token)
        return statistics.median(after - before for before, after in pairwise(times))

    # Medians of single tokens, in turns: what else the machine does hits some of them. And the very tokens that were
    # drawn: which experts they take decides the time.
    pairs = []
    for _ in range(2 * repeats + 1):
        time.sleep(PAUSE_S)
        served = one()
        pairs.append((served, statistics.median(raw.time_steps(ids(64, n_vocab, 0), drawn[:-1]))))
    served, alone = (statistics.median(seconds) for seconds in zip(*pairs[1:], strict=True))
    rows = [
        ["raw, one session", f"{1 / alone:,.0f}", "1.00x", f"{1e6 * alone:.0f}", ""],
        [
            "1 request",
            f"{1 / served:,.0f}",
            f"{alone / served:.2f}x",
            f"{1e6 * served:.0f}",
            f"{1e6 * (served - alone):.0f}",
        ],
    ]
    for n in (2, 4, 8, 16):
        rates = []
        for index in range(repeats + 1):
            time.sleep(PAUSE_S)
            rates.append(decode_rate(engine, [request(1000 * index + i) for i in range(n)]))
        rate = max(rates[1:])
        rows.append([f"{n} requests", f"{rate:,.0f}", f"{rate * alone:.2f}x", f"{1e6 / rate:.0f}", ""])
    header = ["", "tokens/s", "to raw", "us a token", "of these Python's"]
    show(f"Decode, {n_answer} tokens each", header, rows)


def decode_rate(engine: Engine, requests: Sequence[TokenRequest]) -> float:
    """Tokens per second of all together, from when all have their first token until one has its last."""
    times: list[list[float]] = [[] for _ in requests]

    def take(index: int) -> None:
        for event in engine.generate(requests[index]):
            if isinstance(event, SampledToken):
                times[index].append(time.perf_counter())

    threads = [threading.Thread(target=take, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    start, end = max(own[0] for own in times), min(own[-1] for own in times)
    return sum(1 for own in times for at in own if start < at <= end) / (end - start)


def event_loop_gaps(path: str, n: int, repeats: int) -> None:
    """The longest time the loop was away during a long prefill, and how many progress events came meanwhile."""

    async def once(engine: Engine, seed: int) -> tuple[float, int, float]:
        gaps: list[float] = []
        done = False

        async def heart() -> None:
            last = time.perf_counter()
            while not done:
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        beat = asyncio.create_task(heart())
        await asyncio.sleep(0.02)
        gaps.clear()
        progress = 0
        start = time.perf_counter()
        async for event in engine.agenerate(ids(n, engine.info.n_vocab, seed), max_tokens=1, n_ctx=n + 8, **GREEDY):
            progress += not isinstance(event, SampledToken | GenerationEnd)
        taken = time.perf_counter() - start
        done = True
        await beat
        return max(gaps), progress, taken

    with Engine(path, n_threads=1) as engine:
        engine.open()
        results = [asyncio.run(once(engine, 70 + i)) for i in range(repeats)]
    gaps = sorted(1e3 * gap for gap, _, _ in results)
    rows = [
        [
            f"{n:,}",
            f"{1e3 * results[0][2]:.0f}",
            f"{statistics.median(gaps):.1f}",
            f"{gaps[-1]:.1f}",
            f"{results[0][1]}",
        ]
    ]
    header = ["prompt tokens", "prefill ms", "longest gap ms, median", "worst", "progress events"]
    show(f"Event loop during a prefill, engine on one thread, {repeats} runs", header, rows)


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ds4-tiny", help="a name of the catalogue or a .gguf file")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--positions", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--answer", type=int, default=128, help="tokens per answer")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # contexts beyond the model's are on purpose
    path = catalogue.resolve(arguments.model)
    print(machine())
    for n_threads in arguments.threads:
        print(f"\n=== {n_threads} thread{'s' * (n_threads > 1)}")
        with Engine(path, n_threads=n_threads) as engine:
            raw = RawEngine(Path(path), n_threads=n_threads)
            fork_and_rewind(engine, arguments.positions, arguments.repeats)
            second_turn(engine, raw, 4000, (1, 20, 100, 500), arguments.repeats)
            decode(engine, raw, arguments.answer, arguments.repeats)
            raw.close()
        shared_prefix(path, n_threads, 2000, 8, 64)
    event_loop_gaps(path, 8000, 5)


if __name__ == "__main__":
    main()

"""Training rows, made while the model trains: worker processes write, render, tokenize and pack conversations."""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import queue
import random
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import tokenizer as tokenizers
from training.data import SKILLS, by_skill, example
from training.data.rendering import pieces, without_instructions
from training.packing import Document, Packed, Packer, pack

ROWS = 4  # rows that a worker packs at a time
READY = 64  # batches that may wait for the GPU
KEPT = 1024  # parts that may come again
MOST_AGAIN = 8 * KEPT  # parts may come again without a new one between them
PATIENCE_S = 120.0  # for the first ones
MOST_FAILED = 10  # a worker gives up at so many conversations that fail, or one in a thousand, whichever is more


def document(encoder: tokenizers.Encoder, made: Any, *, short: bool = False) -> Document:
    """An example, tokenized; `short`: without the instructions that all prompts with tools share."""
    parts = pieces(made)
    ids, trained = encoder(without_instructions(parts) if short else parts)
    return Document(ids, trained, made.skill)


class _Pipe:
    """What workers write and the trainer reads. Without its other side a worker's next item ends it, too.

    A worker killed while it writes keeps its turn for good; then nothing comes any more and the reader gives up.

    Workers write into the pipe themselves. The threads of a multiprocessing.Queue would, and wait for their own busy
    interpreter at every turn: with hundreds of parts on the way it was empty a third of the time.
    """

    def __init__(self, context: Any) -> None:
        self._reader, self._writer = context.Pipe(duplex=False)
        self._turn = context.Lock()

    def only_write(self) -> None:
        """For a worker: a pipe that it could read from itself would never be without a reader."""
        self._reader.close()

    def only_read(self) -> None:
        """For the trainer, once all workers have been started."""
        self._writer.close()

    def put(self, item: Any) -> None:
        """Writes an item.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        with self._turn:
            self._writer.send_bytes(data)

    def get(self) -> Any:
        """The next item.

        Raises:
            EOFError: Nobody writes any more.
        """
        return pickle.loads(self._reader.recv_bytes())


def _work(out: _Pipe, path: Path, n_token: int, name: str, mix: Sequence[Any]) -> None:
    os.nice(5)
    out.only_write()
    encoder, rng = tokenizers.load(path), random.Random(name)
    short, first, late = mix
    packer = Packer(ROWS, n_token, tokenizers.CONTROL.index(tokenizers.PAD), rng)
    n = failed = 0
    while True:
        n += 1
        try:
            drawn = example(rng, "train", first=first.value, late=bool(late.value))
            made = document(encoder, drawn, short=rng.random() < short.value)
        except Exception as reason:  # one conversation in a million is no reason to lose a run, many are
            traceback.print_exc()
            failed += 1
            if failed >= max(MOST_FAILED, n / 1000):
                out.put(RuntimeError(f"a worker gave up after {failed} conversations: {reason!r}"))
                raise
            continue
        if len(made.ids) > n_token:
            continue
        packed = packer.add(made)
        if packed is not None:
            try:
                out.put((packed.tokens, packed.roles, packed.first))
            except BrokenPipeError:  # the trainer was killed
                return


def _pour(rows: Any, ready: queue.Queue[Any]) -> None:
    """Takes what comes out of the pipe, so that it is there when asked for; what can not be read ends it."""
    while True:
        try:
            ready.put(rows.get())
        except EOFError:
            ready.put(RuntimeError("all workers have ended"))
            return
        except Exception as reason:  # noqa: BLE001 - the reader raises it
            ready.put(reason)
            return


class Replay:
    """Items of a queue. Those it does not have in time, earlier ones replace: a GPU costs more than a row seen twice.

    Attributes:
        n_again: How many have.
    """

    def __init__(self, items: Any, n_kept: int, seed: str) -> None:
        """`n_kept`: waits until it has seen so many, then repeats one of the older half of the last so many."""
        self._items, self._kept, self._rng = items, deque[Any](maxlen=n_kept), random.Random(seed)
        self.n_again = self._n_in_row = 0

    def get(self) -> Any:
        """The next item.

        Raises:
            Exception: It came out of the queue.
            RuntimeError: Nothing has come for two minutes, or only repeats for minutes.
        """
        n_kept = self._kept.maxlen or 0
        first = len(self._kept) < n_kept
        try:
            item = self._items.get(block=first, timeout=PATIENCE_S if first else None)
        except queue.Empty:
            self.n_again += 1
            self._n_in_row += 1
            if first or self._n_in_row > MOST_AGAIN:
                raise RuntimeError("no new rows for a long time: the workers have ended or hang") from None
            return self._kept[self._rng.randrange(-(-n_kept // 2))]
        if isinstance(item, Exception):
            raise item
        self._n_in_row = 0
        self._kept.append(item)
        return item


class Loader:
    """Batches of rows from worker processes. Start it early: workers are busy while kernels compile."""

    def __init__(self, path: Path, *, n_row: int, n_token: int, n_worker: int, seed: str) -> None:
        """`path`: tokenizer.json. Another `seed` gives other conversations. All prompts are whole and nothing comes
        first or late until `mix`."""
        if n_row % ROWS:
            raise ValueError(f"batches of {n_row} rows: they must be a multiple of {ROWS}")
        context = mp.get_context("fork")
        self._parts = n_row // ROWS
        self._ready: queue.Queue[Any] = queue.Queue(maxsize=READY * self._parts)
        self.source = Replay(self._ready, KEPT, seed)
        rows = _Pipe(context)
        self._mix = tuple(context.Value("d", 0.0) for _ in range(3))
        of_all = (rows, path, n_token)
        self._workers = [
            context.Process(target=_work, args=(*of_all, f"{seed}/{i}", self._mix), daemon=True)
            for i in range(n_worker)
        ]
        for worker in self._workers:
            worker.start()
        rows.only_read()
        threading.Thread(target=_pour, args=(rows, self._ready), daemon=True).start()

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        """tokens, roles and first blocks, as in `Packed`. What workers have not made in time, earlier parts replace.

        Raises:
            Exception: What made a worker give up.
            RuntimeError: All of them have ended.
        """
        while True:
            parts = [self.source.get() for _ in range(self._parts)]
            yield tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def mix(self, *, short: float, first: float, late: bool) -> None:
        """What workers write from now on.

        Args:
            short: The share of prompts without the instructions that all with tools have.
            first: The share of what is learned first (`training.data.mixture.FIRST`).
            late: Whether skills come as often as in the last part of the schedule (`training.data.mixture.LATE`).
        """
        for shared, value in zip(self._mix, (short, first, late), strict=True):
            shared.value = value

    @property
    def waiting(self) -> int:
        """Parts of batches that are ready."""
        return self._ready.qsize()

    def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.terminate()


def ahead(source: Iterable[Any], prepare: Callable[[Any], Any], n: int = 8) -> Iterator[Any]:
    """`prepare` of each item, computed by a thread at most `n` + 1 items before it is asked for.

    Raises:
        Exception: Whatever the source or `prepare` raised, where that item would have come.
    """
    ready: queue.Queue[tuple[Any, Exception | None]] = queue.Queue(maxsize=n)
    end = object()

    def work() -> None:
        try:
            for item in source:
                ready.put((prepare(item), None))
            ready.put((end, None))
        except Exception as reason:  # noqa: BLE001 - the reader raises it
            ready.put((None, reason))

    threading.Thread(target=work, daemon=True).start()
    while True:
        item, failed = ready.get()
        if failed is not None:
            raise failed
        if item is end:
            return
        yield item


def heldout(path: Path, *, per_skill: int, n_row: int, n_token: int, seed: int) -> list[Packed]:
    """Held-out conversations of every skill in full batches."""
    encoder, rng = tokenizers.load(path), random.Random(seed)
    documents = [document(encoder, by_skill(skill, rng, "heldout")) for skill in SKILLS for _ in range(per_skill)]
    documents = [d for d in documents if len(d.ids) <= n_token]
    batches = []
    while documents:
        packed, documents = pack(documents, n_row, n_token, tokenizers.CONTROL.index(tokenizers.PAD))
        batches.append(packed)
    return batches

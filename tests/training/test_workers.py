"""Workers that make training's rows: what they write arrives, their end is seen, and none outlives the trainer."""

from __future__ import annotations

import multiprocessing as mp
import os
import select
import time
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import loader
from training.loader import Loader

ONE = np.zeros((loader.ROWS, 4), np.uint16)


def started(monkeypatch: pytest.MonkeyPatch, n_item: int | None) -> Loader:
    """A loader with two workers that write so many items each; without end if None."""

    def work(out: Any, *rest: Any) -> None:
        out.only_write()
        n = 0
        while n_item is None or n < n_item:
            n += 1
            try:
                out.put((ONE, ONE, ONE))
            except BrokenPipeError:
                return

    monkeypatch.setattr(loader, "_work", work)
    return Loader(Path("none"), n_row=loader.ROWS, n_token=4, n_worker=2, seed="s")


def test_what_workers_write_arrives_and_their_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "KEPT", 6)
    monkeypatch.setattr(loader, "MOST_AGAIN", 1 << 40)
    deadline = time.monotonic() + 60
    batches = iter(started(monkeypatch, 3))
    assert [len(next(batches)) for _ in range(6)] == [3] * 6
    with pytest.raises(RuntimeError, match="all workers have ended"):
        all(time.monotonic() < deadline for _ in batches)


def test_workers_learn_what_to_write_from_now_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(out: Any, path: Path, n_token: int, name: str, mix: Any) -> None:
        out.only_write()
        while True:
            now = np.full((loader.ROWS, 3), [shared.value for shared in mix])
            try:
                out.put((now, now, now))
            except BrokenPipeError:
                return

    monkeypatch.setattr(loader, "_work", work)
    monkeypatch.setattr(loader, "KEPT", 2)
    rows = Loader(Path("none"), n_row=loader.ROWS, n_token=4, n_worker=1, seed="s")
    try:
        batches = iter(rows)
        assert next(batches)[0][0].tolist() == [0, 0, 0]
        rows.mix(short=0.75, first=0.25, late=True)
        deadline = time.monotonic() + 60
        in_time = takewhile(lambda _: time.monotonic() < deadline, batches)
        assert any(batch[0][0].tolist() == [0.75, 0.25, 1] for batch in in_time)
    finally:
        rows.close()


def test_workers_end_when_the_trainer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    context = mp.get_context("fork")
    reader, writer = os.pipe()  # the trainer and its workers have it open while they live
    ready = context.Event()

    def train() -> None:
        os.close(reader)
        batches = iter(started(monkeypatch, None))
        while True:
            next(batches)
            ready.set()

    trainer = context.Process(target=train)
    trainer.start()
    os.close(writer)
    assert ready.wait(60)
    trainer.kill()
    trainer.join()
    ended, _, _ = select.select([reader], [], [], 60)
    assert ended
    assert os.read(reader, 1) == b""
    os.close(reader)

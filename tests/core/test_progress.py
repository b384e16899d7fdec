"""Bars: drawn for what takes long, right while they are there, gone afterwards, and never where nobody looks."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import threading

import pytest

from ds4_core import Engine, PrefillProgress, progress, registry, scoring, streams
from ds4_core.progress import Board


@pytest.fixture
def board(monkeypatch):
    """A board that draws into memory, at once, and only when the test says so."""
    board = Board(wanted=lambda: True, file=io.StringIO(), delay_s=0)
    monkeypatch.setattr(board, "_start", lambda: None)
    for module in (streams, scoring, registry):
        monkeypatch.setattr(module, "BOARD", board)
    return board


def last_bar(board, name):
    """The text of a bar as it was drawn last."""
    frames = re.split(r"[\r\n]", board._file.getvalue())
    return [frame for frame in frames if name in frame][-1]


def test_a_prompt_shows_how_much_of_it_is_computed(board, engine):
    prompt = engine.model.tokenize("A long prompt. " * 300)
    engine.clear_prefix_cache()
    seen = []
    with engine.generate(prompt, max_tokens=1) as stream:
        for event in stream:
            if isinstance(event, PrefillProgress) and event.done < event.total:
                stream._work.at = event.done  # as it was when this was told; meanwhile it went on
                assert board.paint()
                seen.append(event.done)
                assert f"{event.done / event.total:.0%}" in last_bar(board, "prefill")
    assert len(seen) >= 2
    assert not board.paint()
    assert board._bars == {}


def test_several_requests_show_how_many_are_done(board, engine):
    prompt = engine.model.tokenize("Hello")
    streams_ = [engine.generate(prompt, max_tokens=200, ignore_eos=True).start() for _ in range(4)]
    assert board.paint()
    assert "0/4" in last_bar(board, "requests")
    for stream in streams_[:3]:
        for _ in stream:
            pass
    assert board.paint()
    assert "3/4" in last_bar(board, "requests")
    for _ in streams_[3]:
        pass
    assert not board.paint()
    assert board._bars == {}


def test_one_request_after_the_other_is_no_batch(board, engine):
    prompt = engine.model.tokenize("Hello")
    for _ in range(3):
        list(engine.generate(prompt, max_tokens=2))
        assert not board.paint()
    assert "requests" not in board._file.getvalue()


async def test_awaited_requests_and_scores_are_seen_too(board, engine):
    prompt = engine.model.tokenize("Hello there")
    stream = await engine.agenerate(prompt, max_tokens=2).start()
    assert len(board._works) == 1
    async for _ in stream:
        pass
    await asyncio.to_thread(engine.score, prompt, [prompt, prompt])
    assert len(board._works) == 3
    assert not board.paint()


def test_a_dropped_stream_leaves_the_board(board, engine):
    stream = engine.generate(engine.model.tokenize("Hello"), ignore_eos=True).start()
    assert board.paint()
    work = stream._work
    ended = threading.Event()
    work.on_end(ended.set)
    if work.finished:
        ended.set()
    del stream, work
    assert ended.wait(120)
    assert not board.paint()


def test_opening_a_model_shows_its_name_while_it_lasts(board, tiny_path):
    with board.opening(str(tiny_path)):
        assert board.paint()
        assert "opening ds4-tiny.gguf (0.0 GB) [00:00]" in last_bar(board, "opening")
    assert not board.paint()
    with Engine(n_batch=77) as engine:  # options that nobody else has: it is really opened
        engine.open()
    assert board._openings == {}


def test_what_is_over_soon_gets_no_bar(engine):
    board = Board(wanted=lambda: True, file=io.StringIO(), delay_s=3600)
    board._start = lambda: None
    stream = engine.generate(engine.model.tokenize("Hello"), max_tokens=50, ignore_eos=True).start()
    board.watch(stream._work)
    with board.opening("x.gguf"):
        board.paint()
    assert board._file.getvalue() == ""


def test_its_thread_draws_and_ends_by_itself():
    drawn = threading.Event()

    class File(io.StringIO):
        def write(self, text):
            drawn.set()
            return super().write(text)

    board = Board(wanted=lambda: True, file=File(), delay_s=0)
    with board.opening("x.gguf"):
        thread = board._thread
        assert drawn.wait(120)
    thread.join(120)
    assert not thread.is_alive()
    assert board._bars == {}
    with board.opening("y.gguf"):
        assert board._thread is not thread
    board.close()
    assert not board._thread.is_alive()


def test_a_stderr_that_fails_ends_the_drawing_and_nothing_else():
    class File(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    board = Board(wanted=lambda: True, file=File(), delay_s=0)
    with board.opening("x.gguf"):
        board._thread.join(120)
        assert not board._thread.is_alive()
    closed = io.StringIO()
    closed.close()
    board = Board(wanted=lambda: True, file=closed, delay_s=0)
    with board.opening("x.gguf"):
        thread = board._thread
    thread.join(120)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("said", "terminal", "wanted"),
    [("", True, True), ("", False, False), ("0", True, False), ("off", True, False), ("1", False, True)],
)
def test_bars_are_for_terminals_unless_the_environment_says_otherwise(monkeypatch, said, terminal, wanted):
    monkeypatch.setenv("DS4_PROGRESS", said)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert progress.is_wanted() is wanted


def test_bars_are_for_notebooks(monkeypatch):
    class ZMQInteractiveShell:
        pass

    class IPython:
        get_ipython = staticmethod(ZMQInteractiveShell)

    monkeypatch.delenv("DS4_PROGRESS", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert progress.is_wanted()


def test_a_program_without_a_terminal_stays_silent_and_loads_no_tqdm(tmp_path):
    code = (
        "import sys\n"
        "from ds4_core import Engine\n"
        "with Engine() as engine:\n"
        "    list(engine.generate(engine.model.tokenize('Hello'), max_tokens=3))\n"
        "print('tqdm' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DS4_PROGRESS"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert (result.stdout, result.stderr) == ("False\n", "")

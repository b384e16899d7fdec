"""Bars for what takes long: opening a model, computing long prompts, many requests. On terminals and in notebooks only.

Nothing on the way of a token knows of them. What begins is entered in `BOARD`; while something is entered, a thread of
its own looks a few times a second how far it is, and draws what has taken longer than a second. Bars go to stderr and
vanish when they are done. The environment variable `DS4_PROGRESS` switches them off (`0`) or on (`1`), whatever stderr
is.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TextIO

#: What is over sooner gets no bar.
DELAY_S: Final = 1.0

_INTERVAL_S: Final = 0.2

#: Keeps tqdm from drawing a bar before it knows how far things are.
_NOT_AT_ONCE: Final = 1e-9

_PLAIN: Final = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
_WITH_SPEED: Final = _PLAIN[:-1] + ", {rate_noinv_fmt}]"


class Progressing(Protocol):
    """A generation, as far as its progress goes. Read from another thread while it changes."""

    n_prompt: int
    at: int
    asked_at: float
    finished: bool


def is_wanted() -> bool:
    """Whether somebody is there to look: in a notebook, or with stderr on a terminal, unless `DS4_PROGRESS` says it."""
    said = os.environ.get("DS4_PROGRESS", "").strip().lower()
    if said:
        return said not in ("0", "off", "no", "false")
    if _in_notebook():
        return True
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


def _in_notebook() -> bool:
    # IPython is asked only when somebody else has imported it.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython is not None and type(get_ipython()).__name__ == "ZMQInteractiveShell"


class _Screen:
    """Where bars are drawn. What can not be written is dropped: tqdm keeps a lock for ever when writing raises."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.broken = False

    def write(self, text: str) -> None:
        """Writes, or notes that nobody looks any more."""
        try:
            self._file.write(text)
        except (OSError, ValueError):
            self.broken = True

    def flush(self) -> None:
        """As `write`."""
        try:
            self._file.flush()
        except (OSError, ValueError):
            self.broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _new_bar(screen: _Screen | None, position: int, **options: Any) -> Any:
    # Widgets where the notebook can show them; else text, which works everywhere.
    options |= {"leave": False, "mininterval": 0, "miniters": 1, "delay": _NOT_AT_ONCE}
    if screen is None:
        from tqdm.notebook import tqdm_notebook as kind
    else:
        from tqdm.std import tqdm as kind

        options |= {"file": screen, "position": position, "dynamic_ncols": True}
    # Apart from all other bars of the process: tqdm's own lock may be held by anybody, also by a thread that a fork has
    # left behind, and a thread of tqdm's that redraws is not needed.
    apart = {"monitor_interval": 0, "_lock": threading.RLock(), "_instances": weakref.WeakSet()}
    return type("Bar", (kind,), apart)(**options)


def _shows_widgets() -> bool:
    if not _in_notebook():
        return False
    try:
        import ipywidgets  # noqa: F401
        import tqdm.notebook  # noqa: F401
    except ImportError:
        return False
    return True


class Board:
    """What is going on in this process, and its bars."""

    def __init__(
        self, *, wanted: Callable[[], bool] = is_wanted, file: TextIO | None = None, delay_s: float = DELAY_S
    ) -> None:
        """An empty board.

        Args:
            wanted: Whether anything is to be drawn, asked whenever something begins.
            file: Where bars are drawn; None is stderr, or the notebook.
            delay_s: What is over sooner gets no bar.
        """
        self._wanted = wanted
        self._file = file
        self._delay_s = delay_s
        self._reset()

    def _reset(self) -> None:
        # Changed by single operations of built-in types only, so that nobody who computes waits for who draws.
        self._works: set[weakref.ref[Progressing]] = set()
        self._openings: dict[object, tuple[str, float]] = {}
        self._begun = 0  # requests since the board was empty
        self._began_at = 0.0
        self._bars: dict[str, Any] = {}
        self._screen: _Screen | None = None
        self._painting = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, work: Progressing) -> None:
        """Enters a generation. It leaves by itself when it is finished or dropped."""
        if self._wanted() and not self._broken:
            self._works.add(weakref.ref(work))
            self._begun += 1
            self._start()

    @contextmanager
    def opening(self, path: str) -> Iterator[None]:
        """While a model is opened."""
        if not self._wanted() or self._broken:
            yield
            return
        key = object()
        self._openings[key] = (_file_text(path), time.monotonic())
        self._start()
        try:
            yield
        finally:
            self._openings.pop(key, None)

    def paint(self) -> bool:
        """Draws what there is to draw now; False when the board is empty."""
        now = time.monotonic()
        works = []
        for entry in list(self._works):
            work = entry()
            if work is None or work.finished:
                self._works.discard(entry)
            else:
                works.append(work)
        if not self._began_at:
            self._began_at = min((work.asked_at for work in works), default=0.0)
        self._paint_opening(now)
        self._paint_prefill(works, now)
        self._paint_requests(len(works), now)
        if self._works or self._openings:
            return True
        self._begun, self._began_at = 0, 0.0
        self._close_all()
        return False

    def _paint_opening(self, now: float) -> None:
        openings = list(self._openings.values())
        age = now - min((since for _, since in openings), default=now)
        if openings and age >= self._delay_s:
            bar = self._bar("opening", age, bar_format="{desc} [{elapsed}]")
            bar.set_description_str(f"opening {', '.join(text for text, _ in openings)}", refresh=False)
            bar.refresh()
        else:
            self._close("opening")

    def _paint_prefill(self, works: list[Progressing], now: float) -> None:
        under_way = [work for work in works if work.at < work.n_prompt]
        age = max((now - work.asked_at for work in under_way), default=0.0)
        if under_way and age >= self._delay_s:
            bar = self._bar("prefill", age, desc="prefill", unit=" tokens", unit_scale=True, bar_format=_WITH_SPEED)
            bar.total = sum(work.n_prompt for work in under_way)
            bar.n = sum(min(work.at, work.n_prompt) for work in under_way)
            bar.refresh()
        else:
            self._close("prefill")

    def _paint_requests(self, n_live: int, now: float) -> None:
        age = now - self._began_at
        if n_live and self._begun > 1 and age >= self._delay_s:
            bar = self._bar("requests", age, desc="requests", bar_format=_PLAIN)
            bar.total = self._begun
            bar.n = self._begun - n_live
            bar.refresh()
        else:
            self._close("requests")

    def _bar(self, name: str, age: float, **options: Any) -> Any:
        # `age`: seconds since that began, which was before the bar came.
        if name not in self._bars:
            if self._screen is None and (self._file is not None or not _shows_widgets()):
                self._screen = _Screen(self._file or sys.stderr)
            self._bars[name] = _new_bar(self._screen, len(self._bars), **options)
            self._bars[name].start_t -= age
        return self._bars[name]

    def _close(self, name: str) -> None:
        if (bar := self._bars.pop(name, None)) is not None:
            bar.close()

    def _close_all(self) -> None:
        for name in list(self._bars):
            self._close(name)

    def _start(self) -> None:
        if not self._painting:
            # Of two threads that come here at once both may start one: then both draw the same, and both end.
            self._painting = True
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="ds4-progress", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        # What comes in just when this ends gets its bars with the next that begins.
        while not self._stop.wait(_INTERVAL_S) and self.paint() and not self._broken:
            pass
        self._painting = False

    @property
    def _broken(self) -> bool:
        return self._screen is not None and self._screen.broken

    def close(self) -> None:
        """Takes all bars away and ends the thread. A thread that writes while the interpreter ends would crash it."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1)
        self._close_all()


def _file_text(path: str) -> str:
    try:
        size = os.path.getsize(path)
    except OSError:
        return os.path.basename(path)
    return f"{os.path.basename(path)} ({size / 1e9:.1f} GB)"


#: The one of this process.
BOARD: Final = Board()

atexit.register(BOARD.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BOARD._reset)

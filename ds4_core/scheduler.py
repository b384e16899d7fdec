"""One thread per native engine: it admits requests, batches everything that is to be computed, and hands out tokens."""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from ds4_core.admission import Admission
from ds4_core.deadlines import Deadlines
from ds4_core.errors import (
    DS4Error,
    EngineClosedError,
    GenerationCancelled,
    GenerationTimeoutError,
    InternalError,
    OutOfMemoryError,
)
from ds4_core.generation import LOOKAHEAD, Generation
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.step import Lane, Step
from ds4_core.types import CancelFlag
from ds4_core.work import SessionWork, Steps, Work, serving

_LOG = logging.getLogger(__name__)

#: How often raised flags are looked for while nothing computes.
_LOOK_AT_FLAGS_S = 0.05

#: Longest wait without a look around. A queue takes no longer ones than some centuries.
_LONGEST_WAIT_S = 3600.0


class Scheduler:
    """Serves a native engine.

    Every forward is a span of its steps: a step computes one token of every generation that is decoding and a share of
    the token budget for every prompt. It never holds the GIL while the engine computes. What callers ask goes through
    one queue; everything else here belongs to the thread, so there is nothing to lock.
    """

    def __init__(self, shared: SharedEngine) -> None:
        """Starts no thread yet."""
        self._shared = shared
        self._native = shared.native
        self._options = shared.options
        self._inbox: SimpleQueue[object] = SimpleQueue()  # what is no work just wakes the thread
        #: Like `nudge`, with any argument; a call of C code, which no exception of a signal handler tears apart.
        self.wake: Callable[[object], None] = self._inbox.put
        self._serves = threading.Lock()  # taken once, by the thread that serves
        self._thread: threading.Thread | None = None
        self._stopping = CancelFlag()
        self._stopped = False
        self._ops: deque[SessionWork[Any]] = deque()  # in the order they were asked
        self._running: list[Generation] = []  # in the order they were admitted
        self._paused: list[Generation] = []
        self._telling: list[Generation] = []  # those who have told something that is not handed out
        self._step = Step(shared, self._stopping)
        self._deadlines = Deadlines()
        self._admission = Admission(shared, self._running, self._paused)

    @classmethod
    def of(cls, shared: SharedEngine) -> Scheduler:
        """The one of this native engine."""
        found = shared.scheduler
        if found is None:
            # Of two threads that come first, both get the one that is entered.
            found = shared.set_scheduler(cls(shared))
        assert isinstance(found, cls)  # noqa: S101
        return found

    # -- for callers, from any thread ----------------------------------------------------------------------------------

    def submit(self, work: Work[Any]) -> None:
        """Asks for something. It is finished later, in any case; `QueueFullError` is one of its ends.

        Raises:
            ForkedProcessError: This process did not open the engine.
        """
        self.check_process()
        if self._thread is None and not self._stopped:
            self._start()
        try:
            work.asked = True  # with no place for a signal handler before the next call, which is one of C code
            self._inbox.put(work)
        finally:
            if self._stopped:
                self._refuse_inbox()
                self._inbox.put(None)  # what wakes the thread was taken as well

    def check_process(self) -> None:
        """Raises ForkedProcessError in a process without its thread."""
        self._shared.check_process()

    def nudge(self) -> None:
        """Makes it look at flags and backlogs again; never waits."""
        if not self._shared.is_foreign:
            self._inbox.put(None)

    def stop(self) -> None:
        """Ends everything that is under way with EngineClosedError. Never waits; may be called any number of times."""
        self._stopping.set()
        self._stopped = True
        if self._shared.is_foreign:
            return
        if self._thread is None:
            self._refuse_inbox()
        self._inbox.put(None)

    def join(self, timeout: float) -> None:
        """Waits for the end of the thread after `stop`."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def call(self, function: Callable[..., int], *arguments: Any) -> None:
        """On its thread: a native call with a `ds4x_error *` as the last argument, made again while that makes room.

        Raises:
            DS4Error: It failed.
        """
        err = self._native.new_error()
        while code := function(*arguments, err):
            error = self._native.exception(code, self._native.message(err))
            if not (isinstance(error, OutOfMemoryError) and self.make_room()):
                raise error

    def make_room(self) -> bool:
        """On its thread: drops a prefix that nobody uses; False when there is none."""
        return self._admission.make_room()

    def clear_prefixes(self, is_closed: Callable[[], bool]) -> SessionWork[None]:
        """Work that drops every checkpoint that requests have left; not submitted yet."""

        def steps(ptr: CData) -> Steps[None]:
            self._admission.tree.clear()
            return
            yield

        return SessionWork((), steps, is_closed)

    def _start(self) -> None:
        # A daemon: a program may end without closing its engines; see _stop_all. Of several that callers start at the
        # same time, or after one was interrupted here, the first one that runs serves and the others end.
        threading.Thread(target=self._run, name="ds4-scheduler", daemon=True).start()

    def _refuse_inbox(self) -> None:
        try:
            while True:
                work = self._inbox.get_nowait()
                if isinstance(work, Work):
                    work.finish(error=self._closed_error())
        except Empty:
            pass

    def _closed_error(self) -> EngineClosedError:
        return EngineClosedError(f"the engine for {self._shared.path} was closed")

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        if not self._serves.acquire(blocking=False):
            return
        self._thread = threading.current_thread()
        serving.here = True
        _live.add(self)
        try:
            while not self._stopped:
                self._take(self._inbox.get())
                if not self._stopped and self._busy():
                    self._serve_safely()
        finally:
            self._stopped = True
            self._end_all(self._closed_error)
            self._refuse_inbox()
            self._step.close()
            self._deadlines.close()

    def _serve_safely(self) -> None:
        # Whoever waits must not wait for ever, whatever fails. After a failure everything begins anew.
        try:
            with self._shared.pinned() as ptr:
                try:
                    self._serve(ptr)
                except BaseException as failure:  # noqa: BLE001 - nobody above would tell
                    with suppress(Exception):  # of a handler
                        _LOG.exception("the scheduler of %s failed", self._shared.path)
                    reason = f"the scheduler failed, everything under way was ended: {failure!r}"
                    self._end_all(lambda: InternalError(reason))
                    self._step.close()
                    self._step = Step(self._shared, self._stopping)
                if self._stopped:  # while the engine is still there
                    self._end_all(self._closed_error)
        except EngineClosedError:  # before it could be pinned
            self._stopped = True

    def _busy(self) -> bool:
        return bool(self._ops or self._running or self._admission.waiting or self._paused)

    def _serve(self, ptr: CData) -> None:
        # Until there is nothing left to do. The compute lock keeps finalizers from freeing sessions meanwhile.
        shared = self._shared
        while not self._stopped:
            with shared.compute_lock:
                self._drain_inbox()
                self._drop_ended()
                if self._ops or self._admission.waiting:  # that may take long
                    self._hand_out()
                self._start_ops(ptr)
                self._resume()
                self._pause_those_ahead()
                self._admission.admit(ptr)
                self._begin_guides()
                computed = self._compute(ptr)
            shared.free_dropped()
            if computed or self._stopped:
                continue
            # Nobody who has ended is kept alive by what the last step was made of.
            self._step.clear()
            if not self._busy():
                return
            self._wait()

    def _wait(self) -> None:
        # Nothing can be computed now: all wait for those who take their tokens. Something in the queue may change that.
        generations = self._generations()
        now = time.monotonic()
        wait = min((work.deadline - now for work in generations), default=math.inf)
        if any(work.cancel is not None for work in generations):
            wait = min(wait, _LOOK_AT_FLAGS_S)  # whoever raises his own flag does not call here
        del generations
        with suppress(Empty):
            self._take(self._inbox.get(timeout=min(max(0.0, wait), _LONGEST_WAIT_S)))

    def _drain_inbox(self) -> None:
        inbox = self._inbox
        while not inbox.empty():
            self._take(inbox.get_nowait())

    def _take(self, work: object) -> None:
        if isinstance(work, Generation):
            self._admission.enter(work)
            if work.deadline != math.inf:
                self._deadlines.watch(work)
        elif isinstance(work, SessionWork):
            self._ops.append(work)

    def _resume(self) -> None:
        # Those whose consumers have caught up.
        for generation in list(self._paused):
            if len(self._running) >= self._options.max_running:
                return
            if generation.backlog() < LOOKAHEAD // 2:
                self._paused.remove(generation)
                generation.paused = False
                self._running.append(generation)

    def _generations(self) -> list[Generation]:
        return [*self._running, *self._paused, *self._admission.waiting]

    # -- sessions ------------------------------------------------------------------------------------------------------

    def _start_ops(self, ptr: CData) -> None:
        # In order, at most one at a time of each session. Those with nothing to compute end here.
        taken: set[int] = set()
        for work in list(self._ops):
            sessions = {id(session) for session in work.sessions}
            error = self._why_op_ended(work)
            if error is not None and work.running is None:  # also before its turn
                self._ops.remove(work)
                work.finish(error=error)
            elif not sessions & taken:
                if work.running is None:
                    work.running = work.steps(ptr)
                    self._advance(work, None, None)
                elif error is not None:
                    self._advance(work, None, error)
            if not work.finished:
                taken |= sessions

    def _why_op_ended(self, work: SessionWork[Any]) -> DS4Error | None:
        if work.is_closed():
            reason = work.why_closed()
            return self._closed_error() if reason is None else EngineClosedError(reason)
        if work.running is None and work.given_up:
            return GenerationCancelled("cancelled before it began")
        return None

    def _advance(self, work: SessionWork[Any], logits: Any, error: BaseException | None) -> None:
        running = work.running
        assert running is not None  # noqa: S101
        work.feed = None
        try:
            work.feed = running.throw(error) if error is not None else running.send(logits)
        except StopIteration as stop:
            self._ops.remove(work)
            work.finish(stop.value)
        except BaseException as failure:  # noqa: BLE001 - it is the caller's
            self._ops.remove(work)
            work.finish(error=failure)

    # -- generations ---------------------------------------------------------------------------------------------------

    def _drop_ended(self) -> None:
        for generation in self._generations():
            error = self._why_ended(generation)
            if error is not None:
                self._end(generation, error)

    def _why_ended(self, generation: Generation) -> DS4Error | None:
        if self._stopped or generation.is_closed():
            return self._closed_error()
        cancel, deadline = generation.cancel, generation.deadline
        # First: what is overdue was given up for that reason.
        if deadline != math.inf and time.monotonic() >= deadline and not (cancel is not None and cancel.is_set()):
            return GenerationTimeoutError(
                f"the generation took longer than its timeout of {generation.request.timeout_s} s"
            )
        if generation.given_up or generation.owner() is None:
            return GenerationCancelled("the generation was cancelled")
        return None

    def _end(self, generation: Generation, error: BaseException | None) -> None:
        # error None: it has told its end already.
        for group in (self._running, self._paused, self._admission.waiting):
            if generation in group:
                group.remove(generation)
        try:
            self._admission.leave(generation)
        finally:
            if error is not None:
                generation.finish(error=error)

    # -- one step ------------------------------------------------------------------------------------------------------

    def _compute(self, ptr: CData) -> bool:
        """One forward over everything that can move; False when nothing can."""
        step = self._step
        feeding = [work for work in self._ops if work.feed is not None]
        moves = step.prepare(self._running, feeding, self._options.step_tokens)
        # Who is woken by it finds the GIL free, and this thread need not wake him again when it gives the GIL away.
        self._hand_out()
        if not moves:
            return False
        step.forward(ptr)
        # Rows first: whoever goes on may compute something, and with that they are gone. Failures last: they may take
        # the place of someone who has moved in this step.
        rows: dict[int, Any] = {}
        failed: list[tuple[int, DS4Error]] = []
        for index, (lane, n) in enumerate(step.lanes):
            error = step.error(index)
            if error is not None:
                failed.append((index, error))
            elif isinstance(lane, Generation):
                step.turn_to(ptr, index)
                self._generation_moved(lane, n)
            else:
                assert lane.feed is not None  # noqa: S101
                lane.feed.took(lane.feed.ids[lane.feed.at : lane.feed.at + n])
                lane.feed.at += n
                if lane.feed.at == len(lane.feed.ids):
                    rows[index] = step.logits(ptr, index) if lane.feed.wants_logits else None
        for index, row in rows.items():
            lane = step.lanes[index][0]
            assert isinstance(lane, SessionWork)  # noqa: S101
            self._advance(lane, row, None)
        self._fail([(step.lanes[index][0], error) for index, error in failed])
        return True

    def _fail(self, failed: list[tuple[Lane, DS4Error]]) -> None:
        room = False  # made for one of them: the others try again as well
        for lane, error in failed:
            short = isinstance(error, OutOfMemoryError) and not self._stopped
            if isinstance(lane, SessionWork):
                room = room or (short and self._admission.make_room())
                if not (short and room):
                    self._advance(lane, None, self._closed_error() if self._stopped else error)
            else:
                room = room or (short and self._admission.make_room_for(lane))
                if not (short and room):
                    self._end(lane, self._why_ended(lane) or error)

    def _pause_those_ahead(self) -> None:
        # A consumer that takes nothing does not keep the engine busy.
        ahead = [g for g in self._running if g.n_not_taken >= LOOKAHEAD and not g.prefilling and not g.given_up]
        if ahead:
            self._hand_out()
        for generation in ahead:
            if generation.backlog() < LOOKAHEAD:  # taken at once
                continue
            self._running.remove(generation)
            self._paused.append(generation)
            generation.paused = True
            if generation.backlog() < LOOKAHEAD // 2:  # taken meanwhile, by someone who did not see that it is paused
                self._inbox.put(None)

    def _hand_out(self) -> None:
        for generation in self._telling:
            generation.hand_out()
        self._telling.clear()

    def _begin_guides(self) -> None:
        for generation in [generation for generation in self._running if generation.must_begin]:
            try:
                generation.begin()
            except BaseException as failure:  # noqa: BLE001 - it is the caller's
                self._end(generation, failure)

    def _generation_moved(self, generation: Generation, n: int) -> None:
        self._telling.append(generation)
        try:
            covered = generation.reach(n)
            if generation.prefilling:
                generation.at += n
                self._admission.moved(generation)
                generation.emit_progress(generation.at)
            elif covered < 0:
                generation.pending -= n
            if covered < 0:
                return
            generation.take(covered, self._step.score, self._step.draw)
            self._admission.drew(generation)
            if not generation.ended:
                generation.look_ahead()
            if generation.ended:
                self._end(generation, None)
                generation.end()
        except BaseException as failure:  # noqa: BLE001 - it is the caller's
            if generation.keep is None:
                generation.keep = len(generation.tokens)  # more may be computed by now
            self._end(generation, failure)

    def _end_all(self, why: Callable[[], DS4Error]) -> None:
        # Each with an error of its own, and each whatever happens to the others. What they hold is freed first.
        self._step.clear()
        self._telling.clear()
        ending: list[Work[Any]] = [*self._ops, *self._generations()]
        running = [work.running for work in self._ops if work.running is not None]
        self._ops.clear()
        for steps in running:
            with suppress(BaseException):
                steps.close()
        try:
            self._admission.close()
        finally:
            for work in ending:
                work.finish(error=why())


_live: weakref.WeakSet[Scheduler] = weakref.WeakSet()


def _stop_all() -> None:
    # When the interpreter ends: a thread that comes back from libds4 then would find no interpreter to go on in.
    schedulers = list(_live)
    for scheduler in schedulers:
        scheduler.stop()
    for scheduler in schedulers:
        scheduler.join(10)


def _forget_after_fork() -> None:
    # The threads are not in the child.
    _live.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)

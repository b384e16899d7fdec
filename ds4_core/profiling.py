"""`Profile`: where the time of an engine's operations goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ds4_core.errors import EngineClosedError
from ds4_core.native import CData, Native
from ds4_core.types import OpTime
from ds4_core.work import SessionWork, Work


class Profile:
    """Times by operation, made by `Engine.profile` and `AsyncEngine.profile`."""

    def __init__(
        self, work: Callable[[bool | None], SessionWork[list[OpTime]]], submit: Callable[[Work[Any]], None]
    ) -> None:
        """`work` is what asks for `switch`; profiling is about to be on."""
        self._work = work
        self._submit = submit
        self._final: list[OpTime] | None = None

    @property
    def ops(self) -> list[OpTime]:
        """One entry per kind of operation: calls, nanoseconds, bytes of weights read. Waits for the current step.

        Raises:
            EngineClosedError: The engine was closed inside the `with` block.
        """
        return self._work(None).wait(self._submit) if self._final is None else self._final

    async def aops(self) -> list[OpTime]:
        """The same, awaited."""
        return await self._work(None).awaited(self._submit) if self._final is None else self._final

    def stop(self) -> None:
        """Ends profiling and keeps the numbers; none are left when the engine was closed meanwhile."""
        with suppress(EngineClosedError):
            work = self._work(False)
            work.settle(self._submit)
            self._keep(work)

    async def astop(self) -> None:
        """The same, awaited."""
        with suppress(EngineClosedError):
            work = self._work(False)
            await work.settled(self._submit)
            self._keep(work)

    def _keep(self, work: SessionWork[list[OpTime]]) -> None:
        self._final = work.outcome() if work.succeeded else []


def switch(native: Native, engine: CData, enable: bool | None) -> list[OpTime]:
    """The counters as they stand; then profiling is started with all at zero, stopped, or left alone (None)."""
    lib, err = native.lib, native.new_error()
    entries = native.ffi.new("ds4x_op_time[]", lib.ds4x_profile_read(engine, native.ffi.NULL, 0))
    count = min(len(entries), lib.ds4x_profile_read(engine, entries, len(entries)))
    ops = [
        OpTime(native.ffi.string(entry.name).decode(), entry.calls, entry.ns, entry.bytes) for entry in entries[0:count]
    ]
    if enable is not None:
        native.check(lib.ds4x_profile(engine, enable, err), err)
    return ops

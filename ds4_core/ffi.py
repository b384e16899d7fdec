"""cffi made safe to fork: a child never finds one of its locks held by a thread that it does not have.

cffi takes a lock whenever it meets a type or a function for the first time, and one for all of C parsing. A fork in
that moment would leave the child with a lock that nobody releases, so a fork waits until no thread is inside.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import cffi

#: Longest wait of a fork in seconds. Only a fork from a signal handler or finalizer inside cffi waits that long.
_WAIT_S: Final = 5.0

# The first is held while an FFI is made, the others are those of the FFIs, in the order in which they were made.
_locks: list[Any] = [threading.Lock()]
_held = threading.local()


def new_ffi() -> Any:
    """A `cffi.FFI` that forks may happen beside."""
    with _locks[0]:
        ffi = cffi.FFI()
        _locks.append(ffi._lock)
        return ffi


def _wait_before_fork() -> None:
    _held.locks = []
    for lock in tuple(_locks):
        if lock.acquire(timeout=_WAIT_S):
            _held.locks.append(lock)


def _release_after_fork() -> None:
    for lock in reversed(_held.__dict__.pop("locks", [])):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_wait_before_fork, after_in_parent=_release_after_fork, after_in_child=_release_after_fork
    )

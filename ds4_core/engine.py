"""`Engine`: a model with its weights, opened when first needed and shared inside a process."""

from __future__ import annotations

import logging
import os
import warnings
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from ds4_core import registry
from ds4_core.batch import Batch
from ds4_core.errors import EngineClosedError, InvalidRequestError
from ds4_core.model import Model, memory_use, read_info, read_memory_estimate
from ds4_core.models import catalogue
from ds4_core.sampling import random_seed
from ds4_core.session import Session
from ds4_core.types import (
    Backend,
    CancelFlag,
    ContextSizeWarning,
    EngineInfo,
    Isa,
    KvDtype,
    MemoryUse,
    OpTime,
    Span,
    SpanResult,
    checked_bool,
    checked_int,
)

if TYPE_CHECKING:
    from ds4_core.chat.events import Event
    from ds4_core.chat.request import ChatRequest

#: Context of a session when nobody says otherwise: what the file was trained for, at most this many tokens.
DEFAULT_N_CTX = 32768

_MAX_I32 = 2**31 - 1

_LOG = logging.getLogger(__name__)


class _Holdings:
    """What an `Engine` holds of the registry, apart from it so that its finalizer can give it back.

    Only single dict operations change it, which are atomic: no lock that a fork could leave held.
    """

    def __init__(self) -> None:
        self.leases: dict[str, registry.Lease] = {}
        self.models: dict[str, Model] = {}
        self.closed = False
        self.warned_context = False

    def close(self) -> None:
        self.closed = True
        model = self.models.get("model")
        if model is not None:
            model.close()
        self.release()

    def release(self) -> None:
        # When the handle was dropped: a model that was given out has a share of its own and works on.
        lease = self.leases.get("engine")
        if lease is not None:
            lease.release()
            self.leases.pop("engine", None)
        self.models.pop("model", None)


class Engine:
    """A model that computes.

    Making an `Engine` checks its arguments and finds the file, nothing more: it costs microseconds and no memory. The
    file is opened at the first call that needs it, from any thread, and every `Engine` in the process with the same
    file and the same options uses the same native engine. Context size, seed and sampling belong to sessions and
    requests.

    `close()`, leaving the `with` block or dropping the last reference gives the share back; the last share frees the
    native engine. After `os.fork()` an engine that was open in the parent raises `ForkedProcessError` in the child.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "ds4-tiny",
        *,
        backend: Backend = "auto",
        n_threads: int = 0,
        exact: bool = False,
        kv_dtype: KvDtype = "auto",
        kv_simulation: bool = False,
        isa: Isa = "auto",
        n_batch: int = 0,
        repack: bool = False,
        kv_bytes_max: int = 0,
    ) -> None:
        """Describes an engine.

        Args:
            model: A name of the catalogue (`"ds4-tiny"`) or the path of a `.gguf` file.
            backend: "auto" takes the best that works on this machine.
            n_threads: CPU threads, at most 1024; 0 is one per usable processor. Results do not depend on it.
            exact: Compute with f32 activations and f32 KV rows, nothing rounded on the way.
            kv_dtype: How KV rows are stored; "auto" is f32 when exact, else f16.
            kv_simulation: Round KV rows as the released model was trained (E4M3, indexer rows E2M1).
            isa: CPU instruction set; anything but "auto" is for tests and comparisons.
            n_batch: Most tokens computed at once; 0 is libds4's default (512). Results do not depend on it.
            repack: Allow copying weights into a faster layout.
            kv_bytes_max: Most bytes of KV pages and session state; 0 is no limit.

        Raises:
            InvalidRequestError: An option is not one of its choices or out of range.
            ModelNotFoundError, ModelFileError: `model` is neither a known name nor a file.
        """
        for name, value, choices in (
            ("backend", backend, get_args(Backend)),
            ("kv_dtype", kv_dtype, get_args(KvDtype)),
            ("isa", isa, get_args(Isa)),
        ):
            if not isinstance(value, str) or value not in choices:
                raise InvalidRequestError(f"{name} is {value!r}: it must be one of {', '.join(map(repr, choices))}")
        self._start(
            registry.OpenOptions(
                path=catalogue.resolve(model),
                backend=backend,
                n_threads=checked_int("n_threads", n_threads, 0, 1024),
                exact=checked_bool("exact", exact),
                kv_dtype=kv_dtype,
                kv_simulation=checked_bool("kv_simulation", kv_simulation),
                isa=isa,
                n_batch=checked_int("n_batch", n_batch, 0, 2**20),
                repack=checked_bool("repack", repack),
                kv_bytes_max=checked_int("kv_bytes_max", kv_bytes_max, 0, 2**63 - 1),
            )
        )

    def _start(self, options: registry.OpenOptions) -> None:
        self._options = options
        self._holdings = _Holdings()
        weakref.finalize(self, self._holdings.release)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as its options: what comes out is a handle of its own, not opened yet and not closed."""
        return _with_options, (type(self), self._options)

    # -- life ----------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Absolute path of the model file."""
        return self._options.path

    @property
    def is_open(self) -> bool:
        """True when this handle has opened the native engine and was not closed."""
        return "engine" in self._holdings.leases

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._holdings.closed

    def open(self) -> Self:
        """Opens the native engine now instead of at the first use.

        Raises:
            ModelFileError, ModelFormatError, InvalidModelError: The file can not be used; a later call tries again.
            UnsupportedError, OutOfMemoryError, BackendError: Nor the options or the backend.
            EngineClosedError: The handle was closed.
        """
        self._shared()
        return self

    def close(self) -> None:
        """Gives this handle's share back; its sessions stop working. Safe to call twice and from any thread.

        Computations that are under way end undisturbed.
        """
        self._holdings.close()

    def __enter__(self) -> Self:
        """Returns itself, still unopened."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """Names the file, the options that differ from their defaults, and the state."""
        plain = registry.OpenOptions(path="")
        options = [
            f", {name}={value!r}"
            for name in plain.__slots__
            if name != "path" and (value := getattr(self._options, name)) != getattr(plain, name)
        ]
        state = "closed" if self.closed else "open" if self.is_open else "not opened yet"
        return f"<Engine {self.path!r}{''.join(options)}, {state}>"

    def _shared(self) -> registry.SharedEngine:
        # The native engine of this handle, opened when nobody has.
        holdings = self._holdings
        lease = holdings.leases.get("engine")
        if lease is None:
            self._check_not_closed()
            catalogue.verify_once(self.path)
            mine = registry.acquire(self._options)
            lease = holdings.leases.setdefault("engine", mine)
            if lease is not mine:  # another thread was first
                mine.release()
            if holdings.closed:  # closed while opening
                holdings.close()
        self._check_not_closed()
        return lease.shared

    def _check_not_closed(self) -> None:
        if self._holdings.closed:
            raise EngineClosedError(f"the engine for {self.path} was closed")

    # -- facts ---------------------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """The file's facts and vocabulary. Loads no weights when the engine is not open yet.

        It works until `close()`; it outlives a handle that is only dropped.
        """
        holdings = self._holdings
        model = holdings.models.get("model")
        if model is None:
            self._check_not_closed()
            lease = holdings.leases.get("engine")
            mine = Model._of_engine(lease) if lease is not None else Model(self._path_as_model())
            model = holdings.models.setdefault("model", mine)
            if model is not mine:
                mine.close()
            if holdings.closed:
                holdings.close()
        self._check_not_closed()
        return model

    def _path_as_model(self) -> os.PathLike[str]:
        from pathlib import Path

        return Path(self.path)

    @property
    def info(self) -> EngineInfo:
        """What is in use (backend, instruction set, threads, KV dtype) and the model's sizes. Opens the engine."""
        return read_info(self._shared())

    @property
    def layers_computed(self) -> int:
        """Layers computed since the native engine was opened, once per layer and piece of a batch."""
        shared = self._shared()
        with shared.pinned() as ptr:
            return int(shared.native.lib.ds4x_layers_computed(ptr))

    def memory_used(self) -> MemoryUse:
        """What the native engine has allocated now, sessions of other handles included. Opens the engine."""
        shared = self._shared()
        native = shared.native
        memory, err = native.ffi.new("ds4x_memory *"), native.new_error()
        with shared.pinned() as ptr:
            native.check(native.lib.ds4x_memory_used(ptr, memory, err), err)
        return memory_use(memory)

    def memory_estimate(self, n_ctx: int, n_sessions: int = 1) -> MemoryUse:
        """What `n_sessions` sessions of this engine, each filled to `n_ctx` tokens and sharing nothing, take.

        Loads no weights when the engine is not open yet.

        Raises:
            InvalidRequestError: A number below 1 or beyond 2**31 - 1.
        """
        if self.is_open:
            return read_memory_estimate(self._shared(), n_ctx, n_sessions)
        self._check_not_closed()
        lease = registry.acquire(replace(self._options, vocab_only=True))
        try:
            return read_memory_estimate(lease.shared, n_ctx, n_sessions)
        finally:
            lease.release()

    @contextmanager
    def profile(self) -> Iterator[Profile]:
        """Times every operation inside the `with` block; read `.ops` in it or after it. Counters start at zero.

        Profiling is one switch per native engine: blocks of handles that share it must not overlap.
        """
        shared = self._shared()
        native = shared.native
        err = native.new_error()
        with shared.pinned() as ptr, shared.compute_lock:
            native.check(native.lib.ds4x_profile(ptr, 1, err), err)
        profile = Profile(shared)
        try:
            yield profile
        finally:
            profile.stop()

    # -- computing -----------------------------------------------------------------------------------------------------

    def session(self, n_ctx: int | None = None, *, seed: int | None = None) -> Session:
        """A new, empty timeline of tokens. Opens the engine.

        Args:
            n_ctx: Most tokens it may hold, 1 .. 2**31 - 1. A limit, not an allocation. Default: the file's
                context_length, at most `DEFAULT_N_CTX`. Beyond the file's context_length it works with a
                `ds4_core.types.ContextSizeWarning`.
            seed: Of its random numbers; None takes one from the operating system. `Session.seed` tells it.

        Raises:
            InvalidRequestError: `n_ctx` out of range, `seed` no integer.
            EngineClosedError, ForkedProcessError: The engine can not be used.
        """
        session = self._session(n_ctx, seed)
        if (excess := self._context_excess(session.n_ctx)) is not None:
            warnings.warn(excess, ContextSizeWarning, stacklevel=2)
        return session

    def session_for_request(self, n_ctx: int | None = None, *, seed: int | None = None) -> Session:
        """As `session`, for code that serves others: what `session` warns of is logged instead, once per handle."""
        session = self._session(n_ctx, seed)
        excess = self._context_excess(session.n_ctx)
        if excess is not None and not self._holdings.warned_context:
            self._holdings.warned_context = True
            _LOG.warning("%s", excess)
        return session

    def _context_excess(self, n_ctx: int) -> str | None:
        trained = self._shared().n_context_train
        if not trained or n_ctx <= trained:
            return None
        return f"n_ctx {n_ctx} is more than the {trained} tokens the model was made for: answers get worse there"

    def _session(self, n_ctx: int | None, seed: int | None) -> Session:
        shared = self._shared()
        if n_ctx is None:
            n_ctx = min(shared.n_context_train or DEFAULT_N_CTX, DEFAULT_N_CTX)
        n_ctx = checked_int("n_ctx", n_ctx, 1, _MAX_I32)
        native = shared.native
        out, err = native.ffi.new("ds4x_session **"), native.new_error()
        session = Session._adopt(self, shared, out, n_ctx, random_seed() if seed is None else seed)
        with shared.pinned() as ptr, shared.compute_lock:
            native.check(native.lib.ds4x_session_create(ptr, n_ctx, out, err), err)
        return session

    def forward(self, spans: Sequence[Span], *, cancel: CancelFlag | None = None) -> list[SpanResult]:
        """Appends tokens to several sessions in one batch and reads the wanted logits: the one way to compute.

        A span that can not be served (a bad token, a full context, cancelled, no memory) fails alone: its result
        carries the error, its session is unchanged, and the others do not notice. Logits do not depend on what else is
        in the batch.

        Args:
            spans: At least one; each session at most once.
            cancel: Stops all of them.

        Returns:
            One result per span, in order.

        Raises:
            InvalidRequestError: No span.
            EngineClosedError, ForkedProcessError: The engine can not be used.
        """
        if not spans:
            raise InvalidRequestError("forward needs at least one span")
        shared = self._shared()
        with shared.pinned() as ptr, shared.compute_lock:
            return Batch(shared, ptr, spans).run(cancel)

    # -- chat ----------------------------------------------------------------------------------------------------------

    def generate(self, request: ChatRequest, **options: Any) -> Iterator[Event]:
        """Answers a chat request: a stream of typed events, ending with `Finish`. See `ds4_core.chat`."""
        from ds4_core import scheduler

        return scheduler.generate(self, request, **options)

    def agenerate(self, request: ChatRequest, **options: Any) -> AsyncIterator[Event]:
        """The same stream, awaited. Takes the options of `generate`."""
        from ds4_core import aio

        return aio.agenerate(self, request, **options)


def _with_options(kind: type[Engine], options: registry.OpenOptions) -> Engine:
    # What pickle and copy call.
    engine = kind.__new__(kind)
    engine._start(options)
    return engine


class Profile:
    """Times by operation, made by `Engine.profile`."""

    def __init__(self, shared: registry.SharedEngine) -> None:
        """Profiling is already on."""
        self._shared = shared
        self._final: list[OpTime] | None = None

    @property
    def ops(self) -> list[OpTime]:
        """One entry per kind of operation: calls, nanoseconds, bytes of weights read."""
        if self._final is not None:
            return self._final
        native = self._shared.native
        with self._shared.pinned() as ptr:
            count = native.lib.ds4x_profile_read(ptr, native.ffi.NULL, 0)
            entries = native.ffi.new("ds4x_op_time[]", count)
            count = min(count, native.lib.ds4x_profile_read(ptr, entries, count))
            return [
                OpTime(native.ffi.string(entry.name).decode(), entry.calls, entry.ns, entry.bytes)
                for entry in entries[0:count]
            ]

    def stop(self) -> None:
        """Ends profiling and keeps the numbers. Does nothing when the engine was closed meanwhile."""
        native = self._shared.native
        err = native.new_error()
        try:
            with self._shared.pinned() as ptr, self._shared.compute_lock:
                self._final = self.ops
                native.lib.ds4x_profile(ptr, 0, err)
        except EngineClosedError:
            self._final = []

"""`Engine`: a model with its weights, opened when first needed and shared inside a process."""

from __future__ import annotations

import logging
import os
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, get_args

from ds4_core import registry
from ds4_core.batch import Batch
from ds4_core.errors import EngineClosedError, InvalidRequestError
from ds4_core.generation import SampledToken, TokenRequest
from ds4_core.model import Model, memory_use, read_info, read_memory_estimate
from ds4_core.models import catalogue
from ds4_core.native import CData
from ds4_core.profiling import Profile, switch
from ds4_core.sampling import random_seed, rng_from_seed
from ds4_core.scheduler import Scheduler
from ds4_core.scoring import Scoring, before, is_one, prompt_scoring
from ds4_core.session import Session
from ds4_core.streams import AsyncTokenStream, TokenStream, as_token_request
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
from ds4_core.work import SessionWork, Work, at_once

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
        lease = self.leases.get("engine")
        if lease is not None and lease.shared.scheduler is not None:
            lease.shared.scheduler.nudge()  # other handles keep it going: requests of this one end now
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
        checkpoint_bytes_max: int = 0,
        prefix_bytes_max: int = 2**30,
        step_tokens: int = 512,
        max_running: int = 64,
        max_queue: int | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes_max: int = 2**33,
    ) -> None:
        """Describes an engine.

        Args:
            model: A name of the catalogue (`"ds4-tiny"`) or the path of a `.gguf` file.
            backend: "auto" takes CUDA when there is a device that this installation has code for and the model fits
                its memory, else the CPU; `info.backend_reason` says which and why. "cpu" and "cuda" insist.
            n_threads: CPU threads, at most 1024; 0 is one per usable processor. Results do not depend on it. With CUDA,
                threads that read the file at opening.
            exact: Compute with f32 activations and f32 KV rows, nothing rounded on the way.
            kv_dtype: How KV rows are stored; "auto" is f32 when exact, else f16.
            kv_simulation: Round KV rows as the released model was trained (E4M3, indexer rows E2M1).
            isa: CPU instruction set; anything but "auto" is for tests and comparisons, and means the CPU.
            n_batch: Most tokens computed at once; 0 is libds4's default (512). Results do not depend on it, but for
                rounding with CUDA and without `exact`.
            repack: Allow copying weights into a faster layout.
            kv_bytes_max: Most bytes of KV pages, session states and checkpoints; 0 is no limit.
            checkpoint_bytes_max: Most bytes of the checkpoints that sessions make of themselves, so that going back
                far is cheap; 0 is 16 session states, at least 64 MiB.
            prefix_bytes_max: Most bytes of KV that finished requests leave for later ones with the same beginning; 0
                keeps nothing.
            step_tokens: Most tokens computed between two looks at the queue. Smaller is fairer to others, larger is
                faster for long prompts. Results do not depend on it.
            max_running: Most requests computed side by side; others wait.
            max_queue: Most requests that may wait; one more raises `QueueFullError`. None is no limit.
            cache_dir: A folder in which the KV of long prompts outlives the process; later requests, also of other
                processes, start from it. Made when needed, readable for its owner alone. None stores nothing.
            cache_bytes_max: Most bytes of that folder; what was not used for longest is removed first.

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
                checkpoint_bytes_max=checked_int("checkpoint_bytes_max", checkpoint_bytes_max, 0, 2**63 - 1),
                prefix_bytes_max=checked_int("prefix_bytes_max", prefix_bytes_max, 0, 2**63 - 1),
                step_tokens=checked_int("step_tokens", step_tokens, 1, 2**20),
                max_running=checked_int("max_running", max_running, 1, 1024),
                max_queue=None if max_queue is None else checked_int("max_queue", max_queue, 0, _MAX_I32),
                cache_dir=None if cache_dir is None else _folder(cache_dir),
                cache_bytes_max=checked_int("cache_bytes_max", cache_bytes_max, 0, 2**63 - 1),
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

    def _is_closed(self) -> bool:
        return self._holdings.closed

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
        return self._memory_work().wait(self._submit)

    def _memory_work(self) -> SessionWork[MemoryUse]:
        shared = self._shared()
        native = shared.native

        def read(ptr: CData) -> MemoryUse:
            shared.free_dropped_now()  # what nobody holds any more does not count
            memory, err = native.ffi.new("ds4x_memory *"), native.new_error()
            native.check(native.lib.ds4x_memory_used(ptr, memory, err), err)
            return memory_use(memory)

        return SessionWork((), at_once(read), self._is_closed)

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
        profile = Profile(self._profile_work, self._submit)
        try:
            self._profile_work(True).wait(self._submit)
            yield profile
        finally:
            profile.stop()

    def _profile_work(self, enable: bool | None) -> SessionWork[list[OpTime]]:
        shared = self._shared()
        return SessionWork((), at_once(lambda ptr: switch(shared.native, ptr, enable)), self._is_closed)

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
            OutOfMemoryError: No room for its state, also after dropping prefixes: sessions and requests hold it all.
            EngineClosedError, ForkedProcessError: The engine can not be used.
        """
        session = self._session_work(n_ctx, seed).wait(self._submit)
        self._warn_of_context(session.n_ctx, stacklevel=3)
        return session

    def _warn_of_context(self, n_ctx: int, *, stacklevel: int) -> None:
        if (excess := self._context_excess(n_ctx)) is not None:
            warnings.warn(excess, ContextSizeWarning, stacklevel=stacklevel)

    def _submit(self, work: Work[Any]) -> None:
        Scheduler.of(self._shared()).submit(work)

    def _session_work(self, n_ctx: int | None, seed: int | None) -> SessionWork[Session]:
        shared = self._shared()
        n_ctx = self._default_n_ctx() if n_ctx is None else checked_int("n_ctx", n_ctx, 1, _MAX_I32)
        seed = random_seed() if seed is None else seed
        rng_from_seed(seed)

        def create(ptr: CData) -> Session:
            out = shared.native.ffi.new("ds4x_session **")
            session = Session._adopt(self, shared, out, n_ctx, seed)
            Scheduler.of(shared).call(shared.native.lib.ds4x_session_create, ptr, n_ctx, out)
            return session

        return SessionWork((), at_once(create), self._is_closed)

    def _default_n_ctx(self) -> int:
        return min(self._shared().n_context_train or DEFAULT_N_CTX, DEFAULT_N_CTX)

    def _n_ctx_of_request(self, n_ctx: int | None) -> int:
        # For code that serves others: what `session` warns of is logged instead, once per handle.
        if n_ctx is None:
            return self._default_n_ctx()
        excess = self._context_excess(n_ctx)
        if excess is not None and not self._holdings.warned_context:
            self._holdings.warned_context = True
            _LOG.warning("%s", excess)
        return n_ctx

    def _context_excess(self, n_ctx: int) -> str | None:
        trained = self._shared().n_context_train
        if not trained or n_ctx <= trained:
            return None
        return f"n_ctx {n_ctx} is more than the {trained} tokens the model was made for: answers get worse there"

    def forward(self, spans: Sequence[Span], *, cancel: CancelFlag | None = None) -> list[SpanResult]:
        """Appends tokens to several sessions in one batch and reads the wanted logits: the one way to compute.

        A span that can not be served (a bad token, a full context, cancelled, no memory) fails alone: its result
        carries the error, its session is unchanged, and the others do not notice. Logits do not depend on what else is
        in the batch. It is one step of the scheduler however long the spans are: requests of others wait for it.

        Args:
            spans: At least one; each session at most once.
            cancel: Stops all of them.

        Returns:
            One result per span, in order.

        Raises:
            InvalidRequestError: No span.
            EngineClosedError, ForkedProcessError: The engine can not be used.
        """
        return self._forward_work(spans, cancel).wait(self._submit)

    def _forward_work(self, spans: Sequence[Span], cancel: CancelFlag | None) -> SessionWork[list[SpanResult]]:
        if not spans:
            raise InvalidRequestError("forward needs at least one span")
        shared = self._shared()
        batch, make_room = Batch(shared, spans, cancel), Scheduler.of(shared).make_room

        def run(ptr: CData) -> list[SpanResult]:
            return batch.run(ptr, work.abandon, make_room)

        work: SessionWork[list[SpanResult]] = SessionWork(batch.sessions, at_once(run), self._is_closed)
        return work

    # -- generating ----------------------------------------------------------------------------------------------------

    def generate(
        self, prompt: TokenRequest | Sequence[int], *, cancel: CancelFlag | None = None, **options: Any
    ) -> TokenStream:
        """Draws tokens after a prompt: a stream of `PrefillProgress`, `SampledToken` and a last `GenerationEnd`.

        The prompt starts from the longest prefix that an earlier request left; requests of any number of threads and
        tasks are computed side by side.

        Args:
            prompt: Token ids, or a ready `TokenRequest`.
            cancel: A flag that ends the generation from anywhere, within a layer.
            options: Fields of `TokenRequest`.

        Raises:
            InvalidRequestError: An option out of range.
            TypeError: An unknown option, or options beside a ready request.
        """
        return TokenStream(self, as_token_request(prompt, options), cancel)

    def score(
        self,
        prompt: Sequence[int],
        continuations: Sequence[int] | Sequence[Sequence[int]],
        *,
        n_top: int = 0,
        n_ctx: int | None = None,
        cancel: CancelFlag | None = None,
    ) -> Any:
        """How likely given tokens are after a prompt. The prompt of several continuations is computed once.

        Args:
            prompt: At least one id.
            continuations: The ids of one continuation, or several such lists.
            n_top: How many of the most likely tokens to report with every score.
            n_ctx: Most tokens of the prompt and a continuation; None is the file's context, at most 32,768.
            cancel: Ends it from anywhere, within a layer.

        Returns:
            A `SampledToken` with its log-probability for every token: a list of them for one continuation, a list of
            such lists for several.

        Raises:
            InvalidRequestError, InvalidTokenError: What is given is no list of tokens, or has one that does not exist.
            ContextOverflowError: Prompt and continuation do not fit the context.
            GenerationCancelled: The flag was raised.
        """
        one = is_one(continuations)
        given = [continuations] if one else continuations
        scores = Scoring(self, [before(prompt, n_top, n_ctx)], given, cancel=cancel).run()
        return scores[0] if one else scores

    def prompt_logprobs(
        self,
        prompt: Sequence[int],
        *,
        n_top: int = 0,
        n_ctx: int | None = None,
        cancel: CancelFlag | None = None,
    ) -> list[SampledToken | None]:
        """How likely the tokens of a prompt are: None for the first, which follows nothing, then as `score`.

        A generation with the same prompt starts from what this has computed.
        """
        return [None, *prompt_scoring(self, prompt, n_top, n_ctx, cancel).run()[0]]

    def clear_prefix_cache(self) -> None:
        """Drops what finished requests have left for later ones, and frees its memory. Waits for the running step.

        Raises:
            EngineClosedError, ForkedProcessError: The engine can not be used.
        """
        self._clear_prefixes_work().wait(self._submit)

    def _clear_prefixes_work(self) -> SessionWork[None]:
        return Scheduler.of(self._shared()).clear_prefixes(self._is_closed)

    def agenerate(
        self, prompt: TokenRequest | Sequence[int], *, cancel: CancelFlag | None = None, **options: Any
    ) -> AsyncTokenStream:
        """The same stream, awaited. Takes what `generate` takes."""
        return AsyncTokenStream(self, as_token_request(prompt, options), cancel)


def _folder(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidRequestError(f"cache_dir is {path!r}: it must be the path of a folder")
    return os.path.abspath(os.path.expanduser(text))


def _with_options(kind: type[Engine], options: registry.OpenOptions) -> Engine:
    # What pickle and copy call.
    engine = kind.__new__(kind)
    engine._start(options)
    return engine

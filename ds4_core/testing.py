"""`ScriptedEngine`: an engine for tests that plays written answers instead of computing them."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from queue import Empty, SimpleQueue
from typing import Any

from ds4_core.engine import Engine
from ds4_core.errors import (
    EngineClosedError,
    GenerationCancelled,
    GenerationTimeoutError,
    UnsupportedError,
)
from ds4_core.generation import LOOKAHEAD, Generation, SampledToken, TokenRequest
from ds4_core.guide import LimitedGuide
from ds4_core.models import catalogue
from ds4_core.registry import OpenOptions, SharedEngine
from ds4_core.scripts import (
    DEFAULT_LOGPROB,
    Answer,
    Part,
    Script,
    Scripted,
    ScriptedRequest,
    ScriptError,
    as_scripted,
    checked_script,
    last_key,
)
from ds4_core.streams import AsyncTokenStream, Server, TokenStream, _Stream, as_token_request
from ds4_core.types import CancelFlag
from ds4_core.work import SessionWork, Work, at_once

__all__ = ["DEFAULT_LOGPROB", "Answer", "Script", "ScriptError", "Scripted", "ScriptedEngine", "ScriptedRequest"]

#: How often the flag of a caller, who does not call here when he raises it, is looked at during a wait.
_LOOK_AT_FLAG_S = 0.002

_LONGEST_WAIT_S = 3600.0


class ScriptedEngine(Engine):
    """An engine that says what it is told to, for tests of code that uses one.

    It is an `Engine` for everything that generates: the same requests with the same checks and limits, the same
    streams, threads and event loops, the vocabulary of a real file. Only its tokens come from a script, and nothing
    weighs them: temperature, penalties and guides have no effect, so that a grammar or a limit of thinking is for the
    script to keep, or to break. It loads no weights: sessions and `forward` raise `UnsupportedError`, scores
    `EngineStateError`.

    The script is one of
    - a sequence of answers, one for each request, in the order in which they begin;
    - a mapping from texts to answers: the one is played whose text comes last in the prompt, of several that begin at
      the same place the longest. Each may be played any number of times;
    - a function that is called with each `ScriptedRequest`, on the thread that asks, and returns its answer.

    Example:
        >>> from ds4_core.chat import ChatRequest, Message, collect, generate
        >>> engine = ScriptedEngine({"weather": "It is sunny.", "time": Scripted("It is fi", eos=False)})
        >>> request = ChatRequest(messages=(Message("user", "How is the weather?"),))
        >>> collect(generate(engine, request)).text
        'It is sunny.'
        >>> engine.requests[0].text
        '<｜begin▁of▁sentence｜><｜User｜>How is the weather?<｜Assistant｜></think>'
    """

    def __init__(self, script: Script, *, model: str | PathLike[str] = "ds4-tiny") -> None:
        """Keeps the script; opens nothing.

        Args:
            script: The answers.
            model: The file whose vocabulary is used, as for `Engine`.

        Raises:
            InvalidRequestError: It is no script.
            ModelNotFoundError, ModelFileError: `model` is neither a known name nor a file.
        """
        self._prepare(checked_script(script))
        self._start(OpenOptions(path=catalogue.resolve(model), vocab_only=True))

    def _prepare(self, script: Script) -> None:
        self._script = script
        self._requests: list[ScriptedRequest] = []
        self._order = threading.Lock()  # of answers is that of requests
        self._players: set[_Player] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as its script, from the beginning, and what `Engine` keeps."""
        return _with_script, (type(self), self._options, self._script)

    def __repr__(self) -> str:
        """As the engine's."""
        return super().__repr__().replace("<Engine ", "<ScriptedEngine ", 1).replace(", vocab_only=True", "", 1)

    @property
    def requests(self) -> list[ScriptedRequest]:
        """The requests that the script was asked about so far, in that order; a copy.

        Those refused before, because their prompt does not fit the context for example, are not among them.
        """
        return list(self._requests)

    def close(self) -> None:
        """As `Engine.close`; what is played ends with `EngineClosedError`."""
        super().close()
        for player in tuple(self._players):
            player.nudge()

    def generate(
        self, prompt: TokenRequest | Sequence[int], *, cancel: CancelFlag | None = None, **options: Any
    ) -> TokenStream:
        """Plays the next answer: takes, gives and raises what `Engine.generate` does.

        Raises:
            ScriptError: At the first event: there is no answer, or it does not fit the request.
        """
        return _ScriptedStream(self, as_token_request(prompt, options), cancel)

    def agenerate(
        self, prompt: TokenRequest | Sequence[int], *, cancel: CancelFlag | None = None, **options: Any
    ) -> AsyncTokenStream:
        """The same stream, awaited."""
        return _AsyncScriptedStream(self, as_token_request(prompt, options), cancel)

    def _submit(self, work: Work[Any]) -> None:
        if not isinstance(work, _NothingToDo):
            raise UnsupportedError(
                "a ScriptedEngine plays answers and computes nothing: sessions, forward and the like need an Engine"
            )
        work.finish()

    def _clear_prefixes_work(self) -> SessionWork[None]:
        self._shared()
        return _NothingToDo((), at_once(lambda ptr: None), self._is_closed)

    def _next_part(self, request: TokenRequest) -> Part:
        # What to play for this request; it is noted and answered in one go.
        model = self.model
        record = ScriptedRequest(request, model.detokenize(request.prompt).decode("utf-8", "replace"))
        with self._order:
            index = len(self._requests)
            self._requests.append(record)
        script = self._script
        if callable(script):
            where, answer = f"the script's answer to request {index + 1}", script(record)
        elif isinstance(script, Mapping):
            key = last_key(script, record)
            where, answer = f"the script's answer for {key!r}", script[key]
        elif index < len(script):
            where, answer = f"answer {index + 1} of the script", script[index]
        else:
            raise ScriptError(f"request {index + 1} has no answer: the script has {len(script)}", n_answers=len(script))
        return Part(as_scripted(answer, where), where, model, len(request.prompt))


def _with_script(kind: type[ScriptedEngine], options: OpenOptions, script: Script) -> ScriptedEngine:
    engine = kind.__new__(kind)
    engine._prepare(script)
    engine._start(options)
    return engine


class _NothingToDo(SessionWork[None]):
    """What clearing the prefix cache is without one."""


class _Play(Generation):
    """A generation whose tokens are given to it."""

    def begin(self) -> None:
        """Only looks whether there could be a guide for it: raises what making one raises."""
        guide = self.request.guide() if self.request.guide is not None else None
        if isinstance(guide, LimitedGuide):
            guide.limit(self.max_tokens)

    def play(self, event: SampledToken) -> None:
        """Takes the next token."""
        self._tell(event)
        self.hand_out()

    def emit_progress(self, pos: int) -> None:
        """As `Generation.emit_progress`, handed out at once."""
        super().emit_progress(pos)
        self.hand_out()

    def end(self) -> None:
        """As `Generation.end`, also without any token."""
        if self.tokens:
            return super().end()
        self.emit(self.end_after(0)._replace(reason="length"))
        return self.finish()


class _Player:
    """Plays one answer on a thread of its own. It is to a stream what a scheduler is."""

    def __init__(self, shared: SharedEngine, part: Part, players: set[_Player]) -> None:
        """`players` are those of the engine that are at it."""
        self._shared = shared
        self._part = part
        self._players = players
        self._wakes: SimpleQueue[object] = SimpleQueue()
        self.wake = self._wakes.put

    def submit(self, work: Generation) -> None:
        """Begins."""
        assert isinstance(work, _Play)  # noqa: S101
        self._play = work
        self._players.add(self)
        try:
            threading.Thread(target=self._run, name="ds4-scripted", daemon=True).start()
        except BaseException:
            self._players.discard(self)
            raise

    def check_process(self) -> None:
        """Raises ForkedProcessError in a process without its thread."""
        self._shared.check_process()

    def nudge(self) -> None:
        """Makes it look at flags and backlogs again; never waits."""
        if not self._shared.is_foreign:
            self._wakes.put(None)

    def _run(self) -> None:
        try:
            self._perform()
            self._players.discard(self)
            self._play.end()
        except BaseException as failure:  # noqa: BLE001 - it is the caller's
            self._players.discard(self)
            # Its traceback leads here, where nobody looks, and would keep everything alive.
            self._play.finish(error=failure.with_traceback(None))

    def _perform(self) -> None:
        play, part = self._play, self._part
        scripted, request = part.scripted, play.request
        self._check()
        play.begin()
        play.admitted_at = begin = time.monotonic()
        play.cached = scripted.cached_tokens
        for number, pos in enumerate(part.stages, 1):
            self._wait(begin + scripted.prefill_s * number / len(part.stages))
            play.emit_progress(pos)
        play.at = play.n_prompt
        for index, token in enumerate(part.tokens):
            self._wait_for_consumer()
            if scripted.fault is not None and index == scripted.fault_at:
                raise _again(scripted.fault)
            self._wait(time.monotonic() + scripted.delay_s)
            if token in play.stops and index < request.min_tokens:
                raise ScriptError(
                    f"{part.where} ends with its token {index + 1}, which the request's min_tokens={request.min_tokens}"
                    " does not let a model draw"
                )
            if request.logit_bias.get(token) == -math.inf:
                raise ScriptError(f"{part.where} has token {token}, which the request's logit_bias forbids")
            play.play(part.event(index, request))
            if play.ended:
                return
        if scripted.fault is not None:
            raise _again(scripted.fault)

    def _check(self) -> None:
        play = self._play
        if play.is_closed():
            raise EngineClosedError(f"the engine for {self._shared.path} was closed")
        if play.given_up or play.owner() is None:
            raise GenerationCancelled("the generation was cancelled")
        if time.monotonic() > play.deadline:
            raise GenerationTimeoutError(f"the generation took longer than its timeout of {play.request.timeout_s} s")

    def _wait(self, until: float) -> None:
        self._check()
        while (now := time.monotonic()) < until:
            self._sleep(until - now)
            self._check()

    def _wait_for_consumer(self) -> None:
        play = self._play
        if play.backlog() >= LOOKAHEAD:
            play.paused = True
            while play.backlog() >= LOOKAHEAD // 2:
                self._sleep(_LONGEST_WAIT_S)
                self._check()
            play.paused = False

    def _sleep(self, seconds: float) -> None:
        # Until somebody nudges, or it is time to look around.
        seconds = min(seconds, _LONGEST_WAIT_S, self._play.deadline - time.monotonic())
        if self._play.cancel is not None:
            seconds = min(seconds, _LOOK_AT_FLAG_S)
        with suppress(Empty):
            self._wakes.get(timeout=max(0.0, seconds))


def _again(fault: BaseException) -> BaseException:
    # One of its own for every time, where it can be copied: what was raised leads to whoever it was raised to.
    try:
        error = copy.copy(fault)
    except Exception:  # noqa: BLE001 - made by others
        return fault
    error.__cause__ = fault.__cause__
    return error


class _FromScript(_Stream):
    """What both kinds of streams have in common: their generation is played."""

    _kind = _Play

    def _server(self, shared: SharedEngine) -> Server:
        engine = self._engine
        assert isinstance(engine, ScriptedEngine)  # noqa: S101
        shared.check_process()
        return _Player(shared, engine._next_part(self.request), engine._players)


class _ScriptedStream(_FromScript, TokenStream):
    """For threads."""


class _AsyncScriptedStream(_FromScript, AsyncTokenStream):
    """For tasks."""

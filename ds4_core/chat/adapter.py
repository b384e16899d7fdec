"""What the adapters of all frameworks are alike in: fields, which engine they use, a call's request and its answer.

The only module here that needs pydantic, as the frameworks do; nothing but the adapters imports it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ds4_core.chat.answer import agenerate, generate
from ds4_core.chat.engines import (
    LOAD_OPTIONS,
    check_engine_options,
    check_numbers,
    default_model,
    memo_sharing,
    model_as_str,
    model_name,
    state_without_opened,
)
from ds4_core.chat.events import Accumulator, ChatResult, Event, collect
from ds4_core.chat.messages import Message
from ds4_core.chat.ranking import arank, rank
from ds4_core.chat.request import REQUEST_OPTIONS, ChatRequest, build_request, unknown_option
from ds4_core.engine import DEFAULT_N_CTX, Engine
from ds4_core.model import Model
from ds4_core.models import catalogue
from ds4_core.models.header import context_length

if TYPE_CHECKING:
    from typing import Self

R = TypeVar("R")

_NO_NUMBERS = (
    "stop",
    "logit_bias",
    "thinking",
    "reasoning_effort",
    "logprobs",
    "backend",
    "exact",
    "kv_dtype",
    "cache_dir",
)
_LOADED = ("model", "engine", *LOAD_OPTIONS)
_NUMBERS = tuple(name for name in (*REQUEST_OPTIONS, *LOAD_OPTIONS) if name not in _NO_NUMBERS)


class Adapter(BaseModel):
    """Fields and engine of an adapter; to be inherited from before the framework's own class.

    Constructing one loads nothing. The model is opened at the first call and shared by everything in the process that
    uses the same file with the same load options, which are those from `backend` on. What comes before, from
    `temperature` to `timeout`, can be given per call too, where it wins. Unknown names are errors in both places.
    """

    # Built when the first one is constructed: imports are short.
    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)

    model: str = Field(
        default_factory=default_model,
        description="A name of the catalogue, or the path of a .gguf file; else DS4_MODEL_PATH of the environment.",
    )
    temperature: float = Field(default=1.0, description="0 always takes the most likely token.")
    top_p: float = Field(default=1.0, description="Keeps the most likely tokens up to this share of probability.")
    top_k: int = Field(default=0, description="Keeps this many tokens; 0 keeps all.")
    min_p: float = Field(default=0.0, description="Drops tokens less likely than this share of the most likely one.")
    seed: int | None = Field(default=None, description="Same seed, same prompt, same answer; None draws one.")
    repetition_penalty: float = Field(default=1.0, description="Above 1 weakens tokens of prompt and answer; 1 is off.")
    presence_penalty: float = Field(default=0.0, description="Taken once from the logit of a token of the answer.")
    frequency_penalty: float = Field(default=0.0, description="Taken once for every time the answer has the token.")
    logit_bias: dict[int, float] | None = Field(default=None, description="Token id to what is added to its logit.")
    min_tokens: int = Field(default=0, description="So many tokens are drawn before one may end the answer.")
    max_tokens: int | None = Field(default=None, description="Most tokens of an answer; None: until it ends.")
    stop: list[str] | None = Field(default=None, description="The answer ends before the first of these strings.")
    n_ctx: int | None = Field(default=None, description="Most tokens of prompt and answer; None: the model's own.")
    thinking: bool | Literal["auto"] = Field(
        default="auto", description="Whether the model thinks first; auto: when there is a reasoning_effort."
    )
    reasoning_effort: Literal["low", "high", "max"] | None = Field(
        default=None, description="How much the model thinks; None: high, if it does."
    )
    max_thinking_tokens: int | None = Field(default=None, description="Most tokens of thinking; None: until it ends.")
    logprobs: bool | None = Field(default=None, description="Whether answers carry log-probabilities.")
    top_logprobs: int | None = Field(default=None, description="How many of the likeliest tokens go with each.")
    timeout: float | None = Field(default=None, description="Most seconds a call may take.")
    backend: Literal["auto", "cpu", "cuda", "metal"] = Field(default="auto", description="What computes.")
    n_threads: int = Field(default=0, description="CPU threads; 0 takes one per usable processor.")
    exact: bool = Field(default=False, description="Activations and KV rows in f32.")
    kv_dtype: Literal["auto", "f32", "f16"] = Field(default="auto", description="Type of the KV rows.")
    kv_bytes_max: int = Field(default=0, description="Most bytes of KV, states and checkpoints; 0: no limit.")
    checkpoint_bytes_max: int = Field(default=0, description="Most bytes of the checkpoints of sessions; 0: 16 states.")
    prefix_bytes_max: int = Field(default=2**30, description="Most bytes of KV kept for prompts that begin the same.")
    max_running: int = Field(default=64, description="Most requests computed side by side.")
    max_queue: int | None = Field(default=None, description="Most requests that may wait; None: no limit.")
    cache_dir: str | None = Field(default=None, description="A folder where KV of long prompts outlives the process.")
    cache_bytes_max: int = Field(default=2**33, description="Most bytes of that folder.")
    engine: Engine | None = Field(
        default=None, exclude=True, repr=False, description="A ready engine, instead of a model with load options."
    )

    #: Names that a constructor takes and drops.
    ignored_names: ClassVar[tuple[str, ...]] = ()

    _opened: tuple[tuple[Any, ...], Engine] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        known = {*cls.model_fields, *(field.alias for field in cls.model_fields.values() if field.alias)}
        values = {name: value for name, value in values.items() if name not in cls.ignored_names}
        for name in values:
            if name not in known:
                raise TypeError(f"{cls.__name__}: {unknown_option(name, known)}")
        check_numbers(values, _NUMBERS)
        if isinstance(values.get("stop"), str):
            values["stop"] = [values["stop"]]
        if "model" in values:
            values["model"] = model_as_str(values["model"])
        if isinstance(values.get("cache_dir"), os.PathLike):
            values["cache_dir"] = os.fspath(values["cache_dir"])
        return values

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        self._request({}, messages=(Message("user", "any"),))
        check_engine_options(self.model, self._load_options(), self.engine)
        return self

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in REQUEST_OPTIONS}

    def _request(
        self, overrides: Mapping[str, Any], *, messages: Iterable[Message] = (), prompt: str | None = None
    ) -> ChatRequest:
        """The request of a call; as `build_request`."""
        for name in overrides:
            if name in _LOADED:
                raise TypeError(
                    f"{name} decides how a model is loaded and can not be changed for a call: construct another "
                    f"{type(self).__name__} with it"
                )
        return build_request(self._request_options(), overrides, messages=messages, prompt=prompt)

    # -- answers -------------------------------------------------------------------------------------------------------

    def _translated(self) -> AbstractContextManager[None]:
        """Within it errors become the framework's own."""
        return nullcontext()

    def _whole(self, request: ChatRequest) -> ChatResult:
        """A whole answer."""
        with self._translated(), closing(generate(self._engine(), request)) as events:
            return collect(events)

    async def _awhole(self, request: ChatRequest) -> ChatResult:
        total = Accumulator()
        with self._translated():
            async with aclosing(agenerate(self._engine(), request)) as events:
                async for event in events:
                    total.add(event)
        return total.result()

    def _stepwise(self, request: ChatRequest, step: Callable[[Event], Iterable[R]]) -> Generator[R, None, None]:
        """An answer as it is generated: what `step` makes of each event. Leaving it early ends the generation."""
        with self._translated(), closing(generate(self._engine(), request)) as events:
            for event in events:
                yield from step(event)

    async def _astepwise(self, request: ChatRequest, step: Callable[[Event], Iterable[R]]) -> AsyncGenerator[R, None]:
        # Nothing is awaited when it is left early: the event loop may be ending.
        with self._translated(), closing(agenerate(self._engine(), request)) as events:
            async for event in events:
                for made in step(event):
                    yield made

    def _relevance(self, query: str, passages: Sequence[str]) -> list[float]:
        """How much each passage helps to answer a query; as `rank`."""
        with self._translated():
            return rank(self._engine(), query, passages, n_ctx=self.n_ctx)

    async def _arelevance(self, query: str, passages: Sequence[str]) -> list[float]:
        with self._translated():
            return await arank(self._engine(), query, passages, n_ctx=self.n_ctx)

    # -- the engine ----------------------------------------------------------------------------------------------------

    def _load_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LOAD_OPTIONS}

    def _model_name(self) -> str:
        return model_name(self.model, self.engine)

    def _engine(self) -> Engine:
        """The engine to use, not opened yet. A copy of this object with other load options gets its own."""
        options = self._load_options()
        if self.engine is not None:
            check_engine_options(self.model, options, self.engine)  # a copy may have been given some
            return self.engine
        key = (self.model, *options.values())
        if self._opened is None or self._opened[0] != key:
            self._opened = (key, Engine(model=self.model, **options))
        return self._opened[1]

    def _vocabulary(self) -> Model:
        """The file's facts and vocabulary; loads no weights."""
        return self._engine().model

    def _context_window(self) -> int:
        """Most tokens of prompt and answer together. Of the file at most its beginning is read."""
        path = self.engine.path if self.engine is not None else catalogue.resolve(self.model)
        return self.n_ctx or min(context_length(path) or DEFAULT_N_CTX, DEFAULT_N_CTX)

    def close(self) -> None:
        """Gives back the engine that this object opened; a later call opens it again. A given `engine` stays open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes it."""
        self.close()

    # -- copies --------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[Any, Any]:
        """What is pickled: everything but the opened engine; whoever unpickles opens one of its own."""
        return state_without_opened(super().__getstate__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy that shares the engine: one is never copied."""
        return super().__deepcopy__(memo_sharing(memo, self.engine, self._opened[1] if self._opened else None))

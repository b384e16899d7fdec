"""The plain data that goes in and out of engines, models and sessions. Nothing here computes or loads anything."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ds4_core.errors import DS4Error, InvalidRequestError
from ds4_core.ffi import new_ffi

if TYPE_CHECKING:
    from ds4_core.session import Session

Backend = Literal["auto", "cpu", "cuda", "metal"]
KvDtype = Literal["auto", "f32", "f16"]
Isa = Literal["auto", "portable", "avx2", "avx512", "neon"]

#: float32; the docstrings give the shapes.
FloatArray = npt.NDArray[np.float32]
#: int32, token ids.
IntArray = npt.NDArray[np.int32]

_FFI = new_ffi()

_MAX_I32 = 2**31 - 1


class ContextSizeWarning(UserWarning):
    """A session may grow beyond the context that the model was made for."""


def checked_int(name: str, value: Any, low: int, high: int) -> int:
    """`value` as a plain int.

    Raises:
        InvalidRequestError: No integer (bools are none), or not from `low` to `high`.
    """
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise InvalidRequestError(f"{name} is {value!r}: it must be an integer from {low} to {high}")
    return number


def checked_bool(name: str, value: Any) -> bool:
    """`value`, which must be True or False.

    Raises:
        InvalidRequestError: It is something else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidRequestError(f"{name} is {value!r}: it must be True or False")
    return bool(value)


def checked_float(name: str, value: Any) -> float:
    """`value` as a plain float; infinities pass.

    Raises:
        InvalidRequestError: No number, or not a number (NaN).
    """
    try:
        number = math.nan if isinstance(value, (bool, np.bool_, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise InvalidRequestError(f"{name} is {value!r}: it must be a number")
    return number


class CancelFlag:
    """A switch that stops computations that were given it, from any thread.

    libds4 reads the flag at least once a layer. It stays set until `clear()`.
    """

    __slots__ = ("_cell",)

    def __init__(self) -> None:
        """Makes a flag that is not set."""
        self._cell: Any = _FFI.new("int32_t[1]")

    def set(self) -> None:
        """Asks every computation that watches this flag to stop."""
        self._cell[0] = 1

    def clear(self) -> None:
        """Makes the flag usable again."""
        self._cell[0] = 0

    def is_set(self) -> bool:
        """Tells whether `set` was called."""
        return bool(self._cell[0])

    @property
    def pointer(self) -> Any:
        """The address libds4 polls (`int32_t *`); valid as long as this object lives."""
        return self._cell

    @staticmethod
    def pointer_of(flag: CancelFlag | None) -> Any:
        """The address of a flag, NULL for None.

        Raises:
            InvalidRequestError: `flag` is something else.
        """
        if flag is None:
            return _FFI.NULL
        if not isinstance(flag, CancelFlag):
            raise InvalidRequestError(f"cancel is {flag!r}: it must be a CancelFlag or None")
        return flag.pointer


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts of an open engine or of a file; sizes in bytes, counts in tokens or elements.

    `backend`, `isa` and `kv_dtype` are what is really in use, never "auto"; "none" without weights. `device` names the
    device that computes ("" for the CPU), `backend_reason` why this backend was taken, for example
    "cpu: no CUDA driver is installed". Token ids are None when the vocabulary has no such token.
    """

    backend: str
    device: str
    backend_reason: str
    isa: str
    n_threads: int
    exact: bool
    kv_dtype: str
    kv_simulation: bool
    has_weights: bool
    has_vocab: bool
    n_layer: int
    n_embd: int
    n_vocab: int
    n_head: int
    head_dim: int
    n_expert: int
    n_expert_used: int
    n_window: int
    n_batch: int
    page_tokens: int
    n_context_train: int
    n_params: int
    file_bytes: int
    weight_bytes: int
    decode_bytes: int
    page_bytes: int
    state_bytes: int
    token_bos: int | None
    token_eos: int | None
    token_user: int | None
    token_assistant: int | None
    token_think_open: int | None
    token_think_close: int | None
    token_dsml: int | None


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory in bytes as libds4 allocates, or would allocate, it.

    `weights_mapped` is file cache; with the backend "cuda" weights, workspace and everything after it are memory of the
    device, and the weights count as copied. `checkpoints` are their copies of states; the pages they keep are in
    `kv_pages`.
    """

    weights_mapped: int
    weights_copied: int
    workspace: int
    session_state: int
    kv_pages: int
    checkpoints: int
    total: int


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One entry of a file's tensor directory. `dims[0]` is contiguous; `type` is ggml's name of the format."""

    name: str
    type: str
    type_id: int
    dims: tuple[int, ...]
    n_bytes: int


@dataclass(frozen=True, slots=True)
class OpTime:
    """Time spent in one kind of operation since profiling was switched on."""

    name: str
    calls: int
    ns: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token with its raw logit and its log-probability (natural log, temperature 1, before any mask or filter)."""

    token: int
    logit: float
    logprob: float


@dataclass(frozen=True, slots=True)
class SampleParams:
    """How one token is drawn from a row of logits.

    The order is: bias, penalties, mask, temperature, top_k, softmax, then min_p and top_p together.

    Attributes:
        temperature: 0 or less takes the most likely token and leaves the generator alone.
        top_k: Keep this many tokens; 0 or less is off.
        top_p: Above 0; keep the smallest set of tokens whose probabilities add up to this; 1 is off.
        min_p: Drop tokens less likely than this share of the most likely one; 0 is off.
        repetition_penalty: Above 0; positive logits are divided by it, negative ones multiplied; 1 is off.
        presence_penalty: Subtracted once for each token in `penalty_counts` that occurs at least once.
        frequency_penalty: Subtracted once per occurrence.
        penalty_counts: Token id -> occurrences, for the three penalties.
        mask: uint32 `[ceil(n_vocab / 32)]`, bit i of the whole = token i is allowed (least significant bit first).
        bias: Token id -> value added to its logit; `-inf` forbids the token.
        n_top: How many of the most likely tokens to report beside the drawn one; at most all of them.
        rng: State of the generator (xorshift64*), 1 .. 2**64 - 1; see `ds4_core.sampling.rng_from_seed`.

    Raises:
        InvalidRequestError: A value of the wrong type, not a number, or out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalty_counts: dict[int, int] = field(default_factory=dict)
    mask: npt.NDArray[np.uint32] | None = None
    bias: dict[int, float] = field(default_factory=dict)
    n_top: int = 0
    rng: int = 1

    def __post_init__(self) -> None:
        """Checks everything that can be checked without a vocabulary, and turns NumPy's numbers into plain ones."""
        for name in ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"):
            object.__setattr__(self, name, checked_float(name, getattr(self, name)))
        object.__setattr__(self, "top_k", checked_int("top_k", self.top_k, -_MAX_I32, _MAX_I32))
        object.__setattr__(self, "n_top", checked_int("n_top", self.n_top, 0, _MAX_I32))
        object.__setattr__(self, "rng", checked_int("rng", self.rng, 1, 2**64 - 1))
        if not 0 < self.top_p <= 1:
            raise InvalidRequestError(f"top_p is {self.top_p}: it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise InvalidRequestError(f"min_p is {self.min_p}: it must be from 0 to 1")
        if not 0 < self.repetition_penalty < math.inf:
            raise InvalidRequestError(
                f"repetition_penalty is {self.repetition_penalty}: it must be above 0 and not infinite"
            )
        for name in ("presence_penalty", "frequency_penalty"):
            if math.isinf(getattr(self, name)):
                raise InvalidRequestError(f"{name} is {getattr(self, name)}: it must not be infinite")
        for name in ("penalty_counts", "bias"):
            if not isinstance(getattr(self, name), Mapping):
                raise InvalidRequestError(f"{name} is {getattr(self, name)!r}: it must be a dict by token id")
        if self.mask is not None and not (isinstance(self.mask, np.ndarray) and self.mask.dtype == np.uint32):
            kind = self.mask.dtype if isinstance(self.mask, np.ndarray) else type(self.mask).__name__
            raise InvalidRequestError(f"mask is {kind}: it must be a NumPy array of uint32")


@dataclass(frozen=True, slots=True)
class SampleResult:
    """A drawn token, its log-probability as in `TokenScore`, the most likely tokens, the generator's next state."""

    token: int
    logprob: float
    top: tuple[TokenScore, ...]
    rng: int


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens to append to one session in a batch.

    Attributes:
        session: Each session at most once per batch.
        tokens: At least one id, any number.
        wanted: Offsets into `tokens`, strictly ascending, whose logits are kept; None means the last one.
        cancel: Stops this span alone.
        sample: Draw a token from the last wanted row.
        copy_logits: False leaves `SpanResult.logits` empty, for callers that only sample.
    """

    session: Session
    tokens: Sequence[int] | npt.NDArray[np.integer[Any]]
    wanted: Sequence[int] | None = None
    cancel: CancelFlag | None = None
    sample: SampleParams | None = None
    copy_logits: bool = True


@dataclass(frozen=True, slots=True)
class SpanResult:
    """What became of one span.

    Attributes:
        error: None, or why this span (and only this one) failed; its session is then as it was before. Only when there
            is no token left to draw (all masked, for example) that comes after the tokens were appended.
        logits: float32 `[n_wanted, n_vocab]`; `[0, n_vocab]` after an error or without `copy_logits`.
        sample: The drawn token when `Span.sample` was given and nothing failed.
    """

    error: DS4Error | None
    logits: FloatArray
    sample: SampleResult | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens a request took.

    Attributes:
        prompt_tokens: Tokens of the prompt, cached ones included.
        cached_tokens: Tokens of the prompt that did not have to be computed.
        completion_tokens: Every token sampled, thinking and the end-of-turn token included.
        reasoning_tokens: Those of `completion_tokens` that belong to thinking, its markers included.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def counts(self) -> dict[str, int]:
        """The three totals by the names that APIs report them under."""
        return {name: getattr(self, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the wall-clock time of a request went, in seconds.

    Attributes:
        queue_s: From asking to the start of the prefill.
        prefill_s: From there to the first sampled token.
        decode_s: From there to the last sampled token.
        decoded_tokens: Tokens that `decode_s` was spent on: all sampled tokens but the first.
    """

    queue_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    decoded_tokens: int = 0

    @property
    def decode_tokens_per_s(self) -> float:
        """Decode speed; 0.0 when fewer than two tokens were sampled."""
        return self.decoded_tokens / self.decode_s if self.decode_s > 0 else 0.0

    @property
    def figures(self) -> dict[str, float]:
        """Times and speed by name, as adapters report them."""
        return {name: getattr(self, name) for name in ("queue_s", "prefill_s", "decode_s", "decode_tokens_per_s")}

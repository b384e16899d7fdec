"""What a `ScriptedEngine` plays: answers, scripts of them, and answers in the tokens of a vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from ds4_core.chat.messages import ToolCall
from ds4_core.chat.protocol import Special, template
from ds4_core.chat.tools import calls_block
from ds4_core.errors import DS4Error, InvalidRequestError, InvalidTokenError
from ds4_core.generation import SampledToken, TokenRequest
from ds4_core.model import Model, token_array
from ds4_core.types import TokenScore, checked_bool, checked_float, checked_int

#: What a token is reported with when its answer does not say.
DEFAULT_LOGPROB = -0.125

_MAX_I32 = 2**31 - 1


class ScriptError(DS4Error, AssertionError):
    """A request came for which the script has no answer, or none that fits it.

    Attributes:
        n_answers: Answers that the script has; None when it is a function.
    """

    def __init__(self, message: str, *, n_answers: int | None = None) -> None:
        """Keeps the number beside the message.

        Example:
            >>> ScriptError("request 3 has no answer: the script has 2", n_answers=2).n_answers
            2
        """
        super().__init__(message)
        self.n_answers = n_answers


class ScriptedRequest(NamedTuple):
    """A request that a `ScriptedEngine` got.

    Example:
        >>> def script(request: ScriptedRequest) -> str:
        ...     return "Yes." if "?" in request.text and request.request.temperature == 0 else "Go on."

    Attributes:
        request: The whole of it.
        text: Its prompt as text, control tokens spelled out; bytes that are no UTF-8 are U+FFFD.
    """

    request: TokenRequest
    text: str


@dataclass(frozen=True, slots=True)
class Scripted:
    """One answer, and how it comes about.

    Example:
        >>> thinks = Scripted("Which clock?</think>", tool_calls=[ToolCall("now", '{"zone": "UTC"}')], delay_s=0.01)
        >>> breaks = Scripted("It is five.", fault=MemoryError("no room"), fault_at=2)

    Attributes:
        text: What the model says. Literals of the protocol (`<think>`, `</think>`, `｜DSML｜`) become their tokens.
        tokens: The same as ids, instead of `text`; any list of them, the ending one included where there is one.
        tool_calls: Calls after the text, in the model's own form; whatever is in their arguments stays text.
        eos: Whether the end-of-turn token follows; None is yes after a text and no after tokens. An answer that comes
            to its end without one ends with "length", as when the context is full.
        chunking: How text becomes tokens: None is as the tokenizer has it, a number takes so many characters at a
            time, "bytes" gives every byte a token of its own.
        logprobs: Natural log of the probability of every token, or one number for all of them.
        top: For every token, the likely ones by id with theirs; the token itself need not be among them. None makes
            some up. `TokenRequest.n_top` says how many are reported.
        prefill: How many progress events the prompt takes.
        prefill_s: Seconds that it takes.
        delay_s: Seconds before each token, the first one included.
        cached_tokens: Tokens of the prompt that count as cached; fewer than it has.
        fault: What the generation ends with after its first `fault_at` tokens.
        fault_at: How many of the tokens are drawn before the fault; when that is all of them, it comes instead of the
            end.

    Raises:
        InvalidRequestError: Text and tokens both, or a value of the wrong type or out of range.
    """

    text: str | None = None
    tokens: Sequence[int] | None = None
    tool_calls: Sequence[ToolCall] = ()
    eos: bool | None = None
    chunking: int | Literal["bytes"] | None = None
    logprobs: float | Sequence[float] = DEFAULT_LOGPROB
    top: Sequence[Mapping[int, float]] | None = None
    prefill: int = 1
    prefill_s: float = 0.0
    delay_s: float = 0.0
    cached_tokens: int = 0
    fault: BaseException | None = None
    fault_at: int = 0

    def __post_init__(self) -> None:
        """Checks what can be checked without a vocabulary."""
        if self.text is not None and not isinstance(self.text, str):
            raise InvalidRequestError(f"text is {self.text!r:.80}: it must be a str; ids are given as tokens=...")
        if self.text is not None and self.tokens is not None:
            raise InvalidRequestError("an answer has text or tokens, not both")
        if self.tokens is not None:
            object.__setattr__(self, "tokens", tuple(token_array(self.tokens).tolist()))
        if not all(isinstance(call, ToolCall) for call in self.tool_calls):
            raise InvalidRequestError(f"tool_calls are {self.tool_calls!r:.80}: they must be ToolCall objects")
        object.__setattr__(self, "tool_calls", tuple(self.tool_calls))
        if self.eos is not None:
            checked_bool("eos", self.eos)
        if self.chunking is not None and self.chunking != "bytes":
            checked_int("chunking", self.chunking, 1, _MAX_I32)
        values = self.logprobs if isinstance(self.logprobs, Iterable) else (self.logprobs,)
        checked = tuple(_checked_logprob(value) for value in values)
        object.__setattr__(self, "logprobs", checked if isinstance(self.logprobs, Iterable) else checked[0])
        if self.top is not None:
            object.__setattr__(self, "top", tuple(_checked_row(row) for row in self.top))
        checked_int("prefill", self.prefill, 1, _MAX_I32)
        checked_int("cached_tokens", self.cached_tokens, 0, _MAX_I32)
        checked_int("fault_at", self.fault_at, 0, _MAX_I32)
        for name in ("prefill_s", "delay_s"):
            if not 0 <= checked_float(name, getattr(self, name)) < math.inf:
                raise InvalidRequestError(f"{name} is {getattr(self, name)}: it must be 0 or more seconds")
        if self.fault is not None and not isinstance(self.fault, BaseException):
            raise InvalidRequestError(f"fault is {self.fault!r:.80}: it must be an exception")


def _checked_logprob(value: Any) -> float:
    logprob = checked_float("a logprob", value)
    if logprob > 0:
        raise InvalidRequestError(f"a logprob is {logprob}: it must be 0 or less")
    return logprob


def _checked_row(row: Any) -> dict[int, float]:
    if not isinstance(row, Mapping):
        raise InvalidRequestError(f"one of top is {row!r:.80}: it must be a dict of token ids and logprobs")
    return {checked_int("a token of top", t, 0, _MAX_I32): _checked_logprob(value) for t, value in row.items()}


#: What one request is answered with; a text or tokens stand for a `Scripted` with nothing else.
Answer = str | Sequence[int] | Scripted

#: The answers of an engine: in the order in which requests begin, by what prompts say, or made for each.
Script = Sequence[Answer] | Mapping[str, Answer] | Callable[[ScriptedRequest], Answer]


def checked_script(script: Any) -> Script:
    """A script of its own, every answer in it a `Scripted`.

    Raises:
        InvalidRequestError: It is none.
    """
    if callable(script):
        return cast("Script", script)
    if isinstance(script, Mapping):
        if not all(isinstance(key, str) and key for key in script):
            raise InvalidRequestError("a script by prompt has texts as its keys, none of them empty")
        return {key: as_scripted(answer, f"the script's answer for {key!r}") for key, answer in script.items()}
    if isinstance(script, (str, bytes)) or not isinstance(script, Sequence):
        raise InvalidRequestError(
            f"the script is {script!r:.80}: it must be a list of answers, a dict of them, or a function"
        )
    return [as_scripted(answer, f"answer {index + 1} of the script") for index, answer in enumerate(script)]


def as_scripted(answer: Any, where: str) -> Scripted:
    """An answer in its full form; `where` is what the message calls it.

    Raises:
        InvalidRequestError: It is none.
    """
    if isinstance(answer, Scripted):
        return answer
    if isinstance(answer, str):
        return Scripted(answer)
    if isinstance(answer, (Sequence, np.ndarray)) and not isinstance(answer, bytes):
        return Scripted(tokens=cast("Sequence[int]", answer))
    raise InvalidRequestError(f"{where} is {answer!r:.80}: it must be a str, a sequence of token ids, or a Scripted")


def last_key(script: Mapping[str, Any], record: ScriptedRequest) -> str:
    """The text of a script that comes last in a prompt; of several that begin at the same place the longest.

    Raises:
        ScriptError: None of them is in it.
    """
    at, _, key = max(((record.text.rfind(key), len(key), key) for key in script), default=(-1, 0, ""))
    if at < 0:
        known = ", ".join(repr(key) for key in islice(script, 8))
        raise ScriptError(
            f"none of the script's {len(script)} answers is for this prompt, they are for {known or 'nothing'}: "
            f"{record.text[-400:]!r}",
            n_answers=len(script),
        )
    return key


class Part:
    """An answer in the tokens of a vocabulary, ready to be played after a prompt.

    Attributes:
        scripted: What it was made of.
        where: What messages call it.
        tokens: What is drawn.
        stages: Positions of the prompt that progress is told of, ascending.
    """

    def __init__(self, scripted: Scripted, where: str, model: Model, n_prompt: int) -> None:
        """Fits an answer to a prompt of so many tokens.

        Raises:
            ScriptError: It has another number of logprobs than of tokens, or more cached ones than the prompt.
            InvalidTokenError: It has tokens outside the vocabulary.
        """
        self.scripted, self.where = scripted, where
        self._n_vocab = model.n_vocab
        tokens = [*_spoken(scripted, model), *_called(scripted, model)]
        for token in [*tokens, *(token for row in scripted.top or () for token in row)]:
            if not 0 <= token < self._n_vocab:
                raise InvalidTokenError(f"{where} has token {token}: ids are 0 .. {self._n_vocab - 1}")
        n = len(tokens)
        if (scripted.tokens is None if scripted.eos is None else scripted.eos) and model.token_eos is not None:
            tokens.append(model.token_eos)
        self.tokens = tuple(tokens)
        for name, values in (("logprobs", scripted.logprobs), ("top", scripted.top)):
            if isinstance(values, tuple) and len(values) not in (n, len(tokens)):
                raise ScriptError(f"{where} has {len(values)} {name} for {n} tokens")
        if not scripted.cached_tokens < n_prompt:
            raise ScriptError(
                f"{where} has cached_tokens={scripted.cached_tokens}, the prompt has {n_prompt} tokens, of which the "
                "last one is always computed"
            )
        left = n_prompt - scripted.cached_tokens
        steps = min(scripted.prefill, left)
        self.stages = [scripted.cached_tokens + left * step // steps for step in range(1, steps + 1)]

    def event(self, index: int, request: TokenRequest) -> SampledToken:
        """What is told of a token."""
        token, logprobs, top, n_top = self.tokens[index], self.scripted.logprobs, self.scripted.top, request.n_top
        if not request.logprobs:
            return SampledToken(token, math.nan)
        row: Mapping[int, float] = top[index] if top is not None and index < len(top) else {}
        if isinstance(logprobs, Sequence):
            logprob = logprobs[index] if index < len(logprobs) else DEFAULT_LOGPROB
        else:
            logprob = logprobs
        logprob = row.get(token, logprob)
        if not n_top:
            return SampledToken(token, logprob)
        likely = {**row, token: logprob} if top is not None else self._made_up(token, logprob, n_top)
        best = sorted(likely.items(), key=lambda item: (-item[1], item[0]))[:n_top]
        return SampledToken(token, logprob, tuple(TokenScore(t, score, score) for t, score in best))

    def _made_up(self, token: int, logprob: float, n_top: int) -> dict[int, float]:
        # Each of the others has half of what is left.
        rest = math.log(max(-math.expm1(logprob), 1e-9))
        others = range(1, min(n_top, self._n_vocab - 1) + 1)
        return {token: logprob, **{(token + i) % self._n_vocab: rest - i * math.log(2) for i in others}}


def _spoken(scripted: Scripted, model: Model) -> Sequence[int]:
    if scripted.tokens is not None:
        return scripted.tokens
    tokens: list[int] = []
    for segment in template(scripted.text or ""):
        tokens += _tokens(segment, scripted.chunking, model, parse_special=True)
    return tokens


def _called(scripted: Scripted, model: Model) -> list[int]:
    tokens: list[int] = []
    text = ""
    # Neighbouring texts are one for the tokenizer.
    for segment in (*(calls_block(scripted.tool_calls) if scripted.tool_calls else ()), Special.EOS):
        if isinstance(segment, str):
            text += segment
            continue
        tokens += _tokens(text, scripted.chunking, model, parse_special=False)
        text = ""
        if segment is not Special.EOS:
            tokens += _tokens(segment, None, model, parse_special=True)
    return tokens


def _tokens(segment: Any, chunking: int | str | None, model: Model, *, parse_special: bool) -> list[int]:
    if isinstance(segment, Special):
        token = model.find_token(segment.value)
        return [token] if token is not None else model.tokenize(segment.value)
    pieces: list[str | bytes] = [segment]
    if chunking == "bytes":
        pieces = [bytes([byte]) for byte in segment.encode()]
    elif isinstance(chunking, int):
        pieces = [segment[at : at + chunking] for at in range(0, len(segment), chunking)]
    return [token for piece in pieces for token in model.tokenize(piece, parse_special=parse_special)]

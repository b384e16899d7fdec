"""ChatDS4: LangChain's chat model interface over a DeepSeek V4 model that runs in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, Literal, NoReturn, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from ds4_core import Engine, Model
from ds4_core._version import __version__
from ds4_core.chat import Accumulator, ChatRequest, agenerate, collect, count_tokens, generate
from ds4_core.chat import ChatResult as CoreResult
from ds4_core.chat.engines import (
    DEFAULT_MODEL,
    LOAD_OPTIONS,
    check_engine_options,
    check_numbers,
    identity,
    memo_sharing,
    model_as_str,
    model_name,
    state_without_opened,
)
from ds4_core.chat.request import REQUEST_OPTIONS, build_request, unknown_option
from ds4_core.errors import UnsupportedError
from langchain_ds4._errors import translate_errors
from langchain_ds4._messages import chunk_from_event, from_result, to_core, token_usage

# Names that every hosted model takes and that mean nothing for one in this process: these three are dropped, no other.
_IGNORED = ("api_key", "base_url", "max_retries")
_NUMBERS = ("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "n_ctx", "timeout", "n_threads")


class ChatDS4(BaseChatModel):
    """A DeepSeek V4 model in this process as a LangChain chat model.

    Constructing it loads nothing. The model is opened at the first call and shared by everything in the process that
    uses the same file with the same `backend`, `n_threads`, `exact` and `kv_dtype`.

    Example:
        ```python
        from langchain_ds4 import ChatDS4

        llm = ChatDS4(model="ds4-tiny", temperature=0)
        llm.invoke("What is the capital of France?").content
        for chunk in llm.stream("Tell me a joke."):
            print(chunk.content, end="", flush=True)
        ```

    Everything from `temperature` to `timeout` can be given per call too, as in `llm.invoke(text, max_tokens=20)`, where
    it wins. An unknown name is an error in both places.

    Leaving a stream early (`break`, `close()`, `aclose()`, cancelling the task) stops the generation within one token.
    """

    model: str = DEFAULT_MODEL
    """A catalogue name, or the path of a `.gguf` file."""
    temperature: float = 1.0
    """0 always takes the most likely token."""
    top_p: float = 1.0
    """Keeps the most likely tokens up to this share of probability; 1 keeps all."""
    top_k: int = 0
    """Keeps this many tokens; 0 keeps all."""
    min_p: float = 0.0
    """Drops tokens less likely than this share of the most likely one."""
    seed: int | None = None
    """Same seed, same prompt, same answer. None draws one and reports it in `response_metadata["seed"]`."""
    max_tokens: int | None = None
    """Most tokens of an answer; None goes on until the model ends it or the context is full."""
    stop: list[str] | None = None
    """The answer ends before the first of these strings. `stop` of a call replaces it."""
    n_ctx: int | None = None
    """Most tokens of prompt and answer together; None takes the model's trained context length."""
    thinking: bool = False
    """Whether the model thinks first; only False is supported."""
    timeout: float | None = None
    """Most seconds a call may take before it raises DS4TimeoutError."""
    streaming: bool = False
    """True makes `invoke` run as a stream, for handlers that want tokens."""
    backend: Literal["auto", "cpu", "cuda", "metal"] = "auto"
    """What computes."""
    n_threads: int = 0
    """CPU threads; 0 takes one per usable processor."""
    exact: bool = False
    """f32 activations and KV rows."""
    kv_dtype: Literal["auto", "f32", "f16"] = "auto"
    """Type of the KV rows."""
    engine: Engine | None = Field(default=None, exclude=True, repr=False)
    """A ready engine to use instead of opening `model`; `model` and the load options are then left out."""

    _opened: tuple[tuple[Any, ...], Engine] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        known = {*cls.model_fields, *(field.alias for field in cls.model_fields.values() if field.alias)}
        values = {name: value for name, value in values.items() if name not in _IGNORED}
        for name in values:
            if name not in known:
                raise TypeError(f"{cls.__name__}: {unknown_option(name, known)}")
        check_numbers(values, _NUMBERS)
        return values

    @field_validator("model", mode="before")
    @classmethod
    def _model_as_str(cls, model: Any) -> Any:
        return model_as_str(model)

    @field_validator("stop", mode="before")
    @classmethod
    def _stop_as_list(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        build_request(self._request_options(), {}, prompt="any")
        check_engine_options(self.model, self._load_options(), self.engine)
        return self

    @model_validator(mode="after")
    def _set_ds4_version(self) -> Self:
        self._add_version("langchain-ds4", __version__)
        return self

    # --------------------------------------------------------------------------------------------------- copies

    @override
    def __getstate__(self) -> dict[Any, Any]:
        return state_without_opened(super().__getstate__())

    @override
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super().__deepcopy__(memo_sharing(memo, self.engine, self._opened[1] if self._opened else None))

    # ------------------------------------------------------------------------------------------------- requests

    def _request_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in REQUEST_OPTIONS}

    def _load_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LOAD_OPTIONS}

    def _model_name(self) -> str:
        return model_name(self.model, self.engine)

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> ChatRequest:
        overrides = {name: value for name, value in kwargs.items() if name != "stream"}
        if stop is not None:
            overrides["stop"] = stop
        return build_request(self._request_options(), overrides, messages=to_core(messages))

    def _engine(self) -> Engine:
        """The engine, opened when it was not. A copy of this object with other load options opens its own."""
        options = self._load_options()
        if self.engine is not None:
            check_engine_options(self.model, options, self.engine)  # a copy may have been given some
            return self.engine
        key = (self.model, *options.values())
        if self._opened is None or self._opened[0] != key:
            self._opened = (key, Engine(model=self.model, **options))
        return self._opened[1]

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with translate_errors(), closing(generate(self._engine(), self._request(messages, stop, kwargs))) as events:
            return self._chat_result(collect(events))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with translate_errors(), closing(generate(self._engine(), self._request(messages, stop, kwargs))) as events:
            for event in events:
                yield chunk_from_event(event, self._model_name())

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        total = Accumulator()
        with translate_errors():
            async with aclosing(agenerate(self._engine(), self._request(messages, stop, kwargs))) as events:
                async for event in events:
                    total.add(event)
        return self._chat_result(total.result())

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # Nothing is awaited when it is left early: the event loop may be ending.
        with translate_errors(), closing(agenerate(self._engine(), self._request(messages, stop, kwargs))) as events:
            async for event in events:
                yield chunk_from_event(event, self._model_name())

    def _chat_result(self, result: CoreResult) -> ChatResult:
        return ChatResult(
            generations=[ChatGeneration(message=from_result(result, self._model_name()))],
            llm_output={"token_usage": token_usage(result.finish.usage), "model_name": self._model_name()},
        )

    @override
    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None], /) -> dict[str, Any]:
        total: dict[str, int] = {}
        for output in llm_outputs:
            for name, count in (output or {}).get("token_usage", {}).items():
                total[name] = total.get(name, 0) + count
        return {"token_usage": total, "model_name": self._model_name()}

    # ------------------------------------------------------------------------------------------------- identity

    @property
    @override
    def _llm_type(self) -> str:
        return "ds4-chat"

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        """Everything an answer depends on, so that a response cache never mixes two models up."""
        params = self._request_options()
        # LangChain overwrites "stop" with that of the call, so the object's own needs another name.
        params["own_stop"] = params.pop("stop")
        return {**identity(self.model, self._load_options(), self.engine), **params}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop if stop is not None else self.stop, **kwargs)
        params["ls_provider"] = "ds4"
        params["ls_model_name"] = kwargs.get("model") or self._model_name()
        return params

    # --------------------------------------------------------------------------------------------------- tokens

    def _vocabulary(self) -> Model:
        return self._engine().model

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, by the model's own tokenizer. Loads no weights."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        with translate_errors():
            return self._vocabulary().tokenize(text)

    @override
    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """The exact number of prompt tokens of a conversation, encoding included. Loads no weights.

        Raises:
            UnsupportedError: Tools are given.
        """
        if tools:
            raise UnsupportedError("tools are not supported yet; leave tools out")
        with translate_errors():
            return count_tokens(self._vocabulary(), to_core(messages))

    # ---------------------------------------------------------------------------------------------- not yet there

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Raises UnsupportedError unless there is nothing to bind: the model's tool calls are not read yet."""
        if tools or tool_choice not in (None, "none", "auto") or kwargs.get("response_format"):
            raise UnsupportedError("ChatDS4 does not support tools yet; use it without bind_tools")
        return self.bind(**kwargs)

    @override
    def with_structured_output(self, schema: Any = None, *, include_raw: bool = False, **kwargs: Any) -> NoReturn:
        """Raises UnsupportedError: answers can not be held to a schema yet."""
        raise UnsupportedError(
            "ChatDS4 does not support structured output yet; ask for JSON in the prompt and parse it"
        )

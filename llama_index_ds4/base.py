"""DS4LLM: LlamaIndex's LLM interface over a DeepSeek V4 model that runs in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr, model_validator
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM

from ds4_core import Engine, Model
from ds4_core.chat import ChatRequest, Message, agenerate, generate
from ds4_core.chat.engines import (
    DEFAULT_MODEL,
    LOAD_OPTIONS,
    check_engine_options,
    check_numbers,
    memo_sharing,
    model_as_str,
    model_name,
    state_without_opened,
)
from ds4_core.chat.request import REQUEST_OPTIONS, build_request, unknown_option
from ds4_core.engine import DEFAULT_N_CTX
from ds4_core.errors import UnsupportedError
from llama_index_ds4._messages import Fold, to_core

if TYPE_CHECKING:
    from typing import Self

    from llama_index.core.tools.types import BaseTool

_NUMBERS = ("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "n_ctx", "timeout", "n_threads")
# Part of the context that query engines keep free for an answer when max_tokens does not say.
_DEFAULT_NUM_OUTPUT = 1024


class DS4LLM(FunctionCallingLLM):
    """A DeepSeek V4 model in this process as a LlamaIndex LLM.

    Constructing it loads nothing. The model is opened at the first call and shared by everything in the process that
    uses the same file with the same `backend`, `n_threads`, `exact` and `kv_dtype`.

    Example:
        ```python
        from llama_index_ds4 import DS4LLM

        llm = DS4LLM(model="ds4-tiny", temperature=0)
        print(llm.complete("What is the capital of France?").text)
        ```

    Everything from `temperature` to `timeout` can be given per call too, where it wins. An unknown name is an error in
    both places. `complete(prompt, formatted=True)` takes the prompt as it is, without the message encoding, and reads
    the protocol's control tokens in it.

    Leaving a stream early (`break`, `close()`, `aclose()`, cancelling the task) stops the generation within one token.
    """

    model: str = Field(default=DEFAULT_MODEL, description="A catalogue name, or the path of a .gguf file.")
    temperature: float = Field(default=1.0, description="0 always takes the most likely token.")
    top_p: float = Field(default=1.0, description="Keeps the most likely tokens up to this share of probability.")
    top_k: int = Field(default=0, description="Keeps this many tokens; 0 keeps all.")
    min_p: float = Field(default=0.0, description="Drops tokens less likely than this share of the most likely one.")
    seed: int | None = Field(default=None, description="Same seed, same prompt, same answer; None draws one.")
    max_tokens: int | None = Field(default=None, description="Most tokens of an answer; None: until it ends.")
    stop: list[str] | None = Field(default=None, description="The answer ends before the first of these strings.")
    n_ctx: int | None = Field(default=None, description="Most tokens of prompt and answer; None: the model's.")
    thinking: bool = Field(default=False, description="Whether the model thinks first; only False is supported.")
    timeout: float | None = Field(default=None, description="Most seconds a call may take.")
    backend: Literal["auto", "cpu", "cuda", "metal"] = Field(default="auto", description="What computes.")
    n_threads: int = Field(default=0, description="CPU threads; 0 takes one per usable processor.")
    exact: bool = Field(default=False, description="f32 activations and KV rows.")
    kv_dtype: Literal["auto", "f32", "f16"] = Field(default="auto", description="Type of the KV rows.")
    engine: Engine | None = Field(default=None, exclude=True, repr=False, description="A ready engine to use.")

    _opened: tuple[tuple[Any, ...], Engine] | None = PrivateAttr(default=None)
    _context: tuple[str, int] | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_names(cls, values: Any) -> Any:
        if isinstance(values, dict):
            known = {*cls.model_fields, *(field.alias for field in cls.model_fields.values() if field.alias)}
            for name in values:
                if name not in known:
                    raise TypeError(f"{cls.__name__}: {unknown_option(name, known)}")
            check_numbers(values, _NUMBERS)
            if isinstance(values.get("stop"), str):
                values = {**values, "stop": [values["stop"]]}
            if "model" in values:
                values = {**values, "model": model_as_str(values["model"])}
        return values

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        build_request(self._request_options(), {}, prompt="any")
        check_engine_options(self.model, self._load_options(), self.engine)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: everything but the opened engine; whoever unpickles opens one of its own."""
        return state_without_opened(super().__getstate__())

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy that shares the engine: one is never copied."""
        return super().__deepcopy__(memo_sharing(memo, self.engine, self._opened[1] if self._opened else None))

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises this class under."""
        return "ds4_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts that query engines plan with. Reads the model file's header once, never its weights.

        `is_function_calling_model` is False: tool calls are not supported yet.
        """
        context = self._context_window()
        return LLMMetadata(
            context_window=context,
            num_output=min(self.max_tokens or _DEFAULT_NUM_OUTPUT, max(1, context // 4)),
            is_chat_model=True,
            is_function_calling_model=False,
            model_name=self._model_name(),
            system_role=MessageRole.SYSTEM,
        )

    def _context_window(self) -> int:
        if self.n_ctx is not None:
            return self.n_ctx
        path = self._engine().path
        if self._context is None or self._context[0] != path:
            trained = self._model().info.n_context_train
            self._context = (path, min(trained or DEFAULT_N_CTX, DEFAULT_N_CTX))
        return self._context[1]

    def _model_name(self) -> str:
        return os.path.basename(model_name(self.model, self.engine)).removesuffix(".gguf")

    # ------------------------------------------------------------------------------------------------- requests

    def _request_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in REQUEST_OPTIONS}

    def _load_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LOAD_OPTIONS}

    def _chat_request(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatRequest:
        return build_request(self._request_options(), kwargs, messages=to_core(messages))

    def _completion_request(self, prompt: str, formatted: bool, kwargs: Mapping[str, Any]) -> ChatRequest:
        if formatted:
            return build_request(self._request_options(), kwargs, prompt=prompt)
        return build_request(self._request_options(), kwargs, messages=(Message("user", prompt),))

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

    def _model(self) -> Model:
        return self._engine().model

    # ----------------------------------------------------------------------------------------------------- chat

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One answer to a conversation."""
        fold = Fold(self._model_name())
        for event in generate(self._engine(), self._chat_request(messages, kwargs)):
            fold.add(event)
        return fold.chat_response()

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it is generated: cumulative messages, each with its new piece in `delta`."""
        request = self._chat_request(messages, kwargs)

        def stream() -> ChatResponseGen:
            fold = Fold(self._model_name())
            with closing(generate(self._engine(), request)) as events:
                for event in events:
                    yield fold.step(event)

        return stream()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, awaited."""
        fold = Fold(self._model_name())
        async with aclosing(agenerate(self._engine(), self._chat_request(messages, kwargs))) as events:
            async for event in events:
                fold.add(event)
        return fold.chat_response()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, awaited."""
        request = self._chat_request(messages, kwargs)

        async def stream() -> ChatResponseAsyncGen:
            fold = Fold(self._model_name())
            # Nothing is awaited when it is left early: the event loop may be ending.
            with closing(agenerate(self._engine(), request)) as events:
                async for event in events:
                    yield fold.step(event)

        return stream()

    # ----------------------------------------------------------------------------------------------- completion

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """One answer to a text: as a user message, or with `formatted=True` its bare continuation."""
        fold = Fold(self._model_name())
        for event in generate(self._engine(), self._completion_request(prompt, formatted, kwargs)):
            fold.add(event)
        return fold.completion_response()

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """`complete` as it is generated."""
        request = self._completion_request(prompt, formatted, kwargs)

        def stream() -> CompletionResponseGen:
            fold = Fold(self._model_name())
            with closing(generate(self._engine(), request)) as events:
                for event in events:
                    yield fold.completion_step(event)

        return stream()

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, awaited."""
        fold = Fold(self._model_name())
        request = self._completion_request(prompt, formatted, kwargs)
        async with aclosing(agenerate(self._engine(), request)) as events:
            async for event in events:
                fold.add(event)
        return fold.completion_response()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete`, awaited."""
        request = self._completion_request(prompt, formatted, kwargs)

        async def stream() -> CompletionResponseAsyncGen:
            fold = Fold(self._model_name())
            # Nothing is awaited when it is left early: the event loop may be ending.
            with closing(agenerate(self._engine(), request)) as events:
                async for event in events:
                    yield fold.completion_step(event)

        return stream()

    # ---------------------------------------------------------------------------------------------------- tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if tools or tool_required:
            raise UnsupportedError("DS4LLM does not support tools yet; use chat without tools")
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        return {"messages": [*(chat_history or ()), *([user_msg] if user_msg else ())], **kwargs}

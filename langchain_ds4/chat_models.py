"""ChatDS4: LangChain's chat model interface over a DeepSeek V4 model that runs in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from ds4_core import Engine
from ds4_core._version import __version__
from ds4_core.chat import Accumulator, ChatRequest, Message, agenerate, collect, generate, prompt_tokens
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
from ds4_core.chat.protocol import DEFAULT_EFFORT, EFFORTS
from ds4_core.chat.request import REQUEST_OPTIONS, build_request, unknown_option
from ds4_core.engine import DEFAULT_N_CTX
from ds4_core.errors import InvalidRequestError
from ds4_core.models import catalogue
from ds4_core.models.header import context_length
from langchain_ds4._content_blocks import ProtocolEvents
from langchain_ds4._errors import translate_errors
from langchain_ds4._messages import Chunks, from_result, to_core, token_usage
from langchain_ds4._structured import (
    METHODS,
    as_openai_tools,
    as_tool_choice,
    response_format_of,
    schema_as_tool,
    text_parser,
    tool_parser,
    with_raw,
)

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

# Names that every hosted model takes and that mean nothing for one in this process: these three are dropped, no other.
_IGNORED = ("api_key", "base_url", "max_retries")
_NUMBERS = (
    "temperature top_p top_k min_p seed repetition_penalty presence_penalty frequency_penalty min_tokens max_tokens "
    "n_ctx max_thinking_tokens top_logprobs timeout n_threads kv_bytes_max checkpoint_bytes_max prefix_bytes_max "
    "max_running max_queue"
).split()


class ChatDS4(BaseChatModel):
    """A DeepSeek V4 model in this process as a LangChain chat model.

    Constructing it loads nothing. The model is opened at the first call and shared by everything in the process that
    uses the same file with the same load options (`backend` and what follows it). `close()`, or leaving a `with` block,
    gives it back.

    Setup:
        `pip install "ds4-integrations[langchain]"`. `"ds4-tiny"` is inside the package; any other model is a `.gguf`
        file.

    Key init args:
        Everything from `temperature` to `timeout` can be given per call too, as in `llm.invoke(text, max_tokens=20)`,
        where it wins. An unknown name is an error in both places.

    Invoke and stream:
        ```python
        from langchain_ds4 import ChatDS4

        llm = ChatDS4(model="ds4-tiny", temperature=0)
        llm.invoke("What is the capital of France?").text
        for chunk in llm.stream("Tell me a joke."):
            print(chunk.text, end="", flush=True)
        ```

    Async:
        `ainvoke`, `astream` and `abatch` wait in no thread. Leaving a stream early (`break`, `close()`, `aclose()`,
        cancelling the task) stops the generation within one token.

    Tool calling:
        ```python
        llm.bind_tools([get_weather], tool_choice="any").invoke("How is the weather in Oslo?").tool_calls
        ```
        Choices, names and arguments are held to by a grammar. A call that was cut off is in `invalid_tool_calls`.

    Structured output:
        ```python
        llm.with_structured_output(Joke).invoke("Tell me a joke about cats.")
        ```

    Thinking:
        With `thinking=True` or a `reasoning_effort`; it comes as `reasoning` blocks in `message.content_blocks` and in
        `additional_kwargs["reasoning_content"]`.

    Token usage and log-probabilities:
        `message.usage_metadata`; with `logprobs=True` `message.response_metadata["logprobs"]["content"]`, one entry
        for every generated token.

    Response metadata:
        `model_name`, `finish_reason` ("stop", "length", "tool_calls"), `stop_sequence`, `seed`, `timings`.
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
    repetition_penalty: float = 1.0
    """Above 1 weakens tokens of the prompt and of the answer."""
    presence_penalty: float = 0.0
    """Taken once from the logits of tokens that the answer has."""
    frequency_penalty: float = 0.0
    """Taken once per occurrence in the answer."""
    logit_bias: dict[int, float] | None = None
    """Token id -> value added to its logit; `-inf` forbids it."""
    min_tokens: int = 0
    """So many tokens are drawn before one may end the answer."""
    max_tokens: int | None = None
    """Most tokens of an answer; None goes on until the model ends it or the context is full."""
    stop: list[str] | None = None
    """The answer ends before the first of these strings. `stop` of a call replaces it."""
    n_ctx: int | None = None
    """Most tokens of prompt and answer together; None takes the model's trained context length, at most 32,768."""
    thinking: bool | Literal["auto"] = "auto"
    """Whether the model thinks first; "auto" is when there is a `reasoning_effort`."""
    reasoning_effort: Literal["low", "high", "max"] | None = None
    """How much it thinks; None is "high" when it does."""
    max_thinking_tokens: int | None = None
    """After so many tokens thinking ends; None is no limit."""
    logprobs: bool | None = None
    """Whether messages carry the log-probabilities of their tokens; None is when there are `top_logprobs`."""
    top_logprobs: int | None = None
    """How many of the most likely tokens at each position go with them."""
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
    kv_bytes_max: int = 0
    """Most bytes of KV; 0 is no limit."""
    checkpoint_bytes_max: int = 0
    """Most bytes of a session's checkpoints; 0 is what the engine finds right."""
    prefix_bytes_max: int = 2**30
    """Most bytes of KV that answers leave for later ones with the same beginning."""
    max_running: int = 64
    """Most requests computed side by side; others wait."""
    max_queue: int | None = None
    """Most requests that may wait; one more raises DS4QueueFullError. None is no limit."""
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
        check_numbers(values, tuple(_NUMBERS))
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
        build_request(self._request_options(), {}, messages=(Message("user", "any"),))
        check_engine_options(self.model, self._load_options(), self.engine)
        return self

    @model_validator(mode="after")
    def _set_ds4_version(self) -> Self:
        self._add_version("langchain-ds4", __version__)
        return self

    # -------------------------------------------------------------------------------------------- copies and life

    @override
    def __getstate__(self) -> dict[Any, Any]:
        return state_without_opened(super().__getstate__())

    @override
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super().__deepcopy__(memo_sharing(memo, self.engine, self._opened[1] if self._opened else None))

    def close(self) -> None:
        """Gives the model back that this object opened; the last one who does frees its memory.

        A later call opens it again. An engine given as `engine=` belongs to the caller and stays open.
        """
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()

    def __enter__(self) -> Self:
        """Returns itself, nothing loaded."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

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
        if overrides.get("tools"):
            overrides["tools"] = as_openai_tools(overrides["tools"])
        if overrides.get("tool_choice"):
            overrides["tool_choice"] = as_tool_choice(overrides["tool_choice"], overrides.get("tools") or ())
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
        chunks = Chunks(self._model_name())
        with translate_errors(), closing(generate(self._engine(), self._request(messages, stop, kwargs))) as events:
            for event in events:
                if (chunk := chunks.take(event)) is not None:
                    yield chunk

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        *,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[MessagesData]:
        protocol = ProtocolEvents(self._model_name(), _message_id(run_manager))
        with translate_errors(), closing(generate(self._engine(), self._request(messages, stop, kwargs))) as events:
            for event in events:
                yield from protocol.take(event)

    # In the awaited ones nothing is awaited when they are left early: the event loop may be ending.

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
        chunks = Chunks(self._model_name())
        with translate_errors(), closing(agenerate(self._engine(), self._request(messages, stop, kwargs))) as events:
            async for event in events:
                if (chunk := chunks.take(event)) is not None:
                    yield chunk

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        *,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[MessagesData]:
        protocol = ProtocolEvents(self._model_name(), _message_id(run_manager))
        with translate_errors(), closing(agenerate(self._engine(), self._request(messages, stop, kwargs))) as events:
            async for event in events:
                for made in protocol.take(event):
                    yield made

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

    # ----------------------------------------------------------------------------------------- tools and schemas

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """A model that may call tools. What is asked for here is held to by a grammar.

        Args:
            tools: Tools, functions, pydantic classes, TypedDicts, JSON schemas with a title, or the dicts of OpenAI,
                Anthropic or Bedrock; none is none.
            tool_choice: "auto" (text or calls), "any", "required" or True (at least one call), "none", the name of the
                tool to call, or OpenAI's or Anthropic's dict; None, False and "" are "auto".
            strict: Whether arguments have to fit their schemas; None is yes where a schema can be enforced.
            parallel_tool_calls: Whether one answer may hold several calls; None is yes.
            response_format: What an answer without calls has to look like: a response format, a JSON schema, a pydantic
                class or a TypedDict.
            kwargs: Options of a call, as for `invoke`.

        Raises:
            ValueError: What is given is no tool, or no tool's name.
        """
        with translate_errors():
            bound = {**kwargs, "tools": as_openai_tools(tools)}
            bound["tool_choice"] = as_tool_choice(tool_choice, bound["tools"])
            if response_format is not None and not isinstance(response_format, dict):
                response_format = response_format_of(response_format)
        bound |= {"strict": strict, "parallel_tool_calls": parallel_tool_calls, "response_format": response_format}
        return self.bind(**{name: value for name, value in bound.items() if value is not None})

    @override
    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """A model whose answers are objects.

        Args:
            schema: A pydantic class (v1 or v2), whose objects come back; or a TypedDict, a JSON schema, a tool's dict
                or a response format: dicts come back. None, for "json_mode" only, is any JSON object.
            method: "json_schema" holds the answer to the schema and shows it to the model; "function_calling" has the
                model call a tool of that schema; "json_mode" is "json_schema" where there is one.
            include_raw: Whether to return a dict with the message ("raw"), the object ("parsed") and the error of
                reading it ("parsing_error"), instead of the object or raising the error.
            strict: For "function_calling" as in `bind_tools`; "json_schema" is always strict.
            kwargs: Options of a call, as for `invoke`.

        Raises:
            ValueError: An unknown method, no schema, or `strict` with "json_mode".
            TypeError: An unknown option.

        An answer that was cut off raises an OutputParserException that says so.
        """
        with translate_errors():
            llm, parser = self._structured(schema, method, strict, kwargs)
        return with_raw(llm, parser) if include_raw else llm | parser

    def _structured(
        self, schema: Any, method: str, strict: bool | None, kwargs: dict[str, Any]
    ) -> tuple[Runnable[Any, Any], Runnable[Any, Any]]:
        if method not in METHODS:
            raise InvalidRequestError(f"method={method!r}: it must be one of {', '.join(METHODS)}")
        if schema is None and method != "json_mode":
            raise InvalidRequestError(f"method={method!r} needs a schema; only json_mode does without")
        if strict is not None and method == "json_mode":
            raise InvalidRequestError(f"strict={strict} has no meaning with method='json_mode'; leave it out")
        for name in kwargs:
            if name not in REQUEST_OPTIONS:
                raise TypeError(unknown_option(name, REQUEST_OPTIONS))
        if schema is not None:
            shown = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
            kwargs = {**kwargs, "ls_structured_output_format": shown}
        if method == "function_calling":
            tool = schema_as_tool(schema)
            name = tool["function"]["name"]
            choice = {"type": "function", "function": {"name": name}}
            llm = self.bind_tools([tool], tool_choice=choice, strict=strict, parallel_tool_calls=False, **kwargs)
            return llm, tool_parser(schema, name)
        wanted = {"type": "json_object"} if schema is None else response_format_of(schema)
        return self.bind(response_format=wanted, **kwargs), text_parser(schema)

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

    @override
    def _resolve_model_profile(self) -> ModelProfile:
        """What the model can do. Of its file only the context length is read."""
        path = self.engine.path if self.engine is not None else catalogue.resolve(self.model)
        n_ctx = self.n_ctx or min(context_length(path) or DEFAULT_N_CTX, DEFAULT_N_CTX)
        return ModelProfile(
            name=self._model_name(),
            open_weights=True,
            max_input_tokens=n_ctx,
            max_output_tokens=min(self.max_tokens or n_ctx, n_ctx),
            text_inputs=True,
            image_inputs=False,
            image_url_inputs=False,
            pdf_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            image_tool_message=False,
            pdf_tool_message=False,
            text_outputs=True,
            image_outputs=False,
            audio_outputs=False,
            video_outputs=False,
            reasoning_output=True,
            reasoning_effort_levels=list(EFFORTS),
            reasoning_effort_default=DEFAULT_EFFORT,
            tool_calling=True,
            tool_choice=True,
            tool_call_streaming=True,
            mid_conversation_system_messages=True,
            structured_output=True,
            temperature=True,
            attachment=False,
        )

    # --------------------------------------------------------------------------------------------------- tokens

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, by the model's own tokenizer. Loads no weights."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        with translate_errors():
            return self._engine().model.tokenize(text)

    @override
    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """The exact number of prompt tokens of a conversation, tools and encoding included. Loads no weights.

        Args:
            messages: The conversation.
            tools: Tools, as `bind_tools` takes them.
            kwargs: Options of a call that change the prompt: `thinking`, `reasoning_effort`, `response_format`.
        """
        with translate_errors():
            request = self._request(messages, None, {**kwargs, "tools": list(tools or ())})
            return len(prompt_tokens(self._engine().model, request))


def _message_id(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> str:
    return f"lc_run--{run_manager.run_id}" if run_manager is not None else ""  # as the framework names them


def register(provider: str = "ds4") -> None:
    """Makes `init_chat_model("ds4:ds4-tiny")` give a ChatDS4.

    LangChain has no public place for this, so that its private table of providers is changed; passing a ChatDS4 itself
    is the supported way and works everywhere.

    Args:
        provider: The name before the colon.

    Raises:
        ImportError: The package `langchain` is not installed.
        RuntimeError: This version of it keeps no such table.
    """
    from langchain.chat_models import base

    if not hasattr(base, "_BUILTIN_PROVIDERS"):
        raise RuntimeError("this version of langchain has no table of providers; pass a ChatDS4 object instead")
    base._BUILTIN_PROVIDERS[provider] = ("langchain_ds4", "ChatDS4", lambda cls, **kwargs: cls(**kwargs))

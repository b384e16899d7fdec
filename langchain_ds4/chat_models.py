"""ChatDS4: LangChain's chat model interface over a DeepSeek V4 model that runs in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, model_validator
from typing_extensions import override

from ds4_core._version import __version__
from ds4_core.chat import ChatRequest, prompt_tokens
from ds4_core.chat import ChatResult as CoreResult
from ds4_core.chat.adapter import Adapter
from ds4_core.chat.engines import identity
from ds4_core.chat.protocol import DEFAULT_EFFORT, EFFORTS
from ds4_core.chat.tools import as_tool, choice_of
from ds4_core.types import checked_bool
from langchain_ds4._content_blocks import ProtocolEvents
from langchain_ds4._errors import translate_errors
from langchain_ds4._messages import Chunks, from_result, to_core
from langchain_ds4._structured import openai_forms, structured

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

# Options of a call that say how it is answered, not what: LangChain acts on them.
_STREAMED = ("stream", "streaming")
# Of a model's profile.
_ABLE = (
    "text_inputs text_outputs reasoning_output tool_calling tool_choice tool_call_streaming structured_output "
    "mid_conversation_system_messages temperature"
)
_UNABLE = (
    "image_inputs image_url_inputs pdf_inputs audio_inputs video_inputs image_tool_message pdf_tool_message "
    "image_outputs audio_outputs video_outputs attachment"
)


class ChatDS4(Adapter, BaseChatModel):
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

    streaming: bool = Field(default=False, description="True makes invoke run as a stream, for handlers of tokens.")

    # What every hosted model takes and means nothing for one in this process: these three are dropped, no other.
    ignored_names = ("api_key", "base_url", "max_retries")

    @model_validator(mode="after")
    def _set_ds4_version(self) -> Self:
        self._add_version("langchain-ds4", __version__)
        return self

    # ------------------------------------------------------------------------------------------------- requests

    @override
    def _translated(self) -> AbstractContextManager[None]:
        return translate_errors()

    @translate_errors()
    def _asked(self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> ChatRequest:
        overrides = {name: value for name, value in kwargs.items() if name not in _STREAMED}
        for name in _STREAMED:
            if kwargs.get(name) is not None:
                checked_bool(name, kwargs[name])
        if stop is not None:
            overrides["stop"] = stop
        return self._request(openai_forms(overrides), messages=to_core(messages))

    @override
    def _should_stream(self, *, async_api: bool, run_manager: Any = None, **kwargs: Any) -> bool:
        asked = kwargs.pop("streaming", None)
        if asked is not None and asked != self.streaming:
            other = self.model_copy(update={"streaming": asked})
            return other._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)
        return super()._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)

    @override
    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._chat_result(self._whole(self._asked(messages, stop, kwargs)))

    @override
    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._chat_result(await self._awhole(self._asked(messages, stop, kwargs)))

    @override
    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        return self._stepwise(self._asked(messages, stop, kwargs), Chunks(self._model_name()).take)

    @override
    def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._astepwise(self._asked(messages, stop, kwargs), Chunks(self._model_name()).take)

    def _stream_chat_model_events(
        self, messages: list[BaseMessage], *, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[MessagesData]:
        return self._stepwise(self._asked(messages, stop, kwargs), self._protocol(run_manager).take)

    def _astream_chat_model_events(
        self, messages: list[BaseMessage], *, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[MessagesData]:
        return self._astepwise(self._asked(messages, stop, kwargs), self._protocol(run_manager).take)

    def _protocol(self, run_manager: Any) -> ProtocolEvents:
        message_id = f"lc_run--{run_manager.run_id}" if run_manager is not None else ""  # as the framework names them
        return ProtocolEvents(self._model_name(), message_id)

    def _chat_result(self, result: CoreResult) -> ChatResult:
        return ChatResult(
            generations=[ChatGeneration(message=from_result(result, self._model_name()))],
            llm_output={"token_usage": result.finish.usage.counts, "model_name": self._model_name()},
        )

    @override
    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None], /) -> dict[str, Any]:
        total = Counter[str]()
        for output in llm_outputs:
            total.update((output or {}).get("token_usage", {}))
        return {"token_usage": dict(total), "model_name": self._model_name()}

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
        tool_choice = "required" if tool_choice is True else tool_choice or None
        bound = {**kwargs, "tools": list(tools), "tool_choice": tool_choice, "response_format": response_format}
        bound |= {"strict": strict, "parallel_tool_calls": parallel_tool_calls}
        with translate_errors():
            bound = openai_forms(bound)
            choice_of(tool_choice, [as_tool(tool) for tool in bound["tools"]])
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
            ValueError: An unknown method, no schema, `strict` with "json_mode", or "function_calling" with a schema of
                something else than an object.
            TypeError: An unknown option.

        An answer that was cut off raises an OutputParserException that says so.
        """
        with translate_errors():
            return structured(self, schema, method=method, include_raw=include_raw, strict=strict, options=kwargs)

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
    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        # A class or function would be in the key of a response cache by its name, whatever its schema is.
        with translate_errors():
            return super()._get_llm_string(stop, **openai_forms(kwargs))

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop if stop is not None else self.stop, **kwargs)
        return {**params, "ls_provider": "ds4", "ls_model_name": kwargs.get("model") or self._model_name()}

    @override
    def _resolve_model_profile(self) -> ModelProfile:
        """What the model can do. Of its file only the context length is read."""
        n_ctx = self._context_window()
        profile = {
            "name": self._model_name(),
            "open_weights": True,
            "max_input_tokens": n_ctx,
            "max_output_tokens": min(self.max_tokens or n_ctx, n_ctx),
            "reasoning_effort_levels": list(EFFORTS),
            "reasoning_effort_default": DEFAULT_EFFORT,
            **dict.fromkeys(_ABLE.split(), True),
            **dict.fromkeys(_UNABLE.split(), False),
        }
        return cast("ModelProfile", profile)

    # --------------------------------------------------------------------------------------------------- tokens

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """The token ids of a text, by the model's own tokenizer. Loads no weights."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        with translate_errors():
            return self._vocabulary().tokenize(text)

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
            request = self._asked(messages, None, {**kwargs, "tools": list(tools or ())})
            return len(prompt_tokens(self._vocabulary(), request))


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

"""DS4LLM: LlamaIndex's LLM interface over a DeepSeek V4 model that runs in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

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
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import ToolSelection

from ds4_core.chat import ChatRequest, Message, encode_request
from ds4_core.chat.adapter import Adapter
from llama_index_ds4._messages import (
    Fold,
    as_chat,
    as_completion,
    no_call_reason,
    to_core,
    tool_selections,
    tool_spec,
    without_further_calls,
)
from llama_index_ds4._structured import StructuredPredictions

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

R = TypeVar("R")

# Part of the context that query engines keep free for an answer when max_tokens does not say.
_DEFAULT_NUM_OUTPUT = 1024


class DS4LLM(Adapter, StructuredPredictions):
    """A DeepSeek V4 model in this process as a LlamaIndex LLM that calls functions.

    Constructing it loads nothing. The model is opened at the first call and shared by everything in the process that
    uses the same file with the same load options, which are the fields from `backend` on.

    Example:
        ```python
        from llama_index_ds4 import DS4LLM

        llm = DS4LLM(model="ds4-tiny", temperature=0)
        print(llm.complete("What is the capital of France?").text)
        ```

    Everything from `temperature` to `timeout` can be given per call too, where it wins; `tools`, `tool_choice`,
    `parallel_tool_calls`, `strict` and `response_format` only there. An unknown name is an error in both places.
    `complete(prompt, formatted=True)` takes the prompt as it is, without the message encoding, and reads the protocol's
    control tokens in it.

    A response's message has a ThinkingBlock when the model thought, always one TextBlock, and a ToolCallBlock per call;
    `tool_kwargs` is text as long as a call is not complete. `raw` holds finish_reason, usage, seed and timings,
    `additional_kwargs` the token counts and `invalid_tool_calls`, the calls that can not be carried out. `logprobs` has
    an entry for every generated token: the token that was drawn, then the others that were likely. Responses of a
    stream hold everything so far; `delta`, `additional_kwargs["thinking_delta"]` and `logprobs` are what is new.

    Leaving a stream early (`break`, `close()`, `aclose()`, cancelling the task) stops the generation within one token.
    """

    ignored_names: ClassVar[tuple[str, ...]] = ("class_name",)  # what LlamaIndex writes down of a component with it

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises this class under."""
        return "ds4_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts that query engines plan with. Reads the model file's header once, never its weights."""
        context = self._context_window()
        return LLMMetadata(
            context_window=context,
            num_output=min(self.max_tokens or _DEFAULT_NUM_OUTPUT, max(1, context // 4)),
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self._model_name(),
            system_role=MessageRole.SYSTEM,
        )

    def _model_name(self) -> str:
        return os.path.basename(super()._model_name()).removesuffix(".gguf")

    # ------------------------------------------------------------------------------------------------- requests

    def _chat_request(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatRequest:
        return self._request(kwargs, messages=to_core(messages))

    def _completion_request(self, prompt: str, formatted: bool, kwargs: Mapping[str, Any]) -> ChatRequest:
        if formatted:
            return self._request(kwargs, prompt=prompt)
        return self._request(kwargs, messages=(Message("user", prompt),))

    def _fold(self, request: ChatRequest) -> Fold:
        return Fold(self._model_name(), logprobs=request.logprobs)

    # --------------------------------------------------------------------------------------------------- tokens

    @property
    def tokenizer(self) -> Callable[[str], list[int]]:
        """The model's own tokenizer, for `Settings.tokenizer = llm.tokenizer`. Loads no weights."""
        return self._token_ids

    def _token_ids(self, text: str) -> list[int]:
        return self._vocabulary().tokenize(text)

    def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[BaseTool] = ()) -> int:
        """The exact number of prompt tokens of a conversation, encoding and tools included. Loads no weights."""
        request = self._chat_request(messages, {"tools": [tool_spec(tool) for tool in tools]})
        return len(encode_request(self._vocabulary(), request))

    # ----------------------------------------------------------------------------------------------------- chat

    def _answer(self, request: ChatRequest) -> ChatResponse:
        return self._fold(request).whole(self._whole(request))

    async def _aanswer(self, request: ChatRequest) -> ChatResponse:
        return self._fold(request).whole(await self._awhole(request))

    def _stream(self, request: ChatRequest, shape: Callable[[ChatResponse], R]) -> Generator[R, None, None]:
        fold = self._fold(request)
        return self._stepwise(request, lambda event: [shape(fold.step(event))])

    def _astream(self, request: ChatRequest, shape: Callable[[ChatResponse], R]) -> AsyncGenerator[R, None]:
        fold = self._fold(request)
        return self._astepwise(request, lambda event: [shape(fold.step(event))])

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One answer to a conversation.

        Args:
            messages: The conversation; it is left as it is.
            kwargs: Options of this call: the fields from `temperature` to `timeout`, and `tools`, `tool_choice`,
                `parallel_tool_calls`, `strict` and `response_format`, as a `ds4_core.chat.ChatRequest` takes them.

        Raises:
            TypeError: An unknown option.
            InvalidRequestError: A value out of range, a message that is no text.
            ContextOverflowError: The prompt fills the context.
            GenerationTimeoutError: `timeout` is over.
        """
        return self._answer(self._chat_request(messages, kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it is generated: cumulative messages, each with its new piece in `delta`."""
        return self._stream(self._chat_request(messages, kwargs), as_chat)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, awaited."""
        return await self._aanswer(self._chat_request(messages, kwargs))

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, awaited."""
        return self._astream(self._chat_request(messages, kwargs), as_chat)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """One answer to a text: as a user message, or with `formatted=True` its bare continuation."""
        return as_completion(self._answer(self._completion_request(prompt, formatted, kwargs)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """`complete` as it is generated."""
        return self._stream(self._completion_request(prompt, formatted, kwargs), as_completion)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, awaited."""
        return as_completion(await self._aanswer(self._completion_request(prompt, formatted, kwargs)))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete`, awaited."""
        return self._astream(self._completion_request(prompt, formatted, kwargs), as_completion)

    # ---------------------------------------------------------------------------------------------------- tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | Mapping[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What `chat` is called with. `tool_choice` wins over `tool_required`; without either the model decides."""
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        messages = [*(chat_history or ()), *([user_msg] if user_msg else ())]
        return {
            "messages": messages,
            "tools": [tool_spec(tool) for tool in tools],
            "tool_choice": tool_choice or ("required" if tool_required else None),
            "parallel_tool_calls": allow_parallel_tool_calls,
            **kwargs,
        }

    def _validate_chat_with_tools_response(
        self, response: ChatResponse, tools: Sequence[BaseTool], allow_parallel_tool_calls: bool = False, **kwargs: Any
    ) -> ChatResponse:
        return response if allow_parallel_tool_calls else without_further_calls(response)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The complete tool calls of a response. A call that was cut off or is malformed is none.

        Raises:
            ValueError: There are none, and `error_on_no_tool_call` is True; the message says why.
        """
        selections = tool_selections(response)
        if error_on_no_tool_call and not selections:
            raise ValueError(f"the answer has no complete tool call: {no_call_reason(response)}")
        return selections

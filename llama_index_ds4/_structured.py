"""Structured predictions: answers held to a schema, whole and while they are written."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import closing
from typing import Any, cast

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel, Field, ValidationError
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # as they say to
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent as End
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictStartEvent as Start
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.prompts.base import PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from pydantic_core import from_json

Options = dict[str, Any] | None

dispatcher = get_dispatcher(__name__)

# What the programs of LlamaIndex set themselves, so that it has no effect there either.
_OF_PROGRAMS = ("tool_required", "tool_choice", "allow_parallel_tool_calls")


class StructuredPredictions(FunctionCallingLLM):
    """The four ways to predict an object, each over the chat method of the same kind.

    `pydantic_program_mode` says how: DEFAULT writes JSON that is held to the schema of the class, or with
    `should_use_structured_outputs=False` does what FUNCTION does, which is to call a tool of that schema; other modes
    are LlamaIndex's own. The prompt shows the model the schema in either case.
    """

    should_use_structured_outputs: bool = Field(
        default=True, description="Structured predictions are JSON held to the schema; False: calls of a tool."
    )

    def structured_predict(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Model:
        """An object of a class, as a prompt asks for it.

        Args:
            output_cls: A pydantic model.
            prompt: What is asked; the system prompt goes before it.
            llm_kwargs: Options of the call, as for `chat`.
            prompt_args: What the prompt is filled with.

        Raises:
            ValidationError: The answer does not pass a check of the class that its schema does not tell.
            UnsupportedError: The schema has a part that can not be enforced.
            DS4Error: Whatever `chat` raises.
        """
        if not self._predicts_itself:
            return cast(Model, super().structured_predict(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args))
        dispatcher.event(Start(output_cls=output_cls, template=prompt, template_args=prompt_args))
        return _predicted(output_cls, self.chat(**self._asked(output_cls, prompt, llm_kwargs, prompt_args)))

    async def astructured_predict(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Model:
        """`structured_predict`, awaited."""
        if not self._predicts_itself:
            predicted = await super().astructured_predict(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args)
            return cast(Model, predicted)
        dispatcher.event(Start(output_cls=output_cls, template=prompt, template_args=prompt_args))
        return _predicted(output_cls, await self.achat(**self._asked(output_cls, prompt, llm_kwargs, prompt_args)))

    def _structured_stream_call(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        if not self._predicts_itself:
            return super()._structured_stream_call(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args)
        responses = self.stream_chat(**self._asked(output_cls, prompt, llm_kwargs, prompt_args))

        def stream() -> Generator[Model | FlexibleModel, None, None]:
            parts = _Parts(output_cls)
            with closing(responses):
                for response in responses:
                    yield from parts.add(response)
            yield from parts.end()

        return stream()

    async def _structured_astream_call(
        self, output_cls: type[Model], prompt: PromptTemplate, llm_kwargs: Options = None, **prompt_args: Any
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        if not self._predicts_itself:
            return await super()._structured_astream_call(output_cls, prompt, dict(llm_kwargs or {}), **prompt_args)
        responses = await self.astream_chat(**self._asked(output_cls, prompt, llm_kwargs, prompt_args))

        async def stream() -> AsyncGenerator[Model | FlexibleModel, None]:
            parts = _Parts(output_cls)
            async for response in responses:  # left early, it is closed as any other that nobody holds
                for part in parts.add(response):
                    yield part
            for part in parts.end():
                yield part

        return stream()

    @property
    def _predicts_itself(self) -> bool:
        return self.pydantic_program_mode in (PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION)

    def _asked(
        self, output_cls: type[BaseModel], prompt: PromptTemplate, llm_kwargs: Options, prompt_args: dict[str, Any]
    ) -> dict[str, Any]:
        """Messages and options of the chat whose answer is the object."""
        kwargs = {name: value for name, value in (llm_kwargs or {}).items() if name not in _OF_PROGRAMS}
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        if self.should_use_structured_outputs and self.pydantic_program_mode == PydanticProgramMode.DEFAULT:
            schema = {"name": output_cls.__name__, "schema": output_cls.model_json_schema()}
            form = {"type": "json_schema", "json_schema": schema}
            return {**kwargs, "messages": messages, "response_format": form}
        tools = [get_function_tool(output_cls)]
        return self._prepare_chat_with_tools(tools, chat_history=messages, tool_required=True, **kwargs)


def _json_of(response: ChatResponse) -> str:
    """The JSON text of the object so far: the arguments of the first call, or the visible text."""
    for block in response.message.blocks:
        if isinstance(block, ToolCallBlock):
            return block.tool_kwargs if isinstance(block.tool_kwargs, str) else json.dumps(block.tool_kwargs)
    return response.message.content or ""


def _parsed(output_cls: type[Model], response: ChatResponse) -> Model:
    try:
        return output_cls.model_validate_json(_json_of(response))
    except ValidationError as error:
        reason = response.raw.get("finish_reason") if isinstance(response.raw, dict) else None
        error.add_note(f"The answer ended with finish_reason={reason!r}: {_json_of(response)!r:.500}")
        raise


def _predicted(output_cls: type[Model], response: ChatResponse) -> Model:
    predicted = _parsed(output_cls, response)
    dispatcher.event(End(output=predicted))
    return predicted


class _Parts:
    """The object as far as it is written, whenever there is more of it."""

    def __init__(self, output_cls: type[Model]) -> None:
        self._output_cls = output_cls
        self._flexible = create_flexible_model(output_cls)  # any of the fields
        self._values: Any = None
        self._shown: Any = None
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> Generator[Any, None, None]:
        """Takes the next response; yields at most one object."""
        self._last = response
        text = _json_of(response)
        try:
            values = from_json(text, allow_partial="trailing-strings") if text else None
        except ValueError:
            return  # a number of which only the sign is there, or no JSON, as the end will tell
        if values is None or values == self._values:
            return
        self._values = values
        try:
            self._shown = self._output_cls.model_validate(values)
        except ValidationError:
            if not isinstance(values, dict):
                return
            self._shown = self._flexible.model_validate(values)
        yield self._shown

    def end(self) -> Generator[Any, None, None]:
        """The object checked as a whole, unless it was the last one shown."""
        assert self._last is not None  # noqa: S101 - every stream has an end
        whole = _parsed(self._output_cls, self._last)
        if whole != self._shown:
            yield whole

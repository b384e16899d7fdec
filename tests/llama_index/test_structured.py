"""Structured predictions: four ways, two modes of our own, held to the schema; real ones on ds4-tiny."""

from enum import StrEnum

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field, ValidationError, field_validator

from ds4_core import UnsupportedError
from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine
from llama_index_ds4 import DS4LLM


class Person(BaseModel):
    """A person."""

    name: str = Field(description="First name.")
    age: int


class Kind(StrEnum):
    """Of animals."""

    CAT = "cat"
    DOG = "dog"


class Pet(BaseModel):
    """An animal with its owner."""

    kind: Kind
    owner: Person
    names: list[str] = Field(max_length=3)
    tame: bool | None = None


class Even(BaseModel):
    """A number with a check that no schema tells."""

    number: int

    @field_validator("number")
    @classmethod
    def _is_even(cls, number):
        if number % 2:
            raise ValueError("it is odd")
        return number


PROMPT = PromptTemplate("{name} is 31 years old. Who is it?")
ANN = '{"name": "Ann", "age": 31}'
MODES = [
    ("schema", {}),
    ("switched to tools", {"should_use_structured_outputs": False}),
    ("tools", {"pydantic_program_mode": PydanticProgramMode.FUNCTION}),
]


async def predict_all_ways(llm, output_cls, prompt, llm_kwargs=None, **prompt_args):
    """The objects that the four ways predict, for streams all of them."""
    args = (output_cls, prompt, llm_kwargs)
    streamed = await llm.astream_structured_predict(*args, **prompt_args)
    return [
        llm.structured_predict(*args, **prompt_args),
        await llm.astructured_predict(*args, **prompt_args),
        list(llm.stream_structured_predict(*args, **prompt_args)),
        [part async for part in streamed],
    ]


@pytest.mark.parametrize(("mode", "options"), MODES)
@pytest.mark.parametrize("output_cls", [Person, Pet])
async def test_model_fills_the_object_all_four_ways(mode, options, output_cls):
    llm = DS4LLM(temperature=0, max_tokens=200, **options)
    whole, awaited, streamed, async_streamed = await predict_all_ways(llm, output_cls, PROMPT, name="Maria")
    assert isinstance(whole, output_cls)
    assert awaited == whole == streamed[-1] == async_streamed[-1]
    assert len(streamed) > 2
    assert [part.model_dump() for part in streamed] == [part.model_dump() for part in async_streamed]
    assert isinstance(streamed[0], FlexibleModel)


@pytest.mark.parametrize(("mode", "options"), MODES)
async def test_model_is_told_the_schema_and_the_system_prompt(mode, options):
    answer = Scripted(ANN) if mode == "schema" else Scripted(tool_calls=[ToolCall("Person", ANN)])
    with ScriptedEngine([answer] * 4) as engine:
        llm = DS4LLM(engine=engine, system_prompt="You are Nina.", **options)
        whole, awaited, streamed, async_streamed = await predict_all_ways(llm, Person, PROMPT, name="Ann")
        texts = [request.text for request in engine.requests]
    assert whole == awaited == streamed[-1] == async_streamed[-1] == Person(name="Ann", age=31)
    for text in texts:
        assert "You are Nina." in text
        assert "First name." in text
        assert "Ann is 31 years old." in text


async def test_objects_grow_field_by_field_and_end_checked():
    with ScriptedEngine([Scripted('{"name": "Ann", "age": 31}', chunking=1)] * 2) as engine:
        parts = list(DS4LLM(engine=engine).stream_structured_predict(Person, PROMPT, name="Ann"))
    names = [part.name for part in parts]
    assert names[:5] == [None, "", "A", "An", "Ann"]
    assert [type(part) is Person for part in parts] == [False] * 5 + [True] * 2
    assert parts[-1] == Person(name="Ann", age=31)


async def test_lists_grow_entry_by_entry():
    whole = '{"kind": "cat", "owner": {"name": "Ann", "age": 3}, "names": ["a", "b{\\"}"], "tame": true}'
    with ScriptedEngine([Scripted(whole, chunking=1)]) as engine:
        parts = list(DS4LLM(engine=engine).stream_structured_predict(Pet, PROMPT, name="Ann"))
    assert [part.names for part in parts if isinstance(part, Pet)][-1] == ["a", 'b{"}']
    assert {len(part.names or []) for part in parts} == {0, 1, 2}


async def test_check_that_the_schema_does_not_tell_fails_as_pydantic_does():
    with ScriptedEngine(['{"number": 3}'] * 4) as engine:
        llm = DS4LLM(engine=engine)
        with pytest.raises(ValidationError, match="it is odd") as failed:
            llm.structured_predict(Even, PROMPT, name="Ann")
        assert "finish_reason='stop'" in failed.value.__notes__[0]
        with pytest.raises(ValidationError, match="it is odd"):
            await llm.astructured_predict(Even, PROMPT, name="Ann")
        with pytest.raises(ValidationError, match="it is odd"):
            list(llm.stream_structured_predict(Even, PROMPT, name="Ann"))
        stream = await llm.astream_structured_predict(Even, PROMPT, name="Ann")
        with pytest.raises(ValidationError, match="it is odd"):
            _ = [part async for part in stream]


def test_object_that_was_cut_off_is_no_object():
    with ScriptedEngine([Scripted('{"name": "An', eos=False)] * 2) as engine:
        llm = DS4LLM(engine=engine)
        with pytest.raises(ValidationError) as failed:
            llm.structured_predict(Person, PROMPT, name="Ann")
        assert "finish_reason='length'" in failed.value.__notes__[0]
        with pytest.raises(ValidationError):
            list(llm.stream_structured_predict(Person, PROMPT, name="Ann"))


@pytest.mark.parametrize(("mode", "options"), MODES)
def test_tight_limit_still_gives_a_whole_object(mode, options):
    llm = DS4LLM(temperature=0, **options)
    person = llm.structured_predict(Person, PROMPT, {"max_tokens": 90}, name="Maria")
    assert person == llm.structured_predict(Person, PROMPT, {"max_tokens": 90}, name="Maria")
    hot = DS4LLM(temperature=5.0, seed=3, max_tokens=90, **options)
    assert isinstance(hot.structured_predict(Person, PROMPT, name="Maria"), Person)


@pytest.mark.parametrize(("mode", "options"), [*MODES, ("text", {"pydantic_program_mode": PydanticProgramMode.LLM})])
async def test_options_of_the_caller_are_used_and_left_alone(mode, options):
    answer = Scripted(tool_calls=[ToolCall("Person", ANN)]) if "tools" in mode else Scripted(ANN)
    kwargs = {"max_tokens": 77, "tool_choice": "auto", "tool_required": False, "allow_parallel_tool_calls": True}
    if mode == "text":
        kwargs = {"max_tokens": 77}
    before = dict(kwargs)
    with ScriptedEngine([answer] * 4) as engine:
        await predict_all_ways(DS4LLM(engine=engine, **options), Person, PROMPT, kwargs, name="Ann")
        assert [entry.request.max_tokens for entry in engine.requests] == [77] * 4
    assert kwargs == before
    with pytest.raises(TypeError, match="unknown option 'temprature'"):
        DS4LLM(**options).structured_predict(Person, PROMPT, {"temprature": 1}, name="Ann")


async def test_mode_of_text_is_llama_indexs_own_program():
    with ScriptedEngine([f"Here it is: {ANN}"] * 4) as engine:
        llm = DS4LLM(engine=engine, pydantic_program_mode=PydanticProgramMode.LLM)
        whole, awaited, *_ = await predict_all_ways(llm, Person, PROMPT, name="Ann")
        assert all(entry.request.guide is None for entry in engine.requests)
    assert whole == awaited == Person(name="Ann", age=31)


async def test_thinking_goes_before_the_object():
    with ScriptedEngine([f"Who?</think>{ANN}"] * 4) as engine:
        llm = DS4LLM(engine=engine, thinking=True)
        assert (await predict_all_ways(llm, Person, PROMPT, name="Ann"))[0] == Person(name="Ann", age=31)
    real = DS4LLM(temperature=0, thinking=True, max_tokens=200)
    assert isinstance(real.structured_predict(Person, PROMPT, name="Maria"), Person)


def test_schema_that_can_not_be_enforced_is_refused_by_name():
    class Strange(BaseModel):
        """With a pattern that looks around."""

        code: str = Field(json_schema_extra={"pattern": "(?=a)b"})

    with pytest.raises(UnsupportedError, match="pattern"):
        DS4LLM().structured_predict(Strange, PROMPT, name="Ann")


# -------------------------------------------------------------------------------------------- what stands on it


async def test_structured_llm_answers_in_objects_every_way():
    llm = DS4LLM(temperature=0, max_tokens=120).as_structured_llm(Person)
    question = "Maria is 31 years old. Who is it?"
    messages = [ChatMessage(content=question)]
    chats = [llm.chat(messages), await llm.achat(messages), list(llm.stream_chat(messages))[-1]]
    chats.append([response async for response in await llm.astream_chat(messages)][-1])
    assert all(isinstance(response.raw, Person) for response in chats)
    assert [response.message.content for response in chats] == [chats[0].raw.model_dump_json()] * 4
    assert llm.complete(question).raw == (await llm.acomplete(question)).raw == chats[0].raw


def test_prompt_of_several_messages_is_asked_as_such():
    prompt = ChatPromptTemplate(
        [ChatMessage(role=MessageRole.SYSTEM, content="Be {how}."), ChatMessage(content="Who is {name}?")]
    )
    with ScriptedEngine([ANN]) as engine:
        assert DS4LLM(engine=engine).structured_predict(Person, prompt, how="brief", name="Ann").name == "Ann"
        assert "Be brief." in engine.requests[0].text


async def test_observers_see_predictions_and_count_their_tokens():
    class Seen(BaseEventHandler):
        """Names of events."""

        def handle(self, event, **kwargs):
            events.append(event.class_name())

    events = []
    counter = TokenCountingHandler()
    dispatcher = get_dispatcher()
    handler = Seen()
    dispatcher.add_event_handler(handler)
    try:
        with ScriptedEngine([ANN] * 4) as engine:
            llm = DS4LLM(engine=engine, callback_manager=CallbackManager([counter]))
            await predict_all_ways(llm, Person, PROMPT, name="Ann")
    finally:
        dispatcher.event_handlers.remove(handler)
    assert events.count("LLMStructuredPredictStartEvent") == events.count("LLMStructuredPredictEndEvent") == 4
    assert len(counter.llm_token_counts) == 4
    assert counter.completion_llm_token_count > 20

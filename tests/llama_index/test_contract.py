"""What every way to ask DS4LLM promises: one answer whichever way, over written answers and over ds4-tiny."""

import asyncio
import json
import math
import re

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import create_model

from ds4_core.chat import ToolCall
from ds4_core.errors import GenerationTimeoutError, InvalidRequestError
from ds4_core.generation import LOOKAHEAD
from ds4_core.testing import DEFAULT_LOGPROB, Scripted, ScriptedEngine
from llama_index_ds4 import DS4LLM
from llama_index_ds4._messages import tool_spec
from tests.counting import CountingEngine
from tests.llama_index.paths import ANSWERS, PATHS, STREAMS, responses, said, start

STORY = "Write a story about a cat."
AHEAD = LOOKAHEAD + 2  # tokens drawn ahead, the step under way, and its prefill


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It is sunny in {city}."


TOOLS = [tool_spec(FunctionTool.from_defaults(get_weather))]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CUT = '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Par'
CALLS = [ToolCall("get_weather", '{"city": "Paris"}'), ToolCall("get_weather", '{"city": "Rome"}')]
BOTH = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]

# what is written, options of the call, (text, thinking, calls, invalid calls, finish_reason)
CASES = {
    "text": (Scripted("It is 5 o'clock.", chunking=3), {}, ("It is 5 o'clock.", "", [], 0, "stop")),
    "no text": (Scripted(""), {}, ("", "", [], 0, "stop")),
    "length": (Scripted("It is", eos=False), {}, ("It is", "", [], 0, "length")),
    "stop": (Scripted("one STOP two", chunking=1), {"stop": ["STOP"]}, ("one ", "", [], 0, "stop")),
    "thinking": (
        Scripted("Two and two.</think>Four.", chunking=2),
        {"thinking": True},
        ("Four.", "Two and two.", [], 0, "stop"),
    ),
    "only thoughts": (Scripted("Two and", eos=False), {"thinking": True}, ("", "Two and", [], 0, "length")),
    "calls": (Scripted("I look.", tool_calls=CALLS), {"tools": TOOLS}, ("I look.", "", BOTH, 0, "tool_calls")),
    "thinking and calls": (
        Scripted("Where?</think>", tool_calls=CALLS),
        {"tools": TOOLS, "thinking": True},
        ("", "Where?", BOTH, 0, "tool_calls"),
    ),
    "cut call": (Scripted("Look." + CUT, eos=False), {"tools": TOOLS}, ("Look.", "", [], 1, "length")),
    "call and cut call": (
        Scripted(CUT + "is</｜DSML｜parameter>\n</｜DSML｜invoke>\n" + CUT.partition("tool_calls>\n")[2], eos=False),
        {"tools": TOOLS},
        ("", "", BOTH[:1], 1, "length"),
    ),
    "structured": (
        Scripted('{"name": "Ann", "age": 3}', chunking=4),
        {"response_format": PERSON},
        ('{"name": "Ann", "age": 3}', "", [], 0, "stop"),
    ),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", CASES)
async def test_written_answer_is_understood_on_every_path(case, path):
    written, kwargs, expected = CASES[case]
    with ScriptedEngine([written]) as engine:
        got = said(await responses(DS4LLM(engine=engine), path, "Go.", **kwargs))
    assert (got.text, got.thinking, got.calls, len(got.invalid), got.reason) == expected
    assert got.logprobs is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", CASES)
async def test_every_generated_token_has_its_logprob_on_every_path(case, path):
    written, kwargs, _ = CASES[case]
    with ScriptedEngine([written]) as engine:
        got = said(await responses(DS4LLM(engine=engine, top_logprobs=2), path, "Go.", **kwargs))
        shown = [text for [(_, _, text), *_] in got.logprobs]
        if case == "stop":
            assert b"".join(shown) == b"one "
            return
        assert len(shown) == got.counts["completion_tokens"]
    assert all(entry[0][1] == DEFAULT_LOGPROB and len(entry) == 2 for entry in got.logprobs)
    assert got.text.encode() in b"".join(shown)


@pytest.mark.parametrize("path", PATHS)
async def test_bytes_of_a_character_over_several_tokens_are_kept_apart(path):
    with ScriptedEngine([Scripted("é 你", chunking="bytes")]) as engine:
        got = said(await responses(DS4LLM(engine=engine, logprobs=True), path, "Go."))
    assert got.text == "é 你"
    assert b"".join(text for [(_, _, text)] in got.logprobs).startswith("é 你".encode())


# ------------------------------------------------------------------------------------------------- with ds4-tiny


@pytest.fixture(scope="module")
def llm():
    with DS4LLM(temperature=0, max_tokens=120) as llm:
        yield llm


async def ask_every_way(llm, question, **kwargs):
    """What all eight paths say, which has to be the same."""
    got = [said(await responses(llm, path, question, **kwargs)) for path in PATHS]
    for one in got[1:]:
        assert one == got[0]
    return got[0]


async def test_text_is_the_same_on_every_path(llm):
    got = await ask_every_way(llm, "What is the capital of France?")
    assert (got.text, got.thinking, got.reason) == ("The capital of France is Paris.", "", "stop")


async def test_thinking_is_the_same_on_every_path(llm):
    got = await ask_every_way(llm, "What is 3 + 4?", thinking=True)
    assert got.thinking
    assert "think>" not in got.text + got.thinking
    assert 0 < got.counts["reasoning_tokens"] < got.counts["completion_tokens"]


async def test_thinking_is_limited_on_every_path(llm):
    got = await ask_every_way(llm, "What is 3 + 4?", reasoning_effort="low", max_thinking_tokens=3)
    assert got.counts["reasoning_tokens"] <= 4  # with the tag that ends it


async def test_call_is_the_same_on_every_path(llm):
    got = await ask_every_way(llm, "What is the weather in Paris?", tools=TOOLS)
    assert (got.calls, got.invalid, got.reason) == ([("get_weather", {"city": "Paris"})], [], "tool_calls")


async def test_call_that_hardly_fits_is_complete_on_every_path(llm):
    with pytest.raises(InvalidRequestError, match="max_tokens") as refused:
        llm.complete(STORY, tools=TOOLS, tool_choice="required", max_tokens=1)
    least = int(re.search(r"has (\d+) tokens", str(refused.value))[1])
    got = await ask_every_way(llm, STORY, tools=TOOLS, tool_choice="required", max_tokens=least + 1)
    assert [name for name, _ in got.calls] == ["get_weather"]
    assert not got.invalid


async def test_json_is_the_same_on_every_path(llm):
    got = await ask_every_way(llm, "Maria is 31 years old. Who is it?", response_format=PERSON)
    assert set(json.loads(got.text)) == {"name", "age"}


async def test_stop_string_ends_every_path(llm):
    got = await ask_every_way(llm, "What is the capital of France?", stop=["France"])
    assert (got.text, got.reason) == ("The capital of ", "stop")


async def test_length_ends_every_path(llm):
    got = await ask_every_way(llm, STORY, max_tokens=5)
    assert (got.counts["completion_tokens"], got.reason) == (5, "length")


@pytest.mark.parametrize("kwargs", [{}, {"thinking": True}, {"tools": TOOLS}, {"response_format": PERSON}], ids=str)
async def test_logprobs_are_those_of_the_generated_tokens_on_every_path(llm, kwargs):
    got = await ask_every_way(llm, "What is the weather in Paris?", top_logprobs=3, **kwargs)
    assert len(got.logprobs) == got.counts["completion_tokens"]
    for (_, drawn, _), *others in got.logprobs:
        assert len(others) in (2, 3)  # the drawn one is among the likeliest three, or it was held to something
        assert not math.isnan(drawn)
        assert all(logprob >= others[-1][1] for _, logprob, _ in others)
    assert got.text in b"".join(text for [(_, _, text), *_] in got.logprobs).decode()


# ------------------------------------------------------------------------------------------------- ends before the end


@pytest.fixture
def counting():
    with CountingEngine() as engine:
        yield engine


@pytest.mark.parametrize("path", [path for path in STREAMS if not path.startswith("a")])
@pytest.mark.parametrize("leave", ["close", "drop", "throw"])
def test_stream_that_is_left_stops_the_generation(counting, path, leave):
    stream = start(DS4LLM(engine=counting, temperature=0), path, STORY)
    for _ in range(3):
        next(stream)
    if leave == "close":
        stream.close()
    elif leave == "throw":
        with pytest.raises(KeyError):
            stream.throw(KeyError("mine"))
    del stream
    assert counting.settled() <= 3 + AHEAD


@pytest.mark.parametrize("path", [path for path in STREAMS if path.startswith("a")])
@pytest.mark.parametrize("leave", ["aclose", "drop"])
async def test_awaited_stream_that_is_left_stops_the_generation(counting, path, leave):
    stream = await start(DS4LLM(engine=counting, temperature=0), path, STORY)
    for _ in range(3):
        await anext(stream)
    if leave == "aclose":
        await stream.aclose()
    del stream
    # LlamaIndex's wrapper leaves our generator to the event loop, which closes it in a task of its own.
    async with asyncio.timeout(30):
        while not counting.is_idle:
            await asyncio.sleep(0)
    assert counting.forwards <= 3 + AHEAD


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("a")])
async def test_cancelled_task_stops_the_generation(counting, path):
    task = asyncio.create_task(responses(DS4LLM(engine=counting, temperature=0), path, STORY))
    while counting.forwards < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counting.settled() < 30


async def test_object_that_is_left_half_written_stops_the_generation(counting):
    asked = (create_model("Story", text=(str, ...)), PromptTemplate(STORY))
    llm = DS4LLM(engine=counting, temperature=0)
    stream = llm.stream_structured_predict(*asked)
    next(stream)
    stream.close()
    first = counting.settled()
    stream = await llm.astream_structured_predict(*asked)
    await anext(stream)
    del stream
    async with asyncio.timeout(30):
        while not counting.is_idle:
            await asyncio.sleep(0)
    assert counting.forwards <= 2 * first + AHEAD
    assert first < 40


@pytest.mark.parametrize("path", PATHS)
async def test_time_that_is_over_ends_every_path(path):
    with ScriptedEngine([Scripted(STORY, delay_s=60)]) as engine, pytest.raises(GenerationTimeoutError):
        await responses(DS4LLM(engine=engine), path, "Go.", timeout=0.01)


@pytest.mark.parametrize("path", PATHS)
async def test_failure_on_the_way_reaches_the_caller_of_every_path(path):
    script = [Scripted(STORY, fault=MemoryError("no room"), fault_at=3)]
    with ScriptedEngine(script) as engine, pytest.raises(MemoryError, match="no room"):
        await responses(DS4LLM(engine=engine), path, "Go.")


# ------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("path", PATHS)
async def test_options_of_a_call_reach_the_engine_on_every_path(path):
    options = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "seed": 3, "max_tokens": 9, "min_tokens": 1}
    penalties = {"repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3, "logit_bias": {5: -1.0}}
    with ScriptedEngine(["Yes."]) as engine:
        llm = DS4LLM(engine=engine)
        before = llm.to_dict()
        await responses(llm, path, "Go.", **options, **penalties)
        assert llm.to_dict() == before
        (asked,) = [entry.request for entry in engine.requests]
    for name, value in {**options, **penalties}.items():
        assert getattr(asked, name) == value


@pytest.mark.parametrize("path", PATHS)
async def test_unknown_option_is_refused_on_every_path_before_anything_is_asked(path):
    with ScriptedEngine([]) as engine:
        llm = DS4LLM(engine=engine)
        with pytest.raises(TypeError, match="did you mean 'max_tokens'"):
            await responses(llm, path, "Go.", max_token=3)
        with pytest.raises(InvalidRequestError, match="temperature"):
            await responses(llm, path, "Go.", temperature=-1)
        assert not engine.requests


@pytest.mark.parametrize("path", [path for path in PATHS if "chat" in path])
async def test_messages_of_the_caller_stay_as_they_are(path):
    messages = [ChatMessage(role="system", content="Be kind."), ChatMessage(content="Go.")]
    before = [message.model_copy(deep=True) for message in messages]
    with ScriptedEngine(["Yes."]) as engine:
        answer = getattr(DS4LLM(engine=engine), path)(messages=messages)
        if path.startswith("a"):
            answer = await answer
        if path == "astream_chat":
            assert [response async for response in answer]
        elif path == "stream_chat":
            assert list(answer)
    assert messages == before


@pytest.mark.parametrize("path", ANSWERS)
async def test_answers_beside_each_other_do_not_mix(llm, path):
    def ask(city):
        return responses(llm, path, f"What is the weather in {city}?", tools=TOOLS)

    cities = ["Paris", "Rome", "Berlin", "Oslo"]
    got = await asyncio.gather(*map(ask, cities))
    assert [said(one).calls for one in got] == [[("get_weather", {"city": city})] for city in cities]

"""What ChatDS4 says of itself and of its answers, its life, and LangChain's machinery around it."""

import asyncio
import subprocess
import sys
import threading

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelInvalidRequestError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.rate_limiters import BaseRateLimiter

from ds4_core import errors
from ds4_core.registry import open_count
from ds4_core.scheduler import Scheduler
from ds4_core.testing import ScriptedEngine
from langchain_ds4 import ChatDS4
from langchain_ds4._errors import translate_errors
from tests.counting import CountingEngine
from tests.langchain.test_chat_models import AHEAD, ANSWER, QUESTION, STORY


@pytest.fixture(scope="module")
def llm():
    return ChatDS4(model="ds4-tiny", temperature=0)


# -- what the model can do, and its life -------------------------------------------------------------------------------


def test_profile_is_known_before_anything_is_loaded():
    code = (
        "from langchain_ds4 import ChatDS4; profile = ChatDS4(max_tokens=50).profile;"
        "print(*map(profile.get, ('max_input_tokens', 'max_output_tokens', 'tool_choice', 'image_inputs')));"
        "import ds4_core.native as native; print(native._load_once.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["4096", "50", "True", "False", "0"]
    assert done.stderr == ""


def test_profile_follows_the_context(tmp_path, engine):
    assert ChatDS4(n_ctx=500).profile["max_input_tokens"] == 500
    assert ChatDS4(n_ctx=500).profile["structured_output"] is True
    assert ChatDS4(engine=engine).profile["max_input_tokens"] == 4096
    assert ChatDS4(profile={"max_input_tokens": 7}).profile == {"max_input_tokens": 7}
    assert ChatDS4(model=str(tmp_path / "none.gguf")).profile is None


def test_close_gives_the_model_back_and_a_later_call_opens_it_again():
    before = open_count()
    with ChatDS4(temperature=0, prefix_bytes_max=2**20) as llm:
        assert open_count() == before
        assert llm.invoke(QUESTION).content == ANSWER
        assert open_count() == before + 1
    assert open_count() == before
    assert llm.invoke(QUESTION).content == ANSWER
    llm.close()
    llm.close()
    assert open_count() == before


def test_close_leaves_a_given_engine_open(engine):
    with ChatDS4(engine=engine, temperature=0) as llm:
        llm.invoke(QUESTION)
    assert engine.is_open


def test_what_was_computed_outlives_the_model_in_a_folder(tmp_path):
    question = [SystemMessage("Be kind. " * 120), HumanMessage(QUESTION)]

    def cached(**options):
        with ChatDS4(temperature=0, max_tokens=5, cache_dir=tmp_path, **options) as llm:
            cached = llm.invoke(question).usage_metadata["input_token_details"]["cache_read"]
            Scheduler.of(llm._engine()._shared()).stop()  # and writes what it has
            Scheduler.of(llm._engine()._shared()).join(30)
        return cached

    assert cached() == 0
    assert cached(max_running=8) > 300


def test_environment_names_the_model(monkeypatch, tiny_path, engine):
    monkeypatch.setenv("DS4_MODEL_PATH", str(tiny_path))
    assert ChatDS4().model == str(tiny_path)
    assert ChatDS4(model="ds4-tiny").model == "ds4-tiny"
    assert ChatDS4(engine=engine, max_tokens=1).invoke("Hi").response_metadata["model_name"] == "ds4-tiny"


# -- thinking, scores, counts ------------------------------------------------------------------------------------------


def test_thinking_is_asked_for_by_itself_or_by_an_effort():
    def prompt(llm, **options):
        llm.invoke("x", **options)
        return llm.engine.requests[-1].text

    def scripted(**options):
        return ChatDS4(engine=ScriptedEngine(lambda record: "Hm.</think>Yes."), **options)

    assert prompt(scripted()).endswith("</think>")
    assert prompt(scripted(thinking=True)).endswith("<think>")
    assert "Reasoning Effort" in prompt(scripted(reasoning_effort="high"))
    assert "Reasoning Effort" not in prompt(scripted(reasoning_effort="low"))
    assert prompt(scripted(reasoning_effort="low")).endswith("<think>")
    assert prompt(scripted(thinking=True), thinking=False).endswith("</think>")
    assert prompt(scripted(), reasoning_effort="low").endswith("<think>")
    with pytest.raises(ModelInvalidRequestError, match="effort"):
        prompt(scripted(), reasoning_effort="huge")
    with pytest.raises(ModelInvalidRequestError, match="n_ctx"):
        prompt(scripted(), reasoning_effort="max")


def test_thinking_never_enters_the_content(llm):
    message = llm.invoke(QUESTION, thinking=True, max_thinking_tokens=20, max_tokens=60)
    assert message.additional_kwargs["reasoning_content"]
    assert "think>" not in message.content
    assert message.usage_metadata["output_token_details"]["reasoning"] > 0
    cut = llm.invoke(QUESTION, thinking=True, max_tokens=3)
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("", "length")


def test_log_probabilities_are_those_of_the_engine(llm):
    scored = ChatDS4(model="ds4-tiny", temperature=0, top_logprobs=3)
    message = scored.invoke(QUESTION)
    entries = message.response_metadata["logprobs"]["content"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries[:-1]).decode() == ANSWER
    assert [entry["section"] for entry in entries] == ["text"] * (len(entries) - 1) + ["eos"]
    for entry in entries:
        assert [one["token"] for one in entry["top_logprobs"]].index(entry["token"]) == 0
        assert entry["top_logprobs"][0]["logprob"] == entry["logprob"]
        assert len(entry["top_logprobs"]) == 3
    assert "logprobs" not in scored.invoke(QUESTION, logprobs=False).response_metadata
    assert llm.invoke(QUESTION, top_logprobs=3).response_metadata["logprobs"] == message.response_metadata["logprobs"]


def test_count_of_a_conversation_with_tools_is_that_of_its_prompt(llm):
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return city

    messages = [SystemMessage("Be concise."), HumanMessage(QUESTION)]
    for options in ({}, {"thinking": True}, {"response_format": {"type": "object"}}):
        count = llm.get_num_tokens_from_messages(messages, tools=[get_weather], **options)
        answer = llm.bind_tools([get_weather]).invoke(messages, max_tokens=40, **options)
        assert count == answer.usage_metadata["input_tokens"]


# -- the framework's own machinery -------------------------------------------------------------------------------------


class Counting(BaseCallbackHandler):
    def __init__(self):
        self.calls = []

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self.calls.append("start")

    def on_llm_new_token(self, token, *, chunk=None, **kwargs):
        self.calls.append("token")

    def on_llm_end(self, response, **kwargs):
        self.calls.append("end")

    def on_llm_error(self, error, **kwargs):
        self.calls.append(type(error).__name__)


async def test_callbacks_are_called_once_for_everything(llm):
    handler = Counting()
    chunks = list(llm.stream(QUESTION, config={"callbacks": [handler]}))
    assert handler.calls == ["start", *["token"] * len(chunks), "end"]
    handler.calls.clear()
    await llm.ainvoke(QUESTION, config={"callbacks": [handler]})
    assert handler.calls == ["start", "end"]
    handler.calls.clear()
    with pytest.raises(ContextOverflowError):
        llm.invoke(QUESTION, n_ctx=4, config={"callbacks": [handler]})
    assert handler.calls == ["start", "DS4ContextOverflowError"]


def test_usage_of_several_calls_adds_up_per_model(llm):
    with get_usage_metadata_callback() as usage:
        totals = [llm.invoke(QUESTION).usage_metadata["total_tokens"] for _ in range(2)]
    assert usage.usage_metadata["ds4-tiny"]["total_tokens"] == sum(totals)


async def test_rate_limiter_is_asked_before_every_call():
    asked = []

    class Limiter(BaseRateLimiter):
        def acquire(self, *, blocking=True):
            asked.append("acquire")
            return True

        async def aacquire(self, *, blocking=True):
            asked.append("aacquire")
            return True

    llm = ChatDS4(temperature=0, max_tokens=2, rate_limiter=Limiter())
    llm.invoke("Hi")
    list(llm.stream("Hi"))
    await llm.ainvoke("Hi")
    assert asked == ["acquire", "acquire", "aacquire"]


async def test_many_prompts_at_once_are_all_answered(llm):
    names = ["France", "Italy", "Japan", "Spain", "Germany", "Egypt", "Peru", "Norway"]
    questions = [f"What is the capital of {name}?" for name in names]
    alone = [llm.invoke(question).content for question in questions]
    assert [message.content for message in llm.batch(questions)] == alone
    assert [message.content for message in await llm.abatch(questions * 4)] == alone * 4


def test_full_queue_is_langchains_rate_limit_and_worth_a_retry():
    with pytest.raises(ModelRateLimitError) as caught, translate_errors():
        raise errors.QueueFullError("full")
    assert caught.value.is_retryable
    assert isinstance(caught.value, errors.QueueFullError)


def test_fallback_takes_over(llm, tmp_path):
    broken = ChatDS4(model=str(tmp_path / "none.gguf"))
    assert broken.with_fallbacks([llm]).invoke(QUESTION).content == ANSWER


@pytest.mark.parametrize(
    "change",
    [
        {"repetition_penalty": 1.1},
        {"presence_penalty": 0.5},
        {"frequency_penalty": 0.5},
        {"logit_bias": {5: 1.0}},
        {"min_tokens": 2},
        {"thinking": True},
        {"reasoning_effort": "low"},
        {"max_thinking_tokens": 5},
        {"logprobs": True},
        {"top_logprobs": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_cache_key_differs_for_these_fields_too(change):
    assert ChatDS4()._get_llm_string() != ChatDS4(**change)._get_llm_string()


def test_cache_tells_tools_apart():
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return city

    cache = InMemoryCache()
    llm = ChatDS4(temperature=0, max_tokens=60, cache=cache)
    plain = llm.invoke(QUESTION)
    bound = llm.bind_tools([get_weather], tool_choice="any")
    called = bound.invoke(QUESTION)
    assert called.tool_calls
    assert not plain.tool_calls
    again = bound.invoke(QUESTION)
    assert [call["args"] for call in again.tool_calls] == [call["args"] for call in called.tool_calls]


async def test_no_thread_is_left_after_an_awaited_call(llm):
    await llm.ainvoke(QUESTION)
    before = set(threading.enumerate())
    task = asyncio.create_task(llm.ainvoke(STORY))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async for _ in llm.astream(STORY):
        break
    # Those of the event loop's own pool, which open and encode, stay with it.
    assert all(thread.name.startswith("asyncio_") for thread in set(threading.enumerate()) - before)


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_leaving_the_protocols_stream_stops_the_generation():
    with CountingEngine() as engine:
        stream = await ChatDS4(engine=engine, temperature=0).astream_events(STORY, version="v3")
        async for _ in stream.text:
            break
        await stream.aclose()
        async with asyncio.timeout(30):
            while not engine.is_idle:
                await asyncio.sleep(0)
        assert engine.forwards <= 3 + AHEAD


def test_timeout_stops_the_generation():
    with CountingEngine() as engine:
        with pytest.raises(ModelTimeoutError):
            ChatDS4(engine=engine, temperature=0, min_tokens=2000).invoke(STORY, timeout=0.2)
        n = engine.settled()
        assert n < 2000
        assert engine.settled() == n

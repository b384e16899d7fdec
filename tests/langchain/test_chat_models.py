"""ChatDS4 with real inference on ds4-tiny: one answer on every path, its metadata, and its early ends."""

import asyncio
import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, trim_messages
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, RunnableParallel
from pydantic import ValidationError, create_model

from ds4_core import DS4Error, Engine, Model, ModelFormatError, UnsupportedError, errors
from ds4_core.chat import Message, encode_messages
from ds4_core.generation import LOOKAHEAD
from langchain_ds4 import ChatDS4, DS4APIError, DS4ContextOverflowError
from langchain_ds4._errors import translate_errors
from tests.counting import CountingEngine

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
STORY = "Write a story about a cat."
AHEAD = LOOKAHEAD + 2  # tokens drawn ahead, the step under way, and its prefill


@pytest.fixture(scope="module")
def llm():
    return ChatDS4(model="ds4-tiny", temperature=0)


def aggregate(chunks):
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def comparable(message):
    """A message's parts that must not depend on the path it took: all but its id, the times, and what was cached."""
    metadata = {k: v for k, v in message.response_metadata.items() if k not in ("timings", "seed")}
    usage = {k: v for k, v in message.usage_metadata.items() if k != "input_token_details"}
    return message.content, message.additional_kwargs, metadata, usage


def test_chain_streams_the_answer_in_pieces():
    prompt = ChatPromptTemplate.from_messages([("human", "What is the capital of {country}?")])
    chain = prompt | ChatDS4(model="ds4-tiny", temperature=0) | StrOutputParser()
    pieces = list(chain.stream({"country": "France"}))
    assert "".join(pieces) == ANSWER
    assert len([piece for piece in pieces if piece]) > 3


def test_invoke_gives_the_sum_of_the_stream(llm):
    message = llm.invoke(QUESTION)
    assert isinstance(message, AIMessage)
    assert message.content == ANSWER
    assert comparable(aggregate(list(llm.stream(QUESTION)))) == comparable(message)


async def test_async_twins_give_the_same(llm):
    message = llm.invoke(QUESTION)
    assert comparable(await llm.ainvoke(QUESTION)) == comparable(message)
    assert comparable(aggregate([chunk async for chunk in llm.astream(QUESTION)])) == comparable(message)


def test_streaming_field_gives_the_same_message_and_tokens_to_handlers(llm):
    tokens = []

    class Handler(BaseCallbackHandler):
        def on_llm_new_token(self, token, **kwargs):
            tokens.append(token)

    message = ChatDS4(model="ds4-tiny", temperature=0, streaming=True).invoke(
        QUESTION, config={"callbacks": [Handler()]}
    )
    assert comparable(message) == comparable(llm.invoke(QUESTION))
    assert "".join(tokens) == ANSWER


@pytest.mark.parametrize("of_call", [True, False])
async def test_streaming_of_a_call_wins_over_the_field(llm, of_call):
    tokens = []

    class Handler(BaseCallbackHandler):
        def on_llm_new_token(self, token, **kwargs):
            tokens.append(token)

    model = ChatDS4(model="ds4-tiny", temperature=0, streaming=not of_call)
    config = {"callbacks": [Handler()]}
    answers = [
        model.invoke(QUESTION, config=config, streaming=of_call),
        await model.ainvoke(QUESTION, config=config, streaming=of_call),
    ]
    assert [answer.text for answer in answers] == [ANSWER, ANSWER]
    assert "".join(tokens) == (ANSWER * 2 if of_call else "")
    assert "".join(chunk.text for chunk in model.stream(QUESTION, streaming=of_call)) == ANSWER


@pytest.mark.parametrize("name", ["stream", "streaming"])
@pytest.mark.parametrize("value", ["yes", 1, "false"])
def test_whether_a_call_streams_is_true_or_false(llm, name, value):
    with pytest.raises(ModelInvalidRequestError, match=f"{name} is {value!r}"):
        llm.invoke(QUESTION, **{name: value})


def test_only_the_last_chunk_carries_what_must_not_add_up(llm):
    chunks = list(llm.stream(QUESTION))
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert all(chunk.response_metadata == {"model_provider": "ds4"} for chunk in chunks[:-1])
    assert all(chunk.usage_metadata is None and chunk.chunk_position is None for chunk in chunks[:-1])
    assert chunks[-1].chunk_position == "last"
    assert chunks[-1].content == ""
    assert chunks[-1].response_metadata["finish_reason"] == "stop"
    assert aggregate(chunks).response_metadata["model_name"] == "ds4-tiny"


def test_usage_counts_the_encoded_prompt_and_every_sampled_token(llm):
    usage = llm.invoke(QUESTION).usage_metadata
    with Model("ds4-tiny") as model:
        assert usage["input_tokens"] == len(encode_messages(model, [Message("user", QUESTION)]))
        assert usage["output_tokens"] == len(model.tokenize(ANSWER)) + 1  # and the end of the turn
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_token_details"]["reasoning"] == 0


def test_llm_output_adds_up_over_prompts(llm):
    result = llm.generate([[HumanMessage(QUESTION)], [HumanMessage("Hello!")]])
    usages = [generations[0].message.usage_metadata for generations in result.generations]
    assert result.llm_output["token_usage"]["total_tokens"] == sum(usage["total_tokens"] for usage in usages)
    assert result.llm_output["model_name"] == "ds4-tiny"


def test_batch_answers_each_prompt(llm):
    countries = ["France", "Italy", "Japan", "Spain"]
    questions = [f"What is the capital of {country}?" for country in countries]
    assert [m.content for m in llm.batch(questions)] == [llm.invoke(question).content for question in questions]


async def test_abatch_answers_each_prompt(llm):
    messages = await llm.abatch([QUESTION] * 6)
    assert [message.content for message in messages] == [ANSWER] * 6


def test_parallel_branches_share_the_engine(llm):
    branches = RunnableParallel(a=llm | StrOutputParser(), b=llm | StrOutputParser())
    assert branches.invoke(QUESTION) == {"a": ANSWER, "b": ANSWER}


def test_conversation_remembers_earlier_turns(llm):
    history = [HumanMessage("My name is Bartholomew.")]
    history.append(llm.invoke(history))
    history.append(HumanMessage("What is my name?"))
    assert "Bartholomew" in llm.invoke(history).content


def test_history_may_hold_several_systems_and_doubled_turns(llm):
    history = [
        SystemMessage("Be concise."),
        SystemMessage("Answer briefly."),
        HumanMessage("Hi"),
        HumanMessage("Hello!"),
    ]
    history += [AIMessage("Hello!"), AIMessage([{"type": "text", "text": "Yes?"}]), HumanMessage(QUESTION)]
    assert llm.invoke(history).content


def test_break_stops_the_generation_and_frees_its_session():
    with CountingEngine() as engine:
        stream = ChatDS4(engine=engine, temperature=0).stream(STORY)
        for count, _ in enumerate(stream, start=1):
            if count == 3:
                break
        stream.close()
        assert engine.settled() <= 3 + AHEAD


async def test_leaving_an_async_stream_stops_the_generation():
    with CountingEngine() as engine:
        stream = ChatDS4(engine=engine, temperature=0).astream(STORY)
        for _ in range(3):
            await anext(stream)
        await stream.aclose()
        # LangChain's wrapper leaves our generator to the event loop, which closes it in a task of its own.
        async with asyncio.timeout(30):
            while not engine.is_idle:
                await asyncio.sleep(0)
        assert engine.forwards <= 3 + AHEAD


async def test_cancelling_ainvoke_stops_the_generation():
    with CountingEngine() as engine:
        task = asyncio.create_task(ChatDS4(engine=engine, temperature=0).ainvoke(STORY))
        while engine.forwards < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.settled() < 30


def test_stop_strings_of_the_object_and_of_a_call(llm):
    assert llm.invoke(QUESTION, stop=["France"]).content == "The capital of "
    fixed = ChatDS4(model="ds4-tiny", temperature=0, stop=["is"])
    message = fixed.invoke(QUESTION)
    assert (message.content, message.response_metadata["stop_sequence"]) == ("The capital of France ", "is")
    assert fixed.invoke(QUESTION, stop=["France"]).content == "The capital of "
    assert "".join(chunk.content for chunk in fixed.stream(QUESTION)) == "The capital of France "


def test_max_tokens_is_honoured_and_reported(llm):
    message = llm.bind(max_tokens=3).invoke(QUESTION)
    assert message.response_metadata["finish_reason"] == "length"
    assert message.usage_metadata["output_tokens"] == 3
    assert ANSWER.startswith(message.content)


def test_options_of_a_call_win():
    hot = ChatDS4(model="ds4-tiny", temperature=5.0, seed=1)
    assert hot.invoke(QUESTION, temperature=0).content == ANSWER
    assert hot.invoke(QUESTION, top_k=1).content == ANSWER


def test_seed_repeats_the_answer():
    def hot(seed):
        return ChatDS4(model="ds4-tiny", temperature=3.0, seed=seed, max_tokens=12).invoke(STORY)

    assert hot(1).content == hot(1).content
    assert len({hot(seed).content for seed in range(4)}) > 1
    drawn = hot(None)
    assert hot(drawn.response_metadata["seed"]).content == drawn.content


def test_configurable_fields_work(llm):
    configurable = llm.configurable_fields(max_tokens=ConfigurableField(id="max_tokens"))
    message = configurable.invoke(QUESTION, config={"configurable": {"max_tokens": 2}})
    assert message.usage_metadata["output_tokens"] == 2


def test_configurable_fields_keep_a_given_engine(engine):
    llm = ChatDS4(engine=engine, temperature=0)
    configurable = llm.configurable_fields(max_tokens=ConfigurableField(id="max_tokens"))
    message = configurable.invoke(QUESTION, config={"configurable": {"max_tokens": 2}})
    assert message.usage_metadata["output_tokens"] == 2


def test_context_overflow_is_langchains_and_ours(llm):
    with pytest.raises(ContextOverflowError) as caught:
        llm.invoke(QUESTION, n_ctx=4)
    assert isinstance(caught.value, DS4ContextOverflowError | DS4Error)
    assert caught.value.n_ctx == 4
    assert caught.value.n_prompt > 4
    with pytest.raises(ContextOverflowError):
        list(llm.stream(QUESTION, n_ctx=4))


def test_timeout_is_langchains(llm):
    with pytest.raises(ModelTimeoutError) as caught:
        llm.invoke(STORY, timeout=1e-9)
    assert isinstance(caught.value, TimeoutError)


def test_missing_file_is_langchains_model_not_found(tmp_path):
    with pytest.raises(ModelNotFoundError) as caught:
        ChatDS4(model=str(tmp_path / "none.gguf")).invoke("Hello!")
    assert isinstance(caught.value, FileNotFoundError)
    assert "none.gguf" in str(caught.value)


def test_damaged_file_is_langchains_error_and_ours(tmp_path):
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"no model")
    for kind in (ModelFormatError, ModelAPIError, DS4APIError, ValueError):
        with pytest.raises(kind) as caught:
            ChatDS4(model=str(path)).invoke(QUESTION)
    assert not caught.value.is_retryable
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), ModelFormatError)


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
def test_every_error_stays_what_it_was(kind):
    for raised in (kind, *kind.__subclasses__()):
        if raised.__module__ != errors.__name__:
            continue
        with pytest.raises(raised) as caught, translate_errors():
            raise raised("why")
        assert str(caught.value) == "why"
        assert caught.value.code == raised.code
        if raised not in (UnsupportedError, errors.GenerationCancelled):
            assert isinstance(caught.value, ModelError)


def test_closed_engine_is_an_error_of_its_own():
    engine = Engine()
    engine.close()
    with pytest.raises(errors.EngineClosedError):
        ChatDS4(engine=engine).invoke(QUESTION)


def test_construction_loads_nothing(tmp_path):
    ChatDS4(model=str(tmp_path / "none.gguf"))
    with Engine("ds4-tiny") as engine:
        ChatDS4(engine=engine)
        assert not engine.is_open


@pytest.mark.parametrize("name", ["temprature", "max_token", "stream_options", "n_gpu_layers"])
def test_unknown_constructor_name_is_refused(name):
    with pytest.raises(TypeError, match=name):
        ChatDS4(**{name: 1})


def test_unknown_name_suggests_the_known_one():
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        ChatDS4(temprature=1)


def test_the_three_names_of_hosted_models_mean_nothing():
    assert ChatDS4(api_key="test", base_url="x", max_retries=2) == ChatDS4()


def test_unknown_name_of_a_call_is_refused(llm):
    with pytest.raises(TypeError, match="did you mean 'max_tokens'"):
        llm.invoke(QUESTION, max_token=3)


def test_what_decides_how_a_model_is_loaded_is_not_for_a_call(llm):
    for values in ({"model": "other.gguf"}, {"backend": "cpu"}, {"kv_bytes_max": 1}, {"engine": None}):
        with pytest.raises(TypeError, match=f"{next(iter(values))} decides.*another ChatDS4"):
            llm.invoke(QUESTION, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -1},
        {"top_p": 2},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"seed": -1},
        {"stop": [""]},
        {"stop": ""},
        {"n_threads": -1},
        {"n_threads": 5000},
        {"backend": "tpu"},
        {"exact": "perhaps"},
    ],
)
def test_value_out_of_range_is_refused_when_constructed(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        ChatDS4(**values)


def test_value_out_of_range_of_a_call_is_langchains_invalid_request(llm):
    with pytest.raises(ModelInvalidRequestError, match="max_tokens"):
        llm.invoke(QUESTION, max_tokens=0)


@pytest.mark.parametrize("values", [{"max_tokens": 1.5}, {"seed": 2**64}, {"stop": [""]}, {"stop": ""}, {"top_k": "3"}])
async def test_value_of_another_type_of_a_call_is_refused_on_every_path(llm, values):
    name = next(iter(values))
    with pytest.raises(ModelInvalidRequestError, match=name):
        llm.invoke(QUESTION, **values)
    with pytest.raises(errors.InvalidRequestError, match=name):
        list(llm.stream(QUESTION, **values))
    with pytest.raises(ModelInvalidRequestError, match=name):
        await llm.ainvoke(QUESTION, **values)


def test_plain_chain_with_default_sampling_answers():
    chain = ChatPromptTemplate.from_messages([("human", "{x}")]) | ChatDS4(model="ds4-tiny") | StrOutputParser()
    assert chain.invoke({"x": QUESTION})
    seeded = ChatDS4(model="ds4-tiny", seed=7)
    assert seeded.temperature == 1.0
    answer = seeded.invoke(QUESTION).content
    assert answer
    assert "".join(chunk.content for chunk in seeded.stream(QUESTION)) == answer


def test_used_model_survives_pickling_and_copying():
    llm = ChatDS4(model="ds4-tiny", temperature=0)
    llm.invoke("Hello!")
    for again in (pickle.loads(pickle.dumps(llm)), copy.deepcopy(llm), copy.copy(llm), llm.model_copy(deep=True)):
        assert again.model_dump() == llm.model_dump()
        assert again.invoke(QUESTION).content == ANSWER


def test_given_engine_is_pickled_by_its_options():
    with Engine("ds4-tiny", n_batch=8) as engine:
        llm = ChatDS4(engine=engine, temperature=0)
        assert llm.invoke(QUESTION).content == ANSWER
        again = pickle.loads(pickle.dumps(llm))
        assert again.engine is not engine
        assert again._identifying_params == llm._identifying_params
        assert again.invoke(QUESTION).content == ANSWER


def test_deep_copy_shares_a_given_engine():
    with CountingEngine() as engine:
        llm = ChatDS4(engine=engine, temperature=0)
        for again in (copy.deepcopy(llm), llm.model_copy(deep=True)):
            assert again.engine is engine
            assert again.invoke(QUESTION).content == ANSWER


@pytest.mark.parametrize(
    "values",
    [{"model": "nosuch"}, {"exact": True}, {"n_threads": 2}, {"kv_dtype": "f32"}, {"backend": "cpu"}],
    ids=lambda values: next(iter(values)),
)
def test_option_beside_an_engine_is_refused(engine, values):
    with pytest.raises(ValidationError, match=f"{next(iter(values))}=.*engine"):
        ChatDS4(engine=engine, **values)
    with pytest.raises(ModelInvalidRequestError, match="engine"):
        ChatDS4(engine=engine).model_copy(update=values).invoke(QUESTION)


def test_name_of_the_model_is_that_of_the_given_engine(engine, tmp_path, tiny_path):
    assert ChatDS4(engine=engine, max_tokens=1).invoke("Hi").response_metadata["model_name"] == "ds4-tiny"
    other = tmp_path / "other.gguf"
    other.symlink_to(tiny_path)
    with Engine(other) as engine:
        llm = ChatDS4(engine=engine, max_tokens=1)
        assert llm.invoke("Hi").response_metadata["model_name"] == str(other)
        assert llm._get_ls_params()["ls_model_name"] == str(other)


def test_path_object_is_a_model_and_never_a_catalogue_name(tiny_path):
    assert ChatDS4(model=tiny_path).model == str(tiny_path)
    assert ChatDS4(model=tiny_path, temperature=0).invoke(QUESTION).content == ANSWER
    with pytest.raises(ModelNotFoundError):
        ChatDS4(model=Path("ds4-tiny")).invoke(QUESTION)


def test_binding_no_tools_is_nothing_to_bind(llm):
    for choice in (None, "none", "auto"):
        assert llm.bind_tools([], tool_choice=choice).invoke(QUESTION).content == ANSWER
    with pytest.raises(ModelInvalidRequestError, match="no tools"):
        llm.bind_tools([], tool_choice="any")


def test_counting_tokens_opens_the_vocabulary_once_and_no_weights(monkeypatch):
    opened = []
    init = Model.__init__
    monkeypatch.setattr(Model, "__init__", lambda self, *args: (opened.append(args), init(self, *args))[1])
    llm = ChatDS4(model="ds4-tiny")
    for _ in range(3):
        llm.get_num_tokens(QUESTION)
        llm.get_num_tokens_from_messages([HumanMessage(QUESTION)])
    assert len(opened) == 1
    assert not llm._engine().is_open


def test_token_counts_are_the_models_own(llm):
    messages = [SystemMessage("Be concise."), HumanMessage(QUESTION)]
    assert llm.get_num_tokens_from_messages(messages) == llm.invoke(messages).usage_metadata["input_tokens"]
    with Model("ds4-tiny") as model:
        assert llm.get_token_ids(QUESTION) == model.tokenize(QUESTION)
        assert llm.get_num_tokens(QUESTION) == len(model.tokenize(QUESTION))
    assert ChatDS4(custom_get_token_ids=lambda text: [1, 2]).get_token_ids(QUESTION) == [1, 2]


def test_trim_messages_counts_with_the_model(llm):
    messages = [HumanMessage("Hello! " * 50), AIMessage("Hello!"), HumanMessage(QUESTION)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        kept = trim_messages(messages, max_tokens=40, token_counter=llm, start_on="human")
    assert [message.content for message in kept] == [QUESTION]


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"top_k": 3},
        {"min_p": 0.1},
        {"seed": 3},
        {"max_tokens": 3},
        {"stop": ["x"]},
        {"n_ctx": 100},
        {"timeout": 9.0},
        {"n_threads": 1},
        {"exact": True},
        {"kv_dtype": "f32"},
        {"backend": "cpu"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_cache_key_differs_per_field(change):
    assert ChatDS4()._get_llm_string() != ChatDS4(**change)._get_llm_string()


def test_cache_key_follows_the_file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    before = ChatDS4(model=str(path))._get_llm_string()
    path.write_bytes(b"three")
    assert ChatDS4(model=str(path))._get_llm_string() != before


def test_response_cache_answers_the_same_model_only():
    cache = InMemoryCache()
    with CountingEngine() as engine:
        first = ChatDS4(engine=engine, temperature=0, cache=cache)
        answer = first.invoke(QUESTION).content
        forwards = engine.forwards
        assert first.invoke(QUESTION).content == answer
        assert engine.forwards == forwards
        ChatDS4(engine=engine, temperature=0, max_tokens=2, cache=cache).invoke(QUESTION)
        assert engine.forwards > forwards


def test_response_cache_tells_classes_of_one_name_apart():
    llm = ChatDS4(model="ds4-tiny", temperature=0, cache=InMemoryCache())
    kinds = [create_model("Answer", value=(kind, ...)) for kind in (int, bool)]
    first, second = (llm.invoke(QUESTION, response_format=kind).text for kind in kinds)
    kinds[0].model_validate_json(first, strict=True)
    kinds[1].model_validate_json(second, strict=True)
    assert llm.invoke(QUESTION, response_format=kinds[0]).usage_metadata["total_cost"] == 0


def test_response_cache_tells_engines_with_other_options_apart():
    engines = [Engine(), Engine(exact=True), Engine(kv_dtype="f32"), Engine(kv_simulation=True)]
    keys = {ChatDS4(engine=engine)._get_llm_string() for engine in engines}
    assert len(keys) == len(engines)
    assert ChatDS4(engine=Engine(exact=True))._get_llm_string() in keys


def test_tracing_parameters_name_the_provider_and_the_model():
    params = ChatDS4(temperature=0, max_tokens=7, stop=["x"])._get_ls_params()
    assert params["ls_provider"] == "ds4"
    assert params["ls_model_name"] == "ds4-tiny"
    assert (params["ls_temperature"], params["ls_max_tokens"], params["ls_stop"]) == (0, 7, ["x"])


def test_copy_with_another_model_does_not_keep_the_engine(llm, tmp_path):
    llm.invoke(QUESTION)
    with pytest.raises(ModelNotFoundError):
        llm.model_copy(update={"model": str(tmp_path / "none.gguf")}).invoke(QUESTION)


async def test_stream_events_carry_the_pieces(llm):
    pieces = [
        event["data"]["chunk"].content
        async for event in llm.astream_events(QUESTION)
        if event["event"] == "on_chat_model_stream"
    ]
    assert "".join(pieces) == ANSWER


SCRIPT = """
import asyncio
from langchain_core.output_parsers import StrOutputParser
from langchain_ds4 import ChatDS4

llm = ChatDS4()
kept = []

async def leave(runnable):
    async for _ in runnable.astream("Write a story about a cat."):
        break

async def fail(runnable):
    async for _ in runnable.astream("Write a story about a cat."):
        raise KeyError("mine")

async def keep(runnable):
    stream = runnable.astream("Write a story about a cat.")
    await anext(stream)
    kept.append(stream)

for runnable in (llm, llm | StrOutputParser()):
    for body in (leave, fail, keep):
        try:
            asyncio.run(body(runnable))
        except KeyError as error:
            print(error)
"""


def test_stream_that_is_left_when_the_event_loop_ends_says_nothing():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("'mine'\n'mine'\n", "")


def test_missing_langchain_says_what_to_install():
    code = "import sys; sys.modules['langchain_core'] = None; import langchain_ds4"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'pip install "ds4-integrations[langchain]"' in done.stderr.splitlines()[-1]

"""DS4LLM as an object: options, figures, tokens, copies, and what loads what; with real inference on ds4-tiny."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import llama_index.core
import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.utilities.token_counting import TokenCounter
from llama_index.core.utils import get_tokenizer, set_global_tokenizer
from pydantic import ValidationError

from ds4_core import Engine, InvalidRequestError, Model, ModelNotFoundError
from ds4_core.chat import Message, encode_messages, render_text
from ds4_core.errors import ContextOverflowError, GenerationTimeoutError
from ds4_core.testing import Scripted, ScriptedEngine
from llama_index_ds4 import DS4LLM
from tests.counting import CountingEngine

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
STORY = "Write a story about a cat."
USER = [ChatMessage(role=MessageRole.USER, content=QUESTION)]

FACTS = (
    "The CEO of Acme Robotics is Jane Holloway. Acme Robotics was founded in 1987.",
    "Maria Keller works as a geologist. Maria Keller lives in Vienna.",
)


@pytest.fixture(scope="module")
def llm():
    return DS4LLM(model="ds4-tiny", temperature=0)


@pytest.fixture
def counting():
    with CountingEngine() as engine:
        yield engine


def test_figures_count_the_encoded_prompt_and_every_sampled_token(llm):
    raw = llm.chat(USER).raw
    with Model("ds4-tiny") as model:
        assert raw["usage"]["prompt_tokens"] == len(encode_messages(model, [Message("user", QUESTION)]))
        assert raw["usage"]["completion_tokens"] == len(model.tokenize(ANSWER)) + 1  # and the end of the turn
    assert raw["model"] == "ds4-tiny"
    assert raw["finish_reason"] == "stop"


def test_system_prompt_is_applied_by_predict_and_not_by_chat():
    with ScriptedEngine(["Yes."] * 2) as engine:
        llm = DS4LLM(engine=engine, system_prompt="You are Nina.")
        llm.predict(PromptTemplate("Who are you?"))
        llm.chat(USER)
        predicted, chatted = (request.text for request in engine.requests)
    assert "You are Nina.<｜User｜>Who are you?" in predicted
    assert "Nina" not in chatted


def test_formatted_prompt_is_continued_as_it_is(llm):
    assert llm.complete(render_text([Message("user", QUESTION)]), formatted=True).text == ANSWER
    bare = llm.complete(QUESTION, formatted=True, max_tokens=1).raw["usage"]["prompt_tokens"]
    assert bare < llm.complete(QUESTION, max_tokens=1).raw["usage"]["prompt_tokens"]


def test_opened_thinking_is_a_block_and_no_text(llm):
    prompt = render_text([Message("user", QUESTION)]).removesuffix("</think>") + "<think>"
    responses = list(llm.stream_complete(prompt, formatted=True, max_tokens=60))
    assert responses[-1].additional_kwargs["thinking"]
    assert "think>" not in responses[-1].text


def test_options_of_a_call_win():
    hot = DS4LLM(model="ds4-tiny", temperature=5.0, seed=1)
    assert hot.chat(USER, temperature=0).message.content == ANSWER
    assert hot.complete(QUESTION, top_k=1).text == ANSWER
    assert hot.complete(QUESTION, temperature=0, stop=["France"]).text == "The capital of "
    short = hot.complete(QUESTION, temperature=0, max_tokens=3)
    assert (short.raw["finish_reason"], short.raw["usage"]["completion_tokens"]) == ("length", 3)


def test_seed_repeats_the_answer():
    def hot(seed):
        return DS4LLM(model="ds4-tiny", temperature=3.0, seed=seed, max_tokens=12).complete(STORY)

    assert hot(1).text == hot(1).text
    drawn = hot(None)
    assert hot(drawn.raw["seed"]).text == drawn.text


def test_context_overflow_and_timeout_are_errors_of_their_own(llm):
    with pytest.raises(ContextOverflowError):
        llm.chat(USER, n_ctx=4)
    with pytest.raises(GenerationTimeoutError):
        llm.complete(STORY, timeout=1e-9)


def test_metadata_is_complete_and_loads_no_weights(llm):
    with Engine("ds4-tiny") as engine:
        metadata = DS4LLM(engine=engine).metadata
        assert not engine.is_open
        assert metadata.context_window == engine.model.info.n_context_train
    assert metadata.model_name == "ds4-tiny"
    assert metadata.is_chat_model
    assert metadata.is_function_calling_model
    assert DS4LLM(n_ctx=100).metadata.num_output <= 25
    assert DS4LLM(n_ctx=100, max_tokens=7).metadata.num_output == 7


def test_construction_loads_nothing(tmp_path):
    llm = DS4LLM(model=str(tmp_path / "none.gguf"))
    with pytest.raises(ModelNotFoundError, match=r"none\.gguf"):
        llm.complete("Hello!")


def test_unknown_name_is_refused_with_the_known_one(llm):
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        DS4LLM(temprature=1)
    with pytest.raises(TypeError, match="did you mean 'max_tokens'"):
        llm.chat(USER, max_token=3)


@pytest.mark.parametrize(
    "values",
    [{"temperature": -1}, {"top_p": 2}, {"max_tokens": 0}, {"max_tokens": True}, {"stop": ""}, {"n_threads": -1}],
)
def test_value_out_of_range_is_refused_when_constructed(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        DS4LLM(**values)


def test_it_is_a_function_calling_llm_by_class():
    assert issubclass(DS4LLM, FunctionCallingLLM)
    assert DS4LLM.class_name() == "ds4_llm"


def test_used_llm_survives_pickling_and_dicts(llm):
    llm.complete("Hello!")
    fresh = pickle.loads(pickle.dumps(llm))
    assert fresh.complete(QUESTION).text == ANSWER
    data = DS4LLM(temperature=0, max_tokens=3, stop="x").to_dict()
    again = DS4LLM.from_dict(dict(data))
    assert (again.max_tokens, again.stop, again.temperature) == (3, ["x"], 0)


@pytest.mark.parametrize("values", [{"max_tokens": 1.5}, {"seed": 2**64}, {"stop": [""]}, {"stop": ""}, {"top_k": "3"}])
async def test_value_of_another_type_of_a_call_is_refused_on_every_path(llm, values):
    name = next(iter(values))
    with pytest.raises(InvalidRequestError, match=name):
        llm.complete(QUESTION, **values)
    with pytest.raises(InvalidRequestError, match=name):
        llm.chat(USER, **values)
    with pytest.raises(InvalidRequestError, match=name):
        await llm.achat(USER, **values)


@pytest.mark.parametrize("prompt", [5, b"x", None])
@pytest.mark.parametrize("formatted", [False, True])
def test_prompt_that_is_no_text_is_refused(llm, prompt, formatted):
    with pytest.raises(InvalidRequestError):
        llm._completion_request(prompt, formatted, {})


def test_used_llm_survives_copying(llm):
    llm.complete("Hello!")
    for again in (copy.deepcopy(llm), copy.copy(llm), llm.model_copy(deep=True)):
        assert again.complete(QUESTION).text == ANSWER


def test_given_engine_is_pickled_by_its_options():
    with Engine("ds4-tiny", n_batch=8) as engine:
        llm = DS4LLM(engine=engine, temperature=0)
        assert llm.complete(QUESTION).text == ANSWER
        again = pickle.loads(pickle.dumps(llm))
        assert isinstance(again.engine, Engine)
        assert again.engine is not engine
        assert again.complete(QUESTION).text == ANSWER


def test_deep_copy_shares_a_given_engine(counting):
    llm = DS4LLM(engine=counting, temperature=0)
    for again in (copy.deepcopy(llm), llm.model_copy(deep=True)):
        assert again.engine is counting
        assert again.complete(QUESTION).text == ANSWER


@pytest.mark.parametrize(
    "values",
    [{"model": "nosuch"}, {"exact": True}, {"n_threads": 2}, {"kv_dtype": "f32"}, {"backend": "cpu"}],
    ids=lambda values: next(iter(values)),
)
def test_option_beside_an_engine_is_refused(engine, values):
    with pytest.raises(ValidationError, match=f"{next(iter(values))}=.*engine"):
        DS4LLM(engine=engine, **values)


def test_name_of_the_model_is_that_of_the_given_engine(engine, tmp_path, tiny_path):
    assert DS4LLM(engine=engine, max_tokens=1).complete("Hi").raw["model"] == "ds4-tiny"
    other = tmp_path / "other.gguf"
    other.symlink_to(tiny_path)
    with Engine(other) as engine:
        assert DS4LLM(engine=engine).metadata.model_name == "other"


def test_path_object_is_a_model_and_never_a_catalogue_name(tiny_path):
    assert DS4LLM(model=tiny_path, temperature=0).complete(QUESTION).text == ANSWER
    with pytest.raises(ModelNotFoundError):
        DS4LLM(model=Path("ds4-tiny")).complete(QUESTION)


SCRIPT = """
import asyncio
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel
from llama_index_ds4 import DS4LLM
from tests.counting import CountingEngine

class Person(BaseModel):
    name: str
    age: int

llm = DS4LLM()
kept = []

async def complete():
    return await llm.astream_complete("Write a story about a cat.")

async def chat():
    return await llm.astream_chat([ChatMessage(content="Write a story about a cat.")])

async def structured():
    return await llm.astream_structured_predict(Person, PromptTemplate("Maria is 31 years old."))

async def leave(start):
    async for _ in await start():
        break

async def fail(start):
    async for _ in await start():
        raise KeyError("mine")

async def keep(start):
    stream = await start()
    await anext(stream)
    kept.append(stream)

for start in (complete, chat, structured):
    for body in (leave, fail, keep):
        try:
            asyncio.run(body(start))
        except KeyError as error:
            print(error)
"""


def test_stream_that_is_left_when_the_event_loop_ends_says_nothing():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("'mine'\n" * 3, "")


def test_missing_llama_index_says_what_to_install():
    code = "import sys; sys.modules['llama_index'] = None; import llama_index_ds4"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert 'pip install "ds4-integrations[llama-index]"' in done.stderr.splitlines()[-1]


def test_closing_gives_the_engine_back_and_a_later_call_opens_it_again():
    with DS4LLM(temperature=0) as llm:
        assert llm.complete(QUESTION).text == ANSWER
        first = llm._engine()
    assert first.closed
    assert llm.complete(QUESTION).text == ANSWER
    llm.close()


def test_closing_leaves_a_given_engine_open(engine):
    with DS4LLM(engine=engine, temperature=0) as llm:
        llm.complete(QUESTION)
    assert not engine.closed


def test_tokenizer_is_the_models_own_and_loads_no_weights(llm):
    with Engine("ds4-tiny") as engine:
        tokenizer = DS4LLM(engine=engine).tokenizer
        assert tokenizer(ANSWER) == engine.model.tokenize(ANSWER)
        assert not engine.is_open
    set_global_tokenizer(llm.tokenizer)
    try:
        assert get_tokenizer()(ANSWER) == llm.tokenizer(ANSWER)
        assert TokenCounter().get_string_tokens(ANSWER) == len(llm.tokenizer(ANSWER))
    finally:
        llama_index.core.global_tokenizer = None
    assert pickle.loads(pickle.dumps(llm.tokenizer))(ANSWER) == llm.tokenizer(ANSWER)


def test_tokens_of_a_conversation_are_those_of_its_prompt(llm):
    tools = [FunctionTool.from_defaults(lambda city: city, name="get_weather", description="Tells the weather.")]
    for given in ([], tools):
        prepared = llm._prepare_chat_with_tools(given, chat_history=USER, max_tokens=50)
        assert llm.count_tokens(USER, given) == llm.chat(**prepared).raw["usage"]["prompt_tokens"]


def test_conversation_goes_on_from_the_tokens_that_were_sampled():
    # Written in other tokens than the tokenizer would take, which a later prompt repeats all the same.
    with ScriptedEngine([Scripted(ANSWER, chunking=1), "Yes."]) as engine:
        llm = DS4LLM(engine=engine)
        answer = llm.chat(USER).message
        llm.chat([*USER, answer, ChatMessage(content="Sure?")])
        first, second = (entry.request.prompt.tolist() for entry in engine.requests)
        sampled = [engine.model.tokenize(char) for char in ANSWER]
    assert second[: len(first) + len(ANSWER)] == [*first, *(token for tokens in sampled for token in tokens)]

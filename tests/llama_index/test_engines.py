"""Query and chat engines of LlamaIndex over DS4LLM: retrieval is real, and answers are where ds4-tiny has the skill."""

import pytest
from llama_index.core import Settings, SummaryIndex, VectorStoreIndex, get_response_synthesizer
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from cookbooks.minilm import MiniLMEmbedding
from ds4_core.chat import ToolCall, rank
from ds4_core.testing import Scripted, ScriptedEngine
from llama_index_ds4 import DS4LLM, DS4Reranker

FACTS = (
    "The CEO of Acme Robotics is Jane Holloway.",
    "The main office of Globex is in Lisbon.",
    "Maria Keller works as a geologist.",
    "Maria Keller lives in Vienna.",
    "Tea from Darjeeling is picked in spring.",
)
CEO, CEO_NAME = "Who is the CEO of Acme Robotics?", "Jane Holloway"
JOB, JOB_NAME = "What is the job of Maria Keller?", "geologist"


@pytest.fixture(scope="module")
def llm():
    with DS4LLM(temperature=0, max_tokens=100) as llm:
        yield llm


@pytest.fixture(scope="module")
def index():
    return VectorStoreIndex([TextNode(text=fact) for fact in FACTS], embed_model=MiniLMEmbedding())


def nodes(n):
    return [NodeWithScore(node=TextNode(text=fact)) for fact in FACTS[:n]]


def memory():
    return ChatMemoryBuffer.from_defaults(token_limit=1500)


# ------------------------------------------------------------------------------------------------- query engines


async def test_vector_index_is_asked_in_earnest(llm, index):
    query_engine = index.as_query_engine(llm=llm, similarity_top_k=2)
    for question, answer in ((CEO, CEO_NAME), (JOB, JOB_NAME)):
        response = query_engine.query(question)
        assert response.source_nodes[0].text in FACTS
        assert answer in str(response)
        assert str(await query_engine.aquery(question)) == str(response)


async def test_answer_is_streamed_as_it_is_written(llm, index):
    query_engine = index.as_query_engine(llm=llm, similarity_top_k=2, streaming=True)
    pieces = list(query_engine.query(CEO).response_gen)
    assert len(pieces) > 2
    assert CEO_NAME in "".join(pieces)
    async_engine = index.as_query_engine(llm=llm, similarity_top_k=2, streaming=True, use_async=True)
    response = await async_engine.aquery(CEO)
    assert "".join([piece async for piece in response.async_response_gen()]) == "".join(pieces)


def test_what_was_retrieved_is_ranked_by_the_model(llm, index):
    reranker = DS4Reranker(llm=llm, top_n=1)
    query_engine = index.as_query_engine(llm=llm, similarity_top_k=5, node_postprocessors=[reranker])
    response = query_engine.query(CEO)
    best = max(zip(rank(llm._engine(), CEO, FACTS), FACTS, strict=True))
    assert [node.text for node in response.source_nodes] == [best[1]]
    assert str(response)


@pytest.mark.parametrize("mode", [ResponseMode.COMPACT, ResponseMode.SIMPLE_SUMMARIZE, ResponseMode.TREE_SUMMARIZE])
async def test_short_texts_are_summed_up_at_once(llm, mode):
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode)
    response = synthesizer.synthesize(JOB, nodes(4))
    assert JOB_NAME in str(response)
    assert str(await synthesizer.asynthesize(JOB, nodes(4))) == str(response)


@pytest.mark.parametrize("streaming", [False, True])
def test_refine_shows_every_text_with_the_answer_so_far(streaming):
    with ScriptedEngine(["One.", "Two.", "Three."]) as engine:
        synthesizer = get_response_synthesizer(
            llm=DS4LLM(engine=engine), response_mode=ResponseMode.REFINE, streaming=streaming
        )
        assert str(synthesizer.synthesize(CEO, nodes(3))) == "Three."
        texts = [request.text for request in engine.requests]
    for number, (text, before) in enumerate(zip(texts, ["", "One.", "Two."], strict=True)):
        assert FACTS[number] in text
        assert before in text


def test_tree_summarize_fills_the_context_by_the_models_own_tokenizer_in_levels():
    def script(request):
        return "The end." if "Part 0" in request.text else f"Part {len(engine.requests) - 1}."

    with ScriptedEngine(script) as engine:
        llm = DS4LLM(engine=engine, n_ctx=700, max_tokens=100)
        synthesizer = get_response_synthesizer(
            llm=llm,
            response_mode=ResponseMode.TREE_SUMMARIZE,
            prompt_helper=PromptHelper.from_llm_metadata(llm.metadata, tokenizer=llm.tokenizer),
        )
        long = [NodeWithScore(node=TextNode(text=f"{fact} " * 40)) for fact in FACTS]
        assert str(synthesizer.synthesize(CEO, long)) == "The end."
        assert len(engine.requests) > 2
        sizes = [len(request.request.prompt) for request in engine.requests]
    # LlamaIndex does not count the control tokens of an encoding; all else is packed to the token.
    assert 590 <= max(sizes) <= 610
    assert sizes[0] > 590


def test_accumulate_answers_for_each_text():
    with ScriptedEngine(["One.", "Two."]) as engine:
        synthesizer = get_response_synthesizer(llm=DS4LLM(engine=engine), response_mode=ResponseMode.ACCUMULATE)
        assert "Response 1: One." in str(synthesizer.synthesize(CEO, nodes(2)))


class Company(BaseModel):
    """A company and who leads it."""

    name: str
    ceo: str


COMPANY = '{"name": "Acme Robotics", "ceo": "Jane Holloway"}'


@pytest.mark.parametrize("mode", [ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE, ResponseMode.REFINE])
async def test_query_engine_answers_in_objects(llm, index, mode):
    query_engine = index.as_query_engine(llm=llm, similarity_top_k=1, output_cls=Company, response_mode=mode)
    assert isinstance(query_engine.query(CEO).response, Company)
    assert isinstance((await query_engine.aquery(CEO)).response, Company)
    with ScriptedEngine([COMPANY] * 2) as engine:
        query_engine = index.as_query_engine(
            llm=DS4LLM(engine=engine), similarity_top_k=1, output_cls=Company, response_mode=mode
        )
        for response in (query_engine.query(CEO), await query_engine.aquery(CEO)):
            assert response.response == Company(name="Acme Robotics", ceo="Jane Holloway")


def test_refine_filters_answers_by_an_object():
    answers = ('{"answer": "No.", "query_satisfied": false}', '{"answer": "Jane.", "query_satisfied": true}')
    calls = [Scripted(tool_calls=[ToolCall("StructuredRefineResponse", answer)]) for answer in answers]
    with ScriptedEngine(calls) as engine:
        synthesizer = get_response_synthesizer(
            llm=DS4LLM(engine=engine), response_mode=ResponseMode.REFINE, structured_answer_filtering=True
        )
        assert str(synthesizer.synthesize(CEO, nodes(2))) == "Jane."


def test_structured_llm_is_a_query_engines_llm(index):
    with ScriptedEngine([COMPANY]) as engine:
        structured = DS4LLM(engine=engine).as_structured_llm(Company)
        response = index.as_query_engine(llm=structured, similarity_top_k=1).query(CEO)
    assert response.response == Company(name="Acme Robotics", ceo="Jane Holloway")


async def test_question_is_split_into_questions_to_several_engines(index):
    split = (
        '```json\n{"items": [{"sub_question": "Who leads Acme?", "tool_name": "acme"}, '
        '{"sub_question": "Where does Maria live?", "tool_name": "people"}]}\n```'
    )
    script = {"Who leads Acme?": "Jane.", "Where does Maria live?": "Vienna.", "Tell me both.": split}

    def answer(request):
        if "Sub question:" in request.text and "Tell me both." in request.text:
            return "Jane, and Vienna."
        return script[max(script, key=request.text.rfind)]

    with ScriptedEngine(answer) as engine:
        llm = DS4LLM(engine=engine)
        tools = [
            QueryEngineTool.from_defaults(
                index.as_query_engine(llm=llm, similarity_top_k=1), name=name, description=f"Facts on {name}."
            )
            for name in ("acme", "people")
        ]
        query_engine = SubQuestionQueryEngine.from_defaults(
            tools, llm=llm, question_gen=LLMQuestionGenerator.from_defaults(llm=llm), verbose=False
        )
        response = await query_engine.aquery("Tell me both.")
    assert str(response) == "Jane, and Vienna."
    assert len(response.source_nodes) >= 2


def test_router_chooses_an_engine_by_a_call(index):
    choice = Scripted(tool_calls=[ToolCall("SingleSelection", '{"index": 2, "reason": "It is about people."}')])
    with ScriptedEngine([choice, "Vienna."]) as engine:
        llm = DS4LLM(engine=engine)
        tools = [
            QueryEngineTool.from_defaults(
                index.as_query_engine(llm=llm, similarity_top_k=1), name=name, description=f"Facts on {name}."
            )
            for name in ("acme", "people")
        ]
        response = RouterQueryEngine.from_defaults(tools, llm=llm).query("Where does Maria Keller live?")
    assert str(response) == "Vienna."
    assert response.metadata["selector_result"].ind == 1


async def test_tokens_of_queries_are_counted(index, monkeypatch):
    counter = TokenCountingHandler()
    llm = DS4LLM(temperature=0, max_tokens=50)
    monkeypatch.setattr(Settings, "callback_manager", CallbackManager([counter]))
    index.as_query_engine(llm=llm, similarity_top_k=1).query(CEO)
    ((asked, said),) = [(count.prompt_token_count, count.completion_token_count) for count in counter.llm_token_counts]
    assert (asked, said) == (counter.prompt_llm_token_count, counter.completion_llm_token_count)
    usage = llm.chat([ChatMessage(content=CEO)]).raw["usage"]
    assert counter.prompt_llm_token_count == asked + usage["prompt_tokens"]
    assert counter.completion_llm_token_count == said + usage["completion_tokens"]
    last = list(llm.stream_chat([ChatMessage(content=CEO)]))[-1]
    assert counter.total_llm_token_count == asked + said + usage["total_tokens"] + last.raw["usage"]["total_tokens"]


# ------------------------------------------------------------------------------------------------- chat engines


def test_simple_chat_engine_remembers_earlier_turns(llm):
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())
    engine.chat("My name is Bartholomew.")
    assert "Bartholomew" in engine.chat("What is my name?").response


async def test_simple_chat_engine_streams_and_remembers(llm):
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())
    first = engine.stream_chat("My name is Bartholomew.")
    assert "".join(first.response_gen) == first.response
    second = await engine.astream_chat("What is my name?")
    assert "Bartholomew" in "".join([piece async for piece in second.async_response_gen()])
    assert [message.role for message in engine.chat_history] == ["user", "assistant"] * 2


def test_thoughts_of_a_streamed_answer_do_not_trouble_a_chat_engine():
    with ScriptedEngine(["Hm.</think>Yes.", "Well.</think>No."]) as engine:
        chat_engine = SimpleChatEngine.from_defaults(llm=DS4LLM(engine=engine, thinking=True), memory=memory())
        assert "".join(chat_engine.stream_chat("Is it?").response_gen) == "Yes."
        assert "".join(chat_engine.stream_chat("Sure?").response_gen) == "No."
        assert "Yes." in engine.requests[-1].text
    assert [message.content for message in chat_engine.chat_history] == ["Is it?", "Yes.", "Sure?", "No."]


async def test_context_chat_engine_answers_from_what_it_retrieved(llm, index):
    engine = ContextChatEngine.from_defaults(retriever=index.as_retriever(similarity_top_k=1), llm=llm, memory=memory())
    response = engine.chat(CEO)
    assert CEO_NAME in response.response
    assert [node.text for node in response.source_nodes] == [FACTS[0]]
    engine.reset()
    assert (await engine.achat(CEO)).response == response.response


@pytest.mark.parametrize("streaming", [False, True])
def test_follow_up_question_is_made_to_stand_alone_before_it_is_asked(index, streaming):
    with ScriptedEngine(["Jane.", "Where does Maria Keller live?", "In Vienna."]) as engine:
        chat_engine = CondensePlusContextChatEngine.from_defaults(
            retriever=index.as_retriever(similarity_top_k=1), llm=DS4LLM(engine=engine), memory=memory()
        )
        chat_engine.chat(CEO)
        if streaming:
            response = chat_engine.stream_chat("And where does Maria live?")
            assert "".join(response.response_gen) == "In Vienna."
        else:
            response = chat_engine.chat("And where does Maria live?")
        texts = [request.text for request in engine.requests]
    assert response.response == "In Vienna."
    assert "user: " + CEO in texts[1]
    assert "assistant: Jane." in texts[1]
    assert FACTS[3] in texts[2]


def test_condensed_question_goes_to_the_query_engine(llm, index):
    with ScriptedEngine(["Jane.", JOB, "A geologist."]) as engine:
        scripted = DS4LLM(engine=engine)
        chat_engine = CondenseQuestionChatEngine.from_defaults(
            query_engine=index.as_query_engine(llm=scripted, similarity_top_k=1), llm=scripted, memory=memory()
        )
        chat_engine.chat(CEO)
        response = chat_engine.chat("And Maria?")
    assert response.response == "A geologist."
    assert [node.text for node in response.source_nodes] == [FACTS[2]]


def test_index_makes_its_chat_engine_by_mode(llm, index):
    for mode in ("context", "condense_plus_context", "simple", "best"):
        engine = index.as_chat_engine(chat_mode=mode, llm=llm, similarity_top_k=1, memory=memory())
        assert str(engine.chat(CEO))


def test_summary_index_answers_from_all_its_texts(llm):
    index = SummaryIndex([TextNode(text=fact) for fact in FACTS[:3]])
    assert JOB_NAME in str(index.as_query_engine(llm=llm).query(JOB))

"""DS4Reranker: what it ranks by, what it leaves alone, and who may use it; with real inference on ds4-tiny."""

import math
import pickle

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode
from pydantic import ValidationError

from ds4_core import Engine, InvalidRequestError
from ds4_core.chat import rank
from ds4_core.errors import ContextOverflowError
from llama_index_ds4 import DS4LLM, DS4Reranker

QUERY = "Who is the CEO of Acme Robotics?"
PASSAGES = (
    "The sun is hot.",
    "Maria Keller lives in Vienna.",
    "The CEO of Acme Robotics is Jane Holloway.",
    "Cats are soft.",
)


@pytest.fixture
def nodes():
    return [NodeWithScore(node=TextNode(text=text), score=0.5) for text in PASSAGES]


@pytest.fixture(scope="module")
def llm():
    return DS4LLM(temperature=0)


@pytest.fixture(scope="module")
def best(llm):
    """The passage that the model itself finds most helpful."""
    return max(zip(rank(llm._engine(), QUERY, PASSAGES), PASSAGES, strict=True))[1]


async def test_nodes_come_in_the_order_of_the_models_own_judgement(llm, nodes):
    scores = rank(llm._engine(), QUERY, PASSAGES)
    best = sorted(range(4), key=lambda index: -scores[index])[:2]
    reranker = DS4Reranker(llm=llm, top_n=2)
    for ranked in (
        reranker.postprocess_nodes(nodes, query_str=QUERY),
        reranker.postprocess_nodes(nodes, query_bundle=QueryBundle(QUERY)),
        await reranker.apostprocess_nodes(nodes, query_str=QUERY),
    ):
        assert [node.text for node in ranked] == [PASSAGES[index] for index in best]
        assert [node.score for node in ranked] == pytest.approx([scores[index] for index in best])


PROSE = (
    "The Amazon is the largest rain forest in the world, and it is home to many kinds of plants and animals.",
    "Coffee was first grown in Ethiopia, and it came to Europe in the sixteenth century.",
    "The Eiffel Tower in Paris was built in 1889 and is 330 metres tall.",
    "Penguins live in the south, where they eat fish and raise their young on the ice.",
    "A violin has four strings and is played with a bow.",
    "Mount Everest, which lies between Nepal and China, is the highest mountain on Earth.",
)


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("When was the Eiffel Tower built?", PROSE[2]),
        ("How tall is the Eiffel Tower?", PROSE[2]),
        ("What do penguins eat?", PROSE[3]),
        ("What is a violin played with?", PROSE[4]),
        ("What is the highest mountain on Earth?", PROSE[5]),
    ],
)
def test_passage_that_answers_the_query_is_ranked_first_and_likely(llm, query, answer):
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in PROSE]
    first, *others = DS4Reranker(llm=llm, top_n=6).postprocess_nodes(nodes, query_str=query)
    assert first.text == answer
    assert 0.8 < first.score <= 1
    scores = [node.score for node in others]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score < first.score - 0.2 for score in scores)
    assert scores[2] < 0.5


def test_given_nodes_are_left_as_they_are(llm, nodes):
    before = [node.model_copy(deep=True) for node in nodes]
    ranked = DS4Reranker(llm=llm).postprocess_nodes(nodes, query_str=QUERY)
    assert nodes == before
    assert len(ranked) == 4
    assert {id(node.node) for node in ranked} == {id(node.node) for node in nodes}


def test_no_nodes_are_no_nodes(llm):
    assert DS4Reranker(llm=llm).postprocess_nodes([], query_str=QUERY) == []


def test_metadata_is_shown_as_asked(llm):
    node = NodeWithScore(node=TextNode(text="Jane Holloway.", metadata={"company": "Acme Robotics", "job": "CEO"}))
    for mode in (MetadataMode.EMBED, MetadataMode.NONE):
        (ranked,) = DS4Reranker(llm=llm, metadata_mode=mode).postprocess_nodes([node], query_str=QUERY)
        (score,) = rank(llm._engine(), QUERY, [node.node.get_content(metadata_mode=mode)])
        assert ranked.score == pytest.approx(score)


async def test_query_is_needed(llm, nodes):
    reranker = DS4Reranker(llm=llm)
    with pytest.raises(InvalidRequestError, match="query"):
        reranker.postprocess_nodes(nodes)
    with pytest.raises(InvalidRequestError, match="query"):
        await reranker.apostprocess_nodes(nodes)


def test_node_that_does_not_fit_is_named(nodes):
    nodes[1].node = TextNode(text="word " * 200)
    with pytest.raises(ContextOverflowError, match=r"passages\[1\]"):
        DS4Reranker(llm=DS4LLM(n_ctx=100)).postprocess_nodes(nodes, query_str=QUERY)


@pytest.mark.parametrize("values", [{"top_n": 0}, {"topn": 3}, {"llm": "ds4-tiny"}])
def test_option_that_makes_no_sense_is_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        DS4Reranker(**values)


def test_it_survives_pickling_and_dicts(nodes, best):
    reranker = DS4Reranker(llm=DS4LLM(temperature=0, n_ctx=500), top_n=1)
    for again in (pickle.loads(pickle.dumps(reranker)), DS4Reranker.from_dict(reranker.to_dict())):
        assert (again.top_n, again.llm.n_ctx) == (1, 500)
        assert again.postprocess_nodes(nodes, query_str=QUERY)[0].text == best


def test_observers_see_a_ranking(llm, nodes, best):
    seen = LlamaDebugHandler(print_trace_on_end=False)
    DS4Reranker(llm=llm, top_n=1, callback_manager=CallbackManager([seen])).postprocess_nodes(nodes, query_str=QUERY)
    ((start, end),) = seen.get_event_pairs(CBEventType.RERANKING)
    assert (start.payload["query_str"], start.payload["model_name"]) == (QUERY, "ds4-tiny")
    assert [node.text for node in end.payload["nodes"]] == [best]


@pytest.mark.parametrize("streaming", [False, True])
async def test_query_engine_answers_from_the_best_node_alone(llm, best, streaming):
    index = SummaryIndex(nodes=[TextNode(text=text) for text in PASSAGES])
    reranker = DS4Reranker(llm=llm, top_n=1)
    query_engine = index.as_query_engine(llm=llm, node_postprocessors=[reranker], streaming=streaming)
    response = query_engine.query(QUERY)
    assert str(response)
    assert [node.text for node in response.source_nodes] == [best]
    if not streaming:
        assert str(await query_engine.aquery(QUERY)) == str(response)


def test_nodes_are_computed_side_by_side():
    passages = [f"Passage {number} says nothing." for number in range(16)]
    with Engine(prefix_bytes_max=2**28) as engine:
        n_layer = engine.info.n_layer
        llm = DS4LLM(engine=engine)
        before = engine.layers_computed
        DS4Reranker(llm=llm).postprocess_nodes(
            [NodeWithScore(node=TextNode(text=text)) for text in passages], query_str=QUERY
        )
        assert math.ceil((engine.layers_computed - before) / n_layer) < len(passages)

"""Passages ranked against a query: what a score is, what is computed for it, and what is refused."""

import asyncio
import math
from dataclasses import replace

import pytest

from ds4_core import CancelFlag, ContextOverflowError, Engine, GenerationCancelled, InvalidRequestError
from ds4_core.chat import ChatRequest, arank, encode_request, rank, score
from ds4_core.chat.ranking import best_first
from ds4_core.chat.relevance import RELEVANCE_ANSWERS, relevance_messages
from ds4_core.scoring import Scoring
from tests.core.generations import Watch, warm_engine

QUERY = "What is the capital of France?"
PASSAGES = ["Paris is the capital of France.", "Bananas are yellow.", "", "yes " * 60, "The capital of Japan is Tokyo."]


@pytest.fixture(scope="module")
def own():
    with warm_engine() as engine:
        yield engine


def by_answers(engine, passage):
    """The share of "yes", from whole answers scored one by one."""
    request = ChatRequest(messages=relevance_messages(QUERY, passage))
    yes, no = (math.exp(scored.logprob) for scored in score(engine, request, RELEVANCE_ANSWERS))
    return yes / (yes + no)


def test_score_is_the_share_of_yes_in_yes_and_no(own):
    scores = rank(own, QUERY, PASSAGES)
    assert scores == pytest.approx([by_answers(own, passage) for passage in PASSAGES], abs=1e-6)
    assert all(0 <= one <= 1 for one in scores)
    assert len(set(scores)) == len(PASSAGES)


def test_score_depends_on_nothing_but_the_query_and_the_passage(own):
    together = rank(own, QUERY, PASSAGES)
    assert [rank(own, QUERY, [passage])[0] for passage in PASSAGES] == together
    assert rank(own, QUERY, PASSAGES[::-1]) == together[::-1]


def test_answer_that_is_not_among_the_likeliest_is_looked_up(own, monkeypatch):
    expected = rank(own, QUERY, PASSAGES)
    init = Scoring.__init__
    rounds = []

    def blind(self, engine, prompts, continuations, **options):
        rounds.append(len(prompts))
        init(self, engine, [replace(prompt, n_top=0) for prompt in prompts], continuations, **options)

    monkeypatch.setattr(Scoring, "__init__", blind)
    assert rank(own, QUERY, PASSAGES) == pytest.approx(expected, abs=1e-6)
    assert rounds == [len(PASSAGES)] * 2


def test_instructions_and_query_are_computed_once(own, monkeypatch):
    own.clear_prefix_cache()
    passages = [f"{number} is a number." for number in range(40)]
    prompts = [encode_request(own.model, ChatRequest(messages=relevance_messages(QUERY, p))) for p in passages]
    shared = next(i for i, column in enumerate(zip(*prompts)) if len(set(column)) > 1)
    watch = Watch(monkeypatch)
    rank(own, QUERY, passages)
    computed = sum(n for lanes in watch.steps for _, n in lanes)
    alone = sum(len(prompt) - shared for prompt in prompts)
    assert shared > alone / len(passages)
    # Beside the answers' own tokens: of "yes", which has several here, all but the last.
    rest = len(passages) * (len(own.model.tokenize(RELEVANCE_ANSWERS[0])) - 1)
    assert computed <= shared + alone + rest + len(passages)


async def test_awaited_scores_are_the_same(own):
    assert await arank(own, QUERY, PASSAGES) == rank(own, QUERY, PASSAGES)


def test_no_passages_have_no_scores():
    with Engine() as engine:
        assert rank(engine, QUERY, []) == []
        assert not engine.is_open


@pytest.mark.parametrize(
    ("query", "passages", "named"), [(5, ["x"], "query=5"), ("x", "text", "passages='text'"), ("x", ["a", 5], "5")]
)
def test_what_is_no_text_is_refused(own, query, passages, named):
    with pytest.raises(InvalidRequestError, match=named):
        rank(own, query, passages)


def test_passage_that_does_not_fit_is_named(own):
    with pytest.raises(ContextOverflowError, match=r"passages\[1\]") as caught:
        rank(own, QUERY, ["short", "long " * 200], n_ctx=150)
    assert caught.value.n_ctx == 150
    assert caught.value.n_prompt > 150


async def test_ranking_can_be_cancelled(own):
    flag = CancelFlag()
    flag.set()
    with pytest.raises(GenerationCancelled):
        rank(own, QUERY, PASSAGES, cancel=flag)
    task = asyncio.create_task(arank(own, QUERY, PASSAGES))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rank(own, QUERY, PASSAGES[:1])


@pytest.mark.parametrize(
    ("n", "least", "expected"), [(None, 0.0, [3, 0, 2, 1]), (2, 0.0, [3, 0]), (None, 0.5, [3, 0, 2]), (2, 0.8, [3])]
)
def test_best_come_first_and_equals_as_they_were(n, least, expected):
    assert best_first([0.5, 0.1, 0.5, 0.9], n, least=least) == expected

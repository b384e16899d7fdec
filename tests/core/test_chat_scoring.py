"""Scores of given texts as answers."""

import pytest

from ds4_core import Engine, InvalidRequestError
from ds4_core.chat import ChatRequest, Message, Sampling, ascore, collect, encode_request, generate, score

REQUEST = ChatRequest(messages=(Message("user", "What is the capital of France?"),), sampling=Sampling(temperature=0))
RIGHT, WRONG = "The capital of France is Paris.", "The capital of France is blue."


@pytest.fixture(scope="module")
def engine():
    with Engine("ds4-tiny") as engine:
        yield engine


def test_the_answer_the_model_gives_is_likelier_than_another(engine):
    assert collect(generate(engine, REQUEST)).text == RIGHT
    right, wrong = score(engine, REQUEST, [RIGHT, WRONG])
    assert (right.text, wrong.text) == (RIGHT, WRONG)
    assert right.logprob > wrong.logprob


def test_scores_are_those_of_a_session_stepped_by_hand(engine):
    (scored,) = score(engine, REQUEST, [WRONG], n_top=2)
    assert b"".join(token.bytes for token in scored.tokens).decode() == WRONG
    with engine.session() as session:
        session.sync(encode_request(engine.model, REQUEST))
        for token in scored.tokens:
            assert token.logprob == pytest.approx(session.logprobs([token.token])[0].logprob, abs=1e-5)
            assert [one.token for one in token.top] == [one.token for one in session.logprobs(top_k=2)]
            session.eval(token.token)


async def test_awaited_scores_are_the_same(engine):
    assert await ascore(engine, REQUEST, [RIGHT, WRONG]) == score(engine, REQUEST, [RIGHT, WRONG])


@pytest.mark.parametrize("texts", ["one text", ["a", ""], [1]])
def test_what_is_no_list_of_texts_is_refused(engine, texts):
    with pytest.raises(InvalidRequestError, match="list of texts"):
        score(engine, REQUEST, texts)

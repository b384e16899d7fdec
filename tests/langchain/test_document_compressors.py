"""DS4DocumentCompressor with real inference: order, scores, limits, and chains it is part of."""

import pytest
from langchain_core.documents import Document
from langchain_core.exceptions import ContextOverflowError, ModelNotFoundError
from pydantic import ValidationError

from ds4_core import Engine
from ds4_core.chat import rank
from langchain_ds4 import ChatDS4, DS4DocumentCompressor

QUERY = "What is the capital of France?"
TEXTS = ["Bananas are yellow.", "Paris is the capital of France.", "Tokyo is big.", "", "The Loire flows in France."]
DOCUMENTS = [Document(text, metadata={"number": number}) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def scores():
    with Engine() as engine:
        return rank(engine, QUERY, TEXTS)


def test_documents_come_back_best_first_with_their_scores(scores):
    best = DS4DocumentCompressor(top_n=None).compress_documents(DOCUMENTS, QUERY)
    assert [document.metadata["relevance_score"] for document in best] == sorted(scores, reverse=True)
    for document in best:
        number = document.metadata["number"]
        assert document.page_content == TEXTS[number]
        assert document.metadata["relevance_score"] == scores[number]


def test_given_documents_are_left_as_they_were():
    before = [document.model_copy(deep=True) for document in DOCUMENTS]
    DS4DocumentCompressor().compress_documents(DOCUMENTS, QUERY)
    assert before == DOCUMENTS


def test_so_many_are_kept_and_none_with_a_lower_score(scores):
    assert len(DS4DocumentCompressor().compress_documents(DOCUMENTS, QUERY)) == 3
    assert len(DS4DocumentCompressor(top_n=1).compress_documents(DOCUMENTS, QUERY)) == 1
    limit = sorted(scores)[2]
    kept = DS4DocumentCompressor(top_n=None, min_score=limit).compress_documents(DOCUMENTS, QUERY)
    assert len(kept) == 3
    assert DS4DocumentCompressor().compress_documents([], QUERY) == []


async def test_awaited_it_does_the_same():
    compressor = DS4DocumentCompressor()
    best = compressor.compress_documents(DOCUMENTS, QUERY)
    assert await compressor.acompress_documents(DOCUMENTS, QUERY) == best


def test_it_uses_the_engine_of_its_model(tmp_path):
    with Engine() as engine:
        DS4DocumentCompressor(llm=ChatDS4(engine=engine)).compress_documents(DOCUMENTS, QUERY)
        assert engine.is_open
    missing = DS4DocumentCompressor(llm=ChatDS4(model=str(tmp_path / "none.gguf")))
    with pytest.raises(ModelNotFoundError):
        missing.compress_documents(DOCUMENTS, QUERY)


def test_document_that_does_not_fit_is_named():
    compressor = DS4DocumentCompressor(llm=ChatDS4(n_ctx=100))
    with pytest.raises(ContextOverflowError, match=r"passages\[1\]"):
        compressor.compress_documents([DOCUMENTS[0], Document("long " * 200)], QUERY)


@pytest.mark.parametrize("values", [{"top_n": 0}, {"min_score": 2}, {"top": 3}])
def test_what_makes_no_sense_is_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        DS4DocumentCompressor(**values)


def test_it_loads_nothing_when_constructed():
    with Engine() as engine:
        DS4DocumentCompressor(llm=ChatDS4(engine=engine))
        assert not engine.is_open

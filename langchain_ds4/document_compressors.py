"""DS4DocumentCompressor: documents ranked by the model itself."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field
from typing_extensions import override

from ds4_core.chat.ranking import best_first
from langchain_ds4.chat_models import ChatDS4


class DS4DocumentCompressor(BaseDocumentCompressor):
    """Keeps the documents that help most to answer a query, best first.

    The score is how likely the model itself finds it that a document helps, from its log-probabilities. Nothing is
    drawn, and documents are computed side by side after one prefix, so that a document costs little more than reading
    it.

    Example:
        ```python
        from langchain_ds4 import ChatDS4, DS4DocumentCompressor

        best = DS4DocumentCompressor(llm=ChatDS4(model="ds4-tiny"), top_n=3)
        best.compress_documents(documents, "Who founded Acme Robotics?")
        ```

    What comes back are copies with `metadata["relevance_score"]`, from 0 to 1.

    Raises (when used):
        ContextOverflowError: A document does not fit the context; its number is named.
    """

    llm: ChatDS4 = Field(default_factory=ChatDS4)
    """The model that ranks; of its options those of loading and `n_ctx` count."""
    top_n: int | None = Field(default=3, ge=1)
    """Most documents to keep; None keeps all."""
    min_score: float = Field(default=0.0, ge=0, le=1)
    """Documents with a lower score are dropped."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", defer_build=True)

    @override
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        texts = [document.page_content for document in documents]
        return self._best(documents, self.llm._relevance(query, texts))

    @override
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        texts = [document.page_content for document in documents]
        return self._best(documents, await self.llm._arelevance(query, texts))

    def _best(self, documents: Sequence[Document], scores: Sequence[float]) -> list[Document]:
        kept = best_first(scores, self.top_n, least=self.min_score)
        return [_scored(documents[number], scores[number]) for number in kept]


def _scored(document: Document, score: float) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score}})

"""DS4Reranker: puts nodes in the order in which the model itself finds that they help to answer a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llama_index.core.bridge.pydantic import ConfigDict, Field
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined] # as they say to
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from ds4_core.chat.ranking import best_first
from ds4_core.errors import InvalidRequestError
from llama_index_ds4.base import DS4LLM

dispatcher = get_dispatcher(__name__)


class DS4Reranker(BaseNodePostprocessor):
    """Ranks nodes by how likely the model finds it that they help to answer the query, from 0 to 1.

    The model is asked about every node, and its own log-probabilities of "yes" and "no" are the score; nothing is
    drawn. The nodes are computed side by side, and what their prompts have in common once. The nodes given are left as
    they are; the ones returned are new and carry the score.

    Example:
        ```python
        from llama_index_ds4 import DS4LLM, DS4Reranker

        llm = DS4LLM(model="ds4-tiny", temperature=0)
        reranker = DS4Reranker(llm=llm, top_n=3)
        engine = index.as_query_engine(llm=llm, similarity_top_k=20, node_postprocessors=[reranker])
        ```
    """

    model_config = ConfigDict(extra="forbid")

    llm: DS4LLM = Field(default_factory=DS4LLM, description="Whose model ranks; its n_ctx limits query and passage.")
    top_n: int = Field(default=5, ge=1, description="How many nodes are kept, the best first.")
    metadata_mode: MetadataMode = Field(
        default=MetadataMode.EMBED, description="Which metadata is shown to the model with a node's text."
    )

    @classmethod
    def class_name(cls) -> str:
        """The name LlamaIndex serialises this class under."""
        return "ds4_reranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """The best nodes.

        Raises:
            InvalidRequestError: There is no query.
            ContextOverflowError: A node does not fit the context; its number is named.
        """
        query = _text_of(query_bundle)
        with self._told(nodes, query) as ranked:
            ranked.extend(self._best(nodes, self.llm._relevance(query, self._passages(nodes))))
        return ranked

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _text_of(query_bundle)
        with self._told(nodes, query) as ranked:
            ranked.extend(self._best(nodes, await self.llm._arelevance(query, self._passages(nodes))))
        return ranked

    def _passages(self, nodes: Sequence[NodeWithScore]) -> list[str]:
        return [node.node.get_content(metadata_mode=self.metadata_mode) for node in nodes]

    def _best(self, nodes: Sequence[NodeWithScore], scores: Sequence[float]) -> list[NodeWithScore]:
        kept = best_first(scores, self.top_n)
        return [NodeWithScore(node=nodes[number].node, score=scores[number]) for number in kept]

    @contextmanager
    def _told(self, nodes: list[NodeWithScore], query: str) -> Iterator[list[NodeWithScore]]:
        """Tells LlamaIndex's observers of a ranking, whose result is put into the list."""
        name, ranked = self.llm._model_name(), list[NodeWithScore]()
        dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=name))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield ranked
            event.on_end(payload={EventPayload.NODES: ranked})
        dispatcher.event(ReRankEndEvent(nodes=ranked))


def _text_of(query: QueryBundle | None) -> str:
    if query is None:
        raise InvalidRequestError("there is no query to rank nodes for; give query_str or query_bundle")
    return query.query_str

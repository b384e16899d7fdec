"""Whether a passage helps with a query, as a question the chat model answers with yes or no."""

from __future__ import annotations

from typing import Final

from ds4_core.chat.messages import Message

#: What a reranker asks. Instruction and query come first and the passage last, so that the passages of one query share
#: their prompt up to the passage.
RELEVANCE_PROMPT: Final = (
    "Does the passage help to answer the query? Reply with yes or no.\n\nQuery: {query}\n\nPassage: {passage}"
)
#: The two answers; how likely the first is against the second is the relevance.
RELEVANCE_ANSWERS: Final = ("yes", "no")


def relevance_messages(query: str, passage: str) -> tuple[Message, ...]:
    """The conversation whose answer is one of `RELEVANCE_ANSWERS`, thinking off.

    Args:
        query: What is looked for.
        passage: The text to judge.
    """
    head, _, rest = RELEVANCE_PROMPT.partition("{query}")
    middle, _, tail = rest.partition("{passage}")
    return (Message("user", f"{head}{query}{middle}{passage}{tail}"),)

"""What people know from OpenAI's API, in its form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ds4_core.chat.events import Alternative, TokenLogprob


def logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """Log-probabilities as a chat completion has them, one entry for every generated token.

    Returns:
        {"content": [{"token", "logprob", "bytes", "section", "top_logprobs": [{"token", "logprob", "bytes"}]}]}, where
        "section", which OpenAI does not have, says what the token belongs to: see `ds4_core.chat.events.Section`.
    """
    return {
        "content": [
            {
                **scored(token),
                "section": token.section,
                "top_logprobs": [scored(one) for one in token.top],
            }
            for token in tokens
        ]
    }


def scored(token: TokenLogprob | Alternative) -> dict[str, Any]:
    """How likely one token was: {"token", "logprob", "bytes"}."""
    return {"token": token.bytes.decode("utf-8", "replace"), "logprob": token.logprob, "bytes": list(token.bytes)}

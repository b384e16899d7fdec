"""What people know from OpenAI's API, in its form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ds4_core.chat.events import TokenLogprob


def logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """Log-probabilities as a chat completion has them, one entry for every generated token.

    Returns:
        {"content": [{"token", "logprob", "bytes", "section", "top_logprobs": [{"token", "logprob", "bytes"}]}]}, where
        "section", which OpenAI does not have, says what the token belongs to: see `ds4_core.chat.events.Section`.
    """
    return {
        "content": [
            {
                **_scored(token.bytes, token.logprob),
                "section": token.section,
                "top_logprobs": [_scored(one.bytes, one.logprob) for one in token.top],
            }
            for token in tokens
        ]
    }


def _scored(data: bytes, logprob: float) -> dict[str, Any]:
    return {"token": data.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(data)}

"""LangChain integration of DS4: a chat model that runs in this process, and a reranker."""

from ds4_core._version import __version__

try:
    from langchain_ds4._errors import (
        DS4APIError,
        DS4ContextOverflowError,
        DS4InvalidRequestError,
        DS4ModelNotFoundError,
        DS4QueueFullError,
        DS4TimeoutError,
    )
    from langchain_ds4.chat_models import ChatDS4, register
    from langchain_ds4.document_compressors import DS4DocumentCompressor
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "langchain_core":
        raise
    raise ImportError(
        f'{error}; langchain_ds4 needs LangChain: pip install "ds4-integrations[langchain]"', name=error.name
    ) from error

__all__ = [
    "ChatDS4",
    "DS4APIError",
    "DS4ContextOverflowError",
    "DS4DocumentCompressor",
    "DS4InvalidRequestError",
    "DS4ModelNotFoundError",
    "DS4QueueFullError",
    "DS4TimeoutError",
    "__version__",
    "register",
]

"""LangChain integration of DS4: `ChatDS4`, a chat model that runs in this process."""

from ds4_core._version import __version__

try:
    from langchain_ds4._errors import (
        DS4APIError,
        DS4ContextOverflowError,
        DS4InvalidRequestError,
        DS4ModelNotFoundError,
        DS4TimeoutError,
    )
    from langchain_ds4.chat_models import ChatDS4
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
    "DS4InvalidRequestError",
    "DS4ModelNotFoundError",
    "DS4TimeoutError",
    "__version__",
]

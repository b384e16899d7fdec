"""LangChain integration of DS4: `ChatDS4`, a chat model that runs in this process."""

from ds4_core._version import __version__
from langchain_ds4._errors import (
    DS4APIError,
    DS4ContextOverflowError,
    DS4InvalidRequestError,
    DS4ModelNotFoundError,
    DS4TimeoutError,
)
from langchain_ds4.chat_models import ChatDS4

__all__ = [
    "ChatDS4",
    "DS4APIError",
    "DS4ContextOverflowError",
    "DS4InvalidRequestError",
    "DS4ModelNotFoundError",
    "DS4TimeoutError",
    "__version__",
]

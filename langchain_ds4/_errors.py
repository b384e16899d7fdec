"""Errors that are both ours and LangChain's, so that code that catches either keeps working."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core import exceptions as lc

from ds4_core import errors as core
from ds4_core.errors import ContextOverflowError, GenerationTimeoutError


class DS4ContextOverflowError(lc.ContextOverflowError, ContextOverflowError):
    """The prompt does not fit the context. `n_prompt` and `n_ctx` hold the numbers."""


class DS4InvalidRequestError(lc.ModelInvalidRequestError, core.InvalidRequestError):
    """A message or an option that can not be served."""


class DS4ModelNotFoundError(lc.ModelNotFoundError, core.ModelNotFoundError):
    """No such model file, and no model of that name."""


class DS4TimeoutError(lc.ModelTimeoutError, GenerationTimeoutError):
    """The generation took longer than `timeout` seconds."""


class DS4APIError(lc.ModelAPIError, core.DS4Error):
    """The engine failed. Trying again would fail again."""

    is_retryable = False


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises LangChain's counterpart of a ds4_core error, with the original as its cause.

    UnsupportedError passes as it is: it is a NotImplementedError, which LangChain itself raises for missing features.
    """
    try:
        yield
    except (lc.ModelError, core.UnsupportedError):
        raise
    except ContextOverflowError as error:
        raise DS4ContextOverflowError(str(error), n_prompt=error.n_prompt, n_ctx=error.n_ctx) from error
    except GenerationTimeoutError as error:
        raise DS4TimeoutError(str(error)) from error
    except core.ModelNotFoundError as error:
        raise DS4ModelNotFoundError(str(error)) from error
    except core.InvalidRequestError as error:
        raise DS4InvalidRequestError(str(error)) from error
    except core.DS4Error as error:
        raise DS4APIError(str(error)) from error

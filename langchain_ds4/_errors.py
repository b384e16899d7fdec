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


class DS4QueueFullError(lc.ModelRateLimitError, core.QueueFullError):
    """As many requests as `max_queue` allows are waiting already. Trying again later can help."""


class DS4APIError(lc.ModelAPIError, core.DS4Error):
    """The engine failed. Trying again would fail again. Every kind of failure has a class of its own below this one."""

    is_retryable = False


def _dual(error: type[core.DS4Error]) -> type[DS4APIError]:
    """The class that is both DS4APIError and this error, kept in this module under its name so that it pickles."""
    names = {"__module__": __name__, "__qualname__": f"DS4{error.__name__}", "__doc__": error.__doc__}
    dual = type(f"DS4{error.__name__}", (DS4APIError, error), names)
    globals()[dual.__name__] = dual
    return dual


# Those with a class of their own above, and those that pass as they are.
_OTHERS = (
    core.DS4Error,
    core.InvalidRequestError,
    core.ModelNotFoundError,
    core.ContextOverflowError,
    core.GenerationTimeoutError,
    core.QueueFullError,
    core.UnsupportedError,
    core.GenerationCancelled,
)
_API_ERRORS = {
    kind: _dual(kind)
    for kind in vars(core).values()
    if isinstance(kind, type) and issubclass(kind, core.DS4Error) and kind not in _OTHERS
}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises the class that is LangChain's counterpart of a ds4_core error and that error, with the original as cause.

    Two pass as they are: UnsupportedError is a NotImplementedError, which LangChain itself raises for missing features,
    and GenerationCancelled is no failure.
    """
    try:
        yield
    except (lc.ModelError, core.UnsupportedError, core.GenerationCancelled):
        raise
    except ContextOverflowError as error:
        raise DS4ContextOverflowError(str(error), n_prompt=error.n_prompt, n_ctx=error.n_ctx) from error
    except GenerationTimeoutError as error:
        raise DS4TimeoutError(str(error)) from error
    except core.ModelNotFoundError as error:
        raise DS4ModelNotFoundError(str(error)) from error
    except core.QueueFullError as error:
        raise DS4QueueFullError(str(error)) from error
    except core.InvalidRequestError as error:
        raise DS4InvalidRequestError(str(error)) from error
    except core.DS4Error as error:
        dual = next((_API_ERRORS[kind] for kind in type(error).__mro__ if kind in _API_ERRORS), DS4APIError)
        raise dual(str(error)) from error

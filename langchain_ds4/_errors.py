"""Errors that are both ours and LangChain's, so that code that catches either keeps working."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core import exceptions as lc

from ds4_core import errors as core


class DS4ContextOverflowError(lc.ContextOverflowError, core.ContextOverflowError):
    """The prompt does not fit the context. `n_prompt` and `n_ctx` hold the numbers."""


class DS4InvalidRequestError(lc.ModelInvalidRequestError, core.InvalidRequestError):
    """A message or an option that can not be served."""


class DS4ModelNotFoundError(lc.ModelNotFoundError, core.ModelNotFoundError):
    """No such model file, and no model of that name."""


class DS4TimeoutError(lc.ModelTimeoutError, core.GenerationTimeoutError):
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


#: Errors that pass as they are: the first is a NotImplementedError, which LangChain itself raises for missing features,
#: and the second is no failure.
_PASSED = (core.UnsupportedError, core.GenerationCancelled)
_COUNTERPARTS: dict[type, type[core.DS4Error]] = {
    core.ContextOverflowError: DS4ContextOverflowError,
    core.InvalidRequestError: DS4InvalidRequestError,
    core.ModelNotFoundError: DS4ModelNotFoundError,
    core.GenerationTimeoutError: DS4TimeoutError,
    core.QueueFullError: DS4QueueFullError,
    core.DS4Error: DS4APIError,
}
_COUNTERPARTS |= {
    kind: _dual(kind)
    for kind in vars(core).values()
    if isinstance(kind, type) and issubclass(kind, core.DS4Error) and kind not in (*_COUNTERPARTS, *_PASSED)
}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises the class that is LangChain's counterpart of a ds4_core error and that error, with the original as cause.

    UnsupportedError and GenerationCancelled pass as they are.
    """
    try:
        yield
    except (lc.ModelError, *_PASSED):
        raise
    except core.DS4Error as error:
        counterpart = next(_COUNTERPARTS[kind] for kind in type(error).__mro__ if kind in _COUNTERPARTS)
        translated = counterpart(str(error))
        translated.__dict__.update(vars(error))  # the numbers of a ContextOverflowError
        raise translated from error

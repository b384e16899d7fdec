"""Every exception that ds4_core raises on purpose, grouped by what the caller can do about it.

All derive from `DS4Error`. Where Python has a built-in exception with the same meaning, ours derives from it too, so
that `except FileNotFoundError`, `except ValueError` or `except MemoryError` work as one expects. They pickle: an error
may cross a process boundary.
"""

from __future__ import annotations

from typing import ClassVar


class DS4Error(Exception):
    """Base of all errors of this package.

    Attributes:
        code: The value of `enum ds4x_status` that the error stands for.
        status: The same by name, for example `"DS4X_ERR_TOKEN"`.
    """

    code: ClassVar[int] = 15
    status: ClassVar[str] = "DS4X_ERR_INTERNAL"


class InvalidRequestError(DS4Error, ValueError):
    """An argument that can not be served: out of range, of the wrong kind, an unknown choice, an empty prompt."""

    code = 1
    status = "DS4X_ERR_ARGUMENT"


class ModelFileError(DS4Error, OSError):
    """The model file can not be read: a directory, no permission, or it changed since it was opened."""

    code = 2
    status = "DS4X_ERR_IO"


class ModelNotFoundError(ModelFileError, FileNotFoundError):
    """There is no such model file, and no model of that name in the catalogue."""


class ModelFormatError(DS4Error, ValueError):
    """The file is no GGUF file, is cut short, or is damaged."""

    code = 3
    status = "DS4X_ERR_FORMAT"


class InvalidModelError(DS4Error, ValueError):
    """A GGUF file that holds no usable DeepSeek V4 model: architecture, a missing tensor, a wrong shape."""

    code = 4
    status = "DS4X_ERR_MODEL"


class UnsupportedError(DS4Error, NotImplementedError):
    """A valid request that this build, this backend or this file can not serve."""

    code = 5
    status = "DS4X_ERR_UNSUPPORTED"


class OutOfMemoryError(DS4Error, MemoryError):
    """Out of memory, or over the engine's `kv_bytes_max`."""

    code = 6
    status = "DS4X_ERR_MEMORY"


class InvalidTokenError(DS4Error, ValueError):
    """A token id outside the vocabulary."""

    code = 7
    status = "DS4X_ERR_TOKEN"


class ContextFullError(DS4Error, ValueError):
    """The tokens do not fit the session's context. The session is as it was before."""

    code = 8
    status = "DS4X_ERR_CONTEXT"


class ContextOverflowError(ContextFullError):
    """The prompt leaves no room for an answer.

    Attributes:
        n_prompt: Tokens of the prompt.
        n_ctx: Tokens of the context.
    """

    def __init__(self, message: str, *, n_prompt: int = 0, n_ctx: int = 0) -> None:
        """Keeps the numbers beside the message."""
        super().__init__(message)
        self.n_prompt = n_prompt
        self.n_ctx = n_ctx


class GenerationCancelled(DS4Error):  # noqa: N818 - an outcome the caller asked for, not a fault
    """The cancel flag was raised. The session is at its last complete forward."""

    code = 9
    status = "DS4X_ERR_CANCELLED"


class GenerationTimeoutError(DS4Error, TimeoutError):
    """A generation took longer than its `timeout_s`."""

    code = 9
    status = "DS4X_ERR_CANCELLED"


class EngineStateError(DS4Error, RuntimeError):
    """The object can not do this now, for example logits asked for before anything was computed."""

    code = 10
    status = "DS4X_ERR_STATE"


class EngineClosedError(EngineStateError):
    """The engine, model or session was closed."""


class ForkedProcessError(DS4Error, RuntimeError):
    """The engine was opened in another process: after `os.fork()` the child has to make its own `Engine`."""

    code = 11
    status = "DS4X_ERR_FORKED"


class NoVocabularyError(DS4Error, RuntimeError):
    """The file has no vocabulary: token ids work, text does not."""

    code = 12
    status = "DS4X_ERR_NO_VOCAB"


class QueueFullError(DS4Error, RuntimeError):
    """As many requests as the engine's `max_queue` allows are waiting already. Trying again later can help."""

    code = 10
    status = "DS4X_ERR_STATE"


class BackendError(DS4Error, RuntimeError):
    """The backend failed or is not available on this machine."""

    code = 14
    status = "DS4X_ERR_BACKEND"


class InternalError(DS4Error, RuntimeError):
    """A broken invariant inside libds4 or its binding. Please report it."""


class LibraryError(DS4Error, ImportError):
    """The shared library libds4 is missing, can not be loaded, or is of another version than this package."""

    code = 14
    status = "DS4X_ERR_BACKEND"


#: Status code of libds4 -> exception. Code 13 (a buffer too small) is handled inside the binding and never leaves it.
BY_CODE: dict[int, type[DS4Error]] = {
    error.code: error
    for error in (
        InvalidRequestError,
        ModelFileError,
        ModelFormatError,
        InvalidModelError,
        UnsupportedError,
        OutOfMemoryError,
        InvalidTokenError,
        ContextFullError,
        GenerationCancelled,
        EngineStateError,
        ForkedProcessError,
        NoVocabularyError,
        BackendError,
        InternalError,
    )
}

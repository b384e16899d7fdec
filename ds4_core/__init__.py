"""ds4_core: the DeepSeek V4 engine libds4 for Python. Knows no framework; the adapters stand on it.

`Engine` computes, `Model` tells a file's facts and tokenizes without loading weights, `Session` is one timeline of
tokens.
Importing this package loads no library and opens no file.
"""

from ds4_core._version import __version__
from ds4_core.engine import Engine
from ds4_core.errors import (
    BackendError,
    ContextFullError,
    ContextOverflowError,
    DS4Error,
    EngineClosedError,
    EngineStateError,
    ForkedProcessError,
    GenerationCancelled,
    GenerationTimeoutError,
    InternalError,
    InvalidModelError,
    InvalidRequestError,
    InvalidTokenError,
    LibraryError,
    ModelFileError,
    ModelFormatError,
    ModelNotFoundError,
    NoVocabularyError,
    OutOfMemoryError,
    UnsupportedError,
)
from ds4_core.model import Model
from ds4_core.session import Session
from ds4_core.types import (
    CancelFlag,
    ContextSizeWarning,
    EngineInfo,
    MemoryUse,
    OpTime,
    SampleParams,
    SampleResult,
    Span,
    SpanResult,
    TensorInfo,
    TokenScore,
)

__all__ = [
    "BackendError",
    "CancelFlag",
    "ContextFullError",
    "ContextOverflowError",
    "ContextSizeWarning",
    "DS4Error",
    "Engine",
    "EngineClosedError",
    "EngineInfo",
    "EngineStateError",
    "ForkedProcessError",
    "GenerationCancelled",
    "GenerationTimeoutError",
    "InternalError",
    "InvalidModelError",
    "InvalidRequestError",
    "InvalidTokenError",
    "LibraryError",
    "MemoryUse",
    "Model",
    "ModelFileError",
    "ModelFormatError",
    "ModelNotFoundError",
    "NoVocabularyError",
    "OpTime",
    "OutOfMemoryError",
    "SampleParams",
    "SampleResult",
    "Session",
    "Span",
    "SpanResult",
    "TensorInfo",
    "TokenScore",
    "UnsupportedError",
    "__version__",
]

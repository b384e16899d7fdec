"""ds4_core: the DeepSeek V4 engine libds4 for Python. Knows no framework; the adapters stand on it.

`Engine` computes, `Model` tells a file's facts and tokenizes without loading weights, `Session` is one timeline of
tokens.
Importing this package loads no library and opens no file.
"""

from ds4_core._version import __version__
from ds4_core.aio import AsyncCheckpoint, AsyncEngine, AsyncSession
from ds4_core.checkpoint import Checkpoint
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
    QueueFullError,
    UnsupportedError,
)
from ds4_core.generation import GenerationEnd, PrefillProgress, SampledToken, TokenEvent, TokenRequest
from ds4_core.guide import Guide
from ds4_core.model import Model
from ds4_core.session import Session
from ds4_core.streams import AsyncTokenStream, TokenStream
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
    Timings,
    TokenScore,
    Usage,
)

__all__ = [
    "AsyncCheckpoint",
    "AsyncEngine",
    "AsyncSession",
    "AsyncTokenStream",
    "BackendError",
    "CancelFlag",
    "Checkpoint",
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
    "GenerationEnd",
    "GenerationTimeoutError",
    "Guide",
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
    "PrefillProgress",
    "QueueFullError",
    "SampleParams",
    "SampleResult",
    "SampledToken",
    "Session",
    "Span",
    "SpanResult",
    "TensorInfo",
    "Timings",
    "TokenEvent",
    "TokenRequest",
    "TokenScore",
    "TokenStream",
    "UnsupportedError",
    "Usage",
    "__version__",
]

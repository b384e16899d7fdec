"""A model file's facts and vocabulary, without its weights: cheap to open, enough to count tokens and plan memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import numpy as np

from ds4_core import registry
from ds4_core.errors import EngineClosedError, InvalidRequestError, InvalidTokenError
from ds4_core.models import catalogue
from ds4_core.native import ERR_BUFFER, CData, Native
from ds4_core.types import EngineInfo, MemoryUse, TensorInfo, checked_bool, checked_int

_BACKENDS = {0: "none", 1: "cpu", 2: "cuda", 3: "metal"}
_KV_DTYPES = {0: "none", 1: "f32", 2: "f16"}
_ISAS = {0: "none", 1: "portable", 2: "avx2", 3: "avx512", 4: "neon"}
_TOKEN_KINDS = {1: "normal", 2: "unknown", 3: "control", 4: "user", 5: "unused", 6: "byte"}
_TOKEN_FIELDS = ("bos", "eos", "user", "assistant", "think_open", "think_close", "dsml")
_COUNT_FIELDS = (
    "n_threads n_layer n_embd n_vocab n_head head_dim n_expert n_expert_used n_window n_batch page_tokens "
    "n_context_train n_params file_bytes weight_bytes decode_bytes page_bytes state_bytes"
).split()


class Model:
    """Facts and vocabulary of a `.gguf` file.

    Opening reads the metadata, the tensor directory and the vocabulary; weights are not touched. Objects for the same
    file share one native handle. Every method may be called from any thread and raises `EngineClosedError` after
    `close()`.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        """Opens a file.

        Args:
            model: A name of the catalogue (`"ds4-tiny"`) or the path of a `.gguf` file (the first part of a split one).

        Raises:
            ModelNotFoundError: Neither a known name nor an existing file.
            ModelFileError, ModelFormatError, InvalidModelError: The file is unreadable, damaged, or of another kind.
        """
        path = catalogue.resolve(model)
        catalogue.verify_once(path)
        self._hold(registry.acquire(registry.OpenOptions(path=path, vocab_only=True)))

    def _hold(self, lease: registry.Lease) -> None:
        self._shared = lease.shared
        self._finalizer = weakref.finalize(self, lease.release)

    @classmethod
    def _of_engine(cls, lease: registry.Lease) -> Self:
        # On an engine that is open already. With a share of its own it works on when the engine's handle is dropped.
        model = cls.__new__(cls)
        model._hold(lease.another())
        return model

    def close(self) -> None:
        """Gives the file back. Safe to call twice."""
        self._finalizer()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """Names the file."""
        return f"Model({self._shared.path!r})"

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return self._shared.path

    @property
    def _open(self) -> registry.SharedEngine:
        if not self._finalizer.alive:
            raise EngineClosedError(f"the model {self._shared.path} was closed")
        return self._shared

    @property
    def _native(self) -> Native:
        return self._shared.native

    # -- facts ---------------------------------------------------------------------------------------------------------

    @property
    def info(self) -> EngineInfo:
        """Sizes, counts and special tokens of the file."""
        return read_info(self._open)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The file's metadata by key, each value decoded when it is asked for; arrays are lists.

        Text that is not valid UTF-8 keeps its bytes as surrogate escapes.
        """
        return _Metadata(self)

    @property
    def tensors(self) -> list[TensorInfo]:
        """The tensor directory in file order, all parts of a split file."""
        native = self._native
        ffi, lib = native.ffi, native.lib
        c_tensor, err = ffi.new("ds4x_tensor *"), native.new_error()
        tensors = []
        with self._open.pinned() as ptr:
            for index in range(lib.ds4x_tensor_count(ptr)):
                native.check(lib.ds4x_tensor_get(ptr, index, c_tensor, err), err)
                tensors.append(
                    TensorInfo(
                        name=ffi.string(c_tensor.name).decode("utf-8", "replace"),
                        type=ffi.string(c_tensor.type_name).decode(),
                        type_id=c_tensor.type,
                        dims=tuple(c_tensor.dims[i] for i in range(c_tensor.n_dims)),
                        n_bytes=c_tensor.bytes,
                    )
                )
        return tensors

    def memory_estimate(self, n_ctx: int, n_sessions: int = 1) -> MemoryUse:
        """What `n_sessions` sessions, each filled to `n_ctx` tokens and sharing nothing, take with default options.

        Raises:
            InvalidRequestError: A number below 1 or beyond 2**31 - 1.
        """
        return read_memory_estimate(self._open, n_ctx, n_sessions)

    # -- vocabulary ----------------------------------------------------------------------------------------------------

    def tokenize(self, text: str | bytes, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text. No token is added at either end.

        Args:
            text: A string (the surrogates U+DC80 .. U+DCFF stand for raw bytes, as in `os.fsdecode`), or bytes, valid
                UTF-8 or not.
            parse_special: True turns control tokens and protocol literals spelled out in the text into their ids. Leave
                it False for text from outside: it can then not forge a control token.

        Raises:
            InvalidRequestError: `text` is neither, or holds any other lone surrogate.
            NoVocabularyError: The file has no vocabulary.
        """
        data = _text_bytes(text)
        parse_special = checked_bool("parse_special", parse_special)
        native = self._native
        ffi, lib = native.ffi, native.lib
        n_out, err = ffi.new("size_t *"), native.new_error()
        cap = len(data) // 2 + 16
        with self._open.pinned() as ptr:
            while True:
                out = np.empty(cap, dtype=np.int32)
                c_out = ffi.from_buffer("int32_t[]", out)
                code = lib.ds4x_tokenize(ptr, data, len(data), parse_special, c_out, cap, n_out, err)
                if code != ERR_BUFFER:
                    break
                cap = n_out[0]
        native.check(code, err)
        tokens: list[int] = out[: n_out[0]].tolist()
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> bytes:
        """The bytes that token ids stand for; a text may end inside a UTF-8 sequence.

        Raises:
            InvalidTokenError: An id outside the vocabulary.
            NoVocabularyError: The file has no vocabulary.
        """
        native = self._native
        ffi, lib = native.ffi, native.lib
        ids = token_array(tokens)
        c_ids = ffi.from_buffer("int32_t[]", ids)
        n_out, err = ffi.new("size_t *"), native.new_error()
        cap = 8 * len(ids) + 16
        with self._open.pinned() as ptr:
            while True:
                out = bytearray(cap)
                code = lib.ds4x_detokenize(ptr, c_ids, len(ids), ffi.from_buffer("char[]", out), cap, n_out, err)
                if code != ERR_BUFFER:
                    break
                cap = n_out[0]
        native.check(code, err)
        return bytes(out[: n_out[0]])

    def token_bytes(self, token: int) -> bytes:
        """The bytes one token stands for.

        Raises:
            InvalidTokenError: The id is outside the vocabulary.
        """
        native = self._native
        ffi = native.ffi
        out, length, err = ffi.new("char **"), ffi.new("size_t *"), native.new_error()
        (token_id,) = token_array([token])
        with self._open.pinned() as ptr:
            native.check(native.lib.ds4x_token_bytes(ptr, int(token_id), out, length, err), err)
            return bytes(ffi.buffer(out[0], length[0])) if length[0] else b""

    def token_kind(self, token: int) -> str:
        """What the file says the token is: "normal", "control", "user", "unknown", "unused" or "byte".

        Raises:
            InvalidTokenError: The id is outside the vocabulary.
        """
        (token_id,) = token_array([token])
        with self._open.pinned() as ptr:
            kind = self._native.lib.ds4x_token_get_kind(ptr, int(token_id))
        if kind not in _TOKEN_KINDS:
            raise InvalidTokenError(f"token {token} is not in the vocabulary of {self.path}")
        return _TOKEN_KINDS[kind]

    def find_token(self, text: str | bytes) -> int | None:
        """The id of the token whose text is exactly this; None when there is none.

        Raises:
            InvalidRequestError: As `tokenize`.
        """
        data = _text_bytes(text)
        with self._open.pinned() as ptr:
            token = self._native.lib.ds4x_token_find(ptr, data, len(data))
        return None if token < 0 else int(token)

    @cached_property
    def _special(self) -> dict[str, int | None]:
        info = self.info
        return {name: getattr(info, f"token_{name}") for name in _TOKEN_FIELDS}

    @property
    def n_vocab(self) -> int:
        """Number of token ids, which is the width of a row of logits."""
        return self.info.n_vocab

    @property
    def token_bos(self) -> int | None:
        """Begin of sequence; None when the vocabulary has none, as for the other special tokens."""
        return self._special["bos"]

    @property
    def token_eos(self) -> int | None:
        """End of sequence: the model has finished its turn."""
        return self._special["eos"]

    @property
    def token_user(self) -> int | None:
        """Opens a message of the user."""
        return self._special["user"]

    @property
    def token_assistant(self) -> int | None:
        """Opens a message of the model."""
        return self._special["assistant"]

    @property
    def token_think_open(self) -> int | None:
        """Opens a block of reasoning."""
        return self._special["think_open"]

    @property
    def token_think_close(self) -> int | None:
        """Closes a block of reasoning."""
        return self._special["think_close"]

    @property
    def token_dsml(self) -> int | None:
        """Opens and closes the tags of tool calls."""
        return self._special["dsml"]


def _text_bytes(text: Any) -> bytes:
    if isinstance(text, (bytes, bytearray, memoryview)):
        return bytes(text)
    if not isinstance(text, str):
        raise InvalidRequestError(f"the text is {type(text).__name__}: it must be str or bytes")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"the text holds the lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, "
            "which no encoding has"
        ) from error


class _Metadata(Mapping[str, Any]):
    """The mapping behind `Model.metadata`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @cached_property
    def _keys(self) -> dict[str, None]:
        native = self._model._native
        with self._model._open.pinned() as ptr:
            count = native.lib.ds4x_meta_count(ptr)
            keys = [native.ffi.string(native.lib.ds4x_meta_key(ptr, i)) for i in range(count)]
        return dict.fromkeys(key.decode("utf-8", "surrogateescape") for key in keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        native = self._model._native
        ffi, lib = native.ffi, native.lib
        c_key = key.encode("utf-8", "surrogateescape")
        meta, err = ffi.new("ds4x_meta *"), native.new_error()
        with self._model._open.pinned() as ptr:
            native.check(lib.ds4x_meta_get(ptr, c_key, meta, err), err)
            if meta.type != lib.DS4X_META_ARRAY:
                return self._value(native, meta)
            items = []
            for index in range(meta.count):
                native.check(lib.ds4x_meta_item(ptr, c_key, index, meta, err), err)
                items.append(self._value(native, meta))
            return items

    @staticmethod
    def _value(native: Native, meta: CData) -> Any:
        lib = native.lib
        if meta.type == lib.DS4X_META_STRING:
            return bytes(native.ffi.buffer(meta.s, meta.s_len)).decode("utf-8", "surrogateescape") if meta.s_len else ""
        if meta.type in (lib.DS4X_META_F32, lib.DS4X_META_F64):
            return meta.f
        if meta.type == lib.DS4X_META_BOOL:
            return bool(meta.u)
        if meta.type in (lib.DS4X_META_U8, lib.DS4X_META_U16, lib.DS4X_META_U32, lib.DS4X_META_U64):
            return meta.u
        return meta.i


def token_array(tokens: Sequence[int] | np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Token ids as a contiguous int32 array `[n]`.

    Raises:
        InvalidTokenError: A number that no vocabulary can hold. Whether an id is inside this vocabulary is for libds4
            to say.
        InvalidRequestError: Something that is no flat sequence of integers.
    """
    try:
        array = np.asarray(tokens)
    except (ValueError, TypeError, OverflowError) as error:  # lists of different lengths, for example
        raise InvalidRequestError(f"tokens must be a flat sequence of integers: {error}") from error
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, dtype=np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        # Integers beyond 64 bits become objects or floats in numpy.
        is_list = array.ndim == 1 and array.dtype.kind in "Of" and not isinstance(tokens, np.ndarray)
        if is_list and all(isinstance(token, int) for token in tokens):
            raise InvalidTokenError(f"token {max(tokens, key=abs)} is not in any vocabulary: ids are 0 .. n_vocab - 1")
        raise InvalidRequestError(f"tokens must be a flat sequence of integers, not {array.dtype} {array.shape}")
    if array.min() < 0 or array.max() > 2**31 - 1:
        worst = array.min() if array.min() < 0 else array.max()
        raise InvalidTokenError(f"token {worst} is not in any vocabulary: ids are 0 .. n_vocab - 1")
    return np.ascontiguousarray(array, dtype=np.int32)


def read_info(shared: registry.SharedEngine) -> EngineInfo:
    """`ds4x_engine_info` of an open engine as a dataclass."""
    native = shared.native
    info, err = native.ffi.new("ds4x_engine_info *"), native.new_error()
    info.struct_size = native.ffi.sizeof("ds4x_engine_info")
    with shared.pinned() as ptr:
        native.check(native.lib.ds4x_engine_get_info(ptr, info, err), err)
    counts: dict[str, int] = {name: int(getattr(info, name)) for name in _COUNT_FIELDS}
    ids: dict[str, int] = {f"token_{name}": int(getattr(info, f"token_{name}")) for name in _TOKEN_FIELDS}
    tokens: dict[str, Any] = {name: token if token >= 0 else None for name, token in ids.items()}
    return EngineInfo(
        backend=_BACKENDS[info.backend],
        device=native.ffi.string(info.device).decode(),
        backend_reason=native.ffi.string(info.backend_reason).decode("utf-8", "replace"),
        isa=_ISAS[info.isa],
        exact=bool(info.exact),
        kv_dtype=_KV_DTYPES[info.kv_dtype if info.has_weights else 0],
        kv_simulation=bool(info.kv_simulation),
        has_weights=bool(info.has_weights),
        has_vocab=bool(info.has_vocab),
        **counts,
        **tokens,
    )


def read_memory_estimate(shared: registry.SharedEngine, n_ctx: int, n_sessions: int) -> MemoryUse:
    """`ds4x_memory_estimate` as a dataclass; checks both numbers."""
    n_ctx = checked_int("n_ctx", n_ctx, 1, 2**31 - 1)
    n_sessions = checked_int("n_sessions", n_sessions, 1, 2**31 - 1)
    native = shared.native
    memory, err = native.ffi.new("ds4x_memory *"), native.new_error()
    with shared.pinned() as ptr:
        native.check(native.lib.ds4x_memory_estimate(ptr, n_ctx, n_sessions, memory, err), err)
    return memory_use(memory)


def memory_use(memory: CData) -> MemoryUse:
    """A `ds4x_memory` as a dataclass."""
    return MemoryUse(
        weights_mapped=memory.weights_mapped,
        weights_copied=memory.weights_copied,
        workspace=memory.workspace,
        session_state=memory.session_state,
        kv_pages=memory.kv_pages,
        checkpoints=memory.checkpoints,
        total=memory.total,
    )

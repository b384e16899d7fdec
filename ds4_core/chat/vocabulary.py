"""A model's vocabulary as constraints need it: for llguidance, for spelling with few tokens, and sorted into sets."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ds4_core.errors import EngineClosedError, NoVocabularyError, UnsupportedError
from ds4_core.model import Model

#: Token ids and masks; masks are uint32.
IntArray = np.ndarray[Any, np.dtype[Any]]
_LONGEST = 64  # bytes of a token that is used to spell with
_LONG = 256  # bytes of a text whose spelling is kept
_MAX_MASKS = 512


class Vocabulary:
    """What constraints know of a vocabulary. Built once for each file; nothing that it says changes afterwards.

    Attributes:
        n_vocab: Number of token ids.
        n_words: uint32 words of a mask.
        texts: The bytes of every token; empty for those that stand for no text.
        longest: Bytes of the longest token that stands for text.
        tokenizer: llguidance's.
        eos, dsml, think_open, think_close: Ids of control tokens; None when the vocabulary has none.
        is_plain: How many characters those have, one byte each; 0 for all others; padded with zeros.
        controls: Ids of tokens that stand for no text.
        lengths: Bytes of every token, one more for those that begin outside of ASCII, so that what texts are made of
            comes before parts of characters; int32 `[n_vocab]`.
        everything, controls_only, no_end, no_marker: Masks of all tokens, of `controls`, and of all tokens but one.
    """

    def __init__(self, model: Model) -> None:
        """Reads a vocabulary; takes a second for one of 128 Ki tokens.

        Raises:
            NoVocabularyError: The file has none.
            UnsupportedError: It has no end-of-turn token, or llguidance is not installed.
        """
        try:
            from llguidance import LLTokenizer, TokenizerWrapper
        except ImportError as error:
            raise UnsupportedError(
                f"constraints need the package llguidance, which can not be imported: {error}; "
                "pip install 'llguidance>=1.9,<2'"
            ) from error
        self.n_vocab = model.n_vocab
        self.n_words = (self.n_vocab + 31) // 32
        if model.token_eos is None:
            raise UnsupportedError(f"{model.path} has no end-of-turn token, which constraints need")
        self.eos, self.dsml = model.token_eos, model.token_dsml
        self.think_open, self.think_close = model.token_think_open, model.token_think_close
        raw, normal = _read(model)
        if not any(raw):
            raise NoVocabularyError(f"{model.path} has no vocabulary")
        protocol = {
            model.token_bos, model.token_eos, model.token_user, model.token_assistant, model.token_think_open,
            model.token_think_close, model.token_dsml,
        }  # fmt: skip
        self.controls = [
            token for token in range(self.n_vocab) if token in protocol or not raw[token] or not normal[token]
        ]
        self.texts = raw.copy()
        for token in self.controls:
            self.texts[token] = b""
        self.longest = max(map(len, self.texts))
        self._ids: dict[bytes, int] = {}
        self._spelled: tuple[bytes, list[int], list[int]] = (b"", [0], [0])  # the newest of the long texts
        for token, text in enumerate(self.texts):
            if text and len(text) <= _LONGEST:
                self._ids.setdefault(text, token)
        tokenize = weakref.WeakMethod(model.tokenize)
        path = model.path

        class Wrapped:
            eos_token_id, bos_token_id = self.eos, model.token_bos
            # llguidance wants a text for every token and tells them apart by it.
            tokens = [text or f"[{token}]".encode() for token, text in enumerate(raw)]  # noqa: RUF012
            special_token_ids = self.controls

            def __call__(self, text: bytes | str) -> list[int]:
                bound = tokenize()
                if bound is not None:
                    with suppress(EngineClosedError):
                        return bound(text)
                with Model(path) as again:
                    return again.tokenize(text)

        self.tokenizer: Any = LLTokenizer(TokenizerWrapper(Wrapped()), n_vocab=self.n_vocab, eos_token=self.eos)
        self.is_plain = bytes(map(_plain_length, self.texts)) + bytes(-self.n_vocab % 32)
        self.lengths: IntArray = np.array([len(t) + (t[0] > 127) if t else 0 for t in self.texts], dtype=np.int32)
        self._first: IntArray = np.array([text[0] if text else 256 for text in self.texts], dtype=np.int32)
        endings = np.array([_ending(text) for text in self.texts], dtype=np.int8)
        self._whole, self._begun = self.mask(np.flatnonzero(endings == 0)), self.mask(np.flatnonzero(endings == 1))
        self._none = self.mask(())
        self._masks: dict[Any, IntArray] = {}
        self._without: dict[str, tuple[IntArray, IntArray]] = {}
        self.controls_only = self.mask(self.controls)
        self.everything = self.mask(range(self.n_vocab))
        self.no_end: IntArray = self.everything & ~self.mask([self.eos])
        self.no_marker: IntArray = self.everything & ~self.mask([] if self.dsml is None else [self.dsml])
        for mask in (self.controls_only, self.everything, self.no_end, self.no_marker):
            mask.flags.writeable = False

    def only(self, token: int) -> IntArray:
        """A mask that allows one token."""
        return self.mask([token])

    def mask(self, tokens: Iterable[int] | IntArray) -> IntArray:
        """A mask that allows these; uint32 `[n_words]`."""
        bits = np.zeros(32 * self.n_words, dtype=np.uint8)
        bits[tokens if isinstance(tokens, np.ndarray) else list(tokens)] = 1
        return np.packbits(bits, bitorder="little").view(np.uint32)

    def holding(self, pattern: re.Pattern[bytes]) -> IntArray:
        """A mask of the tokens in whose bytes a pattern is found; the same one every time."""
        return self._kept(pattern, lambda: [t for t, text in enumerate(self.texts) if text and pattern.search(text)])

    def beginning(self, byte: int) -> IntArray:
        """A mask of the tokens that begin with a byte; the same one every time."""
        return self._kept(byte, lambda: np.flatnonzero(self._first == byte))

    def without(self, chars: str) -> tuple[IntArray, IntArray]:
        """Masks of the tokens that hold none of some characters, all of them ASCII; the same ones every time.

        Those of whole characters, and those that end inside of one.
        """
        found = self._without.get(chars)
        if found is None:
            if len(self._without) >= _MAX_MASKS:
                self._without.clear()
            held = self.holding(re.compile(b"[" + re.escape(chars.encode()) + b"]")) if chars else self._none
            found = self._without[chars] = (self._whole & ~held, self._begun & ~held)
        return found

    def _kept(self, key: Any, make: Callable[[], Iterable[int] | IntArray]) -> IntArray:
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= _MAX_MASKS:
                self._masks.clear()
            mask = self._masks[key] = self.mask(make())
        return mask

    def show(self, tokens: Iterable[int]) -> str:
        """Their text, for messages; control tokens by number."""
        parts = (self.texts[token] or f"<[{token}]>".encode() for token in tokens)
        return b"".join(parts).decode("utf-8", "replace")

    def spell(self, text: bytes) -> tuple[int, ...]:
        """The fewest tokens that make up some bytes; the longest first where several ways are as short.

        Raises:
            UnsupportedError: The vocabulary can not spell them.
        """
        _, step = self._spellings(text)
        out = []
        at = 0
        while at < len(text):
            if not step[at]:
                raise UnsupportedError(f"the vocabulary has no tokens for {text[at:]!r:.80}")
            out.append(self._ids[text[at : at + step[at]]])
            at += step[at]
        return tuple(out)

    def prices(self, text: bytes) -> list[int]:
        """The number of tokens in `spell` of the text from each byte on, its end included."""
        return self._spellings(text)[0]

    def _spellings(self, text: bytes) -> tuple[list[int], list[int]]:
        """From each byte on: how many tokens it takes, and the length of the first."""
        known, best, step = self._spelled
        if len(text) > _LONG and known.endswith(text):  # the rest of a text, as generations come nearer to its end
            begin = len(known) - len(text)
            return best[begin:], step[begin:]
        n = len(text)
        best = [0] * (n + 1)
        step = [0] * (n + 1)
        longest = min(_LONGEST, self.longest)
        ids = self._ids
        for at in range(n - 1, -1, -1):
            count, length = 1 << 30, 0
            for size in range(min(longest, n - at), 0, -1):
                if best[at + size] + 1 < count and text[at : at + size] in ids:
                    count, length = best[at + size] + 1, size
            best[at], step[at] = count, length
        if n > _LONG:
            self._spelled = (text, best, step)
        return best, step


def _plain_length(text: bytes) -> int:
    """The characters of a text of letters, digits and blanks; 0 of any other, and when there are too many."""
    try:
        chars = text.decode()
    except UnicodeDecodeError:
        return 0
    return len(chars) if len(chars) < 256 and chars.replace(" ", "a").isalnum() else 0


def _ending(text: bytes) -> int:
    """0 of whole characters, 1 when it ends inside of one, 2 when it is empty or begins inside of one."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return 1 if error.reason == "unexpected end of data" else 2
    return 0 if text else 2


def _read(model: Model) -> tuple[list[bytes], list[bool]]:
    """The bytes of every token, and whether it stands for text; as `Model` tells them one by one, in one go."""
    native = model._native
    ffi, lib = native.ffi, native.lib
    out, length, err = ffi.new("char **"), ffi.new("size_t *"), native.new_error()
    texts, normal = [], []
    read, kind, buffer = lib.ds4x_token_bytes, lib.ds4x_token_get_kind, ffi.buffer
    with model._open.pinned() as ptr:
        for token in range(model.n_vocab):
            native.check(read(ptr, token, out, length, err), err)
            texts.append(bytes(buffer(out[0], length[0])) if length[0] else b"")
            normal.append(kind(ptr, token) in (lib.DS4X_TOKEN_NORMAL, lib.DS4X_TOKEN_BYTE))
    return texts, normal


_lock = threading.Lock()
_known: weakref.WeakKeyDictionary[Any, Vocabulary] = weakref.WeakKeyDictionary()


def vocabulary_of(model: Model) -> Vocabulary:
    """The vocabulary of a model; models of one open file share it."""
    shared = model._open
    with _lock:
        found = _known.get(shared)
        if found is None:
            found = _known[shared] = Vocabulary(model)
        return found

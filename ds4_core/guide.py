"""Guides: what may, must and may not come next in one generation, and the masks they give while the engine computes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ds4_core.errors import InvalidRequestError, InvalidTokenError
from ds4_core.native import CData, Native

#: uint32 `[ceil(n_vocab / 32)]`, bit i of the whole is token i.
Mask = npt.NDArray[np.uint32]


class Guide(Protocol):
    """Holds one generation to something. Asked by one thread at a time; what it raises ends that generation alone."""

    def mask(self) -> Mask | None:
        """Which tokens may be drawn next, valid until the next call; None is every one."""
        ...

    def accept(self, token: int) -> None:
        """A token, drawn or forced, was appended; called once for each, in order."""
        ...

    def forced(self) -> Sequence[int]:
        """The tokens that have to come next; empty when there is a choice."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing but the end of the turn may follow."""
        ...


@runtime_checkable
class LimitedGuide(Guide, Protocol):
    """A guide that comes to an end in time. It is told the limit once, before anything else."""

    def limit(self, max_tokens: int) -> None:
        """So many tokens may come: `max_tokens` of the request, or less where the context leaves less."""
        ...


@runtime_checkable
class LastingGuide(Guide, Protocol):
    """A guide that may hold a generation beyond the end of its turn, where `ignore_eos` lets that go on."""

    @property
    def outlasts_turns(self) -> bool:
        """Whether it does."""
        ...


class Lead:
    """A guide as one generation follows it.

    Attributes:
        pointer: The mask for the next draw as libds4 takes it, once `look` was called.
        error: What the guide raised instead.
        outlasts_turns: Whether it goes on after an end of turn that ends nothing.
    """

    __slots__ = ("_eos", "_guide", "_known", "_loaded", "_mask", "_n_vocab", "error", "outlasts_turns", "pointer")

    def __init__(self, guide: Guide, loaded: Native, n_vocab: int, token_eos: int | None) -> None:
        """Follows `guide` from its beginning."""
        self._guide = guide
        self.outlasts_turns = isinstance(guide, LastingGuide) and guide.outlasts_turns
        self._loaded = loaded
        self._n_vocab = n_vocab
        self._eos = token_eos
        self._mask: Mask | None = None
        self._known = False
        self.pointer: CData = loaded.ffi.NULL
        self.error: BaseException | None = None

    def accept(self, token: int) -> None:
        """Tells the guide of a token."""
        self._known = False
        self._guide.accept(token)

    def forced(self) -> list[int]:
        """What has to come next: also the end of a turn that is finished.

        Raises:
            InvalidTokenError: The guide names a token outside the vocabulary.
        """
        tokens = [int(token) for token in self._guide.forced()]
        for token in tokens:
            if not 0 <= token < self._n_vocab:
                raise InvalidTokenError(f"the guide forces token {token}, the vocabulary has 0 .. {self._n_vocab - 1}")
        return [self._eos] if not tokens and self._eos is not None and self._guide.finished else tokens

    def look(self) -> None:
        """Asks for the mask of the next draw, unless it is known. Raises nothing."""
        if self._known:
            return
        try:
            mask = self._guide.mask()
            self.pointer = self._loaded.ffi.NULL if mask is None else self._checked(mask)
            self._mask = mask  # the memory behind the pointer
        except BaseException as error:  # noqa: BLE001 - it is the generation's
            self.error = error
        self._known = True

    def _checked(self, mask: Any) -> CData:
        words = (self._n_vocab + 31) // 32
        if not isinstance(mask, np.ndarray) or mask.dtype != np.uint32 or mask.shape != (words,):
            kind = f"{mask.dtype}{list(mask.shape)}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise InvalidRequestError(f"the mask of a guide is {kind}: it must be a uint32 array [{words}]")
        return self._loaded.ffi.from_buffer("uint32_t[]", mask)

    def allows_beside(self, tokens: Iterable[int]) -> bool:
        """Whether the mask lets anything but these tokens come."""
        if self._mask is None:
            return True
        rest = self._mask.copy()
        for token in tokens:
            rest[token >> 5] &= np.uint32(0xFFFFFFFF ^ (1 << (token & 31)))
        if self._n_vocab % 32:
            rest[-1] &= np.uint32((1 << (self._n_vocab % 32)) - 1)
        return bool(rest.any())


class MaskThread:
    """Looks for masks beside the engine. For one other thread, which waits for it after every `begin`."""

    def __init__(self) -> None:
        """Starts its thread."""
        self._asked: SimpleQueue[Sequence[Lead] | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=_look, args=(self._asked, self._done), name="ds4-masks", daemon=True).start()

    def begin(self, leads: Sequence[Lead]) -> None:
        """Has all of them look."""
        self._asked.put(leads)

    def wait(self) -> None:
        """Returns when they have."""
        self._done.get()

    def close(self) -> None:
        """Ends its thread."""
        self._asked.put(None)


def _look(asked: SimpleQueue[Sequence[Lead] | None], done: SimpleQueue[None]) -> None:
    while (leads := asked.get()) is not None:
        for lead in leads:
            lead.look()
        del leads  # ended guides are not kept alive by a thread that waits
        done.put(None)

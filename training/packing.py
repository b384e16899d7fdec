"""Documents into rows of one length: each begins at a multiple of 128 tokens, so that no compressed block holds two."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from training.config import BLOCK
from training.data.rendering import ANOTHER, DECISIVE, PADDING, PROMPT, SHORT, SPOKEN, TARGET

SHORT_TOKENS = 6  # targets of so few tokens, a yes or a name, would drown among the long ones


@dataclass(frozen=True)
class Document:
    """Token ids of a conversation, and for each 0, or of a target `TARGET`, `DECISIVE`, `SPOKEN` or `ANOTHER`."""

    ids: list[int]
    trained: Sequence[int]
    skill: str = ""

    @property
    def n_block(self) -> int:
        return -(-len(self.ids) // BLOCK)

    def targets(self) -> Iterator[tuple[int, int]]:
        """[begin, end) of each run of target tokens."""
        at = 0
        for trained, run in groupby(self.trained, bool):
            n = len(list(run))
            if trained:
                yield at, at + n
            at += n

    def roles(self) -> np.ndarray:
        """[n] uint8, what the loss does with each token; the first is nobody's target."""
        roles = np.full(len(self.ids), PROMPT, np.uint8)
        for begin, end in self.targets():
            roles[begin:end] = SHORT if end - begin <= SHORT_TOKENS else TARGET
        for role in (DECISIVE, SPOKEN, ANOTHER):
            roles[np.asarray(self.trained) == role] = role
        roles[:1] = PADDING
        return roles


@dataclass
class Packed:
    """Rows of tokens.

    Attributes:
        tokens: [R, S] uint16.
        roles: [R, S] uint8, `Document.roles` of the documents, `PADDING` between them.
        first: [R, S / 128] uint8, the first block of each block's document; an empty block is its own.
        placed: Where each document went: (row, first token), in the order of `documents`.
        documents: The documents in these rows.
    """

    tokens: np.ndarray
    roles: np.ndarray
    first: np.ndarray
    placed: list[tuple[int, int]]
    documents: list[Document]


def pack(documents: Sequence[Document], n_row: int, n_token: int, pad: int) -> tuple[Packed, list[Document]]:
    """Fills `n_row` rows, the longest documents first, and returns them with the documents that found no room."""
    n_block = n_token // BLOCK
    out = Packed(
        np.full((n_row, n_token), pad, np.uint16),
        np.full((n_row, n_token), PADDING, np.uint8),
        np.tile(np.arange(n_block, dtype=np.uint8), (n_row, 1)),
        [],
        [],
    )
    free = [0] * n_row
    left: list[Document] = []
    for document in sorted(documents, key=lambda d: -d.n_block):
        row = next((r for r in range(n_row) if free[r] + document.n_block <= n_block), None)
        if row is None:
            left.append(document)
            continue
        begin, end = free[row] * BLOCK, free[row] * BLOCK + len(document.ids)
        out.tokens[row, begin:end] = document.ids
        out.roles[row, begin:end] = document.roles()
        out.first[row, free[row] : free[row] + document.n_block] = free[row]
        out.placed.append((row, begin))
        out.documents.append(document)
        free[row] += document.n_block
    return out, left


class Packer:
    """Packs a stream of documents. Every document is used once, and none waits because of its length."""

    def __init__(self, n_row: int, n_token: int, pad: int, rng: random.Random) -> None:
        self._n_row, self._n_token, self._pad, self._rng = n_row, n_token, pad, rng
        self._waiting: list[Document] = []
        self._blocks = 0

    def add(self, document: Document) -> Packed | None:
        """Takes a document; returns rows when there are enough documents for full ones."""
        self._waiting.append(document)
        self._blocks += document.n_block
        # A little more than fits, so that the gaps find documents of their size.
        if self._blocks < 1.2 * self._n_row * self._n_token / BLOCK:
            return None
        packed, self._waiting = pack(self._waiting, self._n_row, self._n_token, self._pad)
        self._rng.shuffle(self._waiting)
        self._blocks = sum(d.n_block for d in self._waiting)
        return packed

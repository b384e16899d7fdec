"""Rows of training: where documents lie, and what of them the loss counts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from training.config import BLOCK
from training.data.rendering import DECISIVE, PADDING, PROMPT, SHORT, SPOKEN, TARGET
from training.packing import Document, Packer, pack

PAD = 7


def documents(seed: int, n: int, longest: int) -> list[Document]:
    rng = random.Random(seed)
    out = []
    for i in range(n):
        length = rng.randint(2, longest)
        out.append(Document([10 + (i * 31 + j) % 90 for j in range(length)], [j % 3 == 0 for j in range(length)]))
    return out


@pytest.mark.parametrize("seed", range(5))
def test_every_document_lies_whole_in_blocks_of_its_own(seed: int) -> None:
    given = documents(seed, 40, 700)
    packed, left = pack(given, 4, 8 * BLOCK, PAD)
    assert len(packed.documents) + len(left) == len(given)
    owner = np.full(packed.tokens.shape, -1)
    for i, (document, (row, begin)) in enumerate(zip(packed.documents, packed.placed, strict=True)):
        end = begin + len(document.ids)
        assert begin % BLOCK == 0
        assert packed.tokens[row, begin:end].tolist() == document.ids
        blocks = slice(begin // BLOCK, begin // BLOCK + document.n_block)
        assert set(packed.first[row, blocks].tolist()) == {begin // BLOCK}
        assert (owner[row, begin : begin + document.n_block * BLOCK] == -1).all()
        owner[row, begin : begin + document.n_block * BLOCK] = i
    assert (packed.tokens[owner == -1] == PAD).all()


def test_first_tokens_and_padding_are_nobodys_targets() -> None:
    packed, _ = pack([Document([1] * 10, [True] * 9 + [False])], 1, BLOCK, PAD)
    assert packed.roles[0, :12].tolist() == [PADDING, *[TARGET] * 8, PROMPT, PADDING, PADDING]


def test_short_targets_have_a_role_of_their_own() -> None:
    packed, _ = pack([Document([1] * 12, [False, True, True, False, *[True] * 8])], 1, BLOCK, PAD)
    assert packed.roles[0, :12].tolist() == [PADDING, SHORT, SHORT, PROMPT, *[TARGET] * 8]


def test_tokens_that_decide_and_first_words_where_a_call_was_possible_have_theirs() -> None:
    trained = [0, SPOKEN, TARGET, DECISIVE, TARGET, 0, *[TARGET] * 7, DECISIVE]
    packed, _ = pack([Document([1] * len(trained), trained)], 1, BLOCK, PAD)
    short, long = [SPOKEN, SHORT, DECISIVE, SHORT], [*[TARGET] * 7, DECISIVE]
    assert packed.roles[0, : len(trained)].tolist() == [PADDING, *short, PROMPT, *long]


def test_the_longest_documents_find_room_first() -> None:
    long, short = Document([1] * 3 * BLOCK, [False] * 3 * BLOCK), Document([2] * BLOCK, [False] * BLOCK)
    packed, left = pack([short, short, long], 1, 4 * BLOCK, PAD)
    assert [len(d.ids) for d in packed.documents] == [3 * BLOCK, BLOCK]
    assert left == [short]


def test_a_packer_loses_no_document_and_fills_its_rows() -> None:
    packer = Packer(2, 8 * BLOCK, PAD, random.Random(0))
    given = documents(9, 400, 500)
    batches = [b for d in given if (b := packer.add(d)) is not None]
    out = sum(len(b.documents) for b in batches)
    assert len(given) - 60 < out <= len(given)
    assert np.mean([(b.tokens != PAD).mean() for b in batches]) > 0.7

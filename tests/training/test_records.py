"""Records to be read from texts: composed ones tell what their schema asks for, and other nouns leave fields alone."""

from __future__ import annotations

import random

import jsonschema
import pytest

from training.data.composed_records import composed_line
from training.data.records import AREA, schema_of, shape, specs_of
from training.data.swapping import swapped_record
from training.data.words import Words
from training.data.written import lines, slots_of, strings_of


def test_a_composed_record_tells_what_stands_in_its_text() -> None:
    w = Words(random.Random(1), "train")
    several = 0
    for _ in range(300):
        line = composed_line(w)
        names = {spec.own for spec in specs_of(tuple(line["fields"].items()))}
        for _ in range(2):
            text, told = line.told(w)
            assert set(told) <= names
            assert all(str(value) in text for value in told.values())
            several += len(told) > 2
    assert several > 200


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_record_fits_its_schema(split: str) -> None:
    w = Words(random.Random(split), split)
    for _ in range(400):
        made = shape(w)
        jsonschema.validate(made.value, schema_of(w, made))


def test_other_nouns_change_texts_but_neither_slots_nor_fields() -> None:
    w = Words(random.Random(2), "train")
    changed = 0
    for line in lines(AREA)[:400]:
        if line.heldout:
            continue
        other = swapped_record(w, line)
        texts = line.among(w, line["texts"])
        assert other["fields"] == line["fields"]
        assert [slots_of(text) for text in strings_of(other["texts"])] == [slots_of(text) for text in strings_of(texts)]
        changed += other["texts"] != texts
    assert changed > 100

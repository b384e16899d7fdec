"""Records to be read from texts: composed ones tell what their schema asks for, and other nouns leave fields alone."""

from __future__ import annotations

import random
import re

import jsonschema
import pytest

from training.data.composed_records import composed_line
from training.data.records import AREA, schema_of, shape
from training.data.swapping import swapped_record
from training.data.words import Words
from training.data.written import lines, slots_of, strings_of


def test_a_composed_record_tells_who_did_it_and_to_what() -> None:
    w = Words(random.Random(1), "train")
    active = passive = several = 0
    for _ in range(600):
        line = composed_line(w)
        text, told = line.told(w)
        several += len(told) > 2
        assert set(told) <= set(line["fields"])
        for deed in line.deeds:
            who, what = told.get(deed.key("who")), told.get(deed.key("what"))
            if who is None or what is None:
                continue
            verb = deed.frame.verbs[0]
            active += (
                f" {who} {verb.past} " in f" {text}"
                and re.search(rf"{verb.past} (the |an? |some )?{re.escape(what)}", text) is not None
            )
            passive += (
                re.search(rf"{re.escape(what)} (was|were|is|are) {verb.done} by (the )?{re.escape(who)}", text)
                is not None
            )
    assert active > 60
    assert passive > 20
    assert several > 200


def test_no_other_sentence_of_a_composed_record_tells_of_the_same_deed() -> None:
    w = Words(random.Random(4), "train")
    for _ in range(300):
        line = composed_line(w)
        text, _ = line.told(w)
        for deed in line.deeds:
            said = {form for verb in deed.frame.verbs for form in (verb.past, verb.third, verb.done)}
            assert sum(any(f" {form} " in f" {part} " for form in said) for part in text.split(". ")) <= 1


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_record_fits_its_schema(split: str) -> None:
    w = Words(random.Random(split), split)
    for _ in range(400):
        made = shape(w)
        jsonschema.validate(made.value, schema_of(w, made))


def test_other_nouns_leave_slots_and_what_choices_are_read_from_alone() -> None:
    w = Words(random.Random(2), "train")
    changed = judged = 0
    for line in lines(AREA)[:600]:
        if line.heldout:
            continue
        chosen = {own for own, spec in line["fields"].items() if spec.startswith(("enum(", "boolean"))}
        for text, other in zip(line.among(w, line["texts"]), swapped_record(w, line)["texts"], strict=True):
            assert slots_of(str(strings_of([text])[0])) == slots_of(str(strings_of([other])[0]))
            changed += text != other
            if isinstance(text, list) and chosen & set(text[1]):
                judged += 1
                assert other == text
    assert changed > 100
    assert judged > 100

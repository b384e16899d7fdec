"""Passages written by hand, far from the generator's sentences, with questions: how reading carries over.

The answer has to hold the expected words; where nothing is expected, it has to say that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.data.example import Example
from training.data.prompts import default


@dataclass(frozen=True)
class Reading:
    """A passage, and pairs of a question and words its answer has to hold; "" for what it does not tell."""

    text: str
    questions: tuple[tuple[str, str], ...]


READINGS: tuple[Reading, ...] = (
    Reading(
        "The Eiffel Tower was put up in Paris for the World's Fair of 1889. Gustave Eiffel's company built it out of "
        "wrought iron in a little over two years. At 330 meters it was the tallest structure on Earth until 1930, when "
        "the Chrysler Building took that title. About seven million people go up every year.",
        (
            ("When was the World's Fair in Paris?", "1889"),
            ("What is the Eiffel Tower made of?", "iron"),
            ("How tall is the Eiffel Tower?", "330"),
            ("Whose company built the tower?", "Eiffel"),
            ("Which building became the tallest in 1930?", "Chrysler Building"),
            ("How many people go up every year?", "seven million"),
            ("How much does a ticket cost?", ""),
        ),
    ),
    Reading(
        "Our grandmother kept her bees behind the barn, in hives she had painted yellow so that they could be seen from "
        "the kitchen. She never wore gloves. In a good summer the eleven hives gave ninety kilos of honey, most of which "
        "she traded for flour at the mill in Oberdorf. When she died in 1974, my cousin Anton took the hives to his "
        "orchard, where they still are.",
        (
            ("Where did grandmother keep her bees?", "behind the barn"),
            ("What color were the hives?", "yellow"),
            ("How much honey did the hives give in a good summer?", "ninety kilos"),
            ("Where was the mill?", "Oberdorf"),
            ("When did grandmother die?", "1974"),
            ("Who took the hives?", "Anton"),
            ("What was the name of the miller?", ""),
        ),
    ),
    Reading(
        "DS4 is an inference engine. It is written in C++ and reads its weights from GGUF files, which are mapped into "
        "memory and not copied. Sessions can be saved to disk and continued later. By default it uses one thread per "
        "processor; the option n_threads changes that. Version 0.1 supports Linux, macOS and Windows.",
        (
            ("What is DS4?", "inference engine"),
            ("In which language is it written?", "C++"),
            ("From what does it read its weights?", "GGUF"),
            ("Which option changes the number of threads?", "n_threads"),
            ("Which systems does version 0.1 support?", "Linux, macOS and Windows"),
            ("Who is the author of DS4?", ""),
        ),
    ),
    Reading(
        "After the flood the council decided to move the market hall to higher ground. The architect Ines Ferrand drew "
        "three plans; the cheapest, for which no tree had to fall, won the vote by nineteen to four. Building began in "
        "March and ended, to everyone's surprise, a week early. The old hall is now a swimming pool.",
        (
            ("Why was the market hall moved?", "flood"),
            ("Who drew the plans?", "Ines Ferrand"),
            ("How many plans were there?", "three"),
            ("What was the result of the vote?", "nineteen to four"),
            ("When did building begin?", "March"),
            ("What is the old hall now?", "swimming pool"),
            ("How much did the new hall cost?", ""),
        ),
    ),
    Reading(
        "Octopuses have three hearts. Two of them pump blood through the gills, the third through the rest of the body. "
        "Their blood is blue because it carries oxygen with copper instead of iron. Most live alone, in dens among "
        "rocks, and come out at night to hunt crabs. The giant Pacific octopus can weigh fifty kilograms.",
        (
            ("How many hearts does an octopus have?", "three"),
            ("What color is the blood of an octopus?", "blue"),
            ("What do octopuses hunt?", "crabs"),
            ("When do they come out?", "at night"),
            ("How much can the giant Pacific octopus weigh?", "fifty kilograms"),
            ("Where do most octopuses live?", "dens"),
            ("How many eggs does an octopus lay?", ""),
        ),
    ),
    Reading(
        "To return an item, print the label from your account and hand the parcel in at any post office within thirty "
        "days. We refund the price once the parcel has reached our warehouse in Leeds, usually after five working days. "
        "Shipping costs are refunded only if the item was faulty. Gift cards can not be returned. For help write to "
        "returns@northlamp.example.",
        (
            ("Within how many days can I return an item?", "thirty days"),
            ("Where is the warehouse?", "Leeds"),
            ("What can not be returned?", "Gift cards"),
            ("Which address do I write to for help?", "returns@northlamp.example"),
            ("When are shipping costs refunded?", "if the item was faulty"),
            ("What is the phone number?", ""),
        ),
    ),
    Reading(
        "Marta Lindqvist learned to fly before she learned to drive. Her father, a crop duster, let her hold the stick "
        "when she was nine. She crossed the Baltic alone at nineteen, lost an engine over Gotland, and landed on a "
        "beach full of sunbathers. The photograph of that landing hung in her office at Norrflyg for forty years.",
        (
            ("What was the job of Marta's father?", "crop duster"),
            ("How old was she when she held the stick?", "nine"),
            ("Where did she lose an engine?", "Gotland"),
            ("Where did she land?", "beach"),
            ("What hung in her office?", "photograph"),
            ("For which company did Marta work?", "Norrflyg"),
            ("Whom did Marta marry?", ""),
        ),
    ),
)  # fmt: skip


def probe_cases() -> list[Example]:
    """Every question with LlamaIndex's default prompt."""
    out = []
    for reading in READINGS:
        for question, words in reading.questions:
            text = default("qa").format(context_str=reading.text, query_str=question)
            check: dict[str, Any] = {"kind": "holds", "expected": words or "don't know"}
            messages = [{"role": "user", "content": text}, {"role": "assistant", "content": words}]
            out.append(Example("hand_written_prose", messages, check=check))
    return out

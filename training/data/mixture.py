"""Which skill how often, and one example of the mixture."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.data.contamination import example_is_contaminated
from training.data.example import Example
from training.data.skills import (
    arithmetic,
    calling,
    condensing,
    context,
    extraction,
    judging,
    memory,
    parallel,
    react,
    results,
    talk,
    text_tasks,
)
from training.data.words import Words

Skill = Callable[[Words], Example]

#: Weight and maker of every skill, by the name that its examples carry. The weights are shares of conversations, in
#: hundredths.
WEIGHTS: dict[str, tuple[float, Skill]] = {
    "tool_one": (5, calling.one_tool),
    "tool_several": (11, calling.several),
    "tool_similar": (3, calling.similar),
    "tool_no_arguments": (2, calling.without_arguments),
    "tool_other_scripts": (4, calling.of_other_scripts),
    "tool_forced": (0.6, calling.forced),
    "no_tool": (7, calling.no_tool),
    "tool_parallel": (9, parallel.parallel),
    "result_several": (2, parallel.several_results),
    "result_answer": (5, results.from_result),
    "result_error": (2, results.from_error),
    "result_field": (3, results.one_field),
    "result_step": (4, results.second_step),
    "result_retry": (1, results.retry),
    "result_context": (2.5, results.retrieval),
    "result_structured": (1.5, results.structured_end),
    "agent_handoff": (0.8, results.handoff),
    "json_schema": (8, extraction.json_schema),
    "json_by_words": (4, extraction.json_by_words),
    "structured_tool": (5, extraction.structured_tool),
    "context_qa": (13, context.question_answering),
    "context_unknown": (5, context.refusal),
    "refine": (2, context.refine),
    "long_context": (5, context.long_document),
    "condense": (2.5, condensing.condense),
    "summary": (1.5, condensing.summary),
    "react": (5, react.react),
    "relevance": (4, judging.relevance),
    "choice_select": (0.8, judging.choice_select),
    "classify": (1.5, judging.classify),
    "memory": (2.5, memory.memory),
    "small_talk": (3, talk.small_talk),
    "facts": (3, talk.facts),
    "creative": (2, talk.creative),
    "instructed": (1.5, talk.instructed),
    "unknown": (1.5, talk.unknown),
    "mixed_talk": (2, talk.mixed),
    "arithmetic": (3.5, arithmetic.one_step),
    "two_step_arithmetic": (4, arithmetic.two_steps),
    "repeat": (3, text_tasks.repeating),
    "format": (2, text_tasks.formatting),
    "translate": (1.5, text_tasks.rewriting),
}
SKILLS: tuple[str, ...] = tuple(WEIGHTS)
_TOTAL = sum(weight for weight, _ in WEIGHTS.values())


def by_skill(skill: str, rng: random.Random, split: str) -> Example:
    """An example of one skill that the contamination guard lets pass.

    Args:
        skill: One of `SKILLS`.
        rng: Decides everything.
        split: "train" or "heldout".

    Raises:
        ValueError: An unknown skill or split.
    """
    if skill not in WEIGHTS:
        raise ValueError(f"skill={skill!r}: it must be one of {', '.join(SKILLS)}")
    make = WEIGHTS[skill][1]
    words = Words(rng, split)
    while True:
        made = make(words)
        if not example_is_contaminated(made.messages, made.tools, made.response_format):
            return made


def example(rng: random.Random, split: str) -> Example:
    """An example of the mixture; as `by_skill`."""
    x = rng.random() * _TOTAL
    for skill, (weight, _) in WEIGHTS.items():
        x -= weight
        if x < 0:
            return by_skill(skill, rng, split)
    return by_skill(SKILLS[-1], rng, split)

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
    reading,
    results,
    talk,
    text_tasks,
    written_agents,
    written_extraction,
    written_format,
    written_no_tool,
    written_results,
    written_sums,
    written_talk,
    written_texts,
)
from training.data.words import Words

Skill = Callable[[Words], Example]

#: Weight and maker of every skill, by the name that its examples carry. The weights are shares of conversations, in
#: hundredths.
WEIGHTS: dict[str, tuple[float, Skill]] = {
    "tool_one": (4, calling.one_tool),
    "tool_several": (7, calling.several),
    "tool_similar": (4, calling.similar),
    "tool_no_arguments": (1.5, calling.without_arguments),
    "tool_other_scripts": (7, calling.of_other_scripts),
    "tool_forced": (0.15, calling.forced),
    "no_tool": (8, calling.no_tool),
    "tool_parallel": (10, parallel.parallel),
    "result_several": (2, parallel.several_results),
    "result_answer": (2.5, results.from_result),
    "result_error": (1.5, results.from_error),
    "result_field": (2.5, results.one_field),
    "result_step": (4, results.second_step),
    "result_retry": (1.2, results.retry),
    "result_context": (3, results.retrieval),
    "result_structured": (1, results.structured_end),
    "agent_handoff": (1.2, results.handoff),
    "json_schema": (5, extraction.json_schema),
    "json_by_words": (3, extraction.json_by_words),
    "structured_tool": (3, extraction.structured_tool),
    "written_json": (8, written_extraction.written_json),
    "written_json_tool": (3, written_extraction.written_json_tool),
    "context_qa": (26, context.question_answering),
    "context_unknown": (2.5, context.refusal),
    "refine": (3, context.refine),
    "long_context": (3, context.long_document),
    "read_prose": (3, reading.read_prose),
    "read_several": (3, reading.read_several),
    "read_result": (3, reading.read_result),
    "read_refine": (3, reading.read_refine),
    "read_relevance": (3, reading.read_relevance),
    "read_long": (3, reading.read_long),
    "condense": (3, condensing.condense),
    "summary": (1.5, condensing.summary),
    "written_condense": (2, written_texts.condense),
    "written_summary": (2, written_texts.summary),
    "written_classify": (2, written_texts.classify),
    "written_chain": (3, written_agents.chain),
    "written_no_tool": (3, written_no_tool.no_tool),
    "written_error": (3, written_agents.error),
    "written_handoff": (3, written_agents.handoff),
    "written_result": (3, written_results.result),
    "react": (4, react.react),
    "relevance": (5, judging.relevance),
    "choice_select": (1, judging.choice_select),
    "classify": (2, judging.classify),
    "memory": (2, memory.memory),
    "small_talk": (5, talk.small_talk),
    "facts": (2.5, talk.facts),
    "creative": (1.5, talk.creative),
    "instructed": (2, talk.instructed),
    "persona": (2, talk.persona),
    "unknown": (2, talk.unknown),
    "mixed_talk": (2.5, talk.mixed),
    "arithmetic": (9, arithmetic.one_step),
    "two_step_arithmetic": (13, arithmetic.two_steps),
    "repeat": (2.5, text_tasks.repeating),
    "format": (4, text_tasks.formatting),
    "translate": (2, text_tasks.rewriting),
    "written_format": (4, written_format.written_format),
    "written_instructed": (3, written_format.written_instructed),
    "written_talk": (6, written_talk.written_talk),
    "written_facts": (4, written_talk.written_facts),
    "written_unknown": (2, written_talk.written_unknown),
    "written_sums": (6, written_sums.written_sums),
    "written_translate": (2, written_talk.written_translate),
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

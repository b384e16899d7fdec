"""Which skill how often, and one example of the mixture."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.data.contamination import example_is_contaminated
from training.data.example import Example
from training.data.skills import (
    arithmetic,
    calculating,
    calling,
    composed_chains,
    composed_lookups,
    composed_reading,
    composed_results,
    condensing,
    context,
    extraction,
    judging,
    lookup,
    memory,
    parallel,
    react,
    reading,
    results,
    talk,
    text_tasks,
    written_agents,
    written_clauses,
    written_extraction,
    written_format,
    written_handoff,
    written_memory,
    written_no_tool,
    written_refine,
    written_results,
    written_sums,
    written_talk,
    written_texts,
)
from training.data.words import Words

Skill = Callable[[Words], Example]

#: Weight and maker of every skill, by the name that its examples carry. The weights are shares of conversations.
WEIGHTS: dict[str, tuple[float, Skill]] = {
    "tool_one": (2.5, calling.one_tool),
    "tool_several": (9, calling.several),
    "which_tool": (6, calling.which_tool),
    "which_composed": (6, calling.composed_which),
    "tool_similar": (2, calling.similar),
    "tool_composed": (6, calling.composed_calls),
    "tool_no_arguments": (1, calling.without_arguments),
    "tool_other_scripts": (4, calling.of_other_scripts),
    "tool_forced": (0.15, calling.forced),
    "calculating": (2.5, calculating.calculating),
    "no_tool": (9, calling.no_tool),
    "tool_parallel": (10, parallel.parallel),
    "written_clauses": (10, written_clauses.written_clauses),
    "parallel_composed": (3, parallel.composed_parallel),
    "result_several": (2, parallel.several_results),
    "result_answer": (2, results.from_result),
    "result_error": (1.5, results.from_error),
    "result_field": (1, results.one_field),
    "result_step": (0.6, results.second_step),
    "composed_result": (5, composed_results.composed_result),
    "composed_chain": (8, composed_chains.composed_chain),
    "composed_lookup": (3, composed_lookups.composed_lookup),
    "result_retry": (1, results.retry),
    "result_context": (1, results.retrieval),
    "result_structured": (1, results.structured_end),
    "agent_handoff": (0.4, results.handoff),
    "json_schema": (2.5, extraction.json_schema),
    "json_by_words": (3, extraction.json_by_words),
    "structured_tool": (3, extraction.structured_tool),
    "written_json": (38, written_extraction.written_json),
    "written_json_tool": (7, written_extraction.written_json_tool),
    "context_qa": (4, context.question_answering),
    "context_unknown": (1, context.refusal),
    "refine": (1.5, context.refine),
    "long_context": (0.9, context.long_document),
    "lookup": (7, lookup.lookup),
    "composed_prose": (13, composed_reading.composed_prose),
    "composed_relevance": (2, composed_reading.composed_relevance),
    "read_prose": (18, reading.read_prose),
    "read_several": (6, reading.read_several),
    "read_result": (4, reading.read_result),
    "read_refine": (2, reading.read_refine),
    "read_relevance": (2, reading.read_relevance),
    "read_long": (2, reading.read_long),
    "written_refine": (3, written_refine.written_refine),
    "refine_relevance": (3, written_refine.refine_relevance),
    "condense": (2, condensing.condense),
    "summary": (1, condensing.summary),
    "written_condense": (4, written_texts.condense),
    "written_summary": (1.5, written_texts.summary),
    "written_classify": (2.5, written_texts.classify),
    "written_chain": (12, written_agents.chain),
    "written_no_tool": (9, written_no_tool.no_tool),
    "written_error": (2, written_agents.error),
    "written_handoff": (2, written_handoff.handoff),
    "written_result": (10, written_results.result),
    "react": (10, react.react),
    "relevance": (1, judging.relevance),
    "choice_select": (1, judging.choice_select),
    "classify": (1.5, judging.classify),
    "memory": (1.5, memory.memory),
    "written_memory": (5, written_memory.written_memory),
    "small_talk": (3, talk.small_talk),
    "facts": (1.5, talk.facts),
    "creative": (1, talk.creative),
    "instructed": (1.5, talk.instructed),
    "persona": (1.5, talk.persona),
    "unknown": (1, talk.unknown),
    "mixed_talk": (2, talk.mixed),
    "arithmetic": (5, arithmetic.one_step),
    "two_step_arithmetic": (8, arithmetic.two_steps),
    "repeat": (3, text_tasks.repeating),
    "format": (4, text_tasks.formatting),
    "translate": (1, text_tasks.rewriting),
    "written_format": (16, written_format.written_format),
    "written_instructed": (6, written_format.written_instructed),
    "written_talk": (8, written_talk.written_talk),
    "written_facts": (5, written_talk.written_facts),
    "written_unknown": (2.5, written_talk.written_unknown),
    "written_sums": (8, written_sums.written_sums),
    "written_translate": (3, written_talk.written_translate),
}
SKILLS: tuple[str, ...] = tuple(WEIGHTS)
#: What is learned first, for the others build on it: finding the same words again, with what stands beside them.
FIRST: dict[str, float] = {"lookup": 3, "which_composed": 1, "relevance": 0.5}
#: How much more or less often than the others a skill comes late in the schedule: lists to look things up in have taught
#: their structure by then, and what people write and ask in their own words counts more. What is composed stays: a
#: run that drew it a third as often looked worse. The weights sum to a sixth more then, so one that is not named here comes
#: a little less often than before.
LATE: dict[str, float] = {
    "lookup": 0.3,
    "read_long": 0.7,
    "tool_one": 1.5,
    "tool_several": 1.2,
    "tool_parallel": 1.2,
    "written_clauses": 1.3,
    "written_json": 1.6,
    "written_json_tool": 1.3,
    "json_schema": 1.3,
    "written_chain": 1.3,
    "written_result": 1.3,
    "written_error": 1.5,
    "react": 1.3,
    "read_prose": 1.4,
    "read_several": 1.2,
    "context_qa": 1.5,
    "context_unknown": 1.5,
    "written_condense": 1.3,
    "written_refine": 1.3,
    "written_sums": 1.3,
    "written_format": 1.3,
    "written_memory": 1.3,
}
_ALL = {skill: weight for skill, (weight, _) in WEIGHTS.items()}
_LATE = {skill: weight * LATE.get(skill, 1.0) for skill, weight in _ALL.items()}


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
        names = [tool["function"]["name"] for tool in made.tools or ()]
        if len(set(names)) < len(names):
            continue  # an application would not offer two tools of one name
        if not example_is_contaminated(made.messages, made.tools, made.response_format):
            return made


def drawn(rng: random.Random, *, first: float = 0.0, late: bool = False) -> str:
    """A skill.

    Args:
        rng: Decides everything.
        first: The share of what is learned first (`FIRST`).
        late: Whether the weights are those of the last part (`LATE`).
    """
    weights = FIRST if rng.random() < first else _LATE if late else _ALL
    return rng.choices(list(weights), list(weights.values()))[0]


def example(rng: random.Random, split: str, *, first: float = 0.0, late: bool = False) -> Example:
    """An example of the mixture; the arguments are those of `drawn` and `by_skill`."""
    return by_skill(drawn(rng, first=first, late=late), rng, split)

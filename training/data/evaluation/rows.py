"""The rows of the evaluation table: which held-out skills each is made of, and what it should reach."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.data import Example, by_skill


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: What it measures.
        skills: Skills with their shares.
        bar: What it should reach, 0..1.
        must: What it has to reach: halfway from the feasibility run's figure to the bar, where there is one.
    """

    name: str
    skills: tuple[tuple[str, float], ...]
    bar: float
    must: float


ROWS: tuple[Row, ...] = (
    Row("tool call", (("tool_one", 2), ("tool_several", 4), ("tool_similar", 1), ("tool_composed", 1), ("tool_no_arguments", 1), ("tool_other_scripts", 1.5), ("calculating", 0.5), ("structured_tool", 1), ("written_json_tool", 1)), 0.95, 0.936),
    Row("several calls in one turn", (("tool_parallel", 3), ("written_clauses", 2), ("parallel_composed", 1)), 0.90, 0.843),
    Row("no tool needed", (("no_tool", 1), ("written_no_tool", 1)), 0.97, 0.97),
    Row("tool results", (("result_answer", 3), ("result_error", 1.5), ("result_field", 1), ("composed_result", 1), ("composed_chain", 1), ("composed_lookup", 0.5), ("result_step", 2), ("result_several", 1), ("result_retry", 0.5), ("result_context", 1), ("result_structured", 0.5), ("agent_handoff", 0.3), ("written_chain", 2), ("written_result", 2), ("written_error", 1), ("written_handoff", 0.5), ("read_result", 1)), 0.95, 0.95),
    Row("answer from context", (("read_prose", 5), ("composed_prose", 2), ("lookup", 0.5), ("read_several", 2), ("read_refine", 1), ("written_refine", 1), ("context_qa", 2), ("context_unknown", 1), ("refine", 0.7), ("condense", 0.7), ("written_condense", 1), ("summary", 0.3), ("written_summary", 0.5)), 0.90, 0.90),
    Row("JSON for a schema", (("written_json", 3), ("json_schema", 1), ("json_by_words", 0.5)), 0.95, 0.927),
    Row("ReAct format", (("react", 1),), 0.90, 0.90),
    Row("talk, facts, arithmetic, formats", (("written_talk", 2), ("small_talk", 1), ("written_facts", 2), ("facts", 1), ("written_sums", 2), ("arithmetic", 1), ("written_format", 1.5), ("format", 0.7), ("repeat", 1.5), ("written_translate", 1), ("translate", 0.5), ("memory", 1), ("written_memory", 0.7), ("creative", 0.5), ("written_instructed", 0.7), ("instructed", 0.3), ("persona", 0.4), ("written_unknown", 0.5), ("unknown", 0.2), ("mixed_talk", 0.6), ("written_classify", 0.5), ("classify", 0.3), ("choice_select", 0.3), ("which_tool", 0.3), ("which_composed", 0.3)), 0.95, 0.95),
)  # fmt: skip
#: Skills whose held-out examples have their own measures beside the table.
RELEVANCE = (("relevance", 1.0), ("read_relevance", 1.0), ("composed_relevance", 1.0), ("refine_relevance", 1.0))
LONG = (("long_context", 1.0), ("read_long", 1.0))
TWO_STEPS = (("two_step_arithmetic", 1.0),)


def cases(skills: tuple[tuple[str, float], ...], n: int, seed: int) -> list[Example]:
    """Held-out examples of some skills, their numbers in proportion to the shares; the same for the same seed."""
    total = sum(share for _, share in skills)
    out: list[Example] = []
    for at, (skill, share) in enumerate(skills):
        wanted = n - len(out) if at + 1 == len(skills) else max(1, round(n * share / total))
        rng = random.Random(f"{seed}/{skill}")
        out += [by_skill(skill, rng, "heldout") for _ in range(max(0, min(wanted, n - len(out))))]
    return out

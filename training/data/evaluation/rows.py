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
    Row("tool call", (("tool_one", 2), ("tool_several", 4), ("tool_similar", 1), ("tool_no_arguments", 1), ("tool_other_scripts", 1.5), ("structured_tool", 1)), 0.95, 0.936),
    Row("several calls in one turn", (("tool_parallel", 1),), 0.90, 0.843),
    Row("no tool needed", (("no_tool", 1),), 0.97, 0.97),
    Row("tool results", (("result_answer", 3), ("result_error", 1.5), ("result_field", 1), ("result_step", 2), ("result_several", 1), ("result_retry", 0.5), ("result_context", 1), ("result_structured", 0.5), ("agent_handoff", 0.5)), 0.95, 0.95),
    Row("answer from context", (("context_qa", 5), ("context_unknown", 2), ("refine", 1.5), ("condense", 1.5), ("summary", 0.5)), 0.90, 0.90),
    Row("JSON for a schema", (("json_schema", 2), ("json_by_words", 1)), 0.95, 0.927),
    Row("ReAct format", (("react", 1),), 0.90, 0.90),
    Row("talk, facts, arithmetic, formats", (("small_talk", 2), ("facts", 2), ("arithmetic", 2), ("format", 1.5), ("repeat", 1.5), ("translate", 1.5), ("memory", 1), ("creative", 0.7), ("instructed", 0.7), ("persona", 0.4), ("unknown", 0.5), ("mixed_talk", 0.6), ("classify", 0.5), ("choice_select", 0.3)), 0.95, 0.95),
)  # fmt: skip
#: Skills whose held-out examples have their own measures beside the table.
RELEVANCE, LONG, TWO_STEPS = "relevance", "long_context", "two_step_arithmetic"


def cases(skills: tuple[tuple[str, float], ...], n: int, seed: int) -> list[Example]:
    """Held-out examples of some skills, their numbers in proportion to the shares; the same for the same seed."""
    total = sum(share for _, share in skills)
    out: list[Example] = []
    for at, (skill, share) in enumerate(skills):
        wanted = n - len(out) if at + 1 == len(skills) else max(1, round(n * share / total))
        rng = random.Random(f"{seed}/{skill}")
        out += [by_skill(skill, rng, "heldout") for _ in range(max(0, min(wanted, n - len(out))))]
    return out

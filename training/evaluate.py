"""Runs held-out cases through ds4_core, greedily and with the grammar each request gets, and prints the table.

python -m training.evaluate --model ds4_core/models/ds4-tiny.gguf --cases 500 --json evaluation.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from ds4_core import ContextOverflowError, Engine
from ds4_core.chat import ChatRequest, ChatResult, Sampling, agenerate, as_messages, ascore, encode_request
from ds4_core.chat.events import Accumulator
from ds4_core.chat.relevance import RELEVANCE_ANSWERS
from training.data import Example
from training.data.evaluation import outside
from training.data.evaluation.judging import area_under_curve, is_right, said_calls
from training.data.evaluation.probe import probe_cases
from training.data.evaluation.rows import LONG, RELEVANCE, ROWS, TWO_STEPS, cases
from training.data.evaluation.suite import PROMPTS

N_CTX = 4096  # tokens of prompt and answer: what the model was trained on
MAX_TOKENS = 600  # of an answer; the longest expected ones are not far below
LONG_TOKENS = (2000, 4000)  # prompts that recall far back is measured on

T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """A case and what became of it; no result where the prompt did not fit the model's context."""

    example: Example
    result: ChatResult | None
    right: bool


class Runner:
    """Puts requests to one engine, some of them side by side."""

    def __init__(self, engine: Engine, *, n_side_by_side: int = 16, n_ctx: int = N_CTX) -> None:
        """Args:
        engine: Computes the answers.
        n_side_by_side: Requests at once. Answers do not depend on it.
        n_ctx: Tokens of prompt and answer.
        """
        self._engine = engine
        self._n_side_by_side = n_side_by_side
        self._n_ctx = n_ctx

    def request(self, example: Example, *, thinking: bool | None = None) -> ChatRequest:
        """The request whose answer a held-out example's last message is."""
        messages = [{k: v for k, v in m.items() if k != "train"} for m in example.messages[:-1]]
        check = example.check or {}
        shape: dict[str, Any] | None = None
        if example.response_format:
            shape = {"type": "json_schema", "json_schema": {"schema": example.response_format}}
        elif "choices" in check:
            shape = {"type": "choice", "choice": check["choices"]}
        return ChatRequest(
            tuple(as_messages(messages)),
            sampling=Sampling(temperature=0),
            max_tokens=MAX_TOKENS,
            n_ctx=self._n_ctx,
            thinking=example.thinking if thinking is None else thinking,
            effort=example.effort or "low",  # type: ignore[arg-type] # one of the three by Example's contract
            tools=tuple(example.tools or ()),  # type: ignore[arg-type] # dicts become tools there
            tool_choice=check.get("choice"),
            response_format=shape,  # type: ignore[arg-type] # taken in any form
        )

    def answer_all(self, examples: Sequence[Example], *, thinking: bool | None = None) -> list[Answered]:
        """Every example's answer, judged."""

        async def answer(example: Example) -> Answered:
            result = await self._answer(self.request(example, thinking=thinking))
            return Answered(example, result, result is not None and is_right(example.check or {}, result))

        return self._all(answer, examples)

    def results(self, requests: Sequence[ChatRequest]) -> list[ChatResult | None]:
        """The result of every request; None where the prompt does not fit."""
        return self._all(self._answer, requests)

    def relevance(self, examples: Sequence[Example]) -> list[float]:
        """How much likelier "yes" is than "no", as a difference of log-probabilities."""

        async def score(example: Example) -> float:
            yes, no = await ascore(self._engine, self.request(example), RELEVANCE_ANSWERS)
            return yes.logprob - no.logprob

        return self._all(score, examples)

    def n_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._engine.model.tokenize(text))

    def n_prompt(self, example: Example) -> int:
        """Tokens of an example's prompt."""
        return len(encode_request(self._engine.model, self.request(example)))

    async def _answer(self, request: ChatRequest) -> ChatResult | None:
        total = Accumulator()
        try:
            async for event in agenerate(self._engine, request):
                total.add(event)
        except ContextOverflowError:
            return None
        return total.result()

    def _all(self, do: Callable[[Any], Awaitable[T]], items: Sequence[Any]) -> list[T]:
        async def run() -> list[T]:
            gate = asyncio.Semaphore(self._n_side_by_side)

            async def one(item: Any) -> T:
                async with gate:
                    return await do(item)

            return list(await asyncio.gather(*map(one, items)))

        return asyncio.run(run())


def share(answers: Sequence[Answered]) -> float:
    """How many are right, 0..1; 0 of none."""
    return sum(one.right for one in answers) / len(answers) if answers else 0.0


def by_skill(answers: Sequence[Answered]) -> dict[str, dict[str, Any]]:
    """Share and number for each skill."""
    groups: dict[str, list[Answered]] = {}
    for one in answers:
        groups.setdefault(one.example.skill, []).append(one)
    return {skill: {"share": share(group), "n": len(group)} for skill, group in sorted(groups.items())}


def thinking_of(runner: Runner, answers: Sequence[Answered]) -> dict[str, Any]:
    """Length of thoughts and how many came to an end, over the answers of cases that think."""
    results = [one.result for one in answers if one.example.thinking and one.result is not None]
    lengths = [runner.n_tokens(result.reasoning) if result.reasoning else 0 for result in results]
    closed = [bool(result.text or result.tool_calls) and result.finish.reason != "length" for result in results]
    return {
        "n": len(results),
        "median_tokens": statistics.median(lengths) if lengths else 0,
        "closed": sum(closed) / len(closed) if closed else 0.0,
    }


def long_cases(runner: Runner, n: int, seed: int) -> list[Example]:
    """Held-out documents of 2,000 to 4,000 tokens with a question each."""
    out: list[Example] = []
    low, high = LONG_TOKENS
    while len(out) < n:
        drawn = cases(LONG, 2 * n, seed)
        out += [example for example in drawn if low <= runner.n_prompt(example) <= high]
        seed += 1
    return out[:n]


def unpruned_copy(model: Path, out: Path) -> Path:
    """A copy of a model whose indexer keeps every compressed row, so that nothing is pruned.

    Args:
        model: The .gguf file.
        out: Where the copy goes.

    Raises:
        KeyError: The file says nothing of an indexer.
    """
    from gguf import GGUFReader  # of the development dependencies, and only needed here

    shutil.copyfile(model, out)
    field = GGUFReader(out, "r+").fields["deepseek4.attention.indexer.top_k"]
    field.parts[field.data[0]][0] = N_CTX
    return out


def run_suite(runner: Runner) -> dict[str, bool]:
    """Which prompts of LangChain's suite get the answers it wants."""
    requests = [
        ChatRequest(
            tuple(as_messages(prompt.messages)),
            sampling=Sampling(temperature=0),
            max_tokens=200,
            min_tokens=1,
            tools=tuple(prompt.tools),  # type: ignore[arg-type] # dicts become tools there
            tool_choice=prompt.tool_choice,
            response_format=prompt.response_format,  # type: ignore[arg-type] # taken in any form
        )
        for prompt in PROMPTS
    ]
    results = runner.results(requests)
    return {
        prompt.name: result is not None and prompt.right(result)
        for prompt, result in zip(PROMPTS, results, strict=True)
    }


def evaluate(
    runner: Runner,
    n: int,
    *,
    seed: int = 0,
    unpruned: Runner | None = None,
    wrong: list[dict[str, Any]] | None = None,
    log: bool = False,
) -> dict[str, Any]:
    """Everything the model card reports.

    Args:
        runner: Answers the cases.
        n: Cases of every row.
        seed: Decides which cases.
        unpruned: Answers the long cases with the same model, pruning nothing; None leaves that figure out.
        wrong: Takes the answers that are wrong, for reading.
        log: Whether each row is told on standard error as it is done.
    """
    rows: list[dict[str, Any]] = []
    everything: list[Answered] = []

    def note(name: str, figure: float) -> None:
        if log:
            print(f"{name}: {figure:.3f}", file=sys.stderr, flush=True)

    for row in ROWS:
        answers = runner.answer_all(cases(row.skills, n, seed))
        everything += answers
        note(row.name, share(answers))
        rows.append(
            {
                "name": row.name,
                "n": len(answers),
                "figure": share(answers),
                "bar": row.bar,
                "must": row.must,
                "skills": by_skill(answers),
            }
        )
    arithmetic = cases(TWO_STEPS, n, seed)
    stepped = runner.answer_all(arithmetic)
    at_once = runner.answer_all([replace(example, thinking=False) for example in arithmetic])
    everything += stepped
    thinking = thinking_of(runner, everything)
    note("thinking closed", thinking["closed"])
    judged = cases(RELEVANCE, n, seed)
    labels = [(example.check or {})["expected"] == RELEVANCE_ANSWERS[0] for example in judged]
    auc = area_under_curve(runner.relevance(judged), labels)
    note("relevance", auc)
    distant = long_cases(runner, n, seed)
    far = runner.answer_all(distant)
    read = runner.answer_all(probe_cases())
    note("recall at 2,000 to 4,000 tokens", share(far))
    if wrong is not None:
        wrong += [_shown(one) for one in [*everything, *at_once, *far, *read] if not one.right]
    return {
        "n": n,
        "seed": seed,
        "rows": rows,
        "thinking": {**thinking, "bar": 0.95},
        "two_steps": {"n": n, "with_thinking": share(stepped), "without": share(at_once), "wanted_gain": 0.10},
        "relevance": {"n": n, "auc": auc, "bar": 0.90},
        "long_context": {
            "n": n,
            "figure": share(far),
            "unpruned": None if unpruned is None else share(unpruned.answer_all(distant)),
            "tokens": list(LONG_TOKENS),
        },
        "hand_written": {"n": len(read), "figure": share(read)},
        "suite": run_suite(runner),
    }


def evaluate_outside(runner: Runner, n: int, *, seed: int = 0, wrong: list[dict[str, Any]] | None = None) -> str:
    """The table over the cases that a stranger would write, apart from the generator; see `evaluate`."""
    lines = ["| skill | bar | figure | n |", "|---|---|---|---|"]
    everything: list[Answered] = []
    for row in outside.rows():
        answers = runner.answer_all(outside.drawn(row, n, seed))
        everything += answers
        lines.append(f"| {row.name} | {row.bar:.1%} | {share(answers):.1%} | {len(answers)} |")
    sums = outside.two_steps(n, seed)
    stepped = runner.answer_all(sums)
    at_once = runner.answer_all([replace(example, thinking=False) for example in sums])
    everything += stepped
    lines.append(f"| two steps with thinking, and without | | {share(stepped):.1%}, {share(at_once):.1%} | {n} |")
    thinking = thinking_of(runner, everything)
    name = f"thinking ends (median {thinking['median_tokens']:g} tokens)"
    lines.append(f"| {name} | 95.0% | {thinking['closed']:.1%} | {thinking['n']} |")
    judged = outside.passages(n, seed)
    labels = [(example.check or {})["expected"] == RELEVANCE_ANSWERS[0] for example in judged]
    auc = area_under_curve(runner.relevance(judged), labels)
    lines += [
        f"| relevance of a passage (AUC) | 90.0% | {auc:.1%} | {n} |",
        "",
        "| part | figure | n |",
        "|---|---|---|",
    ]
    lines += [f"| {skill} | {part['share']:.1%} | {part['n']} |" for skill, part in by_skill(everything).items()]
    if wrong is not None:
        wrong += [_shown(one) for one in everything if not one.right]
    return "\n".join(lines)


def _shown(one: Answered) -> dict[str, Any]:
    result = one.result
    said = None if result is None else {"text": result.text, "reasoning": result.reasoning, "calls": said_calls(result)}
    asked = [message["content"] for message in one.example.messages[:-1]]
    return {"skill": one.example.skill, "asked": asked, "check": one.example.check, "said": said}


def table(report: dict[str, Any]) -> str:
    """The report as a table in Markdown, as the model card has it."""
    lines = ["| skill | bar | must | figure | n |", "|---|---|---|---|---|"]
    for row in report["rows"]:
        lines.append(f"| {row['name']} | {row['bar']:.1%} | {row['must']:.1%} | {row['figure']:.1%} | {row['n']} |")
    thinking, steps, relevance = report["thinking"], report["two_steps"], report["relevance"]
    far, (low, high) = report["long_context"], report["long_context"]["tokens"]
    name = f"thinking ends (median {thinking['median_tokens']:g} tokens)"
    lines.append(f"| {name} | {thinking['bar']:.1%} | | {thinking['closed']:.1%} | {thinking['n']} |")
    figures = f"{steps['with_thinking']:.1%}, {steps['without']:.1%}"
    lines.append(f"| two-step arithmetic with thinking, and without | 10 points better | | {figures} | {steps['n']} |")
    name = "relevance of a passage (AUC)"
    lines.append(f"| {name} | {relevance['bar']:.1%} | | {relevance['auc']:.1%} | {relevance['n']} |")
    lines.append(f"| recall at {low:,} to {high:,} tokens | | | {far['figure']:.1%} | {far['n']} |")
    if far["unpruned"] is not None:
        name, bar = "the same, nothing pruned", "at most 2 points better"
        lines.append(f"| {name} | {bar} | | {far['unpruned']:.1%} | {far['n']} |")
    read = report["hand_written"]
    lines.append(f"| questions on passages written by hand | | | {read['figure']:.1%} | {read['n']} |")
    lines += ["", "| part | figure | n |", "|---|---|---|"]
    for row in report["rows"]:
        lines += [f"| {skill} | {part['share']:.1%} | {part['n']} |" for skill, part in row["skills"].items()]
    passed = sum(report["suite"].values())
    lines += ["", f"LangChain's standard suite, by its own prompts: {passed} of {len(report['suite'])} as it wants."]
    lines += [f"- not: {name}" for name, right in report["suite"].items() if not right]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", default="ds4-tiny", help="a name of the catalogue or a .gguf file")
    parser.add_argument("--cases", type=int, default=500, help="cases of every row (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="decides which cases")
    parser.add_argument("--side-by-side", type=int, default=16, help="requests computed at once")
    parser.add_argument("--json", type=Path, help="where the report goes")
    parser.add_argument("--wrong", type=Path, help="where wrong answers go, as JSON lines, for reading")
    parser.add_argument("--suite", action="store_true", help="only the prompts of LangChain's suite")
    parser.add_argument("--outside", action="store_true", help="only cases written apart from the generator")
    parser.add_argument("--unpruned", action="store_true", help="recall far back also with nothing pruned")
    parser.add_argument("--table", type=Path, help="only print the table of a report made before")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    wrong: list[dict[str, Any]] = []
    with ExitStack() as stack:
        engine = stack.enter_context(Engine(options.model))
        runner = Runner(engine, n_side_by_side=options.side_by_side)
        if options.suite:
            for name, right in run_suite(runner).items():
                print("yes" if right else "NO ", name)
            return
        if options.outside:
            text = evaluate_outside(runner, options.cases, seed=options.seed, wrong=wrong)
            print(text)
            if options.json:
                options.json.write_text(json.dumps({"table": text}, indent=1) + "\n", encoding="utf-8")
            write_wrong(options.wrong, wrong)
            return
        unpruned = None
        if options.unpruned:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            copy = unpruned_copy(Path(engine.path), folder / "unpruned.gguf")
            unpruned = Runner(stack.enter_context(Engine(copy)), n_side_by_side=options.side_by_side)
        report = evaluate(runner, options.cases, seed=options.seed, unpruned=unpruned, wrong=wrong, log=True)
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_wrong(options.wrong, wrong)


def write_wrong(path: Path | None, wrong: Sequence[dict[str, Any]]) -> None:
    """Writes wrong answers as JSON lines, where a path is given."""
    if path:
        path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in wrong), encoding="utf-8")


if __name__ == "__main__":
    main()

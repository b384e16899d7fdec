"""The training loop: it can stop after any step and go on later, from its saved state or from weights alone.

RUN holds tokenizer.json (made first if it is missing), state.pt, and at the end the checkpoint and the GGUF file. The
schedule follows the seconds spent training, so a run that was cut in two ends where one in a single piece would have.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training import export, precompile, scores, tokenizer
from training.arena import Arena
from training.config import BLOCK, ModelConfig, TrainConfig
from training.loader import Loader, ahead, heldout
from training.model import Model, compiled, head_loss
from training.optimizer import Optimizer, schedule
from training.rows import RowsMaker

ORIGIN = time.monotonic()


def say(text: str) -> None:
    """Prints a line with the seconds since the program began."""
    print(f"[{time.monotonic() - ORIGIN:6.1f}] {text}", flush=True)


class Step:
    """One training step over tensors that stay in place, so that a GPU can replay it as one graph."""

    def __init__(self, trainer: Trainer, *, prune: bool) -> None:
        self._trainer, self._graph = trainer, None
        n_row, n_token = trainer.config.n_row, trainer.model.config.n_context
        empty = torch.zeros(n_row, n_token, dtype=torch.int64)
        batch = [empty, empty, *trainer.rows.tensors(torch.zeros(n_row, n_token // BLOCK))]
        self._arena = Arena([torch.zeros(()), trainer.weights, trainer.rows.sampled(0), *batch], trainer.device)
        self.factor, self.weights, sampled, self.tokens, self.roles, *of_rows = self._arena.tensors
        self.rows = trainer.rows.assemble(sampled, of_rows, prune=prune)
        self.losses = torch.zeros(3, device=trainer.device)  # weighted, of targets alone, of the indexers
        self._launch_s = 0.0
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if trainer.device.type == "cuda" else []

    def _body(self) -> None:
        t = self._trainer
        weights = F.pad(self.weights[self.roles[:, 1:]], (0, 1))
        with torch.autocast(t.device.type, torch.bfloat16, enabled=t.device.type == "cuda"):
            streams, loads, index_loss = t.model.hidden(self.tokens, self.rows)
            loss, on_targets = t.head_loss(t.model, streams, self.tokens.roll(-1, 1), weights)
        (loss + index_loss).backward()
        t.optimizer.step(self.factor)
        with torch.no_grad():
            for bias, load in zip(t.balance, loads, strict=True):
                if bias is not None:
                    bias.add_(torch.sign(load.mean() - load) * (t.config.balance * self.factor))
            self.losses.copy_(torch.stack([loss, on_targets, index_loss]))

    def __call__(self, batch: Sequence[Tensor], factor: float) -> None:
        """Runs the step on what `Trainer.prepare` made of a batch."""
        begin = time.monotonic()
        sampled = self._trainer.rows.sampled(7 * self._trainer.step)
        self._arena.fill([torch.tensor(factor), self._trainer.weights, sampled, *batch])
        for event in self._events[:1]:
            event.record()
        if self._graph is not None:
            self._graph.replay()
        else:
            self._body()
        for event in self._events[1:]:
            event.record()
        self._launch_s = time.monotonic() - begin

    def timing(self) -> str:
        """Where the newest step's time went: on the GPU, and on the CPU to launch it. Waits for the GPU."""
        if not self._events:
            return ""
        self._events[1].synchronize()
        return f"GPU {self._events[0].elapsed_time(self._events[1]):.1f} ms, launched in {1e3 * self._launch_s:.1f} ms"

    def capture(self) -> None:
        """Captures the step and keeps the graph if one replay does what the step itself did."""
        t = self._trainer
        changing = [*t.model.state_dict().values(), *t.optimizer.tensors(), self.losses]
        before = [x.clone() for x in changing]
        self._body()
        after = [x.clone() for x in changing]
        for x, old in zip(changing, before, strict=True):
            x.copy_(old)
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
                self._body()
            graph.replay()
        except RuntimeError as reason:
            say(f"no graph of the step: {reason}")
            for p in t.model.parameters():
                p.grad = None
            return
        moved = sum(float((a.float() - b.float()).norm()) for a, b in zip(after, before, strict=True))
        apart = sum(float((x.float() - a.float()).norm()) for x, a in zip(changing, after, strict=True))
        say(f"graph of the step: it differs by {apart:.3g} where the step moved {moved:.3g}")
        if apart < 0.4 * moved:
            self._graph = graph
        else:
            for x, a in zip(changing, after, strict=True):
                x.copy_(a)


class Trainer:
    """Model, optimizers and the state of a run."""

    def __init__(self, model: ModelConfig, train: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(train.seed)
        torch.backends.cuda.matmul.allow_tf32 = True
        if device.type == "cuda":
            torch.cuda.set_stream(torch.cuda.Stream())  # graphs can not be captured on the default one
        self.config, self.device = train, device
        self.model = Model(model).to(device)
        self.optimizer = Optimizer(self.model, train)
        self.rows = RowsMaker(model, model.n_context, device, stride=train.index_stride)
        self.step, self.elapsed, self.n_token = 0, 0.0, 0
        self.head_loss: Any = head_loss
        self.balance = [layer.ffn.bias for layer in self.model.layers]
        self._steps: dict[bool, Step] = {}
        self._runs = 0

    def compile(self) -> None:
        """Compiles the layers, one graph for each kind, and the loss."""
        torch._dynamo.config.recompile_limit = 64
        for layer in self.model.layers:
            layer.compile()
        self.head_loss = compiled(head_loss)

    @property
    def progress(self) -> float:
        """How much of the schedule is over, 0..1."""
        return self.elapsed / self.config.budget_s

    @property
    def prune(self) -> bool:
        """Whether attention sees only the rows that the indexer chose."""
        return self.progress >= self.config.prune_from

    @property
    def weights(self) -> Tensor:
        """[7] what a token weighs in the loss, by its role, at this part of the schedule; on the CPU."""
        c = self.config
        prompt = c.late_prompt_weight if self.progress >= c.focus_from else c.prompt_weight
        decisive = (c.decisive_weight, c.spoken_weight, c.another_weight)
        return torch.tensor([0.0, prompt, 1.0, c.short_weight, *decisive])

    def prepare(self, batch: tuple[np.ndarray, ...]) -> list[Tensor]:
        """A batch of the loader as the tensors of a step, on the CPU."""
        tokens, roles, first = (torch.from_numpy(array.astype(np.int64)) for array in batch)
        return [tokens, roles, *self.rows.tensors(first)]

    def train_step(self, batch: Sequence[Tensor]) -> Tensor:
        """One step on what `prepare` made of a batch.

        Returns:
            The losses (weighted, targets alone, indexer), which later steps overwrite.
        """
        prune = self.prune
        if prune not in self._steps:
            self._steps = {prune: Step(self, prune=prune)}
            self._runs = 0
        step = self._steps[prune]
        step(batch, schedule(self.config, self.step, self.progress))
        self.step += 1
        self.n_token += step.tokens.numel()
        self._runs += 1
        if self._runs == 4 and self.device.type == "cuda":
            step.capture()
        return step.losses

    def timing(self) -> str:
        """Where the newest step's time went."""
        return next((step.timing() for step in self._steps.values()), "")

    def facts(self) -> dict[str, Any]:
        """What a run that goes on must know."""
        return {"step": self.step, "elapsed_s": round(self.elapsed, 2), "tokens": self.n_token}

    def save(self, path: Path) -> None:
        """Everything, so that the run can go on as if it had not stopped."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "facts": self.facts()}
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Goes on from `save`."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.resume(state["facts"])

    def resume(self, facts: dict[str, Any]) -> None:
        """Takes up a run's place in the schedule."""
        self.step, self.elapsed, self.n_token = facts["step"], facts["elapsed_s"], facts["tokens"]


class Deadline:
    """When to stop: after some seconds of this program, or when it is told to."""

    def __init__(self, seconds: float, max_steps: int) -> None:
        self._end, self._max_steps = ORIGIN + seconds, max_steps
        self._told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self._end - time.monotonic()

    def passed(self, steps: int) -> bool:
        """Whether to stop after so many steps."""
        return self._told or time.monotonic() > self._end or steps >= self._max_steps


def evaluate(trainer: Trainer, batches: list[Any], log: Path) -> None:
    """Prints and keeps held-out scores, computed with as many compressed rows as training uses at the time."""
    begin = time.monotonic()
    with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.device.type == "cuda"):
        held = scores.score(trainer.model, batches, trainer.rows, prune=trainer.prune)
    rows = "chosen rows" if trainer.prune else "all rows"
    say(f"held out, step {trainer.step}, {time.monotonic() - begin:.1f} s, {rows}: {scores.table(held)}")
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**trainer.facts(), "pruned": trainer.prune, **held}) + "\n")


def mix(loader: Loader, trainer: Trainer) -> None:
    """Has the workers write what belongs to this part of the schedule."""
    config, progress = trainer.config, trainer.progress
    loader.mix(
        short=config.short_prompts if progress < config.whole_from else 0.0,
        first=config.first if progress < config.first_until else 0.0,
        late=progress >= config.late_from,
    )


def run(
    trainer: Trainer,
    loader: Loader,
    batches: list[Any],
    deadline: Deadline,
    log: Path,
    helpers: list[subprocess.Popen[bytes]],
    compiled: Path | None = None,
    *,
    fit: bool = False,
) -> None:
    """Trains until the schedule or the deadline ends. Evaluation does not count as training time.

    `fit` gives the schedule the length that the deadline leaves. `helpers` takes the processes that compile what the
    last part of the schedule needs.
    """
    config = trainer.config
    pending = [p for p in config.eval_at if batches and p > trainer.progress]
    began, waited = trainer.step, 0.0
    since = time.monotonic()
    source = ahead(loader, trainer.prepare)
    tokens_before = trainer.n_token
    while trainer.progress < 1 and not deadline.passed(trainer.step - began):
        now = time.monotonic()
        mix(loader, trainer)
        batch = next(source)
        waited += time.monotonic() - now
        losses = trainer.train_step(batch)
        done = trainer.step - began
        if done == 10:
            say(f"compiled; first steps done, {loader.waiting} parts ready")
            since, tokens_before, waited = time.monotonic(), trainer.n_token, 0.0
            mark = since
            if fit:
                trainer.config = replace(config, budget_s=trainer.elapsed + deadline.left - 1.0 - 1.5 * len(pending))
        elif done > 10:
            now = time.monotonic()
            trainer.elapsed += now - mark
            mark = now
        if done % 10 == 0 and trainer.device.type == "cuda":
            torch.cuda.synchronize()  # the clock that the schedule follows runs ahead of the GPU otherwise
        if done in (20, 50) or trainer.step % 200 == 0:
            values = " ".join(f"{v:.4f}" for v in losses.tolist())
            speed = (trainer.n_token - tokens_before) / max(time.monotonic() - since, 1e-3) / 1e6
            memory = torch.cuda.max_memory_allocated() / 2**30 if trainer.device.type == "cuda" else 0.0
            say(
                f"step {trainer.step} progress {trainer.progress:.3f} loss, targets, indexer {values} "
                f"{speed:.3f} Mtok/s waited {waited:.1f} s, {loader.waiting} ready, {loader.source.n_again} again, "
                f"{memory:.0f} GiB {trainer.timing()}"
            )
        if pending and trainer.progress >= pending[0]:
            pending.pop(0)
            evaluate(trainer, batches, log)
            mark = time.monotonic()
            since, tokens_before, waited = mark, trainer.n_token, 0.0
        if compiled and done == 60:
            say(f"kept {precompile.save(compiled) / 2**20:.1f} MiB of compiled kernels")
            mark = time.monotonic()
        if done == 60 and not trainer.prune and trainer.device.type == "cuda":
            helpers += precompile.start(prune=True, kinds=precompile.PRUNED)


def main(description: str | None = __doc__) -> None:
    """The command; `python -m training` has its own description."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of the run: tokenizer.json, state.pt, log.jsonl"
    )
    parser.add_argument("--weights", type=Path, help="go on from this checkpoint when there is no state.pt")
    parser.add_argument("--anew", action="store_true", help="with --weights: begin the schedule anew")
    parser.add_argument("--rate", type=float, default=TrainConfig.rate, help="factor on all learning rates")
    parser.add_argument("--decay", type=float, default=TrainConfig.decay, help="part of the schedule that cools down")
    parser.add_argument("--prompt-weight", type=float, help="of prompts in the loss, all the time")
    parser.add_argument("--prune-from", type=float, default=TrainConfig.prune_from, help="part that sees all rows")
    parser.add_argument("--export", type=Path, help="folder for the checkpoint at the end (default: RUN/checkpoint)")
    parser.add_argument("--budget", type=float, default=TrainConfig.budget_s, help="seconds of the whole schedule")
    parser.add_argument("--stop-after", type=float, default=1e9, help="stop when the program has run so many seconds")
    parser.add_argument("--fit", action="store_true", help="let the schedule end then, instead of after --budget")
    parser.add_argument("--max-steps", type=int, default=10**9, help="stop after so many steps")
    parser.add_argument("--compiled", type=Path, help="load compiled kernels from PATH.*, if there are any")
    parser.add_argument("--keep-compiled", type=Path, help="write compiled kernels to PATH.*")
    parser.add_argument("--scores", action="store_true", help="score held-out targets at the middle and at the end")
    parser.add_argument("--workers", type=int, default=TrainConfig.n_worker)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    args = parser.parse_args()
    model_config = ModelConfig()
    options = {"budget_s": args.budget, "n_worker": args.workers, "seed": args.seed, "rate": args.rate}
    config = replace(TrainConfig(), **options, decay=args.decay, prune_from=args.prune_from)
    if args.prompt_weight is not None:
        config = replace(config, prompt_weight=args.prompt_weight, late_prompt_weight=args.prompt_weight)
    words, state, log = args.run / "tokenizer.json", args.run / "state.pt", args.run / "log.jsonl"
    args.run.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if args.weights and not words.exists():
        shutil.copy(args.weights / "tokenizer.json", words)  # another one's ids would mean other words
    if not words.exists():
        tokenizer.train(tokenizer.corpus(12_000, 12_345), model_config.n_vocab, 420).save(str(words))
        say("tokenizer trained")
    size = {"n_row": config.n_row, "n_token": model_config.n_context}
    since = next((path for path in (state, args.weights) if path and path.exists()), None)
    call = f"{config.seed}/{since.stat().st_mtime_ns if since else 0}"
    loader = Loader(words, n_worker=config.n_worker, seed=call, **size)  # before CUDA: it forks
    batches = heldout(words, per_skill=config.eval_per_skill, seed=777, **size) if args.scores else []
    say(f"{sum(len(b.documents) for b in batches)} held-out documents in {len(batches)} batches")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(model_config, config, device)
    if state.exists():
        trainer.load(state)
    elif args.weights:
        facts = export.load(trainer.model, args.weights)
        if not args.anew:
            trainer.resume(facts)
    mix(loader, trainer)
    n_param = sum(p.numel() for p in trainer.model.parameters())
    say(f"{n_param / 1e6:.2f} M parameters on {device}, from step {trainer.step}, progress {trainer.progress:.3f}")
    helpers: list[subprocess.Popen[bytes]] = []
    if device.type == "cuda":
        if args.compiled:
            say(f"compiled kernels from {precompile.load(args.compiled)} files")
        trainer.compile()
        helpers = precompile.start(prune=trainer.prune)
    deadline = Deadline(args.stop_after, args.max_steps)
    run(trainer, loader, batches, deadline, log, helpers, args.keep_compiled, fit=args.fit)
    trainer.save(state)
    checkpoint = args.export or args.run / "checkpoint"
    export.save(trainer.model, words, checkpoint, trainer.facts())
    say(f"saved at step {trainer.step}, progress {trainer.progress:.4f}, {trainer.n_token / 1e6:.1f} M tokens")
    if batches and (trainer.progress >= 1 or args.max_steps < 10**9):
        evaluate(trainer, batches, log)
    loader.close()
    for helper in helpers:
        helper.terminate()
    if importlib.util.find_spec("gguf"):
        from training.convert_checkpoint import convert  # not needed where the GPU is

        convert(checkpoint, args.run / "ds4-tiny.gguf", "ds4-tiny")
    say("done")


if __name__ == "__main__":
    main()

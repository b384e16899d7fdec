"""Starts llama_worker.py under another interpreter and asks it for timings."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_WORKER = Path(__file__).with_name("llama_worker.py")


class LlamaCpp:
    """llama.cpp in a process of its own, one model, one context."""

    def __init__(self, python: str, path: Path, ids: Sequence[int], *, n_ctx: int, n_batch: int) -> None:
        """Loads `path` there.

        Args:
            python: Interpreter that has llama-cpp-python.
            path: The file.
            ids: Tokens that every measurement takes, from the first on.
            n_ctx: Size of the context.
            n_batch: Tokens per llama_decode call and per physical batch.

        Raises:
            RuntimeError: The interpreter, the package or the file does not do.
        """
        try:
            facts = self._start(python, path=str(path), ids=list(ids), n_ctx=n_ctx, n_batch=n_batch, repack=True)
            self.layout = "weights in the layouts that llama.cpp prefers"
        except RuntimeError:
            # Some of its layouts take part in matrix products only, and it aborts when a model has other uses for them.
            facts = self._start(python, path=str(path), ids=list(ids), n_ctx=n_ctx, n_batch=n_batch, repack=False)
            self.layout = "weights as mapped (it aborts on this file with its own layouts)"
        self.version: str = facts["version"]
        self.system: str = facts["system"]
        self.build: list[str] = facts["build"]

    def _start(self, python: str, **arguments: Any) -> dict[str, Any]:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [python, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )
        try:
            return self._ask("open", **arguments)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the process."""
        self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def _ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended without an answer"}
        if "error" in answer:
            self._log.seek(0)
            last = " | ".join(self._log.read().splitlines()[-4:])
            raise RuntimeError(f"llama.cpp, {call}: {answer['error']} ({last})")
        return answer

    def time_prefill(self, n: int, threads: int) -> float:
        """Seconds of a prompt of n tokens."""
        return float(self._ask("prefill", n=n, threads=threads)["seconds"])

    def time_decode(self, n_prompt: int, n: int, threads: int) -> float:
        """Seconds of n single tokens after a prompt of n_prompt."""
        return float(self._ask("decode", n_prompt=n_prompt, n=n, threads=threads)["seconds"])

    def logits(self, n: int, threads: int) -> list[float]:
        """The logits after the first n tokens."""
        return [float(value) for value in self._ask("logits", n=n, threads=threads)["logits"]]

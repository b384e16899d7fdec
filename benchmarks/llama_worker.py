"""llama.cpp's side of a comparison: runs under another interpreter and knows nothing of this project.

Started by llama_client.py as a plain script, because that interpreter has llama-cpp-python and not our packages. One
JSON object per line comes in, one goes out. Everything timed is a llama_decode call through ctypes with the batch
filled beforehand, then llama_synchronize; no token is sampled and no logits are read inside the clock.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

Answer = dict[str, Any]


class Worker:
    """One model in one context."""

    def __init__(self) -> None:
        self.api: Any = importlib.import_module("llama_cpp")
        self.ids: list[int] = []

    def open(self, path: str, ids: list[int], n_ctx: int, n_batch: int, repack: bool) -> Answer:
        """Loads the file; the facts that the table prints come back.

        repack: let llama.cpp copy weights into the layouts of its faster kernels, its default.
        """
        api = self.api
        api.llama_backend_init()
        model_params = api.llama_model_default_params()
        model_params.use_extra_bufts = repack
        self.model = api.llama_model_load_from_file(path.encode(), model_params)
        if not self.model:
            raise RuntimeError(f"llama.cpp can not load {path}")
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = n_ctx, n_batch, n_batch
        self.ctx = api.llama_init_from_model(self.model, params)
        if not self.ctx:
            raise RuntimeError(f"llama.cpp can not make a context of {n_ctx} tokens for {path}")
        self.n_batch = n_batch
        self.n_vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.batch = api.llama_batch_init(n_batch, 0, 1)
        for i in range(n_batch):
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
        self.ids = ids
        return {
            "version": api.__version__,
            "system": api.llama_print_system_info().decode().strip(),
            "build": self._build_record(),
        }

    @staticmethod
    def _build_record() -> list[str]:
        record = os.path.join(sys.prefix, "llama-build.txt")
        if not os.path.exists(record):
            return []
        with open(record, encoding="utf-8") as lines:
            return lines.read().splitlines()

    def _restart(self, threads: int) -> None:
        api = self.api
        api.llama_set_n_threads(self.ctx, threads, threads)
        api.llama_memory_clear(api.llama_get_memory(self.ctx), True)

    def _fill(self, first: int, n: int, wanted: bool) -> None:
        batch = self.batch
        batch.n_tokens = n
        for i in range(n):
            batch.token[i] = self.ids[first + i]
            batch.pos[i] = first + i
            batch.logits[i] = 0
        if wanted:
            batch.logits[n - 1] = 1

    def _decode(self) -> None:
        code = self.api.llama_decode(self.ctx, self.batch)
        if code:
            raise RuntimeError(f"llama_decode answered {code}")

    def _run_prompt(self, n: int) -> float:
        seconds = 0.0
        for first in range(0, n, self.n_batch):
            count = min(self.n_batch, n - first)
            self._fill(first, count, first + count == n)
            begin = time.perf_counter()
            self._decode()
            self.api.llama_synchronize(self.ctx)
            seconds += time.perf_counter() - begin
        return seconds

    def prefill(self, n: int, threads: int) -> Answer:
        """Seconds of a prompt of n tokens in an empty context."""
        self._restart(threads)
        return {"seconds": self._run_prompt(n)}

    def decode(self, n_prompt: int, n: int, threads: int) -> Answer:
        """Seconds of n single tokens after a prompt."""
        self._restart(threads)
        self._run_prompt(n_prompt)
        batch, ids, decode, ctx = self.batch, self.ids, self.api.llama_decode, self.ctx
        synchronize = self.api.llama_synchronize
        batch.n_tokens = 1
        batch.logits[0] = 1
        token, pos = batch.token, batch.pos
        failed = 0
        begin = time.perf_counter()
        for i in range(n_prompt, n_prompt + n):
            token[0] = ids[i]
            pos[0] = i
            failed |= decode(ctx, batch)
            synchronize(ctx)
        seconds = time.perf_counter() - begin
        if failed:
            raise RuntimeError("llama_decode failed while decoding")
        return {"seconds": seconds}

    def logits(self, n: int, threads: int) -> Answer:
        """The logits after a prompt, to see that both engines compute the same model."""
        self.prefill(n, threads)
        row = self.api.llama_get_logits_ith(self.ctx, -1)
        return {"logits": [row[i] for i in range(self.n_vocab)]}


def main() -> None:
    """Serves requests until the input ends."""
    # Anything that a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker()
            answer = getattr(worker, request.pop("call"))(**request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side prints it
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

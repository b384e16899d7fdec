"""Compiles some kinds of layer in processes of their own, while the trainer compiles the others.

Compiling is serial within a process, and what one has compiled another finds in the cache on disk. So the trainer waits
for the slowest kind instead of for all of them. What was compiled can be kept for the next run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from training.config import BLOCK, ModelConfig, TrainConfig
from training.model import Model, compiled, head_loss
from training.rows import RowsMaker

KINDS = ("4", "128", "head")  # the trainer begins with the sliding window and the experts
PRUNED = ("4",)  # what is different where rows are chosen


def start(*, prune: bool, kinds: tuple[str, ...] = KINDS) -> list[subprocess.Popen[bytes]]:
    """Starts the processes; `prune`: as attention will run with the rows that the indexer chooses."""
    return [subprocess.Popen([sys.executable, "-m", "training.precompile", kind, str(int(prune))]) for kind in kinds]


def compile_kind(kind: str, *, prune: bool) -> None:
    """One forward and backward pass of a compression ratio's layer, or of the head, on a batch of the real size."""
    device, n_row = torch.device("cuda"), TrainConfig.n_row
    config = ModelConfig(ratios=(int(kind) if kind != "head" else 0,), n_hash=0)
    torch.cuda.set_stream(torch.cuda.Stream())
    torch.backends.cuda.matmul.allow_tf32 = True
    model = Model(config).to(device)
    model.layers[0].compile()
    tokens = torch.zeros(n_row, config.n_context, dtype=torch.int64, device=device)
    rows = RowsMaker(ModelConfig(), config.n_context, device, stride=TrainConfig.index_stride)(
        torch.zeros(n_row, config.n_context // BLOCK), prune=prune
    )
    with torch.autocast("cuda", torch.bfloat16):
        streams = model.streams(tokens)
        if kind == "head":
            loss = compiled(head_loss)(model, streams, tokens, torch.ones(tokens.shape, device=device))[0]
        else:
            streams, index_loss = model.layers[0].attend(streams, rows)
            loss = streams.float().sum() + index_loss
    loss.backward()


def load(path: Path) -> int:
    """Takes up kernels that an earlier run on such a machine compiled, of the files PATH.*; returns how many files."""
    parts = sorted(path.parent.glob(path.name + ".*"), key=lambda part: int(part.suffix[1:]))
    if parts:
        torch.compiler.load_cache_artifacts(b"".join(p.read_bytes() for p in parts))
    return len(parts)


def save(path: Path, piece: int = 15 << 20) -> int:
    """Keeps the compiled kernels for the next run in PATH.*, `piece` bytes in each; returns how many bytes they are."""
    saved = torch.compiler.save_cache_artifacts()
    if saved is None:
        return 0
    data = saved[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(path.name + ".*"):
        old.unlink()
    for i in range(0, len(data), piece):
        path.with_name(f"{path.name}.{i // piece}").write_bytes(data[i : i + piece])
    return len(data)


if __name__ == "__main__":
    compile_kind(sys.argv[1], prune=sys.argv[2] == "1")

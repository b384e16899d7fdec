r"""Writes the model card: what the file is, from its own metadata, and what it can do, from the evaluation's report.

python -m training.card --model ds4_core/models/ds4-tiny.gguf \
    --report training/evaluation.json --outside training/outside.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from pathlib import Path

import gguf

from training.evaluate import table

TEMPLATE = Path(__file__).with_name("card_template.md")


def write(model: Path, report: Path, outside: Path, out: Path) -> None:
    """Writes the card of a model file."""
    reader = gguf.GGUFReader(model)

    def of(key: str) -> int:
        return int(reader.fields[f"deepseek4.{key}"].contents())

    ratios = reader.fields["deepseek4.attention.compress_ratios"].contents()
    n_parameters = sum(math.prod(t.shape.tolist()) for t in reader.tensors if not t.name.endswith("tid2eid.weight"))
    data = model.read_bytes()
    text = TEMPLATE.read_text(encoding="utf-8").format(
        bytes=len(data),
        digest=hashlib.sha256(data).hexdigest(),
        parameters=n_parameters / 1e6,
        n_layer=of("block_count"),
        ratios=", ".join(map(str, ratios)),
        window=of("attention.sliding_window"),
        n_hash=of("hash_layer_count"),
        n_embd=of("embedding_length"),
        n_head=of("attention.head_count"),
        head_dim=of("attention.key_length"),
        n_rot=of("rope.dimension_count"),
        n_expert=of("expert_count"),
        n_ff=of("expert_feed_forward_length"),
        n_used=of("expert_used_count"),
        n_stream=of("hyper_connection.count"),
        n_vocab=of("vocab_size"),
        idx_head=of("attention.indexer.head_count"),
        idx_dim=of("attention.indexer.key_length"),
        top_k=of("attention.indexer.top_k"),
        n_rows=of("context_length") // 4,
        n_context=of("context_length"),
        table=table(json.loads(report.read_text(encoding="utf-8"))),
        outside=json.loads(outside.read_text(encoding="utf-8"))["table"].partition("\n\n")[0],
    )
    out.write_text(text, encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True, help="what `training.evaluate --json` wrote")
    parser.add_argument("--outside", type=Path, required=True, help="what `training.evaluate --outside --json` wrote")
    args = parser.parse_args()
    write(args.model, args.report, args.outside, args.model.with_suffix(".md"))


if __name__ == "__main__":
    main()

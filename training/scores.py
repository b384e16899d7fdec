"""Held-out scores during training: a loss, and per skill how many targets are right when the text before is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from training.model import Model
from training.packing import Packed
from training.rows import RowsMaker

LONG = 1100  # tokens from which the indexer prunes


def predictions(model: Model, packed: Packed, rows: RowsMaker, *, prune: bool) -> tuple[np.ndarray, np.ndarray]:
    """For every place the likeliest token after it, and the negative log probability of the true one: [R, S - 1]."""
    device = model.embed.weight.device
    tokens = torch.from_numpy(packed.tokens.astype(np.int64)).to(device)
    best, loss = [], []
    # The same compiled layers as in training, whose graphs were made with gradients; the rest runs plainly.
    streams = model.hidden(tokens, rows(torch.from_numpy(packed.first.astype(np.int64)), prune=prune))[0].detach()
    with torch.no_grad():
        for i in range(0, len(tokens), 4):
            logits = model.logits(streams[i : i + 4])[:, :-1].float()
            best.append(logits.argmax(-1).cpu())
            loss.append(torch.nn.functional.cross_entropy(logits.mT, tokens[i : i + 4, 1:], reduction="none").cpu())
    return torch.cat(best).numpy(), torch.cat(loss).numpy()


def score(model: Model, batches: Sequence[Packed], rows: RowsMaker, *, prune: bool) -> dict[str, object]:
    """Mean loss of target tokens, and the share of targets that are right from the first to the last token.

    Returns:
        "loss", "exact", "long" (exact in documents beyond `LONG` tokens), "skills": {skill: [exact, targets]}.
    """
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    loss, n_token = 0.0, 0
    for packed in batches:
        best, nll = predictions(model, packed, rows, prune=prune)
        hit = best == packed.tokens[:, 1:]
        for document, (row, begin) in zip(packed.documents, packed.placed, strict=True):
            for a, b in document.targets():
                at = slice(begin + a - 1, begin + b - 1)
                good = bool(hit[row, at].all())
                for group in (document.skill, "", *(["long"] if len(document.ids) > LONG else [])):
                    total[group] += 1
                    right[group] += good
                loss, n_token = loss + float(nll[row, at].sum()), n_token + b - a
    share = {group: [round(right[group] / total[group], 4), total[group]] for group in sorted(total)}
    overall, long = share.pop(""), share.pop("long", None)
    return {"loss": round(loss / n_token, 4), "exact": overall, "long": long, "skills": share}


def table(scores: dict[str, object]) -> str:
    """One line for a log."""
    skills = scores["skills"]
    assert isinstance(skills, dict)
    parts = " ".join(f"{name} {share:.2f}" for name, (share, _) in skills.items())
    return f"loss {scores['loss']} exact {scores['exact']} long {scores['long']} | {parts}"

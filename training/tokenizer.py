"""Trains the tokenizer: byte-level BPE inside the words of DeepSeek's pre-tokenizer.

The model has to copy names it has never seen, so a word should be cut the same way wherever it stands. Merges are
therefore learnt on text cut finer than the pre-tokenizer does it: letters apart from spaces and punctuation, digits and
ideographs one by one. Only then the commonest whole words get a merge with the space before them, which keeps prompts
short: those words are never the beginning of a longer one. All merges lie inside the pre-tokenizer's words, so engines
that know DeepSeek's pre-tokenizer give the same ids.

    python -m training.tokenizer --out run/tokenizer.json
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ds4_core.chat.protocol import Special
from training.data import SKILLS, by_skill, example
from training.data.rendering import ANOTHER, DECISIVE, TARGET, Piece, pieces
from training.data.written import PREPOSITIONS

PAD = "<｜▁pad▁｜>"
#: Control tokens; their ids are their places here.
CONTROL = (*(s.value for s in Special if s is not Special.LATEST_REMINDER), PAD, Special.LATEST_REMINDER.value)

IDEOGRAPHS = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]"  # of DeepSeek's expression, which has them spelled out
WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"""|\s*[\r\n]+|\s+(?!\S)|\s+"""
)


def _splits(*patterns: str) -> pre_tokenizers.Sequence:
    cuts = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def deepseek_words() -> pre_tokenizers.Sequence:
    """DeepSeek's pre-tokenizer."""
    return _splits(r"\p{N}{1,3}", IDEOGRAPHS + "+", WORDS)


def finer_words() -> pre_tokenizers.Sequence:
    """The cut that merges are learnt on; each of its pieces lies inside one of DeepSeek's words."""
    return _splits(r"\p{N}", IDEOGRAPHS, WORDS, r"\p{L}+")


def train(texts: Sequence[str], n_vocab: int, n_word: int) -> Tokenizer:
    """A tokenizer of exactly `n_vocab` ids.

    Args:
        texts: Plain stretches of rendered conversations, without control tokens.
        n_word: How many of the ids are common words with the space before them.
    """
    n_piece = n_vocab - len(CONTROL) - n_word
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = finer_words()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=n_piece, initial_alphabet=alphabet, show_progress=False, max_token_length=16),
    )
    model = json.loads(learner.to_str())["model"]
    merges = [tuple(m) for m in model["merges"]]
    tokens = [*CONTROL, *sorted(model["vocab"], key=model["vocab"].__getitem__)]
    for word in common_words(learner, texts, n_word):
        tokens.append("Ġ" + word)
        merges.append(("Ġ", word))
    if len(tokens) != n_vocab:
        raise ValueError(f"{len(tokens)} tokens instead of {n_vocab}: the texts hold too few different words")
    return assemble(tokens, merges)


def common_words(learner: Tokenizer, texts: Iterable[str], n: int) -> list[str]:
    """The commonest words after a space that are one piece and hardly ever begin a longer word."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(re.findall(" ([A-Za-z]+)", text))
    whole: Counter[str] = Counter()
    beginning: Counter[str] = Counter()
    for word, count in seen.items():
        first, *rest = learner.encode(word).tokens
        (beginning if rest else whole)[first] += count
    gain = {w: count - 4 * beginning[w] for w, count in whole.items() if 8 * beginning[w] < count}
    return sorted(gain, key=lambda w: (-gain[w], w))[:n]


def assemble(tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> Tokenizer:
    """A tokenizer of these tokens, the control tokens first, behind DeepSeek's pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=list(merges)))
    tokenizer.pre_tokenizer = deepseek_words()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in CONTROL])
    return tokenizer


@dataclass(frozen=True)
class Encoder:
    """Pieces to ids, as `ds4_core.chat.encoding` does it: control tokens by id, everything else as plain text."""

    tokenizer: Tokenizer

    def __call__(self, parts: Sequence[Piece]) -> tuple[list[int], list[int]]:
        """Ids, and for each 0, or of a target what it is: `TARGET`, `DECISIVE`, `SPOKEN` or `ANOTHER`."""
        plain = iter(self.tokenizer.encode_batch([p.text for p in parts if not p.special], add_special_tokens=False))
        ids: list[int] = []
        trained: list[int] = []
        for part in parts:
            if part.special:
                ids.append(CONTROL.index(part.text))
                trained.append(TARGET * part.trained)
            else:
                encoded = next(plain)
                ids += encoded.ids
                trained += _decisive(part.text, encoded.offsets) if part.trained else [0] * len(encoded.ids)
            if part.opening:
                trained[-1 if part.special else len(ids) - len(encoded.ids)] = part.opening
        return ids, trained


#: Where a target says something that could be otherwise: a tool's name, which parameter comes next or whether one does,
#: whether another call follows, how a value begins, and in ReAct whether a tool is needed.
_DECISIONS = re.compile(
    r'invoke name="([^"]+)"|parameter name="([^"]+)"|(?:invoke|parameter)>\n(</?)|"(?:true|false)">(..?)'
    r'|": "?([^" ]{1,2})|\nAction: (\S+)|Thought: (\S+)'
)
#: Where a call ends and another follows: a piece of its own, for control tokens stand around it.
_ANOTHER_CALL = "invoke>\n<"
#: Where a value ends: an argument, and a string of JSON.
_ENDS = re.compile(r"""(?<=[^>])</$|(?<=[^\\:{\[ ])"(?=[,}\]])""")
#: Where a value could have ended and goes on. Were only true ends marked, values would be cut there.
_GOES_ON = re.compile(rf"(?<=\w)(?: (?:{PREPOSITIONS}|and|or|that)(?= )|[,.;:!?](?= \w))")
_VALUES = re.compile(r'parameter name="|": |="')  # before the first value of a call, of JSON, of a call in a thought


def _decisive(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """`TARGET`, `DECISIVE` or `ANOTHER` for each token of a target."""
    spans = [found.span(found.lastindex or 0) for found in _DECISIONS.finditer(text)]
    spans += [found.span() for found in _ENDS.finditer(text)]
    if values := _VALUES.search(text):
        spans += [found.span() for found in _GOES_ON.finditer(text, values.end())]
    spans.sort()
    if not spans:
        return [TARGET] * len(offsets)
    out, at = [], 0
    for begin, end in offsets:
        while at < len(spans) and spans[at][1] <= begin:
            at += 1
        out.append(DECISIVE if at < len(spans) and spans[at][0] < end else TARGET)
    if text == _ANOTHER_CALL:
        out[-1] = ANOTHER
    return out


def load(path: Path) -> Encoder:
    """The encoder of a tokenizer.json."""
    tokenizer = Tokenizer.from_file(str(path))
    # In plain text a control token's spelling is text.
    tokenizer.encode_special_tokens = True
    return Encoder(tokenizer)


def corpus(n: int, seed: int) -> list[str]:
    """The plain stretches of `n` training conversations."""
    rng = random.Random(seed)
    return [p.text for _ in range(n) for p in pieces(example(rng, "train")) if not p.special]


def report(encoder: Encoder, seed: int, n: int = 60) -> str:
    """Mean lengths of conversations, by skill."""
    rng = random.Random(seed)
    lines = []
    for skill in SKILLS:
        lengths = sorted(len(encoder(pieces(by_skill(skill, rng, "train")))[0]) for _ in range(n))
        lines.append(f"{skill:24} mean {sum(lengths) / n:6.0f}  median {lengths[n // 2]:5}  longest {lengths[-1]:5}")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n-vocab", type=int, default=4096)
    parser.add_argument("--n-word", type=int, default=420)
    parser.add_argument("--documents", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=12_345)
    args = parser.parse_args()
    tokenizer = train(corpus(args.documents, args.seed), args.n_vocab, args.n_word)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out))
    print(report(load(args.out), args.seed))


if __name__ == "__main__":
    main()

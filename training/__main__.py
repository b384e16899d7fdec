"""Everything that makes ds4-tiny, from nothing, in one command.

    python -m training --run RUN --budget 545

Trains the tokenizer if RUN has none, trains the model (or goes on with the run), and writes the checkpoint and the GGUF
file into RUN. Stop it with Ctrl-C or `--stop-after` and give the same command again to go on.
"""

from __future__ import annotations

from training.train import main

if __name__ == "__main__":
    main(__doc__)

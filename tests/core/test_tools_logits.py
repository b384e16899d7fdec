"""python -m ds4_core.tools.logits"""

from __future__ import annotations

import os

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.tools import logits

TOKENS = [(17 * i) % 900 for i in range(150)]


@pytest.fixture
def ids(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(f"{a}, {b}" for a, b in zip(TOKENS[::2], TOKENS[1::2], strict=True)) + "\n")
    return path


def run(ids, out, *options, model="ds4-tiny"):
    return logits.main([str(model), "--tokens", str(ids), "--out", str(out), *options])


def test_the_file_holds_the_exact_logits_of_every_position(ids, tmp_path, capsys):
    out = tmp_path / "logits.npy"
    assert run(ids, out) == 0
    assert "exact" in capsys.readouterr().out
    rows = np.load(out)
    with Engine(exact=True) as engine, engine.session() as session:
        assert rows.shape == (len(TOKENS), engine.model.n_vocab)
        assert rows.dtype == np.float32
        for token, row in zip(TOKENS[:20], rows, strict=False):
            session.eval(token)
            assert np.array_equal(session.logits(), row)
        session.sync(TOKENS)
        assert np.array_equal(session.logits(), rows[-1])


@pytest.mark.parametrize(
    "options", [["--chunks", "7,1,30"], ["--chunks", "1"], ["--chunks", "500"], ["--threads", "1"]]
)
@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_chunks_and_threads_change_no_bit(ids, tmp_path, options, fast):
    assert run(ids, tmp_path / "a.npy", *fast) == 0
    assert run(ids, tmp_path / "b.npy", *fast, *options) == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_fast_is_close_to_exact_and_not_the_same(ids, tmp_path):
    run(ids, tmp_path / "exact.npy")
    run(ids, tmp_path / "fast.npy", "--fast")
    exact, fast = np.load(tmp_path / "exact.npy"), np.load(tmp_path / "fast.npy")
    assert not np.array_equal(exact, fast)
    assert np.abs(exact - fast).mean() < 0.1 * exact.std()


@pytest.mark.parametrize(
    ("text", "message", "status"),
    [
        (b"1 2 x", "integers", 2),
        (b"", "no token ids", 2),
        (b"GGUF\x03\x00\xff\xfe\x80", "no text file", 2),
        (b"9" * 5000, "integers", 2),
        (b"1 2 99999999", "99999999", 1),
        (b"1 -2", "-2", 1),
    ],
)
def test_bad_ids_are_told_and_nothing_is_written(tmp_path, capsys, text, message, status):
    ids, out = tmp_path / "ids.txt", tmp_path / "logits.npy"
    ids.write_bytes(text)
    assert run(ids, out) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert list(tmp_path.iterdir()) == [ids]


def test_what_must_not_be_replaced_is_not(tmp_path, ids, tiny_path, capsys):
    folder, model = tmp_path / "folder", tmp_path / "model.gguf"
    folder.mkdir()
    model.write_bytes(tiny_path.read_bytes())
    before = ids.read_bytes()
    for out, message in ((folder, "regular file"), (ids, "token ids"), (model, "model file")):
        assert run(ids, out, model=model) == 2
        assert message in capsys.readouterr().err
    assert (ids.read_bytes(), model.read_bytes()) == (before, tiny_path.read_bytes())
    assert sorted(tmp_path.iterdir()) == sorted([folder, ids, model])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_replaced_by_a_file(tmp_path, ids, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(ids, pipe) == 2
    assert "regular file" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_a_file_of_the_user_with_the_name_of_a_partial_one_is_left_alone(tmp_path, ids):
    theirs = tmp_path / "logits.npy.partial"
    theirs.write_text("mine")
    assert run(ids, tmp_path / "logits.npy") == 0
    assert theirs.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "logits.npy", "logits.npy.partial"]


def test_a_missing_model_or_list_is_told(tmp_path, ids, capsys):
    assert run(ids, tmp_path / "out.npy", model=tmp_path / "gone.gguf") == 1
    assert "gone.gguf" in capsys.readouterr().err
    assert run(tmp_path / "gone.txt", tmp_path / "out.npy") == 1
    assert "gone.txt" in capsys.readouterr().err


@pytest.mark.parametrize("chunks", ["0", "1,,2", "a", "-1", ""])
def test_bad_chunks_are_a_usage_error(ids, tmp_path, chunks):
    with pytest.raises(SystemExit) as exit_info:
        run(ids, tmp_path / "out.npy", "--chunks", chunks)
    assert exit_info.value.code == 2


def test_pieces_cover_every_token_once():
    assert list(logits.pieces(10, [4, 1])) == [(0, 4), (4, 5), (5, 9), (9, 10)]

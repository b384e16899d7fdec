"""The context length in the beginning of a file: as the opened file tells it, or unknown."""

import pytest

from ds4_core import Model
from ds4_core.models.header import context_length


def test_it_is_what_the_opened_file_says(tiny_path):
    with Model(tiny_path) as model:
        assert context_length(str(tiny_path)) == model.info.n_context_train


@pytest.mark.parametrize("n_bytes", [0, 3, 23, 24, 40, 200])
def test_file_that_is_cut_short_tells_nothing(tmp_path, tiny_path, n_bytes):
    path = tmp_path / "short.gguf"
    path.write_bytes(tiny_path.read_bytes()[:n_bytes])
    assert context_length(str(path)) is None


def test_other_files_and_missing_ones_tell_nothing(tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 200)
    assert context_length(str(path)) is None
    assert context_length(str(tmp_path / "none.gguf")) is None
    assert context_length(str(tmp_path)) is None


def test_changed_file_is_read_again(tmp_path, tiny_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"nothing")
    assert context_length(str(path)) is None
    path.write_bytes(tiny_path.read_bytes()[:1000])
    assert context_length(str(path))

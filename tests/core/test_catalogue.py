"""Names and paths of models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ds4_core import Engine, errors
from ds4_core.models import catalogue


def test_the_embedded_model_is_the_one_that_was_packaged(tiny_path):
    assert catalogue.checksums().keys() == set(catalogue.EMBEDDED.values())
    catalogue.verify_once(str(tiny_path))


def test_a_changed_embedded_model_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "ds4-tiny.gguf").write_bytes(b"GGUF but not the right one")
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  ds4-tiny.gguf\n")
    monkeypatch.setattr(catalogue, "_DIRECTORY", tmp_path)
    monkeypatch.setattr(catalogue, "CHECKSUMS", tmp_path / "SHA256SUMS")
    with pytest.raises(errors.ModelFormatError, match="SHA-256"):
        Engine("ds4-tiny").open()


def test_a_file_of_that_name_in_the_working_directory_is_not_taken(monkeypatch, tmp_path, tiny_path):
    monkeypatch.chdir(tmp_path)
    for name in ("ds4-tiny", "ds4-tiny.gguf", "other"):
        Path(name).write_bytes(b"something else")
    assert catalogue.resolve("ds4-tiny") == str(tiny_path)
    with pytest.raises(errors.ModelNotFoundError, match=r"unknown model 'other'.*ds4-tiny.*write '\./other'"):
        catalogue.resolve("other")


@pytest.mark.parametrize("spelling", ["./mine", "mine.gguf", Path("mine.gguf"), Path("ds4-tiny")])
def test_a_path_is_taken_as_a_path(monkeypatch, tmp_path, spelling):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mine.gguf", "ds4-tiny"):
        Path(name).write_bytes(b"x")
    assert catalogue.resolve(spelling) == os.path.abspath(spelling)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(errors.ModelNotFoundError, match=r"'gpt-7'.*ds4-tiny.*path"):
        Engine("gpt-7")


def test_a_missing_file_is_named(tmp_path):
    missing = tmp_path / "missing.gguf"
    with pytest.raises(FileNotFoundError, match=r"missing\.gguf"):
        Engine(missing)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(errors.ModelFileError, match="is a directory"):
        Engine(tmp_path)

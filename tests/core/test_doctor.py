"""`python -m ds4_core doctor`: looks at everything, generates a real token, and says what is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ds4_core import __version__, cli, native
from ds4_core.doctor import as_text, examine

PARTS = {"versions", "library", "cpu", "gpu", "models", "generation"}


def test_the_report_is_of_this_installation_and_a_real_token(capsys, tiny_path):
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert report["problems"] == []
    assert set(report) == PARTS | {"ok", "problems"}
    assert report["versions"]["ds4-integrations"] == __version__
    assert report["library"]["path"] == str(native.load().path)
    assert "portable" in report["cpu"]["kernels"]
    assert report["generation"]["kernels"] == report["cpu"]["kernels"][0]
    (model,) = report["models"]
    assert (model["path"], model["bytes"], model["checked"]) == (str(tiny_path), tiny_path.stat().st_size, True)
    generation = report["generation"]
    assert generation["text"]
    assert generation["prefill_tokens"] > 5
    assert generation["logprob"] <= 0


def test_the_token_is_the_one_the_model_says(engine):
    generation = examine()["generation"]
    assert engine.model.detokenize([generation["token"]]).decode() == generation["text"]


def test_the_text_has_every_part_and_no_unit_left_to_guess(capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in PARTS:
        assert f"\n{part}\n" in f"\n{text}"
    assert "everything works" in text
    assert " ms\n" in text
    assert " MB\n" in text


def test_a_model_that_is_not_there_is_a_problem_and_the_rest_is_still_looked_at(capsys):
    assert cli.main(["doctor", "--json", "--model", "no-such-model"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert "no-such-model" in report["models"][1]["error"]
    assert "no-such-model" in report["generation"]["error"]
    assert "path" in report["models"][0]
    assert len(report["problems"]) == 2
    assert "PROBLEM  generation: " in as_text(report)


def test_a_backend_that_can_not_be_used_says_why(capsys):
    report = examine(backend="metal")
    assert "metal" in report["generation"]["error"]
    assert report["gpu"]["usable"] in (True, False)
    if not report["gpu"]["usable"]:
        assert "cuda" in report["gpu"]["reason"]


def test_a_missing_library_is_named_in_every_part_that_needs_it(tmp_path):
    environment = os.environ | {"DS4_LIBRARY": str(tmp_path / "libds4.so")}
    command = [sys.executable, "-m", "ds4_core", "doctor", "--json"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert "libds4.so" in report["library"]["error"]
    assert "libds4.so" in report["generation"]["error"]
    assert report["versions"]["numpy"]
    assert report["cpu"]["kernels"] == []


def test_a_command_nobody_knows_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["cure"])
    assert ended.value.code == 2
    assert "doctor" in capsys.readouterr().err


def test_it_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "ds4_core", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert result.stdout.strip() == __version__


def test_weights_that_leave_nothing_to_read_are_a_problem(capsys, tiny_path, tmp_path):
    damaged = bytearray(Path(tiny_path).read_bytes())
    damaged[6_000_000:6_300_000] = b"\xff" * 300_000
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    assert cli.main(["doctor", "--model", str(path)]) == 1
    assert "they are damaged, compare the file's SHA-256" in capsys.readouterr().out

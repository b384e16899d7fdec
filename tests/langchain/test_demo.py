"""The demo: real answers through both frameworks and without one."""

import pytest

from ds4_core import demo


def test_demo_answers_through_both_adapters(capsys):
    assert demo.main() == 0
    out = capsys.readouterr().out
    for expected in (
        "The capital of France is Paris.",
        "The currency of Japan is the Yen.",
        "> When was Acme Robotics founded?\n  1987",
        "> Who leads Project Lumen?\n  Tom Berger",
        "Once upon a time there was a cat.",
        "tokens/s",
    ):
        assert expected in out


@pytest.mark.parametrize("part", [demo.langchain, demo.llama_index, demo.direct])
def test_demo_prints_while_it_computes(part, monkeypatch):
    prints = []
    monkeypatch.setattr("builtins.print", lambda *args, **kwargs: prints.append((args, kwargs)))
    part()
    flushed = [args for args, kwargs in prints if kwargs.get("flush")]
    assert len(flushed) > 8

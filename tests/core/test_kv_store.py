"""Prefixes on disk: what another process starts from, bit for bit, and what is ignored, removed or refused."""

import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from ds4_core import Engine, InvalidRequestError
from ds4_core.chat import ChatRequest, Message, Sampling, collect, generate
from ds4_core.kv_store import MIN_TOKENS, KvStore
from ds4_core.scheduler import Scheduler
from tests.core.generations import end_of, prompt, settled, tokens_of


@contextmanager
def opened(folder, **options):
    """An engine that shares with no other one, and whose files are written when it is closed."""
    with Engine("ds4-tiny", n_threads=1, cache_dir=folder, **options) as engine:
        yield engine
        flush(engine)


def flush(engine):
    settled(engine)
    Scheduler.of(engine._shared())._admission._store.flush()


def ask(engine, ids, max_tokens=4):
    events = list(engine.generate(ids, max_tokens=max_tokens, temperature=0, ignore_eos=True))
    return tokens_of(events), end_of(events).usage.cached_tokens


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def plain():
    """What ds4-tiny says to a prompt without a store."""
    with Engine("ds4-tiny", n_threads=1, prefix_bytes_max=0) as engine:
        yield lambda ids: ask(engine, ids)[0]


def test_another_engine_starts_from_what_was_stored(tmp_path, plain):
    ids = prompt(700)
    with opened(tmp_path) as engine:
        assert ask(engine, ids) == (plain(ids), 0)
    for longer in (ids, [*ids, *prompt(40, 1)]):
        with opened(tmp_path) as engine:
            assert ask(engine, longer) == (plain(longer), 699)
    assert [path.name[:8] for path in files(tmp_path)] == ["00000699", "00000739"]


def test_what_prompts_have_in_common_is_stored_where_they_part(tmp_path, plain):
    common = prompt(500)
    with opened(tmp_path) as engine:
        for seed in (1, 2):
            ask(engine, [*common, *prompt(30, seed)])
    with opened(tmp_path) as engine:
        other = [*common, *prompt(30, 3)]
        assert ask(engine, other) == (plain(other), 500)


def test_a_conversation_goes_on_in_another_process(tmp_path):
    story = "There was a cat who lived in a house by the sea. " * 40
    first = ChatRequest((Message("user", story),), sampling=Sampling(temperature=0), max_tokens=20)
    with opened(tmp_path) as engine:
        said = collect(generate(engine, first))
    messages = (*first.messages, Message("assistant", said.text), Message("user", "And then?"))
    with opened(tmp_path) as engine:
        again = ChatRequest(messages, sampling=Sampling(temperature=0), max_tokens=5)
        usage = collect(generate(engine, again)).finish.usage
    assert usage.cached_tokens >= said.finish.usage.prompt_tokens - 2


def test_a_long_answer_is_stored_as_well(tmp_path):
    ids = prompt(300)
    with opened(tmp_path) as engine:
        answer, _ = ask(engine, ids, max_tokens=MIN_TOKENS + 20)
        n_answer = len(answer)
    assert n_answer == MIN_TOKENS + 20
    with opened(tmp_path) as engine:
        assert ask(engine, [*ids, *answer, 7])[1] >= 300 + n_answer - 1


def test_short_prompts_and_engines_without_a_folder_store_nothing(tmp_path):
    with opened(tmp_path) as engine:
        ask(engine, prompt(MIN_TOKENS - 1))
    assert not files(tmp_path)
    with Engine("ds4-tiny", n_threads=1) as engine:
        assert ask(engine, prompt(MIN_TOKENS + 50))[1] == 0
        assert Scheduler.of(engine._shared())._admission._store is None


@pytest.mark.parametrize("harm", [lambda data: data[:-7], lambda data: data[:-7] + b"damaged", lambda data: b""])
def test_damaged_file_is_removed_and_computed_again(tmp_path, plain, harm, caplog):
    ids = prompt(600)
    with opened(tmp_path) as engine:
        ask(engine, ids)
    (path,) = files(tmp_path)
    path.write_bytes(harm(path.read_bytes()))
    with opened(tmp_path) as engine:
        assert ask(engine, ids) == (plain(ids), 0)
    assert "is removed" in caplog.text
    with opened(tmp_path) as engine:
        assert ask(engine, ids)[1] == 599


def test_file_of_other_tokens_is_removed(tmp_path, plain):
    one, other = prompt(600, 1), prompt(600, 2)
    with opened(tmp_path) as engine:
        ask(engine, one)
        flush(engine)
        (mine,) = files(tmp_path)
        ask(engine, other)
    (others,) = set(files(tmp_path)) - {mine}
    others.write_bytes(mine.read_bytes())
    with opened(tmp_path) as engine:
        assert ask(engine, other) == (plain(other), 0)


def test_engines_that_compute_otherwise_have_folders_of_their_own(tmp_path):
    ids = prompt(400)
    for options in ({}, {"exact": True}, {"kv_dtype": "f32"}):
        with opened(tmp_path, **options) as engine:
            assert ask(engine, ids)[1] == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    prompts = [prompt(400, seed) for seed in range(4)]
    with opened(tmp_path) as engine:
        ask(engine, prompts[0])
    (path,) = files(tmp_path)
    size = path.stat().st_size
    with opened(tmp_path, cache_bytes_max=int(3.5 * size)) as engine:
        for ids in prompts[1:3]:
            ask(engine, ids)
            flush(engine)
    now = time.time_ns()
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, ns=(now - (age + 1) * 10**9,) * 2)
    with opened(tmp_path, cache_bytes_max=int(3.5 * size)) as engine:
        assert ask(engine, prompts[0])[1] == 399  # just used
        ask(engine, prompts[3])
    with opened(tmp_path) as engine:
        kept = [ask(engine, ids)[1] > 0 for ids in prompts]
    assert kept[0]
    assert kept[3]
    assert kept.count(True) == 3


def test_folder_and_files_are_the_owners_alone(tmp_path):
    folder = tmp_path / "deep" / "cache"
    with opened(folder) as engine:
        ask(engine, prompt(300))
    (path,) = files(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_folder_that_can_not_be_written_costs_nothing_but_the_cache(tmp_path, plain, caplog):
    file = tmp_path / "file"
    file.write_text("no folder")
    ids = prompt(300)
    with opened(file) as engine:
        assert ask(engine, ids) == (plain(ids), 0)
    assert "is not stored" in caplog.text


def test_what_a_dead_process_left_half_written_is_removed(tmp_path):
    with opened(tmp_path) as engine:
        ask(engine, prompt(300, 1))
    (path,) = files(tmp_path)
    old, new, other = (path.with_name(path.name + end) for end in (".abc", ".def", ""))
    other = path.with_name("notes.txt")
    for made in (old, new, other):
        made.write_bytes(b"x")
    for made in (old, other):
        os.utime(made, (0, 0))
    with opened(tmp_path) as engine:
        ask(engine, prompt(300, 2))
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_engines_side_by_side_share_a_folder(tmp_path, plain):
    ids = prompt(500)
    with opened(tmp_path) as one, opened(tmp_path, step_tokens=256) as other:
        assert ask(one, ids)[1] == 0
        flush(one)
        assert ask(other, ids) == (plain(ids), 499)


def test_a_program_that_ends_leaves_what_it_computed(tmp_path):
    code = (
        "from ds4_core import Engine; from tests.core.generations import prompt;"
        f"list(Engine(n_threads=1, cache_dir={str(tmp_path)!r}).generate(prompt(900), max_tokens=1))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with opened(tmp_path) as engine:
        assert ask(engine, prompt(900))[1] == 899


def test_nothing_is_read_that_memory_could_not_keep(tmp_path, monkeypatch):
    ids = prompt(600)
    with opened(tmp_path) as engine:
        ask(engine, ids)
    monkeypatch.setattr(KvStore, "fetch", None)
    with opened(tmp_path, prefix_bytes_max=0) as engine:
        assert ask(engine, ids)[1] == 0


@pytest.mark.parametrize("folder", ["", 5, b"x", "a\0b"])
def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(InvalidRequestError, match="cache_dir"):
        Engine(cache_dir=folder)

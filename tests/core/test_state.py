"""Sessions as bytes: exact in both formats, files that are whole or not there, damage that changes nothing."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading

import numpy as np
import pytest

from ds4_core import Engine, errors
from ds4_core import state as state_module

TOKENS = [(11 * i) % 301 for i in range(150)]
FORMATS = ["pages", "payload"]


@pytest.fixture
def session(engine):
    with engine.session(256, seed=1) as session:
        session.eval(TOKENS)
        yield session


@pytest.fixture
def other(engine):
    """A session that holds something else."""
    with engine.session(256, seed=2) as session:
        session.eval([1, 2, 3])
        yield session


def held(session):
    return session.tokens, None if session._logits is None else session.logits().tobytes()


def assert_same(session, other):
    assert held(other) == held(session)
    session.eval(7)
    other.eval(7)
    assert held(other) == held(session)


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("n", [1, 9, 127, 128, 150])
def test_a_restored_session_goes_on_exactly(engine, other, format, n):
    with engine.session(256) as session:
        session.eval(TOKENS[:n])
        data = session.snapshot(format=format)
        assert type(data) is bytearray
        other.restore(data, format=format)
        assert_same(session, other)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_contiguous_bytes_can_be_restored(session, other, kind):
    other.restore(kind(bytes(session.snapshot())))
    assert_same(session, other)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2], memoryview(b"abcdef")[::2]])
def test_what_is_no_bytes_is_refused(session, data):
    before = held(session)
    with pytest.raises(errors.InvalidRequestError, match="it must be bytes"):
        session.restore(data)
    assert held(session) == before


def test_an_empty_session_and_one_without_logits_can_be_saved(engine, session, other):
    session.rewind(100)
    other.restore(session.snapshot())
    assert held(other) == (TOKENS[:100], None)
    assert_same(session, other)
    with engine.session(16) as empty:
        other.restore(empty.snapshot())
        assert held(other) == ([], None)
        assert_same(empty, other)


def test_payload_needs_the_last_tokens_logits(session, tmp_path):
    session.rewind(149)
    path = tmp_path / "state"
    for save in (lambda: session.snapshot(format="payload"), lambda: session.save(path, format="payload")):
        with pytest.raises(errors.EngineStateError, match="evaluate a token first"):
            save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["zip", None, 0, ["pages"]])
def test_an_unknown_format_is_named_with_the_known_ones(session, tmp_path, format):
    for use in (
        lambda: session.snapshot(format=format),
        lambda: session.restore(b"", format=format),
        lambda: session.save(tmp_path / "state", format=format),
        lambda: session.load(tmp_path / "state", format=format),
    ):
        with pytest.raises(errors.InvalidRequestError, match="'pages', 'payload'"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_bytes_are_refused_and_change_nothing(session, other, format):
    data, before = bytes(session.snapshot(format=format)), held(other)
    damaged = [b"", data[:1], data[:100], data[:-1], data + b"\0", b"x" + data[1:]]
    if format == "pages":  # checksummed: no bit can change unnoticed
        step = max(1, len(data) // 97)
        damaged += [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), step)]
    for bad in damaged:
        with pytest.raises(errors.ModelFormatError):
            other.restore(bad, format=format)
        assert held(other) == before
    other.eval(9)


@pytest.mark.parametrize("format", FORMATS)
def test_the_formats_are_told_apart(session, other, format):
    before = held(other)
    data = session.snapshot(format=format)
    with pytest.raises(errors.ModelFormatError):
        other.restore(data, format=FORMATS[1 - FORMATS.index(format)])
    assert held(other) == before


def test_another_kv_dtype_takes_only_the_payload(session, tiny_path):
    with Engine(tiny_path, kv_dtype="f32") as engine, engine.session(256) as other:
        with pytest.raises(errors.ModelFormatError):
            other.restore(session.snapshot())
        assert other.pos == 0
        other.restore(session.snapshot(format="payload"), format="payload")
        assert other.tokens == TOKENS
        assert np.array_equal(other.logits(), session.logits())


def test_pages_of_another_model_are_refused(session, tiny_path, tmp_path):
    # The same shapes with another weight.
    data = bytearray(tiny_path.read_bytes())
    data[-100] ^= 0x40
    path = tmp_path / "other.gguf"
    path.write_bytes(data)
    saved = session.snapshot()
    with Engine(path) as engine, engine.session(256) as other:
        with pytest.raises(errors.ModelFormatError, match="model"):
            other.restore(saved)
        assert other.pos == 0


@pytest.mark.parametrize("format", FORMATS)
def test_a_session_that_is_too_small_refuses_and_stays(engine, session, format):
    data = session.snapshot(format=format)
    with engine.session(149) as small:
        small.eval(5)
        before = held(small)
        with pytest.raises(errors.ContextFullError, match=r"149|context"):
            small.restore(data, format=format)
        assert held(small) == before
    with engine.session(150 if format == "pages" else 256) as exact:
        exact.restore(data, format=format)
        assert exact.tokens == TOKENS


def test_a_payload_fits_sessions_of_the_same_context_that_it_does_not_fill(engine, session, other):
    data = session.snapshot(format="payload")
    with engine.session(300) as larger, pytest.raises(errors.ContextFullError):
        larger.restore(data, format="payload")
    session.eval([1] * 106)
    before = held(other)
    with pytest.raises(errors.ContextFullError):
        other.restore(session.snapshot(format="payload"), format="payload")
    assert held(other) == before
    other.restore(session.snapshot())
    assert held(other) == held(session)


def test_room_for_a_restored_session_is_made_by_dropping_prefixes(tiny_path):
    with Engine(tiny_path) as unlimited:
        one = unlimited.memory_estimate(200)
    room = 2 * (one.session_state + one.kv_pages)
    with Engine(tiny_path, kv_bytes_max=room, checkpoint_bytes_max=1) as engine:
        session = engine.session(200)
        session.eval(TOKENS)
        data = session.snapshot()
        session.close()
        for start in range(8):
            list(engine.generate([start, *TOKENS], max_tokens=1))
        with engine.session(200) as session:
            session.restore(data)
            assert session.tokens == TOKENS


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_saved_file_is_the_snapshot_and_its_owners_alone(session, other, tmp_path, format):
    path = tmp_path / "state"
    before = os.umask(0)
    try:
        session.save(path, format=format)
    finally:
        os.umask(before)
    assert path.read_bytes() == session.snapshot(format=format)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other.load(str(path), format=format)
    assert_same(session, other)


def test_saving_replaces_a_file_wholly_and_leaves_nothing_else(session, tmp_path):
    path, link = tmp_path / "state", tmp_path / "link"
    path.write_bytes(b"what was there before, and longer than nothing" * 1000)
    path.chmod(0o644)
    link.symlink_to(path)
    with path.open("rb") as reader:
        session.save(link)
        assert reader.read().startswith(b"what was there before")  # whoever reads it still has the old one
    assert link.is_symlink()
    assert path.read_bytes() == session.snapshot()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [link, path]


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(session, tmp_path, monkeypatch, moment):
    path = tmp_path / "state"
    path.write_bytes(b"old")
    descriptors = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None

    def fail(*args):
        raise OSError(28, "No space left on device") if moment != "write" else errors.ModelFileError("no space left")

    monkeypatch.setattr(state_module if moment == "write" else state_module.os, moment, fail)
    with pytest.raises(errors.ModelFileError, match=r"(?i)no space left"):
        session.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    if descriptors is not None:
        assert sorted(os.listdir("/proc/self/fd")) == descriptors


def test_places_that_can_not_be_used_are_named(session, tmp_path):
    before = held(session)
    (tmp_path / "folder").mkdir()
    (tmp_path / "short").write_bytes(b"DS4")
    for use, kind, text in (
        (lambda: session.save(tmp_path / "gone" / "state"), errors.ModelFileError, "gone"),
        (lambda: session.save(tmp_path / "folder"), errors.ModelFileError, "folder"),
        (lambda: session.load(tmp_path / "gone"), errors.ModelNotFoundError, "gone"),
        (lambda: session.load(tmp_path / "folder"), errors.ModelFileError, "folder"),
        (lambda: session.load(tmp_path / "short"), errors.ModelFormatError, "short"),
        (lambda: session.save(987654), errors.ModelFileError, "987654"),
        (lambda: session.load(987654), errors.ModelFileError, "987654"),
        (lambda: session.load(-1), errors.ModelFileError, "-1"),
    ):
        with pytest.raises(kind, match=text):
            use()
    assert held(session) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "short"]


@pytest.mark.parametrize("file", [True, 1.5, None, object(), b"path", "nul\0path"])
def test_what_is_no_file_is_refused(session, file):
    for use in (session.save, session.load):
        with pytest.raises(errors.InvalidRequestError, match="it must be a path, a binary file or a descriptor"):
            use(file)


def test_a_text_file_and_a_closed_one_are_refused(session, tmp_path):
    with (tmp_path / "text").open("w") as file, pytest.raises(errors.InvalidRequestError, match="binary"):
        session.save(file)
    with pytest.raises(errors.ModelFileError, match="closed"):
        session.load(file_that_is_closed(tmp_path))


def file_that_is_closed(tmp_path):
    with (tmp_path / "closed").open("wb") as file:
        return file


# -- descriptors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_an_open_file_is_written_and_read_from_where_it_stands(session, other, format):
    with tempfile.TemporaryFile() as file:
        file.write(b"before")  # still in the file object's buffer
        session.save(file, format=format)
        assert file.tell() == 6 + len(session.snapshot(format=format))
        file.seek(0)
        assert file.read(6) == b"before"  # and the object has read ahead
        other.load(file, format=format)
        assert file.read() == b""
    assert_same(session, other)


def test_a_descriptor_stays_open(session, other, tmp_path):
    fd = os.open(tmp_path / "state", os.O_RDWR | os.O_CREAT)
    try:
        session.save(fd)
        os.lseek(fd, 0, os.SEEK_SET)
        other.load(fd)
        os.fstat(fd)
    finally:
        os.close(fd)
    assert_same(session, other)


def test_a_descriptor_of_the_wrong_direction_is_an_error(session, tmp_path):
    before = held(session)
    session.save(tmp_path / "state")
    for flags, use in ((os.O_RDONLY, session.save), (os.O_WRONLY, session.load)):
        fd = os.open(tmp_path / "state", flags)
        try:
            with pytest.raises(errors.ModelFileError):
                use(fd)
        finally:
            os.close(fd)
    assert held(session) == before


def test_a_read_only_device_that_is_full_is_an_error(session):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(errors.ModelFileError, match=r"(?i)space"):
        session.save(file)


@pytest.mark.parametrize("make", [os.pipe, socket.socketpair], ids=["pipe", "socket"])
def test_a_slow_reader_holds_nobody_up(engine, session, other, make):
    # Nothing is read before another session has computed, and more than a pipe holds is written.
    reader, writer = make()
    failures = []

    def save():
        try:
            session.save(writer)
        except BaseException as error:
            failures.append(error)
        finally:
            os.close(writer) if isinstance(writer, int) else writer.close()

    expected = session.snapshot()
    thread = threading.Thread(target=save)
    thread.start()
    other.eval([4, 5])
    session.eval(7)  # what is saved is what it held when its turn came
    with engine.session(256) as third:
        third.eval(1)
    data = b""
    while part := (os.read(reader, 1 << 16) if isinstance(reader, int) else reader.recv(1 << 16)):
        data += part
    thread.join()
    os.close(reader) if isinstance(reader, int) else reader.close()
    assert failures == []
    assert data in (bytes(expected), bytes(session.snapshot()))
    other.restore(data)
    assert other.tokens in (TOKENS, [*TOKENS, 7])


def test_a_reader_that_goes_away_is_an_error(session):
    before = held(session)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(errors.ModelFileError, match=r"(?i)pipe"):
            session.save(writer)
    finally:
        os.close(writer)
    assert held(session) == before


@pytest.mark.parametrize("as_object", [True, False])
def test_a_session_comes_out_of_a_pipe(session, other, as_object):
    reader, writer = os.pipe()
    data = bytes(session.snapshot())

    def feed():
        with os.fdopen(writer, "wb") as file:
            file.write(b"head" if as_object else b"")
            for at in range(0, len(data), 5000):
                file.write(data[at : at + 5000])

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(reader, "rb") as file:
        if as_object:
            assert file.read(4) == b"head"
        other.load(file if as_object else reader)
    thread.join()
    assert_same(session, other)


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_sessions_return_to_a_checkpoint_after_theirs_is_gone(engine, session):
    checkpoint = session.checkpoint()
    assert (checkpoint.pos, checkpoint.tokens, checkpoint.n_ctx) == (150, TOKENS, 256)
    assert 0 < checkpoint.n_bytes <= engine._shared().state_bytes
    session.eval(7)
    expected = session.logits()
    session.close()
    for n_ctx in (None, 151, 4000):
        with checkpoint.session(n_ctx, seed=5) as resumed:
            assert (resumed.n_ctx, resumed.seed, resumed.tokens) == (n_ctx or 256, 5, TOKENS)
            with pytest.raises(errors.EngineStateError, match="no logits"):
                resumed.logits()
            resumed.eval(7)
            assert np.array_equal(resumed.logits(), expected)


def test_a_checkpoint_says_what_is_wrong(session):
    checkpoint = session.checkpoint()
    for n_ctx in (149, 0, -1, 2**31, 1.5, True):
        with pytest.raises(errors.InvalidRequestError, match="n_ctx is"):
            checkpoint.session(n_ctx)
    with pytest.raises(errors.InvalidRequestError, match="seed"):
        checkpoint.session(seed="five")
    checkpoint.close()
    checkpoint.close()
    assert checkpoint.closed
    assert "closed" in repr(checkpoint)
    with pytest.raises(errors.EngineClosedError, match="checkpoint was closed"):
        checkpoint.session()


def test_checkpoints_can_be_closed_while_others_resume_from_them(engine, session):
    for _ in range(20):
        checkpoint = session.checkpoint()
        barrier, outcomes = threading.Barrier(3), []

        def resume(checkpoint=checkpoint, barrier=barrier, outcomes=outcomes):
            barrier.wait()
            try:
                with checkpoint.session() as resumed:
                    outcomes.append(resumed.tokens == TOKENS)
            except errors.EngineClosedError:
                outcomes.append(True)

        threads = [threading.Thread(target=resume) for _ in range(2)]
        for thread in threads:
            thread.start()
        barrier.wait()
        checkpoint.close()
        for thread in threads:
            thread.join()
        assert outcomes == [True, True]


def test_a_checkpoint_ends_with_its_engine(tiny_path):
    engine = Engine(tiny_path)
    session = engine.session(64)
    session.eval([1, 2])
    checkpoint = session.checkpoint()
    engine.close()
    with pytest.raises(errors.EngineClosedError):
        checkpoint.session()
    with pytest.raises(errors.EngineClosedError):
        session.checkpoint()
    checkpoint.close()

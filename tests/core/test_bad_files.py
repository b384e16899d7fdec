"""Files that can not be used: each is a typed exception naming the file and the reason, and the process goes on."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cookbooks import flash_header
from ds4_core import Engine, Model, errors

MAX_U64 = 2**64 - 1
Damage = Callable[[bytearray], object]


@pytest.fixture
def broken(tiny_path: Path, tmp_path: Path) -> Iterator[Callable[[Damage], Path]]:
    """Makes a damaged copy of the embedded model. At the end of the test an undamaged one must still work."""

    def make(damage: Damage) -> Path:
        data = bytearray(tiny_path.read_bytes())
        damage(data)
        path = tmp_path / "broken.gguf"
        path.write_bytes(data)
        return path

    yield make
    with Engine() as engine, engine.session(n_ctx=16) as session:
        session.sync([0, 1, 2])
        assert session.logits().size == engine.model.n_vocab


def after(data: bytearray, name: str) -> int:
    """Offset behind the key or tensor name as it stands in the header."""
    raw = struct.pack("<Q", len(name)) + name.encode()
    return data.index(raw) + len(raw)


def set_u32(name: str, value: int) -> Damage:
    """Overwrites the value of an integer key of 4 bytes."""
    return lambda data: struct.pack_into("<I", data, after(data, name) + 4, value)


def set_bytes(name: str, skip: int, new: bytes) -> Damage:
    """Overwrites bytes `skip` behind a name: 4 for the type, 8 more for the length of a string."""

    def damage(data: bytearray) -> None:
        at = after(data, name) + skip
        data[at : at + len(new)] = new

    return damage


def cut(n: int) -> Damage:
    """Keeps the first n bytes, or without the last -n."""
    return lambda data: data.__delitem__(slice(n, None))


def rename(name: str, new: str) -> Damage:
    """Gives a key or tensor another name of the same length."""

    def damage(data: bytearray) -> None:
        end = after(data, name)
        data[end - len(name) : end] = new.encode()

    assert len(name) == len(new)
    return damage


def halve_first_dim(name: str) -> Damage:
    """Makes a tensor half as wide."""

    def damage(data: bytearray) -> None:
        at = after(data, name) + 4
        struct.pack_into("<Q", data, at, struct.unpack_from("<Q", data, at)[0] // 2)

    return damage


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing.gguf"
    for use in (lambda: Engine(path).open(), lambda: Model(path)):
        with pytest.raises(errors.ModelNotFoundError, match=r"missing\.gguf.*no such file"):
            use()


def test_directory_is_refused(tmp_path: Path) -> None:
    for use in (lambda: Engine(tmp_path).open(), lambda: Model(tmp_path)):
        with pytest.raises(errors.ModelFileError, match="is a directory"):
            use()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "pipe.gguf"
    os.mkfifo(path)
    with pytest.raises(errors.ModelFileError, match=r"pipe\.gguf.*is a pipe"):
        Engine(path).open()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    shutil.copy(tiny_path, path)
    path.chmod(0)
    with pytest.raises(errors.ModelFileError, match="permission denied"):
        Engine(path).open()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut(0), "has only 0 bytes, it is not a GGUF file"),
        (cut(3), "has only 3 bytes"),
        (cut(20), "truncated"),
        (cut(5000), "truncated"),
        (cut(-1), "tensor .* but the file has .* truncated"),
        (lambda data: data.__setitem__(slice(0, 4), b"PK\x03\x04"), 'expected "GGUF"'),
        (lambda data: struct.pack_into("<I", data, 4, 1), "GGUF version 1 is not supported"),
        (lambda data: struct.pack_into(">I", data, 4, 3), "big-endian"),
        (lambda data: struct.pack_into("<Q", data, 8, MAX_U64), f"tensor count of {MAX_U64} does not fit"),
        (lambda data: struct.pack_into("<Q", data, 8, 2**40), "tensor count of 1099511627776 does not fit"),
        (lambda data: struct.pack_into("<Q", data, 16, MAX_U64), f"metadata count of {MAX_U64} does not fit"),
        (lambda data: struct.pack_into("<Q", data, 24, MAX_U64), "its key has a length of"),
        (lambda data: struct.pack_into("<I", data, after(data, "output.weight"), 5), '"output.weight".* 5 dimensions'),
        (lambda data: struct.pack_into("<Q", data, after(data, "output.weight") + 4, 0), '"output.weight".* is 0'),
        (lambda data: struct.pack_into("<I", data, after(data, "output.weight") + 20, 200), "type id 200 is unknown"),
        (lambda data: struct.pack_into("<Q", data, after(data, "output.weight") + 24, 1), "not a multiple of the alig"),
        (lambda data: struct.pack_into("<Q", data, after(data, "output.weight") + 24, 2**63), "ends at|overflow"),
    ],
)
def test_damaged_file_is_a_format_error(broken: Callable[[Damage], Path], damage: Damage, reason: str) -> None:
    path = broken(damage)
    with pytest.raises(errors.ModelFormatError, match=rf"broken\.gguf: .*({reason})") as caught:
        Engine(path).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (rename("general.architecture", "general.Architecture"), 'general.architecture.*expected "deepseek4"'),
        (
            set_bytes("general.architecture", 12, b"llama4444"),
            'general.architecture is "llama4444", expected "deepseek4"',
        ),
        (rename("output_norm.weight", "output_nerm.weight"), "output_norm.weight is missing"),
        (rename("blk.0.attn_kv.weight", "blk.0.attn_vk.weight"), "blk.0.attn_kv.weight is missing"),
        (halve_first_dim("output_norm.weight"), r"output_norm.weight has shape \[.*\], expected \["),
        (halve_first_dim("blk.0.attn_norm.weight"), r"blk.0.attn_norm.weight has shape \[.*\], expected \["),
        (rename("deepseek4.embedding_length", "deepseek4.embedding_Length"), "embedding_length.* is missing, expected"),
        (set_u32("deepseek4.embedding_length", 0), "embedding_length.* is u32 0, expected an integer from 1"),
        (set_u32("deepseek4.block_count", 2**32 - 1), "block_count.* is u32 4294967295, expected an integer"),
        (set_u32("deepseek4.attention.key_length", 2**31), "key_length.* is u32 2147483648, expected an integer"),
        (set_u32("deepseek4.attention.head_count", 3), "head_count|attn_sinks|output_group_count"),
    ],
)
def test_wrong_model_is_named_with_what_was_expected(
    broken: Callable[[Damage], Path], damage: Damage, reason: str
) -> None:
    path = broken(damage)
    with pytest.raises(errors.InvalidModelError, match=rf"broken\.gguf: .*({reason})") as caught:
        Engine(path).open()
    assert "\n" not in str(caught.value)


def test_duplicate_key_is_named(broken: Callable[[Damage], Path]) -> None:
    path = broken(rename("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"))
    with pytest.raises(errors.ModelFormatError, match=r'key "tokenizer\.ggml\.eos_token_id" appears twice'):
        Engine(path).open()


def test_missing_part_of_a_split_model_is_named(tiny_path: Path, tmp_path: Path) -> None:
    first = tmp_path / "model-00001-of-00002.gguf"
    shutil.copy(tiny_path, first)
    with pytest.raises(errors.ModelFileError, match=r"model-00002-of-00002\.gguf: no such file"):
        Engine(first).open()


@pytest.mark.parametrize("change", ["longer", "shorter", "empty", "touched"])
def test_change_between_two_calls_is_noticed(tiny_path: Path, tmp_path: Path, change: str) -> None:
    path = tmp_path / "changing.gguf"
    shutil.copy(tiny_path, path)
    with Engine(path) as engine, engine.session(n_ctx=16) as session:
        session.sync([0, 1, 2])
        before = session.logits()
        if change == "touched":
            stat = path.stat()
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
        else:
            os.truncate(path, {"longer": path.stat().st_size + 1, "shorter": 5000, "empty": 0}[change])
        with pytest.raises(errors.ModelFileError, match=r"changing\.gguf: the file changed since it was opened"):
            session.eval(3)
        assert session.tokens == [0, 1, 2]
        assert (session.logits() == before).all()
    with Engine() as other, other.session(n_ctx=16) as session:
        session.sync([0, 1, 2])
        assert (session.logits() == before).all()


def test_replaced_file_does_not_disturb_an_open_engine(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "replaced.gguf"
    shutil.copy(tiny_path, path)
    with Engine(path) as engine, engine.session(n_ctx=16) as session:
        session.sync([0, 1, 2])
        other = tmp_path / "other"
        other.write_bytes(b"not a model")
        os.replace(other, path)
        session.eval(3)
        assert session.pos == 4


def test_header_of_a_full_size_model_tells_its_facts_and_fails_on_its_data(tmp_path: Path) -> None:
    path = tmp_path / "flash.gguf"
    n_params, n_bytes = flash_header.write(path)
    with Model(path) as model:
        info = model.info
        assert (info.n_layer, info.n_embd, info.n_vocab, info.n_expert) == (43, 4096, 129280, 256)
        assert info.n_context_train == 1048576
        assert info.n_params == n_params
        assert info.weight_bytes == n_bytes
        assert model.token_bytes(0) == "<｜begin▁of▁sentence｜>".encode()
        assert len(model.tensors) == sum(1 for _ in flash_header.tensors())
        memory = model.memory_estimate(n_ctx=32768)
        assert memory.weights_mapped == n_bytes
        # Spec: a compressed page of 128 tokens is 0.84 MiB with f16 rows.
        assert 32768 / 128 * 0.7e6 < memory.kv_pages < 32768 / 128 * 1.0e6
    with pytest.raises(errors.ModelFormatError, match=r'flash\.gguf: tensor "token_embd.weight".*truncated'):
        Engine(path).open()

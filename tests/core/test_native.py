"""The C boundary: where libds4 comes from, that cffi and the compiler agree, how failures become exceptions."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ds4_core import errors, native

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")


@pytest.fixture(scope="module")
def loaded():
    return native.load()


@pytest.fixture(scope="module")
def header(loaded):
    return native.find_header(loaded.path)


def compile_and_run(source, header, tmp_path):
    path = tmp_path / "probe.c"
    path.write_text(source)
    program = tmp_path / "probe"
    subprocess.run([COMPILER, f"-I{header.parent}", str(path), "-o", str(program)], check=True)
    return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


@needs_compiler
def test_cffi_and_the_compiler_agree_about_every_struct_and_constant(loaded, header, tmp_path):
    ffi = loaded.ffi
    structs = [name for name in ffi.list_types()[0] if ffi.typeof(name).kind == "struct" and ffi.typeof(name).fields]
    constants = re.findall(r"\b(DS4X_\w+) = -?\d+", header.read_text())
    expected, lines = [], []
    for name in structs:
        expected.append(f"{name} {ffi.sizeof(name)} {ffi.alignof(name)}")
        lines.append(f'printf("{name} %zu %zu\\n", sizeof({name}), _Alignof({name}));')
        for field, described in ffi.typeof(name).fields:
            size = ffi.sizeof(described.type)
            expected.append(f"{name}.{field} {described.offset} {size}")
            lines.append(
                f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
            )
    for name in constants:
        expected.append(f"{name} {getattr(loaded.lib, name)}")
        lines.append(f'printf("{name} %d\\n", (int){name});')
    source = '#include <stdio.h>\n#include "ds4x.h"\nint main(void) {\n' + "\n".join(lines) + "\nreturn 0;\n}\n"
    assert len(structs) >= 10
    assert len(constants) >= 40
    assert compile_and_run(source, header, tmp_path) == expected


def test_every_function_of_the_header_is_in_the_library(loaded, header):
    names = re.findall(r"DS4X_API [\w\s*]*?\b(ds4x_\w+)\(", header.read_text())
    assert len(names) >= 40
    assert [name for name in names if not hasattr(loaded.lib, name)] == []


def test_no_function_is_looked_up_under_a_lock_that_the_thread_of_a_finalizer_may_hold(loaded):
    fresh = native.Native(loaded.path)
    calls = []

    def finalize():
        calls.append(fresh.lib.ds4x_engine_close)

    with fresh.ffi._lock:
        thread = threading.Thread(target=finalize, daemon=True)
        thread.start()
        thread.join(10)
        assert calls


def test_declarations_hold_no_preprocessor_and_no_cplusplus(header):
    text = native.declarations(header.read_text())
    assert not re.search(r'^\s*#|extern "C"|DS4X_API', text, re.MULTILINE)
    assert text.count("{") == text.count("}")


def test_the_library_and_its_header_come_from_the_package(loaded, header, monkeypatch, tmp_path):
    monkeypatch.delenv("DS4_LIBRARY", raising=False)
    for name in (native.library_file_name(), "ds4x.h"):
        (tmp_path / name).write_text("not the real one")
    (tmp_path / "ds4_core" / "lib").mkdir(parents=True)
    shutil.copy(tmp_path / native.library_file_name(), tmp_path / "ds4_core" / "lib")
    monkeypatch.chdir(tmp_path)
    found = native.find_library()
    assert tmp_path not in found.parents
    assert found.parent.name == "lib"
    assert header.parent == found.parent


@pytest.mark.parametrize("value", ["libds4.so", "./lib/libds4.so"])
def test_a_relative_override_is_refused(monkeypatch, value):
    monkeypatch.setenv("DS4_LIBRARY", value)
    with pytest.raises(errors.LibraryError, match="absolute path"):
        native.find_library()


def test_an_override_that_does_not_exist_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("DS4_LIBRARY", str(tmp_path / "gone.so"))
    with pytest.raises(errors.LibraryError, match="no such file"):
        native.find_library()


def test_an_override_is_used(monkeypatch, loaded, tmp_path):
    copy = tmp_path / loaded.path.name
    shutil.copy(loaded.path, copy)
    monkeypatch.setenv("DS4_LIBRARY", str(copy))
    assert native.Native(native.find_library()).version == loaded.version


def test_something_that_is_no_library_is_a_typed_error(tmp_path):
    fake = tmp_path / native.library_file_name()
    fake.write_bytes(b"not a library")
    with pytest.raises(errors.LibraryError, match=re.escape(str(fake))):
        native.Native(fake)


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="the probe is built with cc -shared")
def test_a_library_of_another_interface_version_is_refused(tmp_path):
    source, library = tmp_path / "other.c", tmp_path / "libother.so"
    source.write_text("unsigned ds4x_abi_version(void) { return 99; }\n")
    subprocess.run([COMPILER, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    with pytest.raises(errors.LibraryError, match="interface version 99"):
        native.Native(library)


def test_every_status_code_has_its_exception(loaded, header):
    codes = {int(code) for code in re.findall(r"DS4X_ERR_\w+ = (\d+)", header.read_text())}
    assert set(errors.BY_CODE) == codes - {native.ERR_BUFFER}
    for code, kind in errors.BY_CODE.items():
        assert loaded.status_name(code) == kind.status
        error = loaded.exception(code, "what happened")
        assert type(error) is kind
        assert (error.code, str(error)) == (code, "what happened")


def test_a_status_without_a_message_is_still_told(loaded):
    with pytest.raises(errors.OutOfMemoryError, match="DS4X_ERR_MEMORY"):
        loaded.check(6, loaded.new_error())


def test_an_unknown_status_is_an_internal_error(loaded):
    assert type(loaded.exception(999, "")) is errors.InternalError


def all_errors(kind=errors.DS4Error):
    return [kind, *(error for child in kind.__subclasses__() for error in all_errors(child))]


@pytest.mark.parametrize("kind", sorted(set(all_errors()), key=lambda kind: kind.__name__))
def test_errors_survive_pickling(kind):
    copy = pickle.loads(pickle.dumps(kind("file x: reason y")))
    assert type(copy) is kind
    assert str(copy) == "file x: reason y"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ModelNotFoundError, FileNotFoundError),
        (errors.ModelFileError, OSError),
        (errors.OutOfMemoryError, MemoryError),
        (errors.InvalidTokenError, ValueError),
        (errors.InvalidRequestError, ValueError),
        (errors.ContextFullError, ValueError),
        (errors.LibraryError, ImportError),
    ],
)
def test_errors_are_what_python_calls_them(kind, builtin):
    with pytest.raises(builtin):
        raise kind("x")


def test_importing_the_package_loads_no_library_and_no_framework():
    code = (
        "import sys, ds4_core, ds4_core.native as native\n"
        "assert native._load_once.cache_info().currsize == 0\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in"
        " {'langchain_core', 'llama_index', 'langchain_ds4', 'llama_index_ds4'}]\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])

"""The checks of wheels find what they are for, and let a proper wheel pass."""

from __future__ import annotations

import io
import platform
import struct
import sys
import tarfile
import tomllib
import zipfile

import pytest

from ds4_core import native
from release import build_wheels, checks, emulate

MAC = "macosx_11_0_arm64"


def mach_o(*commands, cpu=0x0100000C):
    """The beginning of a library for Apple silicon."""
    header = struct.pack("<4s7I", b"\xcf\xfa\xed\xfe", cpu, 0, 6, len(commands), sum(map(len, commands)), 0, 0)
    return header + b"".join(commands)


def needs(name):
    data = name + bytes(8 - len(name) % 8)
    return struct.pack("<6I", 0xC, 24 + len(data), 24, 0, 0, 0) + data


SIGNED = struct.pack("<4I", 0x1D, 16, 0, 0)
MACH_O = mach_o(needs(b"/usr/lib/libSystem.B.dylib"), SIGNED)


def files():
    found = dict.fromkeys(checks._NEEDED, b"")
    found |= {
        "ds4_core/lib/libds4.dylib": MACH_O,
        "x-1.dist-info/licenses/LICENSE": b"",
        "x-1.dist-info/licenses/NOTICE": b"",
        "x-1.dist-info/WHEEL": b"",
    }
    return found


def wheel(folder, contents, tag=MAC):
    path = folder / f"ds4_integrations-0.1.0-py3-none-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def test_a_proper_wheel_passes(tmp_path):
    assert checks.check_wheel(wheel(tmp_path, files()), MAC) == []


@pytest.mark.parametrize(
    "missing",
    ["ds4_core/py.typed", "ds4_core/lib/libds4.dylib", "ds4_core/models/ds4-tiny.gguf", "ds4_core/lib/ds4x.h"],
)
def test_a_missing_file_is_named(tmp_path, missing):
    contents = files()
    del contents[missing]
    (problem,) = checks.check_wheel(wheel(tmp_path, contents), MAC)
    assert f"{missing} is missing" in problem


@pytest.mark.parametrize("notice", ["LICENSE", "NOTICE"])
def test_a_missing_notice_is_named(tmp_path, notice):
    contents = files()
    del contents[f"x-1.dist-info/licenses/{notice}"]
    (problem,) = checks.check_wheel(wheel(tmp_path, contents), MAC)
    assert problem.endswith(f"no {notice}")


@pytest.mark.parametrize("strange", ["tests/test_a.py", "ds4_core/__pycache__/a.pyc", "csrc/a.cpp"])
def test_files_that_do_not_belong_are_named(tmp_path, strange):
    problems = checks.check_wheel(wheel(tmp_path, files() | {strange: b""}), MAC)
    assert any("has no place in it" in problem for problem in problems)


@pytest.mark.parametrize(
    ("library", "says"),
    [
        (b"\x7fELF" + bytes(64), "no library of that system"),
        (mach_o(SIGNED, cpu=0x01000007), "is for machine"),
        (mach_o(needs(b"/usr/lib/libSystem.B.dylib")), "is not signed"),
        (mach_o(needs(b"/opt/lib/libc++.dylib"), SIGNED), "needs /opt/lib/libc++.dylib"),
        (MACH_O + b"/home/somebody/project/csrc/a.cpp\0", "tells a path"),
        (MACH_O + bytes(checks.LIBRARY_BYTES_MAX), "more than the budget"),
    ],
    ids=["ELF", "x86", "unsigned", "foreign", "path", "size"],
)
def test_a_library_that_is_wrong_is_found(tmp_path, library, says):
    (problem,) = checks.check_wheel(wheel(tmp_path, files() | {"ds4_core/lib/libds4.dylib": library}), MAC)
    assert says in problem


def test_a_wheel_over_its_budget_is_found(tmp_path):
    contents = files() | {"ds4_core/models/ds4-tiny.gguf": bytes(checks.WHEEL_BYTES_MAX)}
    (problem,) = checks.check_wheel(wheel(tmp_path, contents), MAC)
    assert "more than the budget" in problem


def test_a_wheel_of_another_system_is_found(tmp_path):
    problems = checks.check_wheel(wheel(tmp_path, files()), "macosx_12_0_arm64")
    assert any("expected ds4_integrations-VERSION-py3-none-macosx_12_0_arm64" in problem for problem in problems)


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel judges Linux wheels")
def test_symbols_newer_than_the_tag_are_found(tmp_path):
    info = "ds4_integrations-0.1.0.dist-info"
    library = {
        "ds4_core/lib/libds4.so": native.load().path.read_bytes(),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n",
        f"{info}/RECORD": f"ds4_core/lib/libds4.so,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    machine = platform.machine()
    old, new = (f"manylinux_2_{version}_{machine}" for version in (1, 99))
    (problem,) = checks.audit(wheel(tmp_path, library, old), old)
    assert "needs manylinux_2_" in problem
    assert checks.audit(wheel(tmp_path, library, new), new) == []


def test_the_cuda_wheel_holds_its_library_alone(tmp_path):
    library = dict.fromkeys(
        ("ds4_core/lib/libds4_cuda.so", "y-1.dist-info/licenses/LICENSE", "y-1.dist-info/licenses/NOTICE"), b""
    )
    assert checks.check_cuda_wheel(wheel(tmp_path, library, "linux_x86_64")) == []
    more = library | {"ds4_core/engine.py": b""}
    (problem,) = checks.check_cuda_wheel(wheel(tmp_path, more, "linux_x86_64"))
    assert "ds4_core/engine.py" in problem


def test_an_sdist_needs_the_sources_and_nothing_built(tmp_path):
    path = tmp_path / "ds4_integrations-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("pyproject.toml", "LICENSE", "README.md", "csrc/libds4.so"):
            archive.addfile(tarfile.TarInfo(f"ds4_integrations-0.1.0/{name}"), io.BytesIO())
    problems = "\n".join(checks.check_sdist(path))
    assert "NOTICE is missing" in problems
    assert "csrc/CMakeLists.txt is missing" in problems
    assert "csrc/libds4.so has no place in it" in problems


def test_every_target_has_a_tag_that_its_library_is_checked_for():
    for target in build_wheels.TARGETS.values():
        assert any(target.tag.endswith(machine) for machine in checks._MACHINES)
        version = target.zig.rpartition("gnu." if "gnu" in target.zig else "macos.")[2]
        assert version.replace(".", "_") in target.tag
    assert set(emulate.EMULATORS) <= set(build_wheels.TARGETS)


def test_the_cuda_package_is_defined_as_libds4_cuda_of_the_same_version():
    definition = tomllib.loads((build_wheels.ROOT / "release" / "cuda" / "pyproject.toml").read_text())
    settings = definition["tool"]["scikit-build"]
    assert definition["project"]["name"] == "ds4-integrations-cuda"
    assert settings["metadata"]["dependencies"]["result"] == ["ds4-integrations=={project[version]}"]
    assert (settings["build"]["targets"], settings["install"]["components"]) == (["ds4_cuda"], ["cuda"])
    assert settings["wheel"]["packages"] == []
    source = build_wheels.ROOT / "release" / "cuda" / settings["cmake"]["source-dir"]
    assert (source / "CMakeLists.txt").resolve() == build_wheels.ROOT / "csrc" / "CMakeLists.txt"

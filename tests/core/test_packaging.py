"""What is installed: versions that agree, types, licence, one wheel for every Python, no need for a system cmake."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ds4_core
from ds4_core import native
from release import checks

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_all_versions_agree():
    assert importlib.metadata.version("ds4-integrations") == ds4_core.__version__ == native.load().version
    assert f"## [{ds4_core.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"project(ds4 VERSION {ds4_core.__version__} " in (ROOT / "csrc" / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("package", ["ds4_core", "langchain_ds4", "llama_index_ds4"])
def test_packages_are_typed_and_export_what_they_list(package):
    module = importlib.import_module(package)
    assert (Path(module.__file__).parent / "py.typed").is_file()
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


def test_every_base_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1)
    assert len(block.splitlines()) == len(PYPROJECT["project"]["dependencies"])
    assert all(re.search(r'",\s+# \w+', line) for line in block.splitlines())


def test_extras_are_the_promised_ones():
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert {"langchain", "llama-index", "all", "test", "dev"} <= set(extras)
    assert extras["langchain"] == ["langchain-core>=1.7,<2"]
    assert extras["llama-index"] == ["llama-index-core>=0.14.6,<0.15"]
    assert not any("torch" in need or "transformers" in need for need in extras["test"])


def imports_of(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        for match in re.finditer(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE):
            yield path.relative_to(ROOT), match.group(1).split(".")[0]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("ds4_core", {"langchain_core", "langchain", "llama_index", "langchain_ds4", "llama_index_ds4"}),
        ("langchain_ds4", {"llama_index", "llama_index_ds4"}),
        ("llama_index_ds4", {"langchain_core", "langchain", "langchain_ds4"}),
    ],
)
def test_imports_go_downwards_only(package, forbidden):
    # The demo shows both adapters at work, so it imports both.
    found = [(str(path), name) for path, name in imports_of(package) if name in forbidden and path.name != "demo.py"]
    assert found == []


def test_the_licence_and_the_notices_go_into_packages():
    assert PYPROJECT["project"]["license-files"] == ["LICENSE", "NOTICE"]
    notice = (ROOT / "NOTICE").read_text()
    for path in re.findall(r"csrc/[\w/]+\.h", notice):
        assert (ROOT / path).is_file(), path
    assert "The ggml authors" in notice
    # Every header of number tables is named in it.
    tables = [path for path in (ROOT / "csrc" / "src").rglob("*.h") if path.stem.endswith(("_grids", "_tables"))]
    assert tables
    assert all(str(path.relative_to(ROOT)) in notice for path in tables)


def test_the_embedded_model_leaves_room_in_the_budget_of_a_wheel(tiny_path):
    assert tiny_path.stat().st_size + 1_500_000 <= checks.WHEEL_BYTES_MAX


@pytest.mark.long
def test_a_wheel_builds_without_a_system_cmake_and_works_elsewhere(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cc", "c++", "gcc", "g++", "ld", "as", "ar", "ranlib", "nm", "make", "sh", "uname", "git"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    environment = {
        key: value for key, value in os.environ.items() if key not in ("CMAKE_ARGS", "PYTHONPATH", "VIRTUAL_ENV")
    }
    environment |= {"PATH": str(tools), "CMAKE_BUILD_PARALLEL_LEVEL": "2"}
    assert shutil.which("cmake", path=environment["PATH"]) is None

    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "dist", "__pycache__", "lib", ".*_cache", "cookbooks")
    shutil.copytree(ROOT, source, ignore=ignored)
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(source)], check=True, env=environment)

    (wheel,) = wheels.iterdir()
    assert re.fullmatch(rf"ds4_integrations-{re.escape(ds4_core.__version__)}-py3-none-\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        f"ds4_core/lib/{native.library_file_name()}", "ds4_core/lib/ds4x.h", "ds4_core/lib/ds4.h",
        "ds4_core/models/ds4-tiny.gguf",
        "ds4_core/models/SHA256SUMS", "ds4_core/py.typed", "langchain_ds4/py.typed", "llama_index_ds4/py.typed",
    }  # fmt: skip
    assert wanted <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "ds4_core",
        "langchain_ds4",
        "llama_index_ds4",
        f"ds4_integrations-{ds4_core.__version__}.dist-info",
    }
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert wheel.stat().st_size <= checks.WHEEL_BYTES_MAX

    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    subprocess.run([python, *pip[1:], "install", str(wheel)], check=True)
    code = (
        "from ds4_core import Engine\n"
        "with Engine() as engine, engine.session() as session:\n"
        "    session.sync(session.tokenize('hello'))\n"
        "    print(engine.path, session.argmax())\n"
    )
    result = subprocess.run(
        [python, "-c", code], check=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert str(venv) in result.stdout

"""What an installation consists of, with a C compiler and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import nnexp
from nnexp.native import availability
from nnexp.native.build import EXTENSION, build_optionally
from tests.native.requirements import lacking

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "configs", "docs", "nnexp", "tests")
FILES = (
    *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "README.zh-CN.md"),
    "SECURITY.md",
    *("MANIFEST.in", "pyproject.toml", "setup.py"),
)
NO_COMPILER = "the C compiler (no-such-compiler) was not found"


def files(folder: Path) -> set[str]:
    """Return the paths of the files that belong to the project, relative to a folder."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    products = {EXTENSION.name, availability.NOTE.name}
    return {
        path.as_posix()
        for path in found
        if path.name not in products
        and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    }


def run(*command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """Return the output of a command that must succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def wheel(source: Path, folder: Path, **environment: str) -> Path:
    """Build a wheel as pip does before it installs, without downloading setuptools."""
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder))
    run(sys.executable, "-m", "pip", "wheel", *options, str(source), environment=environment)
    (built,) = folder.glob("*.whl")
    return built


def contents(archive: Path) -> set[str]:
    """Return the files of a wheel, without its metadata."""
    return {name for name in zipfile.ZipFile(archive).namelist() if ".dist-info/" not in name}


def expected() -> set[str]:
    """Return the files that each wheel must have."""
    package = {f"nnexp/{name}" for name in files(ROOT / "nnexp")}
    return package | {f"nnexp/configs/{name}" for name in files(ROOT / "configs")}


# ---- without a compiler ----


def test_the_build_needs_nothing_but_the_standard_library() -> None:
    """Pip builds the package in an environment without its dependencies."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); import nnexp.native.build"
    run(sys.executable, "-I", "-S", "-c", code)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("CC", "no-such-compiler", NO_COMPILER),
        ("CC", "false", "the C compiler (false) failed"),
        ("NNEXP_WITHOUT_NATIVE", "1", "NNEXP_WITHOUT_NATIVE was set"),
        (
            "_PYTHON_HOST_PLATFORM",
            "linux-riscv64",
            "there were no kernels for riscv64 processors (known: x86_64, aarch64)",
        ),
    ],
)
def test_a_build_that_fails_leaves_a_note_instead_of_an_extension(
    variable: str, value: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / EXTENSION.name).write_bytes(b"of an earlier build")
    monkeypatch.setenv(variable, value)
    assert build_optionally(tmp_path) == reason
    assert [path.name for path in tmp_path.iterdir()] == [availability.NOTE.name]
    monkeypatch.setattr(availability, "NOTE", tmp_path / availability.NOTE.name)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = f"it was not built, since {reason}"
    assert availability.why_unavailable.__wrapped__() == message


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build_optionally(tmp_path / "missing") is not None


def test_without_a_note_the_reason_says_how_to_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "NOTE", tmp_path / "missing")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    message = "it is not built; run python -m nnexp.native.build"
    assert availability.why_unavailable.__wrapped__() == message


@pytest.mark.slow
def test_an_installation_without_a_compiler_works_and_says_why_it_is_slow(tmp_path: Path) -> None:
    built = wheel(ROOT, tmp_path, CC="no-such-compiler")
    assert built.name.endswith("-py3-none-any.whl")
    assert contents(built) == expected() | {f"nnexp/native/{availability.NOTE.name}"}
    installed = tmp_path / "installed"
    shutil.unpack_archive(built, installed, "zip")
    code = "from nnexp.native import availability as a; print(a.why_unavailable())"
    message = f"it was not built, since {NO_COMPILER}\n"
    assert run(sys.executable, "-c", code, cwd=installed) == message
    train = ("train", "quickstart", "--set", "epochs=1", "--set", "data.train=100", "-q")
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    nnexp = (sys.executable, "-m", "nnexp")
    path = {"PYTHONPATH": str(installed)}
    trained = run(*nnexp, *train, cwd=elsewhere, environment=path).splitlines()[-1]
    assert (elsewhere / trained / "result.json").exists()
    export = ("export", trained, "--to", "csv", "-o", "metrics.csv")
    assert run(*nnexp, *export, cwd=elsewhere, environment=path) == "metrics.csv\n"
    assert (elsewhere / "metrics.csv").read_text().startswith("run,experiment,seed,epoch,metric,")
    table = run(*nnexp, "runs", "--csv", cwd=elsewhere, environment=path)
    assert table.splitlines()[1].startswith(f"{trained},")
    images = installed / "nnexp" / "datasets" / "mnist" / "t10k-images-idx3-ubyte"
    predict = ("predict", trained, str(images), "--csv")
    rows = run(*nnexp, *predict, cwd=elsewhere, environment=path).splitlines()
    assert len(rows) == 10_001
    assert set(rows[0].split(",")) >= {"file", "row", "class"}


# ---- with a compiler ----


@pytest.mark.slow
def test_a_wheel_has_the_extension_and_its_tag(tmp_path: Path) -> None:
    built = wheel(ROOT, tmp_path)
    if built.name.endswith("-py3-none-any.whl"):
        note = zipfile.ZipFile(built).read(f"nnexp/native/{availability.NOTE.name}")
        lacking(note.decode().strip())
    assert "-cp311-abi3-" in built.name
    assert contents(built) == expected() | {f"nnexp/native/{EXTENSION.name}"}


@pytest.mark.slow
def test_the_source_distribution_has_all_files_and_builds_the_same_wheel(tmp_path: Path) -> None:
    checkout, unpacked = tmp_path / "checkout", tmp_path / "unpacked"
    left_out = shutil.ignore_patterns("__pycache__", EXTENSION.name)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, checkout / folder, ignore=left_out)
    for file in FILES:
        shutil.copy(ROOT / file, checkout)
    code = f"from setuptools import build_meta as b; b.build_sdist({str(tmp_path)!r})"
    before = files(checkout)
    run(sys.executable, "-c", code, cwd=checkout)
    assert files(checkout) == before
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, unpacked, filter="data")
    (source,) = unpacked.iterdir()
    distributed = before | {"PKG-INFO", "setup.cfg"}
    assert files(source) == distributed
    built = wheel(source, tmp_path / "wheels", NNEXP_WITHOUT_NATIVE="1")
    assert files(source) == distributed
    assert contents(built) == expected() | {f"nnexp/native/{availability.NOTE.name}"}


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {nnexp.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")

"""The extension is built by the user's compiler, or an error says why not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnexp.native import availability
from nnexp.native.build import BuildError, build
from tests.native.requirements import lacking, require_extension

COMPILERS = ("gcc", "clang")


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_extension_can_be_built_and_loaded(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        lacking(f"{compiler} is not installed")
    build(tmp_path / "_kernels.abi3.so", [compiler])
    code = "import _kernels; print(_kernels.NAME)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in {"avx512", "avx2", "neon"}


def test_a_failed_build_leaves_the_old_extension(tmp_path: Path) -> None:
    target = tmp_path / "_kernels.abi3.so"
    target.write_bytes(b"old")
    with pytest.raises(BuildError, match=r"^the C compiler \(false\) failed$"):
        build(target, ["false"])
    assert target.read_bytes() == b"old"


def test_a_failed_build_says_what_the_compiler_said(tmp_path: Path) -> None:
    compiler = tmp_path / "badcc"
    compiler.write_text(
        "#!/bin/sh\necho 'x.c:1: note' >&2\necho 'x.c:2: error: bang' >&2\nexit 1\n"
    )
    compiler.chmod(0o755)
    with pytest.raises(BuildError, match=r"badcc\) failed: x\.c:2: error: bang$"):
        build(tmp_path / "_kernels.abi3.so", [str(compiler)])


def test_without_a_compiler_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"the C compiler \(no-such-compiler\) was not found"):
        build(tmp_path / "_kernels.abi3.so", ["no-such-compiler"])


def test_an_architecture_without_kernels_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no kernels for riscv64 .*\(known: x86_64, aarch64\)"):
        build(tmp_path / "_kernels.abi3.so", architecture="riscv64")


def test_an_extension_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extension()
    reason = availability.why_unavailable.__wrapped__  # each time anew
    assert reason() is None
    monkeypatch.setattr(availability, "digest", lambda: "0" * 16)
    assert reason() == "it was built from other sources; run python -m nnexp.native.build"

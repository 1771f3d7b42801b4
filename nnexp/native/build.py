"""Build the extension of the native backend in place: ``python -m nnexp.native.build``.

Needs a C compiler (the environment variable CC, by default cc) and Python's headers. The kernels
are compiled once for each kind of processor of the architecture, each time with other flags.

setup.py imports this module before nnexp's dependencies are installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnexp.native.availability import NOTE, SOURCES, digest

EXTENSION = Path(__file__).parent / "_kernels.abi3.so"

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    # Results must not depend on the compiler: it may not fuse operations as it likes.
    "-ffp-contract=off",
    # Nothing reads errno or floating-point exceptions. Without them, loops with square roots and
    # comparisons use vectors; the results are the same.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
    "-Werror",
)
KERNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "x86_64": {
        "avx512": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
        "avx2": ("-march=x86-64-v3",),
    },
    "aarch64": {"neon": ()},
}
"""The flags of each kind of kernels, by architecture."""


LINKING = (
    # macOS resolves Python's symbols when it loads the extension, as Linux does by default.
    ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)
)
WITHOUT = "NNEXP_WITHOUT_NATIVE"
"""Set to install nnexp without the extension."""


class BuildError(Exception):
    """The extension cannot be built; the message is one line, in the past tense."""


def build(
    target: Path = EXTENSION,
    compiler: Sequence[str] | None = None,
    architecture: str | None = None,
    flags: Sequence[str] = (),
) -> None:
    """Compile the extension.

    Args:
        target: the file to create.
        compiler: the command of the compiler, by default that of CC.
        architecture: of the processor to compile for, by default that of this Python.
        flags: more options for the compiler and the linker.

    Raises:
        BuildError: there is no such compiler, it failed, Python has no headers or no stable ABI,
            or there are no kernels for the architecture.
        OSError: the target cannot be written.
    """
    architecture = architecture or _architecture()
    if architecture not in KERNELS:
        raise BuildError(
            f"there were no kernels for {architecture} processors (known: {', '.join(KERNELS)})"
        )
    _check_python()
    command = [*(compiler or shlex.split(os.environ.get("CC", "")) or ["cc"]), *FLAGS, *flags]
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for name, source, *options in _units(architecture):
            objects.append(f"{folder}/{name}.o")
            _run([*command, *options, "-c", str(SOURCES / source), "-o", objects[-1]])
        built = Path(folder) / target.name
        _run([*command, *LINKING, *objects, "-o", str(built)])
        # A process that has loaded the old file keeps it, and none ever loads half of the new one.
        beside = target.with_name(f"{target.name}.new")
        beside.write_bytes(built.read_bytes())
        beside.replace(target)
        target.with_name(NOTE.name).unlink(missing_ok=True)


def build_optionally(folder: Path) -> str | None:
    """Compile the extension into a folder, or write a note of the reason why not.

    Returns: the reason, in one line; None if the extension is built.
    """
    target = folder / EXTENSION.name
    try:
        reason = _attempt(target)
        if reason:
            target.unlink(missing_ok=True)  # of an earlier build, perhaps from other sources
            target.with_name(NOTE.name).write_text(f"{reason}\n", encoding="utf-8")
    except OSError as error:
        return str(error)
    return reason


def _attempt(target: Path) -> str | None:
    """Compile the extension; return the reason if that is impossible or not wanted."""
    if os.environ.get(WITHOUT, "0") not in {"", "0"}:
        return f"{WITHOUT} was set"
    try:
        build(target, flags=("-Wno-error",))  # a user's compiler may know more warnings than ours
    except BuildError as error:
        return str(error)
    return None


def _architecture() -> str:
    """Return the architecture that this Python builds for.

    It differs from this machine's when cross-compiling, and where an old Python is emulated.
    """
    name = sysconfig.get_platform().rpartition("-")[2]
    name = platform.machine() if name == "universal2" else name
    return name.replace("arm64", "aarch64")


def _check_python() -> None:
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise BuildError("this kind of Python has no stable ABI")
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        raise BuildError("Python's header files were missing (Debian's package is python3-dev)")


def _units(architecture: str) -> Iterator[tuple[str, ...]]:
    """Yield the name, the source and the options of each object file."""
    headers = sysconfig.get_paths()["include"]
    yield "network", "network.c"
    for name in ("arguments", "examples_type", "network_type", "module"):
        yield name, f"{name}.c", f"-I{headers}", f'-DSOURCES="{digest()}"'
    for name, options in KERNELS[architecture].items():
        yield f"kernels_{name}", "kernels.c", f"-DKERNELS=kernels_{name}", *options


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own compiler
            command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        problem = "was not found" if isinstance(error, FileNotFoundError) else "could not be run"
        raise BuildError(f"the C compiler ({command[0]}) {problem}") from error
    sys.stderr.write(done.stderr)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        message = next((line for line in lines if "error" in line), "".join(lines[:1]))
        raise BuildError(f"the C compiler ({command[0]}) failed: {message}".removesuffix(": "))


def main() -> None:
    """Build the extension for this machine in the package's folder."""
    parser = argparse.ArgumentParser(
        usage="python -m nnexp.native.build [COMPILER-OPTION ...]",
        description="Build the native extension. All arguments are passed to the compiler.",
    )
    _, flags = parser.parse_known_args()
    try:
        build(flags=flags)
        sys.stdout.write(f"built {EXTENSION}\n")
    except (BuildError, OSError) as error:
        sys.exit(f"the native extension is not built: {error}")


if __name__ == "__main__":
    main()

"""Build the extension of the native backend in place: ``python -m nnexp.native.build``.

Needs a C compiler (the environment variable CC, by default cc) and Python's headers. The kernels
are compiled once for each kind of processor of the architecture, each time with other flags.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
EXTENSION = Path(__file__).parent / "_kernels.abi3.so"

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    # Results must not depend on the compiler: it may not fuse operations as it likes.
    "-ffp-contract=off",
    # What these give up is not used, and they let loops with square roots and comparisons use
    # vectors. They change no result.
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
        architecture: of the processor to compile for, by default that of this machine.
        flags: more options for the compiler and the linker.

    Raises:
        OSError: there is no such compiler.
        subprocess.CalledProcessError: the compiler failed; it has printed why.
        ValueError: there are no kernels for the architecture.
    """
    architecture = architecture or platform.machine().replace("arm64", "aarch64")
    if architecture not in KERNELS:
        raise ValueError(f"no kernels for {architecture} (known: {', '.join(KERNELS)})")
    command = [*(compiler or shlex.split(os.environ.get("CC", "cc"))), *FLAGS, *flags]
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for name, source, *options in _units(architecture):
            objects.append(f"{folder}/{name}.o")
            _run([*command, *options, "-c", str(SOURCES / source), "-o", objects[-1]])
        built = Path(folder) / target.name
        _run([*command, "-shared", *objects, "-o", str(built)])
        # A process that has loaded the old file keeps it, since the new one is another file.
        target.unlink(missing_ok=True)
        target.write_bytes(built.read_bytes())


def _units(architecture: str) -> Iterator[tuple[str, ...]]:
    """Yield the name, the source and the options of each object file."""
    headers = sysconfig.get_paths()["include"]
    yield "network", "network.c"
    for name in ("arguments", "examples_type", "network_type", "module"):
        yield name, f"{name}.c", f"-I{headers}"
    for name, options in KERNELS[architecture].items():
        yield f"kernels_{name}", "kernels.c", f"-DKERNELS=kernels_{name}", *options


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - the user's own compiler


def main() -> None:
    """Build the extension for this machine in the package's folder."""
    parser = argparse.ArgumentParser(
        description="Build the native extension. All arguments are passed to the compiler."
    )
    _, flags = parser.parse_known_args()
    build(flags=flags)


if __name__ == "__main__":
    main()

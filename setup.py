"""Build nnexp with its native extension, or without it where that cannot be compiled.

Everything that setuptools can read from pyproject.toml is there.

Why setuptools: the extension compiles one source several times with different flags, and nnexp must
install where the compiler is missing or fails. meson-python and scikit-build-core stop then, and
bring build tools that nnexp does not need; hatchling would need a hook that does all of this.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from nnexp.native.build import build_optionally  # noqa: E402 - the package is not installed yet

STABLE_ABI = "cp311"


class BuildExtension(build_ext):
    """Compile the extension with the package's own script, or go on without it."""

    missing = False

    def run(self) -> None:
        """Put the extension, or a note of why there is none, into the package's folder."""
        folder = (ROOT if self.inplace else Path(self.build_lib)) / "nnexp" / "native"
        self.mkpath(str(folder))
        reason = build_optionally(folder)
        self.missing = reason is not None
        if reason:
            self.announce(f"nnexp is built without its native extension: {reason}", level=5)

    def get_output_mapping(self) -> dict[str, str]:
        """Return nothing: the files are where they belong."""
        return {}


class BuildPackage(build_py):
    """Copy the examples, too: they lie beside the package in a checkout, and in it in a wheel."""

    def run(self) -> None:
        """Copy modules, data and examples."""
        super().run()
        if not self.editable_mode:
            self.copy_tree(str(ROOT / "configs"), f"{self.build_lib}/nnexp/configs")

    def get_package_dir(self, package: str) -> str:
        """Return a package's folder as MANIFEST.in names it: without "./"; data is found by it."""
        return os.path.normpath(super().get_package_dir(package))


class BuildWheel(bdist_wheel):
    """Name the wheel after what was built: without the extension it fits every machine."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, ABI and platform, once everything is built."""
        extension = self.get_finalized_command("build_ext")
        self.root_is_pure = isinstance(extension, BuildExtension) and extension.missing
        return super().get_tag()


def stable_abi() -> dict[str, str]:
    """Return the option for wheels of this ABI; free-threaded Python does not allow it."""
    return {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": STABLE_ABI}


# Nothing but the extension of an editable installation is written into the checkout. It may be
# read-only, and setuptools would take files that have been removed since from an old build folder.
with tempfile.TemporaryDirectory() as temporary:
    setup(
        ext_modules=[Extension("nnexp.native._kernels", sources=[], py_limited_api=True)],
        cmdclass={
            "build_ext": BuildExtension,
            "build_py": BuildPackage,
            "bdist_wheel": BuildWheel,
        },
        options={
            "build": {"build_base": temporary},
            "egg_info": {"egg_base": temporary},
            "bdist_wheel": stable_abi(),
        },
    )

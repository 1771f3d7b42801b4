"""What computed a benchmark: prints the machine and the versions as a Markdown list.

A script of its own, since which kernels BLAS chooses shows only in a process that has loaded
it with the environment of those that were measured.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

PEERS = ("scikit-learn", "torch", "jax", "jaxlib")
BASE = Path(np.__file__).parent.parent


def processor() -> str:
    """Return the processor's name, with what distinguishes models of one name where it is known."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in path.read_text().splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    name = fields.get("model name", platform.machine())
    kernels = "AVX-512" if "avx512f" in fields.get("flags", "") else "no AVX-512"
    family, model = fields.get("cpu family", "?"), fields.get("model", "?")
    return f"{name} (family {family}, model {model}, {kernels})"


def blas() -> str:
    """Return the library that NumPy's matrix products run in, and its kernels."""
    libraries = [
        f"{entry['internal_api']} {entry['version']}, {entry['architecture']} kernels"
        for entry in threadpool_info()
        if entry["user_api"] == "blas" and Path(entry["filepath"]).is_relative_to(BASE)
    ]
    return "; ".join(libraries) or "unknown"


def overrides() -> str:
    """Return the variables that change what OpenBLAS would choose by itself."""
    names = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    found = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    return ", ".join(found) or "none"


def version(package: str) -> str:
    """Return an installed package's version, or that there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Print the list."""
    print(f"- processor: {processor()}, {os.cpu_count()} cores")
    print(f"- system: {platform.system()} {platform.release().split('-')[0]}")
    print(f"- Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"- NumPy's BLAS: {blas()}; overrides: {overrides()}")
    for package in PEERS:
        print(f"- {package} {version(package)}")


if __name__ == "__main__":
    main()

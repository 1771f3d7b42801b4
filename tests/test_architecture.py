"""The structure of the code: the order of imports, lengths, names and docstrings."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, get_args

import msgspec
import pytest

import nnexp
from nnexp import cli
from nnexp.config.model import Config
from nnexp.optim.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGE = Path(nnexp.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))
ORDER = [
    *("errors", "names", "paths", "streams", "numerics", "seeds"),
    *("nn", "native", "optim", "datasets"),
    *("training", "config", "store"),
    *("runner", "analysis", "export", "study", "report", "reproduction", "tune"),
    *("api", "cli"),
]
"""A part imports parts that stand before it, and itself (docs/architecture.md)."""

LONGEST = 400
LONGEST_TEST = 600
PURE = {"nn", "optim", "training"}
WORLDLY = {"io", "logging", "os", "pathlib", "random", "shutil", "sys", "tempfile", "time"}
ONLY_IN = {
    "yaml": "config",
    "click": "cli",
    "tqdm": "cli",
    "fcntl": "store",
    "matplotlib": "report",
}
VAGUE = {"utils", "util", "common", "base", "helpers", "helper", "manager", "misc", "core"}
FORBIDDEN = {"pickle", "shelve", "marshal", "dill", "joblib"}


def part(path: Path) -> str:
    """Return the concept a file belongs to: its folder or, at the top, its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Generate the full names of what a file imports, at whatever depth."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(path: Path) -> set[str]:
    """Return the names that a file reads, methods of builtins such as re.compile not among them."""
    nodes = list(ast.walk(tree(path)))
    plain = {node.id for node in nodes if isinstance(node, ast.Name)}
    dotted = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    brought = {name.rpartition(".")[2] for name in imported(path)}
    return plain | ((dotted | brought) & {"import_module"})


def tops(path: Path) -> set[str]:
    """Return the packages a file imports from."""
    return {name.partition(".")[0] for name in imported(path)}


def own_parts(path: Path) -> set[str]:
    """Return the parts of nnexp a file imports; what the package itself holds is none."""
    own = [name.split(".") for name in imported(path) if name.startswith("nnexp.")]
    return {name[1] for name in own if not name[1].startswith("__")}


def offenders(found: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """Return what a rule finds wrong, by file; empty where the rule holds."""
    wrong = {path.relative_to(PACKAGE).as_posix(): found(path) for path in FILES}
    return {path: names for path, names in wrong.items() if names}


def allowed(path: Path) -> set[str]:
    """Return the parts that a file may import; a new part needs its place in the order first."""
    if part(path) == "__init__":
        return {"api"}
    if part(path) == "__main__":
        return {"cli"}
    assert part(path) in ORDER, f"{part(path)} has no place in the order"
    return set(ORDER[: ORDER.index(part(path)) + 1])


def test_imports_point_one_way() -> None:
    assert not offenders(lambda path: own_parts(path) - allowed(path))


def test_within_a_part_no_imports_go_round() -> None:
    modules = {
        path: ".".join(["nnexp", *path.relative_to(PACKAGE).with_suffix("").parts])
        for path in FILES
    }
    needs = {
        name: {
            other
            for found in imported(path)
            for other in modules.values()
            if other != name and (found == other or found.startswith(f"{other}."))
        }
        for path, name in modules.items()
    }
    while free := [name for name, others in needs.items() if not others]:
        needs = {name: others - set(free) for name, others in needs.items() if name not in free}
    assert not needs, "these import each other"


PORTABLE = (
    *("datasets/expansion", "datasets/selection", "datasets/splitting"),
    *("datasets/standardization", "nn/elementary", "nn/initializers"),
    *("optim/adam", "optim/schedules", "streams", "training/dropout", "training/feed"),
    *("native/kernels", "training/native_backend", "training/running_cost"),
)
"""Modules whose results must be the same to the last bit on every machine."""
C_LIBRARY = {
    *("exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "pow", "power", "float_power"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "asin", "acos", "atan", "atan2", "hypot"),
    *("sinh", "cosh", "tanh", "cbrt", "gamma", "lgamma", "erf", "erfc", "logaddexp"),
}
BLAS = {"dot", "vdot", "inner", "outer", "matmul", "tensordot", "einsum", "linalg", "scipy"}


def machine_dependent(path: Path) -> set[str]:
    """Return the operations by which a file may call the C library's functions or BLAS."""
    found = tops(path) & BLAS
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"math", "np"}:
            found |= {node.attr} & (C_LIBRARY | BLAS)
        elif isinstance(node, ast.BinOp | ast.AugAssign) and not re.fullmatch(
            r"\d+ \*\* \d+", ast.unparse(node)
        ):
            found |= {type(node.op).__name__} & {"Pow", "MatMult"}
    return found


def test_modules_with_portable_results_call_neither_the_c_library_nor_blas() -> None:
    """What they may use is exactly specified: sums, products, quotients and square roots."""
    found = offenders(machine_dependent)
    assert {
        path: found[path] for path in (f"{name}.py" for name in PORTABLE) if path in found
    } == {}
    assert found["nn/propagation.py"] == {"dot", "matmul"}


def test_libraries_with_one_owner_are_imported_by_it_alone() -> None:
    def strange(path: Path) -> set[str]:
        return tops(path) & {name for name, owner in ONLY_IN.items() if owner != part(path)}

    assert not offenders(strange)
    assert not offenders(lambda path: tops(path) & FORBIDDEN)


def test_pictures_are_drawn_by_one_module() -> None:
    pictures = {"report/renderer.py", "datasets/grey_image.py"}  # the second one only reads
    assert set(offenders(lambda path: tops(path) & {"matplotlib", "PIL"})) == pictures


def test_the_mathematics_knows_no_files_clock_or_terminal() -> None:
    def worldly(path: Path) -> set[str]:
        return (tops(path) & WORLDLY) | (names(path) & {"print", "open", "input"})

    assert not offenders(lambda path: worldly(path) if part(path) in PURE else set())


CHANGES = {
    *("ftruncate", "fsync", "link", "makedirs", "mkdir", "remove", "removedirs", "rename"),
    *("renames", "rmdir", "rmtree", "symlink", "symlink_to", "touch", "truncate", "unlink"),
    *("write_bytes", "write_text", "copyfile", "copytree", "move", "hardlink_to"),
}
"""Calls that change a disk, whoever offers them; ``disk``'s own bear some of the same names."""


def changed(path: Path) -> set[str]:
    """Return the calls by which a file changes the disk or opens something, but for disk's."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            by = ast.unparse(node.func).rpartition(".")
            if by[2] in CHANGES | {"open", "fdopen"} or (by[0] == "os" and by[2] == "write"):
                found |= set() if by[0] == "disk" else {ast.unparse(node.func)}
    return found


def test_a_run_is_written_through_one_module() -> None:
    """Power loss and errors of the disk are tested there, for all that a run depends on."""
    found = offenders(changed)
    mine = {"os.fsync", "os.ftruncate", "os.write", "path.mkdir", "path.rmdir"}
    assert found.pop("store/disk.py") >= mine
    assert found.pop("store/tree.py") == {"source.rename"}
    assert found.pop("study/search.py") == {"self._open.remove"}  # of a list
    assert found == {
        "cli/output.py": {"os.open"},  # standard streams that were closed
        "cli/pictures.py": {"os.open"},  # the working directory, to come back to it
        "store/lock.py": {"os.open"},  # only to ask who holds it
        "native/build.py": {  # the extension, or a note of why there is none
            *("target.unlink", "beside.write_bytes"),
            *("target.with_name(NOTE.name).unlink", "target.with_name(NOTE.name).write_text"),
        },
        "config/argument.py": {"os.open"},  # these only read
        "datasets/files.py": {"os.open", "os.fdopen"},
        "datasets/grey_image.py": {"Image.open"},
        "datasets/npz.py": {"archive.open"},
        # A trial's pipe and standard error, and what the kernel is told of it: none are a run's.
        "study/local/child.py": {"os.write"},
        "study/local/lifeline.py": {"Path('/proc/self/oom_score_adj').write_bytes"},
    }


ASKS = {"exists", "lexists", "is_file", "is_dir", "is_symlink", "isfile", "isdir", "stat", "lstat"}
ASKS |= {"access", "scandir", "iterdir", "glob", "rglob", "readlink", "samefile"}
"""Calls that ask the disk, and raise OSError or take errors for an answer."""


def asked(path: Path) -> set[str]:
    """Return the calls by which a file asks the disk, except those of disk and paths."""
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = [ast.unparse(node.func) for node in calls if isinstance(node.func, ast.Attribute)]
    return {
        name
        for name in names
        if name.rpartition(".")[2] in ASKS and name.rpartition(".")[0] not in {"disk", "paths"}
    }


def test_the_disk_is_asked_where_its_errors_are_told() -> None:
    """An error is no answer: `paths` tells "nothing" from "this cannot be determined"."""
    found = offenders(asked)
    data = {path for path in found if path.startswith("datasets/")}  # within their file_errors
    tell = {"store/disk.py", "store/tree.py", "paths.py"}
    assert {path: found[path] for path in set(found) - data - tell} == {
        "analysis/evaluation.py": {"run.path.stat"},  # within disk.errors, as the next ones
        "analysis/watch.py": {"(run.path / TIMING).stat"},
        "config/argument.py": {"Path(path).parent.iterdir"},  # for a suggestion only
        "store/growth_index.py": {"runs.stat"},
        "store/listing.py": {"folder.iterdir"},
        "store/lock.py": {"path.lstat"},
        "report/figure.py": {"os.access"},  # every error means that it may not be written
        "study/dask/worker.py": {"os.access"},
        "config/examples.py": {"folder.rglob"},  # of the package
        "native/availability.py": {"SOURCES.iterdir"},
        "native/build.py": {"Path(sysconfig.get_paths()['include'], 'Python.h').is_file"},
        "study/local/pool.py": {"Path('/dev/fd').iterdir"},
    }


def test_only_the_optimizers_know_an_optimizer_by_name() -> None:
    """Another optimizer needs no more than its class and its place in the union."""
    classes = {kind.__name__ for kind in get_args(Optimizer)}
    found = offenders(lambda path: names(path) & classes if part(path) != "optim" else set())
    assert found == {"config/model.py": {"Sgd"}}  # the default


def replacing(path: Path) -> set[str]:
    """Return the calls by which a file may change a config's keys without a check."""
    keys = {field.name for field in msgspec.structs.fields(Config)}
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    found = {
        node: {keyword.arg or "**" for keyword in node.keywords}
        for node in calls
        if ast.unparse(node.func).rpartition(".")[2] == "replace"
    }
    return {ast.unparse(node) for node, given in found.items() if given & (keys | {"**"})}


def trusting(path: Path) -> set[str]:
    """Return the calls by which a file takes a config for checked."""
    calls = {ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    return {call for call in calls if call.startswith(("cast('CheckedConfig'", "CheckedConfig("))}


def test_a_config_is_taken_for_checked_only_where_it_is_checked() -> None:
    """A type checker lets ``structs.replace`` of a checked config pass for checked."""
    assert set(offenders(trusting)) == {"config/load.py", "study/plan.py"}
    found = offenders(lambda path: replacing(path) if part(path) != "tune" else set())
    assert {path: len(calls) for path, calls in found.items()} == {
        "config/rules.py": 2,  # on the way to be checked; for one epoch's learning rate
        "config/load.py": 1,
        "study/plan.py": 2,
        "store/thresholds.py": 1,  # for a digest
        "analysis/initial_layers.py": 1,  # for initial weights
        "datasets/loading.py": 1,  # sections, and rows of a run: no configs
        "datasets/data_root.py": 1,  # a section
        "reproduction/measures.py": 1,
    }


def test_modules_are_short_and_named_for_what_they_hold() -> None:
    long = [path for path in FILES if len(path.read_text("utf-8").splitlines()) > LONGEST]
    assert not long
    assert not offenders(lambda path: VAGUE & set(path.relative_to(PACKAGE).with_suffix("").parts))


def test_test_files_are_short() -> None:
    long = [path for path in TESTS if len(path.read_text("utf-8").splitlines()) > LONGEST_TEST]
    assert not long


def test_no_class_name_stands_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


SINGLE = {
    **dict.fromkeys(
        (
            *("optim/adam", "optim/conjugate_gradient", "optim/hessian_free", "optim/newton"),
            "optim/quasi_newton",
        ),
        "the union Optimizer",
    ),
    "datasets/csv_features": "part of csv_file, how features are parsed and what is wrong",
    "datasets/csv_header": "half of csv_columns, which line names columns, and how it is divided",
    "datasets/image_folder": "imports Pillow, which the other sources do without",
    "cli/deferred": "the start of the command line, apart from its commands and errors",
    "cli/completion_words": "a table of words, apart from the code that chooses among them",
    "cli/fit_table": "study_progress would be over 400 lines with it; only it needs rich's tables",
    "cli/watch": "imports rich, which a plain listing does without",
    "native/build": "an entry point: python -m nnexp.native.build",
    "nn/curvature": "second derivatives, which only two optimizers ask for",
    "report/charts": "a renderer of figures, of which there are three",
    "report/drawing_pad": "the part of a comparison's page that has networks",
    "runner/growth": "train would be over 400 lines with it; which epochs two runs share",
    "store/exchange": "disk would be over 400 lines with it; a system call that Python lacks",
    "study/dask/collector": "what only clusters without a common disk need",
    "study/local/fresh": "the entry point of a subprocess",
}
"""Modules with one importer, in their own folder: the table they are an entry of, or why."""


def test_a_module_with_one_importer_in_its_folder_has_a_reason() -> None:
    modules = {".".join(["nnexp", *p.relative_to(PACKAGE).with_suffix("").parts]): p for p in FILES}
    importers: dict[str, set[Path]] = {name: set() for name in modules}
    for path in FILES:
        for name in imported(path):
            for module in {name, name.rpartition(".")[0]} & set(modules):
                importers[module].add(path)
    alone = {
        modules[name].relative_to(PACKAGE).with_suffix("").as_posix()
        for name, found in importers.items()
        if {path.parent for path in found} <= {modules[name].parent} and len(found) <= 1
    }
    commands = {name for name in alone if name.startswith("cli/")} & COMMANDS
    entries = {"__init__", "__main__", "api"}
    alone = {name for name in alone if not name.endswith("__init__")} - commands - entries
    assert alone == set(SINGLE)


COMMANDS = {f"cli/{name.replace('-', '_')}" for name in cli.COMMANDS}
"""Imported by name, when they are called."""


def test_nothing_is_executed_that_is_made_at_run_time() -> None:
    made = {"eval", "exec", "compile", "__import__"}
    assert not offenders(lambda path: names(path) & made)
    found = offenders(lambda path: {name for name in names(path) if name == "import_module"})
    assert set(found) <= {"cli/__init__.py"}


Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    """Generate a module or class, and what is public in it, by name."""
    yield name, node
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not child.name.startswith("_"):
                yield from public(child, f"{name}.{child.name}")


def test_everything_public_says_what_it_is() -> None:
    def silent(path: Path) -> set[str]:
        found = public(tree(path), path.stem)
        return {name for name, node in found if not ast.get_docstring(node)}

    assert not offenders(silent)


def tables() -> Iterator[tuple[str, str, str]]:
    """Generate every table whose keys are a Literal: module, table, and the Literal's name."""
    for path in FILES:
        if part(path) not in PURE:
            continue
        module = ".".join(["nnexp", *path.relative_to(PACKAGE).with_suffix("").parts])
        for node in tree(path).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                kind, _, keys = ast.unparse(node.annotation).partition("[")
                if kind == "dict" and keys.partition(",")[0].endswith("Name"):
                    yield module, node.target.id, keys.partition(",")[0]


@pytest.mark.parametrize(("module", "table", "literal"), list(tables()))
def test_a_table_s_keys_are_the_names_a_config_may_use(
    module: str, table: str, literal: str
) -> None:
    home = importlib.import_module(module)
    assert list(getattr(home, table)) == list(get_args(getattr(home, literal)))


def test_every_table_is_found() -> None:
    assert {table for _, table, _ in tables()} >= {
        "ACTIVATIONS",
        "OUTPUTS",
        "COSTS",
        "INITIALIZERS",
        "BIAS_INITIALIZERS",
        "REGULARIZERS",
    }


def test_importing_nnexp_changes_no_environment() -> None:
    script = """
import os
before = dict(os.environ)
import nnexp.runner.train, nnexp.cli, nnexp.analysis.evaluation
changed = {name for name, _ in os.environ.items() ^ before.items()}
assert not changed, changed
"""
    clean = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    subprocess.run([sys.executable, "-c", script], env=clean, check=True)

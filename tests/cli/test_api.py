"""The public Python API: its names, their types, and an example of each."""

from __future__ import annotations

import inspect
import json
import math
import re
import subprocess
import sys
import tomllib
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nnexp
from nnexp import errors
from nnexp.errors import ConfigError, CorruptError, UsageError
from nnexp.report.listing import run_columns
from nnexp.store import metrics
from nnexp.store.listing import Entry
from nnexp.training.history import Row

if TYPE_CHECKING:
    from tests.conftest import Bench

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PUBLIC = ["Run", "__version__", "compare", "load_config", "runs", "sweep", "train"]


def test_the_surface_is_this_list() -> None:
    assert sorted(nnexp.__all__) == PUBLIC
    assert dir(nnexp) == PUBLIC
    for name in PUBLIC:
        assert getattr(nnexp, name) is not None
    with pytest.raises(AttributeError, match="'nnexp' has no attribute 'trian'"):
        _ = nnexp.trian  # type: ignore[attr-defined]  # the type checker says so, too


@pytest.mark.parametrize("name", ["compare", "load_config", "runs", "sweep", "train"])
def test_functions_are_typed_and_documented(name: str) -> None:
    function = getattr(nnexp, name)
    hints = typing.get_type_hints(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}
    assert "Raises:" in (inspect.getdoc(function) or "")
    assert (Path(nnexp.__file__).parent / "py.typed").is_file()


def test_importing_nnexp_imports_nothing_heavy() -> None:
    script = "import sys, nnexp; print(*{'numpy', 'rich', 'msgspec', 'nnexp.api'} & {*sys.modules})"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "\n"


def test_errors_can_be_caught_by_their_public_names(bench: Bench) -> None:
    assert bench.folder.is_dir()
    script = """
import nnexp
try:
    nnexp.load_config("tiny.yaml", {"epochs": 0})
except nnexp.errors.ConfigError as error:
    print(error)
"""
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "--set epochs=0: epochs: must be a whole number ≥ 1, got 0\n"


def test_every_error_that_the_surface_names_is_public() -> None:
    surface = [getattr(nnexp, name) for name in nnexp.__all__ if name != "__version__"]
    members = [value for _, value in inspect.getmembers(nnexp.Run) if inspect.isfunction(value)]
    texts = "\n".join(inspect.getdoc(subject) or "" for subject in [*surface, *members])
    named = {*re.findall(r"^ *(\w+Error):", texts, re.MULTILINE)}
    assert len(named) > 5
    assert {name for name in named if not hasattr(errors, name)} == set()
    page = (ROOT / "docs/versions.md").read_text("utf-8")
    assert "`nnexp.errors`" in page


def test_a_config_is_loaded_with_settings(bench: Bench) -> None:
    settings = {"hidden": [4, 3], "data.train": 50, "optimizer": {"name": "momentum", "mu": 0.5}}
    config = nnexp.load_config(bench.config(), settings)
    assert config.hidden == (4, 3)
    assert config.data.train == 50
    assert getattr(config.optimizer, "mu", None) == 0.5
    with pytest.raises(ConfigError, match="unknown key 'epoch'; did you mean 'epochs'"):
        nnexp.load_config(bench.config(), {"epoch": 1})


def test_train_finds_the_run_of_the_command(bench: Bench) -> None:
    config = nnexp.load_config(bench.config())
    run = nnexp.train(config, stem="tiny", until=2)
    assert run.status == "interrupted"
    assert nnexp.train(config, stem="tiny").status == "finished"
    assert bench("train", "tiny.yaml", "-q").out == f"{run.path}\n"
    assert nnexp.train(config, name="other").path == Path("runs/other-s0")
    assert nnexp.train(config, bench.folder / "more").path.parent == bench.folder / "more"


def test_metrics_are_columns(bench: Bench) -> None:
    monitor = ["train", "validation", "saturation"]
    run = nnexp.train(nnexp.load_config(bench.config(monitor=monitor, hidden=[5, 4])))
    columns = run.metrics()
    assert columns["epoch"] == [1, 2, 3]
    assert {len(column) for column in columns.values()} == {3}
    assert columns["train_cost"] == [row.train_cost for row in run.history()]
    assert [name for name in columns if name.startswith("saturation")] == [
        "saturation_1",
        "saturation_2",
    ]
    assert nnexp.Run(str(run.path)).metrics() == columns


def test_a_run_must_be_there(bench: Bench) -> None:
    run = nnexp.train(nnexp.load_config(bench.config()), name="a")
    for path in ("runs/nope", bench.folder / "nowhere"):
        with pytest.raises(UsageError, match=r"(nope|nowhere): there is no such run; nnexp runs "):
            nnexp.Run(path)
    for path in ("a", "runs/a", "a-s0"):
        with pytest.raises(UsageError, match=r"no such run; did you mean runs/a-s0\?"):
            nnexp.Run(path)
    with pytest.raises(CorruptError, match=r"^runs: is not a run: it has no run\.json"):
        nnexp.Run("runs")
    (run.path / "run.json").write_text("damaged")
    assert nnexp.Run(run.path).path == run.path
    assert [run.name for run in nnexp.runs()] == ["a-s0"]


def test_a_number_that_an_epoch_lacks_is_nan() -> None:
    rows = [
        Row(epoch=1, learning_rate=None, train_cost=0.5),
        Row(epoch=4, learning_rate=None, train_cost=0.25, damping=2.0),
    ]
    columns = metrics.columns(rows)
    assert list(columns) == ["epoch", "train_cost", "damping"]
    assert columns["epoch"] == [1, 4]
    assert math.isnan(columns["damping"][0])
    assert columns["damping"][1] == 2.0
    assert metrics.columns([]) == {}


def test_runs_are_listed_by_name_and_condition(bench: Bench) -> None:
    assert not nnexp.runs()
    for seed in (1, 0):
        config = nnexp.load_config(bench.config(), {"seed": seed})
        nnexp.train(config, name=f"a-s{seed}")
    assert [run.name for run in nnexp.runs()] == ["a-s0", "a-s1"]
    assert [run.name for run in nnexp.runs("runs", "seed = 1 and test > 10%")] == ["a-s1"]
    with pytest.raises(UsageError, match="where"):
        nnexp.runs(where="sede = 1")
    (bench.folder / "runs" / "a-s0" / "run.json").write_text("{}")
    damaged = nnexp.runs()
    assert [run.name for run in damaged] == ["a-s0", "a-s1"]
    assert damaged.columns()["status"] == ["damaged", "finished"]
    assert damaged.columns()["learning_rate"] == [None, 0.5]


def test_runs_are_a_sequence_and_columns(bench: Bench) -> None:
    grid: dict[str, list[Any]] = {"learning_rate": [0.5, 1e-6], "hidden": [[5]]}
    ranked = nnexp.sweep(bench.config(), grid, seeds=[0, 2])
    assert isinstance(ranked[0], nnexp.Run)
    assert [run.path for run in ranked[1:3]] == [ranked[1].path, ranked[-2].path]
    assert repr(ranked[:1]) == f"[Run('{ranked[0].path}')]"
    columns = ranked.columns()
    assert {len(column) for column in columns.values()} == {4}
    assert columns["run"] == [str(run.path) for run in ranked]
    assert columns["learning_rate"] == [0.5, 0.5, 1e-6, 1e-6]
    assert columns["hidden"] == ["[5]"] * 4
    assert (columns["epochs"], columns["config.epochs"]) == ([3] * 4, [3] * 4)
    printed = json.loads(bench("runs", "--each", "--json").out)
    by_run = {row["run"]: row for row in printed}
    for index, run in enumerate(columns["run"]):
        for key in by_run[run].keys() - {"config", "tags"}:
            assert columns[key][index] == by_run[run][key]
        for key, value in by_run[run]["config"].items():
            name = f"config.{key}" if key == "epochs" else key
            text = json.dumps(value) if isinstance(value, list) else value
            assert columns[name][index] == text
    assert bench("note", str(ranked[0].path), "--tag", "keep,good").code == 0
    assert nnexp.runs(where="tag=keep").columns()["tags"] == ["good,keep"]
    assert nnexp.runs("none").columns()["status"] == []


def test_a_column_has_values_of_one_type(bench: Bench) -> None:
    for name, keys in (
        ("a", {"data.validation": 20, "class_weights": "balanced", "batch_size": "all"}),
        ("b", {"class_weights": [1, 2, 3], "optimizer": "momentum", "data.validation": None}),
    ):
        nnexp.train(nnexp.load_config(bench.config(), keys), name=name)
    nnexp.train(nnexp.load_config(bench.config(), {"batch_size": 7}), name="c")
    columns = nnexp.runs().columns()
    assert columns["batch_size"] == ["all", "10", "7"]
    assert columns["class_weights"] == ["balanced", "[1.0, 2.0, 3.0]", None]
    assert columns["optimizer.mu"] == [None, 0.9, None]
    assert columns["data.validation"] == [20, None, None]
    for column in columns.values():
        assert len({type(cell) for cell in column if cell is not None}) <= 1


def test_compare_takes_runs_names_and_patterns(bench: Bench) -> None:
    slow, fast = (
        nnexp.sweep(bench.config(), settings={"learning_rate": rate}, seeds=range(8))
        for rate in (1e-6, 1.0)
    )
    compared = nnexp.compare(*slow, *fast, metric="last_train_cost")
    assert compared.verdicts["B"].outcome == "better"
    assert [side.experiment.seeds for side in compared.sides] == [tuple(range(8))] * 2
    names = [str(runs[0].path).removesuffix("-s0") for runs in (slow, fast)]
    for places in (names, [Path(f"{name}-*") for name in names]):
        assert nnexp.compare(*places, metric="last_train_cost").verdicts == compared.verdicts
    with pytest.raises(UsageError, match="two experiments"):
        nnexp.compare(*slow[:1])


def test_counts_and_fractions_of_one_key_are_fractions() -> None:
    sizes: list[dict[str, Any]] = [{"data.validation": 20}, {"data.validation": 0.5}, {}]
    entries = [Entry(name="a", path="a", status="finished", config=config) for config in sizes]
    column = run_columns(entries)["data.validation"]
    assert column == [20.0, 0.5, None]
    assert isinstance(column[0], float)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_returns_its_runs_the_best_first(bench: Bench, jobs: int) -> None:
    grid: dict[str, list[Any]] = {"learning_rate": [1e-6, 0.5, 1e30], "hidden": [[5]]}
    ranked = nnexp.sweep(bench.config(), grid, seeds=[0, 2], jobs=jobs)
    assert [run.config.learning_rate for run in ranked[:4]] == [0.5, 0.5, 1e-6, 1e-6]
    assert [run.config.seed for run in ranked] == [0, 2] * 3
    assert {run.path.parent for run in ranked} == {Path("runs")}
    assert [run.status for run in ranked] == ["finished"] * 4 + ["diverged"] * 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documents_uses_nothing_else(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.findall(r"^ *(?:from nnexp|import nnexp\.).*$", text, re.MULTILINE)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"\bnnexp\.(\w+)", code)) <= set(PUBLIC)


def test_the_version_and_the_licence_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert project["license"] == "MIT AND CC-BY-SA-3.0"
    assert "Typing :: Typed" in project["classifiers"]
    assert f"## {nnexp.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")

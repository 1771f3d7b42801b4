"""``nnexp export``: what it refuses, in one line; what it leaves on the disk; the same bytes."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.store import disk
from nnexp.store.run import Run
from tests.export.requirements import is_installed, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench, Said

PACKAGES = {"onnx": "onnx", "safetensors": "safetensors", "tensorboard": "tensorboardX", "csv": ""}
"""The package that each format needs."""
NETWORKS = ("onnx", "safetensors")
FORMATS = tuple(PACKAGES)


def target(to: str, name: str = "a") -> str:
    return "logs" if to == "tensorboard" else f"{name}.{to}"


def need(to: str) -> None:
    if PACKAGES[to]:
        require(PACKAGES[to])


def export(bench: Bench, to: str, *runs: str) -> Said:
    return bench("export", *(runs or ("runs/a-s0",)), "--to", to, "-o", target(to))


def left(folder: Path) -> dict[str, bytes]:
    """Return the files outside runs, by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.relative_to(folder).parts[0] not in {"runs", "tiny.npz", "tiny.yaml"}
    }


# ---- what is missing ----


@pytest.mark.parametrize("to", [to for to in FORMATS if PACKAGES[to]])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    trained: Bench, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = PACKAGES[to]
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # an import of it then fails
    said = export(trained, to)
    fact = f"--to {to} needs {package}, which is not installed"
    assert said == (2, "", f"{fact}: pip install 'nnexp[{to}]'\n")
    assert left(trained.folder) == {}


def test_csv_needs_no_package(trained: Bench) -> None:
    said = trained.process(
        *("export", "runs/a", "--to", "csv", "-o", "a.csv"),
        env={**os.environ, "PYTHONPATH": _without_extras(trained.folder)},
    )
    assert said == (0, "a.csv\n", "")


def _without_extras(folder: Path) -> str:
    """Return a PYTHONPATH on which the extras' packages cannot be imported."""
    blocked = folder / "blocked"
    for package in filter(None, PACKAGES.values()):
        (blocked / package).mkdir(parents=True)
        (blocked / package / "__init__.py").write_text("raise ImportError\n")
    return os.pathsep.join([str(blocked), str(Path(disk.__file__).parents[2])])


def test_a_module_of_nnexp_that_is_missing_is_a_bug(
    trained: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nnexp.export.metrics_table", None)
    monkeypatch.setattr(sys, "argv", ["nnexp", "export", "runs/a", "--to", "csv", "-o", "a.csv"])
    from nnexp.cli import main  # noqa: PLC0415 - as in Bench

    del trained
    with pytest.raises(ModuleNotFoundError):
        main()


@pytest.mark.parametrize("to", FORMATS)
def test_runs_that_do_not_exist(trained: Bench, to: str) -> None:
    need(to)
    (trained.folder / "empty").mkdir()
    for run, code, message in (
        (
            "runs/d",
            2,
            (
                "runs/d: there is no such run, with or without -s and a seed; "
                "nnexp runs lists the runs\n"
            ),
        ),
        ("runs/d*", 2, "runs/d*: no run matches; nnexp runs lists the runs\n"),
        ("a", 2, "a: there is no such run, with or without -s and a seed; did you mean runs/a?\n"),
        ("empty", 5, "empty: is not a run: it has no run.json; nnexp runs lists the runs\n"),
    ):
        assert export(trained, to, run) == (code, "", message)
    assert left(trained.folder) == {}


def test_options_are_required_in_one_line(trained: Bench) -> None:
    said = trained("export", "runs/a", "-o", "a.csv")
    assert (said.code, said.out) == (2, "")
    choices = "Choose onnx, safetensors, csv or tensorboard."
    assert said.err.splitlines()[-1] == f"Error: Missing option '--to'. {choices}"
    said = trained("export", "runs/a", "--to", "csv")
    assert said.err.splitlines()[-1] == "Error: Missing option '-o' / '--output'."
    said = trained("export", "runs/a", "--to", "onxn", "-o", "a.onnx")
    assert said.err.endswith("got 'onxn'; did you mean 'onnx'?\n")


@pytest.mark.parametrize("to", NETWORKS)
def test_several_runs_have_no_one_network(trained: Bench, to: str) -> None:
    message = f"--to {to} exports one run, got 2; name one: runs/a-s0\n"
    assert export(trained, to, "runs/a") == (2, "", message)
    assert export(trained, to, "runs/a-s0", "runs/a-s1") == (2, "", message)


@pytest.mark.parametrize("to", FORMATS)
def test_a_directory_names_its_run_alone(trained: Bench, to: str) -> None:
    """As a run of version 0.1.0, whose experiment has other seeds: compare adds those."""
    need(to)
    (trained.folder / "runs" / "a-s0").rename(trained.folder / "runs" / "a")
    assert export(trained, to, "runs/a").code == 0
    if to == "csv":
        assert "a-s1" not in (trained.folder / "a.csv").read_text()
    os.chdir(trained.folder / "runs" / "a")
    said = trained("export", ".", "--to", to, "-o", f"../../{target(to, 'c')}")
    assert said.code == 0, said.err
    assert not (trained.folder / "events.out.tfevents.0.nnexp").exists()
    if to == "tensorboard":
        assert [path.name for path in (trained.folder / "logs").iterdir()] == ["a"]


def test_a_run_that_is_named_twice(trained: Bench) -> None:
    said = export(trained, "csv", "runs/*", "runs/a-s0")
    assert said == (2, "", "runs/a-s0: is named twice\n")


def test_runs_of_one_name_in_one_log_directory(trained: Bench) -> None:
    need("tensorboard")
    trained("train", "tiny.yaml", "-q", "--name", "a", "--runs", "others")
    said = export(trained, "tensorboard", "runs/a-s0", "others/a")
    fact = "runs/a-s0 and others/a-s0 have the same name"
    assert said == (2, "", f"{fact}; export them to different directories\n")
    assert left(trained.folder / "logs") == {}


# ---- runs in all states ----


@pytest.mark.parametrize("to", FORMATS)
def test_an_unfinished_run_is_exported_so_far(bench: Bench, to: str) -> None:
    need(to)
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "1")
    assert export(bench, to) == (0, f"{target(to)}\n", "")


@pytest.mark.parametrize("to", NETWORKS)
def test_a_run_without_epochs_has_no_network(bench: Bench, to: str) -> None:
    need(to)
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "1")
    for path in (bench.folder / "runs/a-s0/checkpoints").iterdir():
        path.unlink()
    (bench.folder / "runs/a-s0/metrics.jsonl").write_bytes(b"")
    assert export(bench, to) == (2, "", "runs/a-s0: has no evaluated epoch yet\n")
    assert left(bench.folder) == {}


@pytest.mark.parametrize("to", FORMATS)
def test_a_run_without_checkpoints_keeps_its_metrics(trained: Bench, to: str) -> None:
    need(to)
    for path in (trained.folder / "runs/a-s0/checkpoints").iterdir():
        path.unlink()
    result = Run(trained.folder / "runs/a-s0").result
    assert result is not None
    assert result.best is not None
    said = export(trained, to)
    if to in NETWORKS:
        assert (said.code, said.out) == (5, "")
        checkpoint = f"epoch-{result.best.epoch:06d}.npz"
        assert said.err.startswith(f"runs/a-s0/checkpoints/{checkpoint}: is missing; nnexp train ")
        assert left(trained.folder) == {}
    else:
        assert said == (0, f"{target(to)}\n", "")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "run.json": lambda _: b"{",
    "metrics.jsonl": lambda content: content.replace(b"0.", b"0.9", 1),
    "result.json": lambda content: content[:-20],
}


@pytest.mark.parametrize("file", DAMAGES)
@pytest.mark.parametrize("to", FORMATS)
def test_a_damaged_run_is_refused(trained: Bench, to: str, file: str) -> None:
    need(to)
    path = trained.folder / "runs/a-s1" / file
    path.write_bytes(DAMAGES[file](path.read_bytes()))
    runs = ["runs/a-s1"] if to in NETWORKS else ["runs/*"]
    said = export(trained, to, *runs)
    assert (said.code, said.out, said.err.count("\n")) == (5, "", 1)
    assert said.err.startswith("runs/a-s1")
    assert not (trained.folder / target(to)).is_file()
    assert not (trained.folder / "logs" / "a-s1").exists()


@pytest.mark.parametrize("to", NETWORKS)
def test_a_damaged_checkpoint_is_refused(trained: Bench, to: str) -> None:
    need(to)
    for path in (trained.folder / "runs/a-s0/checkpoints").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    said = export(trained, to)
    assert (said.code, said.out, said.err.count("\n")) == (5, "", 1)
    assert "is damaged" in said.err
    assert left(trained.folder) == {}


@pytest.mark.parametrize("to", FORMATS)
def test_the_data_are_not_needed(trained: Bench, to: str) -> None:
    need(to)
    trained.data(seed=1)
    assert export(trained, to).code == 0
    (trained.folder / "tiny.npz").unlink()
    assert export(trained, to).code == 0


@pytest.mark.parametrize("to", FORMATS)
def test_a_diverged_run_is_exported_as_far_as_it_went(bench: Bench, to: str) -> None:
    need(to)
    settings = ("learning_rate=1e30", "cost=quadratic", "output=linear", "activation=relu")
    arguments = [word for setting in settings for word in ("--set", setting)]
    assert bench("train", "tiny.yaml", "-q", "--name", "a", *arguments).code == 3
    said = export(bench, to)
    assert (said.code, said.err.count("\n")) == ((2, 1) if to in NETWORKS else (0, 0))


# ---- what is written ----


@pytest.mark.parametrize("to", FORMATS)
def test_the_same_export_has_the_same_bytes(trained: Bench, to: str) -> None:
    need(to)
    written = []
    for _ in range(3):
        assert export(trained, to) == (0, f"{target(to)}\n", "")
        written.append(left(trained.folder))
        shutil.rmtree("logs", ignore_errors=True)
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
def test_it_has_them_in_other_processes(trained: Bench, to: str) -> None:
    """Their dictionaries and hashes have other orders."""
    need(to)
    assert export(trained, to).code == 0
    written = [left(trained.folder)]
    for seed in "12":
        said = trained.process(
            *("export", "runs/a-s0", "--to", to, "-o", target(to)),
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert said == (0, f"{target(to)}\n", "")
        written.append(left(trained.folder))
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("to", FORMATS)
def test_an_existing_file_is_replaced(trained: Bench, to: str) -> None:
    need(to)
    path = trained.folder / target(to)
    if to == "tensorboard":
        path = path / "a-s0" / "events.out.tfevents.0.nnexp"
        path.parent.mkdir(parents=True)
    path.write_bytes(b"of an earlier export")
    assert export(trained, to).code == 0
    assert path.read_bytes() != b"of an earlier export"
    assert len(left(trained.folder)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@pytest.mark.parametrize("to", FORMATS)
def test_a_failed_write_leaves_the_former_file_and_nothing_else(
    trained: Bench, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(to)
    assert export(trained, to).code == 0
    before = left(trained.folder)
    trained("train", "tiny.yaml", "-q", "--name", "a", "--set", "epochs=4")
    (path,) = before

    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert export(trained, to) == (74, "", f"{path}: no space left on device\n")
    assert left(trained.folder) == before


@pytest.mark.parametrize("to", [to for to in FORMATS if to != "tensorboard"])
def test_files_that_cannot_be_written(trained: Bench, to: str) -> None:
    (trained.folder / target(to, "folder")).mkdir()
    for output, code, message in (
        (target(to, "folder"), 2, f"-o must be a file, not a directory, got 'folder.{to}'\n"),
        (target(to, "no/a"), 2, f"no/a.{to}: there is no folder no; mkdir -p no makes it\n"),
        (target(to, "tiny.yaml/a"), 2, f"tiny.yaml/a.{to}: tiny.yaml is not a folder\n"),
        ("a.txt", 2, f"-o must be a file whose name ends in .{to}, got 'a.txt'\n"),
    ):
        said = trained("export", "runs/a", "--to", to, "-o", output)
        assert said == (code, "", message)
    assert left(trained.folder) == {}


def test_log_directories_that_cannot_be_written(trained: Bench) -> None:
    for output, code, message in (
        ("tiny.yaml", 2, "-o must be a directory, not a file, got 'tiny.yaml'\n"),
        ("tiny.yaml/logs", 74, "tiny.yaml: is not a folder\n"),
    ):
        said = trained("export", "runs/a", "--to", "tensorboard", "-o", output)
        assert said == (code, "", message)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /sys, where nobody can write")
@pytest.mark.parametrize("to", FORMATS)
def test_a_folder_without_permission(trained: Bench, to: str) -> None:
    need(to)
    said = trained("export", "runs/a-s0", "--to", to, "-o", f"/sys/{target(to)}")
    assert (said.code, said.out, said.err.count("\n")) == (74, "", 1)
    assert said.err.startswith("/sys")
    assert ".tmp" not in said.err


@pytest.mark.parametrize("to", FORMATS)
def test_a_name_that_is_not_text(trained: Bench, to: str) -> None:
    """A directory may have any bytes as its name."""
    need(to)
    name = os.fsdecode(b"runs/\xff")
    (trained.folder / "runs/a-s0").rename(name)
    assert export(trained, to, name).code == 0


def test_every_format_is_tested() -> None:
    from nnexp.cli.export import LOGS, SUFFIXES  # noqa: PLC0415 - click's command has its name

    assert {*SUFFIXES, LOGS} == PACKAGES.keys()
    assert is_installed("numpy")


@pytest.mark.parametrize("to", ["numpy", "npz", "npy", "NumPy"])
def test_numpys_format_is_that_of_checkpoints(bench: Bench, to: str) -> None:
    fact = "a run's checkpoints are npz archives already, which numpy.load reads"
    message = f"--to {to}: {fact}: RUN/checkpoints/epoch-NNNNNN.npz; see docs/export.md\n"
    assert bench("export", "runs/a", "--to", to, "-o", "a.npz") == (2, "", message)

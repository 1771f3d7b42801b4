"""Writes never follow symbolic links, and never replace a file that is not a run's."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.errors import CorruptError
from nnexp.store import disk
from tests.hostile.damage import COMMANDS, RUN, Case, fifo, file, folder, link

if TYPE_CHECKING:
    from tests.hostile.conftest import Hostile


@pytest.mark.parametrize("name", ["log.txt", "timing.jsonl", "metrics.jsonl", "LOCK"])
def test_nothing_is_written_through_a_link(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    target = hostile.folder / "precious"
    target.write_text("as it was")
    runs(Case(link(name, "../../precious"), "", {}))
    assert hostile.bench(*COMMANDS["train"]).code == 5
    assert target.read_text() == "as it was"


@pytest.mark.parametrize(
    "write", [disk.write, partial(disk.append, sync=True), disk.write_atomically]
)
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_every_write_looks_where_it_goes(
    tmp_path: Path, kind: str, write: Callable[[Path, bytes], None]
) -> None:
    """A run is looked through before it is written to; this holds even when that came too early."""
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    for name in ("file", ".file.tmp"):
        (link(name, "precious") if kind == "link" else fifo(name))(tmp_path)
    with pytest.raises(CorruptError, match=r"file.*: is (a symbolic|not a reg)"):
        write(tmp_path / "file", b"other")
    assert precious.read_text() == "as it was"


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "checkpoints"])
def test_nothing_is_built_through_a_link(hostile: Hostile, name: str) -> None:
    """A run is built beside its place; what is prepared there must not lead elsewhere."""
    precious = hostile.folder / "precious"
    precious.mkdir()
    (precious / name).write_text("as it was")
    (hostile.folder / "runs").mkdir()
    (hostile.folder / "runs/.hostile-s0.new").symlink_to("../precious")
    said = hostile.holds(*COMMANDS["train"], code=5, told="is a symbolic link", changes=True)
    assert "runs/.hostile-s0.new" in said.err
    assert (precious / name).read_text() == "as it was"
    assert [path.name for path in precious.iterdir()] == [name]


@pytest.mark.parametrize("target", ["nowhere", "hostile", "/dev/null", "../tiny.npz"])
def test_a_run_s_name_that_leads_elsewhere_is_no_run(hostile: Hostile, target: str) -> None:
    (hostile.folder / "runs").mkdir()
    (hostile.folder / RUN).symlink_to(target)
    hostile.holds(*COMMANDS["train"], code=5, told="is not a run")


@pytest.mark.parametrize("kind", ["file", "fifo", "folder"])
def test_a_run_s_name_that_is_something_else_is_no_run(hostile: Hostile, kind: str) -> None:
    (hostile.folder / "runs").mkdir()
    {"file": file, "fifo": fifo, "folder": folder}[kind](RUN)(hostile.folder)
    hostile.holds(*COMMANDS["train"], code=5, told="is not a run")


FOLDERS = {
    ".thresholds": (5, ("find-rate", "tiny.yaml", "-q")),
    ".trash": (5, ("train", "tiny.yaml", "-q", "--name", "hostile", "--set", "epochs=4")),
    ".growth": (0, ("train", "tiny.yaml", "-q", "--set", "lambda=3")),
    ".sweep": (3, ("sweep", "tiny.yaml", "-q", "--grid", "learning_rate=1e30", "-j", "1")),
}
"""Folders of nnexp's own in the folder of runs, with a command that writes there, and its code."""


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_is_written_into_a_folder_that_a_link_leads_to(hostile: Hostile, name: str) -> None:
    """As faults/7: runs may come from a stranger, with links to the user's own folders."""
    hostile.bench("train", "tiny.yaml", "-q", "--name", "hostile")
    victim, linked = hostile.folder / "victim", hostile.folder / "runs" / name
    victim.mkdir()
    if linked.exists():
        linked.rename(hostile.folder / "before")
    linked.symlink_to("../victim")
    code, command = FOLDERS[name]
    said = hostile.bench(*command)
    assert said.code == code, said
    assert (f"{name}: is a symbolic link" in said.err) == (code == 5)
    assert list(victim.iterdir()) == []


OUTPUTS = (
    ("compare", "runs/hostile-s0", "runs/b-s0", "--plot", "l.png"),
    ("inspect", "tiny.yaml", "--plot", "l.png"),
    ("report", "runs/hostile-s0", "-o", "l.html"),
    ("export", "runs/hostile-s0", "--to", "csv", "-o", "l.csv"),
    ("init", "l.yaml"),
)


@pytest.mark.parametrize("command", OUTPUTS, ids=[command[0] for command in OUTPUTS])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "fifo"])
def test_an_output_replaces_only_files(
    hostile: Hostile, command: tuple[str, ...], kind: str
) -> None:
    for name in ("hostile", "b"):
        hostile.bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"seed={len(name)}")
    command = tuple(word.replace("-s0", f"-s{len(word[5:-3])}") for word in command)
    precious, target = hostile.folder / "precious", hostile.folder / command[-1]
    if kind == "fifo":
        os.mkfifo(target)
    else:
        precious.write_text("as it was")
        target.symlink_to("precious" if kind == "link" else "nothing")
    said = hostile.bench(*command)
    assert said.code in {2, 5}, said
    assert command[-1] in said.err
    assert len(said.err.splitlines()) == 1
    assert kind == "fifo" or precious.read_text() == "as it was"
    assert target.is_symlink() == (kind != "fifo")
    assert not (hostile.folder / "nothing").exists()

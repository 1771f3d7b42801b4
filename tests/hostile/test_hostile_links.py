"""Writes never follow symbolic links, and never replace a file that is not a run's."""

from __future__ import annotations

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

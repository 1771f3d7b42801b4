"""The command that rm prints undoes what it did, to the letter."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.parametrize("more", [(), ("--checkpoints", "all")], ids=["runs", "checkpoints"])
@pytest.mark.parametrize(
    ("names", "argument", "restored"),
    [
        (["a[1]-s0"], "runs/a[1]-s0", "'runs/a[1]-s0'"),
        (["my run-s0"], "runs/my run", "'runs/my run-s0'"),
        (["a-s0", "a-s1", "a-s2"], "runs/a", "runs/a"),
        (["a", "a-s1", "a-s2"], "runs/a*", "runs/a runs/a-s1 runs/a-s2"),
    ],
)
def test_one_name_is_enough_for_an_experiment_unless_it_means_others(
    bench: Bench, names: list[str], argument: str, restored: str, more: tuple[str, ...]
) -> None:
    make(bench, names)
    before = bench.files("runs")
    said = bench("rm", argument, *more)
    assert said.code == 0, said.err
    assert said.err.startswith(f"nnexp rm --restore {restored} undoes this, ")
    assert bench.files("runs") != before
    undo(bench, said.err)
    assert bench.files("runs") == before


@pytest.mark.parametrize(
    ("more", "restored"),
    [((), "runs/a-s1 runs/a-s2"), (("--checkpoints", "all"), "runs/a-s1 runs/a-s2")],
    ids=["runs", "checkpoints"],
)
def test_seeds_are_named_one_by_one_if_others_would_come_back_as_well(
    bench: Bench, more: tuple[str, ...], restored: str
) -> None:
    make(bench, ["a-s0", "a-s1", "a-s2"])
    assert bench("rm", "runs/a-s0", *more).code == 0
    before = bench.files("runs")
    said = bench("rm", "runs/a-s[12]", *more)
    assert said.err.startswith(f"nnexp rm --restore {restored} undoes this, ")
    undo(bench, said.err)
    assert bench.files("runs") == before


def make(bench: Bench, names: list[str]) -> None:
    """Train runs of one experiment, whose seeds their names end in."""
    for name in names:
        seed = name[-1] if name[-2:-1] == "s" else "0"
        assert bench("train", "tiny.yaml", "-q", "--name", "x", "--set", f"seed={seed}").code == 0
        (bench.folder / f"runs/x-s{seed}").rename(bench.folder / "runs" / name)


def undo(bench: Bench, err: str) -> None:
    """Run the command that undoes a move."""
    words = shlex.split(err.partition(" undoes this")[0])
    assert bench(*words[1:]).code == 0

"""Progress of a sweep: the table at any width, the best result so far, and the time left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.cli import fit_table
from nnexp.cli.study_progress import SEED, StudyProgress, TimeLeft
from nnexp.study import sweep_file
from nnexp.study.execution import Ended, Progressed, Started
from nnexp.study.job import EpochCommitted, Job, Outcome
from nnexp.study.plan import plan
from nnexp.tune.trials import Update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Bench

HEADER = ("run", "learning_rate", "lambda", "seed", "epoch", "validation")
ROWS = [("tiny-0123456789ab-s0", "0.001", "10", "0", "236/1000", "97.25 %")] * 2


def jobs(*settings: str, seeds: int = 4) -> list[Job]:
    """Return the jobs of as many seeds."""
    found = plan(sweep_file.read("tiny.yaml", settings, ["lambda=0"], list(range(seeds))))
    return found.jobs(Path("runs"))


def rendered(
    width: int, header: Sequence[str] = HEADER, rows: Sequence[Sequence[str]] = ROWS
) -> list[str]:
    from rich.console import Console  # noqa: PLC0415 - with its one use

    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(fit_table.fitted(header, rows, width))
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("width", "header", "row"),
    [
        (
            100,
            "run                   learning_rate  lambda  seed  epoch     validation",
            "tiny-0123456789ab-s0  0.001          10      0     236/1000  97.25 %",
        ),
        (
            56,
            "run                   lear…  l…  …  epoch     validation",
            "tiny-0123456789ab-s0  0.001  10  0  236/1000  97.25 %",
        ),
        (
            40,
            "lear…  lamb…  seed  epoch     validation",
            "0.001  10     0     236/1000  97.25 %",
        ),
        (24, "lear…  epoch     valida…", "0.001  236/1000  97.25 %"),
        (19, "epoch     validati…", "236/1000  97.25 %"),
    ],
)
def test_a_table_leaves_columns_out_and_cuts_no_number(width: int, header: str, row: str) -> None:
    assert [line.rstrip() for line in rendered(width)] == [header, row, row]


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [
        (["tiny-0fe5aaaa-s3", "tiny-1234bbbb-s3"], 13, ["tiny-0fe5…-s3", "tiny-1234…-s3"]),
        (["tiny-0fe5aaaa-s3", "tiny-1234bbbb-s3"], 16, ["tiny-0fe5aaaa-s3", "tiny-1234bbbb-s3"]),
        (["a-long-config-0fe5-s3", "a-long-config-1234-s12"], 10, ["…0fe5-s3", "…1234-s12"]),
        (["tiny-0fe5aaaa-s3", "tiny-0fe5aaaa-s14"], 11, ["tiny-0f…-s3", "tiny-0…-s14"]),
        (["tiny-0fe5aaaa-s3"], 8, ["tiny…-s3"]),
        (["a-long-config-0fe5-s3", "a-long-config-1234-s12"], 9, ["…0fe5-s3", "…123…-s12"]),
        (["a", "anotherone"], 8, ["a", "another…"]),
    ],
)
def test_names_are_cut_where_they_do_not_differ(
    names: list[str], width: int, expected: list[str]
) -> None:
    header, rows = ("run", "epoch", "accuracy"), [(name, "1/2", "90 %") for name in names]
    shown = rendered(width + 2 + 3 + 2 + 4, header, rows)
    assert [line.split("  ")[0].rstrip() for line in shown[1:]] == expected


def test_a_stage_has_its_own_counts(bench: Bench) -> None:
    assert bench.folder.exists()
    found, view = jobs(), StudyProgress(SEED, quiet=True)
    view.report(Update("stage 2: rates", stage="stage 2"))
    view.report(Update("a rate", "threshold at least 1"))
    view.report(Update("first; second"))
    for each in found[:2]:
        view.show(Ended(each, Outcome(), was_done=False))
    assert view.status() == ["stage 2: 2 done", "threshold at least 1"]
    view.report(Update("stage 3: decay", stage="stage 3"))
    assert view.status() == ["stage 3: 0 done"]


@pytest.mark.slow
def test_on_a_narrow_terminal_numbers_are_whole(bench: Bench) -> None:
    grid = ("--grid", "learning_rate=0.015625,0.03125", "--grid", "lambda=0,1")
    arguments = ("sweep", "tiny.yaml", *grid, "--set", "epochs=1500", "--set", "patience=null")
    shown = bench.on_a_terminal(*arguments, "-j", "2", columns=40)
    told = re.findall(r"(\S+) +(\d+\.\d\d %)", shown)
    assert any(re.fullmatch(r"\d+/1500", epoch) for epoch, _ in told)
    lines = [line for line in shown.splitlines() if "/1" in line and "runs" not in line]
    live = [line for line in lines if re.search(r"0\.0\d+", line)]
    assert live
    for line in live:
        assert re.search(r" \d+/1500 +(\d+\.\d\d %|-)", line), line


def test_the_best_so_far_is_the_highest_accuracy(bench: Bench) -> None:
    assert bench.folder.exists()
    found = jobs()
    view = StudyProgress(SEED, len(found), quiet=True)
    for trial, accuracy in zip(found, (0.5, 0.75, 0.625), strict=False):
        view.show(Started(trial))
        view.show(Progressed(trial, EpochCommitted(1, accuracy)))
    assert view.best == (0.75, found[1])
    view.show(Ended(found[3], Outcome(accuracies={"validation": 0.875}), was_done=True))
    view.show(Ended(found[2], Outcome(accuracies={"validation": 0.625}), was_done=False))
    assert view.best == (0.875, found[3])


def test_what_is_shown_tells_the_time_left(bench: Bench) -> None:
    """A trial of three that trained whole, and a third of another, are 4/3 trials in 4/3 s."""
    assert bench.folder.exists()
    found, view = jobs("epochs=3"), StudyProgress(SEED, 4, quiet=True)
    for epoch in (1, 2, 3):
        view.show(Progressed(found[0], EpochCommitted(epoch, 0.5)))
    view.show(Ended(found[0], Outcome(), was_done=False))
    view.show(Ended(found[1], Outcome(), was_done=True))
    view.show(Ended(found[2], Outcome(code=1), was_done=False))
    view.show(Progressed(found[3], EpochCommitted(1, 0.5)))
    assert view.time_left.seconds(4 / 3) == pytest.approx(2 / 3)


def test_the_time_left_by_hand(bench: Bench) -> None:
    """Four trials of ten epochs: one and a half in 30 s are 20 s each, and 2.5 are left."""
    assert bench.folder.exists()
    found, pace = jobs("epochs=10"), TimeLeft(4)
    assert pace.seconds(5) is None
    for epoch in range(1, 11):
        pace.progressed(found[0], epoch)
    pace.ended(found[0], failed=False, was_done=False)
    for epoch in range(1, 6):
        pace.progressed(found[1], epoch)
    assert pace.seconds(30) == pytest.approx(50)


def test_what_earlier_sweeps_trained_is_no_work_of_this_one(bench: Bench) -> None:
    """Trial 0 was done, trial 1 went on from epoch 8, so 0.1 trials in 10 s; 0.1 + 2 are left."""
    assert bench.folder.exists()
    found, pace = jobs("epochs=10"), TimeLeft(4)
    pace.ended(found[0], failed=False, was_done=True)
    pace.progressed(found[1], 9)
    assert pace.seconds(10) == pytest.approx(210)
    pace.progressed(found[1], 10)  # 0.2 trials in 20 s
    pace.ended(found[1], failed=False, was_done=False)
    assert pace.seconds(20) == pytest.approx(200)


def test_what_fails_at_once_says_nothing_of_the_time_left(bench: Bench) -> None:
    assert bench.folder.exists()
    found, pace = jobs("epochs=10"), TimeLeft(4)
    pace.ended(found[0], failed=True, was_done=False)
    pace.ended(found[1], failed=True, was_done=False)
    assert pace.seconds(1) is None
    for epoch in range(1, 6):
        pace.progressed(found[2], epoch)
    pace.ended(found[2], failed=True, was_done=False)  # half a trial
    assert pace.seconds(10) == pytest.approx(20)


def test_what_stops_early_is_a_whole_trial(bench: Bench) -> None:
    assert bench.folder.exists()
    found, pace = jobs("epochs=1000"), TimeLeft(4)
    pace.progressed(found[0], 1)
    pace.progressed(found[0], 2)
    pace.ended(found[0], failed=False, was_done=False)
    assert pace.seconds(2) == pytest.approx(6)

"""A sweep trains the runs of a shell loop, ranks them, and skips finished ones."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.seeds import Spread, spread
from nnexp.store import writer
from tests.conftest import missing_path_hint
from tests.faults.trees import runs
from tests.study.sweeps import GRID, patched, runs_of

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.slow
def test_a_sweep_makes_the_very_runs_of_a_shell_loop(bench: Bench) -> None:
    code, out, err = bench.process("sweep", "tiny.yaml", *GRID, "--seeds", "2", "-j", "2")
    assert code == 0
    *lines, advice = err.splitlines()
    assert len(lines) == 8
    assert lines[-1].startswith("[8/8] tiny-")
    assert advice.startswith("no verdict: too few seeds")
    header, *table = out.splitlines()
    assert header.split() == ["rank", "learning_rate", "lambda", "validation", "test", "runs"]
    assert [row.split()[0] for row in table] == ["1", "2", "3", "4"]
    for rate in ("0.1", "1"):
        for strength in ("0", "1"):
            bench.call(
                *("train", "tiny.yaml", "-q", "--runs", "loop", "--seeds", "2"),
                *("--set", f"learning_rate={rate}", "--set", f"lambda={strength}"),
            )
    assert runs(bench) == runs(bench, "loop")
    assert not (bench.folder / "runs" / ".sweep").exists()


def test_what_is_finished_is_skipped_and_what_is_broken_resumed(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--set", "lambda=1")
    bench("train", "tiny.yaml", "-q", "--set", "lambda=2", "--until", "1")
    logs = {path: path.read_text() for path in bench.folder.glob("runs/*/log.txt")}
    code, _, err = bench.process("sweep", "tiny.yaml", "--grid", "lambda=1,2,3", "-j", "1")
    assert code == 0
    said = [re.sub(r" tiny-\S+ ", " ", line) for line in err.splitlines()[:3]]
    assert [line.partition(",")[0] for line in said] == [
        "[1/3] lambda=1: already done",
        "[2/3] lambda=2: done",
        "[3/3] lambda=3: done",
    ]
    grown = [path.read_text()[len(old) :] for path, old in logs.items()]
    assert "" in grown
    assert any("training from epoch 2" in text for text in grown)


def test_nothing_is_forked_where_all_is_done(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q")
    done = patched(bench, "pass", "--set", "epochs=1")
    assert done.code == 0
    again = patched(bench, "os._exit(9)", "--set", "epochs=1", "--json")
    assert again.code == 0
    assert json.loads(again.out)["failures"] == []


def test_the_ranking_is_the_mean_and_standard_deviation_over_seeds(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=0.01,1", "--seeds", "3", "--json")
    code, out, err = bench.process(*arguments, "-q")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["judged"], told["failures"], told["not_run"]) == (
        "best_validation_accuracy",
        [],
        [],
    )
    best, worst = told["ranking"]
    assert best["values"] == {"learning_rate": 1}
    assert best["best_validation_accuracy"]["mean"] > worst["best_validation_accuracy"]["mean"]
    reached = []
    for run in best["runs"]:
        result = json.loads((bench.folder / run / "result.json").read_text())
        reached.append(result["best"]["validation_accuracy"])
    mean = sum(reached) / 3
    deviation = (sum((each - mean) ** 2 for each in reached) / 2) ** 0.5
    assert best["best_validation_accuracy"]["mean"] == pytest.approx(mean)
    assert best["best_validation_accuracy"]["sd"] == pytest.approx(deviation)
    assert best["best_validation_accuracy"]["count"] == 3


def test_a_ranking_by_test_accuracy_has_one_such_column_and_a_note(bench: Bench) -> None:
    """The author's files have no validation data: the same numbers stood there twice."""
    bench.config(monitor=["train", "test"], patience=None)
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=0.01,1", "-j", "1")
    code, out, err = bench(*arguments)
    assert (code, out.split("\n")[0].split()) == (0, ["rank", "learning_rate", "test", "runs"])
    assert "note: ranked by test accuracy, since not every run has a validation accuracy;" in err
    assert "Set data.validation and monitor to rank by validation accuracy\n" in err
    assert json.loads(bench(*arguments, "--json").out)["judged"] == "test_accuracy"
    assert bench(*arguments, "-q").err == ""


def test_points_that_tie_with_the_best_are_counted(bench: Bench) -> None:
    err = bench(
        "sweep", "tiny.yaml", "--grid", "patience=9,8", "--grid", "learning_rate=0.5,1e-9"
    ).err
    reason = "the 60 validation examples cannot rank them: one example is 1.7 points"
    assert f"\nnote: 2 points tie at the best validation accuracy; {reason}\n" in err
    err = bench("sweep", "tiny.yaml", "--grid", "learning_rate=0.5,1e-9").err
    assert " tie " not in err


def test_spread_by_hand() -> None:
    assert spread([]) is None
    assert spread([0.5]) == Spread(0.5, None, (0.5,))
    found = spread([2.0, 4.0, 4.0, 6.0])
    assert found is not None
    assert (found.mean, found.sd, found.count) == pytest.approx((4.0, (8 / 3) ** 0.5, 4))


def test_a_run_that_is_trained_elsewhere_is_waited_for(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--set", "lambda=1", "--until", "1")
    (lock,) = bench.folder.glob("runs/*/LOCK")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = bench.start("sweep", "tiny.yaml", "--grid", "lambda=1,2", "-j", "1")
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        assert process.poll() is None
    out, _ = process.communicate(timeout=30)
    assert lines[0].endswith("another process trains it\n")
    assert " lambda=2: done" in lines[1]
    assert process.returncode == 0
    assert [row.split()[-1] for row in runs_of(out)] == ["1", "1"]
    assert "of" not in out


def test_data_that_is_missing_is_told_before_anything_is_trained(bench: Bench) -> None:
    code, out, err = bench.process("sweep", "tiny.yaml", "--grid", "data.file=tiny.npz,gone.npz")
    assert (code, out, err) == (
        2,
        "",
        f"gone.npz: No such file or directory{missing_path_hint(bench.folder)}\n",
    )
    assert not (bench.folder / "runs").exists()


def test_without_its_data_a_finished_sweep_cannot_know_its_runs(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", *GRID, "-q")
    assert bench.process(*arguments).code == 0
    (bench.folder / "tiny.npz").unlink()
    assert bench.process(*arguments) == (
        2,
        "",
        f"tiny.npz: No such file or directory{missing_path_hint(bench.folder)}\n",
    )


def test_data_that_is_too_small_for_some_is_told_before_anything_is_trained(bench: Bench) -> None:
    code, out, err = bench.process("sweep", "tiny.yaml", "--grid", "data.train=100,1000")
    assert (code, out) == (2, "")
    assert "data.train asks for 1000 examples, but there are 200" in err
    assert not (bench.folder / "runs").exists()


def test_a_folder_of_runs_that_cannot_be_is_one_error(bench: Bench) -> None:
    code, out, err = bench.process("sweep", "tiny.yaml", *GRID, "--runs", "tiny.npz/runs")
    assert (code, out, err) == (74, "", "tiny.npz: is not a folder\n")


def test_a_run_of_another_config_under_the_name_is_listed_as_such(bench: Bench) -> None:
    first, second = json.loads(bench("sweep", "tiny.yaml", *GRID, "--dry-run", "--json").out)[
        "runs"
    ][:2]
    assert bench("train", "tiny.yaml", "-q", "--set", "epochs=1", "--name", first["name"]).code == 0
    listed = json.loads(bench("sweep", "tiny.yaml", *GRID, "--dry-run", "--json").out)["runs"]
    assert [each["status"] for each in listed][:2] == ["taken", second["status"]]


def test_a_warning_of_many_trials_is_told_once(bench: Bench) -> None:
    code, _, err = bench.process(
        "sweep", "tiny.yaml", "--set", "regularizer=l1", "--grid", "epochs=1,2,3", "-q"
    )
    assert code == 0
    assert err == "warning: regularizer l1 has no effect while lambda is 0\n"


def test_of_many_different_warnings_five_are_told(bench: Bench) -> None:
    grid = ("--grid", "batch_size=201,202,203,204,205,206,207,208", "--set", "epochs=1")
    _, _, err = bench.process("sweep", "tiny.yaml", *grid, "-q", "-j", "1")
    assert err.count("is more than the 200 training examples") == 5
    assert err.splitlines()[-1] == "warning: further warnings are not shown"


@pytest.mark.slow
def test_on_a_terminal_a_table_lives_and_goes(bench: Bench) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, 0x5414, b"\x28\x00\x78\x00\x00\x00\x00\x00")  # 40 lines of 120 columns
    for name in (
        "[b].npz",
        "\u202e.npz",
    ):  # rich's markup for bold letters, and text from the right
        bench.data(name=name)
    grid = 'data.file="[b].npz","\u202e.npz"'
    arguments = ("sweep", "tiny.yaml", "--grid", grid, "--set", "epochs=1000")
    process = bench.start(*arguments, "--set", "patience=null", "-j", "2", stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # what a terminal says once nobody writes to it
            break
    os.close(ours)
    out, _ = process.communicate(timeout=30)
    text = shown.decode()
    assert process.returncode == 0
    assert len(runs_of(out)) == 2
    assert "2 runs: 0 done, 2 running" in text
    assert re.search(r"best so far: validation \d+\.\d\d %, tiny-", text)
    for file in (r"\[b\]", r"\\u202e"):
        assert re.search(rf'tiny-\S+ +"{file}\.npz" +0 +\d+/1000', text)
    assert "\u202e" not in text
    assert "about" in text
    assert "[1/2]" not in text


def test_a_run_that_another_makes_between_two_looks_is_as_any_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = writer.create

    def late(*arguments: Any) -> writer.Writer:  # noqa: ANN401 - passed on
        create(*arguments).close()
        return create(*arguments)

    monkeypatch.setattr(writer, "create", late)
    assert bench("train", "tiny.yaml", "-q").code == 0
    assert "finished" in bench("runs").out

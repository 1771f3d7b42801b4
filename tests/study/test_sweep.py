"""A sweep as a user has it: real processes on small data, ended in every way there is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from nnexp.report import renderer, study_figures
from nnexp.seeds import spread
from nnexp.store import writer
from nnexp.store.run import Run
from nnexp.study import job_script, sweep_file
from nnexp.study.job import Job, Outcome
from nnexp.study.local import process
from nnexp.study.local.pool import Pool
from nnexp.study.plan import PlannedRun, plan
from nnexp.study.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench

LONG = ("--set", "epochs=100000", "--set", "patience=null")
GRID = ("--grid", "learning_rate=0.1,1", "--grid", "lambda=0,1")
PATCHED = """
import os, signal, sys, time
from nnexp.study.local import child
real = child.train
def train(job, *rest):
    if job.config.lambda_ == 1:
        {act}
    return real(job, *rest)
child.train = train
from nnexp.cli import main
main()
"""
"""The command with a trial that does something else than train."""


def runs(bench: Bench, folder: str = "runs") -> dict[str, dict[str, bytes]]:
    """Return what the runs of a folder must hold to the last byte, by name."""
    names = [path.name for path in (bench.folder / folder).iterdir()]
    return {name: bench.files(f"{folder}/{name}") for name in sorted(names)}


def until(happens: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in told.read_text().split()] if told.exists() else []


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


def epochs(bench: Bench) -> int:
    return sum(len(list(each.iterdir())) for each in bench.folder.glob("runs/*/checkpoints"))


def measured(bench: Bench) -> int:
    return sum(len(each.read_bytes().splitlines()) for each in bench.folder.glob("runs/*/m*.jsonl"))


def begun(bench: Bench, *arguments: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """Start a sweep that takes forever, and return when two trials have committed something."""
    process = bench.start("sweep", "tiny.yaml", *GRID, *LONG, "-j", "2", *arguments, **options)
    until(lambda: len(list(bench.folder.glob("runs/*/checkpoints/*.npz"))) >= 4)
    return process


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def patched(bench: Bench, act: str, *arguments: str) -> Ended:
    script = PATCHED.format(act=act)
    command = [sys.executable, "-c", script, "sweep", "tiny.yaml", *GRID, *arguments]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


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
    assert (told["split"], told["failures"], told["not_run"]) == ("validation", [], [])
    best, worst = told["ranking"]
    assert best["values"] == {"learning_rate": 1}
    assert best["accuracy"]["mean"] > worst["accuracy"]["mean"]
    reached = []
    for run in best["runs"]:
        result = json.loads((bench.folder / run / "result.json").read_text())
        reached.append(result["best"]["validation_accuracy"])
    mean = sum(reached) / 3
    deviation = (sum((each - mean) ** 2 for each in reached) / 2) ** 0.5
    assert best["accuracy"]["mean"] == pytest.approx(mean)
    assert best["accuracy"]["sd"] == pytest.approx(deviation)
    assert best["accuracy"]["seeds"] == 3


def test_spread_by_hand() -> None:
    assert spread([]) is None
    assert spread([0.5]) == (0.5, None, 1)
    found = spread([2.0, 4.0, 4.0, 6.0])
    assert found is not None
    assert found == pytest.approx((4.0, (8 / 3) ** 0.5, 4))


def test_a_trial_that_diverges_touches_no_other(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,0.1,1", "-j", "2")
    code, out, err = bench.process(*arguments)
    assert code == 3
    assert re.search(r"^failed \(exit 3\): runs/tiny-\S+-s0: diverged in epoch", err, re.MULTILINE)
    assert out.splitlines()[-1].split() == ["-", "1e+30", "diverged", "-", "0", "of", "1"]
    again = bench.process(*arguments)
    assert (again.code, again.out) == (3, out)


@pytest.mark.parametrize(
    ("act", "code", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "killed by SIGSEGV; see runs/.sweep/"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "killed by SIGKILL"),
        ("os._exit(0)", 1, "its process exited without reporting a result"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero; see runs/.sweep/"),
    ],
)
def test_a_trial_that_crashes_touches_no_other(
    bench: Bench, act: str, code: int, reason: str
) -> None:
    done = patched(bench, act, "-j", "2")
    assert done.code == code
    failed = [line for line in done.err.splitlines() if line.startswith("failed")]
    assert len(failed) == 2
    for line in failed:
        assert line.startswith(f"failed (exit {code}): runs/tiny-")
        assert reason in line
        if "see" in line:
            log = (bench.folder / line.rpartition(" ")[2]).read_text()
            assert "ZeroDivisionError" in log or "Segmentation fault" in log
    assert len(runs_of(done.out)) == 4
    assert bench.process("sweep", "tiny.yaml", *GRID, "-q").code == 0


def runs_of(table: str) -> list[str]:
    return table.splitlines()[1:]


def test_a_trial_whose_time_is_up_stops_and_the_next_sweep_goes_on_with_it(bench: Bench) -> None:
    arguments = ("--grid", "lambda=0", *LONG, "--timeout", "0.5")
    code, out, err = bench.process("sweep", "tiny.yaml", *arguments)
    assert (code, out) == (143, "no trial has a result\n")
    assert "took more than 0.5 s; what is committed is safe" in err
    first = epochs(bench)
    assert first
    (run,) = (path for path in (bench.folder / "runs").iterdir() if path.name[0] != ".")
    bench.process("sweep", "tiny.yaml", *arguments)
    begun_from = [int(line.split()[-1]) for line in (run / "log.txt").read_text().splitlines()]
    assert begun_from[0] == 1 < begun_from[1]


def test_a_trial_that_hangs_is_killed_once_its_time_is_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    act = "time.sleep(60)"
    early = "from nnexp.study.local import process; process.GRACE = 0.3"
    script = f"{early}\n{PATCHED.format(act=act)}"
    command = [sys.executable, "-c", script, "sweep", "tiny.yaml", *GRID, "--timeout", "0.5"]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 137
    assert "took more than 0.5 s" in done.stderr


def test_a_trial_that_takes_too_much_memory_is_killed_alone(bench: Bench) -> None:
    act = "held = bytearray(600_000_000); time.sleep(30)"
    done = patched(bench, act, "--max-memory", "500M", "-j", "2")
    assert done.code == 137
    assert re.search(r"took \d+ MB of memory, more than 500 MB", done.err)
    assert done.err.count("failed (exit 137)") == 2
    assert [row.split()[-1] for row in runs_of(done.out)] == ["1", "1", "1", "1"]


SCARCE = """
import errno, os, sys
calls, real, most = [], os.fork, {most}
def fork():
    calls.append(1)
    if len(calls) in most:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real()
os.fork = fork
from nnexp.cli import main
main()
"""
"""The command where the system has no process left at some calls."""


def scarce(bench: Bench, most: str, *arguments: str) -> Ended:
    script = SCARCE.format(most=most)
    command = [sys.executable, "-c", script, "sweep", "tiny.yaml", *GRID, *arguments]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_trial_that_finds_no_process_left_is_tried_again_once_another_has_ended(
    bench: Bench,
) -> None:
    code, out, err = scarce(bench, "{2, 4}", "-j", "3")
    assert (code, len(runs_of(out))) == (0, 4)
    assert [line.split()[0] for line in err.splitlines()[:-1]] == [
        f"[{place}/4]" for place in (1, 2, 3, 4)
    ]


def test_a_trial_that_finds_no_process_left_where_nothing_else_runs_fails(bench: Bench) -> None:
    code, out, err = scarce(bench, "range(1000)", "-j", "2", "--json")
    failures = json.loads(out)["failures"]
    assert (code, len(failures)) == (74, 4)
    for each in failures:
        assert each["reason"] == (
            f"{each['run']}: cannot start its process: resource temporarily unavailable; "
            "see ulimit -a, or lower -j"
        )
    assert "Traceback" not in err


def test_what_was_opened_for_a_trial_that_cannot_start_is_closed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    (trial,) = plan(sweep_file.read("tiny.yaml", (), ["lambda=1"])).trials
    engine = Pool(2, bench.folder / "runs")
    before = sorted(Path("/dev/fd").iterdir())
    with monkeypatch.context() as patch, closing(engine):
        patch.setattr(os, "fork", fork)
        outcome = engine.submit(Job(trial.config, Run(bench.folder / trial.name))).result()
        assert sorted(Path("/dev/fd").iterdir()) == before
    assert (outcome.code, outcome.is_scarce) == (74, True)


def with_files(bench: Bench, jobs: int, count: int = 40) -> Ended:
    words = ["sweep", "tiny.yaml", "--grid", f"lambda={','.join(map(str, range(12)))}"]
    shell = f'ulimit -n {count}; exec "$@"'
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "nnexp", *words, "-j", str(jobs)]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_more_trials_at_a_time_than_there_may_be_open_files_for_are_refused(bench: Bench) -> None:
    code, out, err = with_files(bench, 12)
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"12 trials at a time need \d\d open files, but only 40 are allowed; lower -j, "
        r"or raise the limit \(ulimit -n\)\n",
        err,
    )
    assert not (bench.folder / "runs").exists()
    code, out, _ = with_files(bench, 8)
    assert (code, len(runs_of(out))) == (0, 12)


@pytest.mark.parametrize(
    ("text", "size"), [("500M", 500 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), ("7", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert process.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-5M", "0", "5X", "1e9", "nan", "5 M M"])
def test_what_is_no_size_is_refused(bench: Bench, text: str) -> None:
    code, _, err = bench("sweep", "tiny.yaml", f"--max-memory={text}", "--dry-run")
    assert (code, "is not a size, such as 500M or 1.5G" in err) == (2, True)


def test_what_a_failure_stops_under_fail_fast_is_no_failure_itself(bench: Bench) -> None:
    grid = ("--grid", "learning_rate=0.1,1e30", *LONG, "-j", "2")
    code, out, _ = bench.process("sweep", "tiny.yaml", *grid, "--fail-fast", "--json")
    told = json.loads(out)
    assert (code, len(told["failures"]), len(told["not_run"])) == (3, 1, 1)


def test_fail_fast_stops_all_and_keep_going_none(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,0.1,0.2,0.3", "-j", "1")
    code, out, _ = bench.process(*arguments, "--fail-fast", "--json")
    told = json.loads(out)
    assert (code, len(told["failures"]), len(told["not_run"])) == (3, 1, 3)
    code, out, _ = bench.process(*arguments, "--keep-going", "--json")
    told = json.loads(out)
    assert (code, len(told["failures"]), len(told["not_run"])) == (3, 1, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_sweep_and_trials_and_loses_nothing(
    bench: Bench, number: signal.Signals
) -> None:
    process = begun(bench)
    trials = children(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == (
        "stopped with 0 of 4 trials done; what is committed is safe; "
        "the same command goes on from there"
    )
    assert len(trials) == 2
    assert all(map(gone, trials))
    assert not (bench.folder / "runs" / ".sweep").exists()
    statuses = bench("runs").out
    assert statuses.count("interrupted") == 2


def test_a_signal_to_the_whole_group_as_a_terminal_sends_it_is_the_same(bench: Bench) -> None:
    process = begun(bench, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(err.splitlines())) == (130, 1)
    assert bench("runs").out.count("interrupted") == 2


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_the_user_had_ignored_stops_no_trial_either(
    bench: Bench, number: signal.Signals
) -> None:
    """As ``nohup nnexp sweep ... &`` has it when the terminal closes; others stop it still."""
    last = signal.SIGINT if number == signal.SIGTERM else signal.SIGTERM
    process = begun(
        bench,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    try:
        trials = children(process.pid)
        os.killpg(process.pid, number)
        before = measured(bench)
        until(lambda: measured(bench) > before + 20)
        assert children(process.pid) == trials
        process.send_signal(last)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + last
    assert err.startswith("stopped with 0 of 4 trials done")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a trial sees it at its next batch")
@pytest.mark.parametrize("numbers", [(signal.SIGKILL,), (signal.SIGTERM, signal.SIGTERM)])
def test_a_sweep_that_is_killed_leaves_no_trial_behind(
    bench: Bench, numbers: tuple[signal.Signals, ...]
) -> None:
    process = begun(bench)
    trials = children(process.pid)
    for trial in trials if len(numbers) > 1 else []:
        os.kill(trial, signal.SIGSTOP)  # it cannot heed the first
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.3)
    process.communicate(timeout=30)
    assert process.returncode == -numbers[-1]
    until(lambda: all(map(gone, trials)), 5)
    assert len(trials) == 2


def pipes(pid: int) -> list[tuple[str, bool]]:
    """Return the pipes that a process has open, and whether it can read from them."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # files come and go
            target, mode = str(path.readlink()), path.lstat().st_mode
            if target.startswith("pipe:") and int(path.name) > 2:
                found.append((target, bool(mode & stat.S_IRUSR)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only there /proc tells")
def test_a_trial_has_its_own_pipe_alone_and_only_to_write_to(bench: Bench) -> None:
    """A fork copies what the parent has open, the other trials' pipes too.

    With one of these ends open in a trial, another one that is killed would not be seen to end,
    or one whose sweep is gone would wait for a reader for ever.
    """
    process = begun(bench, "-j", "3")
    until(lambda: len(children(process.pid)) == 3)
    trials = children(process.pid)
    until(lambda: all(len(pipes(each)) == 1 for each in trials), 5)
    read = {pipe for pipe, readable in pipes(process.pid) if readable}
    written = [pipes(each) for each in trials]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert [readable for each in written for _, readable in each] == [False] * 3
    assert {pipe for each in written for pipe, _ in each} == read


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


def test_a_name_that_is_taken_by_another_config_is_a_failure(bench: Bench) -> None:
    (trial,) = plan(sweep_file.read("tiny.yaml", (), ["lambda=1"])).trials
    bench("train", "tiny.yaml", "-q", "--name", trial.name)
    code, _, err = bench.process("sweep", "tiny.yaml", "--grid", "lambda=1,2")
    assert code == 4
    assert "belongs to another config (it differs in lambda)" in err


def test_data_that_is_missing_is_told_before_anything_is_trained(bench: Bench) -> None:
    code, out, err = bench.process("sweep", "tiny.yaml", "--grid", "data.file=tiny.npz,gone.npz")
    assert (code, out, err) == (2, "", "gone.npz: No such file or directory\n")
    assert not (bench.folder / "runs").exists()


def test_what_is_finished_needs_no_data(bench: Bench) -> None:
    arguments = ("sweep", "tiny.yaml", *GRID, "-q")
    code, out, _ = bench.process(*arguments)
    (bench.folder / "tiny.npz").unlink()
    assert bench.process(*arguments) == (code, out, "")


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
    assert [each["state"] for each in listed][:2] == ["taken", second["state"]]


def test_what_failed_fast_says_how_many_were_not_run(bench: Bench) -> None:
    grid = ("--grid", "learning_rate=1e30,1e29,0.1,0.2", "-j", "1", "--fail-fast")
    code, out, err = bench.process("sweep", "tiny.yaml", *grid)
    assert code == 3
    assert err.splitlines()[-1] == "not run: 3 of 4 trials, since another one failed"
    assert out == "no trial has a result\n"


def test_what_diverged_with_its_only_seed_says_so_in_the_ranking(bench: Bench) -> None:
    out = bench.process("sweep", "tiny.yaml", "--grid", "learning_rate=0.1,1e30").out
    assert out.splitlines()[-1].split()[:3] == ["-", "1e+30", "diverged"]


def test_a_damaged_run_says_what_can_be_done(bench: Bench) -> None:
    words = ("sweep", "tiny.yaml", *GRID, "-q")
    assert bench.process(*words).code == 0
    (result, *_) = (bench.folder / "runs").glob("*/result.json")
    result.write_text("{")
    assert (
        "nnexp train --restart trains a damaged run again from scratch" in bench.process(*words).err
    )


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


@pytest.mark.parametrize(
    ("grids", "name"),
    [
        (["learning_rate=0.01,0.1,1"], "line.png"),
        (["lambda=0,0.01,1"], "zero.svg"),
        (["activation=sigmoid,tanh"], "words.png"),
        (["learning_rate=0.1,1", "hidden=[3],[5],[]"], "map.pdf"),
        (["learning_rate=0.1,1", "lambda=0,1", "activation=sigmoid,tanh"], "best.png"),
    ],
)
def test_a_picture_of_what_was_swept(bench: Bench, grids: list[str], name: str) -> None:
    words = [word for grid in grids for word in ("--grid", grid)]
    code, _, err = bench.process(
        "sweep", "tiny.yaml", *words, "--set", "epochs=1", "--seeds", "2", "--plot", name
    )
    assert (code, err.splitlines()[-1]) == (0, f"{name}: validation accuracy")
    assert (bench.folder / name).stat().st_size > 4000


RATES_AND_LAMBDAS = "grid: {learning_rate: [0.1, 1, 2, 3, 4], lambda: [0, 1]}"
DRAWN_RATES_AND_LAMBDAS = """
random:
  draws: 60
  from: {learning_rate: {choice: [0.1, 1, 2, 3, 4]}, lambda: {uniform: [0, 1]}}
"""


def drawn(bench: Bench, text: str, lacks: Callable[[PlannedRun], Outcome | None]) -> str:
    """Return the words in the picture of a sweep of which some trials are without a result."""
    (bench.folder / "sweep.yaml").write_text(text)
    trials = plan(sweep_file.read("sweep.yaml"))
    done = Outcome(epochs=1, accuracies={"validation": 0.9})
    outcomes = [lacks(trial) if trial.values[0] > 1 else done for trial in trials.trials]
    renderer.save(study_figures.sweep(trials, rank(trials, outcomes)), bench.folder / "a.svg")
    return " ".join(re.findall("<!-- (.*?) -->", (bench.folder / "a.svg").read_text()))


@pytest.mark.parametrize(
    ("axes", "extra"),
    [
        ("grid: {learning_rate: [0.1, 1, 2, 3, 4]}", ""),
        (f"{RATES_AND_LAMBDAS}\nexclude: [{{learning_rate: 0.1, lambda: 0}}]", "not in the sweep"),
        (DRAWN_RATES_AND_LAMBDAS, ""),
    ],
)
def test_a_picture_says_what_diverged_and_what_has_no_result(
    bench: Bench, axes: str, extra: str
) -> None:
    diverged = Outcome(code=3, reason="diverged")
    text = f"config: tiny.yaml\n{axes}\nseeds: 2\n"

    def lacks(trial: PlannedRun) -> Outcome | None:
        """With 2 both seeds diverge, with 3 one does, with 4 there is nothing."""
        done = Outcome(epochs=1, accuracies={"validation": 0.8})
        return {2: diverged, 3: done if trial.config.seed else diverged}.get(trial.values[0])

    words = drawn(bench, text, lacks)
    for each in ("diverged with some of its seeds", "diverged no result", extra):
        assert each in words.replace("no result diverged", "diverged no result")
    whole = drawn(bench, text, lambda _: Outcome(epochs=1, accuracies={"validation": 0.8}))
    assert not re.search("diverged|result", whole)


@pytest.mark.parametrize("command", ["sweep", "inspect", "find-rate", "search"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_trained(
    bench: Bench, command: str
) -> None:
    more = {"sweep": ("--grid", "lambda=1,2"), "search": ("--space", "lambda=uniform(0,1)")}
    words = (command, "tiny.yaml", *more.get(command, ()), "--plot", "gone/p.png")
    assert bench(*words) == (74, "", "gone/p.png: there is no folder gone\n")
    assert not (bench.folder / "runs").exists()


def test_a_picture_s_folder_must_be_one_that_may_be_written_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != Path() or mode != os.W_OK
    )  # root may write anywhere
    code, _, err = bench("sweep", "tiny.yaml", "--grid", "lambda=1,2", "--plot", "p.png")
    assert (code, err) == (74, "p.png: may not be written\n")
    (bench.folder / "p.png").touch()
    assert bench("sweep", "tiny.yaml", "--grid", "epochs=1,2", "--plot", "p.png", "-q").code == 0


def test_where_trials_failed_a_picture_that_cannot_be_changes_no_exit_code(bench: Bench) -> None:
    words = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,1e29", "--plot", "p.png")
    code, _, err = bench.process(*words)
    assert (code, err.splitlines()[-1]) == (3, "p.png: no trial has a result to draw")
    words = ("sweep", "tiny.yaml", "--grid", "learning_rate=1e30,0.1", "--plot", "p.png")
    code, _, err = bench.process(*words)
    assert (code, (bench.folder / "p.png").exists()) == (3, True)  # what diverged is a sign in it


def test_the_exit_code_is_that_of_the_first_that_failed_in_the_order_of_the_plan(
    bench: Bench,
) -> None:
    import numpy as np  # noqa: PLC0415 - after its variables are set

    with np.load(bench.folder / "tiny.npz") as arrays:
        np.savez(bench.folder / "tiny.npz", **{k: arrays[k] for k in arrays if "test" not in k})
    rest = ("--grid", "learning_rate=0.1,1e30", "--set", "patience=null")
    grid = ("--grid", "monitor=[train],[train,test]", *rest)
    code, out, _ = bench.process("sweep", "tiny.yaml", *grid, "--json", "-j", "1")
    assert [each["exit"] for each in json.loads(out)["failures"]] == [3, 2, 2]
    assert code == 3
    grid = ("--grid", "monitor=[train,test],[train]", *rest)
    code, out, _ = bench.process("sweep", "tiny.yaml", *grid, "--json", "-j", "1")
    assert [each["exit"] for each in json.loads(out)["failures"]] == [2, 2, 3]
    assert code == 2


def test_options_that_only_training_has_a_use_for_do_not_go_with_emit(bench: Bench) -> None:
    given = {
        "--dry-run": (), "--json": (), "--plot": ("p.png",), "--timeout": ("3",), "--jobs": ("2",),
        "--max-memory": ("1G",), "--fail-fast": (), "--engine": ("dask",),
    }  # fmt: skip
    for option, values in given.items():
        found = bench("sweep", "tiny.yaml", *GRID, "--emit", "commands", option, *values)
        said = f"--emit only prints commands: {option} would have no say there\n"
        assert found == (2, "", said)
    assert bench("sweep", "tiny.yaml", *GRID, "--emit", "commands", "-q").code == 0


@pytest.mark.parametrize("how", ["commands", "slurm"])
def test_a_path_of_two_lines_makes_no_command_of_one(bench: Bench, how: str) -> None:
    words = ("sweep", "tiny.yaml", *GRID, "--emit", how)
    code, out, err = bench(*words, "--runs", "a\nb")
    assert (code, out) == (2, "")
    assert err == "--emit: a path contains a line break, so the command does not fit on one line\n"
    (bench.folder / "a\nb").mkdir()
    assert bench("sweep", bench.config("a\nb/tiny.yaml"), *words[2:]).code == 2


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "x"])
def test_what_is_no_time_is_refused(bench: Bench, text: str) -> None:
    code, _, err = bench("sweep", "tiny.yaml", f"--timeout={text}", "--dry-run")
    assert (code, f"must be a number of seconds > 0, got '{text}'" in err) == (2, True)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((7, "7 bytes"), (1 << 10, "1 KB"), (3 << 9, "1.5 KB"), (3 << 19, "1.5 MB")),
        *((600 << 20, "600 MB"), (4 << 30, "4,096 MB")),
    ],
)
def test_sizes_in_words(number: int, words: str) -> None:
    assert process.format_size(number) == words


def test_what_a_failure_said_is_forgotten_once_the_run_ends_well(bench: Bench) -> None:
    patched(bench, "1 / 0")
    logs = bench.folder / "runs" / ".sweep"
    assert len(list(logs.iterdir())) == 2
    assert patched(bench, "os.kill(os.getpid(), signal.SIGKILL)").code == 137
    assert len(list(logs.iterdir())) == 2
    assert bench.process("sweep", "tiny.yaml", *GRID, "-q").code == 0
    assert list(logs.iterdir()) == []


def test_a_picture_that_cannot_be_is_refused(bench: Bench) -> None:
    assert bench("sweep", "tiny.yaml", "--plot", "a.gif", "--grid", "lambda=1,2").code == 2
    assert not (bench.folder / "runs").exists()
    code, _, err = bench.process("sweep", "tiny.yaml", "--plot", "a.png", "--seeds", "2", "-q")
    assert code == 2
    assert "none has two values here" in err


REQUEUE = """flock --nonblock runs/*/LOCK true || echo 'it still runs' >> asked
echo "$@" >> asked"""
"""SLURM's scontrol, which looks at whether the trial is over."""


def shell_command(bench: Bench) -> dict[str, str]:
    """Put nnexp into a folder of commands and return an environment that finds it."""
    binaries = bench.folder / "bin"
    binaries.mkdir()
    scripts = {"nnexp": f'exec "{sys.executable}" -m nnexp "$@"', "scontrol": REQUEUE}
    for name, line in scripts.items():
        (binaries / name).write_text(f"#!/bin/sh\n{line}\n")
        (binaries / name).chmod(stat.S_IRWXU)
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}


def test_the_slurm_script_trains_the_trial_of_its_task(bench: Bench) -> None:
    environment = shell_command(bench)
    code, out, err = bench("sweep", "tiny.yaml", *GRID, "--emit", "slurm")
    assert (code, err) == (0, "")
    (bench.folder / "array.sh").write_text(out)
    subprocess.run(["bash", "-n", "array.sh"], cwd=bench.folder, check=True)
    names = [t.name for t in plan(sweep_file.read("tiny.yaml", (), GRID[1::2])).trials]
    done = subprocess.run(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_JOB_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"runs/{names[2]}\n", "")
    assert [path.name for path in (bench.folder / "runs").iterdir()] == [names[2]]


def test_the_slurm_script_s_tasks_take_several_trials_where_there_are_too_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_script, "MOST_TASKS", 3)
    environment = shell_command(bench)
    (bench.folder / "array.sh").write_text(
        bench("sweep", "tiny.yaml", *GRID, "--emit", "slurm").out
    )
    for task in range(3):
        subprocess.run(
            ["bash", "array.sh"],
            cwd=bench.folder,
            env={**environment, "SLURM_ARRAY_TASK_ID": str(task)},
            check=True,
            capture_output=True,
        )
    assert len(list((bench.folder / "runs").iterdir())) == 4


def test_the_slurm_script_passes_the_warning_on_and_goes_back_into_the_queue(bench: Bench) -> None:
    environment = shell_command(bench)
    script = bench("sweep", "tiny.yaml", *GRID, *LONG, "--emit", "slurm").out
    (bench.folder / "array.sh").write_text(script)
    process = subprocess.Popen(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "7"},
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: epochs(bench) > 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "stopped; what is committed is safe" in err
    assert (bench.folder / "asked").read_text() == "requeue 7_1\n"
    assert bench("runs").out.count("interrupted") == 1


def test_the_slurm_script_passes_a_warning_on_that_came_before_the_trial_was_known(
    bench: Bench,
) -> None:
    environment = shell_command(bench)
    script = bench("sweep", "tiny.yaml", *GRID, *LONG, "--emit", "slurm").out
    assert script.count("  child=$!\n") == 1
    script = script.replace("  child=$!\n", "  kill -TERM $$\n  child=$!\n")
    (bench.folder / "array.sh").write_text(script)
    done = subprocess.run(
        ["bash", "array.sh"],
        cwd=bench.folder,
        env={**environment, "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "7"},
        timeout=20,
        check=False,
    )
    assert done.returncode == 143
    assert (bench.folder / "asked").read_text().endswith("requeue 7_1\n")


def test_on_a_terminal_a_table_lives_and_goes(bench: Bench) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, 0x5414, b"\x28\x00\x78\x00\x00\x00\x00\x00")  # 40 lines of 120 columns
    for name in (
        "[b].npz",
        "\u202e.npz",
    ):  # rich's markup for bold letters, and text from the right
        bench.data(name=name)
    grid = 'data.file="[b].npz","\u202e.npz"'
    arguments = ("sweep", "tiny.yaml", "--grid", grid, "--set", "epochs=300")
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
        assert re.search(rf'tiny-\S+ +"{file}\.npz" +0 +\d+/300', text)
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

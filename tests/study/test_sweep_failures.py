"""A job that diverges, crashes or exceeds a limit fails alone, and --fail-fast stops the rest."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from nnexp.config import sizes
from nnexp.study import sweep_file
from nnexp.study.local.pool import Pool
from nnexp.study.plan import plan
from tests.study.sweeps import GRID, LONG, Ended, epochs, patched, patched_script, runs_of

if TYPE_CHECKING:
    from tests.conftest import Bench

pytestmark = pytest.mark.slow


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
        ("os.kill(os.getpid(), signal.SIGRTMIN + 6)", 168, "killed by SIGRTMIN+6"),
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


def test_a_trial_whose_time_is_up_stops_and_the_next_sweep_goes_on_with_it(bench: Bench) -> None:
    arguments = ("--grid", "lambda=0", *LONG, "--timeout", "3")
    code, out, err = bench.process("sweep", "tiny.yaml", *arguments)
    assert (code, out) == (143, "no trial has a result\n")
    assert "took more than 3 s; committed epochs are safe" in err
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
    script = f"{early}\n{patched_script(act)}"
    command = [sys.executable, "-c", script, "sweep", "tiny.yaml", *GRID, "--timeout", "6"]
    done = subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 137
    assert "took more than 6 s" in done.stderr


def test_a_trial_that_takes_too_much_memory_is_killed_alone(bench: Bench) -> None:
    act = "held = bytearray(600_000_000); time.sleep(30)"
    done = patched(bench, act, "--max-memory", "500M", "-j", "2")
    assert done.code == 137
    assert re.search(r"took \d+ MB of memory, more than 500 MB", done.err)
    assert done.err.count("failed (exit 137)") == 2
    assert [row.split()[-1] for row in runs_of(done.out)] == ["1", "1", "1", "1"]


SCARCE = """
import errno, os
from nnexp.study.local import starting
name = "fork" if starting.CAN_FORK else "posix_spawn"
calls, real, most = [], getattr(os, name), {most}
def start(*given, **named):
    calls.append(1)
    if len(calls) in most:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real(*given, **named)
setattr(os, name, start)
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
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    (job,) = plan(sweep_file.read("tiny.yaml", (), ["lambda=1"])).jobs(bench.folder / "runs")
    engine = Pool(2, bench.folder / "runs")
    before = sorted(Path("/dev/fd").iterdir())
    with monkeypatch.context() as patch, closing(engine):
        patch.setattr(os, "fork", fail, raising=False)
        patch.setattr(os, "posix_spawn", fail)
        outcome = engine.submit(job).result()
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
    assert sizes.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-5M", "0", "5X", "1e9", "nan", "5 M M"])
def test_what_is_no_size_is_refused(bench: Bench, text: str) -> None:
    code, _, err = bench("sweep", "tiny.yaml", f"--max-memory={text}", "--dry-run")
    assert (code, "--max-memory must be a size such as 500M or 1.5G" in err) == (2, True)


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


def test_a_name_that_is_taken_by_another_config_is_a_failure(bench: Bench) -> None:
    (job,) = plan(sweep_file.read("tiny.yaml", (), ["lambda=1"])).jobs(bench.folder / "runs")
    bench("train", "tiny.yaml", "-q", "--name", job.run.name)
    code, _, err = bench.process("sweep", "tiny.yaml", "--grid", "lambda=1,2")
    assert code == 4
    assert "belongs to another config (it differs in lambda)" in err


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
    assert sizes.format_size(number) == words


def test_what_a_failure_said_is_forgotten_once_the_run_ends_well(bench: Bench) -> None:
    patched(bench, "1 / 0")
    logs = bench.folder / "runs" / ".sweep"
    assert len(list(logs.iterdir())) == 2
    assert patched(bench, "os.kill(os.getpid(), signal.SIGKILL)").code == 137
    assert len(list(logs.iterdir())) == 2
    assert bench.process("sweep", "tiny.yaml", *GRID, "-q").code == 0
    assert list(logs.iterdir()) == []

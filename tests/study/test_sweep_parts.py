"""Parts of a sweep tested alone: pictures, verdicts, datasets, subprocesses and their limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp import names
from nnexp.config import load
from nnexp.datasets import loading
from nnexp.datasets.loading import Data
from nnexp.errors import UsageError
from nnexp.report import renderer, study_figures, sweep_ranking
from nnexp.runner import backends
from nnexp.study import execution, ranking, sweep_file
from nnexp.study.execution import Execution, JobList
from nnexp.study.job import Job, Outcome
from nnexp.study.local.process import Limits, Process
from nnexp.study.plan import Plan, plan
from tests.study.sweeps import only_linux

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nnexp.analysis.verdicts import Verdict
    from nnexp.config.model import Config
    from tests.conftest import Bench


def planned(*grids: str, seeds: list[int] | None = None) -> Plan:
    return plan(sweep_file.read("tiny.yaml", (), grids, seeds))


def outcomes(*accuracies: float) -> list[Outcome | None]:
    return [Outcome(epochs=1, accuracies={"validation": each}) for each in accuracies]


def script(bench: Bench, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, *arguments]
    return subprocess.run(
        command, cwd=bench.folder, capture_output=True, text=True, timeout=60, check=False
    )


def drawn(trials: Plan, found: list[Outcome | None]) -> Any:  # noqa: ANN401 - matplotlib's
    """Return the axes of a sweep's picture, which is not written."""
    figure = study_figures.sweep(trials, ranking.rank(trials, found))
    return renderer.drawing(figure).axes[0]


def test_one_key_is_drawn_as_means_with_standard_deviations(bench: Bench) -> None:
    """Of 0.5 and 0.7 the mean is 60 % and the standard deviation 10 sqrt 2 points."""
    assert bench.folder.exists()
    trials = planned("lambda=1,2,3", seeds=[0, 1])
    found = outcomes(0.5, 0.7, 0.25, 0.25, 0.75, 0.75)
    shown = drawn(trials, found)
    assert (shown.get_xlabel(), shown.get_ylabel()) == ("lambda", "validation accuracy in %")
    (container,) = shown.containers
    line, _, (bars,) = container.lines
    assert list(line.get_xdata()) == [1, 2, 3]
    assert list(line.get_ydata()) == pytest.approx([60, 25, 75])
    (low, high), *_ = [segment[:, 1] for segment in bars.get_segments()]
    assert (low, high) == pytest.approx((60 - 200**0.5, 60 + 200**0.5))


def test_two_keys_are_drawn_as_a_map_of_means(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("lambda=1,2", "epochs=3,4", seeds=[0, 1])
    shown = drawn(trials, outcomes(0.1, 0.3, 0.3, 0.3, 0.5, 0.5, 0.7, 0.9))
    assert (shown.get_xlabel(), shown.get_ylabel()) == ("lambda", "epochs")
    (image,) = shown.images
    assert image.get_array().tolist() == [pytest.approx([20, 50]), pytest.approx([30, 80])]
    assert "20.00\n± 14.14" in {text.get_text() for text in shown.texts}


def test_the_advice_is_the_fewest_seeds_that_would_do_for_any(bench: Bench) -> None:
    assert bench.folder.exists()
    trials = planned("lambda=1,2,3", seeds=[0, 1, 2])
    found = outcomes(*([0.9] * 3), *([0.8] * 3), *([0.7] * 3))
    one, other = ranking.verdicts(trials, found, ranking.rank(trials, found), 60).values()
    few: dict[int, Verdict] = {
        1: one._replace(outcome="too few", needed=9),
        2: other._replace(outcome="too few", needed=4),
    }
    assert str(sweep_ranking.advice(few)).endswith("train more with --seeds 4")
    assert sweep_ranking.advice(few | {2: other}) is None
    far = {place: each._replace(needed=needed) for place, each in few.items() for needed in (101,)}
    assert str(sweep_ranking.advice(far | {2: few[2]._replace(needed=100)})).endswith("--seeds 100")
    for needed in (101, 340, None):
        too_many = far | {2: few[2]._replace(needed=needed)}
        assert sweep_ranking.advice(too_many) == (
            "no verdict: the differences are too small for a reasonable number of seeds to tell"
        )


def test_verdicts_know_how_many_examples_an_accuracy_is_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ranking, "verdicts", lambda *given: asked.append(given[3]))
    bench.process("sweep", "tiny.yaml", "--set", "epochs=1", "-q")
    trials, found = planned("epochs=1"), outcomes(0.5)
    sweep_ranking.verdicts(trials, trials.jobs(Path("runs")), ranking.rank(trials, found), found)
    found = [Outcome(accuracies={"test": 0.5})]
    sweep_ranking.verdicts(trials, trials.jobs(Path("runs")), ranking.rank(trials, found), found)
    assert asked == [60, 40]


def test_draws_have_six_digits(bench: Bench) -> None:
    (bench.folder / "sweep.yaml").write_text(
        "config: tiny.yaml\nrandom: {draws: 50, from: {learning_rate: {log-uniform: [0.001, 1]},"
        " lambda: {uniform: [0, 100]}}}\n"
    )
    for axis in sweep_file.read("sweep.yaml").space.dimensions:
        values = [choice.value for row in axis.rows for choice in row]
        assert len(values) == 100
        assert values == [float(f"{value:.6g}") for value in values]
        assert any(value != float(f"{value:.5g}") for value in values)


def test_the_name_with_the_longest_seed_must_be_one(bench: Bench) -> None:
    """Names end in the seed, so that a file may name the first run and not the last."""
    name = planned("lambda=1").jobs(bench.folder)[0].run.name
    longest = next(n for n in range(1, 400) if not names.is_run_name("x" * n)) - 1
    stem = "x" * (longest - len(name) + len("tiny"))
    bench.config(f"{stem}.yaml")
    assert len(plan(sweep_file.read(f"{stem}.yaml", (), ["lambda=1"], [0, 9])).trials) == 2
    with pytest.raises(UsageError, match="cannot begin a run's name"):
        plan(sweep_file.read(f"{stem}.yaml", (), ["lambda=1"], [0, 10, 1]))


def test_files_are_read_once_whatever_is_selected_from_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [load.read("tiny.yaml", [f"data.train={count}"]) for count in (20, 30, 40)]
    kind, read = type(configs[0].data), []
    reader = loading.READERS[kind]

    def noted(source: Any) -> Any:  # noqa: ANN401 - passed on
        read.append(source)
        return reader(source)

    monkeypatch.setitem(loading.READERS, kind, noted)
    assert bench.folder.exists()
    data = Data()
    data.check(config.data for config in configs)
    sizes = [len(data(config.data).train.labels) for config in configs * 2]
    assert (sizes, len(read)) == ([20, 30, 40] * 2, 1)


UNFORKED = """
import gc, sys
from pathlib import Path
from nnexp.config import load
from nnexp.study.local import starting
from nnexp.study.local.pool import Pool
starting.CAN_FORK = False
before = gc.get_freeze_count()  # Python 3.12 freezes objects of its own
engine = Pool(2, Path("runs"))
engine.prepare([load.read("tiny.yaml", ["optimizer=bfgs", "dtype=float64"])])
print("scipy.optimize" in sys.modules, gc.get_freeze_count() - before)
engine.close()
"""


def test_nothing_is_imported_for_trials_that_are_not_forked(bench: Bench) -> None:
    assert script(bench, UNFORKED).stdout == "False 0\n"


PREPARED = """
import gc, json, sys
from pathlib import Path
from nnexp.config import load
from nnexp.study.local.pool import Pool
settings = json.loads(sys.argv[1])
engine = Pool(2, Path("runs"))
engine.prepare([load.read("tiny.yaml", settings)])
late = [each for each in ("scipy.optimize",) if each in sys.modules]
if sys.argv[2] == "native":
    from nnexp.native.fingerprint import fingerprint
else:
    from nnexp.numerics import fingerprint
shared = ["scipy" in sys.modules, fingerprint.cache_info().currsize]
print(json.dumps([late, gc.get_freeze_count() > 1000, shared]))
engine.close()
print(gc.get_freeze_count())
"""


@only_linux
@pytest.mark.parametrize(
    ("settings", "late"),
    [([], []), (["optimizer=bfgs", "dtype=float64"], ["scipy.optimize"])],
)
def test_what_trials_need_is_there_before_they_are_forked(
    bench: Bench, settings: list[str], late: list[str]
) -> None:
    backend = backends.choose(load.read("tiny.yaml", settings))
    done = script(bench, PREPARED, json.dumps(settings), backend)
    assert done.stderr == ""
    first, last = done.stdout.splitlines()
    assert json.loads(first) == [late, True, [True, 1]]
    assert last == "0"


IN_CHILD = """
import os, signal, sys
from pathlib import Path
from nnexp.study.local import child, process
{patch}
from nnexp.cli import main
main()
"""
EARLY = """
real = child._run
def run(*rest):
    os.kill(os.getpid(), signal.{name})
    real(*rest)
child._run = run
"""
SAYING = """
process.MAX_OUTPUT = 10
def train(*rest):
    os.write(2, b"0123456789abcdef")
    os._exit(9)
child.train = train
"""
SCORED = """
real = child.train
def train(*rest):
    Path("score").write_text(Path("/proc/self/oom_score_adj").read_text())
    return real(*rest)
child.train = train
"""


@only_linux
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGUSR1", 143)])
def test_a_signal_between_the_fork_and_the_handler_is_heeded(
    bench: Bench, name: str, code: int
) -> None:
    patch = IN_CHILD.format(patch=EARLY.format(name=name))
    done = script(bench, patch, "sweep", "tiny.yaml", "--json", "-q")
    (failure,) = json.loads(done.stdout)["failures"]
    assert (failure["exit"], done.returncode) == (code, code)
    assert failure["reason"].endswith("stopped; committed epochs are safe")


@only_linux
def test_of_what_a_process_said_the_end_is_kept(bench: Bench) -> None:
    done = script(bench, IN_CHILD.format(patch=SAYING), "sweep", "tiny.yaml", "-q")
    assert done.returncode == 9
    (log,) = bench.folder.glob("runs/.sweep/*.log")
    assert log.read_bytes() == b"6789abcdef"


@only_linux
def test_where_memory_runs_out_a_trial_goes_before_the_sweep(bench: Bench) -> None:
    done = script(bench, IN_CHILD.format(patch=SCORED), "sweep", "tiny.yaml", "-q")
    assert done.returncode == 0
    assert (bench.folder / "score").read_text() == "500\n"


def test_a_trial_whose_parent_is_gone_before_it_can_ask_for_its_end_ends(bench: Bench) -> None:
    begun = "import os; from nnexp.study.local import lifeline"
    text = f"{begun}; lifeline.die_with_parent({{}}); print('on')"
    assert script(bench, text.format("os.getppid()")).stdout == "on\n"
    done = script(bench, text.format("os.getppid() + 1"))
    assert (done.returncode, done.stdout) == (1, "")


def test_a_trial_whose_time_is_up_failed_and_was_not_stopped_with_the_others(
    bench: Bench,
) -> None:
    ours, theirs = os.pipe()
    held, go = os.pipe()
    with (bench.folder / "said").open("w+b") as said:
        told = '{"type": "outcome", "code": 143, "is_stopped": true}'
        text = f"trap '' USR1; echo '{told}'; read line; exit 143"
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", text],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 1),
                (os.POSIX_SPAWN_DUP2, held, 0),
                (os.POSIX_SPAWN_CLOSE, go),
            ],
        )
        os.close(theirs)
        os.close(held)
        process = Process(pid, ours, said)
        assert process.read() == []
        process.enforce(Limits(seconds=1e-9))
        os.close(go)
        outcome, _ = process.wait()
    assert (outcome.code, outcome.is_stopped) == (143, False)
    assert outcome.reason == "took more than 1e-09 s; committed epochs are safe"


class Engine:
    """Starts trials and never ends them until it is asked to; the first one brings a signal."""

    slots = 3

    def prepare(self, configs: Iterable[Config]) -> None:
        pass

    def __init__(self) -> None:
        self.futures: list[Future[Outcome]] = []

    def submit(self, job: Job) -> Future[Outcome]:
        del job
        self.futures.append(Future())
        return self.futures[-1]

    def wait(self, seconds: float) -> Sequence[Any]:
        del seconds
        return ()

    def stop(self) -> None:
        for future in self.futures:
            future.set_result(Outcome(code=143, is_stopped=True))

    def close(self) -> None:
        pass


def test_a_signal_while_trials_are_begun_lets_no_further_one_begin(bench: Bench) -> None:
    jobs = JobList(planned("lambda=1,2,3").jobs(bench.folder))
    engine = Engine()
    found = list(Execution(jobs, engine, stopped=lambda: bool(engine.futures)).events())
    told = [type(event) for event in found if not isinstance(event, execution.Ticked)]
    assert told == [execution.Started, execution.Stopped]

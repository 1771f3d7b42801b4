"""Whatever is not found, the message has a next step: what was probably meant, or a command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nnexp.store.run import hint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench

CONFIG = (
    "there is no such file; nnexp examples lists the examples, nnexp runs the runs, and nnexp init "
    "writes a config"
)
RUN = "there is no such run; nnexp runs lists the runs"
RUNS = "there is no such run, with or without -s and a seed; nnexp runs lists the runs"
FOLDER = "there is no folder no; mkdir -p no makes it"
NO_RUNS = "there is no such folder; nnexp train makes it, and --runs names another"
EMPTY = "is not in the trash, which is empty; see nnexp runs"
MISSING = "No such file or directory"

FOUND = {
    "trian": "unknown command 'trian'; did you mean 'train'?",
    "qqq": "unknown command 'qqq' (known: init, examples, ",
    "train tiny.yaml --quite": "unknown option --quite; did you mean --quiet? (nnexp train --help ",
    "train qqq.yaml": f"qqq.yaml: {CONFIG}",
    "train tiny.yml": "tiny.yml: there is no such file; did you mean tiny.yaml?\n",
    "train tiny": "tiny: there is no such file; did you mean tiny.yaml?\n",
    "inspect ./tinny.yaml": "tinny.yaml: there is no such file; did you mean tiny.yaml?\n",
    "train runs/qqq": f"runs/qqq: {CONFIG}",
    "train bok/eta-0.25": "there is no such file; did you mean the example book/eta-0.25?",
    "sweep qqq.yaml --grid lambda=0,1": f"qqq.yaml: {CONFIG}",
    "search tiny.yaml --space qqq.yaml": f"qqq.yaml: {CONFIG}",
    "race tiny.yaml qqq": f"qqq: {CONFIG}",
    "init my.yaml --from qqq": "there is no example 'qqq'; nnexp examples lists them",
    "init my.yaml --from quikstart": "no example 'quikstart'; did you mean quickstart?",
    "init no/my.yaml": f"no/my.yaml: {FOLDER}",
    "train tiny.yaml --set epoch=1": "unknown key 'epoch'; did you mean 'epochs'?",
    "train tiny.yaml --set qqq=1": "unknown key 'qqq' (known: data, hidden, ",
    "train tiny.yaml --set optimizer.qqq=1": "key 'qqq'; sgd has no settings: remove it",
    "train tiny.yaml --set optimizer=momentun": "'momentun'; did you mean 'momentum'? (known: sgd",
    "train tiny.yaml --set optimizer=qqq": "unknown optimizer 'qqq' (known: sgd, momentum, ",
    "sweep tiny.yaml --grid qqq=1,2": "unknown key 'qqq' (known: data, hidden, ",
    "search tiny.yaml --space qqq=1,2": "unknown key 'qqq' (known: data, data.train, ",
    "search tiny.yaml --space 'hidden=normal(1,2)'": "known: uniform, log-uniform, integers, ",
    "train tiny.yaml --set data.file=t.npz": f"t.npz: {MISSING} (relative paths start from the "
    "working directory ",
    "train tiny.yaml --set data.file=tinny.npz": f"{MISSING}; did you mean 'tiny.npz'?",
    "train tiny.yaml --against runs/qqq": f"--against: runs/qqq: {RUN}",
    "train tiny.yaml --set initializer=run --set initializer.path=runs/qqq": f"runs/qqq: {RUN}",
    "show runs/qqq": f"runs/qqq: {RUN}",
    "show baselin": "there is no such run; did you mean runs/baseline?",
    "show runs/basline-s0": "there is no such run; did you mean runs/baseline-s0?",
    "show runs/base": "there is no such run; did you mean runs/baseline?",
    "show 'else where/qqq'": "no such run; nnexp runs --runs 'else where' lists the runs",
    "show .": "is not a run: it has no run.json; nnexp runs lists the runs",
    "compare runs/baseline .": "is not a run: it has no run.json; nnexp runs lists the runs",
    "compare runs/baseline runs/qqq": f"runs/qqq: {RUNS}",
    "compare runs/baseline 'runs/q*'": "runs/q*: no run matches; nnexp runs lists the runs",
    "compare runs/baseline runs/other --metric test_acuracy": "; did you mean 'test_accuracy'? (",
    "compare runs/baseline runs/other --metric qqq": "…; see nnexp compare --help)",
    "compare runs/baseline runs/other --check 'B.qqq>1'": "…; see nnexp compare --help)",
    "compare runs/baseline runs/other --check 'C.epochs>1'": "there is no C, only A, B",
    "compare runs/baseline runs/other --baseline runs/q": "is not among the experiments: runs/ba",
    "compare runs/baseline runs/other --plot no/a.png": f"no/a.png: {FOLDER}",
    "report runs/qqq": f"runs/qqq: {RUNS}",
    "report runs/baseline -o no/a.html": f"no/a.html: {FOLDER}",
    "evaluate runs/qqq": f"runs/qqq: {RUNS}",
    "evaluate runs/baseline --data q.npz": f"q.npz: {MISSING} (the working directory is ",
    "predict runs/baseline q.png": f"q.png: {MISSING} (the working directory is ",
    "predict runs/qqq tiny.npz": f"runs/qqq: {RUNS}",
    "export runs/qqq --to csv -o a.csv": f"runs/qqq: {RUNS}",
    "export runs/baseline --to csv -o no/a.csv": f"no/a.csv: {FOLDER}",
    "replay runs/qqq": f"runs/qqq: {RUN}",
    "verify runs/qqq": f"runs/qqq: {RUN}",
    "note runs/qqq": f"runs/qqq: {RUNS}",
    "note .": "is not a run; nnexp runs lists the runs",
    "note runs/baseline --untag qqq": "no run has the tag 'qqq'; there are no tags; --tag adds one",
    "rm runs/qqq": f"runs/qqq: {RUNS}",
    "rm plain": "is not a run; nnexp runs lists the runs",
    "rm --restore runs/qqq": f"runs/qqq: {EMPTY}",
    "rm --empty runs/qqq": f"runs/qqq: {EMPTY}",
    "rm --empty --runs no": f"no: {NO_RUNS}",
    "runs qqq": "qqq: no run in runs matches; nnexp runs lists all",
    "runs baselne": "baselne: no run in runs matches; did you mean baseline?",
    "runs --runs no": f"no: {NO_RUNS}",
    "runs --where tag=qqq": "no matching runs in runs; nnexp runs lists all",
    "runs --where qqq=1": "unknown key 'qqq' (known: name, status, ",
    "runs --where 'tset>=50%'": "unknown key 'tset'; did you mean 'test'? (known: name, ",
    "runs --where status=qqq": "unknown status 'qqq' (known: finished, ",
    "runs --sort validaton": "unknown key 'validaton'; did you mean 'validation'? (known: name, ",
    "runs --columns qqq": "…; see nnexp init)",
    "runs --status finishd": "got 'finishd'; did you mean 'finished'?",
    "reproduce overfiting": "unknown figure 'overfiting'; did you mean 'overfitting'? (known: ",
    "reproduce overfitting --against q.json": f"q.json: {MISSING} (the working directory is ",
    "schema --of runz": "unknown command with --json 'runz'; did you mean 'runs'? (known: ",
    "tune tiny.yaml --only qqq": "--only must be one or more of eta, lambda, batch-size, final",
    "completion qqq": "SHELL must be bash, zsh or fish, got 'qqq'",
}  # fmt: skip
"""Commands that name something that is not there, and a part of their messages."""


def test_whatever_is_not_found_has_a_next_step(bench: Bench) -> None:
    for name, cost in (("baseline", "cross-entropy"), ("other", "quadratic")):
        bench("train", "tiny.yaml", "-q", "--name", name, "--set", f"cost={cost}")
    for name in ("else where", "plain"):
        (bench.folder / name).mkdir()
    wrong = {}
    for command, told in FOUND.items():
        code, out, err = bench(*shlex.split(command))
        is_filter = command.startswith("runs --where tag")
        if told not in err or code != (0 if is_filter else code or 1) or out:
            wrong[command] = (code, out, err)
    assert wrong == {}


def test_an_empty_folder_says_how_to_begin(bench: Bench) -> None:
    (bench.folder / "runs").mkdir()
    assert bench("runs") == (0, "", "no runs in runs; nnexp train makes one\n")


def test_a_run_is_suggested_before_the_command_that_lists_them(bench: Bench) -> None:
    runs: Path = bench.folder / "runs"
    for name in ("quickstart-b76005d11616-s0", "eta-0.25-s0", "eta-0.25-s1"):
        (runs / name).mkdir(parents=True)
        (runs / name / "run.json").write_text("{}")
    assert hint(runs / "quickstart") == f"; did you mean {runs}/quickstart-b76005d11616?"
    assert hint(runs / "eta-0.52") == f"; did you mean {runs}/eta-0.25?"
    assert hint(runs / "lambda") == f"; nnexp runs --runs {runs} lists the runs"

"""nnexp train on the command line: exit codes and complete output for good and bad input."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from nnexp.cli import COMMANDS
from nnexp.study.job import LOCKED

if TYPE_CHECKING:
    from nnexp.config.document import YamlDocument
    from nnexp.config.model import Config
    from nnexp.config.problem import Problem
    from tests.conftest import Bench

RUN = "runs/tiny-9ba917b3dcc5-s0"
"""The digits are of the sha256 of this and nothing else; others would train all sweeps anew:

{"data":{"file":"tiny.npz","name":"npz"},"epochs":3,"hidden":[5]}
"""


def hidden(text: str) -> str:
    """Return text with # for the numbers that training yields."""
    return re.sub(
        r"\d+\.\d+|(?<=at epoch )\d+|  best(?=\n)", lambda m: "#" * m[0][-1].isdigit(), text
    )


def test_a_run_is_trained_and_its_directory_printed(bench: Bench) -> None:
    code, out, err = bench.process("train", "tiny.yaml")
    assert (code, out) == (0, f"{RUN}\n")
    assert hidden(err) == (
        f"{RUN}: training\n"
        "epoch 1/3  train # # %  validation # # %\n"
        "epoch 2/3  train # # %  validation # # %\n"
        "epoch 3/3  train # # %  validation # # %\n"
        f"{RUN}: done after epoch 3; best validation # % at epoch #, test # %\n"
    )
    names = {path.name for path in (bench.folder / RUN).iterdir()}
    assert names == {
        *("run.json", "config.yaml", "metrics.jsonl", "checkpoints", "result.json"),
        *("predictions.npz", "timing.jsonl", "log.txt", "LOCK"),
    }
    kept = {path.name for path in (bench.folder / RUN / "checkpoints").iterdir()}
    assert kept == {"epoch-000002.npz", "epoch-000003.npz"}


def test_a_config_is_converted_once_on_its_way_to_a_new_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnexp.config import convert  # noqa: PLC0415 - NumPy, after its variables are set
    from nnexp.config.model import Config  # noqa: PLC0415 - likewise
    from nnexp.datasets.sources import Npz  # noqa: PLC0415 - likewise
    from nnexp.runner import train  # noqa: PLC0415 - likewise

    made: list[object] = []
    original, remade = convert.convert, msgspec.convert

    def converted(
        document: YamlDocument, model: type[Config]
    ) -> tuple[Config | None, list[Problem]]:
        made.append(model)
        return original(document, model)

    def typed(values: object, type: object, **options: Any) -> Any:  # noqa: A002, ANN401 - msgspec's
        made.extend([type] if type is Config else [])
        return remade(values, type, **options)

    monkeypatch.setattr(convert, "convert", converted)
    monkeypatch.setattr(msgspec, "convert", typed)
    once = [Config, Config]  # by nnexp, and by msgspec for what nnexp does not know
    assert bench("train", "tiny.yaml", "-q").code == 0
    assert made == once
    made.clear()
    assert bench("train", "tiny.yaml", "-q", "--seeds", "1-3").code == 0
    assert made == 2 * once  # the file's, and the largest seed's
    made.clear()
    train.train(Config(data=Npz(file="tiny.npz"), epochs=1))
    assert made == once


def test_the_epoch_that_is_best_so_far_is_marked(bench: Bench) -> None:
    _, _, err = bench("train", "tiny.yaml", "--set", "epochs=8")
    found = re.findall(r"validation \S+ (\S+) %(  best)?\n", err)
    best = -1.0
    for accuracy, mark in found:
        assert bool(mark) == (float(accuracy) > best)
        best = max(best, float(accuracy))
    assert len(found) == 8


def test_a_finished_run_says_so_at_once_and_stays_as_it_is(bench: Bench) -> None:
    bench("train", "tiny.yaml")
    before = bench.files(RUN)
    assert bench("train", "tiny.yaml") == (0, f"{RUN}\n", f"{RUN}: already done\n")
    assert bench.files(RUN) == before


def test_quiet_says_nothing_but_the_directory(bench: Bench) -> None:
    assert bench("train", "tiny.yaml", "-q") == (0, f"{RUN}\n", "")
    assert bench("train", "tiny.yaml", "--quiet") == (0, f"{RUN}\n", "")


def test_json_is_one_object_with_the_result(bench: Bench) -> None:
    code, out, err = bench("train", "tiny.yaml", "--json", "-q")
    assert (code, out.count("\n"), err) == (0, 1, "")
    told = json.loads(out)
    lines = (bench.folder / RUN / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert told == {
        "run": RUN,
        "name": Path(RUN).name,
        "status": "finished",
        "reason": "epochs",
        "epochs": 3,
        "best": max(rows, key=lambda row: row["validation_accuracy"]),  # the first of equals
        "final": rows[2],
        "test_cost": told["test_cost"],
        "test_accuracy": told["test_accuracy"],
        "fault": None,
    }
    assert bench("train", "tiny.yaml", "--json", "-q").out == out


def test_json_of_a_run_that_was_stopped_says_how_it_stands(bench: Bench) -> None:
    _, out, _ = bench("train", "tiny.yaml", "--json", "--until", "1")
    row = json.loads((bench.folder / RUN / "metrics.jsonl").read_text())
    assert json.loads(out) == {
        "run": RUN,
        "name": Path(RUN).name,
        "status": "interrupted",
        "epochs": 1,
        "best": row,
    }


def test_no_escape_codes_where_there_is_no_terminal(bench: Bench) -> None:
    for arguments in (("train", "tiny.yaml"), ("runs",), ("show", RUN), ("--help",)):
        code, out, err = bench.process(*arguments, env=os.environ | {"TERM": "xterm-256color"})
        assert (code, re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", out + err)) == (0, [])


# Settings, names, seeds, until


def test_set_reaches_into_a_short_form_of_the_packaged_mnist(bench: Bench) -> None:
    (bench.folder / "short.yaml").write_text("data: mnist\nhidden: [5]\nepochs: 1\n")
    sizes = ("--set", "data.train=300", "--set", "data.validation=100", "--set", "data.test=50")
    code, out, _ = bench("train", "short.yaml", *sizes, "-q")
    record = json.loads((bench.folder / out.strip() / "run.json").read_text())
    assert (code, record["data"]["train"], record["data"]["validation"]) == (0, 300, 100)
    assert (record["data"]["test"], record["data"]["features"]) == (50, 784)


def test_equal_configs_in_other_words_are_one_run(bench: Bench) -> None:
    bench("train", "tiny.yaml")
    same = ("--set", "data.scale=255.0", "--set", "learning_rate=0.50", "--set", "batch_size=10")
    assert bench("train", "tiny.yaml", *same) == (0, f"{RUN}\n", f"{RUN}: already done\n")


def test_until_stops_after_an_epoch_and_the_next_call_goes_on(bench: Bench) -> None:
    code, out, err = bench("train", "tiny.yaml", "--until", "2")
    assert (code, out) == (0, f"{RUN}\n")
    assert err.endswith(
        f"{RUN}: stopped as requested; repeat the command without --until to resume\n"
    )
    assert not (bench.folder / RUN / "result.json").exists()
    code, out, err = bench("train", "tiny.yaml")
    assert (code, out) == (0, f"{RUN}\n")
    assert hidden(err) == (
        f"{RUN}: resuming after epoch 2\n"
        "epoch 3/3  train # # %  validation # # %\n"
        f"{RUN}: done after epoch 3; best validation # % at epoch #, test # %\n"
    )


def test_until_the_last_epoch_finishes(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--until", "3", "--name", "n")
    assert (bench.folder / "runs/n-s0/result.json").exists()


def test_until_never_ends_a_run_early(bench: Bench) -> None:
    """A run that early stopping would end later is not finished by being stopped."""
    bench("train", "tiny.yaml", "--set", "epochs=30", "--until", "1")
    _, _, err = bench("train", "tiny.yaml", "--set", "epochs=30", "--until", "1")
    assert "resuming after epoch 1\n" in err
    assert "stopped as requested" in err


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [("3", [0, 1, 2]), ("0-1,3", [0, 1, 3]), ("3,0-1", [3, 0, 1]), ("7,", None), ("5-5", [5])],
)
def test_seeds_make_a_run_each_in_order(
    bench: Bench, seeds: str, expected: list[int] | None
) -> None:
    code, out, err = bench("train", "tiny.yaml", "--seeds", seeds, "--set", "epochs=1", "-q")
    if expected is None:
        assert (code, out) == (2, "")
        return
    assert (code, err) == (0, "")
    stem = out.split("-s", 1)[0]
    assert out.splitlines() == [f"{stem}-s{seed}" for seed in expected]
    for line, seed in zip(out.splitlines(), expected, strict=True):
        record = json.loads((bench.folder / line / "run.json").read_text())
        assert record["config"]["seed"] == seed


def test_seeds_are_appended_to_a_name_and_json_is_a_line_each(bench: Bench) -> None:
    code, out, _ = bench("train", "tiny.yaml", "--seeds", "2", "--name", "n", "--json", "-q")
    assert code == 0
    assert [json.loads(line)["run"] for line in out.splitlines()] == ["runs/n-s0", "runs/n-s1"]


NO_SEED = "is neither a seed nor a range of seeds; 5 is seeds 0 to 4, and 0-4,7 is 0, 1, 2, 3, 4, 7"


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ("x", f"'x' {NO_SEED}"),
        ("", f"'' {NO_SEED}"),
        ("1-", f"'1-' {NO_SEED}"),
        ("-1", f"'-1' {NO_SEED}"),
        ("1,", f"'' {NO_SEED}"),
        ("9" * 50, "a seed has at most 18 digits, got 50"),
        ("x" * 50, f"'{'x' * 39}…' {NO_SEED}"),
        ("0", "must be at least 1 seed, got 0; 5 is seeds 0 to 4, and 0-0 is seed 0"),
        ("5-2", "the range 5-2 is empty; write 2-5"),
        ("7,3-1", "the range 3-1 is empty; write 1-3"),
        ("1,1", "seed 1 is given twice; give each seed once"),
        ("0-3,2", "seed 2 is given twice; give each seed once"),
        ("1-999999999", "must be at most 100,000 seeds, got 999,999,999"),
        ("100001", "must be at most 100,000 seeds, got 100,001"),
    ],
)
def test_seeds_that_are_none_are_refused(bench: Bench, seeds: str, told: str) -> None:
    code, out, err = bench("train", "tiny.yaml", f"--seeds={seeds}")
    assert (code, out) == (2, "")
    assert err == f"--seeds: {told}\n"
    assert not (bench.folder / "runs").exists()


@pytest.mark.parametrize("command", ["train", "sweep", "search", "find-rate", "tune", "reproduce"])
@pytest.mark.parametrize("jobs", ["two", "0", "-1", "1.5"])
def test_a_number_of_jobs_that_is_none_is_refused(bench: Bench, command: str, jobs: str) -> None:
    told = f"-j must be a whole number ≥ 1, got '{jobs}'\n"
    assert bench(command, "tiny.yaml", "-j", jobs) == (2, "", told)


def test_seeds_are_held_to_the_config_s_rules(bench: Bench) -> None:
    arguments = ("--set", "rng=network2", "--seeds", "1,4294967296")
    assert bench("train", "tiny.yaml", *arguments) == (
        2,
        "",
        "--seeds: seed: network2 takes seeds below 2**32 = 4294967296, got 4294967296\n",
    )


def test_seeds_go_on_after_a_failure_and_the_first_code_is_the_exit_code(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--seeds", "3", "--name", "n", "-q")
    for seed, file in ((0, "run.json"), (1, "result.json")):
        (bench.folder / f"runs/n-s{seed}/{file}").write_text("{}")
    (bench.folder / "runs/n-s2/result.json").unlink()
    for told in ((), ("--json",)):
        code, out, err = bench("train", "tiny.yaml", "--seeds", "4", "--name", "n", "-q", *told)
        assert code == 5
        assert err == (
            "runs/n-s0/run.json: is damaged: its checksum does not match its content; "
            "--restart sets the run aside and trains it again from its first epoch\n"
            "runs/n-s1/result.json: is damaged: its checksum does not match its content; "
            "--restart sets the run aside and trains it again from its first epoch\n"
        )
        lines = [json.loads(line)["run"] if told else line for line in out.splitlines()]
        assert lines == ["runs/n-s2", "runs/n-s3"]


def test_the_first_failure_s_code_wins(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    (bench.folder / "runs/n-s0").rename(bench.folder / "runs/n-s1")
    diverging = ("--set", "learning_rate=1e30", "--seeds", "2", "--name", "n")
    code, out, err = bench("train", "tiny.yaml", *diverging, "-q")
    assert (code, out) == (3, "runs/n-s0\n")
    assert "runs/n-s0: diverged in epoch 1" in err
    assert "runs/n-s1: belongs to another config" in err


def test_a_name_replaces_the_whole_name(bench: Bench) -> None:
    assert bench("train", "tiny.yaml", "--name", "A.b_c-9", "-q").out == "runs/A.b_c-9-s0\n"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a b", "-x", "ä", "a/b", "a" * 101, "a\n"])
def test_a_name_that_cannot_be_is_refused(bench: Bench, name: str) -> None:
    code, out, err = bench("train", "tiny.yaml", f"--name={name}")
    assert (code, out) == (2, "")
    assert "cannot name a run: a name is 1 to 100 of A-Z a-z 0-9 . _ -" in err
    assert not (bench.folder / "runs").exists()


def test_a_stem_that_cannot_name_a_run_suggests_name(bench: Bench) -> None:
    bench.config("a b.yaml")
    code, out, err = bench("train", "a b.yaml")
    assert (code, out) == (2, "")
    assert err == (
        "'a b' cannot begin a run's name, which has at most 100 of A-Z a-z 0-9 . _ - and begins "
        "with a letter or digit; rename the config's file, or name the run with --name\n"
    )
    assert bench("train", "a b.yaml", "--name", "ab", "-q") == (0, "runs/ab-s0\n", "")


def test_a_name_of_another_config_is_left_alone(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n")
    before = bench.files("runs/n-s0")
    other = ("--set", "learning_rate=1", "--set", "lambda=3")
    code, out, err = bench("train", "tiny.yaml", "--name", "n", *other)
    assert (code, out) == (4, "")
    assert err == (
        "runs/n-s0: belongs to another config (it differs in learning_rate, lambda); "
        "choose another name\n"
    )
    assert bench.files("runs/n-s0") == before


# What goes wrong


def test_divergence_exits_3_and_3_again(bench: Bench) -> None:
    arguments = ("train", "tiny.yaml", "--set", "learning_rate=1e30", "--name", "n")
    code, out, err = bench.process(*arguments)
    assert (code, out) == (3, "runs/n-s0\n")
    assert re.fullmatch(
        r"runs/n-s0: training\nruns/n-s0: diverged in epoch 1, batch \d+: .* not finite; "
        r"try a smaller learning_rate\n",
        err,
    )
    again = bench(*arguments)
    assert again == (3, "runs/n-s0\n", err.split("\n", 1)[1])
    code, out, _ = bench(*arguments, "--json")
    told = json.loads(out)
    assert (code, told["status"], told["fault"]["epoch"]) == (3, "diverged", 1)


def test_every_problem_of_a_config_is_told_and_nothing_is_created(bench: Bench) -> None:
    (bench.folder / "bad.yaml").write_text("hiden: [5]\ndtype: float23\nepochs: 0\n")
    code, out, err = bench("train", "bad.yaml", "--set", "epoch=3")
    assert (code, out) == (2, "")
    assert err == (
        "bad.yaml:1:1: hiden: unknown key 'hiden'; did you mean 'hidden'?\n"
        "bad.yaml:2:8: dtype: unknown dtype 'float23'; did you mean 'float32'? "
        "(known: float32, float64)\n"
        "bad.yaml:3:9: epochs: must be a whole number ≥ 1, got 0\n"
        "--set epoch=3: epoch: unknown key 'epoch'; did you mean 'epochs'?\n"
    )
    assert not (bench.folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (["train", "nix.yaml"], "nix.yaml: there is no such file"),
        (["train", "."], ".: is neither a file nor a run"),
        (["train"], "Error: Missing argument 'CONFIG'."),
        (["train", "tiny.yaml", "--until", "0"], "--until must be a whole number ≥ 1, got '0'"),
        (
            ["train", "tiny.yaml", "--runs", "tiny.yaml"],
            "--runs must be a directory, not a file, got 'tiny.yaml'",
        ),
        (["train", "tiny.yaml", "--sed", "3"], "unknown option --sed"),
        (["tran", "tiny.yaml"], "Error: unknown command 'tran'; did you mean 'train'?"),
        (
            ["qqq"],
            f"Error: unknown command 'qqq' (known: {', '.join(COMMANDS)})",
        ),
        (
            ["train", "tiny.yaml", "--set", "data.file=nix.npz"],
            "nix.npz: No such file or directory",
        ),
        (
            ["train", "tiny.yaml", "--set", "cost=log-likelihood"],
            "log-likelihood",
        ),
    ],
)
def test_usage_errors_exit_2_and_create_nothing(
    bench: Bench, arguments: list[str], last: str
) -> None:
    code, out, err = bench(*arguments)
    assert (code, out) == (2, "")
    assert last in err.splitlines()[-1]
    assert sorted(path.name for path in bench.folder.iterdir()) == ["tiny.npz", "tiny.yaml"]


def test_a_split_that_the_data_lacks_is_named_with_the_way_out(bench: Bench) -> None:
    with np.load(bench.folder / "tiny.npz") as arrays:
        np.savez(bench.folder / "part.npz", x_train=arrays["x_train"], y_train=arrays["y_train"])
    bench.config("part.yaml", data={"name": "npz", "file": "part.npz"})
    assert bench("train", "part.yaml") == (
        2,
        "",
        (
            "part.yaml:1:1: monitor: the data has no validation examples; set monitor: [train] "
            "and patience: null\n"
        ),
    )
    arguments = ("--set", "monitor=[train]", "--set", "patience=", "--name", "n")
    code, out, err = bench("train", "part.yaml", *arguments)
    assert (code, out) == (0, "runs/n-s0\n")
    assert err.splitlines()[-1] == "runs/n-s0: done after epoch 3"


def test_doomed_settings_are_warned_of_and_trained(bench: Bench) -> None:
    code, out, err = bench("train", "tiny.yaml", "--set", "batch_size=500", "--name", "n")
    assert (code, out) == (0, "runs/n-s0\n")
    warning = (
        "warning: batch_size 500 is more than the 200 training examples: "
        "every epoch is one batch, one step"
    )
    assert err.splitlines()[:2] == [warning, "runs/n-s0: training"]
    arguments = ("--set", "learning_rate=10", "--set", "lambda=40", "--name", "m", "-q")
    _, _, err = bench("train", "tiny.yaml", *arguments)
    assert err.splitlines()[0] == (
        "warning: weight decay multiplies every weight by 1 - ηλ/n = 1 - 10·40/200 = -1 "
        "at each step: weights flip sign and do not shrink (|1 - ηλ/n| must be below 1)"
    )


def test_a_place_that_cannot_be_written_exits_74(bench: Bench) -> None:
    assert bench("train", "tiny.yaml", "--runs", "tiny.yaml/runs", "--name", "n", "-q") == (
        74,
        "",
        "tiny.yaml/runs: not a directory\n",
    )


def test_a_full_disk_exits_74_names_the_file_and_loses_nothing(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    bench("train", "tiny.yaml", "--name", "n", "--until", "1", "-q")
    line = f"ulimit -f 2; {sys.executable} -m nnexp train tiny.yaml --name n -q"  # 1 or 2 kB
    done = subprocess.run(
        ["sh", "-c", line], cwd=bench.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr == "runs/n-s0/checkpoints/.epoch-000002.npz.tmp: file too large\n"
    assert bench("train", "tiny.yaml", "--name", "n", "-q") == (0, "runs/n-s0\n", "")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


@pytest.mark.parametrize("arguments", [["train", "tiny.yaml", "-q"], ["runs"], ["schema"]])
def test_a_full_disk_under_stdout_exits_74(bench: Bench, arguments: list[str]) -> None:
    bench("train", "tiny.yaml", "-q")
    with Path("/dev/full").open("w") as full:
        said = bench.process(*arguments, stdout=full)
    assert said == (74, "", "standard output: no space left on device\n")


def test_a_locked_run_exits_4_and_names_it(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n", "--until", "1")
    with (bench.folder / "runs/n-s0/LOCK").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert bench("train", "tiny.yaml", "--name", "n", "-q") == (
            4,
            "",
            f"runs/n-s0: another process is training this run; {LOCKED}\n",
        )
    assert bench("train", "tiny.yaml", "--name", "n", "-q").code == 0


# Pipes, terminals


def test_a_closed_stderr_ends_no_run(bench: Bench) -> None:
    line = f"{sys.executable} -m nnexp train tiny.yaml 2>&-"
    done = subprocess.run(
        ["sh", "-c", line], cwd=bench.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{RUN}\n", "")


def test_a_terminal_sees_a_bar_with_rate_cost_and_accuracy(bench: Bench) -> None:
    text = bench.on_a_terminal("train", "tiny.yaml", "--name", "n")
    states = [state for state in text.split("\r") if "epoch" in state and "%|" in state]
    last = states[-1].rstrip("\n")
    assert re.fullmatch(
        r"epoch 3/3 100%\|█{10}\| \S+ examples/s 00:00, validation \d\.\d{4} \d+\.\d\d % *", last
    )
    assert max(map(len, states)) <= 80
    assert text.endswith("\r\nruns/n-s0\r\n")
    assert "epoch 1/3  train" not in text


def test_a_terminal_without_columns_gets_lines(bench: Bench) -> None:
    text = bench.on_a_terminal("train", "tiny.yaml", "--name", "n", columns=0)
    assert "\nepoch 1/3  train" in text


def test_quiet_on_a_terminal_has_no_bar(bench: Bench) -> None:
    text = bench.on_a_terminal("train", "tiny.yaml", "--name", "n", "-q")
    assert text == "runs/n-s0\r\n"


def test_no_color_is_respected(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n")
    assert bench.on_a_terminal("runs").startswith("\x1b[1mrun ")
    assert "\x1b" not in bench.on_a_terminal("runs", NO_COLOR="1")


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end, where lines are cleared and gone up."""
    lines, row = [""], 0
    for part in re.split(r"(\r|\n|\x1b\[[\d?]*[a-zA-Z])", written):
        if part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part != "\r" and not part.startswith("\x1b"):
            lines[row] += part
    return [line.strip() for line in lines if line.strip()]


def test_seeds_leave_their_results_on_a_terminal(bench: Bench) -> None:
    written = bench.on_a_terminal("train", "tiny.yaml", "--name", "n", "--seeds", "3", columns=200)
    shown = screen(written)
    assert [line for line in shown if re.fullmatch(r"runs/n-s\d", line)] == [
        "runs/n-s0",
        "runs/n-s1",
        "runs/n-s2",
    ]
    assert sum(": done after epoch 3" in line for line in shown) == 3
    assert len(shown) == 6

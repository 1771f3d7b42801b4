"""nnexp compare refuses unknown runs and metrics, mixed experiments and damaged runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (
            ("runs/a", "runs/x"),
            (
                "runs/x: there is no such run, with or without -s and a seed; nnexp runs lists "
                "the runs"
            ),
        ),
        (
            ("runs/a", "tiny.yaml"),
            (
                "tiny.yaml: there is no such run, with or without -s and a seed; nnexp runs lists "
                "the runs"
            ),
        ),
        (
            ("b", "runs/a"),
            ("b: there is no such run, with or without -s and a seed; did you mean runs/b?"),
        ),
        (("runs/a", "runs/x*"), "runs/x*: no run matches; nnexp runs lists the runs"),
        (("runs/a", "runs/b", "./runs/a"), "runs/a: is named twice"),
        (
            ("runs/a",),
            "runs/a: is one experiment; name another to compare it with, or give --check",
        ),
    ],
)
def test_what_names_no_comparison_exits_2(two: Bench, places: tuple[str, ...], told: str) -> None:
    assert two("compare", *places) == (2, "", f"{told}\n")


def test_the_same_seed_twice_is_no_second_result(bench: Bench) -> None:
    for name in ("a-s0", "a-s1", "b"):
        rate = ("--set", "learning_rate=1") if name == "b" else ()
        bench("train", "tiny.yaml", "--name", "made", "-q", *rate)
        (bench.folder / "runs/made-s0").rename(bench.folder / "runs" / name)
    code, out, err = bench("compare", "runs/a", "runs/b")
    assert (code, out) == (2, "")
    assert err.startswith("runs/a-s0 and runs/a-s1 have the same config and seed")


def test_a_name_of_different_configs_is_no_experiment(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a-s0", "-q")
    bench("train", "tiny.yaml", "--name", "a-s1", "-q", "--set", "seed=1", "--set", "lambda=1")
    code, _, err = bench("compare", "runs/a", "runs/a-s0")
    assert code == 2
    assert err == "runs/a: its runs differ in config or data; name them one by one\n"


def test_a_metric_that_is_none_exits_2(two: Bench) -> None:
    code, _, err = two("compare", "runs/a", "runs/b", "--metric", "epochs_to_94")
    assert (code, "--metric: unknown metric 'epochs_to_94'; did you mean 'epochs_to_9" in err) == (
        2,
        True,
    )
    code, _, err = two("compare", "runs/a", "runs/b", "--metric", "seconds")
    assert (code, err) == (
        2,
        "--metric: 'seconds' is only shown, not judged; choose another metric\n",
    )


def test_a_folder_that_is_no_run_exits_5(two: Bench) -> None:
    assert two("compare", "runs/a", "runs") == (
        5,
        "",
        "runs: is not a run: it has no run.json; nnexp runs lists the runs\n",
    )


@pytest.mark.parametrize("file", ["run.json", "metrics.jsonl", "result.json"])
def test_a_damaged_run_exits_5_and_names_the_file(bench: Bench, file: str) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    path = bench.folder / "runs/a-s0" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, out, err = bench("compare", "runs/a", "runs/b")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert err.startswith(f"runs/a-s0/{file}: is damaged: ")


def test_broken_lines_of_a_stopped_run_exit_5(two: Bench) -> None:
    (two.folder / "runs/b/metrics.jsonl").write_text("{}\n")
    code, _, err = two("compare", "runs/a", "runs/b")
    assert (code, err.endswith("rows in metrics.jsonl are damaged\n")) == (5, True)

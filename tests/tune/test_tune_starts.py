"""A tuning recovers from a bad learning rate, λ or data, or says why it cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.tune import batch_size, choice, ladder
from tests.tune.tunings import contents, decisions

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_a_lambda_of_nothing_is_looked_for_nowhere_else() -> None:
    scores = {0.0: choice.Score(0.9, 0.5)}
    assert choice.next_strengths(scores, 0.0, 100, (0.0, 0.0)) == []


def test_a_rate_that_stays_must_learn_on_all_classes(bench: Bench) -> None:
    """Two classes without a hidden layer do not: the later stages could mend nothing."""
    far = ("--set", "learning_rate=1e6", "--set", "lambda=1")
    code, out, err = bench("tune", "tiny.yaml", "--only", "lambda", *far)
    assert (code, out) == (1, "")
    assert "η = 1e+06, λ = 1: diverged, no better than chance (" in err
    assert "η is not changed unless eta is tuned as well" in err


def test_a_lambda_that_stays_must_learn_something(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "-q", "--only", "eta", "--set", "lambda=1e5")
    assert (code, out) == (1, "")
    assert "λ is not changed unless lambda is tuned as well" in err


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_trained(bench: Bench) -> None:
    (bench.folder / "file").touch()
    code, out, err = bench("tune", "tiny.yaml", "--out", "file/below")
    assert (code, out, err) == (74, "", "file: is not a folder\n")
    assert not (bench.folder / "runs").exists()


def test_a_run_over_a_limit_ends_it_and_says_which_run_and_what_to_do(bench: Bench) -> None:
    said = bench("tune", "tiny.yaml", "-q", "--max-memory", "1M")
    assert (said.code, said.out) == (137, "")
    assert re.fullmatch(
        r"runs/tiny-\w+-s0: took [\d.]+ MB of memory, more than 1 MB; later steps depend on "
        r"this run; repeat the command with a higher --timeout or --max-memory to resume it\n",
        said.err,
    )


def test_one_example_is_too_few(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--set", "data.train=1")
    assert (code, out) == (2, "")
    assert "data: all training examples (1) are of one class" in err


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["learning_rate=1e-6", "learning_rate=1e6", "lambda=1e5"])
def test_a_wrong_start_does_not_matter(bench: Bench, wrong: str) -> None:
    arguments = ("tune", "tiny.yaml", "--only", "eta,lambda", "-q", "--json")
    found = decisions(bench(*arguments, "--set", wrong))
    chance = found["decisions"][0]
    if wrong != "learning_rate=1e6":  # saturated neurons can be right here and there
        assert chance["alternatives"][0]["better"] is False
    assert 1e-3 < found["decisions"][3]["chose"]["learning_rate"] < 100
    assert found["decisions"][2]["chose"]["lambda"] <= 100


@pytest.mark.parametrize("only", ["batch-size", "final", "lambda", "batch-size,lambda"])
def test_a_rate_that_learns_nothing_and_is_not_to_be_decided_ends_with_a_sentence(
    bench: Bench, only: str
) -> None:
    name = bench.config(activation="relu", hidden=[5], learning_rate=1e6)
    code, out, err = bench("tune", name, "--full", "--only", only, "-q")
    assert (code, out) == (1, "")
    assert err.startswith("no trial was better than chance")
    assert "η is not changed unless eta is tuned as well" in err
    assert "η = 0.1," not in err


def test_a_lambda_that_learns_nothing_is_decided_with_the_config_s_own_rate(bench: Bench) -> None:
    settings = ("--set", "lambda=1e5", "--set", "learning_rate=0.2")
    arguments = ("tune", "tiny.yaml", *settings, "--only", "lambda", "--full", "-q", "--json")
    found = decisions(bench(*arguments))
    tried = found["decisions"][0]["alternatives"]
    assert [each["learning_rate"] for each in tried] == [0.2, 0.2]
    assert [each["better"] for each in tried] == [False, True]


@pytest.mark.slow
def test_where_no_mini_batch_size_can_be_trained_with_it_ends_with_a_sentence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object, size: int, __: object) -> batch_size.TimedSize:
        return batch_size.TimedSize(size, 1.0, (), ())

    monkeypatch.setattr(batch_size, "_timed", broken)
    code, out, err = bench("tune", "tiny.yaml", "--only", "batch-size", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("with η = 0.5 for mini-batches of 10, and in proportion for others,")
    text = failed(bench, err, "tiny-tuned")
    assert "## Stage 1: Better than chance" in text
    assert "## Stage 5: Mini-batch size" in text
    assert "| 10 | 1 | diverged |" in text


def failed(bench: Bench, err: str, folder: str) -> str:
    """Check what a stage that finds nothing leaves behind; return the decisions."""
    assert err.endswith(f"; {folder}/decisions.md shows what was tried\n")
    assert err.count("\n") == 1
    left = contents(bench.folder / folder)
    assert "tuned.yaml" not in left
    text = left["decisions.md"].decode()
    assert "failed, so there is no tuned config." in text
    for name in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert left[name].startswith(b"<?xml")
    assert left["decisions.html"].count(b"<section") == text.count("\n## ")
    return text


def test_where_no_rate_is_steady_the_rungs_can_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "threshold", lambda _: None)
    (bench.folder / "tiny-tuned").mkdir()
    assert bench("tune", "tiny.yaml", "--only", "eta", "-q").code == 1
    code, out, err = bench("tune", "tiny.yaml", "--only", "eta", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("no learning rate from 0.01 to")
    text = failed(bench, err, "tiny-tuned")
    assert "**No η: no learning rate from" in text
    assert "| 10 | too large |" in text
    (bench.folder / "tiny-tuned" / "tuned.yaml").write_text("{}")
    assert bench("tune", "tiny.yaml", "--only", "eta", "-q").code == 1
    text = (bench.folder / "tiny-tuned" / "decisions.md").read_text("utf-8")
    assert r"The file tuned.yaml in this folder is from an earlier tuning." in text


def test_a_lambda_per_example_is_tuned_on_the_full_problem_too(bench: Bench) -> None:
    arguments = ("tune", "tiny.yaml", "--set", "lambda={per_example: 1e-4}", "--only", "eta")
    found = decisions(bench(*arguments, "--full", "-q", "--json"))
    assert found["decisions"][0]["alternatives"][0]["lambda"] == 0.02  # 1e-4 · 200


def pairs(bench: Bench, name: str, labels: list[int], seen: list[int]) -> str:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "x_train": rng.integers(0, 255, (len(labels), 6), dtype=np.uint8),
        "y_train": np.array(labels),
        "x_validation": rng.integers(0, 255, (len(seen), 6), dtype=np.uint8),
        "y_validation": np.array(seen),
    }
    np.savez(bench.folder / f"{name}.npz", **arrays)
    return bench.config(f"{name}.yaml", data={"name": "npz", "file": f"{name}.npz"})


def test_two_images_of_each_class_are_too_few(bench: Bench) -> None:
    name = pairs(bench, "one", [0, 1, 2] * 2, list(range(3)) * 40)
    code, out, err = bench("tune", name, "-q")
    assert (code, out) == (1, "")
    warning, err = err.split("\n", 1)
    assert warning.startswith("warning: of 6 training examples, one class has only 2")
    assert err.startswith("no trial was better than chance, so nothing is tuned")
    assert "several training examples of each class" in err
    text = failed(bench, err, "one-tuned")
    assert text.count("| the full problem |") == 4
    assert "**No trial was better than chance" in text


def test_labels_that_say_nothing_end_with_a_sentence(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    labels, seen = (rng.integers(0, 3, count).tolist() for count in (100, 200))
    code, out, err = bench("tune", pairs(bench, "random", labels, seen), "-q")
    assert (code, out) == (1, "")
    assert "labels match the examples" in err


def test_constant_labels_are_one_class(bench: Bench) -> None:
    for command in ("tune", "find-rate"):
        code, out, err = bench(command, pairs(bench, "constant", [0] * 20, [0] * 9), "-q")
        assert (code, out) == (2, "")
        assert (
            err == "constant.npz: y_train: only one class, '0'; a classifier needs at least two\n"
        )
        code, out, err = bench(command, "tiny.yaml", "--set", "data.classes=[1]")
        assert (code, out) == (2, "")
        assert "must name at least 2 classes, got 1" in err

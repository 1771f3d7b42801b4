"""nnexp compare tests the difference of experiments over their seeds, and advises more seeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from nnexp.store.records import RunRecord, seal, unseal
from tests.analysis.histories import PAIRED, ending, seeds, verdict

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_an_experiment_is_named_without_its_seed(many: Bench) -> None:
    assert verdict(many, "runs/a", "runs/b").endswith(PAIRED)


def test_an_experiment_is_named_by_a_pattern(many: Bench) -> None:
    assert verdict(many, "runs/a-s*", "runs/b-s[0-9]").endswith(PAIRED)
    assert verdict(many, "runs/[ab]-*").endswith(PAIRED)


def test_runs_as_a_shell_lists_them_are_taken_together(many: Bench) -> None:
    listed = [f"runs/{name}-s{seed}" for name in "ab" for seed in range(5)]
    assert verdict(many, *listed).endswith(PAIRED)


def test_runs_of_one_experiment_are_compared_one_by_one(many: Bench) -> None:
    out = many("compare", "runs/a-s0", "runs/a-s1").out
    assert "config  A  B\nseed    0  1\n" in out
    assert "train more seeds" not in out


def test_seeds_are_paired_by_their_number(many: Bench) -> None:
    """A seed that only one side has takes no part: b's mean without it is what counts."""
    assert "common seeds" not in many("compare", "runs/a", "runs/b").out
    seeds(many, "b", {7: [(1.0, 0.94)]}, "learning_rate=1")
    assert verdict(many, "runs/a", "runs/b").endswith(PAIRED)
    told = "note: B is paired with A on their common seeds, 0-4; means are over all seeds\n"
    assert told in many("compare", "runs/a", "runs/b").out


def test_no_common_seeds_are_compared_by_welch(bench: Bench) -> None:
    seeds(bench, "a", ending(0.90, 0.91, 0.92))
    other = {seed + 10: curve for seed, curve in ending(0.94, 0.95, 0.96).items()}
    seeds(bench, "b", other, "learning_rate=1")
    # Means 4 apart, both variances 1: t = 4 / √(2/3) = 4.899 on 4 degrees of freedom.
    assert "B is better: +4.00 ± 2.27 points (3 seeds each, p = 0.008)" in verdict(
        bench, "runs/a", "runs/b"
    )


def test_noise_is_called_noise_and_how_many_seeds_would_tell(many: Bench) -> None:
    said = verdict(many, "runs/a", "runs/c")
    assert "~ inside the noise: +0.00 ± 1.24 points; " in said
    assert said.endswith("seeds would detect it")


def test_several_are_adjusted_and_so_are_their_intervals(many: Bench) -> None:
    """At 1 - 0.05 / 2, t on 4 degrees is 3.4954: 3.4954 · 0.3162 = 1.105 and · 0.4472 = 1.563."""
    out = many("compare", "runs/a", "runs/b", "runs/c").out
    assert "B is better: +2.00 ± 1.11 points (5 seeds, p = 0.006, Bonferroni over 2)" in out
    noise = "C: ~ inside the noise: +0.00 ± 1.56 points (5 seeds, p = 1.000, Bonferroni over 2)"
    assert noise in out
    row = next(line for line in out.splitlines() if line.startswith("best validation"))
    assert " ".join(row.split()[3:]) == "90.80 ± 0.84 92.80 ± 1.10 better 90.80 ± 0.84 ~"
    method = "at 5 %, over 2 comparisons by Bonferroni's method; then the other rows by Hommel's"
    assert f"judged first: best validation accuracy, {method}" in out


def test_what_was_not_tested_has_no_mark_beside_several(many: Bench) -> None:
    out = many("compare", "runs/a-s0", "runs/b-s0", "runs/c-s0").out
    row = next(line for line in out.splitlines() if line.startswith("best validation"))
    assert row.split()[3:] == ["90.00", "91.00", "91.00"]


def test_what_is_identical_has_its_mark_beside_several(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "runs/c").out
    row = next(line for line in out.splitlines() if line.startswith("last validation cost"))
    assert " ".join(row.split()[3:]) == "1.0000 ± 0.0000 1.0000 ± 0.0000 = 1.0000 ± 0.0000 ="


def test_a_level_that_not_all_reach_has_no_verdict(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b").out
    row = next(line for line in out.splitlines() if line.startswith("epochs to 93 %"))
    assert row.split()[5:] == ["-", "reached", "by", "4", "of", "5", "-"]


def test_another_metric_can_be_judged(many: Bench) -> None:
    said = verdict(many, "runs/a", "runs/b", "--metric", "last_validation_cost")
    assert said == "last validation cost: identical: B equals A (5 seeds)"


def test_mcnemar_compares_two_nets_on_the_same_images(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "-q", "--set", "learning_rate=1e-6")
    out = bench("compare", "runs/a", "runs/b").out
    right = []
    for name in "ab":
        with np.load(bench.folder / f"runs/{name}-s0/predictions.npz") as each:
            right.append(each["test_predicted"] == each["test_true"])
    lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = binomtest(won, won + lost).pvalue
    assert lost > won
    assert f"(40 examples, McNemar's p {'< 0.001' if p < 0.0005 else f'= {p:.3f}'})" in out
    assert "\nthese two networks: test accuracy, best epoch: B minus A is -" in out
    assert "B is" not in out
    assert "worse" not in out
    assert "nnexp train runs/a-s0/config.yaml --name a --seeds 5" in out


def test_more_seeds_are_named_as_those_that_there_are(bench: Bench) -> None:
    """A name may itself end like a seed's, and runs of one config need not share one."""
    seeds(bench, "a-s0", ending(0.90, 0.91))
    seeds(bench, "x", {0: [(1.0, 0.91)]}, "learning_rate=1")
    seeds(bench, "y", {1: [(1.0, 0.93)]}, "learning_rate=1")
    out = bench("compare", "runs/a-s0", "runs/x-s0", "runs/y-s1").out
    lines = [line for line in out.splitlines() if line.startswith("  nnexp train")]
    assert [line.split()[4] for line in lines] == ["a-s0", "x"]


def test_no_seeds_are_advised_where_no_number_would_do(bench: Bench) -> None:
    seeds(bench, "a", ending(0.9000, 0.9000))
    seeds(bench, "b", ending(0.9500, 0.8501), "learning_rate=1")
    out = bench("compare", "runs/a", "runs/b").out
    assert "more than 10,000 would do; the difference is too small for a reasonable" in out
    assert "train more seeds" not in out


def test_no_seeds_are_advised_where_it_would_take_too_many(bench: Bench) -> None:
    """Two pairs that differ by 1 and -0.6 points: a standard deviation of 1.13 around 0.2."""
    seeds(bench, "a", ending(0.9000, 0.9000))
    seeds(bench, "b", ending(0.9100, 0.8940), "learning_rate=1")
    words = "too few seeds: +0.20 points with 2; about 260 would do"
    assert verdict(bench, "runs/a", "runs/b") == (
        f"best validation accuracy: {words}; the difference is too small for a reasonable number "
        "of seeds to tell"
    )
    found = json.loads(bench("compare", "runs/a", "runs/b", "--json").out)
    assert found["verdicts"] == {"B": words}
    seeds(bench, "c", ending(0.9200, 0.9300), "learning_rate=2")
    out = bench("compare", "runs/a", "runs/b", "runs/c").out
    commands = [line.split() for line in out.splitlines() if "nnexp train" in line]
    needed = [words[words.index("--seeds") + 1] for words in commands]
    assert needed == 2 * ["5"]  # of A and C, as C needs
    assert not any("runs/b" in word for words in commands for word in words)
    assert "nnexp compare runs/a runs/b runs/c" in out


def test_seconds_are_shown_where_every_epoch_has_its_time(bench: Bench) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    row = '{"epoch":%d,"train_seconds":%s,"evaluate_seconds":9}\n'
    timing = [bench.folder / f"runs/{name}-s0/timing.jsonl" for name in "ab"]
    timing[0].write_text(row % (1, 7) + row % (1, 0.5) + row % (2, 1) + row % (3, 1))
    timing[1].write_text(row % (1, 0.5) + "torn" + row % (3, 1))
    out = bench("compare", "runs/a", "runs/b").out
    line = next(line for line in out.splitlines() if line.startswith("seconds of training"))
    assert line.split()[3:] == ["2.5", "-", "not", "judged"]
    timing[1].write_text("".join(row % (epoch, 0.0041) for epoch in (1, 2, 3)))
    out = bench("compare", "runs/a", "runs/b").out
    line = next(line for line in out.splitlines() if line.startswith("seconds of training"))
    assert line.split()[3:] == ["2.5", "12.3", "ms", "not", "judged"]


@pytest.mark.parametrize(
    ("key", "content", "told"),
    [
        ("numerics", "0" * 64, "A and B were trained with different numerics"),
        ("versions", None, "A and B were trained with different versions of nnexp"),
    ],
)
def test_what_the_numbers_were_made_with_is_said_where_it_differs(
    bench: Bench, key: str, content: str | None, told: str
) -> None:
    for name in ("a", "b"):
        bench("train", "tiny.yaml", "--name", name, "-q")
    path = bench.folder / "runs/b-s0/run.json"
    record = unseal(path, path.read_bytes(), RunRecord)
    versions = msgspec.structs.replace(record.versions, nnexp="0.0.1")
    path.write_bytes(seal(msgspec.structs.replace(record, **{key: content or versions})))
    assert f"note: {told}" in bench("compare", "runs/a", "runs/b").out


def test_other_data_is_said(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench.data(seed=1)
    bench("train", "tiny.yaml", "--name", "b", "-q")
    out = bench("compare", "runs/a", "runs/b").out
    assert "note: B was trained on other data than A, so there is no verdict on it\n" in out
    assert "examples" not in out  # other images: McNemar's test has no pairs

"""More than four experiments have a row each; curves against seconds; times under load."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from nnexp.analysis import experiments
from nnexp.errors import UsageError
from nnexp.store import metrics
from nnexp.store.run import Run
from tests.analysis.histories import ending, history, seeds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench, Once

NAMES = [f"an-experiment-with-quite-a-long-name-{number:02d}" for number in range(20)]


def make_twenty(bench: Bench) -> None:
    """Twenty experiments of three seeds; number 17 is the best, number 0 the worst."""
    for number, name in enumerate(NAMES):
        mean = 0.90 + 0.002 * ((7 * number) % 20)
        curves = ending(mean, mean + 0.001 * (number % 3), mean + 0.002)
        settings = [f"learning_rate={0.1 * (number + 1):g}", f"lambda={number % 5}"]
        settings.append(f"hidden=[{number + 1},3]")
        seeds(bench, name, {0: curves[0]}, *settings)
        source = bench.folder / f"runs/{name}-s0"
        for seed in (1, 2):
            given = [word for setting in settings for word in ("--set", setting)]
            own = ("--set", f"seed={seed}", "--name", f"{name}-s{seed}", "--until", "1", "-q")
            assert bench("train", "tiny.yaml", *given, *own).code == 0
            run = source.with_name(f"{name}-s{seed}")
            (run / "metrics.jsonl").write_bytes(history(curves[seed]))
            bench.commit(str(run))


@pytest.fixture
def twenty(once: Once) -> Bench:
    """Twenty experiments of three seeds; number 17 is the best, number 0 the worst."""
    return once(make_twenty)


def rows(out: str) -> list[list[str]]:
    """Return the rows of the first table."""
    lines = out.split("\n\n", maxsplit=1)[0].splitlines()
    return [re.split("  +", line.strip()) for line in lines[1:]]


def test_twenty_experiments_fit_a_hundred_columns_the_best_first(twenty: Bench) -> None:
    out = re.sub("\x1b.*?m", "", twenty("compare", "runs/*").out)
    assert max(map(len, tables(out))) <= 100
    table = rows(out)
    assert len(table) == 20
    values = [
        float(match[0]) for row in table if (match := re.search(r"\d\d\.\d\d", " ".join(row)))
    ]
    assert values == sorted(values, reverse=True)
    by_letter = {row[0]: row for row in table}
    assert "baseline" in by_letter["A"]
    better = [letter for letter, row in by_letter.items() if "better" in row]
    found = json.loads(twenty("compare", "runs/*", "--json").out)["metrics"]
    judged = found["best_validation_accuracy"]
    assert better == [x for x in by_letter if judged[x].get("verdict") == "better"]
    assert better
    assert len(out.split("\n\n")[2].splitlines()) == 21  # letters and names
    assert "over 19 comparisons by Bonferroni's method" in out


@pytest.mark.parametrize("columns", [60, 100, 160])
def test_what_does_not_fit_is_named(twenty: Bench, columns: int) -> None:
    written = re.sub("\x1b.*?m", "", twenty.on_a_terminal("compare", "runs/*", columns=columns))
    lines = [line.rstrip() for line in written.splitlines()]
    assert max(map(len, tables("\n".join(lines)))) <= columns
    header = lines[0]
    hidden = re.search(r"not shown: (.*?); --csv", " ".join(map(str.strip, lines)))
    named = hidden[1].split(", ") if hidden else []
    for key in ("learning_rate", "lambda", "hidden"):
        assert (key in header) != (key in named)


def test_the_best_few_and_the_baseline(twenty: Bench) -> None:
    baseline = f"runs/{NAMES[4]}"
    out = twenty("compare", "runs/*", "--top", "2", "--baseline", baseline).out
    best, second, last = rows(out)
    assert last[0] == "A"
    assert "baseline" in last
    assert f"A  {baseline}" in out
    assert "93.93 ± 0.12" in best  # number 17: 7 · 17 is 19 more than five times 20
    assert "93.73 ± 0.12" in second  # number 14: 18
    assert "3 of 20 experiments, with the baseline A" in out
    assert len(rows(twenty("compare", "runs/*", "--top", "1").out)) == 2
    pair = (f"runs/{NAMES[0]}", f"runs/{NAMES[1]}")
    assert len(rows(twenty("compare", *pair, "--top", "5").out)) == 2  # if it is asked for
    code, _, err = twenty("compare", *pair, "--baseline", "runs/x")
    assert (code, err) == (
        2,
        f"--baseline runs/x: is not among the experiments: {pair[0]}, {pair[1]}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--top", "3", "--json"), "--top is for tables; --csv and --json have all experiments"),
        (("--top", "0"), "--top must be a whole number ≥ 1, got '0'"),
        (("--x", "seconds"), "--x is for curves: add --curves or --plot FILE"),
        (("--x", "hours"), "--x must be epochs, seconds or evaluations, got 'hours'"),
    ],
)
def test_options_that_say_nothing_are_refused(
    two: Bench, arguments: tuple[str, ...], told: str
) -> None:
    assert two("compare", "runs/a", "runs/b", *arguments) == (2, "", f"{told}\n")


def test_from_the_27th_on_labels_have_two_letters() -> None:
    assert experiments.LABELS[24:29] == ["Y", "Z", "AA", "AB", "AC"]
    assert len(set(experiments.LABELS)) == 26 * 27


# Seconds and load


def timing(run: Path, *seconds: float, load: str = "") -> None:
    text = '{"epoch":%d,"train_seconds":%s,"evaluate_seconds":9%s}\n'
    lines = [text % (epoch, value, load) for epoch, value in enumerate(seconds, 1)]
    (run / "timing.jsonl").write_text("".join(lines))


def test_curves_against_seconds_end_where_training_did(two: Bench) -> None:
    timing(two.folder / "runs/a", 1, 1, 1, 2)
    timing(two.folder / "runs/b", 0.5, 0.5, 20)
    out = two("compare", "runs/a", "runs/b", "--curves", "--x", "seconds").out
    axes = [line for line in out.splitlines() if "seconds of training" in line and "0.5" in line]
    assert len(axes) == 2
    assert all(line.split() == ["0.5", "seconds", "of", "training", "21"] for line in axes)
    assert two("compare", "runs/a", "runs/b", "--plot", "c.svg", "--x", "seconds").code == 0
    timing(two.folder / "runs/b", 0.5, 0.5)
    said = two("compare", "runs/a", "runs/b", "--curves", "--x", "seconds")
    told = "--x seconds: runs/b: timing.jsonl lacks the times of some epochs\n"
    assert said == (2, "", told)


def test_curves_against_evaluations_count_an_epoch_of_mini_batches_as_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q", "--set", "epochs=4")
    bench.config("b.yaml", optimizer="l-bfgs", dtype="float64", epochs=3)
    bench("train", "b.yaml", "--name", "b", "-q")
    last = Run(bench.folder / "runs/b-s0").history()[-1].evaluations
    out = bench("compare", "runs/a", "runs/b", "--curves", "--x", "evaluations").out
    axes = [line.split() for line in out.splitlines() if "evaluations" in line]
    assert axes == [["1", "evaluations", str(last)]] * 2
    monkeypatch.setattr("nnexp.analysis.metrics.Facts.evaluations", None)
    said = bench("compare", "runs/a", "runs/b", "--curves", "--x", "evaluations")
    told = "was trained by a version that did not count them; train it again"
    assert said == (2, "", f"--x evaluations: runs/a-s0: {told}\n")


def test_the_load_is_recorded_with_the_times(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (3.14159, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    bench("train", "tiny.yaml", "--name", "a", "-q")
    timings = Run(bench.folder / "runs/a-s0").timing()
    assert [(each.epoch, each.load, each.cores) for each in timings] == [
        (epoch, 3.14, 2) for epoch in (1, 2, 3)
    ]
    assert all(each.is_under_load for each in timings)

    def unknown() -> None:
        raise OSError

    monkeypatch.setattr("os.getloadavg", unknown)
    assert not metrics.timed(1, 0.5, 0.5).is_under_load


def test_times_under_load_are_marked(two: Bench) -> None:
    timing(two.folder / "runs/a", 1, 1, 1, 2, load=',"load":2.0,"cores":2')
    timing(two.folder / "runs/b", 1, 1, 1, load=',"load":2.5,"cores":2')
    out = two("compare", "runs/a", "runs/b").out
    line = next(line for line in out.splitlines() if line.startswith("seconds of training"))
    assert line.split()[3:] == ["5.0", "3.0", "!", "not", "judged"]
    assert "!: measured under load" in out
    assert (
        "note: times of B were measured under load, up to 2.5 on 2 cores, and are too long" in out
    )
    timing(two.folder / "runs/b", 1, 1, 1)  # as older versions recorded them
    assert "under load" not in two("compare", "runs/a", "runs/b").out


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            ("batch_size=20", "learning_rate=1"),
            "mini-batch sizes differ, and η of B was scaled with the batch size of A; nnexp tune",
        ),
        (
            ("batch_size=20",),
            "η of B (0.5, scaled 1) was not scaled with the batch size of A; nnexp tune CONFIG",
        ),
        (
            ("batch_size=20", "learning_rate=null", "schedule={name: piecewise, rates: {1: 1}}"),
            "mini-batch sizes differ, and η of B was scaled with the batch size of A; nnexp tune",
        ),
        (("learning_rate=1",), ""),
    ],
)
def test_mini_batch_sizes_tell_whether_the_rate_was_scaled(
    bench: Bench, settings: tuple[str, ...], told: str
) -> None:
    bench("train", "tiny.yaml", "--name", "a", "--until", "1", "-q")
    given = [word for setting in settings for word in ("--set", setting)]
    bench("train", "tiny.yaml", "--name", "b", "--until", "1", "-q", *given)
    out = bench("compare", "runs/a", "runs/b").out
    assert (told in out) if told else ("mini-batch sizes differ" not in out)
    assert ("nnexp tune CONFIG --only batch-size chooses" in out) == bool(told)


def test_experiments_with_the_batch_size_of_the_baseline_have_nothing_to_scale(
    bench: Bench,
) -> None:
    for name, *settings in (("a",), ("b", "batch_size=20"), ("c", "lambda=1")):
        given = [word for setting in settings for word in ("--set", setting)]
        bench("train", "tiny.yaml", "--name", name, "--until", "1", "-q", *given)
    out = bench("compare", "runs/a", "runs/b", "runs/c").out
    assert "differ, and η of B (0.5, scaled 1) was not scaled with the batch size of A; " in out
    assert "η of C" not in out


def tables(out: str) -> list[str]:
    """Return the lines that are fitted into the width: all but commands, to be copied whole."""
    return [line for line in out.splitlines() if not line.startswith("  nnexp ")]


def sheet(bench: Bench, *arguments: str) -> list[str]:
    return bench("compare", *arguments).out.splitlines()


def make_five(bench: Bench) -> None:
    """Four experiments of three seeds, b worse than a by five points, and e of one seed."""
    for name, mean, rate in (("a", 0.95, 1), ("b", 0.90, 2), ("c", 0.951, 3), ("d", 0.949, 4)):
        curves = ending(mean, mean + 0.001 * rate, mean + 0.002)
        seeds(bench, name, curves, f"learning_rate={rate}")
    seeds(bench, "e", ending(0.99), "learning_rate=5")


@pytest.fixture
def five(once: Once) -> Bench:
    """Four experiments of three seeds, b worse than a by five points, and e of one seed."""
    return once(make_five)


def test_the_legend_of_rows_explains_the_signs_that_are_shown_and_the_level(five: Bench) -> None:
    """Of four comparisons three have enough seeds: 1 - 0.05 / 3 is 98.33 %."""
    lines = sheet(five, "runs/*")
    width = '±: standard deviation over seeds; of "- A", half-width of the 98.33 % interval'
    at = lines.index(width)
    assert lines[at + 1] == "worse: than A, by more than noise; ~: inside the noise"
    best = sheet(five, "runs/*", "--top", "2")
    assert "~: inside the noise" in best
    assert not any("worse" in line for line in best)
    letters = "".join(line.split()[0] for line in best[1:4])
    assert letters == "ECA"


def test_the_commands_for_rows_train_what_has_too_few_seeds_under_its_name(bench: Bench) -> None:
    for rate, name in enumerate("abcde", 1):
        own = (
            "--name",
            name,
            "--set",
            f"learning_rate={rate}",
            "--seeds",
            "1" if rate > 4 else "3",
        )
        assert bench("train", "tiny.yaml", "-q", *own).code == 0
    lines = [line.replace(" --backend numpy", "") for line in sheet(bench, "runs/*")]
    at = lines.index("to know, train more seeds and compare again:")
    again = "compare runs/a runs/b runs/c runs/d runs/e"
    assert lines[at + 1 : at + 4] == [
        "  nnexp train runs/a-s0/config.yaml --name a --seeds 5",
        "  nnexp train runs/e-s0/config.yaml --name e --seeds 5",
        f"  nnexp {again}",
    ]
    for words in (line.split()[1:] for line in lines[at + 1 : at + 3]):
        assert bench(*words, "-q").code == 0
    assert not any("train more seeds" in line for line in sheet(bench, *again.split()[1:]))


def test_a_name_that_fits_two_experiments_is_no_baseline(two: Bench) -> None:
    gathered = experiments.gather([two.folder / "runs/a", two.folder / "runs/b"])
    with pytest.raises(UsageError, match="is not among the experiments"):
        experiments.with_baseline(gathered, two.folder / "runs")

"""nnexp compare prints text, JSON, CSV and Markdown, and draws curves."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.analysis import comparison, experiments
from nnexp.analysis.metrics import METRICS, Metric
from nnexp.analysis.verdicts import ACCURACY
from nnexp.report import comparison_output, comparisons, document
from nnexp.store.lock import Lock
from tests.analysis.histories import verdict

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_the_whole_text(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b")
    words = "these two networks: best validation accuracy: B minus A is -2.60 points; "
    words += "to judge the configs, 5 seeds would do"
    # The commands say so if NumPy trained these runs.
    assert (code, out.replace(" --backend numpy", ""), err) == (
        0,
        f"""\
   run     seeds  status
A  runs/a  0      interrupted
B  runs/b  0      interrupted

config           A    B
data.train       -  100
learning_rate  0.5  1.0
lambda         0.0  5.0
patience        10    -

result (accuracies in %)          A       B       B - A
best validation accuracy      97.60   95.00       -2.60
best epoch                        4       2  not judged
first validation accuracy     90.00   50.00      -40.00
last train accuracy          100.00  100.00       +0.00
last train cost              0.2500  0.4000       +0.15
last validation accuracy      97.60   95.00       -2.60
last validation cost         0.1250  0.2000      +0.075
epochs to 90 % validation         1       2          +1
epochs to 93 % validation         2       2          +0
epochs to 95 % validation         4       2          -2
epochs to 96 % validation         4       -           -
epochs to 97 % validation         4       -           -
epochs to 97.5 % validation       4       -           -
epochs run                        4       3  not judged

-: no value

note: A: 1 of 1 run is interrupted
note: B: 1 of 1 run is interrupted
note: the verdict is on best validation accuracy: some runs have no test accuracy

{words}

to know, train more seeds and compare again:
  nnexp train runs/a/config.yaml --name a --seeds 5
  nnexp train runs/b/config.yaml --name b --seeds 5
  nnexp compare runs/a runs/b --metric best_validation_accuracy
""",
        "",
    )


def test_json_says_the_same(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--json")
    assert (code, out.count("\n"), err) == (0, 1, "")
    told = json.loads(out)
    assert told["config"] == {
        "data.train": {"A": None, "B": 100},
        "learning_rate": {"A": 0.5, "B": 1.0},
        "lambda": {"A": 0.0, "B": 5.0},
        "patience": {"A": 10, "B": None},
    }
    assert told["judged"] == "best_validation_accuracy"
    reached = {key: each["A"]["mean"] for key, each in told["metrics"].items() if "_to_" in key}
    assert list(reached.values()) == [1, 2, 4, 4, 4, 4, None]
    (numerics,) = told["experiments"]["A"].pop("numerics")
    assert [turn["since"] for turn in numerics] == [1]
    assert told["experiments"]["A"] == {
        "run": "runs/a",
        "runs": ["runs/a"],
        "seeds": [0],
        "statuses": {"interrupted": 1},
        "apart": [],
    }
    assert told["metrics"]["best_epoch"]["B"]["mean"] == 2
    assert told["metrics"]["test_accuracy"]["B"]["values"] == [None]
    words = "B minus A is -2.60 points; to judge the configs, 5 seeds would do"
    assert told["verdicts"] == {"B": f"these two networks: {words}"}
    assert told["method"] == ""


def test_equal_configs_are_called_the_same(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "-q", "--set", "learning_rate=0.50")
    code, out, _ = bench("compare", "runs/a-s0/", "./runs/b")
    result = json.loads((bench.folder / "runs/a-s0/result.json").read_text())
    assert code == 0
    assert "\n\nThe configs are the same.\n\n" in out
    test = f"{100 * result['test_accuracy']:.2f}"
    line = next(line for line in out.splitlines() if line.startswith("test accuracy, best"))
    assert line.split()[4:7] == [test, test, "+0.00"]
    assert "\nthese two networks: test accuracy, best epoch: B equals A (40 examples)" in out


def legend(out: str) -> list[str]:
    """Return the lines below the table of results."""
    lines = out.partition("\nepochs run ")[2].partition("\n\n")[2].split("\n\n")[0]
    return lines.replace("; !: measured under load", "").splitlines()


def test_the_legend_explains_the_signs_that_are_shown_and_the_levels(many: Bench) -> None:
    """Rows that are tested: first and last validation accuracy, with p of B - A alike.

    Simes' test rejects both together, so that each is judged at 5 %. c is a with noise: no set is
    rejected, and the two have 97.5 %.
    """
    deviation = "±: standard deviation over seeds; of B - A, half-width of the 95 % interval"
    first = "judged first: best validation accuracy, at 5 %"
    assert legend(many("compare", "runs/a", "runs/b").out) == [
        deviation,
        "better: than A, by more than noise; =: identical; -: no value",
        f"{first}; then the other rows by Hommel's method",
    ]
    assert legend(many("compare", "runs/a", "runs/c").out) == [
        f"{deviation} (other rows: 97.5 %, adjusted like p)",
        "~: inside the noise; =: identical",
        f"{first}; it does not differ, so that the other rows have intervals and no words",
    ]
    of_three = legend(many("compare", "runs/a", "runs/b", "runs/c").out)
    width = "in verdicts, half-width of the 97.5 % interval"
    assert of_three[0] == f"±: standard deviation over seeds; {width}"


def test_mcnemars_interval_is_explained_and_deviations_that_are_not_shown_are_not(
    bench: Bench,
) -> None:
    for name, rate in (("a", "0.5"), ("b", "1e-6")):
        bench("train", "tiny.yaml", "--name", name, "-q", "--set", f"learning_rate={rate}")
    out = bench("compare", "runs/a", "runs/b").out
    assert "±: of B - A, half-width of the 95 % interval" in legend(out)


def test_where_some_runs_have_no_headline_the_other_rows_have_intervals(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "--metric", "epochs_to_93").out
    row = next(line for line in out.splitlines() if line.startswith("best validation"))
    assert " ".join(row.split()[3:]) == "90.80 ± 0.84 92.80 ± 1.10 +2.00 ± 0.88"
    said = legend(out)
    assert said[0].endswith("; of B - A, half-width of the 95 % interval")
    assert said[-1] == (
        "judged first: epochs to 93 % validation, without a verdict, so that the other rows have "
        "intervals and no words"
    )
    assert "no verdict: some runs have no epochs to 93 % validation" in out


# Other forms


def test_csv_has_a_row_for_each_experiment_and_metric(many: Bench) -> None:
    rows = list(csv.DictReader(many("compare", "runs/a", "runs/b", "--csv").out.splitlines()))
    assert len(rows) == 2 * len(METRICS)
    row = next(
        r for r in rows if (r["experiment"], r["metric"]) == ("B", "best_validation_accuracy")
    )
    assert (row["run"], row["count"], row["missing"]) == ("runs/b", "5", "0")
    assert float(row["mean"]) == pytest.approx(0.928)
    assert float(row["difference"]) == pytest.approx(0.02)
    assert float(row["low"]) == pytest.approx(0.02 - 0.00878, abs=1e-5)
    assert (row["test"], row["verdict"]) == ("paired t", "better")


def test_the_csv_of_a_comparison_has_the_names_and_numbers_of_its_json(many: Bench) -> None:
    rows = csv.DictReader(many("compare", "runs/a", "runs/b", "--csv").out.splitlines())
    tree = json.loads(many("compare", "runs/a", "runs/b", "--json").out)
    unseen = set(comparison_output.LONG_HEADER)
    keys = {"experiment", "metric"}  # of the objects experiments and metrics
    for row in rows:
        experiment = tree["experiments"][row["experiment"]]
        fields = {"run": experiment["run"], **tree["metrics"][row["metric"]][row["experiment"]]}
        for name in row.keys() - keys:
            assert row[name] == ("" if fields.get(name) is None else str(fields[name]))
        unseen -= keys | fields.keys()
    assert not unseen


def test_markdown_has_the_tables(many: Bench) -> None:
    out = many("compare", "runs/a", "runs/b", "--markdown").out
    assert out.startswith("|  | run | seeds | status |\n| --- | --- | --- | --- |\n| A | runs/a |")
    assert "| config | A | B |\n| --- | ---: | ---: |\n| learning\\_rate | 0.5 | 1.0 |\n" in out
    assert (
        "| best validation accuracy | 90.80 ± 0.84 | 92.80 ± 1.10 | +2.00 ± 0.88 | better |" in out
    )
    assert document.escaped("~&lt;b>`\x1b") == "\\~\\&lt;b\\>\\`\\\\x1b"


def test_one_form_at_a_time(many: Bench) -> None:
    for forms in (("--csv", "--json"), ("--curves", "--markdown")):
        code, out, err = many("compare", "runs/a", "runs/b", *forms)
        told = "--csv, --markdown, --json and --curves: choose one of them\n"
        assert (code, out, err) == (2, "", told)


def test_curves_in_the_terminal_fit_into_80_columns(two: Bench) -> None:
    plain = two("compare", "runs/a", "runs/b").out
    drawn = two("compare", "runs/a", "runs/b", "--curves").out
    lines = [line for line in drawn.splitlines() if line not in plain.splitlines()]
    assert {"training cost", "validation accuracy"} <= {line.strip() for line in lines}
    assert sum("⠤" in line or "⣀" in line for line in lines) > 3
    assert max(map(len, lines)) <= 80


def test_a_running_run_can_be_compared(two: Bench) -> None:
    held = Lock(two.folder / "runs/a/LOCK")
    held.acquire()
    code, out, _ = two("compare", "runs/a", "runs/b")
    held.release()
    assert (code, out.splitlines()[1]) == (0, "A  runs/a  0      running")


def test_the_verdict_is_on_what_all_runs_have(bench: Bench) -> None:
    for name, monitor in (("a", "[train, test]"), ("b", "[train]"), ("c", "[]")):
        given = ("--set", f"monitor={monitor}", "--set", "patience=", "--name", name)
        bench("train", "tiny.yaml", *given, "--until", "1", "-q")
    assert verdict(bench, "runs/a", "runs/b").startswith("  nnexp compare")
    assert "the verdict is on last train accuracy" in bench("compare", "runs/a", "runs/b").out
    assert verdict(bench, "runs/b", "runs/c") == (
        "no verdict: some runs have no test accuracy, best epoch"
    )


def test_a_run_without_epochs_can_be_compared(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "a", "-q")
    bench("train", "tiny.yaml", "--name", "b", "--set", "learning_rate=1e30", "-q")
    code, out, _ = bench("compare", "runs/a", "runs/b", "--plot", "c.png")
    assert (code, out.splitlines()[2]) == (0, "B  runs/b-s0  0      diverged")
    assert (bench.folder / "c.png").exists()


# Pictures


def colours(path: Path) -> set[tuple[int, ...]]:
    """Return the colours that are in a picture."""
    from matplotlib import image  # noqa: PLC0415 - slow to import

    pixels = (255 * image.imread(path)[..., :3]).round().astype(int)
    return set(map(tuple, np.unique(pixels.reshape(-1, 3), axis=0).tolist()))


def test_the_picture_shows_a_curve_of_each_run(two: Bench) -> None:
    code, out, err = two("compare", "runs/a", "runs/b", "--plot", "curves.png")
    assert (code, err) == (0, "")
    assert out == two("compare", "runs/a", "runs/b").out
    blue, vermilion = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert {blue, vermilion} <= colours(two.folder / "curves.png")


def test_names_stand_for_settings_that_are_too_long_for_a_legend(many: Bench) -> None:
    def captions(*given: str) -> list[str]:
        gathered = experiments.gather([Path(path) for path in given])
        return comparisons.captions(comparison.compare(gathered))

    assert captions("runs/a", "runs/b") == ["A  learning_rate=0.5", "B  learning_rate=1.0"]
    rates = "schedule={name: piecewise, rates: {1: 0.5, 2: 0.25, 3: 0.125, 4: 0.0625}}"
    given = ("train", "tiny.yaml", "--until", "1", "-q", "--set", rates)
    many(*given, "--name", "cut")
    assert captions("runs/a", "runs/cut-s0") == ["A  a", "B  cut-s0"]
    first, second = captions("runs/a", many(*given, "--set", "seed=7").out.strip())
    assert (first, len(second), second[-1]) == ("A  a", 60, "…")
    assert "schedule=piecewise" in second


@pytest.mark.parametrize(("ending", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_other_formats_of_the_picture(two: Bench, ending: str, head: bytes) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", f"c.{ending}").code == 0
    assert (two.folder / f"c.{ending}").read_bytes().startswith(head)


@pytest.mark.parametrize(
    ("picture", "code", "told"),
    [
        ("c.gif", 2, "c.gif: a picture's name ends in .png, .svg, .pdf\n"),
        ("c", 2, "c: a picture's name ends in .png, .svg, .pdf\n"),
        ("nix/c.png", 74, "nix/c.png: there is no folder nix; mkdir -p nix makes it\n"),
    ],
)
def test_a_picture_that_cannot_be_is_all_that_is_said(
    two: Bench, picture: str, code: int, told: str
) -> None:
    assert two("compare", "runs/a", "runs/b", "--plot", picture) == (code, "", told)


def test_every_accuracy_says_which_split_it_counts_and_a_key_need_not(
    many: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(m.split is not None for m in METRICS.values() if m.unit == ACCURACY)
    added = Metric("gain", ACCURACY, lambda _: 0.5, "validation")
    monkeypatch.setattr(comparison, "METRICS", {**METRICS, "gain": added})
    code, out, _ = many("compare", "runs/a", "runs/b", "--metric", "gain")
    assert (code, "gain" in out) == (0, True)

"""nnexp race trains seed after seed, prints verdicts, and refuses what it cannot judge."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.analysis.verdicts import ACCURACY, COST, EPOCHS, Unit
from nnexp.cli.study_progress import SEED, StudyProgress
from nnexp.datasets.loading import Data
from nnexp.report import renderer, study_figures
from nnexp.report.figure import Line, Points
from nnexp.study.race_definition import define
from tests.study.races import configs, plant, run, sampler
from tests.study.searches import names
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import Bench, Said

STEPS = {
    "a": [0.0] * 6,
    "b": [2.02, 1.96, 2.02, 2.00],
    "c": [0.01, -0.01, 0.02, -0.02, 0.01, -0.01],
}
"""Differences from a config with 50 % for seed 0, 51 % for seed 1 and so on, in points."""


def race(bench: Bench, *arguments: str) -> Said:
    return bench("race", *arguments, "--metric", "planted", "-j", "1")


def digits(text: str) -> str:
    """Return output without the digests in runs' names."""
    return re.sub(r"-[0-9a-f]{12}", "-DIGEST", text)


@pytest.fixture
def planted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Configs a, b and c: b is better by two points, and c is like a."""
    configs(bench, "a", "b", "c")
    plant(monkeypatch, lambda name, s: (50 + s + STEPS.get(name, STEPS["a"])[s]) / 100)
    return bench


WHOLE = """\
   run                  seeds  mean, points           - A                 p
A  runs/a-DIGEST  0-5    52.50 ± 1.87
B  runs/b-DIGEST  0-3    53.50 ± 1.29  +2.00 ± 0.17     better  0.029
C  runs/c-DIGEST  0-5    52.50 ± 1.87  +0.00 ± 0.04  undecided  1.000

config           A    B    C
learning_rate  0.1  0.2  0.3

means and verdicts: planted value
±: standard deviation over seeds; of differences, half-width of the 97.5 % confidence sequence
p: of the strongest evidence at any look so far, adjusted for 2 configs by Holm's method; a \
difference is decided at 5 %

note: B is paired with A on their common seeds, 0-3; means are over all seeds

planted value: B is better: +2.00 ± 0.17 points (4 seeds, p = 0.029, valid at every look, \
Holm over 2)
planted value: C is undecided after 6 seeds: +0.00 ± 0.04 points (p = 1.000, valid at every look, \
Holm over 2); with this difference and spread, not even 1,000 seeds would decide; a larger \
--smallest-effect may
"""
PROGRESS = """\
1 seed: B undecided; C undecided
2 seeds: B +1.99 points, p = 0.668, undecided; C +0.00 points, p = 1.000, undecided
3 seeds: B +2.00 points, p = 0.154, undecided; C +0.01 points, p = 1.000, undecided
4 seeds: B +2.00 ± 0.17 points, p = 0.029, better; C +0.00 ± 0.11 points, p = 1.000, undecided
5 seeds: B +2.00 ± 0.17 points, p = 0.029, better; C +0.00 ± 0.05 points, p = 1.000, undecided
6 seeds: B +2.00 ± 0.17 points, p = 0.029, better; C +0.00 ± 0.04 points, p = 1.000, undecided
"""


def test_the_whole_text(planted: Bench) -> None:
    """By hand: B - A has a mean of 2 points and a standard deviation of 0.02828.

    e = 17^(-1/2) [1 - 16/17 · 20000/20003]^(-2) = 69.8, so that p = 2/69.8 = 0.029. With K = 2 and
    n = 4, a = (√17/0.025)^(1/2) = 12.84 and tau² = 3 · 11.84/(1 - 12.84/17) = 145.2, so that the
    half-width is 12.05 · 0.02828/√4 = 0.17. C - A has a mean of 0, a standard deviation of 0.0167
    and, with n = 6, a = (5/0.025)^(1/3) = 5.85, tau² = 31.6 and a half-width of 0.04.
    """
    code, out, err = race(planted, "a.yaml", "b.yaml", "c.yaml", "--at-most", "6")
    assert (code, err) == (7, PROGRESS)
    assert digits(out) == WHOLE


def test_it_is_silent_and_quick_where_all_is_trained(planted: Bench) -> None:
    first = race(planted, "a.yaml", "b.yaml")
    assert first.code == 0
    assert names(planted) == sorted(names(planted))
    again = race(planted, "a.yaml", "b.yaml")
    assert again == (0, first.out, "already done\n")
    assert race(planted, "a.yaml", "b.yaml", "-q") == (0, first.out, "")


def test_every_run_is_one_that_train_makes(planted: Bench) -> None:
    race(planted, "a.yaml", "b.yaml", "-q")
    trained = names(planted)
    assert len(trained) == 8
    for config in ("a.yaml", "b.yaml"):
        said = planted("train", config, "--seeds", "4")
        assert said.err.count("already done") == 4
    assert names(planted) == trained


@pytest.mark.parametrize("how", ["experiments", "runs", "config files"])
def test_it_begins_with_the_runs_that_exist_and_continues_them(planted: Bench, how: str) -> None:
    for name in "ab":
        words = ("--name", f"{name}-mine", "--seeds", "0-1,5", "-q")
        assert planted("train", f"{name}.yaml", *words).code == 0
    before = {name: planted.files(f"runs/{name}") for name in names(planted)}
    given = [f"runs/{name}-mine" for name in "ab"]
    if how == "runs":
        given = [f"{path}-s{seed}" for path, seed in zip(given, (5, 0), strict=True)]
    if how == "config files":  # these are trained by digest, as train does
        given = [f"{path}-s0/config.yaml" for path in given]
    said = race(planted, *given, "--json", "-q")
    assert said.code == 0, said.err
    experiments = json.loads(said.out)["experiments"]
    assert [experiments[letter]["seeds"] for letter in "AB"] == [[0, 1, 2, 3]] * 2
    named = [f"{name}-mine-s{seed}" for name in "ab" for seed in (0, 1, 2, 3, 5)]
    is_continued = how != "config files"
    assert [name for name in names(planted) if re.match(r"\w-mine-s", name)] == (
        named if is_continued else sorted(before)
    )
    assert [experiments["A"]["run"] == "runs/a-mine"] == [is_continued]
    assert all(planted.files(f"runs/{name}") == files for name, files in before.items())


def test_runs_in_another_folder_are_continued_there(planted: Bench) -> None:
    for name in "ab":
        words = ("--runs", "other", "--seeds", "1", "-q")
        assert planted("train", f"{name}.yaml", *words).code == 0
    given = [f"other/{name.removesuffix('-s0')}" for name in names(planted, "other")]
    assert race(planted, *given, "-q").code == 0
    assert len(names(planted, "other")) == 8
    assert not (planted.folder / "runs").exists()


def test_a_run_with_another_setting_is_another_experiment(planted: Bench) -> None:
    planted("train", "a.yaml", "--name", "a-mine", "-q")
    said = race(planted, "runs/a-mine-s0", "b.yaml", "--set", "epochs=2", "-q", "--json")
    assert said.code == 0
    assert json.loads(said.out)["experiments"]["A"]["run"].startswith("runs/a-mine-")


def test_equal_p_levels_by_row_and_sizes_of_batches_are_explained(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holm's method doubles the p of B, and gives C, whose own is below that, the same."""
    files = [*configs(bench, "a", "b"), bench.config("c.yaml", epochs=1, batch_size=20)]
    steps = {**STEPS, "c": [2.04, 1.92, 2.04, 2.00]}
    plant(monkeypatch, lambda name, s: (50 + s + steps[name][s]) / 100)
    code, out, _ = race(bench, *files, "--set", "epochs=1", "-q")
    assert code == 0
    assert re.findall(r"(?m)^[BC] .* (\S+)$", out) == ["0.029", "0.029"]
    assert "half-width of the confidence sequence: 97.5 % (B), 95 % (C), by Holm's method\n" in out
    assert "for 2 configs by Holm's method, which can make several equal; a difference" in out
    assert (
        "note: mini-batch sizes differ, and η of C (0.5, scaled 0.2) was not scaled with the batch "
        "size of A; nnexp tune CONFIG --only batch-size chooses size and η together\n"
    ) in out


def test_json_has_every_look(planted: Bench) -> None:
    found = json.loads(race(planted, "a.yaml", "b.yaml", "-q", "--json").out)
    verdict = found["verdicts"]["B"]
    assert (verdict["verdict"], found["decided"], found["seeds"]) == ("better", True, 4)
    assert [look["seeds"] for look in verdict["looks"]] == [2, 3, 4]
    assert [look["low"] is None for look in verdict["looks"]] == [True, True, False]
    last = verdict["looks"][-1]
    assert last["difference"] == pytest.approx(0.02)
    assert [last["low"], last["high"]] == pytest.approx([0.01898, 0.02102], abs=1e-5)
    assert verdict["p"] == pytest.approx(1 / last["e"])
    assert verdict["confidence"] == pytest.approx(0.95)
    assert found["config"]["learning_rate"] == {"A": 0.1, "B": 0.2}
    assert found["smallest_effect"] is None


@pytest.mark.parametrize(
    ("unit", "option", "effect"),
    [
        (ACCURACY, None, 0.002),
        (ACCURACY, "0.5", 0.005),
        (COST, None, None),
        (COST, "0.5", 0.5),
        (EPOCHS, None, None),
        (EPOCHS, "2", 2.0),
    ],
)
def test_the_smallest_effect_is_in_the_unit_of_the_metric(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, unit: Unit, option: str | None, effect: object
) -> None:  # fmt: skip
    plant(monkeypatch, lambda name, s: (name == "b") * 30.0 + s % 2, unit)
    given = () if option is None else ("--smallest-effect", option)
    said = race(bench, *configs(bench, "a", "b"), *given, "-q", "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["smallest_effect"] == pytest.approx(effect) if effect else effect is None
    assert found["verdicts"]["B"]["verdict"] == ("better" if unit is ACCURACY else "worse")


def test_epochs_and_costs_in_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six epochs fewer with every seed: s² is that of rounding, (1/2)², and t = 6/(0.5/√4) = 24.

    e = 17^(-1/2) [(1 + 576/3)/(1 + 576/(3 · 17))]² = 59.7; half-width 3.61 · 0.5 = 1.8.
    """
    files = configs(bench, "a", "b")
    plant(monkeypatch, lambda name, _: 20.0 - 6 * (name == "b"), EPOCHS)
    assert race(bench, *files, "-q").out.endswith(
        "planted value: B is better: -6.0 ± 1.8 epochs (4 seeds, p = 0.017, valid at every look)\n"
    )
    plant(monkeypatch, lambda name, s: 2.0 + 0.01 * (name == "b") * (-1) ** s, COST)
    assert race(bench, *files, "-q", "--smallest-effect", "0.05").out.endswith(
        "planted value: B is the same within 0.05: +0.000 ± 0.042 (4 seeds)\n"
    )


def test_a_run_far_from_the_others_counts_and_is_noted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, lambda name, s: 0.1 if (name, s) == ("b", 3) else 0.5 + (s % 3) / 1000)
    code, out, _ = race(bench, *configs(bench, "a", "b"), "--at-most", "8", "-q")
    assert code == 7
    (note,) = (line for line in out.splitlines() if line.startswith("note: "))
    assert digits(note) == (
        "note: B: planted value of runs/b-DIGEST-s3, 10.00, is far from the others, "
        "50.00 to 50.20; in a race all seeds count"
    )
    assert "undecided after 8 seeds" in out


BOOM = {"learning_rate": 1e300, "cost": "quadratic", "output": "linear", "activation": "relu"}


def test_a_config_that_diverges_has_no_verdict(planted: Bench) -> None:
    planted.config("boom.yaml", epochs=1, **BOOM)
    code, out, err = race(planted, "a.yaml", "boom.yaml", "b.yaml", "-q")
    assert (code, err) == (7, "")
    assert digits(out).endswith(
        "\n\nno verdict on B: seed 0 of B diverged in epoch 1 (runs/boom-DIGEST-s0)\n"
        "planted value: C is better: +2.00 ± 0.17 points (4 seeds, p = 0.029, valid at every "
        "look, Holm over 2)\n"
    )
    code, out, err = race(planted, "boom.yaml", "b.yaml", "-q")
    assert (code, err) == (7, "")
    assert digits(out).endswith(
        "\n\nno verdict on B: seed 0 of A diverged in epoch 1 (runs/boom-DIGEST-s0)\n"
    )


def test_a_failed_run_ends_the_race(planted: Bench) -> None:
    race(planted, "a.yaml", "b.yaml", "-q")
    (run,) = planted.folder.glob("runs/b-*-s2")
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes().replace(b"1", b"2"))
    code, out, err = race(planted, "a.yaml", "b.yaml", "-q")
    assert (code, out) == (5, "")
    assert f"{run.name}/metrics.jsonl: is damaged" in err


def table(bench: Bench) -> None:
    """Write a table of two classes."""
    rows = "".join(f"{n},{'pq'[n % 2]}\n" for n in range(40))
    (bench.folder / "s.csv").write_text(f"x,y\n{rows}", encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.yaml",), "a.yaml: is one config; name another to race against it\n"),
        (
            ("a.yaml", "b.yaml", "copy.yaml"),
            (
                "copy.yaml: has the same config and data as a.yaml; a race needs configs that "
                "differ in more than the seed\n"
            ),
        ),
        (
            ("a.yaml", "other.yaml"),
            (
                "a.yaml and other.yaml: have different data, so that there is no verdict on their "
                "difference; race configs with the same data, classes and splits\n"
            ),
        ),
        (
            ("split.yaml", "split-1.yaml"),
            (
                "split.yaml and split-1.yaml: have different splits, so that there is no verdict "
                "on their difference; race configs with the same data, classes and splits\n"
            ),
        ),
        (
            ("a.yaml", "weighted.yaml", "--metric", "test_cost"),
            (
                "weighted.yaml: costs weigh the classes unlike those of a.yaml (class_weights), so "
                "that there is no verdict on costs; choose another --metric\n"
            ),
        ),
        (("a.yaml", "b.yaml", "--metric", "foo"), "--metric: unknown metric 'foo'"),
        (("a.yaml", "b.yaml", "--metric", "seconds"), "--metric: 'seconds' is only shown"),
        (("a.yaml", "b.yaml", "--smallest-effect", "0"), "--smallest-effect must be a number > 0"),
        (("a.yaml", "b.yaml", "--smallest-effect", "inf"), "--smallest-effect must be a number"),
        (("a.yaml", "b.yaml", "--at-most", "3"), "--at-most must be a whole number ≥ 4, got"),
        (("a.yaml", "b.yaml", "--set", "seed=1"), "--set seed: a race trains the seeds 0, 1, 2"),
        (("a.yaml", "none.yaml"), "none.yaml: there is no such file; nnexp examples lists"),
        (("a.yaml", "quickstat"), "quickstat: there is no such file; did you mean the example"),
        (("a.yaml", "folder/x-0.5"), "folder/x-0.5: there is no such run, with or without -s and"),
        (("a.yaml", "b.yaml", "--plot", "x.txt"), "x.txt: "),
    ],
)
def test_what_cannot_be_judged_is_refused_before_training(
    bench: Bench, arguments: tuple[str, ...], message: str
) -> None:
    configs(bench, "a", "b")
    (bench.folder / "folder").mkdir()
    bench.config("copy.yaml", epochs=1, learning_rate=0.1, seed=9)
    bench.data(1, "other.npz")
    bench.config("other.yaml", data={"name": "npz", "file": "other.npz"})
    bench.config("weighted.yaml", class_weights="balanced")
    table(bench)
    for number in (0, 1):
        data = {"name": "csv", "train_file": "s.csv", "test": 0.2, "validation": 0.2}
        name = f"split{'-1' * number}.yaml"
        bench.config(name, data=data | {"split_seed": number})
    code, out, err = bench("race", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(message)
    assert not (bench.folder / "runs").exists()


def test_experiments_that_share_a_name_are_refused(planted: Bench) -> None:
    for config in ("a.yaml", "b.yaml"):
        planted("train", config, "--name", "x", "-q")
        (planted.folder / "runs/x-s0").rename(planted.folder / f"runs/{config[0]}")
    for name, other in (("a", "x"), ("b", "x-s0")):
        (planted.folder / f"runs/{name}").rename(planted.folder / f"runs/{other}")
    assert race(planted, "runs/x", "runs/x-s0") == (
        2,
        "",
        "runs/x and runs/x-s0: share the name runs/x; rename one of them\n",
    )


def test_changed_data_is_refused_before_training(planted: Bench) -> None:
    for name in "ab":
        planted("train", f"{name}.yaml", "--name", name, "--seeds", "3-3", "-q")
    planted.data(7)
    code, out, err = race(planted, "runs/a", "runs/b")
    assert (code, out) == (6, "")
    assert err.startswith("runs/a-s3: the data changed since this run was trained")
    assert names(planted) == ["a-s3", "b-s3"]


@pytest.mark.slow
def test_a_run_that_exceeds_a_limit_ends_the_race(bench: Bench) -> None:
    """Unlike one that diverged: the same command with a higher limit resumes it."""
    files = configs(bench, "a", "b", epochs=100_000, patience=None)
    code, out, err = bench("race", *files, "--timeout", "0.5", "-q", "-j", "2")
    assert (code, out) == (143, "")
    assert "higher --timeout" in err
    assert "resume" in err


@pytest.mark.parametrize(
    ("splits", "keys", "metric"),
    [
        (("validation", "test"), {}, "test_accuracy"),
        (("validation",), {}, "best_validation_accuracy"),
        ((), {"monitor": ["train"], "patience": None}, "last_train_accuracy"),
    ],
)
def test_the_metric_is_chosen_before_any_result(
    bench: Bench, splits: tuple[str, ...], keys: dict[str, object], metric: str
) -> None:
    table(bench)
    data = {"name": "csv", "train_file": "s.csv", **dict.fromkeys(splits, 0.2)}
    files = [Path(file) for file in configs(bench, "a", "b", data=data, **keys)]
    assert define(files, Path("runs"), data=Data()).metric == metric


def test_the_picture_has_a_panel_for_each_pair(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, lambda name, s: STEPS[name][s] / 100)
    race = sampler(configs(bench, "a", "b", "c"), 6, 0.03)
    run(race)
    figure = study_figures.race(race.result)
    b, c = figure.panels
    assert digits(b.title) == "B (b-DIGEST)\nbetter after 4 seeds"
    assert [panel.y.title for panel in (b, c)] == ["B - A in points", "C - A in points"]
    assert digits(c.title) == "C (c-DIGEST)\nundecided after 6 seeds"
    lines = {mark.label: mark for mark in c.marks if isinstance(mark, Line) and mark.label}
    assert (lines["no difference"].y, lines["smallest effect"].y) == ((0.0, 0.0), (0.03, 0.03))
    early, bounded = (mark for mark in c.marks if isinstance(mark, Points))
    assert (list(early.x), list(bounded.x)) == ([2, 3], [4, 5, 6])
    verdict = race.result.verdicts["C"]
    assert bounded.spread[-1] == pytest.approx(100 * verdict.half_width)
    assert bounded.y[-1] == pytest.approx(0.0, abs=1e-9)
    renderer.save(figure, tmp_path / "race.png")
    assert (tmp_path / "race.png").stat().st_size > 10_000


def test_the_command_draws_the_picture(planted: Bench) -> None:
    said = race(planted, "a.yaml", "b.yaml", "--plot", "race.svg")
    assert said.code == 0
    assert said.err.endswith("race.svg: drawn\n")
    assert "<svg" in (planted.folder / "race.svg").read_text("utf-8")


def test_a_terminal_shows_the_verdicts_so_far() -> None:
    progress = StudyProgress(SEED, quiet=True)
    progress.set_known("B +0.10 points, p = 0.500, undecided")
    assert progress.status() == ["0 done", "B +0.10 points, p = 0.500, undecided"]


def test_a_signal_says_where_it_stopped(bench: Bench) -> None:
    files = configs(bench, "a", "b", epochs=100_000, patience=None)
    process = bench.start("race", *files)
    until(lambda: list(bench.folder.glob("runs/[!.]*/metrics.jsonl")), process=process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err.endswith(
        "stopped after 0 seeds; committed epochs are safe; repeat the command to resume\n"
    )

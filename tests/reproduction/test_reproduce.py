"""nnexp reproduce: the table of the book's figures, the author's files, and the verdicts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.config import canonical, dump, load
from nnexp.config.model import Config, PerExample
from nnexp.datasets.sources import Mnist
from nnexp.errors import DataError, DiskError
from nnexp.report import renderer
from nnexp.reproduction import published
from nnexp.reproduction.figures import FIGURES, Headline
from nnexp.reproduction.measures import MEASURES, Curve, obtained
from nnexp.reproduction.plan import NetPlan, compare, plan
from nnexp.reproduction.verdicts import (
    NetComparison,
    Number,
    SeriesPoint,
    compare_series,
    is_within,
)
from nnexp.runner import train
from nnexp.streams import Drawn, Network2, Trained

if TYPE_CHECKING:
    from tests.conftest import Bench

NAMES = [
    *("weight_initialization_30", "weight_initialization_100", "multiple_eta", "overfitting"),
    *("overfitting_full", "regularized", "regularized_full", "more_data"),
]
BOOK = Path(__file__).resolve().parents[2] / "configs" / "book"
NETS = [(name, place) for name, figure in FIGURES.items() for place in range(len(figure.nets))]


def config(figure: str, place: int = 0) -> Config:
    return FIGURES[figure].nets[place].config


# The table


def test_the_figures_are_named_as_the_author_s_files() -> None:
    assert list(FIGURES) == NAMES


@pytest.mark.parametrize(("figure", "place"), NETS)
def test_every_net_s_config_is_valid_and_survives_yaml(figure: str, place: int) -> None:
    made = config(figure, place)
    assert load.parse(dump.to_yaml(made), figure) == made
    assert isinstance(made.rng, Network2)
    assert (made.seed, made.dtype, made.data.scale) == (12345678, "float64", 256)
    assert made.patience is None
    assert FIGURES[figure].nets[place].headlines


def test_what_happened_before_a_net_is_part_of_its_run_s_name(tmp_path: Path) -> None:
    """The nets after the first differ in nothing else when their numbers of images are cut."""
    parts = plan("more_data", FIGURES["more_data"], tmp_path, ["data.train=100", "epochs=1"])
    digests = {part.book.run.name.split("-")[-2] for part in parts}
    assert len(digests) == 9
    some, other = (load.check(Config(rng=Network2(before=(Drawn(normals),)))) for normals in (1, 2))
    assert canonical.digest(some) != canonical.digest(other)


def test_what_each_process_had_done_before_a_net() -> None:
    """chapter.md, section 7; a net of 784-30-10 has 23,860 numbers, one of 784-100-10 79,510."""

    def before(figure: str, place: int = 0) -> list[Any]:
        rng = config(figure, place).rng
        assert isinstance(rng, Network2)
        return list(rng.before or ())

    made = Drawn(23_860)
    assert before("weight_initialization_30") == []
    assert before("weight_initialization_30", 1) == [made, Trained(50_000, 30)]
    assert before("weight_initialization_100", 1) == [Drawn(79_510), Trained(50_000, 30)]
    assert before("multiple_eta", 2) == [made, Trained(50_000, 30)] * 2
    for single in ("overfitting", "overfitting_full", "regularized", "regularized_full"):
        assert before(single) == [made]
    assert before("more_data") == [made]
    assert before("more_data", 2) == [
        *(made, made, Trained(100, 15_000, shared=False)),
        *(made, Trained(200, 7_500, shared=False)),
    ]


def test_more_data_takes_as_many_steps_with_each_number_of_images() -> None:
    for net in FIGURES["more_data"].nets:
        examples = net.config.data.train or 50_000
        assert net.name == str(examples)
        assert net.config.epochs * examples == 1_500_000
        assert net.config.epochs % net.config.evaluate_every == 0
        assert net.config.lambda_ == PerExample(1e-4)


def test_only_what_the_chapter_calls_chaotic_is_promised_nothing() -> None:
    """Of regularized_full the numbers are promised: its costs are off by 1e-5, counts by one."""
    less = {
        (name, net.name): net.promise
        for name, figure in FIGURES.items()
        for net in figure.nets
        if net.promise != "points"
    }
    assert less == {
        ("multiple_eta", "eta-2.5"): "band",
        ("overfitting_full", ""): "band",
        ("regularized_full", ""): "numbers",
    }


@pytest.mark.parametrize(
    ("figure", "with_file", "without"),
    [
        ("overfitting", True, True),
        ("regularized_full", False, True),
        ("overfitting_full", False, False),
    ],
)
def test_what_a_comparison_must_hold(figure: str, *, with_file: bool, without: bool) -> None:
    (net,) = FIGURES[figure].nets
    assert net.is_exact_promised(against=True) == with_file
    assert net.is_exact_promised(against=False) == without


def test_every_row_of_the_chapter_has_a_config_that_says_what_was_published() -> None:
    files = sorted(BOOK.glob("*.yaml"))
    assert len(files) == 30
    for file in files:
        lines = file.read_text("utf-8").splitlines()
        assert lines[0].startswith("# ")
        assert any(line.startswith("# Published: ") for line in lines), file
        made = load.read(file)
        assert (made.dtype, made.patience) == ("float32", None)


# Measures


def test_measures_of_a_curve() -> None:
    shares = Curve([1, 2, 3, 4, 5, 6], [0.5, 1.0, 0.9, 1.0, 1.0, 1.0])
    found = {name: measure(shares) for name, measure in MEASURES.items()}
    assert found == {
        "first": 0.5,
        "last": 1.0,
        "highest": 1.0,
        "highest epoch": 2,
        "lowest epoch": 1,
        "full epoch": 2,
        "full for good epoch": 4,
    }
    never = Curve([1, 2], [0.5, 0.9])
    assert math.isinf(MEASURES["full epoch"](never))
    assert math.isinf(MEASURES["full for good epoch"](never))


# Verdicts


def number(published: float, found: float, *seeds: float, digits: int = 2) -> Number:
    return Number(Headline("test_accuracy", "last", published, digits), found, seeds)


def test_counts_are_equal_or_not_and_costs_within_a_tolerance() -> None:
    assert SeriesPoint(1, 9650, 9650).is_equal
    assert not SeriesPoint(1, 9650, 9651).is_equal
    assert SeriesPoint(1, 0.5, 0.5 + 9e-13).is_equal
    assert not SeriesPoint(1, 0.5, 0.5 + 2e-12).is_equal
    assert not SeriesPoint(1, 0.5, math.nan).is_equal


def test_only_epochs_that_both_have_are_compared() -> None:
    published = {"train_cost": Curve([1, 2, 3], [3.0, 2.0, 1.0])}
    (series,) = compare_series(published, {"train_cost": Curve([2, 4], [2.0, 0.5])})
    assert series.points == (SeriesPoint(2, 2.0, 2.0),)
    assert series.published == 3
    assert series.is_exact
    (nothing,) = compare_series(published, {"train_cost": Curve([4], [0.5])})
    assert not nothing.is_exact


def test_a_number_is_exact_to_the_digits_that_were_published() -> None:
    assert number(96.5, 96.50000001).is_exact
    assert not number(96.5, 96.51).is_exact
    assert number(375, 375, digits=0).is_exact
    assert not number(375, math.inf, digits=0).is_exact


def test_the_spread_is_the_prediction_interval_of_the_seeds() -> None:
    """Seeds 1 to 5: mean 3, s = 1.581, t(.975, 4) = 2.776; 2.776 · 1.581 · sqrt(1.2) = 4.808."""
    seeds = (1.0, 2.0, 3.0, 4.0, 5.0)
    assert is_within(7.80, seeds)
    assert not is_within(7.82, seeds)
    assert is_within(-1.80, seeds)
    assert not is_within(-1.82, seeds)
    assert not is_within(3.0, (3.0,)), "one seed has no spread"
    assert not is_within(3.0, (3.0, math.inf))


def test_the_verdict_on_a_net() -> None:
    seeds = (96.1, 96.3, 96.5)
    assert NetComparison((), (number(96.3, 96.3),)).verdict == "exact"
    assert NetComparison((), (number(96.3, 96.4, *seeds),)).verdict == "within the seeds' spread"
    assert NetComparison((), (number(96.3, 96.4),)).verdict == "differs"
    half = (number(96.3, 96.4, *seeds), number(90.0, 96.4, *seeds))
    assert NetComparison((), half).verdict == "differs", "every number must be within"
    assert NetComparison((), (number(90.0, 96.4, *seeds),)).verdict == "differs"
    far = number(90.0, 90.0, *seeds)
    assert (
        NetComparison((), (far, number(96.3, 96.4, *seeds))).verdict == "within the seeds' spread"
    )
    off = compare_series({"test_accuracy": Curve([1], [9])}, {"test_accuracy": Curve([1], [8])})
    assert NetComparison(off, (number(96.3, 96.3),)).verdict == "differs", "a series decides"
    assert NetComparison(off, (number(96.3, 96.3, *seeds),)).verdict == "within the seeds' spread"


# The author's files

GOOD = [[0.5, 0.4], [9000, 9100], [], []]


def read(folder: Path, content: object, figure: str = "overfitting") -> list[published.Published]:
    file = folder / "curves.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    nets = FIGURES[figure].nets
    return published.read(file, figure, FIGURES[figure], [net.config for net in nets])


def test_a_curve_is_read_as_what_its_net_monitors(tmp_path: Path) -> None:
    (one,) = read(tmp_path, GOOD)
    assert {key: list(curve.values) for key, curve in one.items()} == {
        "test_cost": [0.5, 0.4],
        "test_accuracy": [9000, 9100],
    }
    assert list(one["test_cost"].epochs) == [1, 2]
    _, large = read(
        tmp_path,
        {
            "default_weight_initialization": [[], [1], [], []],
            "large_weight_initialization": [[], [2], [], []],
        },
        "weight_initialization_30",
    )
    assert list(large["validation_accuracy"].values) == [2]
    published = read(tmp_path, [70.0 + net for net in range(9)], "more_data")
    assert published[0]["validation_accuracy"] == Curve([15_000], [7000])


@pytest.mark.parametrize(
    ("content", "figure", "said"),
    [
        ("[[1], [2]", "overfitting", "is not JSON"),
        ("[[NaN], [], [], []]", "overfitting", "NaN is not a JSON number"),
        ("[[1e999], [], [], []]", "overfitting", "Expected `float` <="),
        ('{"a": 1, "a": 2}', "overfitting", "a key occurs twice"),
        ("[" * 100_000, "overfitting", "is not JSON"),
        ("[]" + " " * (1 << 20), "overfitting", "larger than 1048576 bytes"),
        ([[0.5], [9000], []], "overfitting", "length 4"),
        ([["0.5"], [], [], []], "overfitting", "Expected `float`, got `str`"),
        ([[True], [], [], []], "overfitting", "Expected `float`, got `bool`"),
        ([[-0.5], [], [], []], "overfitting", "Expected `float` >="),
        ([[], [], [], []], "overfitting", "all series are empty"),
        ([[0.5], [9000, 9001], [], []], "overfitting", "series of [1, 2] epochs"),
        ([[], [9000.5], [], []], "overfitting", "counts that are not whole"),
        ([GOOD, GOOD], "multiple_eta", "length >= 3"),
        ([GOOD, GOOD, GOOD], "multiple_eta", "monitor has no validation"),
        (GOOD, "weight_initialization_30", "Expected `object`"),
        ({"large_weight_initialization": GOOD}, "weight_initialization_30", "missing required"),
        ([50.0] * 8, "more_data", "length >= 9"),
        ([101.0] * 9, "more_data", "<= 100"),
    ],
)
def test_what_is_no_author_s_file_is_refused(
    tmp_path: Path, content: object, figure: str, said: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, content, figure)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "curves.json"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        published.read(tmp_path / "none.json", "overfitting", FIGURES["overfitting"], [])


# What a run obtained, in the author's units


def test_the_evaluation_cost_is_told_as_network2_does(tmp_path: Path) -> None:
    """network2 adds λ/(2m) Σw², m the evaluation examples; the checkpoint has the weights."""
    settings = ("data.train=200", "data.test=100", "epochs=1", "lambda=0.5")
    (part,) = plan("regularized", FIGURES["regularized"], tmp_path, settings)
    run = train.train(part.book.config, tmp_path, name=part.book.run.name)
    with np.load(run.checkpoint_path(1)) as held:
        squares = sum(float((held[name] ** 2).sum()) for name in ("weights_1", "weights_2"))
    (row,) = run.history()
    assert isinstance(row.test_cost, float)
    expected = row.test_cost - 0.5 / (2 * 200) * squares + 0.5 / (2 * 100) * squares
    assert list(obtained(run, "test_cost").values) == pytest.approx([expected], rel=1e-13)
    assert list(obtained(run, "train_cost").values) == [row.train_cost]
    assert float(row.test_accuracy or 0) * 100 == pytest.approx(
        obtained(run, "test_accuracy").values[0]
    )


# The command

QUICK = ("--set", "data.train=300", "--set", "data.test=200", "--set", "epochs=3", "-q")


def test_without_a_figure_all_are_listed(bench: Bench) -> None:
    said = bench("reproduce")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == NAMES
    listed = json.loads(bench("reproduce", "--json").out)
    assert [each["figure"] for each in listed] == NAMES
    assert not list(bench.folder.glob("runs*"))


def test_an_unknown_figure_is_refused(bench: Bench) -> None:
    said = bench("reproduce", "overfiting")
    assert said.code == 2
    assert "unknown figure 'overfiting'; did you mean 'overfitting'?" in said.err


def test_options_without_a_figure_are_refused(bench: Bench) -> None:
    said = bench("reproduce", "--seeds", "5")
    assert said.code == 2
    assert f"FIGURE is missing: name one of {', '.join(NAMES)}" in said.err


def test_a_wrong_setting_file_or_picture_is_refused_before_training(bench: Bench) -> None:
    (bench.folder / "bad.json").write_text("[]")
    for arguments in (
        ("--set", "learning_rat=1"),
        ("--against", "bad.json"),
        ("--against", "none.json"),
        ("--plot", "curve.txt"),
        ("--seeds", "0,0"),
    ):
        assert bench("reproduce", "overfitting", *arguments).code == 2
    assert bench("reproduce", "overfitting", "--plot", "no/p.png").code == 74
    assert not (bench.folder / "runs").exists()


def test_a_figure_is_trained_compared_and_drawn(bench: Bench) -> None:
    first = bench("reproduce", "overfitting", *QUICK, "--json")
    assert first.code == 0, first.err
    tree = json.loads(first.out)
    (net,) = tree["nets"]
    assert net["verdict"] == "not compared", "the book's numbers are of later epochs"
    assert net["promised_exact"] is False
    assert net["net"] is None
    assert (bench.folder / "runs" / "overfitting.png").read_bytes().startswith(b"\x89PNG")
    run = load_history(bench.folder / net["run"])
    counts = [round(row["test_accuracy"] * 200) for row in run]
    file = bench.folder / "made_up.json"
    file.write_text(json.dumps([[], counts, [row["train_cost"] for row in run], []]))

    again = bench("reproduce", "overfitting", *QUICK, "--against", str(file))
    assert again.code == 0, again.err
    assert "overfitting-" in again.out
    assert again.out.rstrip().endswith(": exact (exact is promised)")
    assert f"1 {counts[0]} {counts[0]}" in " ".join(again.out.split())

    counts[1] += 1
    file.write_text(json.dumps([[], counts, [], []]))
    other = bench("reproduce", "overfitting", *QUICK, "--against", str(file), "--plot", "p.svg")
    assert other.code == 7
    assert "overfitting: expected exact results, but these differ: overfitting" in other.err
    assert f"2 {counts[1]} {counts[1] - 1} differs" in " ".join(other.out.split())
    assert other.out.rstrip().endswith(": differs (exact is promised)")
    assert (bench.folder / "p.svg").exists()


def test_the_result_is_printed_before_the_picture_cannot_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskError("p.png: no space left on device")

    monkeypatch.setattr(renderer, "save", full)
    code, out, err = bench("reproduce", "overfitting", *QUICK, "--plot", "p.png", "--json")
    assert (code, err) == (74, "p.png: no space left on device\n")
    assert json.loads(out)["figure"] == "overfitting"


def test_seeds_give_a_spread(bench: Bench) -> None:
    file = bench.folder / "made_up.json"
    file.write_text("[[], [100, 100, 100], [], []]")
    command = ("reproduce", "overfitting", *QUICK, "--against", str(file), "--seeds", "3")
    said = bench(*command, "--json")
    (net,) = json.loads(said.out)["nets"]
    assert [Path(run).name.rpartition("-")[2] for run in net["seed_runs"]] == ["s0", "s1", "s2"]
    assert all(len(each["values"]) == 3 for each in net["numbers"])
    recorded = json.loads((bench.folder / net["seed_runs"][0] / "run.json").read_text())
    assert recorded["config"]["rng"] == {"name": "pcg64"}, "the book's own draws are no spread"
    assert len(set(net["numbers"][0]["values"])) > 1
    text = bench(*command).out
    assert "±" in text


def test_a_chaotic_net_is_held_against_five_seeds_unless_told_otherwise(tmp_path: Path) -> None:
    figure = FIGURES["multiple_eta"]
    assert [len(part.seeds) for part in plan("multiple_eta", figure, tmp_path)] == [0, 0, 5]
    given = plan("multiple_eta", figure, tmp_path, ["epochs=1"])
    assert [len(part.seeds) for part in given] == [0, 0, 0]
    given = plan("multiple_eta", figure, tmp_path, seeds=[1, 2])
    assert [len(part.seeds) for part in given] == [2, 2, 2]


def test_data_that_a_figure_shares_between_nets_cannot_be_changed(bench: Bench) -> None:
    said = bench("reproduce", "weight_initialization_30", "--set", "data.train=500")
    assert said.code == 2
    assert said.err.startswith("--set data: this figure's nets train on one list of examples")
    assert not (bench.folder / "runs").exists()
    said = bench("reproduce", "overfitting", "--set", "monitor=[test]")
    assert (said.code, said.err) == (
        2,
        "--set monitor: must include train for this figure\n",
    )


@pytest.mark.slow
def test_more_data_is_one_training_after_another(bench: Bench) -> None:
    """Numbers of images and epochs are cut; nine runs, one point each, one picture."""
    said = bench("reproduce", "more_data", *QUICK, "--set", "data.validation=50", "--json")
    tree = json.loads(said.out)
    assert [net["net"] for net in tree["nets"]] == [
        *("100", "200", "500", "1000", "2000", "5000", "10000", "20000", "50000")
    ]
    assert (bench.folder / "runs" / "more_data.png").exists()


def load_history(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


# Exactness


def trained(figure: str, place: int, folder: Path, *settings: str) -> NetPlan:
    part = plan(figure, FIGURES[figure], folder, settings)[place]
    train.train(part.book.config, folder, name=part.book.run.name)
    return part


def published_net(figure: str, place: int, book: Path) -> published.Published:
    configs = [net.config for net in FIGURES[figure].nets]
    return published.read(book / f"{figure}.json", figure, FIGURES[figure], configs)[place]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "place"),
    [
        ("weight_initialization_30", 1),
        ("multiple_eta", 0),
        ("multiple_eta", 1),
        ("overfitting", 0),
    ],
)
def test_a_published_curve_comes_out_exactly(
    figure: str, place: int, book: Path, tmp_path: Path
) -> None:
    part = trained(figure, place, tmp_path)
    found = compare(part, published_net(figure, place, book))
    assert found.verdict == "exact"
    epochs = part.net.config.epochs
    assert all(len(series.points) == series.published == epochs for series in found.series)
    assert len(found.series) == (4 if figure == "overfitting" else 1)
    assert compare(part, None).verdict == "exact", "the numbers that the chapter names"


def test_the_first_net_of_more_data_starts_where_the_book_s_did() -> None:
    """It is drawn twice: made, and again by the large rule, as one stream from the seed."""
    assert config("more_data").data == Mnist(scale=256, train=100)
    draws = np.random.RandomState(12345678).standard_normal(2 * 23_860)
    rng = config("more_data").rng
    first = rng.parameters(12345678, 0).standard_normal((1, 30))
    np.testing.assert_array_equal(first[0], draws[23_860 : 23_860 + 30])


def test_replaying_a_copy_s_shuffles_leaves_the_generator_where_they_did() -> None:
    """A copy of 4 takes 3 draws an epoch: after two epochs of it come the seventh and later."""
    import random  # noqa: PLC0415 - the book's generator, here alone

    after = Network2(before=(Trained(4, 2, shared=False),)).orders(9, 3)(1)
    source = random.Random(9)  # noqa: S311 - likewise
    draws = [source.random() for _ in range(8)][6:]
    order = [0, 1, 2]
    for i, draw in zip((2, 1), draws, strict=True):
        j = int(draw * (i + 1))
        order[i], order[j] = order[j], order[i]
    assert after.tolist() == order

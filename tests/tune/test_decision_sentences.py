"""Every sentence of decisions.md is recomputed from the numbers beside it.

The text of the file is parsed, so that nothing is known but what a reader sees. A sentence of an
unknown form fails.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from nnexp.optim.schedules import HalveOnPlateau
from nnexp.report.document import as_markdown
from nnexp.tune import outputs
from tests.tune.planted import World, is_full, limit, tuned

if TYPE_CHECKING:
    from nnexp.config.model import Config
    from tests.conftest import Bench

ROUNDED = 0.011
"""Percentage points by which numbers with two decimals can miss their difference."""
NUMBER = r"[\d.,]*\d(?:e[-+]\d+)?"
SECONDS = rf"({NUMBER}) (m?s)"


class Part(NamedTuple):
    """A decision as it stands in the file."""

    heading: str
    answer: str
    rule: str
    rows: list[dict[str, str]]
    notes: list[str]


def parts(markdown: str) -> list[Part]:
    plain = re.sub(r"\\(.)", r"\1", markdown)
    found = []
    for section in re.split(r"^## Stage \d: ", plain, flags=re.MULTILINE)[1:]:
        heading, *lines = [line for line in section.splitlines() if line]
        table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
        cells = [[cell.strip() for cell in line] for line in table]
        rows = [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]
        (answer,) = (line.strip("*") for line in lines if line.startswith("**"))
        rule = next((line for line in lines if line.startswith("Rule: ")), "")
        notes = [line for line in lines if not re.match(r"\*\*|Rule: |!\[|\|", line)]
        found.append(Part(heading, answer, rule, rows, notes))
    return found


def number(text: str) -> float:
    return float(text.replace(",", "").removesuffix(" %"))


def matched(pattern: str, text: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text)
    assert found is not None, text
    return found


def check_chance(part: Part) -> None:
    answer = matched(
        rf"({NUMBER} %) on (.+), where guessing gives ({NUMBER} %)\. The next stages .*\.",
        part.answer,
    )
    better = [row for row in part.rows if row["better"] == "yes"]
    keys = ("validation", "problem", "chance")
    assert answer.groups() == tuple(better[-1][key] for key in keys)
    for row in part.rows:
        if row["better"] == "yes":
            assert number(row["validation"]) > number(row["chance"])
    assert not part.notes


def check_rate(part: Part) -> None:
    steady: list[float] = []
    above = None
    for row in part.rows:
        rate = float(row["learning_rate"])
        if row["judgement"] == "too large":
            above = row
            break
        if row["judgement"] == "steady":
            steady.append(rate)
    answer = matched(
        rf"η = ({NUMBER}), half of (?:the threshold )?({NUMBER}): the training cost falls steadily"
        rf"(?: up to ({NUMBER}); at ({NUMBER}) (.+)|; no larger rate .*)\.",
        part.answer,
    )
    eta, threshold, up_to, at, why = answer.groups()
    for note in part.notes:
        assert best_rate(validation_costs(note)) >= float(eta)
    assert float(eta) == pytest.approx(float(threshold) / 2)
    if above is None:
        assert up_to is None
        assert float(threshold) == max(steady)
    else:
        said = {"diverged": "training diverges"}.get(above["cost"], f"it is {above['cost']}")
        assert (at, why) == (above["learning_rate"], said)
        assert max(steady) == float(up_to) <= float(threshold) <= float(at)


def validation_costs(note: str) -> list[tuple[float, float]]:
    """Return the validation costs of a note, with their rates."""
    listed = matched(r"Validation cost without the penalty: (.+)\.", note)[1].split(", ")
    pattern = rf"({NUMBER}|diverged) with η = ({NUMBER})"
    pairs = [matched(pattern, each).groups() for each in listed]
    return [(float(cost.replace("diverged", "inf")), float(rate)) for cost, rate in pairs]


def best_rate(costs: list[tuple[float, float]]) -> float:
    """Return the largest rate whose cost is at most 5 % above the lowest."""
    limit = 1.05 * min(costs)[0]
    return max(rate for cost, rate in costs if cost <= limit)


def check_checked_rate(part: Part) -> None:
    """Check the section of an earlier rate: that by the validation cost, or as of any rate."""
    (note,) = part.notes
    costs = validation_costs(note)
    assert sorted(rate for _, rate in costs) == [float(row["learning_rate"]) for row in part.rows]
    found = re.fullmatch(
        rf"η = ({NUMBER}), below half of the threshold ({NUMBER}): with larger rates, the "
        r"validation cost is higher by more than 5 %(, and it is the smallest tried)?\.",
        part.answer,
    )
    if found is None:
        check_rate(part)
    else:
        eta, threshold = float(found[1]), float(found[2])
        assert best_rate(costs) == eta < threshold / 2
        assert (eta == min(rate for _, rate in costs)) == (found[3] is not None)
        large = [r["learning_rate"] for r in part.rows if r["judgement"] == "too large"]
        assert threshold <= min(map(float, large))


class Candidate(NamedTuple):
    """A row with an accuracy, in per cent."""

    name: str
    words: str
    accuracy: float


def candidates(part: Part, key: str) -> list[Candidate]:
    return [
        Candidate(row[key], row["beside the best"], number(row["validation"])) for row in part.rows
    ]


def error(per_cent: float, examples: float) -> float:
    """Return the standard error of an accuracy in points, as if one more example were wrong."""
    p = min(max(per_cent / 100, 1 / (examples + 1)), 1 - 1 / (examples + 1))
    return float(100 * (p * (1 - p) / examples) ** 0.5)


def check_beside(best: Candidate, other: Candidate, examples: int, errors: int = 2) -> str:
    """Recompute what is said of a candidate beside the best; return the standing.

    The noise is so many standard errors of a difference.
    """
    gap = best.accuracy - other.accuracy
    limit = errors * 2**0.5 * error(best.accuracy, examples)
    assert gap > -ROUNDED, f"{other.name} is better than {best.name}, which is called the best"
    standing, amount, beyond = matched(
        rf"(worse|inside the noise): ({NUMBER}) points(?: less|, beyond the noise of ({NUMBER}))",
        other.words,
    ).groups()
    assert float(amount) == pytest.approx(gap, abs=ROUNDED)
    assert standing == ("worse" if gap > limit else "inside the noise")
    assert (standing == "worse") == (beyond is not None)
    assert beyond is None or float(beyond) == pytest.approx(limit, abs=ROUNDED)
    return standing


def validated(part: Part) -> int:
    """Return the number of validation images."""
    return int(number(matched(rf".* on ({NUMBER}) images.*", part.rule)[1]))


def check_lambda(part: Part) -> None:
    n = validated(part)
    groups: dict[str, list[Candidate]] = {}
    for row, candidate in zip(part.rows, candidates(part, "lambda"), strict=True):
        groups.setdefault(row["epochs"], []).append(candidate)
    costs = {(row["epochs"], row["lambda"]): number(row["cost"]) for row in part.rows}
    close, leaders = [], []
    for epochs, rows in groups.items():
        (best,) = (row for row in rows if row.words == "highest")
        worse = [row for row in rows if row is not best and check_beside(best, row, n) == "worse"]
        close.append({row.name: costs[epochs, row.name] for row in rows if row not in worse})
        low = [name for name, cost in close[-1].items() if cost <= 1.05 * min(close[-1].values())]
        leaders.append(max(low, key=float))
    first, *long = groups.values()
    least, most = float(leaders[0]), 10.001 * float(leaders[0])
    inside = {name for name in close[0] if least <= float(name) <= most}
    assert inside == ({row.name for row in long[0]} if long else {leaders[0]})
    (highest,) = (row for row in (long[0] if long else first) if row.words == "highest")
    chosen, cost, lowest, top, alone = matched(
        rf"λ = ({NUMBER}): validation cost ({NUMBER}), (the lowest|at most 5 % above the lowest) "
        rf"inside the noise of the highest accuracy, ({NUMBER} %)(.*)\.",
        part.answer,
    ).groups()
    assert (chosen, number(top)) == (leaders[-1], highest.accuracy)
    assert number(cost) == close[-1][chosen]
    assert (number(cost) == min(close[-1].values())) == (lowest == "the lowest")
    no_larger = "; no larger one up to ten times as large is inside that noise"
    is_largest = float(chosen) == max(float(row.name) for row in first)
    assert alone == ("" if long or is_largest else no_larger)
    for note in part.notes:
        own, examples, second, all_ = matched(
            rf"λ scales with n: ({NUMBER}) for ({NUMBER}) images is ({NUMBER}) for ({NUMBER})\.",
            note,
        ).groups()
        assert own == chosen
        assert float(second) == pytest.approx(float(own) / number(examples) * number(all_))


def seconds(text: str) -> float:
    amount, unit = matched(SECONDS, text).groups()
    return number(amount) / (1000 if unit == "ms" else 1)


def check_batches(part: Part) -> None:
    size, eta, level, time = matched(
        rf"Mini-batches of ({NUMBER}), with η = ({NUMBER}): they reach ({NUMBER} %) validation "
        rf"accuracy after ({NUMBER} m?s) of training\.",
        part.answer,
    ).groups()
    bests = [number(row["best validation"]) for row in part.rows]
    goal = min(best for best in bests if best >= max(bests) - 1 - ROUNDED)
    assert number(level) == pytest.approx(goal, abs=ROUNDED)
    times = {
        r["batch_size"]: r["to the level"] for r in part.rows if "not" not in r["to the level"]
    }
    (row,) = (row for row in part.rows if row["batch_size"] == size)
    assert (row["learning_rate"], row["to the level"]) == (eta, time)
    assert seconds(time) <= 1.25 * min(map(seconds, times.values())) * 1.01
    for note in part.notes:
        if note.startswith("The machine was busy"):
            load, cores = matched(rf".*load ({NUMBER}) on ({NUMBER}) cores.*", note).groups()
            assert float(load) > float(cores)
            continue
        found = matched(
            rf"The chapter's argument, on ({NUMBER}) images in .*: ({NUMBER}) updates .* take "
            rf"({NUMBER}) ms, one update with ({NUMBER}) .* ({NUMBER}) ms, so they take "
            rf"({NUMBER}) times as long, for .*",
            note,
        )
        images, updates, slow, batch, fast, ratio = map(number, found.groups())
        assert images == updates == batch
        rounding = 0.05 + slow / fast * (0.005 / slow + 0.005 / fast)
        assert ratio == pytest.approx(slow / fast, abs=1.1 * rounding)


def check_patience(part: Part) -> None:
    patience, epoch, reached, longest = matched(
        rf"A patience of ({NUMBER}): (?:it would end|the training ends) in epoch ({NUMBER}) with "
        rf"({NUMBER} %); the longest reaches ({NUMBER} %)\.",
        part.answer,
    ).groups()
    top = number(part.rows[-1]["best validation"])
    limit, examples = map(
        number, matched(rf".* ({NUMBER}) points on ({NUMBER}) images.*", part.rule).groups()
    )
    assert limit == pytest.approx(min(0.1, error(top, examples)), abs=ROUNDED)
    row = next(r for r in part.rows if top - number(r["best validation"]) < limit)
    assert list(row.values()) == [patience, epoch, reached]
    assert number(longest) == top
    assert not part.notes


def check_schedule(part: Part) -> None:
    rows = candidates(part, "schedule")
    (best,) = (row for row in rows if row.words == "highest")
    n = validated(part)
    standings = {row.name: check_beside(best, row, n, 1) for row in rows if row is not best}
    validation = {row["schedule"]: row["validation"] for row in part.rows}
    constant, halved = validation["constant"], validation["halve-on-plateau"]
    patience = matched(r".* a patience of (\d+)\. .*", part.rule)[1]
    if part.answer.startswith("constant"):
        inside = "inside the noise" in standings.values()
        beside = "inside the noise of that" if inside else "no better"
        assert part.answer == (
            f"constant: {constant} validation accuracy with a patience of {patience}; "
            f"halve-on-plateau's {halved} is {beside}."
        )
        assert standings.get("constant") != "worse"
    else:
        assert part.answer == (
            f"halve-on-plateau: {halved} validation accuracy, beyond the noise of the constant "
            f"rate's {constant} with a patience of {patience}."
        )
        assert standings["constant"] == "worse"
    assert not part.notes


CHECKS = {
    "Better than chance": check_chance,
    "Learning rate η": check_rate,
    "η again, with that λ": check_checked_rate,
    "η on the full problem": check_checked_rate,
    "Regularization λ": check_lambda,
    "λ on the full problem": check_lambda,
    "Mini-batch size": check_batches,
    "Early stopping": check_patience,
    "Schedule": check_schedule,
}


def check(markdown: str) -> list[Part]:
    found = parts(markdown)
    for part in found:
        CHECKS[part.heading](part)
    return found


def noisy(scale: float, slope: float, seed: int) -> World:
    """Return a world whose accuracies vary with the seed, around a broad hill along λ."""

    def of(config: Config, epoch: int) -> float:
        if config.data.classes is not None or not config.lambda_:
            return 0.9
        strength = float(config.lambda_)  # type: ignore[arg-type]
        halved = isinstance(config.schedule, HalveOnPlateau)
        key = [seed, round(1e6 * strength), config.seed, is_full(config), halved]
        luck = np.random.default_rng(key).normal(0, scale)
        hill = 0.9 - slope * abs(np.log10(strength / 0.5))
        late = 0.004 if halved and epoch > 30 else 0.0
        return float(round(min(0.99, hill + luck + late - 0.02 / epoch), 4))

    def cost(config: Config, epoch: int) -> float:
        return 3 * (1 - of(config, epoch))

    return World(accuracy=of, validation_cost=cost)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures beside the sentences, which take most of the time."""
    monkeypatch.setattr("nnexp.report.renderer.svg", lambda _: b"<svg/>")


def test_all_that_was_planted_is_said_as_it_is(tmp_path: Path) -> None:
    text = as_markdown(outputs.document(tuned(tmp_path).state.decisions, "T", []))
    assert [part.heading for part in check(text)] == [
        *("Better than chance", "Learning rate η", "Regularization λ", "η again, with that λ"),
        *("Mini-batch size", "η on the full problem", "λ on the full problem"),
        *("Early stopping", "Schedule"),
    ]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("scale", "slope"), [(0.002, 0.001), (0.01, 0.005), (0.0, 0.0)])
def test_where_seeds_disagree_every_sentence_holds(
    tmp_path: Path, seed: int, scale: float, slope: float
) -> None:
    state = tuned(tmp_path, noisy(scale, slope, seed), only=["lambda", "final"]).state
    check(as_markdown(outputs.document(state.decisions, "T", [])))


@pytest.mark.usefixtures("undrawn")
def test_a_rate_by_its_validation_cost_is_said_as_it_is(tmp_path: Path) -> None:
    """Lowest at 0.04: of 0.1, 0.25 and 0.5 it is at 0.1, then of 0.05 and 0.025 at the former."""
    world = World(validation_cost=lambda config, _: abs(np.log((config.learning_rate or 1) / 0.04)))
    found = tuned(tmp_path, world, only=["eta", "lambda"])
    text = as_markdown(outputs.document(found.state.decisions, "T", []))
    (part,) = (part for part in check(text) if part.heading == "η again, with that λ")
    assert part.answer == (
        "η = 0.05, below half of the threshold 0.25: with larger rates, the validation cost is "
        "higher by more than 5 %."
    )
    assert [row["learning_rate"] for row in part.rows] == ["0.025", "0.05", "0.1", "0.25", "0.5"]
    assert found.state.quick.learning_rate == 0.05


def ever_lower(config: Config, _: int) -> float:
    """Return a validation cost that is lower the smaller the rate is."""
    return config.learning_rate or 1.0


@pytest.mark.usefixtures("undrawn")
def test_the_smallest_rate_of_the_grid_is_marked_as_such(tmp_path: Path) -> None:
    found = tuned(tmp_path, World(validation_cost=ever_lower), only=["eta", "lambda"])
    text = as_markdown(outputs.document(found.state.decisions, "T", []))
    (part,) = (part for part in check(text) if part.heading == "η again, with that λ")
    assert part.answer.startswith("η = 0.0005, below half of the threshold 0.25:")
    assert part.answer.endswith("higher by more than 5 %, and it is the smallest tried.")
    rates = [config.learning_rate for config in found.stages[3]]
    assert rates == [0.1, 0.5, 0.05, 0.025, 0.01, 0.005, 0.0025, 0.001, 0.0005]


@pytest.mark.usefixtures("undrawn")
def test_a_rate_that_diverges_is_said_to_diverge(tmp_path: Path) -> None:
    world = World(diverges=lambda config: (config.learning_rate or 0.0) > limit(config))
    found = tuned(tmp_path, world)
    text = as_markdown(outputs.document(found.state.decisions, "T", []))
    parts = {part.heading: part for part in check(text)}
    assert parts["Learning rate η"].answer.endswith("at 1 training diverges.")
    (note,) = parts["η again, with that λ"].notes
    assert note.endswith(", diverged with η = 0.5.")


@pytest.mark.usefixtures("undrawn")
def test_a_wrong_sentence_is_found(tmp_path: Path) -> None:
    """So that the checks above can fail: each number of an answer is made another one."""
    text = as_markdown(outputs.document(tuned(tmp_path).state.decisions, "T", []))
    for part in parts(text):
        for found in re.finditer(r"\d[\d.]*\d|\d", part.answer):
            wrong = part.answer[: found.start()] + "7.77" + part.answer[found.end() :]
            with pytest.raises((AssertionError, ValueError)):
                CHECKS[part.heading](part._replace(answer=wrong))


@pytest.mark.slow
def test_what_tune_writes_holds(bench: Bench) -> None:
    larger = ("--set", "hidden=[31]", "--only", "eta,lambda,final")
    assert bench("tune", "tiny.yaml", "-q", *larger).code == 0
    check((bench.folder / "tiny-tuned/decisions.md").read_text("utf-8"))

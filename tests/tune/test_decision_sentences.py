"""Every sentence of decisions.md is recomputed from the numbers beside it.

The text of the file is parsed, so that nothing is known but what a reader sees. A sentence of an
unknown form fails.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from scipy import stats

from nnexp.optim.schedules import HalveOnPlateau
from nnexp.report.document import as_markdown
from nnexp.tune import outputs
from tests.tune.planted import World, is_full, tuned

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
        rf"(?: up to ({NUMBER}); at ({NUMBER}) it is (.+)|; no larger rate .*)\.",
        part.answer,
    )
    eta, threshold, up_to, at, why = answer.groups()
    assert float(eta) == pytest.approx(float(threshold) / 2)
    if above is None:
        assert up_to is None
        assert float(threshold) == max(steady)
    else:
        assert (at, why) == (above["learning_rate"], above["cost"])
        assert max(steady) == float(up_to) <= float(threshold) <= float(at)
    assert not part.notes


class Candidate(NamedTuple):
    """A row of accuracies by seed, in per cent."""

    name: str
    words: str
    values: list[float]


def candidates(part: Part, key: str) -> list[Candidate]:
    found = []
    for row in part.rows:
        values = [float(value) for value in row["by seed, in %"].split(", ")]
        assert number(row["validation"]) == pytest.approx(fmean(values), abs=ROUNDED)
        found.append(Candidate(row[key], row["beside the best"], values))
    return found


def behind(best: Candidate, other: Candidate) -> float:
    """Return by how many points one is better with the first seed."""
    return best.values[0] - other.values[0]


def error(per_cent: float, examples: float) -> float:
    """Return the standard error of an accuracy in points, as if one more example were wrong."""
    p = min(max(per_cent / 100, 1 / (examples + 1)), 1 - 1 / (examples + 1))
    return float(100 * (p * (1 - p) / examples) ** 0.5)


def far(best: Candidate, examples: int) -> float:
    """Return four standard errors of a difference."""
    return 4 * 2**0.5 * error(best.values[0], examples)


def evidence(t: float, n: int) -> float:
    """Return the likelihood ratio of t, with effects drawn from N(0, 4), by integration."""
    densities = stats.nct.pdf(t, n - 1, EFFECTS * n**0.5) * stats.norm.pdf(EFFECTS, scale=2)
    return float(np.trapezoid(densities, EFFECTS) / stats.t.pdf(t, n - 1))


EFFECTS = np.linspace(-12, 12, 2401)


def check_beside(best: Candidate, other: Candidate, examples: int, *, once: bool) -> str:
    """Recompute what is said of a candidate beside the best; return the standing.

    Args:
        best: the best candidate of the first seed.
        other: the other candidate.
        examples: the number of validation images.
        once: whether the number of seeds was fixed in advance.
    """
    gap, limit = behind(best, other), far(best, examples)
    assert gap > -ROUNDED, f"{other.name} is better than {best.name}, which is called the best"
    standing, _, rest = other.words.partition(": ")
    if len(other.values) == 1:
        pattern = (
            rf"({NUMBER}) points(?: less)?( with the first seed)?(?:, beyond .* of ({NUMBER}))?"
        )
        amount, first, beyond = matched(pattern, rest).groups()
        assert float(amount) == pytest.approx(gap, abs=ROUNDED)
        assert (standing == "worse") == (beyond is not None) == (gap > limit)
        assert beyond is None or float(beyond) == pytest.approx(limit, abs=ROUNDED)
        assert (first is not None) == (len(best.values) > 1)
        return standing
    assert gap <= limit
    n = len(other.values) - 1
    differences = np.subtract(other.values[1:], best.values[1 : n + 1])
    amount, half, seeds = matched(
        rf"([-+]{NUMBER}) ± ({NUMBER}) points over (\d+) further seeds", rest
    ).groups()
    assert int(seeds) == n
    assert float(amount) == pytest.approx(differences.mean(), abs=ROUNDED)
    sd = float(differences.std(ddof=1))
    if once:
        sd = round(sd, 6) or 100 / examples / 6**0.5
        assert float(half) == pytest.approx(
            stats.t.isf(0.025, n - 1) * sd / n**0.5, rel=0.05, abs=ROUNDED
        )
    else:
        sd = max(sd, 0.5 * 100 / examples)
        assert evidence(float(half) / sd * n**0.5, n) == pytest.approx(20, rel=0.1)
    outcome = "better" if float(amount) > 0 else "worse"
    assert standing == (outcome if abs(float(amount)) > float(half) else "inside the noise")
    return standing


def check_candidates(part: Part, key: str) -> tuple[list[Candidate], Candidate, dict[str, str]]:
    """Recompute a table of candidates; return them, the best one, and the others' standings."""
    rows = candidates(part, key)
    (best,) = (row for row in rows if row.words.startswith("highest"))
    examples = int(number(matched(rf".* on ({NUMBER}) images.*", part.rule)[1]))
    others = [row for row in rows if row is not best]
    return (
        rows,
        best,
        {row.name: check_beside(best, row, examples, once=key == "schedule") for row in others},
    )


def check_lambda(part: Part) -> None:
    rows, best, standings = check_candidates(part, "lambda")
    answer = matched(rf"λ = ({NUMBER}): (.+)\.", part.answer)
    chosen, why = answer.groups()
    first = " with the first seed" if len(best.values) > 1 else ""
    gaps = [behind(best, row) for row in rows]
    equal = sum(abs(each) < 1e-9 for each in gaps) - 1
    if why.startswith("inside"):
        assert why == f"inside the noise of the best, {best.name}, and smaller"
        assert standings[chosen] == "inside the noise"
    elif why.startswith("better"):
        assert why == f"better than {best.name}, which has the highest validation accuracy{first}"
        assert standings[chosen] == "better"
    elif why.startswith("all"):
        assert why == "all reach the same validation accuracy"
        assert not any(gaps)
        assert chosen == best.name
    else:
        as_well = "" if not equal else "a larger one" if equal == 1 else f"{equal} larger ones"
        as_well = f", which {as_well} reached as well" if as_well else ""
        assert why == f"the highest validation accuracy{first}{as_well}"
        assert chosen == best.name
    for name, standing in standings.items():
        if standing == "no better, and larger":
            assert float(name) > float(best.name)
        elif standing.startswith("not tested"):
            assert standing == f"not tested, since {chosen} is chosen"
            assert float(chosen) < float(name) < float(best.name)
        elif float(name) < float(chosen):
            assert standing == "worse"
    for note in part.notes:
        first, n, second, all_ = matched(
            rf"λ scales with n: ({NUMBER}) for ({NUMBER}) images is ({NUMBER}) for ({NUMBER})\.",
            note,
        ).groups()
        assert first == chosen
        assert float(second) == pytest.approx(float(first) / number(n) * number(all_))


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
        assert ratio == pytest.approx(slow / fast, abs=0.51)


def check_patience(part: Part) -> None:
    patience, epoch, reached, longest = matched(
        rf"A patience of ({NUMBER}): (?:it would end|the training ends) in epoch ({NUMBER}) with "
        rf"({NUMBER} %); the longest reaches ({NUMBER} %)\.",
        part.answer,
    ).groups()
    top = number(part.rows[-1]["best validation"])
    examples, limit = map(
        number, matched(rf".* on ({NUMBER}) images, ({NUMBER}) .*", part.rule).groups()
    )
    assert limit == pytest.approx(error(top, examples), abs=ROUNDED)
    row = next(r for r in part.rows if top - number(r["best validation"]) < limit)
    assert list(row.values()) == [patience, epoch, reached]
    assert number(longest) == top
    assert not part.notes


def check_schedule(part: Part) -> None:
    _, _, standings = check_candidates(part, "schedule")
    validation = {row["schedule"]: row["validation"] for row in part.rows}
    constant, halved = validation["constant"], validation["halve-on-plateau"]
    patience = matched(r".* a patience of (\d+)\. .*", part.rule)[1]
    if part.answer.startswith("constant"):
        inside = standings.get("constant") == "inside the noise"
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
    "η again, with that λ": check_rate,
    "η on the full problem": check_rate,
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

    return World(accuracy=of)


def test_all_that_was_planted_is_said_as_it_is(tmp_path: Path) -> None:
    text = as_markdown(outputs.document(tuned(tmp_path).state.decisions, "T", []))
    assert [part.heading for part in check(text)] == [
        *("Better than chance", "Learning rate η", "Regularization λ", "η again, with that λ"),
        *("Mini-batch size", "η on the full problem", "λ on the full problem"),
        *("Early stopping", "Schedule"),
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("scale", "slope"), [(0.002, 0.001), (0.01, 0.005), (0.0, 0.0)])
def test_where_seeds_disagree_every_sentence_holds(
    tmp_path: Path, seed: int, scale: float, slope: float
) -> None:
    state = tuned(tmp_path, noisy(scale, slope, seed), only=["lambda", "final"]).state
    check(as_markdown(outputs.document(state.decisions, "T", [])))


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
    assert bench("tune", "tiny.yaml", "-q", "--only", "eta,lambda,final").code == 0
    check((bench.folder / "tiny-tuned/decisions.md").read_text("utf-8"))

"""How a comparison is told: as text with curves, as Markdown, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnexp.errors import printable
from nnexp.report.text import columns, table, wrapped

if TYPE_CHECKING:
    from nnexp.analysis.claims import Outcome
    from nnexp.analysis.comparison import Comparison
    from nnexp.analysis.verdicts import Verdict


def text(compared: Comparison, *, curves: bool) -> str:
    """Return all that is to be said, the verdict at the end."""
    from nnexp.report import comparisons

    blocks = [table(*comparisons.sides(compared), left=4)]
    if compared.config:
        blocks.append(table(*comparisons.config(compared)))
    else:
        blocks.append("The configs are the same.")
    blocks.append(table(*comparisons.results(compared)))
    if curves:
        from nnexp.report import braille
        from nnexp.report.curves import terminal

        blocks += braille.draw(terminal({x.experiment.label: x.histories for x in compared.sides}))
    if compared.notes:
        notes = "\n".join(f"note: {printable(note)}" for note in compared.notes)
        blocks.append(wrapped(notes, columns()))
    verdicts = "\n".join(map(printable, comparisons.verdicts(compared)))
    blocks.append(wrapped(verdicts, columns()))
    if commands := comparisons.advice(compared):
        blocks.append(
            "\n".join(
                ["to know, train more seeds:", *(f"  {printable(each)}" for each in commands)]
            )
        )
    return "\n\n".join(blocks)


def markdown(compared: Comparison) -> str:
    """Return the tables for an issue, a page or a notebook."""
    from nnexp.report import comparisons, tables

    blocks = [tables.as_markdown(*comparisons.sides(compared), left=4)]
    if compared.config:
        blocks.append(tables.as_markdown(*comparisons.config(compared)))
    blocks.append(tables.as_markdown(*comparisons.results(compared)))
    lines = [*(f"Note: {note}." for note in compared.notes), *comparisons.verdicts(compared)]
    blocks += [f"{tables.escaped(line)}" for line in lines]
    return "\n\n".join(blocks)


def tree(compared: Comparison, outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the same as plain values; accuracies are fractions, null stands for what is not."""
    from msgspec import UNSET

    names = [side.experiment.label for side in compared.sides]
    return {
        "experiments": {
            side.experiment.label: {
                "place": side.experiment.place,
                "runs": [str(run.path) for run in side.experiment.runs],
                "seeds": list(side.experiment.seeds),
                "statuses": side.statuses,
                "numerics": [[turn._asdict() for turn in facts.numerics] for facts in side.facts],
            }
            for side in compared.sides
        },
        "config": {
            key: {n: v for n, v in zip(names, values, strict=True) if v is not UNSET}
            for key, values in compared.config
        },
        "notes": compared.notes,
        "metrics": {
            key: {
                name: {
                    "values": list(sample.values),
                    "mean": sample.mean,
                    "sd": sample.sd,
                    **verdict(measure.verdicts.get(name)),
                }
                for name, sample in zip(names, measure.samples, strict=True)
            }
            for key, measure in compared.measures.items()
        },
        "judged": compared.judged,
        "verdicts": {name: each.words for name, each in compared.verdicts.items()},
        "checks": [_check(outcome) for outcome in outcomes],
    }


def _check(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a claim; of one that joins several comparisons, also of each of them."""
    tree: dict[str, Any] = outcome._asdict()
    if comparisons := tree.pop("comparisons"):
        tree["comparisons"] = [_check(each) for each in comparisons]
    return tree


def verdict(found: Verdict | None) -> dict[str, Any]:
    """Return a verdict as plain values; nothing where there is none."""
    if found is None:
        return {}
    d = found.difference
    return {
        "difference": d.difference,
        "half_width": d.half_width,
        "test": d.kind,
        "p": d.p,
        "p_adjusted": found.p,
        "sign_flip_p": d.sign_flip_p,
        "verdict": found.outcome,
        "seeds_needed": found.needed,
    }

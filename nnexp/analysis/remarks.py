"""What a reader must know beside a comparison's numbers, before they mean anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nnexp.analysis.metrics import Facts
from nnexp.analysis.sides import Side
from nnexp.config.messages import ranges


def on(sides: Sequence[Side]) -> Iterator[str]:
    """Yield what else a reader must know before the numbers mean anything."""
    records = {
        side.experiment.label: [run.record for run in side.experiment.runs] for side in sides
    }
    for what, of in (
        ("data", lambda record: tuple(sorted(record.data.sha256.items()))),
        ("numerics (the machine's arithmetic)", lambda record: record.numerics),
        ("version of nnexp", lambda record: record.versions.nnexp),
    ):
        found = {letter: {of(record) for record in each} for letter, each in records.items()}
        if len(set().union(*found.values())) > 1:
            letters = _letters(found)
            yield f"{letters} were trained with different {what}"
    for facts in (facts for side in sides for facts in side.facts):
        yield from _changed_numerics(facts)
    yield from _left_out(sides)
    for side in sides:
        unfinished = {s: n for s, n in side.statuses.items() if s != "finished"}
        for status, count in unfinished.items():
            verb = "is" if count == 1 else "are"
            yield f"{side.experiment.label}: {count} of {len(side.facts)} {verb} {status}"


def _left_out(sides: Sequence[Side]) -> Iterator[str]:
    """Yield which seeds are in an experiment's means, but in none of its pairs."""
    first = sides[0].experiment
    for side in sides[1:]:
        common = set(first.seeds) & set(side.experiment.seeds)
        if common and (set(first.seeds) | set(side.experiment.seeds)) - common:
            paired = ranges(sorted(common))
            yield (
                f"{side.experiment.label} is paired with {first.label} by their common seeds, "
                f"{paired}; each mean is over all of its own"
            )


def _changed_numerics(facts: Facts) -> Iterator[str]:
    turns = facts.numerics
    if len(turns) > 1:
        count = len({turn.numerics for turn in turns})
        since = ", ".join(str(turn.since) for turn in turns[1:])
        run = facts.run.path
        yield f"{run} was trained under {count} numerics: they changed with epoch {since}"


def _letters(found: Mapping[str, set[Any]]) -> str:
    """Return the letters that something is not the same for: within one, or between several."""
    within = [letter for letter, each in found.items() if len(each) > 1]
    if within and len(set().union(*found.values())) == len(
        set().union(*(found[w] for w in within))
    ):
        return f"the runs of {' and of '.join(within)}"
    return " and ".join(found)

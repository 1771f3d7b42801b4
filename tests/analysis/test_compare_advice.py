"""What compare advises works to the letter, for runs made in every way."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nnexp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench

pytestmark = pytest.mark.slow

RATES = ("0.3", "0.5")


def by_train(bench: Bench) -> list[str]:
    return [_out(bench("train", "tiny.yaml", "-q", "--set", f"learning_rate={e}")) for e in RATES]


def by_name(bench: Bench) -> list[str]:
    words = [("--name", f"eta-{e}", "--set", f"learning_rate={e}") for e in RATES]
    return [_out(bench("train", "tiny.yaml", "-q", *each)) for each in words]


def by_name_and_seeds(bench: Bench) -> list[str]:
    for e in RATES:
        words = ("--name", f"eta-{e}", "--seeds", "2", "--set", f"learning_rate={e}")
        assert bench("train", "tiny.yaml", "-q", *words).code == 0
    return [f"runs/eta-{e}" for e in RATES]


def by_older_names(bench: Bench) -> list[str]:
    """As nnexp 0.1.0 named runs without --seeds."""
    made = by_name(bench)
    return [str(Path(run).rename(run.removesuffix("-s0"))) for run in made]


def renamed(bench: Bench) -> list[str]:
    return [str(Path(run).rename(f"runs/r{i}-s7")) for i, run in enumerate(by_train(bench))]


def elsewhere(bench: Bench) -> list[str]:
    words = [("--runs", "my runs", "--set", f"learning_rate={e}") for e in RATES]
    return [_out(bench("train", "tiny.yaml", "-q", *each)) for each in words]


def by_sweep(bench: Bench) -> list[str]:
    said = bench("sweep", "tiny.yaml", "-q", "--grid", f"learning_rate={','.join(RATES)}", "--json")
    return [row["runs"][0] for row in json.loads(said.out)["ranking"]]


def by_search(bench: Bench) -> list[str]:
    words = ("--space", f"learning_rate={','.join(RATES)}", "--method", "grid", "--json")
    said = bench("search", "tiny.yaml", "-q", "--confirm", "0", *words)
    assert said.code == 0, said.err
    return [trial["runs"][0] for trial in json.loads(said.out)["trials"]]


def from_a_pipe(bench: Bench) -> list[str]:
    made = by_name(bench)
    texts = [(bench.folder / run / "config.yaml").read_text() for run in made]
    for run, text in zip(("p", "q"), texts, strict=True):
        (bench.folder / f"{run}.yaml").write_text(text)
    return [_out(bench("train", f"{run}.yaml", "-q", "--name", run)) for run in ("p", "q")]


def by_python(bench: Bench) -> list[str]:
    del bench
    configs = [nnexp.load_config("tiny.yaml", {"learning_rate": float(e)}) for e in RATES]
    return [str(nnexp.train(config, stem="tiny").path) for config in configs]


def grown(bench: Bench) -> list[str]:
    by_train(bench)
    words = [("--set", "epochs=4", "--set", f"learning_rate={e}") for e in RATES]
    return [_out(bench("train", "tiny.yaml", "-q", *each)) for each in words]


def from_weights(bench: Bench) -> list[str]:
    source = by_name(bench)[0]
    bench.config("warm.yaml", initializer={"name": "run", "path": source})
    words = [("--set", f"learning_rate={e}") for e in RATES]
    return [_out(bench("train", "warm.yaml", "-q", *each)) for each in words]


WAYS = (
    *(by_train, by_name, by_name_and_seeds, by_older_names, renamed, elsewhere, by_sweep),
    *(by_search, from_a_pipe, by_python, grown, from_weights),
)


def test_experiments_of_one_name_get_names_of_their_own(bench: Bench) -> None:
    words = ("train", "tiny.yaml", "-q", "--name", "x", "--set", "patience=null")
    bench(*words, "--seeds", "2")
    bench(*words, "--set", "epochs=4")
    commands = advice(bench("compare", "runs/x-s0", "runs/x-s1").out)
    for command in commands[:-1]:
        assert bench(*command[1:], "-q").code == 0
    sides = json.loads(bench(*commands[-1][1:], "--json").out)["experiments"]
    assert [side["seeds"] for side in sides.values()] == [[0, 1, 2, 3, 4]] * 2


def _out(said: tuple[int, str, str]) -> str:
    assert said[0] == 0, said
    return said[1].strip()


def advice(out: str) -> list[list[str]]:
    """Return the commands that a comparison advises."""
    _, found, commands = out.partition("to know, train more seeds and compare again:\n")
    assert found, out
    commands, _, race = commands.partition("\n\nto train seeds until this is decided:\n")
    assert not race or shlex.split(race)[:2] == ["nnexp", "race"]
    return [shlex.split(line) for line in commands.splitlines()]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("metric", [(), ("--metric", "last_train_cost")], ids=["", "metric"])
def test_the_commands_train_what_a_verdict_needs(
    bench: Bench, way: Callable[[Bench], list[str]], metric: tuple[str, ...]
) -> None:
    made = way(bench)
    commands = advice(bench("compare", *made, *metric).out)
    assert [words[:2] for words in commands] == [
        ["nnexp", "train"],
        ["nnexp", "train"],
        ["nnexp", "compare"],
    ]
    for words in commands[:-1]:
        said = bench(*words[1:], "-q")
        assert said.code == 0, said.err
    compared = json.loads(bench(*commands[-1][1:], "--json").out)
    sides = compared["experiments"]
    assert [side["seeds"] for side in sides.values()] == [[0, 1, 2, 3, 4]] * 2
    assert "too few seeds" not in compared["verdicts"]["B"]
    assert compared["judged"] == (metric[1] if metric else "test_accuracy")
    assert {run for run in made if Path(run).is_dir()} <= {
        run for side in sides.values() for run in side["runs"]
    }

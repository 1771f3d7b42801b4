"""nnexp tune writes decisions and a tuned config, and prints its stages as the docs show them."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nnexp.config import load
from nnexp.tune import rate_check
from nnexp.tune.ladder import Rung
from nnexp.tune.rate_check import CheckedRates
from nnexp.tune.trials import Steps
from tests.tune.tunings import contents, decisions, trials

if TYPE_CHECKING:
    from tests.conftest import Bench

OUTPUTS = ("tuned.yaml", "decisions.md", "decisions.html", "times.json")


@pytest.mark.slow
def test_tune_decides_everything_and_a_second_one_trains_nothing(bench: Bench) -> None:
    first = bench("tune", "tiny.yaml")
    assert first.code == 0, first.err
    folder = bench.folder / "tiny-tuned"
    left, runs = contents(folder), trials(bench)
    assert set(OUTPUTS) <= left.keys()
    assert [line[0] for line in first.out.splitlines()[:-3]] == list("123456666")
    assert first.out.splitlines()[-3:] == [
        "tiny-tuned/tuned.yaml",
        "tiny-tuned/decisions.md",
        "tiny-tuned/decisions.html",
    ]
    times = {path: path.stat().st_mtime_ns for path in bench.folder.glob("runs/*/metrics.jsonl")}
    assert bench("tune", "tiny.yaml").out == first.out
    assert trials(bench) == runs
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert contents(folder) == left
    listed = json.loads(bench("runs", "--each", "--json").out)
    assert {each["name"] for each in listed} == runs
    check_outputs(bench, left)


def check_outputs(bench: Bench, left: dict[str, bytes]) -> None:
    """Check that the tuned config trains, and that the page is whole, and loads nothing."""
    config = load.read(bench.folder / "tiny-tuned" / "tuned.yaml")
    text = left["tuned.yaml"].decode()
    assert f"learning_rate: {config.learning_rate}" in text
    for key in ("learning_rate", "lambda", "batch_size", "epochs"):
        assert re.search(rf"^# .+\n{key}: ", text, re.MULTILINE), key
    assert config.hidden == (5,)
    assert bench("train", "tiny-tuned/tuned.yaml", "-q", "--set", "epochs=2").code == 0
    page = html.unescape(left["decisions.html"].decode())
    plain = left["decisions.md"].decode()
    sections = page.count("<section")
    assert sections == plain.count("\n## ")
    assert page.count('class="drawing"') == sections - plain.count("**Skipped: ")
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "http" not in re.sub(r"http-equiv|base64,[\w+/=]+", "", page)
    for name in re.findall(r"!\[.*?\]\((.*?)\)", plain):
        assert left[name].startswith(b"<?xml")
    assert "The chapter's argument, on 100 images" in plain


def test_what_train_would_warn_of_is_said_of_the_tuned_config(bench: Bench) -> None:
    given = ("--set", "hidden=[]", "--set", "dropout=0.5", "--only", "eta")
    err = bench("tune", "tiny.yaml", "-q", *given).err
    assert "warning: tiny-tuned/tuned.yaml: dropout has no effect: there are no hidden" in err


def test_settings_that_trials_have_their_own_of_are_warned_of(bench: Bench) -> None:
    own = ("--set", "epochs=9", "--set", "schedule.name=step", "--set", "evaluate_every=2")
    err = bench("tune", "tiny.yaml", "--explain", *own, "--set", "learning_rate=1").err
    told = "have no effect: tune's trials use their own values\n"
    assert err == f"--set epochs, schedule, evaluate_every {told}"
    err = bench("tune", "tiny.yaml", "--explain", "--set", "patience=3").err
    assert err == "--set patience has no effect: tune's trials use their own values\n"
    assert bench("tune", "tiny.yaml", "--explain", "--set", "epochs=200").err == ""


@pytest.mark.slow
def test_the_config_s_own_end_changes_no_decision(bench: Bench) -> None:
    arguments = ("--only", "eta,lambda", "-q", "--json")
    plain = decisions(bench("tune", "tiny.yaml", *arguments))
    runs = trials(bench)
    bench.config(epochs=1, patience=None, evaluate_every=1, schedule={"name": "step"})
    assert decisions(bench("tune", "tiny.yaml", *arguments))["decisions"] == plain["decisions"]
    assert trials(bench) == runs


def test_what_is_no_part(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--only", "eta,momentum")
    assert (code, out) == (2, "")
    assert "--only must be one or more of eta, lambda, batch-size, final, got 'momentum'" in err


def test_explain_trains_nothing(bench: Bench) -> None:
    code, out, err = bench("tune", "tiny.yaml", "--explain")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[:2] for line in lines[1:9]] == ["1:", "2:", "3:", "4:", "5:", "6:", "6:", "6:"]
    together = re.split("  +", lines[9])
    assert together[:3] == ["together", "18 to 103", "270 to 1,270"]
    assert "--budget counts epochs" in lines[11]
    assert not (bench.folder / "runs").exists()
    assert not (bench.folder / "tiny-tuned").exists()
    stages = json.loads(bench("tune", "tiny.yaml", "--explain", "--json", "--only", "eta").out)
    assert [stage["stage"][0] for stage in stages] == ["1", "2", "6"]
    assert all(stage["trials_least"] <= stage["trials_most"] for stage in stages)
    assert [stage["epochs_least"] for stage in stages] == [20, 40, 0]
    longer = ("--set", "epochs=400", "--only", "final")
    stages = json.loads(bench("tune", "tiny.yaml", "--explain", "--json", *longer).out)
    assert stages[-1]["epochs"] == 400
    assert stages[0]["trials_most"] == 2  # with the config's own η and λ alone


def test_a_name_that_is_markup_is_text(bench: Bench) -> None:
    name = bench.config("<b>&.yaml")
    out = bench("tune", name, "--only", "eta", "-q", "--out", "o", "--set", "hidden=[]")
    assert out.code == 2  # no run may be called so
    (bench.folder / "sub <i>").mkdir()
    (bench.folder / "sub <i>" / "c.yaml").write_bytes((bench.folder / "tiny.yaml").read_bytes())
    assert bench("tune", "sub <i>/c.yaml", "--only", "eta", "-q", "--out", "o").code == 0
    page = (bench.folder / "o" / "decisions.html").read_text("utf-8")
    assert "sub &lt;i&gt;/c.yaml" in page
    assert "<i>" not in page
    assert r"sub \<i\>/c.yaml" in (bench.folder / "o" / "decisions.md").read_text("utf-8")


@pytest.mark.slow
def test_a_rate_that_is_looked_at_again_in_vain_stays_and_that_is_a_decision(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rungs = [Rung(rate, [2.0, 1.0] * 5) for rate in (0.1, 0.2)]

    def again(*_: object, **__: object) -> Steps[CheckedRates]:
        yield from ()
        return CheckedRates(rungs, {0.1: 1.0, 0.2: 0.9})

    monkeypatch.setattr(rate_check, "again", again)
    larger = ("--set", "hidden=[31]", "--only", "eta,lambda,final")
    found = decisions(bench("tune", "tiny.yaml", *larger, "-q", "--json"))
    first, *others = [each for each in found["decisions"] if each["name"] == "eta"]
    rate = first["chose"]["learning_rate"]
    assert [(each["stage"], each["chose"]) for each in others] == [(4, {}), (6, {})]
    for each in others:
        assert each["answer"].startswith(f"η stays {rate:g}: no learning rate from")
        assert len(each["alternatives"]) == len(rungs)
    text = (bench.folder / "tiny-tuned" / "tuned.yaml").read_text()
    assert f"\nlearning_rate: {rate}\n" in text


@pytest.mark.slow
@pytest.mark.parametrize("expand", [None, "shift"])
def test_the_chapter_s_argument_is_of_as_many_updates_as_it_says(
    bench: Bench, expand: str | None
) -> None:
    labels = list(range(2)) * 20
    rng = np.random.default_rng(0)
    images: dict[str, Any] = {
        f"x_{split}": rng.integers(0, 99, (40, 4, 4), dtype=np.uint8)
        + 150 * np.array(labels, np.uint8)[:, None, None]
        for split in ("train", "validation")
    }
    np.savez(bench.folder / "few.npz", y_train=labels, y_validation=labels, **images)
    data = {"name": "npz", "file": "few.npz", "expand": expand}
    name = bench.config("few.yaml", data=data, learning_rate=0.1)
    found = decisions(bench("tune", name, "--only", "batch-size", "--full", "-q", "--json"))
    note = found["decisions"][-1]["notes"][0]
    assert "on 40 images in 10 epochs: 40 updates with one example" in note
    records = bench.folder.glob("runs/*/run.json")
    argument = [json.loads(path.read_text())["data"]["train"] for path in records]
    assert argument.count(40) >= 2


@pytest.mark.slow
def test_a_line_search_has_no_rate_to_tune(bench: Bench) -> None:
    """Where η alone is asked for that is an error; else the rest is decided, and it is said."""
    name = bench.config("l.yaml", optimizer="l-bfgs", batch_size="all", dtype="float64")
    code, _, err = bench("tune", name, "--only", "eta")
    assert code == 2
    assert err.startswith("optimizer l-bfgs chooses its step by a line search")
    assert not (bench.folder / "runs").exists()
    planned = json.loads(bench("tune", name, "--explain", "--json").out)
    none = [stage["stage"][0] for stage in planned if not stage["trials_most"]]
    assert none == ["2", "4", "5", "6", "6"]
    found = decisions(bench("tune", name, "-q", "--json"))
    skipped = [each for each in found["decisions"] if each["answer"].startswith("Skipped: ")]
    assert [each["heading"] for each in skipped] == [
        "Learning rate η",
        "η again, with that λ",
        "Mini-batch size",
        "η on the full problem",
        "λ on the full problem",
        "Schedule",
    ]
    line = "Skipped: optimizer l-bfgs chooses its step by a line search: it has no learning rate"
    assert all(line in each["answer"] for each in skipped if each["name"] in {"eta", "final"})
    config = load.read(bench.folder / "l-tuned" / "tuned.yaml")
    assert (config.learning_rate, config.batch_size) == (None, "all")
    assert config.patience in {10, 20, 30}
    plain = (bench.folder / "l-tuned" / "decisions.md").read_text("utf-8")
    page = (bench.folder / "l-tuned" / "decisions.html").read_text("utf-8")
    assert plain.count("\n## ") == page.count("<section") == len(found["decisions"])


def test_all_examples_at_once_leave_no_size_to_choose(bench: Bench) -> None:
    given = ("--set", "batch_size=all", "--only", "eta,batch-size", "-q", "--json")
    found = decisions(bench("tune", "tiny.yaml", *given))
    (skipped,) = [each for each in found["decisions"] if each["name"] == "batch-size"]
    assert skipped["answer"].startswith("Skipped: batch_size is all, so every step")
    assert skipped["chose"] == {}
    assert load.read(bench.folder / "tiny-tuned" / "tuned.yaml").batch_size == "all"


DOCS = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text("utf-8")


def shown(name: str) -> list[str]:
    """Return the lines of an output that the docs show."""
    found = re.search(rf"<!-- output: {name} -->\n(.*?)<!-- end -->", DOCS, re.DOTALL)
    assert found is not None
    return [line[4:] for line in found[1].splitlines() if line]


def form(line: str) -> str:
    """Return a line with a sign in place of each number."""
    return re.sub(r"[\d.]*\d(?:e[-+]\d+)?", "#", line)


STEADY = r"half of the threshold #: the training cost falls steadily up to #; .*\."
CHECKED = (
    rf"(η = #, {STEADY}|η = #, below half of the threshold #: with larger rates, .*|η stays #: .*"
    r"|Skipped: .*)"
)
STRENGTH = (
    r"(λ = #: validation cost #, (the lowest|at most # % above the lowest) inside the noise of "
    r"the highest accuracy, # %.*\.|Skipped: .*)"
)
ANSWERS = (
    r"#  Better than chance: # % on (a quick problem with all classes|the full problem), where .*",
    rf"#  Learning rate η: η = #, {STEADY}",
    rf"#  Regularization λ: {STRENGTH}",
    rf"#  η again, with that λ: {CHECKED}",
    (
        r"#  Mini-batch size: Mini-batches of #, with η = #: they reach # % validation accuracy "
        r"after # m?s .*"
    ),
    rf"#  η on the full problem: {CHECKED}",
    rf"#  λ on the full problem: {STRENGTH}",
    (
        r"#  Early stopping: A patience of #: (it would end|the training ends) in epoch # with "
        r"# %; the longest reaches # %."
    ),
    r"#  Schedule: (constant|halve-on-plateau): # % validation accuracy.* with a patience of #.*\.",
    r"\w+-tuned/tuned\.yaml",
    r"\w+-tuned/decisions\.md",
    r"\w+-tuned/decisions\.html",
)
"""The lines that tune prints, without their numbers: times and ties make them others each day."""


@pytest.mark.slow
@pytest.mark.docs
def test_the_docs_show_what_tune_prints(bench: Bench) -> None:
    printed = bench("tune", "tiny.yaml", "-q").out.splitlines()
    for lines in (shown("tune"), printed):
        assert len(lines) == len(ANSWERS)
        for line, answer in zip(lines, ANSWERS, strict=True):
            assert re.fullmatch(answer, form(line)), line


@pytest.mark.docs
@pytest.mark.slow
def test_on_mnist_with_30_hidden_neurons_the_rate_is_the_book_s(bench: Bench) -> None:
    """To a factor of two for mini-batches of 10: beyond that last digits do not go (see find-rate).

    The stages that no clock decides answer as in the docs, but for their numbers.
    """
    config = str(Path(__file__).parents[2] / "configs" / "quickstart.yaml")
    found = decisions(bench("tune", config, "-q", "--json"))
    assert found["unfinished"] == []
    tuned = load.read(bench.folder / "quickstart-tuned" / "tuned.yaml")
    assert tuned.learning_rate is not None
    assert isinstance(tuned.batch_size, int)
    assert 0.125 <= tuned.learning_rate * 10 / tuned.batch_size <= 0.5
    for each, answer in zip(found["decisions"][:4], ANSWERS, strict=False):
        line = f"{each['stage']}  {each['heading']}: {each['answer']}"
        assert re.fullmatch(answer, form(line)), line

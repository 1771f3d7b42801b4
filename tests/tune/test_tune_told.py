"""Progress lines of tune and find-rate, and how sentences wrap in a terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from nnexp.report.text import table, wrapped
from nnexp.tune.decision import duration

if TYPE_CHECKING:
    from tests.conftest import Bench


def lines(written: str) -> list[str]:
    """Return what stood in a terminal's lines, one after another, without its control sequences."""
    plain = re.sub(r"\x1b\[[\d?]*[a-zA-Z]", "", written)
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain)]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 40])
def test_on_a_terminal_the_trial_under_way_is_shown_and_goes(bench: Bench, columns: int) -> None:
    written = bench.on_a_terminal("tune", "tiny.yaml", "--only", "eta", columns=columns)
    shown = lines(written)
    assert any(re.match(r"stage \d: \d+ done, 1 running", line) for line in shown)
    assert any(re.search(r" \d+/10 ", line) for line in shown)
    assert max(map(len, shown)) <= columns
    text = " ".join(line.strip() for line in shown if "epoch" not in line)
    assert "half of the threshold" in text  # whole, though in several lines
    assert "epoch" not in written.rpartition("\x1b[2K")[2]  # the table's lines were erased


@pytest.mark.slow
def test_each_epoch_is_shown_with_what_it_measures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnexp.cli.study_progress.REFRESH", -1.0)
    monkeypatch.setattr("nnexp.cli.output.StandardError.columns", lambda _: 80)
    shown = lines(bench("find-rate", "tiny.yaml").err)
    assert any(re.fullmatch(r"tiny-\S+ +0\.1 +0 +10 +0 +3/10 +cost \S+", line) for line in shown)
    assert any(re.fullmatch(r"threshold above 0\.0?1", line) for line in shown)
    shown = lines(bench("tune", "tiny.yaml", "--only", "lambda").err)
    assert any(re.fullmatch(r"tiny-\S+ +0\.5 +10 +10 +0 +9/10 +\S+ %", line) for line in shown)
    assert any(re.fullmatch(r"best with \S+", line) for line in shown)


@pytest.mark.slow
def test_without_a_terminal_or_with_q_no_status_is_shown_and_lines_are_whole(bench: Bench) -> None:
    chosen = ("tiny.yaml", "--only", "eta")
    said = bench("tune", *chosen)
    assert not re.search(r"epoch \d+/", said.err)
    assert "\r" not in said.err
    assert max(map(len, said.out.splitlines())) > 80
    assert "epoch" not in bench.on_a_terminal("tune", *chosen, "-q", "--runs", "others")


def test_the_plan_fits_a_terminal(bench: Bench) -> None:
    shown = lines(bench.on_a_terminal("tune", "tiny.yaml", "--explain", "--set", "epochs=9999"))
    assert max(map(len, shown)) <= 80
    assert any(line.startswith("6: final training (full) ") for line in shown)
    planned = json.loads(bench("tune", "tiny.yaml", "--explain", "--json").out)
    assert planned[0]["images_most"] == planned[0]["epochs_most"] * planned[0]["examples"]


def test_a_row_wider_than_the_terminal_is_broken_between_cells_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    header, rows = ("rate", "what it is", "first"), [("0.01", "falling, slowly", "1.5")]
    whole = ["rate       what it is  first", "0.01  falling, slowly    1.5"]
    assert table(header, rows).splitlines() == whole
    assert table(header, rows, most=28).splitlines() == whole
    narrower = ["rate       what it is", "  first", "0.01  falling, slowly", "    1.5"]
    assert table(header, rows, most=27).splitlines() == narrower
    each = ["rate", "       what it is", "  first", "0.01", "  falling, slowly", "    1.5"]
    assert table(header, rows, most=9).splitlines() == each


def test_an_error_is_broken_between_words_on_a_terminal_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ("tune", "tiny.yaml", "--set", "optimizer=momentun")
    (line,) = bench(*wrong).err.splitlines()
    monkeypatch.setattr("nnexp.cli.output.StandardError.columns", lambda _: 40)
    several = bench(*wrong).err.splitlines()
    assert " ".join(map(str.strip, several)) == line
    assert max(map(len, several)) <= 40 < len(line)


def test_sentences_are_broken_between_words_and_go_on_further_in() -> None:
    assert wrapped("  one two three", 9) == "  one two\n    three"
    assert wrapped("at runs/a-b-c-d/config.yaml", 10) == "at\n  runs/a-b-c-d/config.yaml"
    assert wrapped("one two three\nfour", 0) == "one two three\nfour"
    assert wrapped("one two three", 13) == "one two three"
    assert wrapped("one two", 1) == "one\n  two"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04014, "40.1 ms"),
        (0.0, "0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (1234.0, "1,234 s"),
    ],
)
def test_short_times_are_milliseconds(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_search_s_and_a_comparison_s_sentences_fit_a_terminal(bench: Bench) -> None:
    space = ("--space", "learning_rate=[0.1, 0.5]", "--space", "lambda=[0.001]")
    arguments = ("search", "tiny.yaml", *space, "--seeds", "3", "--epochs", "2")
    starts = ("best: ", "test accuracy, best epoch: ")
    told = [line for line in bench(*arguments).out.splitlines() if line.startswith(starts)]
    long = [line for line in told if len(line) > 50]
    assert {line.partition(":")[0] for line in long} == {"best", "test accuracy, best epoch"}
    shown = "\n".join(filter(None, lines(bench.on_a_terminal(*arguments, columns=50))))
    for line in long:
        assert line not in shown
        assert wrapped(line, 50) in shown

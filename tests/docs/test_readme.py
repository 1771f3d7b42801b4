"""Commands, Python examples and tables in README and the first pages of the docs are correct."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnexp.cli import COMMANDS, COMMANDS_BY_PURPOSE

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("runs", "comparing", "configs")]
TEXT = "\n".join([README, *(page.read_text(encoding="utf-8") for page in PAGES)])
LONGEST = 205


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def workbench(tmp_path: Path) -> Path:
    """A folder with the configs and the command, as after README's first line."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "nnexp"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnexp "$@"\n')
    command.chmod(0o755)
    return tmp_path


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )


def promised(name: str) -> list[str]:
    """Return the lines of an output that is shown."""
    shown = re.search(rf"<!-- output: {name} -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    assert shown is not None
    return [line[4:].rstrip() for line in shown[1].strip("\n").splitlines()]


@pytest.mark.slow
def test_the_sweeps_train_what_they_say_and_can_be_run_again(workbench: Path) -> None:
    loop, parallel = (block for block in blocks("sh") if "epochs=10" in block)
    trained = shell(loop, workbench).stdout.splitlines()
    listing = trained[9:]
    assert trained[:9] == [
        f"runs/eta-{eta}-s{s}" for eta in ("0.025", "0.25", "2.5") for s in "012"
    ]
    assert listing[0].split() == promised("runs")[0].split()
    for ours, said in zip(listing[1:], promised("runs")[1:], strict=True):
        assert re.split("  +", ours)[:5] == re.split("  +", said)[:5]
        for line in (ours, said):
            check_seed_noise(line)
    again = shell(parallel, workbench)
    assert len(again.stdout.splitlines()) == 9
    assert len(list((workbench / "runs").glob("[!.]*"))) == 9
    more = next(block for block in blocks("sh") if "--best 2" in block)
    assert shell(without_watch(more), workbench).stdout.count("runs/eta-") >= 2
    best = shell("nnexp runs --best 2 --quiet", workbench).stdout
    assert best == "runs/eta-0.25\nruns/eta-2.5\n"


FORTY_SEEDS = {
    "0.025": ((74.5, 1.5), (72.5, 1.4)),
    "0.25": ((87.2, 0.3), (86.2, 0.4)),
    "2.5": ((81.3, 1.8), (79.6, 1.9)),
}
"""By learning rate, validation and test accuracy in % over seeds 0 to 39: mean, standard deviation.

Another processor rounds differently. At most, that makes a run differ as another seed would.
"""


def check_seed_noise(line: str) -> None:
    """Check that a line's means and deviations over three seeds are as seeds make them."""
    expected = FORTY_SEEDS[re.split("  +", line)[4]]
    pairs = re.findall(r"([\d.]+) ± ([\d.]+) %", line)
    for (mean, deviation), (center, sigma) in zip(pairs, expected, strict=True):
        assert float(mean) == pytest.approx(center, abs=4 * sigma / 3**0.5)
        # P(deviation > k sigma) = exp(-k²) for three normal numbers, 5e-6 at 3.5
        assert 0 < float(deviation) < 3.5 * sigma


def without_watch(script: str) -> str:
    """Return a script's lines, jq's and the one that waits left out: not everybody has jq."""
    return "\n".join(
        line.partition(" | jq")[0] for line in script.splitlines() if "--watch" not in line
    )


@pytest.mark.slow
def test_xargs_trains_in_parallel_from_nothing(workbench: Path) -> None:
    parallel = next(block for block in blocks("sh") if "xargs" in block)
    assert len(set(shell(parallel, workbench).stdout.splitlines())) == 9


@pytest.mark.slow
def test_the_sweep_command_ranks_what_it_trains(workbench: Path) -> None:
    sweep = next(block for block in blocks("sh") if "nnexp sweep" in block)
    header, *ranks = shell(sweep, workbench).stdout.splitlines()
    assert header.split() == ["rank", "learning_rate", "lambda", "validation", "test", "runs"]
    assert len(ranks) == 6
    assert (workbench / "sweep.png").stat().st_size > 10_000


def test_the_python_example_prints_each_epoch(workbench: Path) -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    printed = subprocess.run(
        [sys.executable, "-c", example],
        cwd=workbench,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.splitlines()
    assert len(printed) == 11
    assert printed[0].startswith("1 ")
    assert float(printed[-1].split()[1]) > 0.8


RESULT = "result (accuracies in %)"

NOISE = 7.1
"""By how many standard errors two means over five seeds differ once in ten thousand times.

Student's t with 8 degrees of freedom. Of the same seeds, on processors that round differently, they
differ by less.
"""


def results(lines: list[str]) -> dict[str, list[str]]:
    """Return a comparison's results by their labels: A's cell, B's, the difference, the verdict."""
    (start,) = (place for place, line in enumerate(lines) if line.startswith(RESULT))
    rows = (re.split("  +", line.strip()) for line in lines[start + 1 : lines.index("", start)])
    return {label: cells for label, *cells in rows}


def check_same(ours: str, said: str) -> None:
    """Check that two cells' means differ by no more than the noise of five seeds."""
    pairs = [re.fullmatch(r"([\d.]+) ± ([\d.]+)", cell) for cell in (ours, said)]
    if None not in pairs:  # a level that not all seeds reached has no mean
        (mean, sd), (other_mean, other_sd) = (map(float, pair.groups()) for pair in pairs if pair)
        error = ((sd**2 + other_sd**2) / 5) ** 0.5
        assert mean == pytest.approx(other_mean, abs=NOISE * error + 1e-9)


@pytest.mark.slow
def test_the_comparison_shows_the_differing_key_and_the_curves(workbench: Path) -> None:
    compare = next(block for block in blocks("sh") if "init-large" in block)
    printed, shown = shell(compare, workbench).stdout.splitlines()[10:], promised("compare")
    for ours, said in zip(printed, shown, strict=False):
        if said.startswith(RESULT):
            break
        assert ours == said
    obtained, promises = results(printed), results(shown)
    # Which levels some seed reaches depends on the processor.
    fixed = [[label for label in rows if "epochs to" not in label] for rows in (obtained, promises)]
    assert fixed[0] == fixed[1]
    for label in (obtained.keys() & promises.keys()) - {"seconds of training"}:
        for ours, said in zip(obtained[label][:2], promises[label][:2], strict=True):
            check_same(ours, said)
    for rows in (obtained, promises):
        assert [label for label, cells in rows.items() if cells[-1] == "worse"] == []
        for clear in ("first validation accuracy", "last train cost", "epochs to 95 % validation"):
            assert rows[clear][-1] == "better"
    for line, looked in (printed[-2:], shown[-2:]):
        assert line.startswith("test accuracy, best epoch: B is better: +")
        assert looked.startswith("if you looked after every seed: B is still better (p = ")
    assert (workbench / "curves.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_search_ends_with_a_verdict(workbench: Path) -> None:
    (line,) = (block for block in blocks("sh") if "nnexp search" in block)
    out = shell(line, workbench).stdout
    assert "9 trials (random, seed 0), 21,000 training examples seen" in out
    assert "\nconfirmation with seeds 1-5, which no trial used: A is the config as given" in out
    assert re.search(r"^test accuracy, best epoch: (B is|~|identical)", out, re.MULTILINE)


def test_every_command_and_exit_code_is_named() -> None:
    rows = dict(re.findall(r"^\| `nnexp ([\w-]+)[^|]*` \| (.*) \|$", README, re.MULTILINE))
    assert list(rows) == list(COMMANDS)
    column = re.findall(r"^\| (?:\*\*(\w+)\*\*|`nnexp ([\w-]+).*`) \| .*\|$", README, re.MULTILINE)
    assert [purpose or command for purpose, command in column] == [
        name for purpose, own in COMMANDS_BY_PURPOSE.items() for name in (purpose, *own)
    ]
    for command, purpose in COMMANDS.items():
        assert rows[command].replace("`", "").startswith(purpose)
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "74", "128+n"):
        assert f"| {code} |" in TEXT


def test_the_readme_is_short_and_leads_on_to_every_page() -> None:
    assert len(README.splitlines()) <= LONGEST
    for page in [*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")]:
        assert f"({page.relative_to(ROOT)})" in README


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("README*.md")), *sorted(DOCS.rglob("*.md"))],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(
        r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text("utf-8")
    ):
        file = page.parent / target if target else page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]
        assert not anchor or anchor in slugs, f"{target}#{anchor}"


def test_both_commands_are_one_line_each() -> None:
    for name in ("quickstart", "tests"):
        found = re.search(rf"<!-- command: {name} -->\n(.*?)<!-- end -->", README, re.DOTALL)
        assert found is not None
        lines = [line for line in found[1].splitlines() if line.strip()]
        assert len(lines) == 1
        assert lines[0].startswith("    python3 -m venv")

"""The commands of docs/first-hour.md print what it shows, in both languages, after installation."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from nnexp.native import availability
from tests.docs import walkthrough
from tests.docs.walkthrough import ROOT, Result, Step
from tests.study.studies import timeless
from tests.test_packaging import wheel

pytestmark = pytest.mark.docs

DOCS = ROOT / "docs"
PAGES = [DOCS / "first-hour.md", DOCS / "first-hour.zh-CN.md"]
STEPS = walkthrough.steps(PAGES[0].read_text("utf-8"))


def comparable(step: Step, output: str) -> str:
    """Return an output without the numbers that clock, load or BLAS decide."""
    number = r"[\d.]*\d"
    if "--backend numpy" in step.commands:
        return re.sub(number, "#", output)
    return re.sub(rf"{number}( ms| s\b| times\b)", r"#\1", timeless(output)).strip()


def differences(steps: list[Step], results: list[Result]) -> list[str]:
    """Return what is wrong with each step that fails, or prints other things than the page shows.

    NumPy rounds differently on other processors, so without the kernels a step need only succeed.
    """
    wrong = []
    is_exact = availability.why_unavailable() is None
    for step, (code, output) in zip(steps, results, strict=True):
        ours, shown = comparable(step, output), comparable(step, step.output)
        if code or (ours != shown if is_exact or not shown else not ours):
            wrong.append(f"$ {step.commands}exit code {code}\n{ours}\nthe page shows:\n{shown}\n")
    return wrong


# ---- the commands ----


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    steps = [step for step in STEPS if walkthrough.INSTALLATION not in step.commands]
    assert len(steps) == len(STEPS) - 1
    assert (
        "\n".join(differences(steps, walkthrough.run_without_installation(steps, tmp_path))) == ""
    )


@pytest.mark.slow
def test_from_an_installed_wheel_without_a_checkout_too(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("empty", "home", "bin")]
    for folder in folders:
        folder.mkdir()
    empty, home, binaries = folders
    wheel(ROOT, empty)
    python = binaries / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    path = os.pathsep.join([str(binaries), "/usr/local/bin", "/usr/bin", "/bin"])
    results = walkthrough.run(STEPS, empty, home, path)
    if results[0].code and re.search("No matching distribution|Connection", results[0].output):
        pytest.skip("pip could not download the packages that nnexp needs")
    assert "\n".join(differences(STEPS, results)) == ""
    installed = list((empty / ".venv").glob("lib/python*/site-packages/nnexp/__init__.py"))
    assert len(installed) == 1
    for name in re.findall(r"--plot (\S+)", PAGES[0].read_text("utf-8")):
        assert (empty / name).read_bytes().startswith(b"\x89PNG")


def test_the_installation_comes_first_and_names_the_wheel() -> None:
    assert walkthrough.INSTALLATION in STEPS[0].commands
    assert "nnexp-*.whl" in STEPS[0].commands
    assert STEPS[0].output == ""
    assert len(STEPS) == 20


def test_commands_fit_into_the_page() -> None:
    lines = [line for step in STEPS for line in step.commands.splitlines()]
    assert max(map(len, lines)) <= 100


@pytest.mark.slow
def test_the_index_installs_likewise_and_its_command_trains(tmp_path: Path) -> None:
    (step,) = walkthrough.steps((DOCS / "index.md").read_text("utf-8"))
    *installation, command = step.commands.splitlines()
    first = STEPS[0].commands.replace(" --quiet nnexp-*.whl", " .").splitlines()
    assert installation == first
    (result,) = walkthrough.run_without_installation([Step(command, "")], tmp_path)
    assert result.code == 0
    (run,) = (tmp_path / "work/runs").glob("quickstart-*")
    assert (run / "result.json").exists()
    assert result.output.splitlines()[-1] == f"runs/{run.name}"


def test_a_difference_is_reported_but_not_one_of_times() -> None:
    step = Step("nnexp tune quick.yaml\n", "5 seeds take 3.52 ms, 4 times as long\nη = 0.5\n")
    same = Result(0, "5 seeds take 12 ms, 11 times as long\nη = 0.5\n")
    assert differences([step], [same]) == []
    assert len(differences([step], [Result(0, same.output.replace("0.5", "0.6"))])) == (
        availability.why_unavailable() is None
    )
    for result in (Result(1, same.output), Result(0, "")):
        (report,) = differences([step], [result])
        assert report.startswith(f"$ nnexp tune quick.yaml\nexit code {result.code}\n")
    assert differences([Step("true\n", "")], [Result(0, "a warning\n")]) != []
    numpy = Step("nnexp tune quick.yaml --backend numpy\n", "cost 2.899\n")
    assert differences([numpy], [Result(0, "cost 2.9\n")]) == []


def test_steps_share_a_shell_and_their_output_includes_errors(tmp_path: Path) -> None:
    steps = [Step("cd /tmp\nx=5\n", ""), Step("echo $x $HOME\necho wrong >&2; false\n", "")]
    results = walkthrough.run(steps, tmp_path, tmp_path / "home", os.environ["PATH"])
    assert results == [Result(0, ""), Result(1, f"5 {tmp_path / 'home'}\nwrong\n")]


# ---- Chinese ----

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    .*$", re.MULTILINE)
COMMENTS = re.compile(r"^<!-- .*? -->$", re.MULTILINE)
PICTURES = re.compile(r"\]\(([^)#]*\.png)\)")
HEADINGS = re.compile(r"^#+(?= )", re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "translation"),
    [PAGES, (ROOT / "README.md", ROOT / "README.zh-CN.md")],
    ids=["first-hour", "readme"],
)
def test_the_chinese_page_has_the_same_commands_and_outputs(page: Path, translation: Path) -> None:
    english, chinese = (file.read_text("utf-8") for file in (page, translation))
    for part in (FENCED, INDENTED, COMMENTS, PICTURES, HEADINGS):
        assert part.findall(chinese) == part.findall(english)
        assert part.findall(english)
    assert f"]({translation.name})" in "".join(english.splitlines()[:4])
    assert f"]({page.name})" in "".join(chinese.splitlines()[:4])


def test_the_chinese_readme_has_every_command() -> None:
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")]
    english, chinese = (re.findall(r"^\| `(nnexp [^`]*)`", page, re.MULTILINE) for page in pages)
    assert chinese == english
    assert len(english) > 20


def test_both_readmes_lead_on_to_the_same_pages() -> None:
    pages = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")]
    linked = []
    for page in pages:
        _, *rows = re.findall(r"^\| .*\|$", page[page.rindex("| --- | --- |") :], re.MULTILINE)
        linked.append([re.findall(r"\]\(([^)]*)\)", row.split(" | ")[0]) for row in rows])
    english, chinese = linked
    assert chinese == english
    assert len(english) > 5
    for page in pages:
        assert "sphinx -W -c docs . site" in page


def test_the_chinese_page_uses_the_note_s_terms() -> None:
    text = PAGES[1].read_text("utf-8")
    for term in ("权重初始化", "学习率", "正则化", "小批量", "早停", "海森矩阵", "动量", "超参数"):
        assert term in text

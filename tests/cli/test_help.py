"""Help starts with an example, documents every option, and imports no heavy module."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

import nnexp
from nnexp.cli import COMMANDS, COMMANDS_BY_PURPOSE, cli, options

if TYPE_CHECKING:
    from tests.conftest import Bench

HEAVY = {"numpy", "scipy", "matplotlib", "tqdm", "rich", "yaml", "threadpoolctl", "distributed"}
SPY = """
import atexit, sys
from nnexp.cli import main
def tell():
    loaded = [name for name, module in sys.modules.items() if "Deferred" not in repr(type(module))]
    print("loaded:", *loaded, file=sys.stderr)
atexit.register(tell)
sys.argv[0] = "nnexp"
main()
"""


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def loaded(bench: Bench, *arguments: str) -> tuple[int, set[str]]:
    """Return a command's exit code and the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, set(done.stderr.rsplit("loaded:", 1)[1].split())


def test_help_leads_with_an_example_and_names_every_command(bench: Bench) -> None:
    code, out, err = bench("--help")
    assert (code, err) == (0, "")
    assert out.index("Example:\n    nnexp init my.yaml") < out.index("Options:")
    sections = re.split(r"^(\w+):\n", out[out.index("Train:") :], flags=re.MULTILINE)[1:]
    told = {
        purpose: re.findall(r"^  ([\w-]+) +\w", text, re.MULTILINE)
        for purpose, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert told == {purpose: list(own) for purpose, own in COMMANDS_BY_PURPOSE.items()}
    assert list(told) == ["Train", "Look", "Decide", "Keep"]
    assert bench("-h").out == out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_s_help_leads_with_an_example_and_tells_every_option(
    bench: Bench, name: str
) -> None:
    code, out, err = bench(name, "--help")
    assert (code, err) == (0, "")
    usage, summary, example, *_ = out.split("\n\n")
    assert usage.startswith(f"Usage: nnexp {name} ")
    assert summary.strip().endswith(".")
    assert example.startswith(f"  Example:\n    nnexp {name}")
    for parameter in command(name).params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert re.search(rf"^  .*{option}\b", out, re.MULTILINE), option
            assert parameter.help
            assert parameter.help.endswith("."), option


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_fits_80_columns_however_wide_the_terminal_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for columns in ("80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        lines = bench(*arguments).out.splitlines()
        assert [line for line in lines if len(line) > 80] == []


def test_options_of_commands_that_train_are_in_sections(bench: Bench) -> None:
    for name in ("train", "sweep", "search", "race", "tune", "find-rate", "reproduce"):
        sections = re.split(r"^([A-Z].*):\n", bench(name, "--help").out, flags=re.MULTILINE)[1:]
        own = dict(zip(sections[::2], sections[1::2], strict=True))
        assert list(own) == ["Options", *options.SECTIONS]
        for section, shared in options.SECTIONS.items():
            listed = re.findall(r"^  (?:-\w, )?(--[\w-]+)", own[section], re.MULTILINE)
            assert listed
            assert set(listed) <= set(shared)
        assert own["Options"].rstrip().endswith("Show this message and exit.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_parses(name: str) -> None:
    text = command(name).help
    assert text is not None
    examples = re.findall(rf"^ *nnexp {name}\b(.*)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        words = [word.strip("'") for word in example.split(" > ")[0].split()]
        command(name).make_context(name, words, resilient_parsing=False)


def test_no_command_at_all_shows_the_help(bench: Bench) -> None:
    code, out, err = bench()
    assert (code, out) == (2, "")
    assert err == bench("--help").out


def test_version(bench: Bench) -> None:
    code, out, err = bench("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"nnexp {re.escape(nnexp.__version__)}, backend: (native|numpy) \(.+\)\n", out
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
)
def test_help_imports_nothing_heavy(bench: Bench, arguments: list[str]) -> None:
    code, modules = loaded(bench, *arguments)
    assert (code, modules & HEAVY) == (0, set())
    assert "click" in modules


def test_runs_imports_nothing_heavy(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "n")
    bench("train", "tiny.yaml", "-q", "--name", "m", "--until", "1")
    bench("train", "tiny.yaml", "-q", "--name", "o", "--set", "optimizer=momentum")
    for arguments in (
        ["runs"],
        ["runs", "--json"],
        ["runs", "--each", "--json"],
        ["runs", "--sort", "test", "m*"],
        ["runs", "--where", "learning_rate<1 and optimizer.mu<1", "--sort", "epochs"],
        ["runs", "--best", "2", "-q"],
    ):
        code, modules = loaded(bench, *arguments)
        assert (code, modules & HEAVY) == (0, set())
        assert "msgspec" in modules


def test_a_syntax_error_is_told_without_numpy(bench: Bench) -> None:
    (bench.folder / "bad.yaml").write_text("hidden: [5\nepochs: 3\n")
    code, modules = loaded(bench, "train", "bad.yaml")
    assert (code, modules & (HEAVY - {"yaml"})) == (2, set())
    assert "yaml" in modules


def test_training_imports_no_part_of_scipy_and_no_pictures(bench: Bench) -> None:
    code, modules = loaded(bench, "train", "tiny.yaml")
    parts = {f"scipy.{part}" for part in ("linalg", "optimize", "sparse", "special", "stats")}
    others = {"importlib.metadata", "matplotlib", "tqdm", "rich"}
    assert (code, modules & (parts | others)) == (0, set())
    assert "numpy" in modules


def test_a_finished_run_and_an_invalid_config_need_no_numpy(bench: Bench) -> None:
    words = ("train", "quickstart", "--set", "data.train=10", "--set", "epochs=1")
    code, modules = loaded(bench, *words)
    assert (code, HEAVY & modules) == (0, {"numpy", "scipy", "threadpoolctl", "yaml"})
    code, modules = loaded(bench, *words)
    deferred = {"zipfile", "ctypes", "random"}
    assert (code, modules & (HEAVY - {"yaml"} | deferred)) == (0, set())
    code, modules = loaded(bench, "train", "tiny.yaml", "--set", "cost=hinge")
    assert (code, modules & (HEAVY - {"yaml"})) == (2, set())


def test_a_deferred_module_is_loaded_once_by_its_first_use() -> None:
    program = (
        "import sys\n"
        "from nnexp.cli.deferred import defer\n"
        "for name in ('fractions', 'no_such_module', 'sys'): defer(name)\n"
        "import fractions\n"
        "import fractions as again\n"
        "print('numbers' in sys.modules, fractions is again is sys.modules['fractions'])\n"
        "print(again.Fraction(1, 2), 'numbers' in sys.modules, type(fractions).__name__)\n"
        "from fractions import Fraction\n"
        "print(Fraction is again.Fraction, 'no_such_module' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True\n1/2 True module\nTrue False\n"


USED_BY_TWO_THREADS = """
import sys, threading
from nnexp.cli.deferred import defer
sys.path.insert(0, ".")
defer("slow")
import slow
values, threads = [], []
for _ in range(2):
    threads.append(threading.Thread(target=lambda: values.append(slow.last)))
    threads[-1].start()
for thread in threads:
    thread.join()
print(values)
"""
FAILS_ONCE = """
import sys
from nnexp.cli.deferred import defer
sys.path.insert(0, ".")
defer("slow")
import slow
try:
    slow.last
except OSError as error:
    print(error)
print(slow.last, type(slow).__name__)
"""


def test_threads_wait_for_a_deferred_module(bench: Bench) -> None:
    (bench.folder / "slow.py").write_text("import time\nfirst = 1\ntime.sleep(0.3)\nlast = 2\n")
    command = [sys.executable, "-c", USED_BY_TWO_THREADS]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=True)
    assert done.stdout == "[2, 2]\n"


def test_a_deferred_module_that_fails_is_tried_again(bench: Bench) -> None:
    lines = "import os, sys", "sys.failed = not hasattr(sys, 'failed')"
    raising = "if sys.failed: raise OSError('no memory')"
    (bench.folder / "slow.py").write_text("\n".join((*lines, raising, "last = 2\n")))
    command = [sys.executable, "-c", FAILS_ONCE]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=True)
    assert done.stdout == "no memory\n2 module\n"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_needs_nothing_that_only_unix_has(bench: Bench, arguments: list[str]) -> None:
    missing = ("fcntl", "resource", "pwd", "grp", "termios")
    absent = (
        f"import signal, sys; sys.modules.update(dict.fromkeys({missing}))\n"
        "del signal.SIGHUP, signal.SIGUSR1\n"
    )
    command = [sys.executable, "-c", absent + SPY, *arguments]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

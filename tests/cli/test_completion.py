"""Shell completion offers what the command line accepts, and says nothing else."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from msgspec.inspect import BoolType, FloatType, IntType, NoneType

from nnexp.analysis.metrics import METRICS
from nnexp.cli import COMMANDS, cli, completion_words, shells
from nnexp.cli.schema import output_types
from nnexp.config import convert, fields, keys
from nnexp.config.examples import examples
from nnexp.config.model import Config
from nnexp.reproduction.figures import FIGURES
from nnexp.study.ranges import RANGES

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.config.fields import Kind
    from tests.conftest import Bench


def accepted(kind: Kind) -> list[str]:
    """Return the words that a key accepts."""
    choices = fields.alternatives(kind)
    truth = ["true", "false"] if any(isinstance(c, BoolType) for c in choices) else []
    null = ["null"] if any(isinstance(c, NoneType) for c in choices) else []
    return [*fields.names(kind), *truth, *null]


def test_the_words_are_those_of_the_modules_that_define_them() -> None:
    values: dict[str, dict[str, None]] = {}
    for key, kind in keys._fields(convert.info(Config)):
        values.setdefault(key, {}).update(dict.fromkeys(accepted(kind)))
    assert {key: list(own) for key, own in completion_words.VALUES.items()} == {
        key: list(own) for key, own in values.items()
    }
    assert tuple(k for k, m in METRICS.items() if m.is_judged) == completion_words.METRICS
    assert tuple(FIGURES) == completion_words.FIGURES
    assert tuple(RANGES) == completion_words.RANGES
    assert tuple(k for k, r in RANGES.items() if r.is_whole) == completion_words.WHOLE_RANGES
    assert tuple(output_types()) == completion_words.JSON_COMMANDS


def test_ranges_are_offered_for_the_keys_that_accept_their_numbers() -> None:
    kinds: dict[str, set[type]] = {}
    for key, kind in keys._fields(convert.info(Config)):
        kinds.setdefault(key, set()).update(map(type, fields.alternatives(kind)))
    numbers = [key for key, own in kinds.items() if FloatType in own]
    whole = [key for key, own in kinds.items() if IntType in own and FloatType not in own]
    assert list(completion_words.NUMBERS) == numbers
    assert [*completion_words.WHOLE_NUMBERS, "seed"] == whole


BREAKS = " \t\n\"'><=;|&(:"
"""The characters that divide words for bash by default."""


def offered(line: str) -> list[str]:
    """Return the candidates for a command line with the cursor at its end."""
    return [str(item.value) for item in shells.items(cli, shells.parse(line))]


@pytest.fixture
def folder(bench: Bench) -> Path:
    """A folder with three runs, two of one experiment, one in the trash, and tags."""
    for name in ("A-s0", "A-s1", "B-s0", ".trash/C-s0"):
        run = bench.folder / "runs" / name
        run.mkdir(parents=True)
        (run / "run.json").write_text("{}")
    for name, own in (("A-s0", '["keep"]'), ("A-s1", '["baseline", "keep"]')):
        (bench.folder / "runs" / name / "notes.json").write_text(f'{{"tags": {own}}}')
    return bench.folder


KEYS_OF_SCHEDULE = ["every", "factor", "floor", "patience", "rates"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nnexp tra", ["train"]),
        ("nnexp ", list(COMMANDS)),
        ("nnexp train --unt", ["--until"]),
        ("nnexp train --set sched", ["schedule=", *(f"schedule.{k}=" for k in KEYS_OF_SCHEDULE)]),
        ("nnexp train quickstart --set epochs=3 --set cost=", [
            "cost=cross-entropy", "cost=log-likelihood", "cost=quadratic"]),
        ("nnexp train --set=cost=q", ["--set=cost=quadratic"]),
        ("nnexp train --set 'cost=q", ["cost=quadratic"]),
        ("nnexp train --set data.standardize=", [
            "data.standardize=true", "data.standardize=false"]),
        ("nnexp train --set data.file=ti", ["data.file=tiny.npz", "data.file=tiny.yaml"]),
        ("nnexp train --set nothing=", []),
        ("nnexp sweep --grid regularizer=l1,", ["regularizer=l1,l2"]),
        ("nnexp search --space activation=", [
            "activation=relu", "activation=sigmoid", "activation=tanh"]),
        ("nnexp search --space learning_rate=l", [
            "learning_rate=log-uniform(", "learning_rate=log-integers("]),
        ("nnexp search --space batch_size=", [
            "batch_size=all", "batch_size=integers(", "batch_size=log-integers("]),
        ("nnexp search --space nothing=", []),
        ("nnexp search --space hidden=", []),
        ("nnexp search --space seed=", []),
        ("nnexp search --space data.file=ti", ["data.file=tiny.npz", "data.file=tiny.yaml"]),
        ("nnexp sweep --grid data.file=tiny.npz,ti", ["data.file=tiny.npz,tiny.yaml"]),
        ("nnexp search --space ti", ["tiny.yaml"]),
        ("nnexp train book/eta-0.0", ["book/eta-0.025"]),
        ("nnexp train tin", ["tiny.yaml"]),
        ("nnexp train ./t", ["./tiny.yaml"]),
        ("nnexp train runs/B", ["runs/B-s0"]),
        ("nnexp init --from quick", ["quickstart"]),
        ("nnexp show B", ["runs/B-s0"]),
        ("nnexp show runs/", ["runs/A", "runs/A-s0", "runs/A-s1", "runs/B-s0"]),
        ("nnexp compare runs/B-s0 runs/A-", ["runs/A-s0", "runs/A-s1"]),
        ("nnexp compare --baseline B", ["runs/B-s0"]),
        ("nnexp rm --restore ", ["runs/C-s0"]),
        ("nnexp runs ", ["A", "A-s0", "A-s1", "B-s0"]),
        ("nnexp runs runs/B", ["runs/B-s0"]),
        ("nnexp runs --runs nowhere ", []),
        ("nnexp runs --sort best", ["best-epoch"]),
        ("nnexp runs --sort name,", []),
        ("nnexp runs --columns name,sta", ["name,status", "name,started"]),
        ("nnexp runs --columns name,n", []),
        ("nnexp runs --where 'epochs>3 and tag=", [
            "epochs>3 and tag=baseline", "epochs>3 and tag=keep"]),
        ("nnexp runs --where 'epochs>3 and lam", [
            "epochs>3 and lambda", "epochs>3 and lambda.per_example"]),
        ("nnexp runs --where status=f", ["status=finished"]),
        ("nnexp runs --status run", ["running"]),
        ("nnexp note runs/A --untag keep,", ["keep,baseline"]),
        ("nnexp race a b --metric test", ["test_accuracy", "test_cost"]),
        ("nnexp compare --metric best", ["best_validation_accuracy"]),
        ("nnexp reproduce multi", ["multiple_eta"]),
        ("nnexp schema --of run", ["runs", "runs --each"]),
        ("nnexp tune --only eta,l", ["eta,lambda"]),
        ("nnexp train --backend n", ["native", "numpy"]),
        ("nnexp predict runs/A tiny.n", ["tiny.npz"]),
        ("nnexp train --data-root ", ["runs/"]),
        ("nnexp completion ", ["bash", "zsh", "fish"]),
        ("X=1 nnexp tra", ["train"]),
    ],
)  # fmt: skip
def test_a_word_is_continued(folder: Path, line: str, expected: list[str]) -> None:
    assert folder.is_dir()
    assert [word for word in offered(line) if word not in {"-h", "--help"}] == expected


def test_each_example_and_each_key_is_offered(bench: Bench) -> None:
    assert bench.folder.is_dir()
    assert [word for word in offered("nnexp train ") if "/" in word or "." not in word] == [
        *examples()
    ]
    assert offered("nnexp train --set ") == [f"{key}=" for key in completion_words.VALUES]


def test_a_file_with_a_space_is_one_word(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.config("my config.yaml")
    monkeypatch.setenv("_NNEXP_COMPLETE", "bash")
    monkeypatch.setenv("_NNEXP_BREAKS", BREAKS)
    for line, word in (
        ("nnexp train my", "my\\ config.yaml\n"),
        ("nnexp train my\\ c", "my\\ config.yaml\n"),
        ("nnexp train 'my c", "my config.yaml\n"),
        ('nnexp train "my c', "my config.yaml\n"),
        ("nnexp train --set data.file=my\\ c", "my\\ config.yaml\n"),
        ("nnexp train --set data.file='my c", "my config.yaml\n"),
        ("nnexp train --set 'data.file=my c", "data.file=my config.yaml\n"),
    ):
        monkeypatch.setenv("_NNEXP_LINE", line)
        assert (line, bench()) == (line, (0, word, ""))


NASTY = (
    *("a!.yaml", "a$(x)`y`.yaml", "a'b.yaml", 'a"b\\c.yaml'),
    *("a\nb.yaml", "a\x1b[2J.yaml", "$a.yaml"),
)
"""Names of files; the first four can be completed."""


@pytest.mark.parametrize(
    ("quote", "offered"),
    [
        ("", ['a\\"b\\\\c.yaml', r"a\!.yaml", r"a\$\(x\)\`y\`.yaml", r"a\'b.yaml"]),
        ('"', [r"a\"b\\c.yaml", r"a\$(x)\`y\`.yaml", "a'b.yaml"]),
        ("'", ["a!.yaml", 'a"b\\c.yaml', "a$(x)`y`.yaml", r"a'\''b.yaml"]),
        ("$'", []),
        ('$"', []),
        ("''", []),
    ],
)
def test_bash_never_gets_a_file_s_name_as_code(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, quote: str, offered: list[str]
) -> None:
    for name in NASTY:
        bench.config(name)
    monkeypatch.setenv("_NNEXP_COMPLETE", "bash")
    monkeypatch.setenv("_NNEXP_BREAKS", BREAKS)
    monkeypatch.setenv("_NNEXP_LINE", f"nnexp train {quote}a")
    code, out, err = bench()
    assert (code, sorted(out.splitlines()), err) == (0, sorted(offered), "")
    # bash itself reads what it inserts as the file's name
    end = quote if len(quote) == 1 else ""
    script = "".join(f"printf '%s\\n' {quote}{word}{end}\n" for word in offered)
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert {*read.stdout.splitlines()} <= {*NASTY}
    assert len(read.stdout.splitlines()) == len(offered)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_no_control_characters(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    for name in NASTY:
        bench.config(name)
    monkeypatch.setenv("_NNEXP_COMPLETE", shell)
    monkeypatch.setenv("_NNEXP_LINE", "nnexp train ./a")
    assert sorted(bench().out.splitlines()) == sorted(f"./{name}" for name in NASTY[:4])


@pytest.mark.parametrize(
    "line",
    [
        "nnexp  train  x ",
        "nnexp note '' \"\" ",
        r"""nnexp a\ b 'c d'e "f\"g\$h\i\\" """,
        r"""nnexp 'a\b' \\ \' "it's" """,
        "X=1 Y='a b' nnexp x ",
        r"nnexp a=b a:b \(c ",
    ],
)
def test_words_are_those_of_bash(line: str) -> None:
    script = f"nnexp() {{ printf '%s\\n' \"$@\"; }}\n{line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert shells.parse(line).words == done.stdout.removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        ("nnexp train --set cost=q", "quadratic\n"),
        ("nnexp train --set 'cost=q", "cost=quadratic\n"),
        ("nnexp train --set=cost=q", "quadratic\n"),
        ("nnexp train --set=cos", "cost=\n"),
        ("nnexp search --space lambda=log-u", "log-uniform\\(\n"),
    ],
)
def test_bash_gets_what_follows_its_word_break(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, line: str, replaced: str
) -> None:
    monkeypatch.setenv("_NNEXP_COMPLETE", "bash")
    monkeypatch.setenv("_NNEXP_LINE", line)
    monkeypatch.setenv("_NNEXP_BREAKS", BREAKS)
    assert bench() == (0, replaced, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_descriptions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setenv("_NNEXP_COMPLETE", shell)
    monkeypatch.setenv("_NNEXP_LINE", "nnexp ra")
    assert bench() == (0, f"race\t{COMMANDS['race'][:69]}…\n", "")
    monkeypatch.setenv("_NNEXP_LINE", "nnexp train --unt")
    assert bench() == (0, "--until\tStop after epoch E\n", "")


@pytest.mark.parametrize(
    "line",
    [
        *("", "nnexp", "nnexp qqq ", "nnexp train --nothing x ", "nnexp train --set \x00"),
        *("nnexp show tiny.yaml/", "nnexp show /dev/null/x", "nnexp runs --runs tiny.yaml "),
        *("nnexp train --seeds 'x ", "nnexp train $(", "nnexp train --data-root tiny.yaml/"),
        *("nnexp runs --best x ", "nnexp train \\"),
    ],
)
def test_a_wrong_line_is_answered_in_silence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    if "\0" not in line:
        monkeypatch.setenv("_NNEXP_LINE", line)
    for shell in shells.SHELLS:
        monkeypatch.setenv("_NNEXP_COMPLETE", shell)
        code, _, err = bench()
        assert (code, err) == (0, "")


def test_another_shell_cannot_ask(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_NNEXP_COMPLETE", "bsh")
    assert bench("--version") == (
        2,
        "",
        "_NNEXP_COMPLETE must be bash, zsh or fish, got 'bsh'; did you mean 'bash'?\n",
    )


def test_a_bug_keeps_its_traceback(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setenv("_NNEXP_COMPLETE", "zsh")
    monkeypatch.setattr(shells, "items", fail)
    with pytest.raises(ZeroDivisionError):
        bench()


def test_damaged_runs_and_notes_do_not_disturb(folder: Path) -> None:
    (folder / "runs/A-s0/notes.json").write_text("{")
    (folder / "runs/B-s0/run.json").write_text("{")
    assert offered("nnexp note runs/A --untag ") == ["baseline", "keep"]
    assert offered("nnexp show B") == ["runs/B-s0"]


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_the_script_is_printed(bench: Bench, shell: str) -> None:
    assert bench("completion", shell) == (0, shells.SHELLS[shell].script, "")


def test_an_unknown_shell_is_rejected(bench: Bench) -> None:
    assert bench("completion", "fsh") == (
        2,
        "",
        "SHELL must be bash, zsh or fish, got 'fsh'; did you mean 'fish'?\n",
    )


@pytest.mark.parametrize(
    ("shell", "file", "advice"),
    [
        (
            "bash",
            ".local/share/bash-completion/completions/nnexp",
            (
                "; if the package bash-completion is not installed, add this line to ~/.bashrc: "
                "source {file}"
            ),
        ),
        (
            "zsh",
            ".zfunc/_nnexp",
            (
                " after you have added these lines to ~/.zshrc, unless they are there: "
                "fpath+=({folder}); autoload -Uz compinit; compinit"
            ),
        ),
        ("fish", ".config/fish/completions/nnexp.fish", ""),
    ],
)
def test_the_script_is_installed_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, shell: str, file: str, advice: str
) -> None:
    home = bench.folder / "home"
    monkeypatch.setenv("HOME", str(home))
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(variable, raising=False)
    path = home / file
    message = "open a new shell" + advice.format(file=path, folder=path.parent)
    assert bench("completion", shell, "--install") == (0, f"{path}\n", f"installed; {message}\n")
    assert path.read_text() == bench("completion", shell).out
    before = path.stat()
    again = bench("completion", shell, "--install")
    assert again == (0, f"{path}\n", f"already installed; {message}\n")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.write_text("older\n")
    assert bench("completion", shell, "--install").err == f"installed; {message}\n"
    assert path.read_text() == bench("completion", shell).out
    assert [file for file in home.rglob("*") if stat.S_ISREG(file.stat().st_mode)] == [path]


@pytest.mark.parametrize(
    ("shell", "variable", "advice"),
    [
        ("bash", "XDG_DATA_HOME", "source '{0}/bash-completion/completions/nnexp'"),
        (
            "zsh",
            "ZDOTDIR",
            "added these lines to '{0}'/.zshrc, unless they are there: fpath+=('{0}/.zfunc')",
        ),
    ],
)
def test_the_advice_has_the_user_s_own_paths(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, shell: str, variable: str, advice: str
) -> None:
    folder = bench.folder / "with $(a) space"
    monkeypatch.setenv(variable, str(folder))
    assert advice.format(folder) in bench("completion", shell, "--install").err


SPY = """
import os, sys
from nnexp.cli import cli, shells
for line in sys.argv[1:]:
    os.environ["_NNEXP_LINE"] = line
    shells.answer(cli, "zsh")
    print("---")
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_completion_imports_nothing_heavy(folder: Path) -> None:
    lines = ["nnexp ", *(f"nnexp {name} -" for name in COMMANDS), "nnexp train "]
    lines += ["nnexp train --set o", "nnexp sweep --grid cost=", "nnexp search --space lambda="]
    lines += [
        "nnexp show ",
        "nnexp runs --sort ",
        "nnexp runs --where status=",
        "nnexp schema --of ",
    ]
    lines += ["nnexp compare --metric ", "nnexp reproduce ", "nnexp note runs/A --tag "]
    lines += ["nnexp rm --restore ", "nnexp init --from "]
    done = subprocess.run(
        [sys.executable, "-c", SPY, *lines], cwd=folder, capture_output=True, text=True, check=True
    )
    *answers, modules = done.stdout.split("---\n")
    assert len(answers) == len(lines)
    assert all(answers)
    heavy = {"numpy", "scipy", "matplotlib", "tqdm", "rich", "yaml", "distributed"}
    assert heavy & {*modules.split()} == set()

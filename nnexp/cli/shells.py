"""Shell completion: the scripts for bash, zsh and fish, and the candidates that they show.

A script passes the command line up to the cursor, and reads one candidate per line.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete

from nnexp.cli import candidates
from nnexp.cli.output import put
from nnexp.config.messages import shortened
from nnexp.errors import NnexpError

LINE, BREAKS = "_NNEXP_LINE", "_NNEXP_BREAKS"
"""Environment variables: the command line up to the cursor, and bash's word breaks."""


class Shell(NamedTuple):
    """A shell that can complete."""

    script: str
    folder: tuple[str, str, str]
    """Folder of completion scripts: an environment variable, its default, and a subfolder."""
    file: str
    """The name of the script there."""
    advice: str
    """Further steps before completion works in a new shell, as the end of a sentence."""

    @property
    def path(self) -> Path:
        """The path of the installed script."""
        variable, default, rest = self.folder
        return Path(os.environ.get(variable) or Path(default).expanduser(), rest, self.file)

    @property
    def next_step(self) -> str:
        """The advice with the paths of this user, quoted for the shell."""
        variable, default, _ = self.folder
        given = os.environ.get(variable)
        return self.advice.format(
            start=shlex.quote(given) if given else default,
            script=shlex.quote(str(self.path)),
            folder=shlex.quote(str(self.path.parent)),
        )


BASH = """\
_nnexp_completion() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(_NNEXP_LINE="${COMP_LINE:0:COMP_POINT}" _NNEXP_BREAKS="$COMP_WORDBREAKS" \\
        _NNEXP_COMPLETE=bash "${1/#\\~/$HOME}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/,\\(] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _nnexp_completion nnexp 2>/dev/null ||
    complete -F _nnexp_completion nnexp
"""

ZSH = """\
#compdef nnexp
_nnexp() {
    local -a plain described joined
    local line value
    for line in "${(@f)$(_NNEXP_LINE="${(j: :)words[1,CURRENT-1]} ${QIPREFIX}${PREFIX}" \\
        _NNEXP_COMPLETE=zsh ${~words[1]} 2>/dev/null)}"; do
        value=${line%%$'\\t'*}
        if [[ $value == *[=/,\\(] ]]; then
            joined+=("$value")
        elif [[ $line == *$'\\t'* ]]; then
            described+=("${value//:/\\\\:}:${line#*$'\\t'}")
        elif [[ -n $value ]]; then
            plain+=("$value")
        fi
    done
    (( $#described )) && _describe -V nnexp described -U
    (( $#joined )) && compadd -U -V nnexp -S '' -a joined
    (( $#plain )) && compadd -U -V nnexp -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _nnexp "$@"
else
    compdef _nnexp nnexp
fi
"""

FISH = """\
function __nnexp_completion
    set -l words (commandline -opc)
    set -l line (commandline -cp | string collect)
    # fish would put a space after the bracket of a range
    env _NNEXP_LINE=$line _NNEXP_COMPLETE=fish $words[1] 2>/dev/null | string match --invert '*('
end
complete --command nnexp --no-files --keep-order --arguments "(__nnexp_completion)"
"""

SHELLS = {
    "bash": Shell(
        BASH,
        ("XDG_DATA_HOME", "~/.local/share", "bash-completion/completions"),
        "nnexp",
        "; if the package bash-completion is not installed, add this line to ~/.bashrc: "
        "source {script}",
    ),
    "zsh": Shell(
        ZSH,
        ("ZDOTDIR", "~", ".zfunc"),
        "_nnexp",
        " after you have added these lines to {start}/.zshrc, unless they are there: "
        "fpath+=({folder}); autoload -Uz compinit; compinit",
    ),
    "fish": Shell(FISH, ("XDG_CONFIG_HOME", "~/.config", "fish/completions"), "nnexp.fish", ""),
}

WIDTH = 70
"""Maximum characters of a description beside a candidate."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SPECIAL = re.compile(r"([^\w@%+=:,./~-])")
"""Characters that bash needs escaped outside quotes."""
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'([\\"$`])')


class CommandLine(NamedTuple):
    """A command line up to the cursor, as a shell divides it into words."""

    words: list[str]
    """The complete ones, without the command's own name."""
    incomplete: str
    """The word that ends at the cursor, without quotes; it may be empty."""
    quote: str
    """The quote character that is open at the cursor, or an empty string."""
    kept: str | None
    """The start of the incomplete word, without quotes, that bash does not replace.

    It ends with the open quote or the last word break. None if a quoted part follows it.
    """


class _Word:
    """A word while its characters are read."""

    def __init__(self) -> None:
        self.text = ""
        self.kept: str | None = ""
        self.is_empty = True
        """True while the word has no characters, not even quotes."""

    def add(self, text: str, *, is_break: bool = False) -> None:
        self.is_empty = False
        self.text += text
        if is_break:
            self.kept = self.text

    def open_quote(self) -> None:
        is_special = self.text.endswith("$")  # $'...' and $"..." have other rules
        self.add("")
        self.kept = None if is_special else self.text

    def close_quote(self) -> None:
        self.kept = None


def parse(line: str, breaks: str = "") -> CommandLine:
    """Divide a command line up to the cursor into words; assignments may stand before it.

    Args:
        line: the command line.
        breaks: the characters that divide a word for bash, unless they are quoted.
    """
    words, word, quote = list[str](), _Word(), ""
    characters = iter(line)
    for character in characters:
        if character == "\\" and quote != "'":
            following = next(characters, "")
            is_escaped = not quote or following in {"\\", '"', "$", "`"}
            word.add(following if is_escaped else character + following)
        elif character == quote:
            word.close_quote()
            quote = ""
        elif quote:
            word.add(character)
        elif character in {"'", '"'}:
            word.open_quote()
            quote = character
        elif not character.isspace():
            word.add(character, is_break=character in breaks)
        elif not word.is_empty:
            words.append(word.text)
            word = _Word()
    words.append(word.text)
    while len(words) > 1 and re.match(r"\w+=", words[0]):
        del words[0]
    return CommandLine(words[1:-1], words[-1], quote, word.kept)


def answer(group: click.Group, shell: str) -> None:
    """Print the candidates that continue the command line in the environment.

    A line that is wrong, or names what cannot be read, has no candidates.
    """
    line = parse(os.environ.get(LINE, ""), os.environ.get(BREAKS, ""))
    with suppress(NnexpError, click.ClickException, OSError):
        offered = [item for item in items(group, line) if not _CONTROL.search(item.value)]
        if shell == "bash":
            lines = [text for item in offered if (text := _in_bash(item.value, line)) is not None]
        else:
            lines = [_described(item) for item in offered]
        if lines:
            put("\n".join(lines))


def items(group: click.Group, line: CommandLine) -> Iterator[CompletionItem[str]]:
    """Yield the candidates for a command line's incomplete word, each as the whole word."""
    option, equals, value = line.incomplete.partition("=")
    is_joined = line.incomplete.startswith("--") and bool(equals)
    completion = ShellComplete(group, {}, "nnexp", "")
    for item in completion.get_completions(list(line.words), line.incomplete):
        start = f"{option}=" if is_joined else ""
        if item.type == "plain":
            yield CompletionItem(f"{start}{item.value}", help=item.help)
            continue
        suffixes = () if item.type == "dir" else None
        for path in candidates.files(value if is_joined else line.incomplete, suffixes):
            yield CompletionItem(f"{start}{path}")


def _in_bash(value: str, line: CommandLine) -> str | None:
    """Return the part of a candidate that bash inserts, quoted for it; None if it cannot be.

    Bash inserts it as shell code, so that a file's name must not become a command.
    """
    if line.kept is None or not value.startswith(line.kept):
        return None
    part = value.removeprefix(line.kept)
    if line.quote == "'":
        return part.replace("'", r"'\''")
    if line.quote:  # no quoting protects "!" from history expansion there
        return None if "!" in part else _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\1", part)
    return _SPECIAL.sub(r"\\\1", part)


def _described(item: CompletionItem[str]) -> str:
    """Return a candidate and, after a tab, the first sentence of its description."""
    if not item.help:
        return item.value
    sentence = " ".join(item.help.split()).partition(". ")[0].removesuffix(".")
    return f"{item.value}\t{shortened(sentence, WIDTH)}"

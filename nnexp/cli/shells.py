"""Shell completion: the scripts for bash, zsh and fish, and the answers to their questions.

A script passes the command line up to the cursor, and prints what it gets: a candidate a line.
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

LINE, BREAKS = "_NNEXP_LINE", "_NNEXP_BREAKS"
"""Environment variables: the command line up to the cursor, and bash's word breaks."""


class Shell(NamedTuple):
    """A shell that can complete."""

    script: str
    folder: tuple[str, str, str]
    """Where it looks for scripts: a variable, the default of its value, and the rest."""
    file: str
    """The name of the script there."""
    advice: str
    """What a new shell needs beside it, as the end of a sentence; {} is the script's path."""

    @property
    def path(self) -> Path:
        """Where the script is installed."""
        variable, default, rest = self.folder
        return Path(os.environ.get(variable) or Path(default).expanduser(), rest, self.file)


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
        "; if the package bash-completion is not installed, add this line to ~/.bashrc: source {}",
    ),
    "zsh": Shell(
        ZSH,
        ("ZDOTDIR", "~", ".zfunc"),
        "_nnexp",
        " after you have added these lines to ~/.zshrc, unless they are there: "
        "fpath+=({.parent}); autoload -Uz compinit; compinit",
    ),
    "fish": Shell(FISH, ("XDG_CONFIG_HOME", "~/.config", "fish/completions"), "nnexp.fish", ""),
}

WIDTH = 70
"""Maximum characters of a description beside a candidate."""
_CURSOR = "\0"


class CommandLine(NamedTuple):
    """A command line up to the cursor, as a shell divides it into words."""

    words: list[str]
    """The complete ones, without the command's own name."""
    incomplete: str
    """The word that ends at the cursor, without quotes; it may be empty."""
    is_quoted: bool
    """Whether the incomplete word has an open quote."""


def parse(line: str) -> CommandLine:
    """Divide a command line up to the cursor into words; assignments may stand before it."""
    lexer = shlex.shlex(line + _CURSOR, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words, is_quoted = list[str](), False
    try:
        words += lexer
    except ValueError:  # the quote is still open
        words.append(lexer.token)
        is_quoted = True
    while len(words) > 1 and re.match(r"\w+=", words[0]):
        del words[0]
    return CommandLine(words[1:-1], words[-1].removesuffix(_CURSOR), is_quoted)


def answer(group: click.Group, shell: str) -> None:
    """Print the candidates that continue the command line in the environment.

    Prints nothing if there is anything wrong with the line, since it would be printed into it.
    """
    with suppress(Exception):
        line = parse(os.environ[LINE])
        found = items(group, line)
        if shell == "bash":
            breaks = os.environ.get(BREAKS, "")
            lines = [_in_bash(str(item.value), line, breaks) for item in found]
        else:
            lines = [_described(item) for item in found]
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


def _in_bash(value: str, line: CommandLine, breaks: str) -> str:
    """Return the part of a candidate that bash replaces, quoted for it.

    Without a quote, bash replaces only the characters after the last word break.
    """
    if line.is_quoted:
        return value
    start = max((line.incomplete.rfind(character) for character in breaks), default=-1) + 1
    head = line.incomplete[:start]
    return re.sub(r"([^\w@%+=:,./~-])", r"\\\1", value.removeprefix(head))


def _described(item: CompletionItem[str]) -> str:
    """Return a candidate and, after a tab, the first sentence of its description."""
    if not item.help:
        return item.value
    sentence = " ".join(item.help.split()).partition(". ")[0].removesuffix(".")
    return f"{item.value}\t{shortened(sentence, WIDTH)}"

"""nnexp completion: completion of commands, options, config keys and runs in a shell."""

from __future__ import annotations

import click

from nnexp.cli import options
from nnexp.cli.output import log, put


@click.command()
@click.argument("shell", type=options.OneOf(["bash", "zsh", "fish"]))
@click.option(
    "--install",
    is_flag=True,
    help="Write the script where the shell looks for it, and print the file's path.",
)
def completion(shell: str, install: bool) -> None:
    """Print the script that completes nnexp's command lines in a shell, or install it.

    \b
    Example:
      nnexp completion bash --install
      nnexp completion zsh > ~/.zfunc/_nnexp

    Then the Tab key completes commands and options, config keys and their values for --set,
    --grid and --space, metrics, columns, tags, runs, examples and files. Nothing but the
    script's own file is written: --install says what is left to do.
    """
    from nnexp.cli.shells import SHELLS
    from nnexp.store import disk

    chosen = SHELLS[shell]
    if not install:
        put(chosen.script.rstrip("\n"))
        return
    path, content = chosen.path, chosen.script.encode()
    is_there = disk.read(path, len(content) + 1, cut=True) == content
    if not is_there:
        disk.make_directories(path.parent)
        disk.publish(path, content)
    put(str(path))
    done = "already installed" if is_there else "installed"
    log(f"{done}; open a new shell{chosen.next_step}")

"""The command line: each command declares options, calls the library and prints the result.

Only this package imports click. Heavy modules are imported inside the commands, so that
``--help`` and completion load none of them.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from nnexp import __version__
from nnexp.cli.deferred import defer
from nnexp.cli.output import flush, log, log_sentences, put, reserve_standard_streams
from nnexp.errors import DiskError, InterruptedRunError, NnexpError

COMMANDS_BY_PURPOSE = {
    "Train": {
        "init": "write a config with every key, its default and meaning",
        "examples": "list the example configs, which every command takes by name",
        "train": "train a config into a run directory, or resume it",
        "sweep": "train a config at many points, in parallel, and rank them",
        "search": "search a space of configs at random, on a grid or with TPE",
        "reproduce": "train the networks of a figure of the book and compare",
    },
    "Look": {
        "inspect": "predict, before training: spread of z, saturation, gradients",
        "runs": "list, filter, sort and watch experiments or runs",
        "show": "show one run: config, metrics, cost curve, confusion matrix",
        "report": "write one HTML file that shows and compares runs",
        "evaluate": "measure runs on validation, test or other data, and their ensemble",
        "predict": "predict the classes of pictures, tables and other new examples",
        "replay": "show where other stopping rules would have ended a run",
    },
    "Decide": {
        "compare": "show how experiments differ, and whether that is more than noise",
        "race": "train seed after seed until a comparison is decided, valid at every look",
        "find-rate": "find the largest learning rate at which the training cost falls",
        "tune": "choose hyper-parameters by the chapter's protocol, with reasons",
    },
    "Keep": {
        "note": "add notes and tags to runs, or print them",
        "export": "write a network, or metrics, for ONNX, PyTorch, TensorBoard or pandas",
        "verify": "train a run again and check that the result is identical",
        "rm": "move runs or checkpoints to the trash, restore them, empty it",
        "schema": "print the JSON Schema of configs, or (--of) of a command's JSON",
        "completion": "print or install the completion of command lines in a shell",
    },
}
"""The commands by purpose, in the order of their use; each is in the module of its name, - as _."""

COMMANDS = {
    name: text for commands in COMMANDS_BY_PURPOSE.values() for name, text in commands.items()
}

COMPLETION = "_NNEXP_COMPLETE"
"""The environment variable by which a shell asks for completion; its value is the shell's name."""

ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class CommandGroup(click.Group):
    """The commands, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order of their use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"nnexp.cli.{name}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"nnexp.cli.{name}.{name} is no command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands or options that continue a word, without importing the commands."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=COMMANDS[name]) for name in names]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their purposes, without importing them."""
        del ctx
        first_column = max(map(len, COMMANDS))
        for purpose, commands in COMMANDS_BY_PURPOSE.items():
            with formatter.section(purpose):
                rows = [(name.ljust(first_column), text) for name, text in commands.items()]
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest the closest one if it is unknown."""
        from nnexp.config.messages import closest

        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = closest(args[0], COMMANDS)
            hint = f"; did you mean {near!r}?" if near else f" (known: {', '.join(COMMANDS)})"
            ctx.fail(f"unknown command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        from nnexp.native.availability import description

        put(f"nnexp {__version__}, backend: {description()}")
        ctx.exit()


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and the backend, and exit.",
)
def cli() -> None:
    """Experiments with small neural networks, from YAML files and the shell.

    \b
    Example:
      nnexp init my.yaml                 # a config with every key explained
      nnexp train my.yaml                # prints the run's directory
      nnexp train my.yaml --set learning_rate=0.1
      nnexp compare runs/A runs/B
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    for variable in ONE_THREAD:  # one thread gives the same bytes anywhere; NumPy reads these
        os.environ[variable] = "1"
    for module in ("numpy", "ctypes", "zipfile"):
        defer(module)
    reserve_standard_streams()
    code = _run()
    if not flush() and code == 0:
        log("standard output: cannot be written")
        code = DiskError.exit_code
    sys.exit(code)


def _run() -> int:
    """Run the command line, print its error, if any, and return the exit code."""
    try:
        if shell := os.environ.get(COMPLETION):
            _complete(shell)
            return 0
        code = cli.main(prog_name="nnexp", standalone_mode=False)
    except click.NoSuchOption as error:
        log(_unknown_option(error))
        code = error.exit_code
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        log(message.getvalue().rstrip("\n"))
        code = error.exit_code
    except click.Abort:
        code = 130
    except InterruptedRunError as error:
        log_sentences(str(error))
        code = 128 + error.signal_number
    except NnexpError as error:
        log_sentences(str(error))
        code = error.exit_code
    except OSError as error:  # such as click's, of --help on a full disk
        log(f"{error.filename or 'standard output'}: {(error.strerror or str(error)).lower()}")
        code = DiskError.exit_code
    except MemoryError as error:
        log(f"there is not enough memory: {error}".removesuffix(": "))
        code = 1
    return code if isinstance(code, int) else 0


def _complete(shell: str) -> None:
    """Print the candidates for the command line that a shell has put into the environment."""
    from nnexp.cli import options, shells

    if shell not in shells.SHELLS:
        known = shells.SHELLS
        raise options.rejection(COMPLETION, options.either(known), shell, known)
    shells.answer(cli, shell)


OTHER_NAMES = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "wd": "lambda",
    "weight_decay": "lambda",
}
"""Names that other libraries give to keys of the config."""


def _unknown_option(error: click.NoSuchOption) -> str:
    """Return the message for an option that a command does not have; keys go by --set."""
    from nnexp.config import keys

    name, options = error.option_name, error.ctx.command.params if error.ctx else []
    key = name.lstrip("-").replace("-", "_")
    key = OTHER_NAMES.get(key, key)
    can_set = any("--set" in parameter.opts for parameter in options)
    if can_set and key in keys.known():
        return f"unknown option {name}; {key} is a key of the config: --set {key}=VALUE"
    near = sorted(error.possibilities or [])
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    command = error.ctx.command_path if error.ctx else "nnexp"
    return f"unknown option {name}{hint} ({command} --help lists all)"

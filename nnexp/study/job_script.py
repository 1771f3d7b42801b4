"""A sweep as text for other programs: a command a trial, or an array script for SLURM."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from nnexp.errors import UsageError
from nnexp.study.plan import Plan, PlannedRun

MOST_TASKS = 1000
"""SLURM's MaxArraySize is 1001 unless its administrator has changed it: indices 0 to 1000."""


LARGEST_SCRIPT = 4 << 20
"""Bytes: SLURM's max_script_size, unless its administrator has changed it."""


def commands(plan: Plan, runs: Path) -> Iterator[str]:
    """Generate the command that trains each trial, quoted for a shell."""
    for trial in plan.trials:
        yield command(plan, trial, runs)


def command(plan: Plan, trial: PlannedRun, runs: Path) -> str:
    """Return the command that trains a trial, quoted for a shell.

    Raises: UsageError if it would take more than a line.
    """
    words = ["nnexp", "train", plan.definition.config, "--quiet"]
    if runs != Path("runs"):
        words += ["--runs", str(runs)]
    for setting in plan.settings(trial):
        words += ["--set", setting]
    line = shlex.join(words)
    if "\n" in line:
        raise UsageError("--emit: a path with a line break in it makes no command of one line")
    return line


def slurm(plan: Plan, runs: Path) -> str:
    """Return an sbatch script that trains every trial in an array.

    There are at most ``MOST_TASKS`` tasks; where there are more trials, a task takes several.
    A minute before its time is up SLURM sends TERM to the script, which passes it on: the trial
    stops at what is committed, and the task is put back into the queue.
    """
    tasks = min(len(plan.trials), MOST_TASKS)
    cases = "\n".join(f"    {n}) exec {c} ;;" for n, c in enumerate(commands(plan, runs)))
    filled = SCRIPT.format(
        name=shlex.quote(f"nnexp-{plan.definition.stem}"),
        last=tasks - 1,
        tasks=tasks,
        trials=len(plan.trials),
        cases=cases,
    )
    return filled.rstrip("\n")


def too_long(script: str) -> str | None:
    """Return a warning if SLURM may take a script for too long."""
    size = len(script.encode())
    if size <= LARGEST_SCRIPT:
        return None
    return (
        f"the script has {size / 1e6:.1f} MB, and SLURM takes 4 MB unless max_script_size says "
        "otherwise: split the sweep, or use --emit commands"
    )


SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=01:00:00
#SBATCH --output=nnexp-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
# {trials} trials in {tasks} tasks. Submit it where the config and the runs folder are, which all
# nodes must see; add %N to the array to run N at a time, such as --array=0-{last}%50.
set -u

trial() {{
  case "$1" in
{cases}
    *) echo "there is no trial $1" >&2; exit 2 ;;
  esac
}}

stopped=0
child=
told=
tell() {{  # the trial, once: a second signal would end it at once
  [ -n "$child" ] && [ -z "$told" ] && told=1 && kill -TERM "$child" 2>/dev/null
}}
trap 'stopped=1; tell' TERM

code=0
for ((number = SLURM_ARRAY_TASK_ID; number < {trials}; number += {tasks})); do
  [ "$stopped" -eq 1 ] && break
  trial "$number" &
  child=$!
  [ "$stopped" -eq 1 ] && tell  # the signal came before there was a child to pass it on to
  wait "$child"
  status=$?
  if [ "$stopped" -eq 1 ]; then  # the signal ended the wait: the trial itself is still to come
    wait "$child"
    status=$?
  fi
  child=
  [ "$code" -eq 0 ] && code=$status
done

if [ "$stopped" -eq 1 ]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" || exit 143
fi
exit "$code"
"""

"""Render a sweep for other schedulers: one command a run, or a SLURM array script."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from nnexp.datasets import data_root
from nnexp.errors import UsageError
from nnexp.study.plan import Plan, PlannedRun

MOST_TASKS = 1000
"""Default limit of SLURM: MaxArraySize is 1001, so indices go from 0 to 1000."""


LARGEST_SCRIPT = 4 << 20
"""Default of SLURM's max_script_size, in bytes."""


def commands(plan: Plan, runs: Path) -> Iterator[str]:
    """Yield the command that trains each run, quoted for a shell."""
    for trial in plan.trials:
        yield command(plan, trial, runs)


def command(plan: Plan, trial: PlannedRun, runs: Path) -> str:
    """Return the command that trains a run, quoted for a shell.

    Raises: UsageError if it would span several lines.
    """
    words = ["nnexp", "train", plan.definition.config, "--quiet"]
    if runs != Path("runs"):
        words += ["--runs", str(runs)]
    if root := data_root.chosen():
        words += ["--data-root", root]
    for setting in plan.settings(trial):
        words += ["--set", setting]
    line = shlex.join(words)
    if "\n" in line:
        raise UsageError(
            "--emit: a path contains a line break, so the command does not fit on one line"
        )
    return line


def slurm(plan: Plan, runs: Path) -> str:
    """Return an sbatch script that trains all runs as a job array.

    The array has at most ``MOST_TASKS`` tasks; if there are more runs, a task trains several.
    A minute before the time limit SLURM sends TERM to the script, which forwards it: the run
    stops after its last commit, and the task is requeued.
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
    """Return a warning if a script exceeds SLURM's default size limit, else None."""
    size = len(script.encode())
    if size <= LARGEST_SCRIPT:
        return None
    return (
        f"the script has {size / 1e6:.1f} MB, but SLURM's default max_script_size is 4 MB; "
        "split the sweep, or use --emit commands"
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
forwarded=
forward() {{  # only once: a second signal would kill the trial at once
  [ -n "$child" ] && [ -z "$forwarded" ] && forwarded=1 && kill -TERM "$child" 2>/dev/null
}}
trap 'stopped=1; forward' TERM

code=0
for ((number = SLURM_ARRAY_TASK_ID; number < {trials}; number += {tasks})); do
  [ "$stopped" -eq 1 ] && break
  trial "$number" &
  child=$!
  [ "$stopped" -eq 1 ] && forward  # the signal came before the child existed
  wait "$child"
  status=$?
  if [ "$stopped" -eq 1 ]; then  # the signal interrupted the wait, and the trial is still running
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

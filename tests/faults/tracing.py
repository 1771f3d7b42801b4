"""Fault injection by strace: a kill or an error at any system call of a command.

strace acts at a call's entry: a call that is killed or fails is not executed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import nnexp
from nnexp.store import growth_index
from tests.conftest import Bench, Said

FILE_CALLS = "trace=%file,%desc"
RUN = "n-s0"
SOURCE = "source-s0"
"""A run that RUN may grow from."""
CONFIG = "tiny.yaml"
METRICS = "metrics.jsonl"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(nnexp.__file__).parents[1])}
"""Other processes import the same nnexp as the tests."""


class Call(NamedTuple):
    """One system call of a command, identified by its name and number."""

    name: str
    number: int
    path: str
    """Its path relative to the traced folder; empty if it is elsewhere."""
    after_listing: bool
    """Whether it follows a getdents64, as the close of a directory's stream does."""

    def __str__(self) -> str:
        """Describe the call, for a test's message."""
        return f"{self.name} {self.number} ({self.path})"


class Tracing:
    """A training in a separate folder, whose system calls can be listed and made to fail.

    Args:
        folder: contains the config and its data, and receives the traced folder and the traces.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "place"
        self.run = self.place / "runs" / RUN
        self.arguments = ["train", CONFIG, "--name", RUN, "-q", "--runs", str(self.run.parent)]
        self.done = Said(0, f"{self.run}\n", "")
        self._trace = folder / "trace.txt"
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        self._path = re.compile(rf'["<]{re.escape(str(self.place))}/?([^">]*)[">]')
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forks.py"))],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        self._bench = Bench(folder, lambda *given: self._command([], [*given]))
        self._bench.data()
        self._bench.config(CONFIG)
        self._send([*self.arguments[:-1], str(folder / "warm")])
        assert self._receive() == "ready"
        self.reset()
        assert self.train() == self.done
        self.straight = self._bench.files(f"place/runs/{RUN}")
        self.reset()

    def close(self) -> None:
        """Stop the process that forks the commands."""
        self._server.communicate(timeout=30)

    def _files(self) -> dict[str, bytes]:
        """Return the reproducible files of the run, or none if there is no run."""
        return self._bench.files(f"place/runs/{RUN}") if self.run.is_dir() else {}

    def differences(self) -> list[str]:
        """Return the differences from an uninterrupted run: files, and names beside the run."""
        found = self._files()
        names = found.keys() | self.straight.keys()
        beside = {path.name for path in self.run.parent.iterdir()}
        beside -= {RUN, SOURCE, growth_index.FOLDER}
        return [name for name in names if found.get(name) != self.straight.get(name)] + [*beside]

    def damage(self, before: list[Call], state: Path | None = None) -> list[str]:
        """Return the damaged files and committed rows after some calls.

        A file under its final name must be complete; metrics.jsonl must grow by complete rows.
        """
        found = self._files()
        wrong = {name for name in found.keys() & self.straight.keys() if name != METRICS}
        wrong = {name for name in wrong if found[name] != self.straight[name]}
        done = [call.path for call in before if call.name.startswith("rename")]
        if state is not None:
            done += map(str, state.glob(f"runs/{RUN}/checkpoints/epoch-*.npz"))
        last = latest(done)
        if latest(found) < last:
            wrong.add(f"epoch {last}")
        rows, grown = self.straight[METRICS], found.get(METRICS, b"")
        committed = b"".join(rows.splitlines(keepends=True)[:last])
        if not (rows.startswith(grown) and grown.startswith(committed)):
            wrong.add(METRICS)
        return sorted(wrong)

    def reset(self, state: Path | None = None) -> None:
        """Empty the traced folder, or restore its kept content."""
        shutil.rmtree(self.place, ignore_errors=True)
        if state is None:
            self.place.mkdir()
        else:
            shutil.copytree(state, self.place, symlinks=True)

    def keep(self, name: str) -> Path:
        """Keep the content of the traced folder for reset."""
        state = self.folder / name
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.place, state, symlinks=True)
        return state

    def train(self) -> Said:
        """Train without a fault, as a user does."""
        return self._command([])

    def calls(self, arguments: list[str] | None = None) -> list[Call]:
        """Run a command; return its calls that touch the traced folder, and the next one."""
        ended = self._command(["-e", FILE_CALLS], arguments)
        assert ended.code == 0, ended
        return self._read_trace()

    def kill(self, call: Call) -> None:
        """Train, and kill the process at the entry of a call."""
        ended = self._command(_at(call, "signal=SIGKILL"))
        assert ended == (-signal.SIGKILL, "", ""), (call, ended)
        self._check_struck(call)

    def fail(
        self, call: Call, error: str, arguments: list[str] | None = None, *, on: bool = False
    ) -> Said:
        """Run a command in which a call fails; with on, all later ones of its name fail as well."""
        ended = self._command(_at(call, f"error={error}", on=on), arguments)
        self._check_struck(call)
        return ended

    def strike(self, call: Call, error: str, arguments: list[str]) -> tuple[Said, Call | None]:
        """Run a command in which a call fails; return its end, and the call that failed.

        That may be another one of the same name if the command's calls vary; None: no call of the
        traced folder failed.
        """
        ended = self._command(_at(call, f"error={error}"), arguments)
        lines = self._trace.read_text(encoding="utf-8", errors="replace").splitlines()
        struck = next((line for line in lines if line.endswith("(INJECTED)")), "")
        found = self._path.search(struck)
        if found is None:
            return ended, None
        is_same = f"/{found[1]}" == call.path
        return ended, call if is_same else call._replace(path=f"/{found[1]}", after_listing=False)

    def run_command(self, arguments: list[str]) -> Said:
        """Run a command without a fault."""
        return self._command([], arguments)

    def fresh_calls(self) -> list[Call]:
        """Return the same as calls, from a fresh interpreter."""
        command = [sys.executable, "-m", "nnexp", *self.arguments]
        subprocess.run(
            ["strace", "-f", "-y", "-o", self._trace, "-e", FILE_CALLS, *command],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            check=True,
            timeout=120,
        )
        text = self._trace.read_text(encoding="utf-8", errors="replace")
        self._trace.write_text(re.sub(r"^\d+ +", "", text, flags=re.MULTILINE), encoding="utf-8")
        return self._read_trace()

    def _read_trace(self) -> list[Call]:
        seen: Counter[str] = Counter()
        calls, before = [], ""
        for line in self._trace.read_text(encoding="utf-8", errors="replace").splitlines():
            name, opened, _ = line.partition("(")
            if not opened or not name.isidentifier():
                continue  # a signal, or the end
            seen[name] += 1
            found = self._path.search(line)
            path = f"/{found[1]}" if found else ""
            calls.append(Call(name, seen[name], path, before == "getdents64"))
            before = name
        last = max(place for place, call in enumerate(calls) if call.path)
        return [call for call in calls[:last] if call.path] + calls[last : last + 2]

    def _check_struck(self, call: Call) -> None:
        """Fail if the fault hit another call than the intended one."""
        lines = self._trace.read_text(encoding="utf-8", errors="replace").splitlines()
        made = [line for line in lines if line.startswith(f"{call.name}(")]
        found = self._path.search(made[call.number - 1])
        assert call.path == (f"/{found[1]}" if found else ""), (call, made[call.number - 1])

    def _command(self, options: list[str], arguments: list[str] | None = None) -> Said:
        order = {
            "arguments": arguments or self.arguments,
            "out": str(self._out),
            "err": str(self._err),
        }
        self._send(order)
        pid = int(self._receive())
        tracer = attached(pid, self._trace, options) if options else None
        os.kill(pid, signal.SIGCONT)
        code = int(self._receive())
        if tracer is not None:
            tracer.communicate(timeout=30)
        return Said(code, self._out.read_text("utf-8"), self._err.read_text("utf-8"))

    def _send(self, order: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(f"{json.dumps(order)}\n")
        self._server.stdin.flush()

    def _receive(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def latest(paths: Iterable[str]) -> int:
    """Return the last epoch that has a checkpoint among some paths, or 0."""
    found = [re.search(r"epoch-(\d+)", path) for path in paths]
    return max((int(match[1]) for match in found if match), default=0)


def attached(pid: int, trace: Path, options: list[str]) -> subprocess.Popen[str]:
    """Attach a tracer to a stopped process and return it.

    Raises: PermissionError if tracing is not permitted.
    """
    command = ["strace", "-y", "-o", str(trace), *options, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.communicate(timeout=30)
        os.kill(pid, signal.SIGKILL)
        raise PermissionError(said.strip())
    return tracer


def _at(call: Call, fault: str, *, on: bool = False) -> list[str]:
    inject = f"inject={call.name}:{fault}:when={call.number}{'+' if on else ''}"
    return ["-e", f"trace={call.name}", "-e", inject]


def obstacle() -> str | None:
    """Trace a process as a test; return why tracing is impossible, or None."""
    if sys.platform != "linux":
        return "strace is Linux's"
    if shutil.which("strace") is None:
        return "strace is not installed"
    stopped = subprocess.Popen(["sh", "-c", "kill -STOP $$; exit 7"])
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        tracer = attached(stopped.pid, Path(os.devnull), ["-e", "inject=exit_group:retval=0"])
    except PermissionError as error:
        stopped.wait()
        return f"tracing is not allowed: {error}"
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.wait()
    tracer.communicate(timeout=30)
    return None

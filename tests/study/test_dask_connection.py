"""A sweep connects to a dask scheduler, waits for it and its workers, and reports problems."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nnexp.study.dask.client import is_exposed
from tests.waiting import catches, until

if TYPE_CHECKING:
    from tests.conftest import Bench


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("tls://10.0.0.1:8786", False),
        ("wss://10.0.0.1:8786", False),
        ("tcp://10.0.0.1:8786", True),
        ("head:8786", True),
        ("tcp://[fe80::1]:8786", True),
    ],
)
def test_an_address_that_lets_anyone_in_is_warned_of(address: str, *, is_so: bool) -> None:
    assert is_exposed(address) is is_so


@pytest.mark.parametrize("option", [("--scheduler", "tcp://127.0.0.1:1"), ("--collect",)])
def test_options_of_a_cluster_go_with_its_engine(bench: Bench, option: tuple[str, ...]) -> None:
    code, _, err = bench("sweep", "tiny.yaml", *option)
    assert (code, err) == (2, "--scheduler and --collect go with --engine dask\n")


def scripted(bench: Bench, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{script}\nfrom nnexp.cli import main\nmain()"]
    return subprocess.run(
        [*command, "sweep", "tiny.yaml", "--engine", "dask", *arguments],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_dask_one_is_told_how_to_have_it(bench: Bench) -> None:
    script = "import sys; sys.modules['distributed'] = None"
    for address in ("tcp://10.0.0.1:8786", "foo"):
        done = scripted(bench, script, "--scheduler", address)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("--engine dask needs dask (")
        assert done.stderr.endswith("): pip install 'nnexp[dask]'\n")
    assert not (bench.folder / "runs").exists()


NO_ADDRESS = "--scheduler must be an address such as tcp://127.0.0.1:8786, got"


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        (
            "tcp://127.0.0.1:9",
            74,
            "the scheduler does not answer: Timed out trying to connect to",
        ),
        ("foo", 2, f"{NO_ADDRESS} 'foo': missing port number in address 'foo'"),
        (
            "tcp://127.0.0.1",
            2,
            f"{NO_ADDRESS} 'tcp://127.0.0.1': missing port number",
        ),
        ("", 2, f"{NO_ADDRESS} '': missing port number in address ''"),
        (
            "tcp://10.0.0.1:99999",
            2,
            f"{NO_ADDRESS} 'tcp://10.0.0.1:99999': no host, or no port",
        ),
        (
            "what://10.0.0.1:9",
            2,
            f"{NO_ADDRESS} 'what://10.0.0.1:9': unknown address scheme",
        ),
        (
            "tls://10.0.0.1:9",
            2,
            "tls://10.0.0.1:9: needs a certificate; set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and ",
        ),
    ],
)
def test_a_scheduler_that_cannot_be_is_told_of_alone(
    bench: Bench, address: str, code: int, said: str
) -> None:
    """A bad address is told before anything that would be so of a good one."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    script = "from nnexp.study.dask import client; client.SECONDS = 1"
    done = scripted(bench, script, "--scheduler", address)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (bench.folder / "runs").exists()


def waiting(bench: Bench, address: str, *arguments: str) -> subprocess.Popen[str]:
    engine = ("--engine", "dask", "--scheduler", address)
    return bench.start("sweep", "tiny.yaml", *engine, *arguments)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there /proc tells")
def test_a_sweep_that_waits_for_its_scheduler_says_so_and_can_be_stopped(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        process, quiet = waiting(bench, address), waiting(bench, address, "-q")
        assert process.stderr is not None
        assert process.stderr.readline() == f"waiting for the scheduler at {address}\n"
        until(lambda: catches(quiet, signal.SIGTERM))
        for each in (process, quiet):
            each.send_signal(signal.SIGINT)
        told = "stopped with 0 of 1 trials done; committed epochs are safe"
        for each in (process, quiet):
            out, err = each.communicate(timeout=30)
            assert (each.returncode, out) == (130, "")
            assert err.startswith(told)
            assert err.count("\n") == 1


@pytest.mark.slow
def test_a_scheduler_that_takes_a_call_and_says_nothing_is_given_up(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        script = "from nnexp.study.dask import client; client.SECONDS = 1"
        done = scripted(bench, script, "--scheduler", address, "-q")
    told = f"{address}: the scheduler does not answer: no reply within 1 s\n"
    assert (done.returncode, done.stdout, done.stderr) == (74, "", told)


def is_open(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.mark.slow
def test_a_sweep_that_waits_for_workers_says_so_and_gives_up(bench: Bench) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    command = ("-m", "distributed.cli.dask_scheduler", "--host", address, *quiet)
    scheduler = subprocess.Popen(
        [sys.executable, *command], cwd=bench.folder, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: is_open(port), process=scheduler)  # its start is not what is tested
        script = "from nnexp.study.dask import client; client.SECONDS = 4"
        done = scripted(bench, script, "--scheduler", address)
    finally:
        scheduler.kill()
        scheduler.wait()
    assert (done.returncode, done.stdout) == (74, "")
    *before, last = done.stderr.splitlines()
    assert before[-1] == f"waiting for workers of the scheduler at {address}"
    assert last == f"{address}: has no worker; dask worker {address} starts one"

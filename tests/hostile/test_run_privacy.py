"""A run records nothing about its user, host or folders, and only the documented keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.store.records import Versions

if TYPE_CHECKING:
    from tests.conftest import Bench


def test_a_run_holds_nothing_of_its_maker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded is an allow-list: no user, no host, no place, no environment, no words."""
    secrets = {
        "USER": "somebody-7f3a",
        "LOGNAME": "somebody-7f3a",
        "HOME": str(bench.folder / "home-7f3a"),
        "SECRET_TOKEN": "token-7f3a",
        "HOSTNAME": "host-7f3a",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    done = bench.process("train", "tiny.yaml", "--name", "n", "--set", "epochs=2", "--until", "1")
    assert done.code == 0
    assert bench.process("train", "tiny.yaml", "--name", "n", "--set", "epochs=2").code == 0
    words = [
        *secrets.values(),
        *(os.uname().nodename, str(bench.folder), str(Path.cwd()), str(Path.home())),
        *("--set", "--name", "tiny.yaml", "nnexp train"),
    ]
    for path in (bench.folder / "runs/n-s0").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found = [word for word in words if word.encode() in content]
        assert not found, f"{path.name} tells {found}"


def test_a_run_holds_the_files_and_keys_that_are_documented(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    run = bench.folder / "runs/n-s0"
    assert sorted(path.name for path in run.iterdir()) == [
        *("LOCK", "checkpoints", "config.yaml", "log.txt", "metrics.jsonl", "predictions.npz"),
        *("result.json", "run.json", "timing.jsonl"),
    ]
    record = json.loads((run / "run.json").read_text())
    assert list(record) == [
        *("schema", "name", "config", "config_sha256", "data", "versions", "numerics"),
        *("growth_sha256", "backend", "checksum"),
    ]
    assert list(record["versions"]) == list(Versions.__struct_fields__)
    assert list(record["data"]) == [
        *("sha256", "train", "validation", "test", "features", "classes"),
    ]
    assert record["config"]["data"]["file"] == "tiny.npz"

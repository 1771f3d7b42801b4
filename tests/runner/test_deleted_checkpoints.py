"""Without its checkpoints, a finished run serves every command that needs records only."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Bench, Once

TRAIN = ("train", "tiny.yaml", "-q", "--seeds", "2", "--name")
MISSING = "runs/a-s0/checkpoints/epoch-00000"
AGAIN = "; nnexp train runs/a-s0 --runs DIR trains the run again, into another folder"


def folder_gone(bench: Bench, run: str) -> None:
    shutil.rmtree(bench.folder / run / "checkpoints")


def files_gone(bench: Bench, run: str) -> None:
    for path in (bench.folder / run / "checkpoints").iterdir():
        path.unlink()


def trained(bench: Bench) -> None:
    """Train two experiments of two seeds."""
    assert bench(*TRAIN, "a").code == 0
    assert bench(*TRAIN, "b", "--set", "learning_rate=0.4").code == 0


@pytest.fixture(params=[folder_gone, files_gone])
def without(once: Once, request: pytest.FixtureRequest) -> Bench:
    """Two experiments of two seeds; the first one has no checkpoints."""
    gone: Callable[[Bench, str], None] = request.param
    bench = once(trained)
    for run in ("runs/a-s0", "runs/a-s1"):
        gone(bench, run)
    return bench


@pytest.mark.parametrize(
    "command",
    [
        "runs",
        "runs --json",
        "show runs/a-s0",
        "compare runs/a runs/b",
        "report runs/a runs/b -o r.html",
        "report runs/a -o r.html",
        "replay runs/a-s0",
        "train tiny.yaml -q --name a --seeds 2",
        "train runs/a-s0 -q",
        "verify runs/a-s0 -q",
        "export runs/a --to csv -o a.csv",
        "note runs/a --tag keep",
        "sweep tiny.yaml -q --grid learning_rate=0.4,0.5 --seeds 2",
        "rm runs/a",
    ],
)
def test_what_needs_records_only_works(without: Bench, command: str) -> None:
    said = without(*command.split())
    assert (said.code, "missing" in said.err) == (0, False), said


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("evaluate runs/a-s0", 5),
        ("evaluate runs/b-s0 runs/a-s0", 5),
        ("predict runs/a-s0 tiny.npz", 5),
        ("predict runs/a tiny.npz", 5),
        ("export runs/a-s0 --to onnx -o a.onnx", 5),
        ("export runs/a-s0 --to safetensors -o a.safetensors", 5),
        ("show runs/a-s0 --images x.png", 5),
        ("train tiny.yaml -q --name w --set initializer={name:run,path:runs/a-s0}", 5),
        ("inspect tiny.yaml --set initializer={name:run,path:runs/a-s0}", 5),
    ],
)
def test_what_needs_weights_names_the_checkpoint(without: Bench, command: str, code: int) -> None:
    words = [word.replace(":", ": ") if "{" in word else word for word in command.split()]
    said = without(*words)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(MISSING)
    assert said.err.endswith(f".npz: is missing{AGAIN}\n")
    assert not (without.folder / "runs/w-s0").exists()


def test_an_epoch_whose_checkpoint_was_deleted_cannot_initialize(without: Bench) -> None:
    source = "initializer={name: run, path: runs/a-s0, epoch: 2}"
    said = without("train", "tiny.yaml", "-q", "--name", "w", "--set", source)
    assert said.code == 2
    assert said.err.endswith("runs/a-s0: has no checkpoint of epoch 2; all were deleted\n")


def test_a_run_without_checkpoints_is_not_grown_under_its_name(without: Bench) -> None:
    said = without("train", "tiny.yaml", "-q", "--name", "a", "--set", "epochs=5")
    assert (said.code, said.out) == (4, "")
    told = f"runs/a-s0: cannot be trained further, since {MISSING}3.npz is missing; choose another"
    assert f"{told} name\n" in said.err


def test_the_run_can_be_trained_again_elsewhere(without: Bench) -> None:
    said = without("train", "runs/a-s0", "-q", "--runs", "again")
    assert said.code == 0
    assert without("evaluate", said.out.strip()).code == 0


def test_under_a_derived_name_more_epochs_are_trained_from_the_first(bench: Bench) -> None:
    (run,) = bench("train", "tiny.yaml", "-q").out.split()
    folder_gone(bench, run)
    said = bench("train", "tiny.yaml", "--set", "epochs=5")
    assert said.code == 0
    assert "are taken from" not in said.err


def test_an_interrupted_run_without_checkpoints_is_damaged(bench: Bench) -> None:
    """They are needed to resume it."""
    bench("train", "tiny.yaml", "-q", "--name", "a", "--until", "2")
    folder_gone(bench, "runs/a-s0")
    for command in ("show runs/a-s0", "train tiny.yaml -q --name a", "replay runs/a-s0"):
        said = bench(*command.split())
        assert said.code == 5
        assert "runs/a-s0/checkpoints: is missing" in said.err


def test_a_report_says_which_weights_it_does_not_show(bench: Bench) -> None:
    """MNIST's inputs are images, so that weights can be shown."""
    small = [
        word
        for key in ("data.train=100", "data.validation=50", "data.test=50", "epochs=1")
        for word in ("--set", key)
    ]
    for name, rate in (("a", "0.5"), ("b", "0.4")):
        rates = ("--set", f"learning_rate={rate}", "--name", name, "--seeds", "2")
        assert bench("train", "quickstart", "-q", *small, *rates).code == 0

    def page() -> str:
        assert bench("report", "runs/a", "runs/b", "-o", "r.html").code == 0
        return (bench.folder / "r.html").read_text("utf-8")

    assert page().count("<img") == 2
    folder_gone(bench, "runs/a-s0")  # the other seed's are shown
    assert page().count("<img") == 2
    folder_gone(bench, "runs/a-s1")
    text = page()
    assert text.count("<img") == 1
    assert "A: runs/a-s0/checkpoints/epoch-000001.npz: is missing" in text


def test_a_damaged_checkpoint_is_still_damage(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    best = json.loads(bench("show", "runs/a-s0", "--json").out)["result"]["best"]["epoch"]
    (bench.folder / f"{MISSING}{best}.npz").write_bytes(b"")
    said = bench("evaluate", "runs/a-s0")
    assert said.code == 5
    assert "is damaged" in said.err

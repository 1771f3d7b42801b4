"""Runs that begin with the epochs of an earlier run, and end in the same bytes as from scratch."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.store import exchange, growth_index, lock, writer
from nnexp.store.run import Run
from nnexp.training.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from nnexp.store.writer import Writer
    from tests.conftest import Bench


def trained(bench: Bench, runs: str, *settings: str) -> Path:
    """Train the small config and return its run."""
    words = [word for setting in settings for word in ("--set", setting)]
    said = bench("train", "tiny.yaml", "-q", "--runs", runs, *words)
    assert said.code == 0, said.err
    return bench.folder / said.out.strip()


def epochs_trained(run: Path) -> str:
    """Return from which epoch on a run was trained, as its log says."""
    return (run / "log.txt").read_text("utf-8").split("training from epoch ")[1].split()[0]


def is_equal(bench: Bench, run: Path, *settings: str) -> bool:
    """Return whether a run has the bytes of one that is trained from scratch."""
    scratch = trained(bench, "scratch", *settings)
    return scratch.name == run.name and bench.files(str(run)) == bench.files(str(scratch))


def test_more_epochs_go_on_from_the_last_and_say_so(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=3")
    before = bench.files(str(source))
    said = bench("train", "tiny.yaml", "--set", "epochs=5")
    run = bench.folder / said.out.strip()
    assert f"{said.out.strip()}: epochs 1 to 3 are taken from runs/{source.name}\n" in said.err
    assert epochs_trained(run) == "4"
    assert is_equal(bench, run, "epochs=5")
    assert bench.files(str(source)) == before


@pytest.mark.parametrize(
    ("first", "then", "from_epoch"),
    [
        (("epochs=4",), ("epochs=6", "patience=1"), None),
        (("epochs=8", "patience=1"), ("epochs=8", "patience=5"), None),
        (("epochs=6",), ("epochs=6", "patience=2", "stopping=cost"), None),
        (("epochs=5", "evaluate_every=2"), ("epochs=8", "evaluate_every=2"), "5"),
        (("epochs=3", "schedule=cosine"), ("epochs=5", "schedule=cosine"), "1"),
        (("epochs=3", "schedule=step"), ("epochs=5", "schedule=step"), "4"),
        (("epochs=3", "seed=1"), ("epochs=5",), "1"),
        (("epochs=3", "learning_rate=0.25"), ("epochs=5",), "1"),
    ],
)
def test_it_ends_as_from_scratch(
    bench: Bench, first: tuple[str, ...], then: tuple[str, ...], from_epoch: str | None
) -> None:
    trained(bench, "runs", *first)
    run = trained(bench, "runs", *then)
    assert from_epoch in {None, epochs_trained(run)}
    assert is_equal(bench, run, *then)


def rates(*pairs: str) -> tuple[str, str]:
    return f"schedule={{name: piecewise, rates: {{{', '.join(pairs)}}}}}", "learning_rate=null"


@pytest.mark.parametrize(
    ("first", "then", "from_epoch"),
    [
        (("epochs=4", *rates("1: 0.5", "3: 0.1")), ("epochs=6", *rates("1: 0.5", "3: 0.1")), "5"),
        (("epochs=4", *rates("1: 0.5")), ("epochs=6", *rates("1: 0.5", "5: 0.1")), "5"),
        (("epochs=4", *rates("1: 0.5", "5: 2")), ("epochs=6", *rates("1: 0.5", "5: 0.1")), "5"),
        (("epochs=4", "learning_rate=0.5"), ("epochs=6", *rates("1: 0.5", "5: 0.1")), "5"),
        (("epochs=4", *rates("1: 0.5", "5: 0.1")), ("epochs=6", "learning_rate=0.5"), "5"),
        (("epochs=4", "learning_rate=0.5"), ("epochs=6", *rates("1: 0.5", "4: 0.1")), None),
        (("epochs=4", *rates("1: 0.5", "3: 2")), ("epochs=4", *rates("1: 0.5", "3: 0.1")), None),
        (("epochs=1", *rates("1: 0.5")), ("epochs=4", *rates("1: 0.25")), "1"),
        (("epochs=1", "schedule=step"), ("epochs=4", *rates("1: 0.5")), "1"),
        (
            ("epochs=4", "evaluate_every=2", "learning_rate=0.5"),
            ("epochs=6", "evaluate_every=2", *rates("1: 0.5", "4: 2", "5: 0.5")),
            None,
        ),
    ],
)
def test_the_epochs_before_the_learning_rates_differ_are_taken_over(
    bench: Bench, first: tuple[str, ...], then: tuple[str, ...], from_epoch: str
) -> None:
    trained(bench, "runs", *first)
    run = trained(bench, "runs", *then)
    assert from_epoch in {None, epochs_trained(run)}
    assert is_equal(bench, run, *then)


def test_the_best_epoch_s_checkpoint_is_taken_over(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=30", "patience=null")
    best = json.loads((source / "result.json").read_text())["best"]["epoch"]
    run = trained(bench, "runs", "epochs=31", "patience=null")
    assert epochs_trained(run) == "31"
    assert Run(run).checkpoint_path(best).exists()
    assert is_equal(bench, run, "epochs=31", "patience=null")


def test_an_interrupted_run_is_a_source_too(bench: Bench) -> None:
    bench("train", "tiny.yaml", "-q", "--until", "2")
    run = trained(bench, "runs", "epochs=4")
    assert epochs_trained(run) == "3"
    assert is_equal(bench, run, "epochs=4")


def test_of_several_the_longest_is_used(bench: Bench) -> None:
    for epochs in (2, 5, 3):
        trained(bench, "runs", f"epochs={epochs}")
    assert epochs_trained(trained(bench, "runs", "epochs=6")) == "6"


def test_a_damaged_source_is_passed_over(bench: Bench) -> None:
    trained(bench, "runs", "epochs=2")
    longest = trained(bench, "runs", "epochs=4")
    for path in (longest / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    run = trained(bench, "runs", "epochs=6")
    assert epochs_trained(run) == "3"
    assert is_equal(bench, run, "epochs=6")


def test_a_source_that_is_being_trained_is_passed_over(bench: Bench) -> None:
    source = trained(bench, "runs", "epochs=2")
    with lock.hold(source / "LOCK", ""):
        assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_other_arithmetic_is_no_source(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(bench, "runs", "epochs=2")
    monkeypatch.setattr("nnexp.runner.backends.fingerprint", lambda _: "0" * 64)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_other_data_is_no_source(bench: Bench) -> None:
    trained(bench, "runs", "epochs=2")
    bench.data(seed=1)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "1"


def test_a_run_that_was_copied_or_renamed_is_found(bench: Bench) -> None:
    source = trained(bench, "elsewhere", "epochs=3")
    trained(bench, "runs", "seed=7")  # so that there is an index
    trained(bench, "runs", "seed=8")
    shutil.copytree(source, bench.folder / "runs/by-hand")
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "4"
    (bench.folder / "runs/by-hand").rename(bench.folder / "runs/renamed")
    assert epochs_trained(trained(bench, "runs", "epochs=5")) == "5"


def test_a_run_that_took_the_name_of_another_is_found(bench: Bench) -> None:
    other = trained(bench, "runs", "seed=7")
    source = trained(bench, "runs", "epochs=3")
    shutil.rmtree(other)
    source.rename(other)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "4"


def test_a_run_that_was_being_copied_or_was_damaged_is_found_afterwards(bench: Bench) -> None:
    source = trained(bench, "elsewhere", "epochs=3")
    copied = bench.folder / "runs/copied"
    copied.mkdir(parents=True)
    trained(bench, "runs", "seed=7")
    trained(bench, "runs", "seed=8")
    shutil.copytree(source, copied, dirs_exist_ok=True)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "4"
    shutil.rmtree(bench.folder / "runs")
    shutil.copytree(source, copied)
    record = (copied / "run.json").read_bytes()
    (copied / "run.json").write_bytes(b"{}")
    trained(bench, "runs", "seed=7")
    (copied / "run.json").write_bytes(record)
    assert epochs_trained(trained(bench, "runs", "epochs=4")) == "4"


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"@ 1\n", b"not an index"])
def test_a_damaged_index_is_no_harm(bench: Bench, content: bytes) -> None:
    for epochs in (1, 2, 3):
        trained(bench, "runs", f"epochs={epochs}")
    (bench.folder / "runs" / growth_index.FOLDER / growth_index.FILE).write_bytes(content)
    run = trained(bench, "runs", "epochs=5")
    assert epochs_trained(run) == "4"
    assert is_equal(bench, run, "epochs=5")


def test_the_folder_is_read_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    digest_of = growth_index.digest_of

    def counted(run: Run) -> str | None:
        read.append(run.name)
        return digest_of(run)

    monkeypatch.setattr(growth_index, "digest_of", counted)
    first = trained(bench, "runs", "seed=1")
    for seed in (2, 3, 4):
        trained(bench, "runs", f"seed={seed}")
    assert read == [first.name]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sweep_over_epochs_trains_each_epoch_once(bench: Bench, jobs: str) -> None:
    said = bench("sweep", "tiny.yaml", "--grid", "epochs=6,2,4", "-j", jobs, "--json")
    assert said.code == 0
    runs = [bench.folder / row["runs"][0] for row in json.loads(said.out)["ranking"]]
    assert sorted(map(epochs_trained, runs)) == ["1", "3", "5"]
    for run in runs:
        epochs = json.loads((run / "run.json").read_text())["config"]["epochs"]
        assert is_equal(bench, run, f"epochs={epochs}")


def test_until_beyond_the_end_says_how_to_train_more(bench: Bench) -> None:
    trained(bench, "runs", "epochs=3")
    said = bench("train", "tiny.yaml", "--until", "5")
    assert said.code == 2
    assert "--until 5 is beyond the config's 3 epochs; --set epochs=5 trains that many" in said.err


def test_a_restarted_run_takes_nothing_over(bench: Bench) -> None:
    run = trained(bench, "runs", "epochs=3")
    (run / "metrics.jsonl").write_bytes(b"")
    said = bench("train", "tiny.yaml", "-q", "--restart", "--set", "epochs=3")
    assert said.code == 0
    assert epochs_trained(run) == "1"


# Under a name given by hand


def named(bench: Bench, *settings: str) -> tuple[int, str, Path]:
    words = [word for setting in settings for word in ("--set", setting)]
    said = bench("train", "tiny.yaml", "--name", "x", *words)
    return said.code, said.err, bench.folder / "runs/x-s0"


def test_a_named_run_whose_rate_changes_after_its_end_grows_in_place(bench: Bench) -> None:
    named(bench, "epochs=3", "learning_rate=0.5")
    code, err, _ = named(bench, "epochs=4", *rates("1: 0.5", "3: 0.1"))
    assert code == 4
    assert err.endswith(
        "runs/x-s0: a run with other learning_rate, schedule, epochs, schedule.rates.1, "
        "schedule.rates.3 would lose some of its 3 epochs; choose another name\n"
    )
    code, err, run = named(bench, "epochs=5", *rates("1: 0.5", "4: 0.1"))
    assert code == 0
    assert "runs/x-s0: epochs 1 to 3 are kept; the former run is now runs/.trash/" in err
    assert epochs_trained(run) == "4"


def test_a_named_run_grows_in_place_and_the_former_is_in_the_trash(bench: Bench) -> None:
    named(bench, "epochs=3")
    former = bench.files("runs/x-s0")
    code, err, run = named(bench, "epochs=5")
    assert code == 0
    assert "runs/x-s0: epochs 1 to 3 are kept; the former run is now runs/.trash/x-s0\n" in err
    assert epochs_trained(run) == "4"
    assert bench.files("runs/.trash/x-s0") == former
    bench("train", "tiny.yaml", "-q", "--name", "x", "--runs", "scratch", "--set", "epochs=5")
    assert bench.files("runs/x-s0") == bench.files("scratch/x-s0")
    assert named(bench, "epochs=5")[1] == "runs/x-s0: already done\n"


def test_a_named_run_grows_twice(bench: Bench) -> None:
    for epochs in (2, 3, 4):
        assert named(bench, f"epochs={epochs}")[0] == 0
    assert sorted(path.name for path in (bench.folder / "runs/.trash").iterdir()) == [
        *("x-s0", "x-s0~2"),
    ]
    listed = json.loads(bench("runs", "--json").out)
    assert [row["name"] for row in listed] == ["x-s0"]


def test_any_other_difference_leaves_the_name_taken(bench: Bench) -> None:
    named(bench, "epochs=3")
    before = bench.files("runs/x-s0")
    code, err, _ = named(bench, "epochs=5", "learning_rate=0.25")
    assert code == 4
    assert "belongs to another config (it differs in learning_rate)" in err
    assert bench.files("runs/x-s0") == before


def test_a_named_run_that_is_being_trained_is_not_replaced(bench: Bench) -> None:
    _, _, run = named(bench, "epochs=3")
    before = bench.files("runs/x-s0")
    with lock.hold(run / "LOCK", ""):
        assert named(bench, "epochs=5")[0] == 4
    assert bench.files("runs/x-s0") == before


def test_a_run_that_changes_before_it_is_replaced_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes the same run, or makes one of another config in its place."""
    replace = writer.replace
    words = ("train", "tiny.yaml", "-q", "--name", "x", "--set")

    def late(*arguments: Any) -> Writer:  # noqa: ANN401 - whatever replace takes
        monkeypatch.undo()
        monkeypatch.chdir(bench.folder)
        if others is None:
            assert bench(*words, "epochs=5").code == 0
        else:
            shutil.rmtree("runs/x-s0")
            assert bench(*words, others).code == 0
        return replace(*arguments)

    for others, code in ((None, 0), ("learning_rate=0.3", 4), ("epochs=9", 4)):
        named(bench, "epochs=3")
        monkeypatch.setattr(writer, "replace", late)
        said = named(bench, "epochs=5")
        assert said[0] == code, said
        assert len(list((bench.folder / "runs/.trash").glob("x*"))) == (others is None)
        shutil.rmtree(bench.folder / "runs")


def test_a_link_in_a_runs_place_is_not_replaced(bench: Bench) -> None:
    _, _, run = named(bench, "epochs=3")
    run.rename(bench.folder / "elsewhere")
    run.symlink_to("../elsewhere")
    code, err, _ = named(bench, "epochs=5")
    assert code == 5
    assert "runs/x-s0: is a symbolic link" in err
    assert run.is_symlink()


def test_without_an_exchange_by_the_system_it_grows_as_well(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(bench, "epochs=3")
    former = bench.files("runs/x-s0")
    monkeypatch.setattr(exchange, "_exchange", lambda *_: False)
    assert named(bench, "epochs=5")[0] == 0
    (trashed,) = (bench.folder / "runs/.trash").iterdir()
    assert bench.files(f"runs/.trash/{trashed.name}") == former
    assert sorted(path.name for path in (bench.folder / "runs").iterdir()) == [
        *(".growth", ".trash", "x-s0"),
    ]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("epochs=5",), ("epochs=3",)),
        (("epochs=6", "patience=null"), ("epochs=9", "patience=1")),
        (("epochs=6", "patience=null"), ("epochs=6", "patience=1")),
    ],
)
def test_a_run_that_would_lose_epochs_does_not_take_the_name(
    bench: Bench, first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    named(bench, *first)
    before = bench.files("runs/x-s0")
    code, err, _ = named(bench, *then)
    assert code == 4
    assert re.search(r"runs/x-s0: a run with other .* would lose some of its \d epochs; ch", err)
    assert bench.files("runs/x-s0") == before
    assert not (bench.folder / "runs/.trash/x-s0").exists()


def test_a_run_without_its_checkpoints_is_not_replaced(bench: Bench) -> None:
    _, _, run = named(bench, "epochs=3")
    shutil.rmtree(run / "checkpoints")
    code, err, _ = named(bench, "epochs=5")
    assert code in {4, 5}
    assert "runs/x-s0" in err
    assert (run / "result.json").exists()


@pytest.mark.parametrize("file", ["result.json", "metrics.jsonl", "run.json"])
def test_a_damaged_run_is_not_replaced(bench: Bench, file: str) -> None:
    _, _, run = named(bench, "epochs=3")
    (run / file).write_bytes(b"")
    before = bench.files("runs/x-s0")
    code, err, _ = named(bench, "epochs=5")
    assert code == 5
    assert f"runs/x-s0/{file}: is damaged" in err
    assert bench.files("runs/x-s0") == before


def test_a_run_without_an_epoch_is_replaced_and_said_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "epoch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            named(bench, "epochs=3")
    code, err, _ = named(bench, "epochs=5")
    assert code == 0
    assert "runs/x-s0: begins anew; the former run is now runs/.trash/x-s0\n" in err


def test_what_patience_ended_is_said_to_be_ended_by_it(bench: Bench) -> None:
    said = ("train", "tiny.yaml", "--set", "epochs=60", "--set", "patience=1")
    bench(*said, "-q")
    err = bench(*said, "--until", "50").err
    assert re.search(r"already done after epoch \d+ \(no improvement\); .*set patience\n", err)


def test_two_processes_grow_from_one_source_at_once(bench: Bench) -> None:
    """Both read it under a shared lock, and neither waits for the other."""
    source = trained(bench, "runs", "epochs=3")
    before = bench.files(str(source))
    longer = [("--set", f"epochs={epochs}") for epochs in (5, 6)]
    started = [bench.start("train", "tiny.yaml", *words) for words in longer]
    said = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    for (out, err), epochs in zip(said, (5, 6), strict=True):
        assert re.search(r"epochs 1 to [35] are taken from runs/tiny-\w+-s0\n", err)
        assert is_equal(bench, bench.folder / out.strip(), f"epochs={epochs}")
    assert bench.files(str(source)) == before


@pytest.mark.slow
def test_two_processes_that_grow_one_name_at_once_both_end_right(bench: Bench) -> None:
    """One takes the name; the other finds it taken or done, and nothing is lost."""
    for attempt in range(5):
        words = ("train", "tiny.yaml", "--name", f"x{attempt}")
        assert bench(*words, "-q").code == 0
        former = bench.files(f"runs/x{attempt}-s0")
        started = [bench.start(*words, "--set", "epochs=6") for _ in range(2)]
        said = [process.communicate(timeout=60)[1] for process in started]
        codes = sorted(process.returncode for process in started)
        assert codes in ([0, 0], [0, 4]), said
        assert not list((bench.folder / "runs/.trash").glob(f"x{attempt}-s0~*"))
        bench(*words, "-q", "--set", "epochs=6", "--runs", "scratch")
        assert bench.files(f"runs/x{attempt}-s0") == bench.files(f"scratch/x{attempt}-s0")
        assert bench.files(f"runs/.trash/x{attempt}-s0") == former

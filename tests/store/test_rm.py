"""nnexp rm: what is moved, where it is found again, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.store import lock, tree
from tests.analysis.listings import make

if TYPE_CHECKING:
    from tests.conftest import Bench, Once


def trained(bench: Bench, name: str, *settings: str, seeds: int = 1) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    said = bench("train", "tiny.yaml", "-q", "--name", name, "--seeds", str(seeds), *words)
    assert said.code == 0, said


def present(bench: Bench) -> list[str]:
    """Return the names of the runs in their place."""
    folder = bench.folder / "runs"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def in_trash(bench: Bench) -> list[str]:
    folder = bench.folder / "runs/.trash"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_run_moves_to_the_trash_and_back_unchanged(bench: Bench) -> None:
    trained(bench, "a")
    bench("note", "runs/a-s0", "--tag", "keep")
    before = disk_files(bench.folder / "runs/a-s0")
    assert bench("rm", "runs/a-s0") == (
        0,
        "runs/a-s0: moved to runs/.trash/a-s0\n",
        "nnexp rm --restore runs/a-s0 undoes this, until nnexp rm --empty frees the space\n",
    )
    assert (present(bench), in_trash(bench)) == ([], ["a-s0"])
    assert bench("runs") == (0, "", "no runs in runs; nnexp train makes one\n")
    assert bench("show", "runs/.trash/a-s0").code == 0
    assert bench("rm", "--restore", "runs/a-s0") == (
        0,
        "runs/a-s0: restored from runs/.trash/a-s0\n",
        "",
    )
    assert (present(bench), in_trash(bench)) == (["a-s0"], [])
    assert disk_files(bench.folder / "runs/a-s0") == before


def disk_files(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("arguments", "moved"),
    [
        (["runs/a"], ["a-s0", "a-s1"]),
        (["runs/a-s1"], ["a-s1"]),
        (["runs/a*"], ["a-s0", "a-s1", "ab-s0"]),
        (["runs/a-s0", "runs/a", "./runs/a-s0/"], ["a-s0", "a-s1"]),
        (["runs/a", "runs/b"], ["a-s0", "a-s1", "b"]),
    ],
)
def test_runs_experiments_and_patterns(
    bench: Bench, arguments: list[str], moved: list[str]
) -> None:
    make("a-s0")
    make("a-s1", "seed=1")
    make("ab-s0", "lambda=1")
    make("b", "lambda=2")
    code, out, _ = bench("rm", *arguments)
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == [f"runs/{m}" for m in moved]
    assert in_trash(bench) == moved
    assert bench("rm", "--restore", *arguments[-1:]).code == 0


def test_another_folder_has_its_own_trash(bench: Bench) -> None:
    make("a")
    (bench.folder / "runs").rename(bench.folder / "other")
    assert bench("rm", "other/a").out == "other/a: moved to other/.trash/a\n"
    assert bench("rm", "--empty") == (
        2,
        "",
        "runs: there is no such folder; nnexp train makes it, and --runs names another\n",
    )
    assert bench("rm", "--empty", "--runs", ".").out == ".trash: deleted 0 runs, 0 bytes\n"
    empty = ("rm", "--empty", "--runs", "other")
    assert bench(*empty).out.startswith("other/.trash: deleted 1 run, ")
    assert not (bench.folder / "other/.trash").exists()


@pytest.mark.parametrize("name", ["x-s0", "x~2", "my run", "n" * 100, "x.2"])
def test_runs_of_one_name_do_not_replace_each_other_in_the_trash(bench: Bench, name: str) -> None:
    """The latest is restored first, then the one before it."""
    for seed in range(3):
        make(name, f"seed={seed}")
        assert bench("rm", f"runs/{name}").code == 0
    assert len(in_trash(bench)) == 3
    for seed in (2, 1):
        assert bench("rm", "--restore", f"runs/{name}").code == 0
        config = json.loads((bench.folder / "runs" / name / "run.json").read_text())["config"]
        assert config["seed"] == seed
        shutil.rmtree(bench.folder / "runs" / name)
    first = in_trash(bench)
    assert bench("rm", "--restore", f"runs/.trash/{first[0]}").code == 0
    assert present(bench) == [name]


def test_a_run_whose_name_looks_like_a_number_in_the_trash_keeps_it(bench: Bench) -> None:
    make("x")
    make("x~2", "seed=1")
    bench("rm", "runs/x", "runs/x~2")
    assert bench("rm", "--restore", "runs/x~2").code == 0
    assert bench("rm", "--restore", "runs/x").code == 0
    assert present(bench) == ["x", "x~2"]


def test_restoring_replaces_nothing(bench: Bench) -> None:
    trained(bench, "a")
    bench("rm", "runs/a-s0")
    trained(bench, "a", "lambda=1")
    before = bench.files("runs/a-s0")
    code, out, err = bench("rm", "--restore", "runs/a-s0")
    assert (code, out) == (4, "")
    assert err == (
        "runs/a-s0: exists, so that runs/.trash/a-s0 cannot be restored; rename one of them\n"
    )
    assert bench.files("runs/a-s0") == before


ABSENT = "there is no such run, with or without -s and a seed; nnexp runs lists the runs"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a RUN, or empty the trash with --empty"),
        (["--restore"], "name a RUN, or empty the trash with --empty"),
        (["runs/zz"], f"runs/zz: {ABSENT}"),
        (["a"], "a: there is no such run, with or without -s and a seed; did you mean runs/a?"),
        (["runs/z*"], "runs/z*: no run matches; nnexp runs lists the runs"),
        (["runs/empty"], "runs/empty: is not a run; nnexp runs lists the runs"),
        (["tiny.yaml"], f"tiny.yaml: {ABSENT}"),
        (["--restore", "runs/zz"], "runs/zz: is not in the trash, which holds gone"),
        (["--empty", "runs/zz"], "runs/zz: is not in the trash, which holds gone"),
        (["--restore", "runs/a"], "runs/a: is not in the trash, which holds gone"),
        (
            ["runs/.trash/gone"],
            "runs/.trash/gone: is in the trash; --empty runs/.trash/gone deletes it",
        ),
        (
            ["runs/a", "--runs", "runs"],
            "--runs is for --empty without RUN; a RUN is named with its folder",
        ),
        (["--restore", "--empty"], "--checkpoints, --restore and --empty: choose one of them"),
        (["runs/mixed"], "runs/mixed: its runs differ in config or data; name them one by one"),
    ],
)
def test_what_is_refused_changes_nothing(bench: Bench, arguments: list[str], told: str) -> None:
    for name in ("a", "gone", "mixed-s0"):
        make(name)
    make("mixed-s1", "lambda=1", "seed=1")
    bench("rm", "runs/gone")
    (bench.folder / "runs/empty").mkdir()
    before = present(bench)
    assert bench("rm", *arguments) == (2, "", f"{told}\n")
    assert (present(bench), in_trash(bench)) == (before, ["gone"])


def test_a_run_that_is_training_is_refused_and_so_are_those_beside_it(bench: Bench) -> None:
    make("a")
    run = make("b", "lambda=1", ended=False)
    told = "runs/b: another process is training this run\n"
    with lock.hold(run.path / "LOCK", ""):
        assert bench("rm", "runs/a", "runs/b") == (4, "", told)
        assert bench("rm", "runs/b", "--checkpoints", "all") == (4, "", told)
    assert present(bench) == ["a", "b"]
    assert bench("rm", "runs/a", "runs/b").code == 0


def test_damaged_and_interrupted_runs_can_be_moved(bench: Bench) -> None:
    make("a", ended=False)
    (make("b").path / "run.json").write_text("{}")
    (make("c").path / "run.json").unlink()
    assert bench("rm", "runs/a", "runs/b", "runs/c").code == 0
    assert in_trash(bench) == ["a", "b", "c"]


def test_a_link_is_not_moved(bench: Bench) -> None:
    make("a").path.rename(bench.folder / "elsewhere")
    (bench.folder / "runs/a").symlink_to("../elsewhere")
    code, out, err = bench("rm", "runs/a")
    assert (code, out) == (5, "")
    assert err.startswith("runs/a: is a symbolic link")
    assert (bench.folder / "elsewhere/run.json").exists()


def test_a_link_for_the_trash_is_not_followed(bench: Bench) -> None:
    make("a")
    (bench.folder / "precious").mkdir()
    (bench.folder / "precious/file").write_text("x")
    (bench.folder / "runs/.trash").symlink_to("../precious")
    assert bench("rm", "runs/a").code == 5
    assert bench("rm", "--empty").code == 5
    assert [path.name for path in (bench.folder / "precious").iterdir()] == ["file"]
    assert present(bench) == ["a"]


def test_links_in_the_trash_are_removed_and_not_followed(bench: Bench) -> None:
    run = make("a").path
    (bench.folder / "precious").mkdir()
    (bench.folder / "precious/file").write_text("x")
    (run / "link").symlink_to("../../precious")
    bench("rm", "runs/a")
    (bench.folder / "runs/.trash/other").symlink_to("../../precious")
    assert bench("rm", "--empty").out.startswith("runs/.trash: deleted 2 runs, ")
    assert (bench.folder / "precious/file").exists()
    assert not (bench.folder / "runs/.trash").exists()


def test_emptying_deletes_some_runs_or_all(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        make(name)
    bench("rm", "runs/a", "runs/b", "runs/c")
    size = sum(map(len, disk_files(bench.folder / "runs/.trash/a").values()))
    said = bench("rm", "--empty", "runs/a")
    assert (said.code, said.err) == (0, "")
    assert re.fullmatch(r"runs/\.trash: deleted 1 run, [\d.]+ KB\n", said.out)
    assert 1024 < size < 20 * 1024
    assert in_trash(bench) == ["b", "c"]
    with lock.hold(bench.folder / "runs/.trash/b/LOCK", ""):
        code, out, err = bench("rm", "--empty")
        assert (code, out.startswith("runs/.trash: deleted 1 run, ")) == (4, True)
        assert err == "runs/.trash/b: another process uses it\n"
    assert in_trash(bench) == ["b"]
    bench("rm", "--empty")
    assert not (bench.folder / "runs/.trash").exists()


# Weights that others started from


@pytest.fixture
def started(once: Once) -> Bench:
    """A run b that started from the weights of a."""
    return once(start_from_a)


def start_from_a(bench: Bench) -> None:
    """Train both runs."""
    trained(bench, "a")
    trained(bench, "b", "initializer={name: run, path: runs/a-s0, epoch: 2}")


def test_a_run_whose_weights_another_started_from_is_refused(started: Bench) -> None:
    told = (
        "runs/a-s0: runs/b-s0 started from its epoch 2, which it needs to be found, resumed and "
        "verified; remove runs/b-s0 first, or both\n"
    )
    assert started("rm", "runs/a-s0") == (2, "", told)
    assert started("rm", "runs/a-s0", "--checkpoints", "all") == (2, "", told)
    assert present(started) == ["a-s0", "b-s0"]
    assert started("rm", "runs/a-s0", "runs/b-s0").code == 0


def test_after_the_other_run_it_can_be_removed(started: Bench) -> None:
    assert started("rm", "runs/b-s0").code == 0
    assert started("rm", "runs/a-s0").code == 0


def test_the_weights_are_known_in_a_folder_that_was_moved(started: Bench) -> None:
    (started.folder / "runs").rename(started.folder / "moved")
    (started.folder / "moved/a-s0").rename(started.folder / "moved/renamed")
    assert started("rm", "moved/renamed").code == 2
    shutil.copytree(started.folder / "moved/renamed", started.folder / "runs/a-s0")
    assert started("rm", "moved/renamed").code == 0  # the copy has the path of then


def test_the_path_counts_where_the_weights_are_gone(started: Bench) -> None:
    shutil.rmtree(started.folder / "runs/a-s0/checkpoints")
    code, _, err = started("rm", "runs/a-s0")
    assert code == 2
    assert err.startswith("runs/a-s0: runs/b-s0 started from its weights")


def test_checkpoints_that_none_started_from_may_go(bench: Bench) -> None:
    trained(bench, "a", "epochs=5", "patience=null")
    best = json.loads(bench("show", "runs/a-s0", "--json").out)["best"]["epoch"]
    trained(bench, "b", "initializer={name: run, path: runs/a-s0, epoch: best}")
    assert bench("rm", "runs/a-s0", "--checkpoints", "all-but-best").code == 0
    kept = [path.name for path in (bench.folder / "runs/a-s0/checkpoints").iterdir()]
    assert kept == [f"epoch-{best:06d}.npz"]
    assert bench("rm", "runs/a-s0", "--checkpoints", "all").code == 2


# Checkpoints


def checkpoints(bench: Bench, run: str = "runs/a-s0") -> dict[str, bytes]:
    folder = bench.folder / run / "checkpoints"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_checkpoints_go_to_the_trash_and_come_back(bench: Bench) -> None:
    trained(bench, "a")
    before = checkpoints(bench)
    best = f"epoch-{json.loads(bench('show', 'runs/a-s0', '--json').out)['best']['epoch']:06d}.npz"
    said = bench("rm", "runs/a", "--checkpoints", "all-but-best")
    assert said.code == 0
    assert said.out.startswith("runs/a-s0: moved epoch-")
    assert [*checkpoints(bench)] == [best]
    assert bench("evaluate", "runs/a-s0").code == 0
    assert bench("verify", "runs/a-s0", "-q").code == 0
    again = bench("rm", "runs/a", "--checkpoints", "all-but-best")
    assert again == (0, "runs/a-s0: has no such checkpoint\n", "")
    assert bench("rm", "runs/a", "--checkpoints", "all").code == 0
    assert checkpoints(bench) == {}
    told = f"runs/a-s0/checkpoints/{best}: is missing; nnexp rm --restore runs/a-s0 brings it back"
    assert bench("evaluate", "runs/a-s0") == (5, "", f"{told} from the trash\n")
    assert bench("rm", "--restore", "runs/a").code == 0
    assert checkpoints(bench) == before
    assert not in_trash(bench)
    assert bench("verify", "runs/a-s0", "-q").code == 0


def test_checkpoints_come_back_to_a_folder_that_is_gone(bench: Bench) -> None:
    trained(bench, "a")
    before = checkpoints(bench)
    bench("rm", "runs/a-s0", "--checkpoints", "all")
    (bench.folder / "runs/a-s0/checkpoints").rmdir()
    assert bench("rm", "--restore", "runs/a-s0").code == 0
    assert checkpoints(bench) == before


@pytest.mark.parametrize("setting", ["learning_rate=0.1", "patience=9"])
def test_checkpoints_of_another_run_of_the_name_stay_in_the_trash(
    bench: Bench, setting: str
) -> None:
    """With another patience, the epochs are the same, and only the config differs."""
    trained(bench, "a")
    first = checkpoints(bench)
    bench("rm", "runs/a-s0", "--checkpoints", "all")
    bench("rm", "runs/a-s0")
    bench("rm", "--empty", "runs/.trash/a-s0")
    trained(bench, "a", setting)
    second = checkpoints(bench)
    assert bench("rm", "--restore", "runs/a-s0").code == 2
    bench("rm", "runs/a-s0", "--checkpoints", "all")
    assert in_trash(bench) == [".a-s0.checkpoints", ".a-s0.checkpoints~2"]
    assert bench("rm", "--restore", "runs/a-s0").code == 0
    assert checkpoints(bench) == second != first
    assert in_trash(bench) == [".a-s0.checkpoints"]


@pytest.mark.parametrize("argument", ["runs/a", "runs/a-s0", "runs/a*"])
def test_emptying_a_name_deletes_its_checkpoints(bench: Bench, argument: str) -> None:
    for name in ("a", "ba"):
        trained(bench, name)
        bench("rm", f"runs/{name}-s0", "--checkpoints", "all")
    out = bench("rm", "--empty", argument).out
    assert out.startswith("runs/.trash: deleted 1 set of checkpoints, ")
    assert in_trash(bench) == [".ba-s0.checkpoints"]
    assert present(bench) == ["a-s0", "ba-s0"]
    bench("rm", "runs/ba")
    out = bench("rm", "--empty", "runs/ba-s0").out
    assert out.startswith("runs/.trash: deleted 1 run and 1 set of checkpoints, ")
    assert in_trash(bench) == []


def test_a_run_is_restored_with_the_checkpoints_that_were_taken_before(bench: Bench) -> None:
    trained(bench, "a")
    before = checkpoints(bench)
    bench("rm", "runs/a", "--checkpoints", "all")
    bench("rm", "runs/a-s0")
    out = bench("rm", "--restore", "runs/a").out
    assert out.startswith("runs/a-s0: restored from runs/.trash/a-s0\nruns/a-s0: restored epoch-")
    assert checkpoints(bench) == before
    assert in_trash(bench) == []


def test_a_run_in_the_trash_is_found_by_its_own_name_first(bench: Bench) -> None:
    for name in ("a[1]", "a1"):
        make(name)
        assert bench("rm", f"runs/{name}").code == 0
    assert bench("rm", "--restore", "runs/.trash/a[1]").code == 0
    assert (present(bench), in_trash(bench)) == (["a[1]"], ["a1"])
    assert bench("rm", "runs/a[1]").code == 0
    assert bench("rm", "--restore", "runs/a[1]").code == 0
    assert (present(bench), in_trash(bench)) == (["a[1]"], ["a1"])


def test_a_run_that_started_from_one_in_the_trash_says_so(started: Bench) -> None:
    started("rm", "runs/a-s0", "runs/b-s0")
    started("rm", "--restore", "runs/b-s0")
    code, out, err = started("verify", "runs/b-s0", "-q")
    assert code != 0
    assert "nnexp rm --restore runs/a-s0 brings it back from the trash" in out + err
    started("rm", "--restore", "runs/a-s0")
    assert started("verify", "runs/b-s0", "-q").code == 0


def test_an_interrupted_run_keeps_its_checkpoints(bench: Bench) -> None:
    trained(bench, "a")
    bench("train", "tiny.yaml", "-q", "--name", "b", "--set", "lambda=1", "--until", "2")
    before = checkpoints(bench), checkpoints(bench, "runs/b-s0")
    assert bench("rm", "runs/a", "runs/b-s0", "--checkpoints", "all") == (
        2,
        "",
        "runs/b-s0: is interrupted, and its checkpoints are needed to resume it\n",
    )
    assert before == (checkpoints(bench), checkpoints(bench, "runs/b-s0"))


def test_a_run_that_a_writer_holds_at_the_last_moment_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before comes too early; the lock that is held while it moves does not."""
    run = make("a")
    monkeypatch.setattr(lock, "is_held", lambda _: False)
    with lock.hold(run.path / "LOCK", ""):
        assert bench("rm", "runs/a").code == 4
    assert present(bench) == ["a"]
    monkeypatch.setattr(tree, "move_directory", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench("rm", "runs/a")


def test_the_run_that_growing_set_aside_is_restored_likewise(bench: Bench) -> None:
    trained(bench, "x")
    former = bench.files("runs/x-s0")
    bench("note", "runs/x-s0", "-m", "the first", "--tag", "keep")
    trained(bench, "x", "epochs=5")
    assert "the first" in bench("note", "runs/x-s0").out  # the grown run has the notes, too
    bench("rm", "runs/x-s0")
    assert in_trash(bench) == ["x-s0", "x-s0~2"]
    bench("rm", "--empty", "runs/.trash/x-s0~2")
    assert bench("rm", "--restore", "runs/x-s0").code == 0
    assert bench.files("runs/x-s0") == former


@pytest.mark.parametrize("option", ["--restore", "--empty"])
def test_a_name_without_its_folder_is_completed(bench: Bench, option: str) -> None:
    bench("train", "tiny.yaml", "-q", "--name", "a")
    bench("rm", "runs/a")
    said = bench("rm", option, "a")
    assert said == (2, "", "a: is not in the trash; did you mean runs/a?\n")
    assert bench("rm", option, "runs/a").code == 0

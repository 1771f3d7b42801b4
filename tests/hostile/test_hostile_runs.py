"""Run directories from a stranger: what is damaged or made up is told, and nothing is believed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pytest

from nnexp.errors import CorruptError
from nnexp.store import disk, records
from nnexp.store.records import Versions

if TYPE_CHECKING:
    from tests.conftest import Bench
    from tests.hostile.conftest import Hostile

RUN, OTHER = "runs/hostile", "runs/other"
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "tiny.yaml", "--name", "hostile", "-q"),
    "runs": ("runs",),
    "compare": ("compare", RUN, OTHER),
    "compare as JSON": ("compare", OTHER, RUN, "--json"),
    "show": ("show", RUN),
    "show as JSON": ("show", RUN, "--json"),
    "report": ("report", RUN, OTHER),
    "replay": ("replay", RUN),
    "evaluate": ("evaluate", RUN),
    "verify": ("verify", RUN, "-q"),
}
SHOWN = {"show": 5, "show as JSON": 5, "report": 5}

DAMAGED = {"train": 5, "runs": 1, "compare": 5, "replay": 5, "evaluate": 5, "verify": 5} | SHOWN
"""The codes that commands end in when what every reader needs is damaged."""

ROWS = {"runs": 1, "compare": 5, "replay": 5, "verify": 5} | SHOWN
"""Those of an unfinished run whose rows are damaged, or what vouches for them."""

CHECKPOINT = {"train": 5, "evaluate": 5}
"""Those of an unfinished run whose checkpoints' arrays are damaged: the others need none."""

SOUND = dict.fromkeys(["runs", "compare", "replay", "evaluate", "verify"], 0)
"""Those of an unfinished run that is damaged where nothing is committed."""

READ = dict.fromkeys(["runs", "compare", "compare as JSON", "show", "show as JSON", "report"], 0)
"""Those of what cannot be told from what a run may have, however odd it is."""


class Case(NamedTuple):
    """How a run is made hostile, what is said of it, and each command's exit code."""

    damage: Callable[[Path], None]
    told: str
    codes: dict[str, int]
    finished: bool = False


# How files are damaged


def replaced(name: str, content: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return a damage that gives a file, or both checkpoints, another content."""

    def damage(run: Path) -> None:
        for path in run.glob(name):
            new = content(path.read_bytes()) if callable(content) else content
            path.write_bytes(new)

    return damage


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def resealed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a change of a sealed file with a checksum that fits: who can write can also hash."""

    def changed(content: bytes) -> bytes:
        tree = json.loads(content)
        del tree["checksum"]
        change(tree)
        whole = msgspec.json.encode(tree, order="sorted")
        tree["checksum"] = hashlib.sha256(whole).hexdigest()
        return json.dumps(tree, ensure_ascii=False).encode()

    return changed


def run_json(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("run.json", resealed(lambda tree: tree.update(keys)))


def result_json(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("result.json", resealed(lambda tree: tree.update(keys)))


def config(key: str, value: object) -> Callable[[Path], None]:
    return replaced("run.json", resealed(lambda tree: tree["config"].update({key: value})))


def link(name: str, target: str) -> Callable[[Path], None]:
    """Return a damage that puts a symbolic link in a file's or folder's place."""

    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).symlink_to(target)

    return damage


def device(name: str) -> Callable[[Path], None]:
    """Return a damage that lets a name lead to what never ends."""
    return link(name, "/dev/zero")


def fifo(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        os.mkfifo(run / name)

    return damage


def file(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).touch()

    return damage


def folder(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        remove(run / name)
        (run / name).mkdir()

    return damage


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sparse(name: str, size: int) -> Callable[[Path], None]:
    """Return a damage that makes files enormous without filling the disk."""

    def damage(run: Path) -> None:
        for path in run.glob(name):
            os.truncate(path, size)

    return damage


def moved_checkpoints(run: Path) -> None:
    """Put a link to a folder elsewhere in the place of the checkpoints' folder."""
    (run / "checkpoints").rename(run.parent.parent / "elsewhere")
    (run / "checkpoints").symlink_to("../../elsewhere")


def arrays(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return a damage that changes checkpoints' arrays and makes their hashes fit."""

    def changed(content: bytes) -> bytes:
        from nnexp.store import checkpoint  # noqa: PLC0415 - NumPy, after its variables are set

        with np.load(io.BytesIO(content)) as file:
            held = dict(file)
        said = json.loads(held.pop("meta").tobytes())
        change(held)
        plain = {name: array for name, array in held.items() if array.dtype != object}
        said["arrays_sha256"] = checkpoint.digest(plain)
        coded = np.frombuffer(json.dumps(said, separators=(",", ":")).encode(), np.uint8)
        written = io.BytesIO()
        np.savez(written, meta=coded, **held)
        return written.getvalue()

    return replaced("checkpoints/*.npz", changed)


def without_weights(content: bytes) -> bytes:
    """Return a checkpoint with zeros for some weights, and all else as it was."""
    with np.load(io.BytesIO(content)) as file:
        weights: bytes = file["weights_2"].tobytes("A")
    assert weights in content
    return content.replace(weights, bytes(len(weights)))


def meta(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    """Return a damage that changes what checkpoints say of themselves."""

    def changed(content: bytes) -> bytes:
        with np.load(io.BytesIO(content)) as file:
            held = dict(file)
        said = json.loads(held["meta"].tobytes()) | keys
        held["meta"] = np.frombuffer(json.dumps(said, separators=(",", ":")).encode(), np.uint8)
        written = io.BytesIO()
        np.savez(written, **held)
        return written.getvalue()

    return replaced("checkpoints/*.npz", changed)


def committed_rows(rows: bytes) -> Callable[[Path], None]:
    """Return a damage that has the checkpoints commit other rows, with hashes that fit."""

    def damage(run: Path) -> None:
        (run / "metrics.jsonl").write_bytes(rows)
        digest = hashlib.sha256(rows).hexdigest()
        meta(metrics_length=len(rows), metrics_sha256=digest)(run)

    return damage


def rows(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Return a damage that changes all rows, with hashes that fit."""

    def damage(run: Path) -> None:
        found = [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]
        for row in found:
            change(row)
        committed_rows(b"".join(msgspec.json.encode(row) + b"\n" for row in found))(run)

    return damage


def alternating(row: dict[str, Any]) -> None:
    row["train_cost"] = row["validation_cost"] = (-1) ** row["epoch"] * 1.7e308


def data(**keys: Any) -> Callable[[Path], None]:  # noqa: ANN401 - any JSON
    return replaced("run.json", resealed(lambda tree: tree["data"].update(keys)))


def other_classes(run: Path) -> None:
    """Let the config choose two of the three classes that the data has, with a digest that fits."""
    from nnexp.config import canonical, load  # noqa: PLC0415 - NumPy, after its variables are set

    def change(tree: dict[str, Any]) -> None:
        tree["config"]["data"]["classes"] = [0, 1]
        tree["config_sha256"] = canonical.digest(load.from_builtins(tree["config"], "its config"))

    replaced("run.json", resealed(change))(run)


def noted(epoch: int, seconds: float) -> Callable[[Path], None]:
    """Return a damage that has every epoch, or one, take some seconds."""
    line = {"epoch": epoch, "train_seconds": seconds, "evaluate_seconds": seconds}
    lines = [msgspec.json.encode(line | {"epoch": epoch + k}) + b"\n" for k in range(3)]
    return replaced("timing.jsonl", b"".join(lines))


def appended(row: str) -> Callable[[Path], None]:
    return replaced("metrics.jsonl", lambda content: content + row.encode() + b"\n")


FAR = '{"epoch":3,"learning_rate":0.5,"train_cost":1e999}'
COLOURED = '{"epoch":3,"learning_rate":0.5,"\x1b[31m\u202e":1}'
DEEP = b'{"a":' * 100_000
SECOND = "epoch-000002.npz"

CASES: dict[str, Case] = {
    # run.json
    "run: flipped": Case(replaced("run.json", flipped), "run.json: is damaged", DAMAGED),
    "run: cut": Case(replaced("run.json", halved), "run.json: is damaged", DAMAGED),
    "run: empty": Case(replaced("run.json", b""), "run.json: is damaged", DAMAGED),
    "run: no JSON": Case(replaced("run.json", b"\x1b[31m\xff"), "run.json: is damaged", DAMAGED),
    "run: a list": Case(replaced("run.json", b"[1]"), "run.json: is damaged", DAMAGED),
    "run: deep": Case(replaced("run.json", DEEP), "run.json: is damaged", DAMAGED),
    "run: deep and closed": Case(
        replaced("run.json", DEEP + b"1" + b"}" * 100_000), "run.json: is damaged", DAMAGED
    ),
    "run: a large number": Case(
        replaced("run.json", b'{"schema":' + b"9" * 4000 + b"}"), "run.json: is damaged", DAMAGED
    ),
    "run: infinite": Case(replaced("run.json", b'{"schema":1e999}'), "is damaged", DAMAGED),
    "run: many values": Case(
        replaced("run.json", b'{"a":[' + b"[]," * 300_000 + b"1]}"), "is damaged", DAMAGED
    ),
    "run: enormous": Case(sparse("run.json", 10 << 30), "more than the 1048576", DAMAGED),
    "run: missing": Case(
        lambda run: (run / "run.json").unlink(), "is not a run: it has no run.json", DAMAGED
    ),
    "run: newer": Case(run_json(schema=999), "was written by a newer nnexp (schema 999", DAMAGED),
    "run: newest": Case(run_json(schema=2**63), "was written by a newer nnexp", DAMAGED),
    "run: a schema of text": Case(run_json(schema="\x1b[31m"), "run.json: is damaged", DAMAGED),
    "run: an unknown key": Case(run_json(**{"\x1b[31m\u202e": 1}), "\\x1b[31m\\u202e", DAMAGED),
    "run: no data": Case(run_json(data=None), "run.json: is damaged", DAMAGED),
    "run: a list of data": Case(run_json(data=[1, 2]), "run.json: is damaged", DAMAGED),
    "run: half an example": Case(
        replaced("run.json", resealed(lambda tree: tree["data"].update(train=0.5))),
        "run.json: is damaged",
        DAMAGED,
    ),
    "run: a name elsewhere": Case(run_json(name="../../x"), "run.json: is damaged", DAMAGED),
    "run: a name that colours": Case(run_json(name="\x1b[31m"), "is damaged", DAMAGED),
    "run: a name in two lines": Case(run_json(name="a\n"), "is damaged", DAMAGED),
    "run: a long name": Case(run_json(name="x" * 101), "is damaged", DAMAGED),
    # its config
    **{
        f"config: {name}": Case(
            damage, told, {"train": 5, "compare": 5, "evaluate": 5, "verify": 5} | SHOWN
        )
        for name, damage, told in (
            ("none", run_json(config={}), "its config does not match its checksum"),
            ("other", config("epochs", 4), "its config does not match its checksum"),
            ("unknown key", config("\x1b[31m", 1), "unknown key '\\x1b[31m'"),
            ("wrong type", config("hidden", "many"), "hidden: must be a list"),
            ("out of range", config("epochs", 10**15), "epochs: must be"),
            ("enormous", config("hidden", [10**6, 10**6]), "GiB of memory to train"),
            ("impossible", config("cost", "log-likelihood"), "log-likelihood"),
            ("deep", config("hidden", json.loads("[" * 200 + "]" * 200)), "hidden[0]: must be"),
            ("other data", config("data", {"name": "npz", "file": "/dev/zero"}), "checksum"),
        )
    },
    # result.json
    "result: flipped": Case(replaced("result.json", flipped), "is damaged", DAMAGED, True),
    "result: cut": Case(replaced("result.json", halved), "is damaged", DAMAGED, True),
    "result: newer": Case(result_json(schema=999), "a newer nnexp", DAMAGED, True),
    "result: another status": Case(result_json(status="\x9b31m"), "is damaged", DAMAGED, True),
    "result: many epochs": Case(result_json(epochs=[1] * 9), "is damaged", DAMAGED, True),
    "result: a wrong row": Case(result_json(best={"epoch": 0}), "is damaged", DAMAGED, True),
    "result: a cost alone": Case(result_json(test_accuracy=None), "", READ, True),
    "result: an accuracy alone": Case(result_json(test_cost=None), "", READ, True),
    "result: more than all": Case(result_json(test_accuracy=1.5), "is damaged", DAMAGED, True),
    "result: half diverged": Case(
        result_json(reason="diverged"), "reason and fault contradict", DAMAGED, True
    ),
    "result: no hashes": Case(
        result_json(files={}), "its checksum does not match", ROWS | {"runs": 0}, True
    ),
    # metrics.jsonl
    "metrics: flipped": Case(
        replaced("metrics.jsonl", lambda c: c.replace(b"epoch", b"ep\x1bch", 1)),
        "metrics.jsonl",
        ROWS | CHECKPOINT,
    ),
    "metrics: infinite": Case(appended(FAR), "", SOUND),
    "metrics: nan": Case(appended(FAR.replace("1e999", "NaN")), "", SOUND),
    "metrics: twice": Case(replaced("metrics.jsonl", lambda c: c * 2), "", SOUND),
    "metrics: the first epoch": Case(appended(FAR.replace("3", "0")), "", SOUND),
    "metrics: the last epoch": Case(appended(FAR.replace("3", "9" * 18)), "", SOUND),
    "metrics: many digits": Case(appended(FAR.replace("3", "9" * 9999)), "", SOUND),
    "metrics: coloured": Case(appended(COLOURED), "", SOUND),
    "metrics: deep": Case(appended('{"a":' * 50_000), "", SOUND),
    "metrics: a list": Case(appended("[1]"), "", SOUND),
    "metrics: enormous": Case(
        sparse("metrics.jsonl", 10 << 30), "more than the", ROWS | CHECKPOINT
    ),
    "metrics: gone": Case(replaced("metrics.jsonl", b""), "rows in", CHECKPOINT | ROWS),
    "metrics: huge": Case(
        rows(lambda row: row.update(train_cost=1.7e308, validation_cost=1.7e308)), "", READ
    ),
    "metrics: huge, up and down": Case(rows(alternating), "", READ),
    "metrics: huge norms": Case(
        rows(lambda row: row.update(weight_norms=[1.7e308], gradient_norms=[1.7e308])), "", READ
    ),
    "metrics: more than all": Case(
        rows(lambda row: row.update(validation_accuracy=1.5)), "metrics.jsonl", ROWS | CHECKPOINT
    ),
    "metrics: fewer than no neuron": Case(
        rows(lambda row: row.update(saturation=[0.5, -1.0])), "metrics.jsonl", ROWS | CHECKPOINT
    ),
    "metrics: not in every row": Case(
        rows(lambda row: row.pop("validation_accuracy") if row["epoch"] == 1 else None),
        "epoch 2 has other metrics than epoch 1",
        ROWS | CHECKPOINT,
    ),
    # timing.jsonl
    "timing: for ever": Case(noted(1, 1e308), "", READ, True),
    "timing: backwards": Case(noted(1, -1.0), "", READ, True),
    "timing: before the first epoch": Case(noted(0, 1.0), "", READ),
    # its data
    "data: fewer than none": Case(data(features=-1), "run.json: is damaged", DAMAGED),
    "data: more than there are": Case(data(test=2**63), "run.json: is damaged", DAMAGED),
    "data: no class": Case(data(classes=0), "run.json: is damaged", DAMAGED),
    "data: a billion classes": Case(data(classes=10**9), "run.json: is damaged", DAMAGED),
    "data: many classes": Case(data(classes=10_000), "", {"show": 5, "report": 5}, True),
    "data: other classes": Case(
        other_classes, "its config has other classes than its data", DAMAGED | {"runs": 0}, True
    ),
    # checkpoints
    "checkpoints: flipped": Case(
        replaced("checkpoints/*", lambda c: b"Q" + c[1:]), SECOND, CHECKPOINT | ROWS
    ),
    "checkpoints: cut": Case(replaced("checkpoints/*", halved), SECOND, CHECKPOINT),
    "checkpoints: empty": Case(replaced("checkpoints/*", b""), SECOND, CHECKPOINT | ROWS),
    "checkpoints: enormous": Case(sparse("checkpoints/*", 1 << 30), SECOND, CHECKPOINT),
    "checkpoints: other shapes": Case(
        arrays(lambda a: a.update(weights_1=np.zeros((10, 6), np.float32))),
        "weights_1 must be float32 of shape (10, 5), got float32 of shape (10, 6)",
        CHECKPOINT,
    ),
    "checkpoints: other types": Case(
        arrays(lambda a: a.update(weights_1=a["weights_1"].astype(float))),
        "weights_1 must be float32",
        CHECKPOINT,
    ),
    "checkpoints: other names": Case(
        arrays(lambda a: a.update({"\x1b[31m": a.pop("weights_1")})), SECOND, CHECKPOINT
    ),
    "checkpoints: one more": Case(
        arrays(lambda a: a.update({"\x1b[31m\u202e": a["weights_1"]})),
        "unknown array '\\x1b[31m\\u202e'",
        CHECKPOINT,
    ),
    "checkpoints: pickled": Case(
        arrays(lambda a: a.update(weights_1=np.array([{}], object))),
        "is not a plain array of numbers",
        CHECKPOINT,
    ),
    "checkpoints: other values": Case(
        replaced("checkpoints/*", without_weights),
        SECOND,
        CHECKPOINT,
    ),
    "checkpoints: newer": Case(meta(schema=999), "a newer nnexp (schema 999)", CHECKPOINT | ROWS),
    "checkpoints: another epoch": Case(meta(epoch=7), "another epoch or run", CHECKPOINT | ROWS),
    "checkpoints: another run": Case(
        meta(config_sha256="0"), "another epoch or run", CHECKPOINT | ROWS
    ),
    "checkpoints: negative": Case(meta(metrics_length=-5), SECOND, CHECKPOINT | ROWS),
    "checkpoints: no rows": Case(committed_rows(b""), SECOND, CHECKPOINT | ROWS),
    "checkpoints: no rows at all": Case(
        committed_rows(b"{}\n"), "metrics.jsonl", CHECKPOINT | ROWS
    ),
    "checkpoints: half a row": Case(committed_rows(b'{"epoch":2'), SECOND, CHECKPOINT | ROWS),
    "checkpoints: gone": Case(
        lambda run: shutil.rmtree(run / "checkpoints"), "checkpoints: is missing", CHECKPOINT
    ),
    "checkpoints: a file": Case(
        file("checkpoints"),
        "checkpoints: is not",
        CHECKPOINT,
    ),
    # What is no file
    **{
        f"{kind.__name__}: {name}": Case(
            kind(name),
            f"{name}: is ",
            codes,
        )
        for name, codes in (
            ("run.json", DAMAGED),
            ("result.json", DAMAGED),
            ("metrics.jsonl", ROWS | CHECKPOINT),
            ("LOCK", {"train": 5}),
            ("log.txt", {"train": 5}),
            ("timing.jsonl", {"train": 5}),
            ("checkpoints/.epoch-000003.npz.tmp", {"train": 5}),
            ("checkpoints/epoch-000002.npz", ROWS | {"evaluate": 5}),
        )
        for kind in (device, fifo, folder)
    },
    "link: checkpoints": Case(moved_checkpoints, "checkpoints: is a symbolic link", CHECKPOINT),
    "link: run.json to itself": Case(link("run.json", "run.json"), "symbolic link", DAMAGED),
    "link: run.json to a run's": Case(link("run.json", "../other/run.json"), "link", DAMAGED),
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unfinished and a finished run, made once."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def runs(hostile: Hostile, trained: Path) -> Callable[[Case], Path]:
    """Return how a case's run is put into the folder, beside a sound one."""

    def put(case: Case) -> Path:
        for name, arguments in (("begun", ("--until", "2")), ("done", ())):
            if not (trained / name).exists():
                called = hostile.bench("train", "tiny.yaml", "--name", "hostile", "-q", *arguments)
                assert called.code == 0
                (hostile.folder / RUN).rename(trained / name)
        shutil.copytree(trained / "done", hostile.folder / OTHER)
        shutil.copytree(trained / ("done" if case.finished else "begun"), hostile.folder / RUN)
        case.damage(hostile.folder / RUN)
        return hostile.folder / RUN

    return put


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_run_is_told_and_left_alone(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    case = CASES[name]
    runs(case)
    for command, code in case.codes.items():
        late = command == "train" and name.startswith("folder: ") and name.endswith(LATE)
        told = case.told if code else ""
        changes = late or (command == "report" and code == 0)
        hostile.holds(*COMMANDS[command], code=code, told=told, changes=changes)


LATE = ("log.txt", "timing.jsonl", ".epoch-000003.npz.tmp")
"""Files that are first met in the course of training, when others have been written."""


@pytest.mark.parametrize(
    "name",
    [
        *("run: deep and closed", "run: many values", "run: enormous", "config: enormous"),
        *("metrics: enormous", "checkpoints: enormous", "fifo: LOCK", "device: metrics.jsonl"),
    ],
)
def test_a_process_takes_neither_time_nor_memory_for_a_run(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    runs(CASES[name])
    hostile.process_holds(*COMMANDS["train"], code=5, told=CASES[name].told)


@pytest.mark.parametrize("name", ["run: flipped", "run: enormous", "fifo: run.json", "run: newest"])
def test_a_hostile_run_hides_no_other(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    runs(CASES[name])
    listed = json.loads(hostile.holds("runs", "--each", "--json", code=1, told="").out)
    assert [(entry["name"], entry["status"]) for entry in listed] == [
        ("hostile", "damaged"),
        ("other", "finished"),
    ]


@pytest.mark.parametrize("name", ["log.txt", "timing.jsonl", "metrics.jsonl", "LOCK"])
def test_nothing_is_written_through_a_link(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    target = hostile.folder / "precious"
    target.write_text("as it was")
    runs(Case(link(name, "../../precious"), "", {}))
    assert hostile.bench(*COMMANDS["train"]).code == 5
    assert target.read_text() == "as it was"


@pytest.mark.parametrize(
    "write", [disk.write, partial(disk.append, sync=True), disk.write_atomically]
)
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_every_write_looks_where_it_goes(
    tmp_path: Path, kind: str, write: Callable[[Path, bytes], None]
) -> None:
    """A run is looked through before it is written to; this holds even when that came too early."""
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    for name in ("file", ".file.tmp"):
        (link(name, "precious") if kind == "link" else fifo(name))(tmp_path)
    with pytest.raises(CorruptError, match=r"file.*: is (a symbolic|not a reg)"):
        write(tmp_path / "file", b"other")
    assert precious.read_text() == "as it was"


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "checkpoints"])
def test_nothing_is_built_through_a_link(hostile: Hostile, name: str) -> None:
    """A run is built beside its place; what is prepared there must not lead elsewhere."""
    precious = hostile.folder / "precious"
    precious.mkdir()
    (precious / name).write_text("as it was")
    (hostile.folder / "runs").mkdir()
    (hostile.folder / "runs/.hostile.new").symlink_to("../precious")
    said = hostile.holds(*COMMANDS["train"], code=5, told="is a symbolic link", changes=True)
    assert "runs/.hostile.new" in said.err
    assert (precious / name).read_text() == "as it was"
    assert [path.name for path in precious.iterdir()] == [name]


@pytest.mark.parametrize("target", ["nowhere", "hostile", "/dev/null", "../tiny.npz"])
def test_a_run_s_name_that_leads_elsewhere_is_no_run(hostile: Hostile, target: str) -> None:
    (hostile.folder / "runs").mkdir()
    (hostile.folder / RUN).symlink_to(target)
    hostile.holds(*COMMANDS["train"], code=5, told="is not a run")


@pytest.mark.parametrize("kind", ["file", "fifo", "folder"])
def test_a_run_s_name_that_is_something_else_is_no_run(hostile: Hostile, kind: str) -> None:
    (hostile.folder / "runs").mkdir()
    {"file": file, "fifo": fifo, "folder": folder}[kind](RUN)(hostile.folder)
    hostile.holds(*COMMANDS["train"], code=5, told="is not a run")


def strings(tree: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """Return all strings in a JSON value."""
    if isinstance(tree, dict | list):
        inner = tree.values() if isinstance(tree, dict) else tree
        return [text for each in inner for text in strings(each)]
    return [tree] if isinstance(tree, str) else []


STRANGE = ["\x1b[31m", "a\u202eb", "a\nb", "a$\\frac{$b", "<script>", "_nolegend_", "\udcff", "a b"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_run_directory_s_name_reaches_no_terminal_as_it_is(
    hostile: Hostile, runs: Callable[[Case], Path], name: str
) -> None:
    runs(Case(lambda _: None, "", {}, finished=True))
    (hostile.folder / RUN).rename(hostile.folder / "runs" / name)
    place = f"runs/{name}"
    for command in ("compare", "replay", "evaluate", "verify"):
        words = [place if word == RUN else word for word in COMMANDS[command]]
        hostile.holds(*words, code=0, told="")
        said = hostile.holds(*words, "--json", code=0, told="")
        assert place in json.dumps(json.loads(said.out), ensure_ascii=False).replace(
            "\\\\", "\\"
        ) or (not name.isprintable() or "\\" in name)
    listed = hostile.holds("runs", code=0, told="")
    assert listed.out.count("\n") == 2, "only the sound one has a name that runs have"
    said = hostile.bench("compare", place, OTHER, "--plot", "curves.svg")
    assert said.code == 0
    assert "<script>" not in (hostile.folder / "curves.svg").read_text()


@pytest.mark.parametrize("place", ["", ".", "..", "x" * 300, "tiny.npz", "/dev/null", "/"])
@pytest.mark.parametrize("command", ["compare", "replay", "evaluate", "verify"])
def test_a_place_that_is_no_run_is_told(hostile: Hostile, command: str, place: str) -> None:
    words = [place if word in (RUN, OTHER) else word for word in COMMANDS[command]]
    said = hostile.bench(*words)
    assert said.code in (2, 5)
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == 1
    assert "there is no such run" in said.err or "is not a run" in said.err


def test_what_the_cases_are_made_of_is_sound(
    hostile: Hostile, runs: Callable[[Case], Path]
) -> None:
    """Each case differs from a run that is fine; and resealing alone changes nothing."""
    path = runs(Case(run_json(), "", {}))
    meta()(path)
    arrays(lambda _: None)(path)
    for words in COMMANDS.values():
        assert hostile.bench(*words).code == 0
    assert records.LIMIT == 1 << 20


def test_there_are_as_many_hostile_files_as_promised() -> None:
    assert len(CASES) >= 40


# What a run tells of who made it


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
    for path in (bench.folder / "runs/n").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        found = [word for word in words if word.encode() in content]
        assert not found, f"{path.name} tells {found}"


def test_a_run_holds_the_files_and_keys_that_are_documented(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    run = bench.folder / "runs/n"
    assert sorted(path.name for path in run.iterdir()) == [
        *("LOCK", "checkpoints", "config.yaml", "log.txt", "metrics.jsonl", "predictions.npz"),
        *("result.json", "run.json", "timing.jsonl"),
    ]
    record = json.loads((run / "run.json").read_text())
    assert list(record) == [
        *("schema", "name", "config", "config_sha256", "data", "versions", "numerics", "checksum"),
    ]
    assert list(record["versions"]) == list(Versions.__struct_fields__)
    assert list(record["data"]) == [
        *("sha256", "train", "validation", "test", "features", "classes"),
    ]
    assert record["config"]["data"]["file"] == "tiny.npz"

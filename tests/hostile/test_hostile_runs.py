"""Commands refuse run directories that are damaged or made up, and leave them unchanged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.store import records
from tests.hostile.damage import (
    COMMANDS,
    OTHER,
    RUN,
    Case,
    alternating,
    appended,
    arrays,
    committed_rows,
    config,
    data,
    device,
    fifo,
    file,
    flipped,
    folder,
    halved,
    link,
    meta,
    moved_checkpoints,
    noted,
    other_classes,
    replaced,
    resealed,
    result_json,
    rows,
    run_json,
    sparse,
    without_weights,
)

if TYPE_CHECKING:
    from tests.hostile.conftest import Hostile

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
    "result: no hashes": Case(result_json(files={}), "its checksum does not match", ROWS, True),
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
    "metrics: deep": Case(appended('{"a":' * 10_000), "", SOUND),
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
        "'weights_1' holds Python objects",
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


@pytest.mark.slow
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
        ("hostile-s0", "damaged"),
        ("other", "finished"),
    ]


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
    hostile.holds("runs", "--each", code=0, told="")
    assert len(json.loads(hostile.holds("runs", "--each", "--json", code=0, told="").out)) == 2
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

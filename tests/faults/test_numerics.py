"""The fingerprint of floating-point arithmetic, and runs resumed under a different one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from nnexp import numerics
from nnexp.native import availability
from nnexp.runner import backends
from nnexp.runner.assembly import Assembly
from nnexp.training.history import Row, stretches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nnexp.training.state import TrainingState
    from tests.conftest import Bench, Said

OTHER = "f" * 64

CORES = ("Prescott", "SandyBridge", "Haswell", "Zen", "SkylakeX")
"""Kernels of OpenBLAS; of those a machine has, Haswell's and Zen's are the same."""

PROBE = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
from nnexp.runner import backends, train
from nnexp.config import load

def digest(text, folder):
    run = train.train(load.parse(text, "config"), folder)
    total = hashlib.sha256((run.path / "metrics.jsonl").read_bytes())
    for path in sorted((run.path / "checkpoints").iterdir()):
        with np.load(path) as arrays:
            for name in sorted(set(arrays.files) - {"meta"}):
                total.update(arrays[name].tobytes())
    return total.hexdigest()

trained = [digest(text, Path(sys.argv[1])) for text in sys.argv[2:]]
print(json.dumps([backends.fingerprint(backends.chosen()), trained]))
"""

DATA = "data: {name: mnist, train: 200, validation: 100, test: 100}\n"
NORMS = "monitor: [train, norms]\npatience: null\n"
FLOAT32 = (
    f"{DATA}epochs: 1\n",
    f"{DATA}epochs: 2\ndropout: 0.5\noptimizer: adam\nschedule: cosine\n{NORMS}",
)
CONFIGS = (
    f"{DATA}epochs: 1\n",
    f"{DATA}epochs: 1\ndtype: float64\nactivation: tanh\n",
    f"{DATA}epochs: 2\ndtype: float64\noptimizer: l-bfgs\n",
    f"{DATA}epochs: 1\nbatch_size: 1\noutput: softmax\ncost: log-likelihood\noptimizer: adam\n",
)


def settings() -> list[dict[str, str]]:
    """Return the ways in which this machine can be made to compute otherwise."""
    features = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    without = [" ".join(features[start:]) for start in range(len(features))]
    return [
        {},
        *({"OPENBLAS_CORETYPE": core} for core in CORES),
        *({"NPY_DISABLE_CPU_FEATURES": names} for names in without),
    ]


def probed(
    folder: Path, configs: Sequence[str], backend: str, settings: Sequence[dict[str, str]]
) -> dict[str, set[str]]:
    """Train configs in every setting; return the digests of the trainings by fingerprint."""
    found: dict[str, set[str]] = {}
    tried = 0
    for number, setting in enumerate(settings):
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(folder / str(number)), *configs],
            env=os.environ | setting | {"NNEXP_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode < 0 or "no kernels named" in done.stderr:
            continue  # this processor lacks what the kernel takes
        assert done.returncode == 0, done.stderr
        fingerprint, trained = json.loads(done.stdout)
        tried += 1
        found.setdefault(fingerprint, set()).add(json.dumps(trained))
    print(f"{tried} settings, {len(found)} fingerprints")  # noqa: T201 - the docs' counts
    return found


@pytest.mark.slow
@pytest.mark.skipif(availability.why_unavailable() is not None, reason="there are no kernels")
def test_the_native_backend_has_one_fingerprint_and_the_same_bytes(tmp_path: Path) -> None:
    kinds = ("avx512", "avx2", "neon")
    changes = [*settings(), *({"NNEXP_NATIVE_KERNELS": name} for name in kinds)]
    ((_, trained),) = probed(tmp_path, FLOAT32, "native", changes).items()
    assert len(trained) == 1


@pytest.mark.slow
def test_fingerprints_are_equal_where_bytes_are(tmp_path: Path) -> None:
    """Equal fingerprints, equal bytes of every training; others, and some training differs."""
    found = probed(tmp_path, CONFIGS, "numpy", settings())
    assert all(len(trained) == 1 for trained in found.values())
    assert len(set.union(*found.values())) == len(found)
    if len(found) == 1:
        pytest.skip("nothing changes this machine's arithmetic: only one direction was tested")


def test_the_fingerprint_is_the_same_each_time() -> None:
    assert numerics.fingerprint.__wrapped__() == numerics.fingerprint()


def test_the_fingerprint_is_computed_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks first: it is cached, and a program that imports nnexp may use more."""
    threads: set[int] = set()

    def dot(*arguments: Any) -> object:  # noqa: ANN401 - any array
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return exact(*arguments)

    exact = np.dot
    monkeypatch.setattr(np, "dot", dot)
    with threadpool_limits(2, user_api="blas"):
        numerics.fingerprint.__wrapped__()
    assert threads == {1}


def test_blas_has_one_thread_and_then_those_of_the_caller() -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        for _ in range(2):
            with numerics.one_thread():
                assert threads() == {1}
            assert threads() == {2}


def test_a_module_may_bring_another_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SciPy does, of which only some optimizers import a part."""
    searches: list[None] = []

    def search() -> ThreadpoolController:
        searches.append(None)
        return ThreadpoolController()

    monkeypatch.setattr("threadpoolctl.ThreadpoolController", search)
    monkeypatch.setitem(sys.modules, "a module", sys)
    for name in ("another module", "a third module", "a third module"):
        monkeypatch.setitem(sys.modules, name, sys)
        with numerics.one_thread():
            pass
    assert len(searches) == 2


@pytest.mark.parametrize("function", ["exp", "tanh", "log1p", "dot"])
def test_one_other_last_bit_is_another_fingerprint(
    monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    fingerprint = numerics.fingerprint.__wrapped__  # each time anew
    before, exact = fingerprint(), getattr(np, function)

    def off(*arguments: object) -> object:
        values = exact(*arguments)
        values.flat[0] = np.nextafter(values.flat[0], np.inf, dtype=values.dtype)
        return values

    monkeypatch.setattr(np, function, off)
    assert fingerprint() != before


# A run that goes on under another


def nudged(state: TrainingState) -> TrainingState:
    np.multiply(state.parameters, 1.001, out=state.parameters)
    return state


def goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Said:
    """Train under arithmetic that calls itself OTHER."""
    with monkeypatch.context() as patch:
        patch.setattr(backends, "fingerprint", lambda _: OTHER)
        return bench("train", "tiny.yaml", "--name", "n", *arguments)


@pytest.fixture
def changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A finished run of three epochs, the last two under other arithmetic than the first."""
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    bench("train", "tiny.yaml", "--name", "n", "--until", "1", "-q")
    assert goes_on(bench, monkeypatch, "--other-numerics", "-q").code == 0
    return bench


def test_going_on_is_refused_unless_told_otherwise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("train", "tiny.yaml", "--name", "n", "--until", "1", "-q")
    before = bench.files("runs/n-s0")
    told = (
        "runs/n-s0: this machine's numerics differ from the run's in the last digits; "
        "train again under another --name, or resume with --other-numerics\n"
    )
    assert goes_on(bench, monkeypatch, "-q") == (6, "", told)
    assert bench.files("runs/n-s0") == before
    code, out, err = goes_on(bench, monkeypatch, "--other-numerics")
    assert (code, out) == (0, "runs/n-s0\n")
    backend = json.loads((bench.folder / "runs/n-s0/run.json").read_text())["backend"]
    assert err.startswith(
        f"warning: runs/n-s0: from epoch 2 on, the {backend} backend trains with other last digits "
        "than before; the run records the change\nruns/n-s0: resuming after epoch 1\n"
    )


def test_the_epochs_under_another_say_so_and_the_record_keeps_the_first(changed: Bench) -> None:
    lines = (changed.folder / "runs/n-s0/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("numerics") for line in lines] == [None, OTHER, OTHER]
    straight = changed.files("straight/n-s0")
    assert lines[0].encode() == straight["metrics.jsonl"].splitlines()[0]
    assert changed.files("runs/n-s0")["run.json"] == straight["run.json"]
    assert b"numerics" not in straight["metrics.jsonl"] + straight["result.json"]
    result = json.loads((changed.folder / "runs/n-s0/result.json").read_text())
    assert (result["numerics"], result["final"]["numerics"]) == (OTHER, OTHER)


def test_it_is_told_once_for_each_change(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back on the first machine it is a change again, and on the second it was none."""
    bench("train", "tiny.yaml", "--name", "n", "--until", "1", "-q")
    assert goes_on(bench, monkeypatch, "--other-numerics", "--until", "2", "-q").code == 0
    assert bench("train", "tiny.yaml", "--name", "n", "-q").code == 6
    assert goes_on(bench, monkeypatch, "--until", "2", "-q") == (0, "runs/n-s0\n", "")
    assert bench("train", "tiny.yaml", "--name", "n", "--other-numerics", "-q").code == 0
    bench("train", "tiny.yaml", "--name", "m", "--until", "1", "-q")
    said = json.loads(bench("compare", "runs/n-s0", "runs/m-s0", "--json").out)["experiments"]
    assert [each["since"] for each in said["A"]["numerics"][0]] == [1, 2, 3]
    text = bench("compare", "runs/n-s0", "runs/m-s0").out
    assert "runs/n-s0 was trained under 2 numerics: they changed with epoch 2, 3\n" in text


def test_arithmetic_under_which_nothing_was_trained_does_not_count() -> None:
    """Of two epochs an evaluation, the second was trained under OTHER; the first under nothing."""
    rows = [Row(epoch=epoch, learning_rate=0.5, numerics=OTHER) for epoch in (2, 4)]
    assert stretches("0" * 64, rows) == [(1, OTHER)]
    first = Row(epoch=2, learning_rate=0.5)
    assert stretches("0" * 64, [first, *rows[1:]]) == [(1, "0" * 64), (3, OTHER)]
    assert stretches("0" * 64, []) == [(1, "0" * 64)]


def test_the_epoch_that_was_not_committed_does_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged checkpoint takes the run back before the change: what is trained then says so."""
    bench("train", "tiny.yaml", "--name", "n", "--until", "1", "-q")
    goes_on(bench, monkeypatch, "--other-numerics", "--until", "2", "-q")
    (bench.folder / "runs/n-s0/checkpoints/epoch-000002.npz").write_bytes(b"")
    assert bench("train", "tiny.yaml", "--name", "n", "-q").code == 0
    bench("train", "tiny.yaml", "--runs", "straight", "--name", "n", "-q")
    assert bench.files("runs/n-s0") == bench.files("straight/n-s0")


def test_a_run_that_only_lacks_its_result_is_measured_under_another_when_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("train", "tiny.yaml", "--name", "n", "-q")
    (bench.folder / "runs/n-s0/result.json").unlink()
    assert goes_on(bench, monkeypatch, "-q").code == 6
    assert goes_on(bench, monkeypatch, "--other-numerics", "-q").code == 0
    result = json.loads((bench.folder / "runs/n-s0/result.json").read_text())
    assert result["numerics"] == OTHER


def test_compare_says_since_which_epoch(changed: Bench) -> None:
    text = changed("compare", "straight/n-s0", "runs/n-s0").out
    assert "\nnote: runs/n-s0 was trained under 2 numerics: they changed with epoch 2\n" in text
    assert "straight/n-s0 was trained" not in text
    first = json.loads((changed.folder / "runs/n-s0/run.json").read_text())["numerics"]
    said = json.loads(changed("compare", "straight/n-s0", "runs/n-s0", "--json").out)["experiments"]
    start = {"since": 1, "numerics": first}
    assert said["A"]["numerics"] == [[start]]
    assert said["B"]["numerics"] == [[start, {"since": 2, "numerics": OTHER}]]


def test_verify_compares_the_numbers_of_such_a_run(changed: Bench) -> None:
    """The name of the arithmetic was made up here; so all numbers come out the same."""
    said = changed("verify", "runs/n-s0", "-q")
    expected = "runs/n-s0: the same numbers, though its numerics changed with epoch 2\n"
    assert said == (0, expected, "")
    told = json.loads(changed("verify", "runs/n-s0", "-q", "--json").out)
    assert (told["identical"], told["same_numerics"]) == (True, False)


def test_verify_names_the_change_where_the_numbers_differ(
    changed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial = Assembly.initial
    monkeypatch.setattr(Assembly, "initial", lambda self, _: nudged(initial(self)))
    code, _, err = changed("verify", "runs/n-s0", "-q")
    assert code == 7
    assert err.startswith("runs/n-s0: trained again it differs: in epoch 1, ")
    assert err.endswith("(its numerics changed with epoch 2)\n")

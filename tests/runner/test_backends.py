"""The choice of a backend, what a run records of it, and that both train the same networks."""

from __future__ import annotations

import gc
import json
import os
import weakref
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from nnexp.config import load
from nnexp.config.model import CheckedConfig, Config
from nnexp.datasets.dataset import Dataset, Split
from nnexp.errors import UsageError
from nnexp.native import availability
from nnexp.native.availability import VARIABLE
from nnexp.nn.activations import ActivationName
from nnexp.nn.costs import COSTS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.outputs import OutputName
from nnexp.nn.penalties import RegularizerName
from nnexp.optim.adam import Adam
from nnexp.optim.optimizers import MiniBatchOptimizer
from nnexp.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    HalveOnPlateau,
    Piecewise,
    Schedule,
    Step,
)
from nnexp.optim.sgd import Momentum, Nesterov, Sgd
from nnexp.runner import backends
from nnexp.runner.assembly import Assembly
from nnexp.store.records import BackendName
from nnexp.streams import Network2
from nnexp.training.state import NotFiniteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Bench

needs_kernels = pytest.mark.skipif(
    availability.why_unavailable() is not None, reason="the native extension is not built"
)
OPTIMIZERS = (Sgd(), Momentum(), Nesterov(), Adam())
SCHEDULES = (
    Constant(),
    Step(),
    Exponential(),
    Cosine(),
    HalveOnPlateau(),
    Piecewise({1: 0.1, 2: 0.5}),
)
MONITOR = ("train", "validation", "test", "saturation", "norms", "running_cost")


def checked(**keys: Any) -> CheckedConfig:  # noqa: ANN401 - of any key
    return load.check(Config(**keys))


def kinds() -> Iterator[tuple[ActivationName, OutputName, str]]:
    """Yield the combinations of activation, output and cost that a config allows."""
    for activation, (cost, outputs) in product(get_args(ActivationName), COSTS.items()):
        for output in outputs:
            yield activation, output, cost


def configs() -> Iterator[CheckedConfig]:
    """Yield a config for every value of every key that decides what is computed in float32."""
    for activation, output, cost in kinds():
        yield checked(activation=activation, output=output, cost=cost)
    for optimizer, schedule in product(OPTIMIZERS, SCHEDULES):
        rate = None if isinstance(schedule, Piecewise) else 0.1
        yield checked(optimizer=optimizer, schedule=schedule, learning_rate=rate, patience=None)
    for regularizer, dropout in product(get_args(RegularizerName), (0.0, 0.5)):
        yield checked(regularizer=regularizer, dropout=dropout, lambda_=1.0)
    for initializer in INITIALIZERS:
        yield checked(initializer=initializer)
    for hidden in ((), (1,), (5,) * 100, (1000,)):
        yield checked(hidden=hidden)
    for batch_size in (1, 7, 5000, "all"):
        yield checked(batch_size=batch_size)
    yield checked(monitor=MONITOR)


def test_the_lists_above_are_complete() -> None:
    assert {type(optimizer) for optimizer in OPTIMIZERS} == set(get_args(MiniBatchOptimizer))
    assert {type(schedule) for schedule in SCHEDULES} == set(get_args(Schedule))


@needs_kernels
def test_native_trains_every_float32_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "native")
    fallbacks = [config for config in configs() if backends.choose(config) != "native"]
    assert not fallbacks


@needs_kernels
@pytest.mark.parametrize("choice", ["auto", "native"])
@pytest.mark.parametrize("keys", [{"dtype": "float64"}, {"rng": Network2()}], ids=str)
def test_numpy_alone_trains_some(
    monkeypatch: pytest.MonkeyPatch, choice: str, keys: dict[str, Any]
) -> None:
    monkeypatch.setenv(VARIABLE, choice)
    assert backends.choose(checked(**keys)) == "numpy"


def test_what_is_missing_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "why_unavailable", lambda: "it is not built")
    code, out, err = bench("train", "tiny.yaml", "--backend", "native")
    assert (code, out, err) == (2, "", "the native backend is not available: it is not built\n")
    assert not (bench.folder / "runs").exists()
    monkeypatch.setenv(VARIABLE, "native")
    assert bench("--version").out.endswith(
        "backend: none (native is not available: it is not built)\n"
    )
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv(availability.KERNELS, "avx1024")
    assert bench("train", "tiny.yaml") == (2, "", "it is not built\n")
    monkeypatch.delenv(availability.KERNELS)
    told = "numpy trains, and slowly, since the native backend is not available: it is not built"
    assert bench("train", "tiny.yaml", "-q").err == f"warning: {told}\n"
    assert bench("train", "tiny.yaml", "--set", "seed=1", "-q").err == "", "the first training only"
    monkeypatch.setenv(VARIABLE, "numpy")
    assert bench("train", "tiny.yaml", "--runs", "others", "-q").err == "", "it was the user's wish"
    assert bench("--version").out.endswith("backend: numpy (NNEXP_BACKEND is numpy)\n")
    monkeypatch.delenv(VARIABLE)
    assert bench("--version").out.endswith(
        "backend: numpy (native is not available: it is not built)\n"
    )


@needs_kernels
def test_the_version_names_the_kernels(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert f"backend: native ({availability.kernels()})\n" in bench("--version").out


def test_another_name_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fortran")
    told = "NNEXP_BACKEND must be auto, native or numpy, got 'fortran'\n"
    assert bench("train", "tiny.yaml") == bench("--version") == (2, "", told)
    with pytest.raises(UsageError):
        availability.chosen()


def recorded(bench: Bench, run: str) -> str:
    record = json.loads((bench.folder / run / "run.json").read_text())
    return str(record["backend"])


@needs_kernels
def test_a_run_is_resumed_by_the_backend_that_began_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for begun_by in ("numpy", "native"):
        name = ("--name", begun_by, "-q")
        straight = ("--runs", "straight", "--backend", begun_by)
        bench("train", "tiny.yaml", *name, *straight)
        bench("train", "tiny.yaml", *name, "--until", "1", "--backend", begun_by)
        assert bench("train", "tiny.yaml", *name).code == 0
        assert recorded(bench, f"runs/{begun_by}-s0") == begun_by
        assert bench.files(f"runs/{begun_by}-s0") == bench.files(f"straight/{begun_by}-s0")
    assert bench.files("runs/numpy-s0") != bench.files("runs/native-s0")


@needs_kernels
def test_a_longer_run_of_a_name_keeps_the_backend(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bench("train", "tiny.yaml", "--name", "x", "--backend", "numpy", "-q")
    said = bench("train", "tiny.yaml", "--name", "x", "--set", "epochs=5")
    assert "runs/x-s0: epochs 1 to 3 are kept" in said.err
    assert recorded(bench, "runs/x-s0") == "numpy"


@needs_kernels
def test_a_longer_run_of_a_name_does_not_change_the_backend(bench: Bench) -> None:
    """Even where another run has as many epochs of the other backend to take over."""
    bench("train", "tiny.yaml", "--name", "x", "--backend", "native", "-q")
    bench("train", "tiny.yaml", "--name", "y", "--set", "epochs=4", "--backend", "numpy", "-q")
    before = bench.files("runs/x-s0")
    said = bench("train", "tiny.yaml", "--name", "x", "--set", "epochs=5", "--backend", "numpy")
    told = (
        "runs/x-s0: was trained by the native backend, so its epochs cannot be kept; "
        "choose another name, or --backend native\n"
    )
    assert said == (4, "", told)
    assert bench.files("runs/x-s0") == before


@needs_kernels
def test_epochs_that_another_backend_trained_are_pointed_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bench("train", "tiny.yaml", "--name", "x", "--backend", "numpy", "-q")
    told = "has epochs of this config by the numpy backend; --backend numpy takes them over"
    longer = ("train", "tiny.yaml", "--set", "epochs=5")
    assert bench(*longer, "-q").err == f"warning: runs/x-s0: {told}\n"
    assert "epochs 1 to 3 are taken from" in bench(*longer, "--name", "z", "--backend", "numpy").err


@needs_kernels
def test_a_finished_run_says_that_another_backend_trained_it(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "x", "--backend", "native", "-q")
    said = bench("train", "tiny.yaml", "--name", "x", "--backend", "numpy")
    assert (said.code, said.err) == (0, "runs/x-s0: already done, by the native backend\n")


@needs_kernels
def test_commands_that_are_printed_name_numpy(bench: Bench) -> None:
    for name, backend in (("x", "numpy"), ("y", "native")):
        keys = ("--set", f"hidden=[{len(name) + (name == 'x')}]")
        bench("train", "tiny.yaml", "--name", name, *keys, "--backend", backend, "-q")
    told = bench("compare", "runs/x-s0", "runs/y-s0").out
    assert "nnexp train runs/x-s0/config.yaml --name x --seeds 5 --backend numpy\n" in told
    assert "nnexp train runs/y-s0/config.yaml --name y --seeds 5\n" in told
    assert bench("report", "runs/x-s0", "runs/y-s0", "-o", "r.html").code == 0
    page = (bench.folder / "r.html").read_text()
    assert "--set seed=0 --backend numpy" in page
    assert "--name y --set seed=0 --backend" not in page


@needs_kernels
def test_to_change_the_backend_is_to_change_the_numerics(bench: Bench) -> None:
    bench("train", "tiny.yaml", "--name", "x", "--until", "1", "-q", "--backend", "native")
    said = bench("train", "tiny.yaml", "--name", "x", "-q", "--backend", "numpy")
    told = (
        "runs/x-s0: the numpy backend's numbers differ from those of native, which trained it; "
        "resume with --backend native, or with --other-numerics\n"
    )
    assert said == (6, "", told)
    wanted = ("--backend", "numpy", "--other-numerics", "--until", "2")
    assert bench("train", "tiny.yaml", "--name", "x", "-q", *wanted).code == 0
    assert bench("train", "tiny.yaml", "--name", "x", "-q") == (0, "runs/x-s0\n", ""), "by numpy"
    rows = (bench.folder / "runs/x-s0/metrics.jsonl").read_text().splitlines()
    assert len({json.loads(row).get("numerics") for row in rows[1:]}) == 1


@needs_kernels
def test_a_run_whose_backend_is_missing_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bench("train", "tiny.yaml", "--name", "x", "--until", "1", "-q", "--backend", "native")
    monkeypatch.setattr(availability, "why_unavailable", lambda: "it is not built")
    told = (
        "runs/x-s0: the numpy backend's numbers differ from those of native, which trained it and "
        "is not available here (it is not built); train again under another --name, or resume with "
        "--other-numerics\n"
    )
    assert bench("train", "tiny.yaml", "--name", "x", "-q") == (6, "", told)


@needs_kernels
def test_native_by_name_and_not_for_this_config(bench: Bench) -> None:
    told = "the native backend cannot train this config: dtype float64 is computed by NumPy alone"
    said = bench("train", "tiny.yaml", "--set", "dtype=float64", "--backend", "native", "-q")
    assert (said.code, said.err) == (0, f"warning: {told}\n")


@needs_kernels
def test_evaluate_says_that_another_backend_measures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench("train", "tiny.yaml", "--name", "x", "-q", "--backend", "native")
    monkeypatch.setattr(availability, "why_unavailable", lambda: "it is not built")
    told = "NumPy measured runs of the native backend, which is not available: it is not built"
    assert bench("evaluate", "runs/x-s0").err == f"warning: {told}\n"


@needs_kernels
def test_data_that_no_job_can_train_on_is_its_own_error(bench: Bench) -> None:
    """The conversion for all forks takes fewer features than the message is about."""
    np.savez(
        bench.folder / "wide.npz",
        x_train=np.zeros((4, 1_100_000), np.uint8),
        y_train=np.array([0, 1, 0, 1]),
    )
    name = bench.config(data={"name": "npz", "file": "wide.npz"}, monitor=["train"], patience=None)
    code, _, err = bench("sweep", name, "--grid", "lambda=0,1", "-j", "2", "-q")
    assert code == 2
    assert "GiB of memory to train; the limit is 8 GiB" in err
    assert "Traceback" not in err


@needs_kernels
def test_seeds_of_both_are_one_experiment_and_compare_says_so(bench: Bench) -> None:
    for seeds, backend in (("0-1", "native"), ("2-3", "numpy")):
        trained = ("--seeds", seeds, "--name", "x", "--backend", backend)
        assert bench("train", "tiny.yaml", *trained, "-q").code == 0
    bench("train", "tiny.yaml", "--name", "y", "--set", "hidden=[4]", "--backend", "native", "-q")
    listed = json.loads(bench("runs", "x*", "--json").out)
    assert [row["seeds"] for row in listed] == [[0, 1, 2, 3]]
    told = bench("compare", "runs/x", "runs/y-s0").out
    note = "the runs of A were trained with different backends (native and numpy), whose numbers"
    assert f"note: {note} differ in the last digits\n" in told
    assert "numerics" not in told
    assert "; backend numpy,\n" in bench("show", "runs/x-s2").out
    assert json.loads(bench("show", "runs/x-s0", "--json").out)["backend"] == "native"


@needs_kernels
@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_verify_trains_again_with_the_backend_of_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    bench("train", "tiny.yaml", "--name", "x", "--backend", backend, "-q")
    assert bench("verify", "runs/x-s0", "-q") == (0, "runs/x-s0: identical\n", "")


@needs_kernels
def test_verify_says_that_it_cannot(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench("train", "tiny.yaml", "--name", "x", "--backend", "native", "-q")
    monkeypatch.setattr(availability, "why_unavailable", lambda: "it is not built")
    code, _, err = bench("verify", "runs/x-s0", "-q")
    assert code == 7
    told = "was trained by the native backend, and is verified with numpy: it is not built"
    assert err.startswith(f"warning: runs/x-s0: {told}\n")


# Both train the same networks


def dataset(density: float, dtype: str = "uint8") -> Dataset:
    """Return 200, 60 and 40 examples of 3 classes with 25 features."""
    rng = np.random.default_rng(0)
    centres = rng.integers(50, 200, (3, 25))

    def split(count: int) -> Split:
        labels = rng.integers(0, 3, count)
        pixels = centres[labels] + rng.integers(-40, 41, (count, 25))
        return Split((pixels * (rng.random(pixels.shape) < density)).astype(dtype), labels)

    return Dataset(split(200), split(60), split(40), 3, 255.0, {})


def trained(
    config: CheckedConfig, data: Dataset, backend: BackendName
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return theta after two epochs, and the fields of a row."""
    assembly = Assembly(config, data, backend)
    state, trainer = assembly.initial(), assembly.trainer
    for epoch in (1, 2):
        assert list(trainer.epoch(state, epoch, config.learning_rate or 0.1)) == [200]
    row: dict[str, Any] = {}
    for entry in config.monitor:
        row |= assembly.monitored(state.parameters, entry)
    return assembly.theta(state.parameters), row


@needs_kernels
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("regularizer", ["l2", "l1"])
def test_two_epochs_are_the_same_but_for_rounding(
    optimizer: MiniBatchOptimizer, density: float, dropout: float, regularizer: RegularizerName
) -> None:
    config = checked(
        hidden=(17, 5),
        optimizer=optimizer,
        learning_rate=0.02,
        batch_size=7,
        dropout=dropout,
        regularizer=regularizer,
        lambda_=0.5,
        monitor=MONITOR,
        patience=None,
    )
    data = dataset(density)
    theta, row = trained(config, data, "native")
    expected_theta, expected_row = trained(config, data, "numpy")
    # Adam divides by the gradients' magnitude, which magnifies the rounding of small ones.
    bound = 2e-3 if isinstance(optimizer, Adam) else 2e-5
    assert np.abs(theta - expected_theta).max() < bound
    assert row.keys() == expected_row.keys()
    for name, value in row.items():
        assert value == pytest.approx(expected_row[name], rel=100 * bound, abs=bound), name


@needs_kernels
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("kind", list(kinds()), ids="-".join)
def test_every_kind_of_neuron_and_of_features(
    kind: tuple[ActivationName, OutputName, str], dtype: str
) -> None:
    activation, output, cost = kind
    config = checked(
        activation=activation, output=output, cost=cost, hidden=(9,), learning_rate=0.02
    )
    data = dataset(0.5, dtype)
    theta, row = trained(config, data, "native")
    expected_theta, expected_row = trained(config, data, "numpy")
    assert np.abs(theta - expected_theta).max() < 2e-5
    for name, value in row.items():
        assert value == pytest.approx(expected_row[name], rel=1e-4), name


@needs_kernels
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("batch_size", [130, "all"])
def test_batches_larger_than_a_chunk(
    monkeypatch: pytest.MonkeyPatch, optimizer: MiniBatchOptimizer, batch_size: int | str
) -> None:
    monkeypatch.setattr("nnexp.training.native_backend.CHUNK", 60)
    config = checked(
        hidden=(9,),
        optimizer=optimizer,
        learning_rate=0.02,
        batch_size=batch_size,
        dropout=0.5,
        lambda_=5.0,
        monitor=MONITOR,
        patience=None,
    )
    theta, row = trained(config, dataset(0.5), "native")
    expected_theta, expected_row = trained(config, dataset(0.5), "numpy")
    assert np.abs(theta - expected_theta).max() < (2e-3 if isinstance(optimizer, Adam) else 2e-5)
    for name, value in row.items():
        assert value == pytest.approx(expected_row[name], rel=0.01), name


@needs_kernels
@pytest.mark.parametrize("density", [0.2, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
def test_monitoring_does_not_change_training(optimizer: MiniBatchOptimizer, density: float) -> None:
    keys: dict[str, Any] = {
        "hidden": (17, 5),
        "optimizer": optimizer,
        "learning_rate": 0.02,
        "lambda_": 0.5,
        "dropout": 0.5,
        "patience": None,
    }
    silent, _ = trained(checked(monitor=("train",), **keys), dataset(density), "native")
    told, row = trained(checked(monitor=MONITOR, **keys), dataset(density), "native")
    assert silent.tobytes() == told.tobytes()
    assert len(row["running_costs"]) == 2


@needs_kernels
@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda rule: type(rule).__name__)
def test_the_first_bad_batch_is_found(backend: BackendName, optimizer: MiniBatchOptimizer) -> None:
    """The 43rd batch of the first epoch is the first with an example of infinite features."""
    data, config = (
        dataset(1.0, "float32"),
        checked(
            hidden=(4,), activation="relu", optimizer=optimizer, learning_rate=0.01, batch_size=3
        ),
    )
    order = config.rng.orders(config.seed, 200)(1)
    data.train.features[order[42 * 3 + 1]] = np.inf
    assembly = Assembly(config, data, backend)
    state = assembly.initial()
    with np.errstate(all="ignore"), pytest.raises(NotFiniteError, match="not finite") as caught:
        list(assembly.trainer.epoch(state, 1, 0.01))
    assert caught.value.batch == 43


@needs_kernels
def test_checkpoints_have_theta_s_layout_and_are_restored_to_the_bit() -> None:
    config, data = checked(hidden=(17, 5), optimizer=Adam(), learning_rate=0.01), dataset(0.2)
    numpy, native = (Assembly(config, data, backend) for backend in get_args(BackendName))
    state, expected = native.initial(), numpy.initial()
    assert native.headers(state) == numpy.headers(expected)
    list(native.trainer.epoch(state, 1, 0.01))
    arrays, fresh = native.arrays(state), native.initial()
    native.restore(fresh, arrays)
    assert fresh.parameters.tobytes() == state.parameters.tobytes()
    assert all(fresh.slots[name].tobytes() == slot.tobytes() for name, slot in state.slots.items())
    numpy.restore(expected, arrays)
    assert numpy.arrays(expected)["weights_1"].tolist() == arrays["weights_1"].tolist()


@needs_kernels
def test_heartbeats_come_within_every_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnexp.training.native_backend.CHUNK", 50)
    beats: list[int] = []
    assembly = Assembly(checked(hidden=(4,), batch_size=7), dataset(0.2), "native")
    assembly.set_heartbeat(lambda: beats.append(1))
    state = assembly.initial()
    for call, least in (
        (lambda: list(assembly.trainer.epoch(state, 1, 0.1)), 1),
        (lambda: assembly.evaluate(state.parameters, "train"), 4),
        (lambda: assembly.outputs(state.parameters, "validation"), 2),
        (lambda: assembly.monitored(state.parameters, "saturation"), 4),
    ):
        beats.clear()
        call()
        assert len(beats) == least


@needs_kernels
@pytest.mark.parametrize("backend", get_args(BackendName))
def test_a_dataset_is_freed_with_the_parts_that_use_it(backend: BackendName) -> None:
    """Without the cyclic collector, which large arrays do not bring forward."""
    data = dataset(0.2)
    gone = [weakref.ref(split.features) for split in data.splits.values()]
    gc.disable()
    try:
        assembly = Assembly(checked(hidden=(4,)), data, backend)
        assembly.set_heartbeat(lambda: None)
        state = assembly.initial()
        list(assembly.trainer.epoch(state, 1, 0.1))
        assembly.evaluate(state.parameters, "test")
        del assembly, data, state
        assert [features() for features in gone] == [None] * 3
    finally:
        gc.enable()


@needs_kernels
def test_examples_are_converted_once_for_all_forks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnexp.native.kernels import NativeExamples  # noqa: PLC0415 - needs the extension

    def told(*arguments: Any) -> object:  # noqa: ANN401 - of another class
        with (bench.folder / "made").open("a") as file:
            file.write(f"{os.getpid()}\n")
        return NativeExamples(*arguments)

    monkeypatch.setattr("nnexp.training.native_backend.NativeExamples", told)
    sweep = ("sweep", "tiny.yaml", "--grid", "lambda=0,1,2", "-j", "2", "-q")
    assert bench(*sweep, "--backend", "native").code == 0
    assert (bench.folder / "made").read_text() == f"{os.getpid()}\n" * 3, "once for each split"

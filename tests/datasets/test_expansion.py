"""Data expansion shifts and rotates training images, as the config asks."""

from __future__ import annotations

import hashlib
import math
import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from nnexp.config import canonical, dump, load
from nnexp.config.convert import info
from nnexp.config.model import Config
from nnexp.config.schema import schema
from nnexp.datasets import loading
from nnexp.datasets.dataset import Split
from nnexp.datasets.expansion import PIXELS, Expansion, Rotate, Shift, expand
from nnexp.datasets.sources import Csv, Idx, Mnist, Npz
from nnexp.errors import ConfigError, DataError
from nnexp.runner.assembly import Assembly

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Bench


def images(rows: int, columns: int, n: int = 3, dtype: str = "uint8") -> Split:
    pixels = np.random.default_rng(rows).integers(1, 256, (n, rows * columns))
    return Split(pixels.astype(dtype), np.arange(n))


def archive(path: Path, shape: tuple[int, ...], n: int = 6) -> Npz:
    pixels = np.arange(n * math.prod(shape), dtype=np.uint8).reshape(n, *shape)
    labels = np.arange(n) % 2
    np.savez(path, x_train=pixels, y_train=labels, x_validation=pixels[:4], y_validation=labels[:4])
    return Npz(file=str(path))


def test_an_image_is_shifted_up_down_left_and_right_and_the_free_edge_is_0() -> None:
    """The 2 x 3 image 1 2 3 / 4 5 6, each of its shifts written down by hand."""
    train = Split(np.array([[1, 2, 3, 4, 5, 6]], np.uint8), np.array([7]))
    grown = expand(Shift(), train, (2, 3), "x")
    assert grown.features.tolist() == [
        [1, 2, 3, 4, 5, 6],
        [4, 5, 6, 0, 0, 0],
        [0, 0, 0, 1, 2, 3],
        [2, 3, 0, 5, 6, 0],
        [0, 1, 2, 0, 4, 5],
    ]
    assert grown.labels.tolist() == [7] * 5


@pytest.mark.parametrize(("expansion", "times"), [(Shift(), 5), (Rotate(), 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_all_originals_come_first_and_then_one_change_of_all_after_another(
    expansion: Expansion, times: int, dtype: str
) -> None:
    train = images(5, 5, 4, dtype)
    grown = expand(expansion, train, (), "x")
    assert grown.features.shape == (times * 4, 25)
    assert grown.features.dtype == dtype
    assert grown.features[:4].tolist() == train.features.tolist()
    assert grown.labels.tolist() == [0, 1, 2, 3] * times
    for example in range(4):
        alone = expand(
            expansion, Split(train.features[[example]], train.labels[[example]]), (), "x"
        )
        assert grown.features[example::4].tolist() == alone.features.tolist()


def test_an_image_is_turned_about_its_centre_first_counter_clockwise() -> None:
    """A bar to the right of the centre goes up counter-clockwise, and down clockwise."""
    image = np.zeros((29, 29), np.uint8)
    image[14, 14:] = 255
    train = Split(image.reshape(1, -1), np.array([0]))
    _, counter, clockwise = expand(Rotate(degrees=45), train, (), "x").features.reshape(3, 29, 29)
    assert counter[7, 21] > 100
    assert clockwise[21, 21] > 100
    assert counter[21, 21] == clockwise[7, 21] == 0
    assert counter[14, 14] == clockwise[14, 14] == 255


def bilinear(image: npt.NDArray[Any], degrees: float) -> npt.NDArray[np.float64]:
    """Return an image turned counter-clockwise, pixel by pixel from the four around its source."""
    size = len(image)
    centre, angle = (size - 1) / 2, math.radians(degrees)
    turned = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            up, right = centre - row, column - centre
            source_row = centre - (up * math.cos(angle) - right * math.sin(angle))
            source_column = centre + (up * math.sin(angle) + right * math.cos(angle))
            if not (0 <= source_row <= size - 1 and 0 <= source_column <= size - 1):
                continue
            r, c = min(int(source_row), size - 2), min(int(source_column), size - 2)
            down, along = source_row - r, source_column - c
            top = (1 - along) * image[r, c] + along * image[r, c + 1]
            bottom = (1 - along) * image[r + 1, c] + along * image[r + 1, c + 1]
            turned[row, column] = (1 - down) * top + down * bottom
    return turned


@pytest.mark.parametrize(("dtype", "off"), [("uint8", 0.5 + 1e-9), ("float64", 1e-9)])
def test_a_rotation_is_bilinear_and_bytes_are_rounded_to_the_nearest(
    dtype: str, off: float
) -> None:
    train = images(9, 9, 2, dtype)
    grown = expand(Rotate(degrees=7), train, (), "x").features.reshape(3, 2, 9, 9)
    for degrees, turned in zip((7, -7), grown[1:], strict=True):
        for image, got in zip(grown[0], turned, strict=True):
            assert np.abs(bilinear(image, degrees) - got).max() <= off


def test_more_images_than_a_chunk_are_all_rotated() -> None:
    n = 2 * PIXELS // 16 + 345
    train = images(4, 4, n)
    grown = expand(Rotate(), train, (), "x").features
    alone = expand(Rotate(), Split(train.features[-1:], train.labels[-1:]), (), "x").features
    assert grown[-1].tolist() == alone[-1].tolist()
    assert grown[2 * n - 1].tolist() == alone[1].tolist()


def test_an_image_larger_than_a_chunk_is_rotated() -> None:
    train = images(320, 320, 2)
    assert train.features.shape[1] > PIXELS
    assert_as_scipy(train.features.reshape(2, 320, 320), 10.0)


def assert_as_scipy(pixels: npt.NDArray[Any], degrees: float) -> None:
    """Assert that both copies are scipy's: integers exactly, and floats up to rounding."""
    copies = [np.empty_like(pixels), np.empty_like(pixels)]
    Rotate(degrees=degrees).write(pixels, copies)
    is_integer = pixels.dtype.kind == "u"
    for angle, copy in zip((degrees, -degrees), copies, strict=True):
        exact = pixels.astype(np.float64)
        turned = ndimage.rotate(exact, angle, axes=(2, 1), reshape=False, order=1)
        expected = np.rint(turned).astype(pixels.dtype) if is_integer else turned
        np.testing.assert_allclose(copy, expected, rtol=0, atol=0 if is_integer else 1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
@pytest.mark.parametrize("degrees", [0.01, 3.7, 10.0, 22.5, 44.0])
@pytest.mark.parametrize("shape", [(28, 28), (9, 9), (8, 8), (5, 12), (17, 6), (2, 3), (1, 7)])
def test_rotations_are_those_of_scipy(shape: tuple[int, int], degrees: float, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, *shape)).astype(np.uint8)
    assert_as_scipy(pixels if dtype == "uint8" else pixels / 255.0, degrees)


@pytest.mark.parametrize("count", [1000, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("degrees", [10.0, 15.0])
def test_rotated_digits_are_those_of_scipy(count: int | None, degrees: float) -> None:
    digits = loading.load(Mnist(train=count)).train.features.reshape(-1, 28, 28)
    assert_as_scipy(digits, degrees)


@pytest.mark.parametrize("degrees", [30.0, 45.0])
def test_rotated_digits_differ_from_scipy_s_only_in_ties(degrees: float) -> None:
    """Values that end in 1/2 are rounded above or below, in SciPy as its BLAS has it."""
    digits = loading.load(Mnist(train=1000)).train.features.reshape(-1, 28, 28)
    copies = [np.empty_like(digits), np.empty_like(digits)]
    Rotate(degrees=degrees).write(digits, copies)
    exact = digits.astype(np.float64)
    ties = 0
    for angle, copy in zip((degrees, -degrees), copies, strict=True):
        turned = ndimage.rotate(exact, angle, axes=(2, 1), reshape=False, order=1)
        differs = copy != np.rint(turned)
        ties += int(np.count_nonzero(differs))
        np.testing.assert_allclose(turned[differs] % 1, 0.5, rtol=0, atol=1e-12)
    assert ties < 1e-3 * digits.size


def test_rotated_floats_are_the_same_on_every_machine() -> None:
    """A hash of what one machine computed, where numbers round at every step."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 12, 9))
    sha256 = hashlib.sha256()
    for degrees in (10.0, 30.0, 45.0):
        copies = [np.empty(pixels.shape), np.empty(pixels.shape)]
        Rotate(degrees=degrees).write(pixels / 255, copies)
        for copy in copies:
            sha256.update(copy.tobytes())
    assert sha256.hexdigest() == (
        "6f908715c76ee460f8bc24b5dd2b5c006efff5d1dc5be67ef86b213bd941aaa5"
    )


@pytest.mark.parametrize(
    ("features", "image", "told"),
    [
        (10, (), "rows x columns of pixels per example), got 10, which is not a square"),
        (10, (10,), "rows x columns of pixels per example), got 10, which is not a square"),
        (64, (4, 4, 4), "rows x columns of pixels per example), got 4 x 4 x 4"),
    ],
)
def test_what_is_no_image_is_refused(features: int, image: tuple[int, ...], told: str) -> None:
    train = Split(np.ones((2, features), np.uint8), np.array([0, 1]))
    with pytest.raises(DataError) as refused:
        expand(Shift(), train, image, "a.npz: x_train")
    assert str(refused.value) == f"a.npz: x_train: data.expand needs images ({told}"


def test_only_the_training_examples_are_expanded_after_classes_and_counts(tmp_path: Path) -> None:
    plain = archive(tmp_path / "a.npz", (2, 2))
    source = msgspec.structs.replace(plain, train=2, classes=(1, 0), expand=Shift())
    loaded, unexpanded = (
        loading.load(each)
        for each in (source, msgspec.structs.replace(plain, train=2, classes=(1, 0)))
    )
    assert len(loaded.train.labels) == 10
    assert loaded.train.features[:2].tolist() == unexpanded.train.features.tolist()
    assert loaded.train.labels.tolist() == [1, 0] * 5
    assert loaded.validation is not None
    assert unexpanded.validation is not None
    assert loaded.validation.features.tolist() == unexpanded.validation.features.tolist()
    assert loaded.sha256 == unexpanded.sha256


def test_an_archive_s_images_have_the_shape_it_gives_them(tmp_path: Path) -> None:
    """Of 2 x 8 pixels, which are no 4 x 4 ones."""
    source = msgspec.structs.replace(archive(tmp_path / "a.npz", (2, 8)), expand=Shift())
    grown = loading.load(source).train.features.reshape(5, 6, 2, 8)
    assert grown[1, 0].tolist() == [[8, 9, 10, 11, 12, 13, 14, 15], [0] * 8]


def test_an_idx_file_s_images_have_the_shape_it_gives_them(tmp_path: Path) -> None:
    pixels = np.arange(6 * 16, dtype=np.uint8)
    (tmp_path / "x").write_bytes(struct.pack(">4I", 0x803, 6, 2, 8) + pixels.tobytes())
    (tmp_path / "y").write_bytes(struct.pack(">2I", 0x801, 6) + bytes([0, 1, 0, 1, 0, 1]))
    source = Idx(train_images=str(tmp_path / "x"), train_labels=str(tmp_path / "y"), expand=Shift())
    grown = loading.load(source).train.features.reshape(5, 5, 2, 8)
    assert grown[1, 0].tolist() == [[8, 9, 10, 11, 12, 13, 14, 15], [0] * 8]


def test_a_table_s_rows_are_square_images(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c,d,label\n1,2,3,4,0\n5,6,7,8,1\n")
    source = Csv(train_file=str(tmp_path / "a.csv"), expand=Shift())
    assert loading.load(source).train.features[2].tolist() == [3, 4, 0, 0]


def test_a_thousand_digits_become_five_thousand() -> None:
    dataset = loading.load(Mnist(train=1000, validation=10, test=10, expand=Shift()))
    assert dataset.train.features.shape == (5000, 784)
    assert dataset.train.features.dtype == np.uint8
    whole = dataset.train.features.reshape(5, 1000, 28, 28)
    assert (whole[2, :, 1:] == whole[0, :, :-1]).all()


def test_n_and_an_epoch_count_the_expanded_examples(tmp_path: Path) -> None:
    """So λ/n has five times the n, and a penalty a fifth of the weight."""
    source = archive(tmp_path / "a.npz", (2, 2))
    penalties = []
    for expansion in (None, Shift()):
        data = msgspec.structs.replace(source, expand=expansion)
        with_, without = (
            Assembly(Config(data=data, hidden=(), lambda_=strength), loading.load(data))
            for strength in (10.0, 0.0)
        )
        theta = with_.initial().parameters
        costs = [each.evaluate(theta, "validation").cost for each in (with_, without)]
        penalties.append((with_.examples, costs[0] - costs[1]))
    (n, plain), (grown_n, grown) = penalties
    assert (n, grown_n) == (6, 30)
    assert plain == pytest.approx(5 * grown)


@pytest.mark.parametrize(
    ("text", "settings", "expand"),
    [
        ("data: {name: mnist, expand: shift}", [], Shift()),
        ("data: {name: mnist, expand: {name: shift}}", [], Shift()),
        ("data: {name: mnist, expand: rotate}", [], Rotate()),
        ("data: {name: mnist, expand: {name: rotate, degrees: 5}}", [], Rotate(degrees=5.0)),
        ("data: {name: mnist, expand: rotate}", ["data.expand.degrees=5"], Rotate(degrees=5.0)),
        ("", ["data.expand=shift"], Shift()),
        ("", ["data.expand={name: rotate, degrees: 5}"], Rotate(degrees=5.0)),
        ("data: {name: csv, train_file: a.csv}", ["data.expand=shift"], Shift()),
        ("data: {name: mnist, expand: shift}", ["data.expand=null"], None),
        ("data: {name: mnist, expand: null}", [], None),
        ("", [], None),
    ],
)
def test_a_config_asks_for_it_by_name_or_with_settings(
    text: str, settings: list[str], expand: Expansion | None
) -> None:
    config = load.parse(text, "a.yaml", settings)
    assert config.data.expand == expand
    assert load.parse(dump.to_yaml(config), "b.yaml") == config
    assert msgspec.convert(canonical.to_builtins(config), Config) == config


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("data.expand=shfit", "name: unknown expand 'shfit'; did you mean 'shift'?"),
        ("data.expand=3", "must be null or a name (shift, rotate) or a mapping with one, got 3"),
        ("data.expand.degrees=3", "needs a 'name' (known: shift, rotate)"),
        ("data.expand={name: shift, degrees: 3}", "it is a setting of rotate"),
        ("data.expand={name: rotate, degrees: 60}", "must be a number > 0 and ≤ 45, got 60"),
        ("data.expand={name: rotate, degrees: 0}", "must be a number > 0 and ≤ 45, got 0"),
    ],
)
def test_a_wrong_expansion_is_told_with_what_is_wanted(setting: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load.parse("", "a.yaml", [setting])
    assert told in str(refused.value)


def test_expansion_makes_another_experiment_and_none_makes_the_old_one() -> None:
    plain, default = load.check(Config(data=Mnist(expand=None))), load.check(Config())
    assert canonical.digest(plain) == canonical.digest(default)
    assert canonical.differences(Config(), Config(data=Mnist(expand=Rotate()))) == [
        ("data.expand", None, "rotate"),
        ("data.expand.degrees", msgspec.UNSET, 10.0),
    ]


@pytest.mark.parametrize("source", ["Mnist", "Idx", "Npz", "Csv"])
def test_an_editor_offers_the_bare_names_the_mappings_and_null(source: str) -> None:
    offered = schema()["$defs"][source]["properties"]["expand"]
    assert sorted(offered["anyOf"], key=str) == [  # msgspec's versions differ in the order
        {"$ref": "#/$defs/Rotate"},
        {"$ref": "#/$defs/Shift"},
        {"enum": ["shift", "rotate"]},
        {"type": "null"},
    ]
    assert "expand" in [field.encode_name for field in info(Mnist).fields]


def test_the_command_line_trains_on_expanded_examples_and_records_how_many(bench: Bench) -> None:
    archive(bench.folder / "square.npz", (2, 2))
    config = bench.config(data={"name": "npz", "file": "square.npz"}, epochs=1)
    ended = bench("train", config, "--set", "data.expand=shift", "-q")
    assert ended.code == 0
    record = msgspec.json.decode((bench.folder / ended.out.strip() / "run.json").read_bytes())
    assert record["data"]["train"] == 30


def test_the_command_line_says_in_a_line_that_these_are_no_images(bench: Bench) -> None:
    ended = bench("train", "tiny.yaml", "--set", "data.expand=shift")
    assert ended.code == 2
    assert ended.err == (
        "tiny.npz: x_train: data.expand needs images (rows x columns of pixels per example), "
        "got 10, which is not a square\n"
    )
    assert not (bench.folder / "runs").exists()


PEAK = r"""
import re, sys
from pathlib import Path
from nnexp.cli import main
sys.argv = ["nnexp", "train", "a.yaml", "--set", sys.argv[1], "-q"]
try:
    main()
finally:
    # getrusage would also count what the process was that this one was forked from.
    kilobytes = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(int(kilobytes[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(
    ("backend", "expand", "limit"),
    [
        ("native", "null", 350),
        ("numpy", "shift", 350),
        ("numpy", "rotate", 350),
        ("native", "shift", 600),  # 225 MB of nonzeros beside 196 MB of pixels
        ("native", "rotate", 600),
    ],
)
def test_all_of_mnist_is_trained_in_little_memory(
    tmp_path: Path, backend: str, expand: str, limit: int
) -> None:
    (tmp_path / "a.yaml").write_text("epochs: 1\npatience: null\n")
    said = subprocess.run(
        [sys.executable, "-c", PEAK, f"data.expand={expand}"],
        cwd=tmp_path,
        env=os.environ | {"NNEXP_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 100 < float(said.stdout.splitlines()[-1]) < limit

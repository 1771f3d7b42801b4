"""Folders of images as people have them: each is understood, or refused with what to do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from PIL import Image

from nnexp.datasets import grey_image
from nnexp.datasets.data_warnings import scale_warning
from nnexp.datasets.loading import Data
from nnexp.datasets.sources import Idx, Images
from nnexp.errors import DataError
from tests.datasets.test_odd_files import PICTURES, Files, folder, four, picture, read

if TYPE_CHECKING:
    from pathlib import Path

IGNORED = {
    "macOS's resource forks": {"pictures/cat/._0.png": b"\0\5\x16\7Mac"},
    "a hidden image": {"pictures/dog/.9.png": picture(9)},
    "a hidden folder": {"pictures/.thumbnails/0.png": picture(9)},
    "a hidden folder in a class": {"pictures/cat/.thumbnails/0.png": picture(9)},
    "texts and databases": {"pictures/cat/notes.txt": b"", "pictures/dog/Thumbs.db": b"\0"},
    "texts beside the classes": {"pictures/README.md": b"cats and dogs"},
    "a folder of texts in a class": {
        "pictures/cat/notes/0.txt": b"black",
        "pictures/cat/notes/._0.png": b"\0\5\x16\7Mac",
    },
}


@pytest.mark.parametrize("name", IGNORED)
def test_other_files_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    good = read(tmp_path / "good", monkeypatch, folder(), PICTURES)
    more = read(tmp_path / "more", monkeypatch, folder() | IGNORED[name], PICTURES)
    assert more.sha256 == good.sha256
    assert len(more.train.labels) == 8


class Refused(NamedTuple):
    """Files beside good ones, and what the message must contain, the advice last."""

    files: Files
    fact: str
    advice: str
    data: str = PICTURES


REFUSED = {
    "classes that differ in a blank": Refused(
        {"pictures/cat /0.png": picture(9)},
        "pictures: has two subfolders for the class 'cat', whose names differ only in blanks",
        "rename one of them, or merge them",
    ),
    **{
        f"an image of type {suffix}": Refused(
            {f"pictures/dog/z.{suffix}": b"?"},
            f"pictures: its subfolder 'dog' contains 'z.{suffix}', which is neither PNG nor JPEG",
            "convert such images to PNG, or remove them",
        )
        for suffix in ("gif", "BMP", "tif", "tiff", "webp", "heic")
    },
    "images in a subfolder of a class": Refused(
        {"pictures/cat/black/deep/0.png": picture(9)},
        "subfolder 'cat' contains images in a subfolder of its own, such as 'black/deep/0.png'",
        "move them up into 'cat', or remove them",
    ),
    "an image beside the classes": Refused(
        {"pictures/top.png": picture(9)},
        "pictures: contains the image 'top.png' beside the subfolders of the classes",
        "move it into one of them, or remove it",
    ),
    "a gif beside the classes": Refused(
        {"pictures/top.gif": b"?"},
        "pictures: contains the image 'top.gif' beside",
        "move it into one of them, or remove it",
    ),
    "a first image of another size": Refused(
        {"pictures/cat/0.png": picture(9, (9, 7))},
        "pictures/cat/1.png: has 4 x 4 pixels, but pictures/cat/0.png has 7 x 9",
        "resize all images by data.size: 4",
    ),
    "test images of another size": Refused(
        {"t/cat/0.png": picture(9, (9, 7))},
        "t/cat/0.png: has 7 x 9 pixels, but pictures/cat/0.png has 4 x 4",
        "resize all images by data.size: 4",
        "{name: images, directory: pictures, test_directory: t}",
    ),
    "classes by number": Refused(
        {},
        "pictures: labels are names: cat, dog",
        "choose classes by name in data.classes, not by number, got 0",
        "{name: images, directory: pictures, classes: [dog, 0]}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = REFUSED[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path, monkeypatch, folder() | case.files, case.data)
    message = str(caught.value)
    assert case.fact in message
    assert case.advice in message[len(message) // 3 :]
    assert len(message) < 300


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


STROKE = np.array([[0, 255], [255, 0]], np.uint8)


def drawing(ink: int, mode: str) -> bytes:
    """Return a diagonal of opaque ink on a transparent ground."""
    image = Image.merge("LA", [Image.new("L", (2, 2), ink), Image.fromarray(255 - STROKE)])
    return file(image.convert(mode))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (100, 255), (254, 255), (255, 0)], ids=str)
def test_ink_on_a_transparent_ground_remains_visible(mode: str, ink: int, ground: int) -> None:
    grey = grey_image.decode(drawing(ink, mode))
    assert grey.tolist() == [[ink, ground], [ground, ink]]


def test_a_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.fromarray(STROKE // 255, "P")
    image.putpalette([0, 0, 0, 0, 0, 0])
    assert grey_image.decode(file(image, transparency=1)).tolist() == STROKE.tolist()


def test_an_opaque_image_with_an_alpha_channel_keeps_its_colours() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(colours)
    opaque = file(image.convert("RGBA"))
    assert grey_image.decode(opaque).tolist() == grey_image.decode(file(image)).tolist()


UPRIGHT = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
HELD = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),  # stored turned left: to be turned right
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}
"""How an upright image is stored for each orientation of the EXIF standard."""


@pytest.mark.parametrize("orientation", HELD)
def test_photos_are_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = file(Image.fromarray(np.ascontiguousarray(HELD[orientation])), exif=exif)
    assert grey_image.decode(content).tolist() == UPRIGHT.tolist()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("exif", [b"junk", b"II*\0\xff\0\0\0", b"MM\0*"])
def test_damaged_exif_data_is_ignored(kind: str, exif: bytes) -> None:
    content = file(Image.new("L", (3, 2), 7), kind, exif=b"Exif\0\0" + exif)
    assert grey_image.decode(content).shape == (2, 3)


def test_a_warning_proposes_the_scale_of_images_of_12_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.linspace(0, 4095, 16).astype(np.uint16).reshape(4, 4)
    files = {
        f"pictures/{name}/{number}.png": file(Image.fromarray(pixels))
        for name in ("cat", "dog")
        for number in range(2)
    }
    dataset = read(tmp_path, monkeypatch, files, PICTURES)
    assert dataset.train.features.max() == 15
    warning = scale_warning(dataset)
    assert warning is not None
    assert warning.endswith("set data.scale: 15")


def test_images_that_are_added_or_removed_later_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path, monkeypatch, folder(), PICTURES)
    pictures = tmp_path / "pictures"
    data, source = Data(), Images(directory=str(pictures))
    data.content(source)
    (pictures / "notes.txt").write_text("cats and dogs")
    assert data.changed_files() == []
    added = pictures / "cat" / "9.png"
    added.write_bytes(picture(9))
    assert data.changed_files() == [pictures, pictures / "cat"]
    added.unlink()
    assert data.changed_files() == []
    (pictures / "cow").mkdir()
    (pictures / "cow" / "0.png").write_bytes(picture(9))
    assert pictures in data.changed_files()


def test_idx_files_that_are_added_later_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path, monkeypatch, four(end=".gz"), "{name: idx, directory: .}")
    data, source = Data(), Idx(directory=str(tmp_path))
    data.content(source)
    content = bytearray(four()["train-images-idx3-ubyte"])
    content[-1] ^= 1
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    assert data.changed_files() == [tmp_path]

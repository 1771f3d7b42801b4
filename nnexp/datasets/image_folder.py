"""The source images: a folder of PNG or JPEG files with one subfolder for each class."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from nnexp.datasets import classes, files
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Features
    from nnexp.datasets.sources import Images

SUFFIXES = {".png", ".jpg", ".jpeg"}
FORMATS = ("PNG", "JPEG")
MAX_FILES = 1_000_000
MAX_PIXELS = 1 << 26
"""Maximum pixels of a file, before it is resized."""
MAX_SIDE = 4096
"""Maximum rows or columns of an example."""

SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}


def read_images(source: Images) -> Parts:
    """Read the splits, each from its own folder, as grey images.

    Raises: DataError if a folder is missing or has no images, or a file is damaged.
    """
    folders = {
        "train": source.directory,
        "validation": source.validation_directory,
        "test": source.test_directory,
    }
    found = {split: _files(Path(path)) for split, path in folders.items() if path is not None}
    names = sorted({name for by_class in found.values() for name in by_class})
    size = None if source.size is None else (source.size, source.size)
    parts: dict[str, Part] = {}
    sha256: dict[str, str] = {}
    for split, by_class in found.items():
        digest = hashlib.sha256()
        where = str(folders[split])
        paths = [path for by_name in sorted(by_class) for path in by_class[by_name]]
        features, size = _read(paths, Path(where), size, digest)
        counts = [len(by_class.get(name, [])) for name in names]
        labels = np.repeat(np.arange(len(names)), counts)
        parts[split] = Part(features, labels, where, where, size)
        sha256[f"{split}_directory"] = digest.hexdigest()
    return Parts(*(parts["train"], parts.get("validation"), parts.get("test"), sha256), names=names)


def paths(source: Images) -> list[Path]:
    """Return all files of the source. Raises: DataError."""
    folders = (source.directory, source.validation_directory, source.test_directory)
    return [
        path
        for folder in folders
        if folder is not None
        for by_class in _files(Path(folder)).values()
        for path in by_class
    ]


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of a folder by class, sorted. Raises: DataError."""
    with files.file_errors(folder):
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        subfolders = [path for path in inside if path.is_dir()]
        _check_subfolders(inside, subfolders)
        found = {}
        for subfolder in subfolders:
            name = classes.checked_name(subfolder.name, str(folder))
            own = sorted(p for p in subfolder.iterdir() if p.suffix.lower() in SUFFIXES)
            if not own:
                raise MalformedError(
                    f"its subfolder {subfolder.name!r} contains no .png, .jpg or .jpeg file; "
                    "remove it, or add images"
                )
            found[name] = own
    if (count := sum(map(len, found.values()))) > MAX_FILES:
        raise DataError(f"{folder}: contains {count} images; the limit is {MAX_FILES}")
    return found


def _check_subfolders(inside: list[Path], subfolders: list[Path]) -> None:
    """Raise MalformedError unless the subfolders can be classes."""
    names = {path.name.lower() for path in subfolders}
    if names and names <= SPLIT_NAMES:
        first = max(subfolders, key=lambda path: path.name.lower().startswith("train"))
        keys = [f"data.directory: {first}"]
        for path in subfolders:
            if path != first:
                is_test = path.name.lower().startswith("test")
                keys.append(f"data.{'test' if is_test else 'validation'}_directory: {path}")
        raise MalformedError(
            f"its subfolders {', '.join(sorted(names))} are splits, not classes; set "
            f"{', '.join(keys)}"
        )
    if not names:
        images = sum(path.suffix.lower() in SUFFIXES for path in inside)
        number = f"{images} image{'' if images == 1 else 's'}"
        raise MalformedError(
            f"contains {number} but no subfolders; put the images of each class into a "
            "subfolder of its name"
        )


def _read(
    images: list[Path], folder: Path, size: tuple[int, int] | None, digest: hashlib._Hash
) -> tuple[Features, tuple[int, int]]:
    """Read files as rows of grey pixels, and add their names and bytes to a digest.

    Args:
        images: the files, at least one.
        folder: to which their names are relative.
        size: rows and columns of all examples; None for those of the first file.
        digest: is updated.

    Returns: the pixels and the size.

    Raises: DataError.
    """
    resize = size is not None
    rows: Features | None = None
    for index, path in enumerate(images):
        with files.open_binary(path) as file:
            content = file.read(files.size(file))
            name = path.relative_to(folder).as_posix()
            digest.update(f"{len(name.encode())} {len(content)} {name}\n".encode())
            digest.update(content)
            grey = _grey(content, size if resize else None)
        shape = grey.shape
        if size is None or rows is None:
            size = (shape[0], shape[1])
            rows = _allocate(len(images), size, folder)
        if shape != size:
            raise DataError(
                f"{path}: has {shape[0]} x {shape[1]} pixels, but {images[0]} has "
                f"{size[0]} x {size[1]}; set data.size to resize all images"
            )
        rows[index] = grey.reshape(-1)
    assert rows is not None  # noqa: S101 - there is at least one image
    assert size is not None  # noqa: S101 - likewise
    return rows, size


def _allocate(count: int, size: tuple[int, int], folder: Path) -> Features:
    if count * size[0] * size[1] > files.LIMIT or max(size) > MAX_SIDE:
        raise DataError(
            f"{folder}: {count} images of {size[0]} x {size[1]} pixels are too many; "
            "set data.size to reduce them, such as data.size: 28"
        )
    return np.empty((count, size[0] * size[1]), np.uint8)


def _grey(content: bytes, size: tuple[int, int] | None) -> Features:
    """Decode an image as grey pixels. Raises: MalformedError."""
    if files.is_html(content[:64].lstrip()):
        raise MalformedError(files.HTML)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, which are checked below
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _check_pixels(image)
                grey = _as_grey(image)
                if size is not None and grey.size != (size[1], size[0]):
                    grey = grey.resize((size[1], size[0]), Image.Resampling.BILINEAR)
                return np.asarray(grey, np.uint8)
    except MalformedError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MalformedError(
            f"is no readable PNG or JPEG image{_reason(error)}; replace or remove it"
        ) from error


def _reason(error: Exception) -> str:
    """Return Pillow's reason, unless all it knows is that the bytes are no image."""
    return "" if isinstance(error, UnidentifiedImageError) else f": {error}"


def _check_pixels(image: Image.Image) -> None:
    """Raise MalformedError if a file declares too many pixels to decode."""
    if image.width * image.height > MAX_PIXELS:
        raise MalformedError(
            f"has {image.height} x {image.width} pixels; the limit is {MAX_PIXELS} in all; "
            "reduce it"
        )


def _as_grey(image: Image.Image) -> Image.Image:
    """Return an image as 8-bit grey; of 16 bits, the upper eight, which Pillow would clip."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, np.int64) >> 8).astype(np.uint8))
    return image.convert("L")

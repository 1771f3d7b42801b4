"""The source images: a folder of PNG or JPEG files with one subfolder for each class."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnexp.datasets import classes, files, grey_image
from nnexp.datasets.files import MalformedError
from nnexp.datasets.selection import Part, Parts
from nnexp.errors import DataError

if TYPE_CHECKING:
    from nnexp.datasets.dataset import Features
    from nnexp.datasets.sources import Images

SUFFIXES = {".png", ".jpg", ".jpeg"}
OTHER_SUFFIXES = {
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jp2", ".jpe", ".pbm"),
    *(".pgm", ".ppm", ".svg", ".tga", ".tif", ".tiff", ".webp"),
}
"""Images of types that are not read."""
MAX_FILES = 1_000_000
MAX_SIDE = 4096
"""Maximum rows or columns of an example."""
SAMPLE = 1000
"""Maximum number of images whose sizes are compared to propose one."""

SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}


def read_images(source: Images) -> Parts:
    """Read the splits, each from its own folder, as grey images.

    Raises: DataError if a folder is missing or has no images, or a file is damaged.
    """
    images = {split: _files(folder) for split, folder in _folders(source).items()}
    names = sorted({name for by_class in images.values() for name in by_class})
    size = None if source.size is None else (source.size, source.size)
    parts: dict[str, Part] = {}
    sha256: dict[str, str] = {}
    for split, by_class in images.items():
        digest = hashlib.sha256()
        folder = _folders(source)[split]
        own = [path for name in sorted(by_class) for path in by_class[name]]
        features, shape = _read(own, folder, size, digest)
        if split == "train":
            train = own, shape
        _check_size(own[0], shape, *train)
        counts = [len(by_class.get(name, [])) for name in names]
        labels = np.repeat(np.arange(len(names)), counts)
        parts[split] = Part(features, labels, str(folder), str(folder), shape)
        sha256[f"{split}_directory"] = digest.hexdigest()
    return Parts(*(parts["train"], parts.get("validation"), parts.get("test"), sha256), names=names)


def paths(source: Images) -> list[Path]:
    """Return all images of the source and the folders that contain them. Raises: DataError."""
    inside: list[Path] = []
    for folder in _folders(source).values():
        inside.append(folder)
        for images in _files(folder).values():
            inside += [images[0].parent, *images]
    return inside


def _folders(source: Images) -> dict[str, Path]:
    """Return the folder of each split that has one."""
    folders = {
        "train": source.directory,
        "validation": source.validation_directory,
        "test": source.test_directory,
    }
    return {split: Path(folder) for split, folder in folders.items() if folder is not None}


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of a folder by class, sorted. Raises: DataError."""
    with files.file_errors(folder):
        inside = _visible(folder)
        subfolders = [path for path in inside if path.is_dir()]
        _check_subfolders(inside, subfolders)
        by_class: dict[str, list[Path]] = {}
        for subfolder in subfolders:
            name = classes.checked_name(subfolder.name, str(folder))
            if name in by_class:
                raise MalformedError(
                    f"has two subfolders for the class {name!r}, whose names differ only in "
                    "blanks at their ends; rename one of them, or merge them"
                )
            by_class[name] = _images(subfolder)
    if (count := sum(map(len, by_class.values()))) > MAX_FILES:
        raise DataError(f"{folder}: contains {count} images; the limit is {MAX_FILES}")
    return by_class


def _visible(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted, without hidden ones such as macOS's ._1.png."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _images(subfolder: Path) -> list[Path]:
    """Return the images of a class, sorted.

    Raises: MalformedError if there are none, or others that would not be read.
    """
    images: list[Path] = []
    for path in _visible(subfolder):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            images.append(path)
        elif suffix in OTHER_SUFFIXES:
            raise MalformedError(
                f"its subfolder {subfolder.name!r} contains {path.name!r}, which is neither PNG "
                "nor JPEG; convert such images to PNG, or remove them"
            )
        elif path.is_dir() and (nested := _first_image(path)):
            raise MalformedError(
                f"its subfolder {subfolder.name!r} contains images in a subfolder of its own, such "
                f"as {nested.relative_to(subfolder).as_posix()!r}; move them up into "
                f"{subfolder.name!r}, or remove them"
            )
    if not images:
        raise MalformedError(
            f"its subfolder {subfolder.name!r} contains no .png, .jpg or .jpeg file; "
            "remove it, or add images"
        )
    return images


def _first_image(folder: Path) -> Path | None:
    """Return an image of any type inside a folder, at any depth, or None."""
    return next((path for path in folder.rglob("*") if _is_image(path)), None)


def _is_image(path: Path) -> bool:
    """Return whether a visible file's name is that of an image, of any type."""
    return path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES and not path.name.startswith(".")


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
    images = [path for path in inside if _is_image(path) and path not in subfolders]
    if not names:
        number = f"{len(images)} image{'' if len(images) == 1 else 's'}"
        raise MalformedError(
            f"contains {number} but no subfolders; make a subfolder for each class, two or more, "
            "and put its images there"
        )
    if images:
        raise MalformedError(
            f"contains the image {images[0].name!r} beside the subfolders of the classes; move it "
            "into one of them, or remove it"
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
            grey = grey_image.decode(content, size if resize else None)
        shape = grey.shape
        if size is None or rows is None:
            size = (shape[0], shape[1])
            rows = _allocate(len(images), size, folder)
        _check_size(path, shape, images, size)
        rows[index] = grey.reshape(-1)
    assert rows is not None  # noqa: S101 - there is at least one image
    assert size is not None  # noqa: S101 - likewise
    return rows, size


def _check_size(
    path: Path, shape: tuple[int, ...], images: list[Path], size: tuple[int, int]
) -> None:
    """Raise DataError if an image's shape is not the size of the first image.

    The advice proposes the most frequent size of the images.
    """
    if shape != size:
        raise DataError(
            f"{path}: has {shape[0]} x {shape[1]} pixels, but {images[0]} has "
            f"{size[0]} x {size[1]}; resize all images by data.size: {_common_side(images)}"
        )


def _allocate(count: int, size: tuple[int, int], folder: Path) -> Features:
    if count * size[0] * size[1] > files.LIMIT or max(size) > MAX_SIDE:
        raise DataError(
            f"{folder}: {count} images of {size[0]} x {size[1]} pixels are too many; "
            "set data.size to reduce them, such as data.size: 28"
        )
    return np.empty((count, size[0] * size[1]), np.uint8)


def _common_side(images: list[Path]) -> int:
    """Return the shorter side of the most frequent size, among some images if there are many."""
    sizes = Counter(
        shape
        for path in images[:: -(-len(images) // SAMPLE)]
        if (shape := grey_image.shape(path)) is not None
    )
    return min(MAX_SIDE, *sizes.most_common(1)[0][0])

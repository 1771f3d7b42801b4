"""The data sources that a config can name under ``data``, with their settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct

from nnexp.datasets.expansion import Expansion

Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Fraction: TypeAlias = Annotated[float, Meta(gt=0, lt=1)]


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """Settings of every source, in the order in which they are applied to the examples read.

    First classes, then validation and test where they are split off, then the counts, standardize
    and expand.
    """

    recorded_scale: ClassVar[float] = 255.0
    """The scale that canonical configs leave out; it never changes, unlike a default."""
    path_fields: ClassVar[tuple[str, ...]] = ()
    """The settings that are paths of files or folders."""

    train: Annotated[
        Count | None, Meta(description="Use the first n training examples; null: all.")
    ] = None
    validation: Annotated[
        Count | Fraction | None,
        Meta(
            description="Use the first n validation examples; null: all. If the data has none: "
            "split off n examples, or this fraction, of the training examples."
        ),
    ] = None
    test: Annotated[
        Count | Fraction | None,
        Meta(
            description="Use the first n test examples; null: all. If the data has none: "
            "split off n examples, or this fraction, of the training examples."
        ),
    ] = None
    classes: Annotated[
        tuple[int | str, ...] | None,
        Meta(
            description="Keep only these labels, by number or name, renumbered 0, 1, … in this "
            "order; null: all."
        ),
    ] = None
    scale: Annotated[
        float, Meta(gt=0, description="Features are divided by this (the book's files: 256).")
    ] = 255.0
    expand: Annotated[
        Expansion | None,
        Meta(
            description="Extra training images, made from the original ones: shift or rotate; "
            "null: none."
        ),
    ] = None
    standardize: Annotated[
        bool,
        Meta(
            description="Subtract each feature's mean and divide by its standard deviation, those "
            "of the training examples; replaces scale."
        ),
    ] = False
    split_seed: Annotated[
        int,
        Meta(
            ge=0,
            le=2**63 - 1,
            description="Chooses the examples that are split off; the same for every seed.",
        ),
    ] = 0


class Mnist(Source, frozen=True, kw_only=True, tag="mnist"):
    """MNIST, which ships with nnexp, split as in the book: 50,000, 10,000 and 10,000."""


class Idx(Source, frozen=True, kw_only=True, tag="idx"):
    """Your own four IDX files, gzipped or not; the training file's last sixth is for validation."""

    path_fields = (
        "directory",
        *("train_images", "train_labels", "validation_images", "validation_labels"),
        *("test_images", "test_labels"),
    )

    directory: Annotated[
        str | None,
        Meta(description="A folder with the four files under MNIST's names, gzipped or not."),
    ] = None
    train_images: Annotated[str | None, Meta(description="Replaces the directory's file.")] = None
    train_labels: Annotated[str | None, Meta(description="Replaces the directory's file.")] = None
    validation_images: Annotated[
        str | None, Meta(description="Replaces the training file's last sixth.")
    ] = None
    validation_labels: Annotated[
        str | None, Meta(description="The labels of validation_images.")
    ] = None
    test_images: Annotated[str | None, Meta(description="Replaces the directory's file.")] = None
    test_labels: Annotated[str | None, Meta(description="Replaces the directory's file.")] = None


class Arrays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names that an archive has for its arrays, where they are not recognized."""

    x_train: Annotated[str | None, Meta(description="The training examples.")] = None
    y_train: Annotated[str | None, Meta(description="Their labels.")] = None
    x_validation: Annotated[str | None, Meta(description="The validation examples.")] = None
    y_validation: Annotated[str | None, Meta(description="Their labels.")] = None
    x_test: Annotated[str | None, Meta(description="The test examples.")] = None
    y_test: Annotated[str | None, Meta(description="Their labels.")] = None
    class_names: Annotated[str | None, Meta(description="A name for each label.")] = None


class Npz(Source, frozen=True, kw_only=True, tag="npz"):
    """One NumPy archive: x_train and y_train, and optionally x_ and y_ of validation and test."""

    path_fields = ("file",)

    file: Annotated[str, Meta(description="The .npz file.")]
    arrays: Annotated[
        Arrays, Meta(description="The archive's own names of arrays, such as x_train: digits.")
    ] = Arrays()


class Csv(Source, frozen=True, kw_only=True, tag="csv"):
    """One CSV file per split, with a header and a column of labels."""

    path_fields = ("train_file", "validation_file", "test_file")

    scale: Annotated[float, Meta(gt=0, description="Features are divided by this.")] = 1.0
    train_file: Annotated[str, Meta(description="The training examples.")]
    validation_file: Annotated[str | None, Meta(description="The validation examples.")] = None
    test_file: Annotated[str | None, Meta(description="The test examples.")] = None
    label: Annotated[
        str | None, Meta(description="The name of the labels' column; null: the last one.")
    ] = None
    drop: Annotated[
        tuple[str, ...], Meta(description="Names of columns that are not features.")
    ] = ()
    delimiter: Annotated[
        str | None,
        Meta(description="The character between columns; null: recognized from , ; tab and |."),
    ] = None


class Images(Source, frozen=True, kw_only=True, tag="images"):
    """Folders of PNG or JPEG files, read as grey, with a subfolder for each class."""

    path_fields = ("directory", "validation_directory", "test_directory")

    directory: Annotated[str, Meta(description="The folder of the training examples.")]
    validation_directory: Annotated[
        str | None, Meta(description="The folder of the validation examples.")
    ] = None
    test_directory: Annotated[str | None, Meta(description="The folder of the test examples.")] = (
        None
    )
    size: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None,
        Meta(description="Resize to this many rows and columns; null: all are of one size."),
    ] = None


AnySource: TypeAlias = Mnist | Idx | Npz | Csv | Images


def has_own(source: Source, split: Literal["validation", "test"]) -> bool:
    """Return whether a source's settings give a split examples of its own.

    An archive's contents decide that when it is read.
    """
    if isinstance(source, Csv):
        return getattr(source, f"{split}_file") is not None
    if isinstance(source, Images):
        return getattr(source, f"{split}_directory") is not None
    if isinstance(source, Idx) and split == "validation":
        return source.validation_images is not None
    if isinstance(source, Idx):
        return source.directory is not None or source.test_images is not None
    return isinstance(source, Mnist)


def source_name(source: Source) -> str:
    """Return a source's name in configs, such as csv."""
    return str(source.__struct_config__.tag)

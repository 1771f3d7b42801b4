"""The data sources that a config can name under ``data``, with their settings."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from nnexp.datasets.expansion import Expansion

Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """Settings of every source; classes are applied first, then the counts, then expand."""

    train: Annotated[
        Count | None, Meta(description="Use the first n training examples; null: all.")
    ] = None
    validation: Annotated[
        Count | None, Meta(description="Use the first n validation examples; null: all.")
    ] = None
    test: Annotated[Count | None, Meta(description="Use the first n test examples; null: all.")] = (
        None
    )
    classes: Annotated[
        tuple[Annotated[int, Meta(ge=0)], ...] | None,
        Meta(description="Keep only these labels, renumbered 0, 1, … in this order; null: all."),
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


class Mnist(Source, frozen=True, kw_only=True, tag="mnist"):
    """MNIST, which ships with nnexp, split as in the book: 50,000, 10,000 and 10,000."""


class Idx(Source, frozen=True, kw_only=True, tag="idx"):
    """Your own four IDX files, gzipped or not; the training file's last sixth is for validation."""

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


class Npz(Source, frozen=True, kw_only=True, tag="npz"):
    """One NumPy archive: x_train and y_train, and optionally x_ and y_ of validation and test."""

    file: Annotated[str, Meta(description="The .npz file.")]


class Csv(Source, frozen=True, kw_only=True, tag="csv"):
    """One CSV file per split, with a header; the last column is the label."""

    train_file: Annotated[str, Meta(description="The training examples.")]
    validation_file: Annotated[str | None, Meta(description="The validation examples.")] = None
    test_file: Annotated[str | None, Meta(description="The test examples.")] = None


AnySource: TypeAlias = Mnist | Idx | Npz | Csv


def source_name(source: Source) -> str:
    """Return a source's name in configs, such as csv."""
    return str(source.__struct_config__.tag)

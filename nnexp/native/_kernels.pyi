# The extension module. Use nnexp.native.kernels, which documents these classes.

from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

NAME: Final[str]
SOURCES: Final[str]
CHUNK: Final[int]

def apply(function: str, values: Floats, out: Floats, /) -> None: ...

class Examples:
    def __new__(
        cls,
        features: npt.NDArray[np.uint8] | Floats,
        scale: float,
        labels: Indices,
        max_density: float,
    ) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def is_sparse(self) -> bool: ...

class Network:
    def __new__(
        cls,
        sizes: tuple[int, ...],
        activation: str,
        output: str,
        cost: str,
        class_weights: Floats | None,
    ) -> Self: ...
    @property
    def size(self) -> int: ...
    def pack(self, theta: Floats, parameters: Floats, /) -> None: ...
    def unpack(self, parameters: Floats, theta: Floats, /) -> None: ...
    def outputs(
        self, parameters: Floats, examples: Examples, order: Indices | None, out: Floats, /
    ) -> None: ...
    def hidden(
        self, parameters: Floats, examples: Examples, order: Indices | None, out: Floats, /
    ) -> None: ...
    def evaluate(
        self, parameters: Floats, examples: Examples, order: Indices | None, predicted: Indices, /
    ) -> float: ...
    def cost(
        self, parameters: Floats, examples: Examples, order: Indices | None, masks: Floats | None, /
    ) -> float: ...
    def gradient(
        self,
        parameters: Floats,
        examples: Examples,
        order: Indices | None,
        masks: Floats | None,
        regularizer: str,
        strength: float,
        scale: float,
        out: Floats,
        /,
    ) -> None: ...
    def descend(
        self,
        parameters: Floats,
        examples: Examples,
        order: Indices | None,
        batch_size: int,
        learning_rate: float,
        regularizer: str,
        strength: float,
        masks: Floats | None,
        costs: npt.NDArray[np.float64] | None,
        /,
    ) -> None: ...
    def penalty(self, parameters: Floats, regularizer: str, /) -> float: ...

"""Recognize MNIST's training images by content hashes, whatever source they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.datasets.idx import MNIST_SHA256

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES = "train_images"
"""The hash of an IDX file."""
ARRAY = "x_train"
"""The hash of an archive's array."""
ARRAYS = {
    "7966334e0a62e21aeecb36c594d601b1545b48a7cfcd636d924be8f23bea61a7",
    "1da8fcab91c632043a0f907900f092c55962e5a489afa8923699420a750ef432",
    "72807def45b84eb333e10a8938067f63521fc3d1da5f0905bdeac6f6cca9cdad",
    "cef8dff138de6feac260b3118df16109ece14a5c0906e483499a56659a921e47",
    "52109df7534aaa7d4eee5dc4b4a045d521890ac417f0a518bdba1df152696ad1",
    "0980961b5426fd0c701a27ea7a47d85e3594164eb03818ba0c76c8023848bd5e",
}
"""Those of all 60,000 images as bytes, and of the first 50,000.

Each is of shape (n, 28, 28), as in Keras's mnist.npz, (n, 28, 28, 1) or (n, 784).
"""


def is_mnist(sha256: Mapping[str, str]) -> bool:
    """Return whether training data is MNIST's, by its content hashes as run.json has them."""
    return sha256.get(IMAGES) == MNIST_SHA256[IMAGES] or sha256.get(ARRAY) in ARRAYS

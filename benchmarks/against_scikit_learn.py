"""Compare the test accuracy of configs/data with scikit-learn's MLPClassifier.

    python -m benchmarks.against_scikit_learn [NAME...] [--seeds 20]

For each split_seed, both are trained on the same training examples with the same standardization
and as many hidden neurons, and tested on the same examples. Of Fashion-MNIST, whose test examples
are given, split_seed draws a tenth of the 60,000 others for training. Prints the mean difference of
the accuracies in points with its paired 95 % interval (Student's t).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import t
from sklearn.neural_network import MLPClassifier

from benchmarks.data_sets import write
from nnexp.config import load
from nnexp.config.model import CheckedConfig
from nnexp.datasets.loading import load as load_data
from nnexp.runner import train

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "data"
NAMES = ("iris", "wine", "breast-cancer", "digits", "semicolons", "pictures", "fashion-mnist")
SETTINGS = {"fashion-mnist": {"validation": 0.9}}
"""Keys of data that differ from a config's own."""


def ours(config: CheckedConfig, runs: Path) -> float:
    """Return the test accuracy of the best epoch."""
    result = train.train(config, runs).result
    return float(result.test_accuracy or 0.0) if result else 0.0


def theirs(config: CheckedConfig) -> float:
    """Return the test accuracy of MLPClassifier with its defaults and our hidden layers."""
    dataset = load_data(config.data)
    test = dataset.splits["test"]
    network = MLPClassifier(config.hidden, max_iter=1000, random_state=config.data.split_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of training that has not converged
        network.fit(dataset.train.features / dataset.scale, dataset.train.labels)
    return float(network.score(test.features / dataset.scale, test.labels))


def compare(name: str, seeds: int, runs: Path) -> None:
    """Print the difference on one data set."""
    config = load.read(CONFIGS / f"{name}.yaml")
    pairs = []
    for seed in range(seeds):
        data = msgspec.structs.replace(config.data, split_seed=seed, **SETTINGS.get(name, {}))
        changed = load.changed(config, data=data)
        pairs.append((ours(changed, runs), theirs(changed)))
    accuracies = 100 * np.array(pairs)
    difference = accuracies[:, 0] - accuracies[:, 1]
    half = t.ppf(0.975, seeds - 1) * difference.std(ddof=1) / np.sqrt(seeds)
    mean = difference.mean()
    print(
        f"{name}: nnexp {accuracies[:, 0].mean():.2f} %, MLPClassifier "
        f"{accuracies[:, 1].mean():.2f} %; difference {mean:+.2f} points, "
        f"95 % interval [{mean - half:+.2f}, {mean + half:+.2f}]"
    )


def main() -> None:
    """Compare the data sets that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write(Path("data"))
        for name in arguments.names:
            compare(name, arguments.seeds, Path("runs"))


if __name__ == "__main__":
    main()

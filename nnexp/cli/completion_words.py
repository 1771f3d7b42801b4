"""Words that shell completion offers: config keys with their values, ranges, metrics, figures.

They are written out because the modules that define them import NumPy, for which nobody wants to
wait at the prompt. A test holds them against those modules.
"""

from __future__ import annotations

_FLAG = ("true", "false")
_DATA = {
    "data": ("mnist", "idx", "npz", "csv", "images"),
    "data.train": ("null",),
    "data.validation": ("null",),
    "data.test": ("null",),
    "data.classes": ("null",),
    "data.scale": (),
    "data.expand": ("shift", "rotate", "null"),
    "data.expand.degrees": (),
    "data.standardize": _FLAG,
    "data.split_seed": (),
    "data.directory": ("null",),
    "data.train_images": ("null",),
    "data.train_labels": ("null",),
    "data.validation_images": ("null",),
    "data.validation_labels": ("null",),
    "data.test_images": ("null",),
    "data.test_labels": ("null",),
    "data.file": (),
    "data.arrays": (),
    "data.arrays.x_train": ("null",),
    "data.arrays.y_train": ("null",),
    "data.arrays.x_validation": ("null",),
    "data.arrays.y_validation": ("null",),
    "data.arrays.x_test": ("null",),
    "data.arrays.y_test": ("null",),
    "data.arrays.class_names": ("null",),
    "data.train_file": (),
    "data.validation_file": ("null",),
    "data.test_file": ("null",),
    "data.label": ("null",),
    "data.drop": (),
    "data.delimiter": ("null",),
    "data.validation_directory": ("null",),
    "data.test_directory": ("null",),
    "data.size": ("null",),
}
VALUES: dict[str, tuple[str, ...]] = {
    **_DATA,
    "hidden": (),
    "activation": ("relu", "sigmoid", "tanh"),
    "output": ("linear", "sigmoid", "softmax", "tanh"),
    "cost": ("cross-entropy", "log-likelihood", "quadratic"),
    "class_weights": ("balanced", "null"),
    "initializer": (
        *("glorot-normal", "glorot-uniform", "he-normal", "he-uniform", "lecun-normal"),
        *("standard-normal", "zeros", "run"),
    ),
    "initializer.path": (),
    "initializer.epoch": ("best", "last"),
    "bias_initializer": ("standard-normal", "zeros"),
    "optimizer": (
        *("sgd", "momentum", "nesterov", "adam", "newton", "hessian-free", "conjugate-gradient"),
        *("bfgs", "l-bfgs"),
    ),
    "optimizer.mu": (),
    "optimizer.beta1": (),
    "optimizer.beta2": (),
    "optimizer.epsilon": (),
    "optimizer.tolerance": (),
    "optimizer.curvature": ("gauss-newton", "hessian"),
    "optimizer.iterations": (),
    "optimizer.damping": (),
    "optimizer.memory": (),
    "learning_rate": ("null",),
    "schedule": ("constant", "step", "exponential", "cosine", "halve-on-plateau", "piecewise"),
    "schedule.every": (),
    "schedule.factor": (),
    "schedule.floor": (),
    "schedule.patience": (),
    "schedule.rates": (),
    "lambda": (),
    "lambda.per_example": (),
    "regularizer": ("l1", "l2"),
    "dropout": (),
    "batch_size": ("all",),
    "epochs": (),
    "evaluate_every": (),
    "stopping": ("accuracy", "cost", "average"),
    "stopping.last": (),
    "patience": ("null",),
    "monitor": ("norms", "running_cost", "saturation", "test", "train", "validation"),
    "dtype": ("float32", "float64"),
    "rng": ("pcg64", "network2"),
    "rng.before": ("trained", "drawn", "null"),
    "seed": (),
}
"""The names, truth values and null that each key of a config accepts; numbers are not listed."""

NUMBERS = (
    *("data.validation", "data.test", "data.scale", "data.expand.degrees", "optimizer.mu"),
    *("optimizer.beta1", "optimizer.beta2", "optimizer.epsilon", "optimizer.tolerance"),
    *("optimizer.damping", "learning_rate", "schedule.factor", "schedule.floor", "lambda"),
    *("lambda.per_example", "dropout"),
)
"""The keys that accept any number."""

WHOLE_NUMBERS = (
    *("data.train", "data.split_seed", "data.size", "initializer.epoch", "optimizer.iterations"),
    *("optimizer.memory", "schedule.every", "schedule.patience", "batch_size", "epochs"),
    *("evaluate_every", "stopping.last", "patience"),
)
"""The keys that accept numbers, but only whole ones. The seed is not searched."""

RANGES = ("uniform", "log-uniform", "integers", "log-integers")
"""The ranges of ``search --space``."""
WHOLE_RANGES = ("integers", "log-integers")
"""Those of whole numbers."""

METRICS = (
    *("test_accuracy", "best_validation_accuracy", "first_validation_accuracy", "test_cost"),
    *("last_train_accuracy", "last_train_cost", "last_validation_accuracy"),
    *("last_validation_cost", "last_test_accuracy", "last_test_cost", "epochs_to_90"),
    *("epochs_to_93", "epochs_to_95", "epochs_to_96", "epochs_to_97", "epochs_to_97.5"),
    "epochs_to_98",
)
"""The metrics that ``compare --metric`` can judge."""

FIGURES = (
    *("weight_initialization_30", "weight_initialization_100", "multiple_eta", "overfitting"),
    *("overfitting_full", "regularized", "regularized_full", "more_data"),
)
"""The figures of ``reproduce``."""

JSON_COMMANDS = (
    *("compare", "evaluate", "find-rate", "inspect", "inspect --data", "note", "predict", "race"),
    *("replay", "report", "reproduce", "reproduce FIGURE", "runs", "runs --each", "search", "show"),
    *("sweep", "sweep --dry-run", "train", "tune", "tune --explain", "verify"),
)
"""The outputs of ``schema --of``."""

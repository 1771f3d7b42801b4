"""An experiment bench for small neural networks, from YAML files and the shell.

The public names are in ``__all__``. They are imported when first used, so that ``nnexp --help``
does not import NumPy. The errors are public, too, in ``nnexp.errors``. All other modules are
private and may change without notice.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Run", "__version__", "compare", "load_config", "runs", "sweep", "train"]

if TYPE_CHECKING:
    from nnexp.api import Run, compare, load_config, runs, sweep, train
else:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from nnexp import api  # noqa: PLC0415 - see above

        return getattr(api, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)

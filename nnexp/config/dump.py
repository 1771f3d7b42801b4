"""Write a config as YAML that ``load`` reads as the same config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnexp.config import canonical, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nnexp.config.model import Config


def to_yaml(config: Config) -> str:
    """Return the config as YAML with every key that runs record, in the model's order.

    A component is written in its short form if all it has is a name.
    """
    return "".join(f"{line}\n" for line in lines(canonical.recorded(config)))


def lines(tree: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a mapping's lines, without line ends."""
    for key, value in tree.items():
        if isinstance(value, dict) and set(value) != {"name"}:
            yield f"{indent}{key}:"
            yield from lines(value, f"{indent}  ")
        else:
            yield f"{indent}{key}: {inline(value)}"


def inline(value: Any) -> str:  # noqa: ANN401 - any value of a config
    """Return a value (a scalar, a list or a component) as one line of YAML."""
    if isinstance(value, dict):
        if set(value) == {"name"}:
            return inline(value["name"])
        return f"{{{', '.join(f'{key}: {inline(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    return scalars.text(value)

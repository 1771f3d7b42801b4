"""What makes two configs the same: plain values, canonical bytes, digest and differences."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, TypeAlias

import msgspec
from msgspec import NODEFAULT, UNSET, Struct, structs

from nnexp.config import keys
from nnexp.config.model import CheckedConfig, Config

Tree: TypeAlias = dict[str, Any]

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def to_builtins(config: Config) -> Tree:
    """Return the whole config as plain values, every key and every component in full."""
    tree: Tree = _listed(msgspec.to_builtins(config))
    return tree


def _listed(value: Any) -> Any:  # noqa: ANN401 - any value of a config
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def canonical_json(config: CheckedConfig) -> bytes:
    """Return the bytes that name an experiment: what differs from the defaults, but the seed.

    Short and long forms, 1 and 1.0, any order of keys give the same bytes; a key that
    is added to the model later changes none.
    """
    tree = changed(config)
    tree.pop("seed", None)
    return encode(tree)


def encode(tree: Tree) -> bytes:
    """Return plain values as JSON, with sorted keys and without spaces."""
    return _ENCODER.encode(tree).encode()


def digest(config: CheckedConfig) -> str:
    """Return the SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(config)).hexdigest()


def changed(struct: Struct) -> Tree:
    """Return a struct's name, if it has one, and the keys that differ from their defaults."""
    tree: Tree = {}
    if (tag := struct.__struct_config__.tag) is not None:
        tree["name"] = tag
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        if field.default is NODEFAULT or value != field.default:
            tree[field.encode_name] = _changed(value)
    return tree


@functools.cache
def _fields(model: type[Struct]) -> tuple[structs.FieldInfo, ...]:
    return structs.fields(model)  # it works them out at each call


def _changed(value: Any) -> Any:  # noqa: ANN401 - any value of a config
    if isinstance(value, tuple):
        return [_changed(item) for item in value]
    return changed(value) if isinstance(value, Struct) else value


def differences(a: Config, b: Config) -> list[tuple[str, Any, Any]]:
    """Return (dotted key, a's value, b's value) for each key that differs, in the model's order.

    A component's name stands under the component's own key. A setting that only one
    side's component has is ``msgspec.UNSET`` on the other, and left out where it is null.
    """
    left, right = flat(a), flat(b)
    pairs = [(key, left.get(key, UNSET), right.get(key, UNSET)) for key in {**left, **right}]
    return [(key, one, other) for key, one, other in pairs if not _same(one, other)]


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any values of two configs
    nothing = (None, UNSET)
    return one == other or (one in nothing and other in nothing)


def flat(config: Config) -> Tree:
    """Return the whole config as dotted keys, a component's name under its own key."""
    return keys.flat(to_builtins(config))

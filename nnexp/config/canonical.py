"""Compare configs: their canonical JSON, digest and differences."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, TypeAlias

import msgspec
from msgspec import NODEFAULT, UNSET, Struct, structs

from nnexp.config import keys, rules
from nnexp.config.model import CheckedConfig, Config
from nnexp.optim.schedules import Piecewise

Tree: TypeAlias = dict[str, Any]

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def to_builtins(config: Config) -> Tree:
    """Return the config as plain values, with every key and components in long form."""
    tree: Tree = _tuples_to_lists(msgspec.to_builtins(config, str_keys=True))
    return tree


def recorded(config: Config) -> Tree:
    """Return the config as runs record it: as plain values, without late keys at their defaults.

    Late keys were added to the model after the first release, and earlier runs lack them.
    """
    tree = to_builtins(config)
    for struct, own in ((config, tree), (config.data, tree["data"])):
        for field in _fields(type(struct)):
            if field.name in LATE_KEYS and getattr(struct, field.name) == field.default:
                del own[field.encode_name]
    return tree


LATE_KEYS = {
    key.removeprefix("data.").partition(".")[0]
    for defaults in keys.LATE_DEFAULTS.values()
    for key in defaults
}
"""Keys, of the config and of data, that are left out at their defaults."""


def _tuples_to_lists(value: Any) -> Any:  # noqa: ANN401 - any value of a config
    if isinstance(value, dict):
        return {key: _tuples_to_lists(inner) for key, inner in value.items()}
    return [_tuples_to_lists(item) for item in value] if isinstance(value, tuple) else value


def canonical_json(config: CheckedConfig) -> bytes:
    """Return the bytes that identify an experiment: all keys but the seed that are not defaults.

    The bytes do not depend on short or long forms, on 1 or 1.0, or on the order of keys, and do
    not change when a key is added to the model, or when a default changes whose former value is
    its section's ``recorded_`` attribute.
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


def growth_json(config: CheckedConfig) -> bytes:
    """Return the bytes that two configs share if one's run can grow from the other's.

    They include the seed, and leave out the keys that decide when training ends, not how an epoch
    is trained. A schedule that depends on the number of epochs keeps it. Of a piecewise schedule,
    they include the first learning rate alone, so that runs share the epochs before the rates
    differ, with a constant schedule as well.
    """
    is_piecewise = isinstance(config.schedule, Piecewise)
    tree = changed(rules.with_constant_rate(config) if is_piecewise else config)
    kept = {"epochs"} if config.schedule.depends_on_epochs else set()
    for key in ENDING_KEYS - kept:
        tree.pop(key, None)
    return encode(tree)


ENDING_KEYS = {"epochs", "patience", "stopping"}
"""Keys that decide when training ends."""


def changed(struct: Struct) -> Tree:
    """Return the keys that differ from their defaults, and the struct's name if it has one."""
    tree: Tree = {}
    if (tag := struct.__struct_config__.tag) is not None:
        tree["name"] = tag
    for field in _fields(type(struct)):
        value, default = getattr(struct, field.name), field.default
        default = getattr(struct, f"recorded_{field.name}", default)
        if default is NODEFAULT or value != default:
            tree[field.encode_name] = _to_plain(value)
    return tree


@functools.cache
def _fields(model: type[Struct]) -> tuple[structs.FieldInfo, ...]:
    return structs.fields(model)  # msgspec does not cache it


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - any value of a config
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _to_plain(inner) for key, inner in value.items()}
    return changed(value) if isinstance(value, Struct) else value


def differences(a: Config, b: Config) -> list[tuple[str, Any, Any]]:
    """Return (dotted key, a's value, b's value) for each key that differs, in the model's order.

    A component's name is listed under the component's own key. A setting that only one of the two
    components has is ``msgspec.UNSET`` for the other; it is left out if it is null.
    """
    left, right = flat(a), flat(b)
    pairs = [(key, left.get(key, UNSET), right.get(key, UNSET)) for key in {**left, **right}]
    return [(key, x, y) for key, x, y in pairs if not _same(x, y)]


def _same(x: Any, y: Any) -> bool:  # noqa: ANN401 - any values of two configs
    empty = (None, UNSET)
    return x == y or (x in empty and y in empty)


def flat(config: Config) -> Tree:
    """Return the config by dotted key, with a component's name under the component's key."""
    return keys.flat(to_builtins(config))

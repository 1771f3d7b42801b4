"""Import a module when it is first used, so that commands that do without it start faster.

NumPy takes longer to load than most commands that compute nothing need altogether; ``ctypes``
and ``zipfile`` take some milliseconds. Importing them inside functions would be easy to forget in
one of a hundred modules.

A module that such commands load uses no attribute of a deferred one when it is imported, and
imports ``numpy.typing``, which loads all of NumPy, for the type checker only.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any

_lock = RLock()
_loading: set[str] = set()
"""Names of modules whose code is running; other threads wait for its end."""


class DeferredModule(ModuleType):
    """A module that loads itself as soon as one of its attributes is needed.

    Unlike those of ``importlib.util.LazyLoader``, it may be imported by several modules before
    that: an import statement reads ``__spec__``. If loading fails, the next use tries again.
    """

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module holds
        spec = ModuleType.__getattribute__(self, "__spec__")
        if name == "__spec__":
            return spec
        with _lock:
            is_loaded = type(self) is ModuleType  # by another thread, meanwhile
            if not is_loaded and spec.name not in _loading:
                _loading.add(spec.name)
                try:
                    spec.loader.exec_module(self)
                    self.__class__ = ModuleType  # type: ignore[assignment] # as any other
                finally:
                    _loading.discard(spec.name)
        return ModuleType.__getattribute__(self, name)


def defer(name: str) -> None:
    """Let the first import of a module wait until the module is used; no error if it is absent."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        module = module_from_spec(spec)
        module.__class__ = DeferredModule
        sys.modules[name] = module

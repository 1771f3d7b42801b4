"""Import a module when it is first used, so that commands that do without it start faster.

NumPy takes longer to load than most commands that compute nothing need altogether. Importing it
inside functions would be easy to forget in one of a hundred modules. Modules that are loaded before
NumPy is needed import ``numpy.typing``, which loads all of it, for the type checker only.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


class DeferredModule(ModuleType):
    """A module that loads itself as soon as one of its attributes is asked for.

    Unlike those of ``importlib.util.LazyLoader``, it may be imported by several modules before
    that: an import statement asks for ``__spec__``.
    """

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module holds
        if name == "__spec__":
            return super().__getattribute__(name)
        self.__class__ = ModuleType  # type: ignore[assignment] # from here on like any other
        if self.__spec__ is not None and self.__spec__.loader is not None:
            self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def defer(name: str) -> None:
    """Let the first import of a module wait until the module is used; no error if it is absent."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        module = module_from_spec(spec)
        module.__class__ = DeferredModule
        sys.modules[name] = module

"""A handler: a marked function with what follows from its signature. Found by `workers/registry.py`."""

import inspect
from collections.abc import Callable
from typing import Any

from workers.definition import Definition
from workers.signature import Signature


class Handler:
    """Raises TypeError for a function that cannot be one."""

    def __init__(self, function: Callable[..., Any], definition: Definition) -> None:
        self.function = function
        self.definition = definition
        self.is_async = inspect.iscoroutinefunction(function)
        self.signature = Signature(function)
        if definition.process and self.is_async:
            raise TypeError(f"{self.path}: with process=True a handler is a plain def")
        if definition.process and not function.__qualname__.isidentifier():
            raise TypeError(f"{self.path}: with process=True a handler is defined at the top of its module")
        if definition.reconcile:
            self._check(definition.reconcile)

    def _check(self, reconcile: Callable[..., Any]) -> None:
        if inspect.iscoroutinefunction(reconcile) is not self.is_async:
            raise TypeError(f"{self.path}: reconcile runs where the handler does, so both are async def, or none is")
        beside = reconcile.__module__ == self.function.__module__ and reconcile.__qualname__.isidentifier()
        if self.definition.process and not beside:
            raise TypeError(f"{self.path}: with process=True reconcile is found by name, at the top of the same module")

    @property
    def path(self) -> str:
        """Where it is defined."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def description(self) -> str:
        """The first paragraph of the function's docstring, as one line."""
        paragraph, _, _ = (inspect.getdoc(self.function) or "").partition("\n\n")
        return " ".join(paragraph.split())

"""Which kinds this worker runs: the shipped handlers and those of a deployment's modules (`TIDINGS_HANDLERS`).

Made by `workers/main.py`. Modules are looked through for what `@job` has marked; importing one registers nothing.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from inspect import isfunction
from types import ModuleType
from typing import Final, Self

from app.store import Kind
from workers.definition import MARK, Definition
from workers.handler import Handler

SHIPPED: Final = "workers.handlers"


class HandlersError(Exception):
    """The handlers cannot be loaded; the message says which module, and why."""


class Registry:
    """Handlers by kind."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        self._by_kind: dict[str, Handler] = {}
        for handler in handlers:
            self._add(handler)

    @classmethod
    def load(cls, modules: Iterable[str]) -> Self:
        """The shipped handlers and those of these modules; of a package also those of the modules in it.

        Raises HandlersError for a module that cannot be imported, a function that cannot be a handler, and a kind
        that two of them claim.
        """
        return cls(handler for name in (SHIPPED, *modules) for handler in _load(name))

    @property
    def limits(self) -> Mapping[str, int]:
        """Each kind with the most runs of it at once; 0 for any number."""
        return {kind: handler.definition.max_running for kind, handler in self._by_kind.items()}

    def find(self, kind: str) -> Handler | None:
        """The handler of a kind."""
        return self._by_kind.get(kind)

    def kinds(self) -> list[Kind]:
        """What is announced to Redis."""
        return [_kind(handler) for handler in self._by_kind.values()]

    def _add(self, handler: Handler) -> None:
        known = self._by_kind.setdefault(handler.definition.kind, handler)
        if known.function is not handler.function:
            raise HandlersError(f"kind {handler.definition.kind!r} is claimed by {known.path} and {handler.path}")


def _load(name: str) -> list[Handler]:
    try:
        return [handler for module in _modules(name) for handler in _handlers(module)]
    except Exception as error:
        raise HandlersError(f"the handlers of {name} cannot be loaded: {error!r}") from error


def _handlers(module: ModuleType) -> Iterator[Handler]:
    for member in vars(module).values():
        if isfunction(member) and isinstance(definition := getattr(member, MARK, None), Definition):
            yield Handler(member, definition)


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
        yield importlib.import_module(f"{name}.{inner.name}")


def _kind(handler: Handler) -> Kind:
    definition = handler.definition
    return Kind(
        kind=definition.kind,
        description=handler.description,
        params_schema=handler.signature.schema,
        queue=definition.queue,
        timeout_seconds=definition.timeout,
        max_attempts=definition.max_attempts,
        max_running=definition.max_running,
        result_ttl_seconds=definition.result_ttl,
        memory_bytes=definition.memory_bytes,
        cpu_seconds=definition.cpu_seconds,
    )

"""How a variable is written where it holds more than one value; the settings' rooms read theirs so."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, IPvAnyNetwork
from pydantic_settings import NoDecode


def commas(value: object) -> object:
    """`a, b` as its parts; what is no text is left as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def pairs(split: Callable[[str, str], tuple[str, str, str]]) -> Callable[[object], object]:
    """`name=value, other=value` as a dict; `split` says at which `=`, the first or the last."""

    def read(value: object) -> object:
        if isinstance(value, str):
            parts = (split(part, "=") for part in value.split(",") if part.strip())
            return {name.strip(): of.strip() for name, _, of in parts}
        return value

    return read


Commas = BeforeValidator(commas)

Words = Annotated[tuple[str, ...], NoDecode, Commas]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, Commas]

"""A handler's signature as the schema of its kind's params, and params as the arguments it is called with."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

PREFIX: Final = "param_"
"""A model's field may not be called `copy` or `_x`, a param may: the field's name is hidden behind an alias."""

MOST_ERRORS: Final = 8


class InvalidParams(ValueError):
    """The params do not fit; the message says which and why."""


class Signature:
    """Of a handler function: its first parameter is the context, the others are the params.

    Raises TypeError for a function that cannot be a handler.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._model: type[BaseModel] = create_model(
            function.__name__,
            __config__=ConfigDict(extra="forbid", alias_generator=_param_of),
            **{f"{PREFIX}{name}": field for name, field in _fields(function)},
        )
        self.schema = self._model.model_json_schema(mode="validation")

    def arguments(self, params: str) -> dict[str, Any]:
        """The params, a JSON object as text, as keyword arguments with the defaults filled in. Raises InvalidParams."""
        try:
            values = self._model.model_validate_json(params)
        except ValidationError as error:
            raise InvalidParams(_told(error)) from None
        except Exception as error:  # a validator of the handler's own
            raise InvalidParams(f"params: they could not be checked ({type(error).__name__})") from error
        return {_param_of(field): getattr(values, field) for field in self._model.model_fields}


def is_plain(value: Any) -> bool:
    """Whether it is what its JSON would be read as."""
    match value:
        case list():
            return type(value) is list and all(map(is_plain, value))
        case dict():
            return type(value) is dict and all(type(key) is str and is_plain(inner) for key, inner in value.items())
        case _:
            return value is None or type(value) in (str, int, float, bool)


def _fields(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = _parameters(function)
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{_name(function)}: {parameter} cannot be a param: params have names")
        default = ... if parameter.default is parameter.empty else parameter.default
        yield parameter.name, (hints.get(parameter.name, Any), default)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise TypeError(f"{_name(function)}: a handler's first parameter is its context")
    return parameters


def _param_of(field: str) -> str:
    return field.removeprefix(PREFIX)


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _told(error: ValidationError) -> str:
    """`seconds: Input should be greater than 0; steps: …`, without the values themselves."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, each['loc'])) or 'params'}: {each['msg']}" for each in found[:MOST_ERRORS]]
    return "; ".join(told)

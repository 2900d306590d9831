"""The words of a command line as params: `key=value`, `key:=json`, `key=@path`, read with the kind's schema at hand.

`key.member=value` is one member of an object.

Used by `app/cli`. Whether values fit is the service's to judge; here they only get the type the schema names.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic_core import from_json, to_json

from app.intake.params import INPUT_FORMAT

Schema = Mapping[str, Any]

TRUTH: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class ArgumentError(ValueError):
    """Words that make no params; the message says which and why."""


@dataclass(frozen=True, slots=True)
class File:
    """A value still to be uploaded."""

    path: Path


@dataclass(frozen=True, slots=True)
class Param:
    """One param of a kind. `branches` are the schemas any one of which its value may fit."""

    name: str
    required: bool
    default: Any
    branches: tuple[Schema, ...]

    @property
    def takes_file(self) -> bool:
        """Whether it is an input."""
        return any(branch.get("format") == INPUT_FORMAT for branch in self.branches)

    @property
    def types(self) -> frozenset[str]:
        """JSON types without null; empty where anything goes."""
        named = [branch.get("type", ()) for branch in self.branches]
        if () in named:
            return frozenset()
        return frozenset(name for names in named for name in ([names] if isinstance(names, str) else names)) - {"null"}

    def member(self, name: str) -> "Param":
        """One of an object's; of whatever names, where its schema names none."""
        found = [branch.get("properties", {}).get(name) for branch in self.branches]
        found += [one for branch in self.branches for one in branch.get("patternProperties", {}).values()]
        found += [branch.get("additionalProperties") for branch in self.branches]
        schema = next((one for one in found if isinstance(one, Mapping)), {})
        return Param(f"{self.name}.{name}", False, None, tuple(_branches(schema, {})))

    def read(self, text: str) -> Any:
        """Text as a value of the type the schema names; as it is where it may be a string, or fits no other type."""
        if self.takes_file and Path(text).is_file():
            return File(Path(text))
        if not self.types or "string" in self.types:
            return text
        if self.types == {"boolean"}:
            return TRUTH.get(text.lower(), text)
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError:
            return text

    def __str__(self) -> str:
        """`height: integer`, `format: "mp4" | "webm" = "mp4"`, `input: file (required)`."""
        kind = "file" if self.takes_file else " | ".join(self._choices() or sorted(self.types)) or "anything"
        if self.required:
            return f"{self.name}: {kind} (required)"
        return f"{self.name}: {kind}" + (f" = {to_json(self.default).decode()}" if self.default is not None else "")

    def _choices(self) -> list[str]:
        named = [branch.get("enum", [branch["const"]] if "const" in branch else []) for branch in self.branches]
        return [to_json(choice).decode() for choices in named for choice in choices]


@dataclass(frozen=True, slots=True)
class Word:
    """One word taken apart."""

    key: str
    text: str
    as_json: bool

    @classmethod
    def parse(cls, word: str) -> Self:
        """Raises ArgumentError."""
        key, equals, text = word.partition("=")
        name = key.removesuffix(":")
        if not equals or not name:
            raise ArgumentError(f"{word!r} is not key=value")
        return cls(name, text, as_json=name != key)

    def value(self, param: Param | None) -> Any:
        """What is submitted, or a `File`; without a known param, text stays text. Raises ArgumentError."""
        if self.as_json:
            return self._json()
        if self.text.startswith("@"):
            return self._file()
        return param.read(self.text) if param else self.text

    def _json(self) -> Any:
        try:
            return from_json(self.text, allow_inf_nan=False)
        except ValueError as error:
            raise ArgumentError(f"{self.key}: not JSON: {error}") from error

    def _file(self) -> File:
        path = Path(os.path.expanduser(self.text[1:]))
        if not path.is_file():
            raise ArgumentError(f"{self.key}: no such file: {path}")
        return File(path)


def params_of(schema: Schema) -> dict[str, Param]:
    """The params an object schema describes, by name."""
    required = schema.get("required", ())
    return {
        name: Param(name, name in required, one.get("default"), tuple(_branches(one, schema.get("$defs", {}))))
        for name, one in schema.get("properties", {}).items()
    }


def param_at(params: Mapping[str, Param], key: str) -> Param | None:
    """The param of that key, or the member of one."""
    head, dot, name = key.partition(".")
    if key in params or not dot or head not in params:
        return params.get(key)
    return params[head].member(name)


def put_together(params: Mapping[str, Param], values: Mapping[str, Any]) -> dict[str, Any]:
    """The members of each object in one. Raises ArgumentError where that is given as something else."""
    whole = {key: value for key, value in values.items() if key in params or key.partition(".")[0] not in params}
    for key in values.keys() - whole.keys():
        head, _, name = key.partition(".")
        members = whole.setdefault(head, {})
        if not isinstance(members, dict):
            raise ArgumentError(f"{head} is no object, so {key} has no place in it")
        whole[head] = members | {name: values[key]}
    return whole


def parse_words(words: Iterable[str]) -> list[Word]:
    """Take words apart. Raises ArgumentError, also where a key comes twice."""
    parsed: dict[str, Word] = {}
    for word in map(Word.parse, words):
        if word.key in parsed:
            raise ArgumentError(f"{word.key} is given twice")
        parsed[word.key] = word
    return list(parsed.values())


def parse_object(text: bytes) -> dict[str, Any]:
    """Params that come as one JSON object. Raises ArgumentError."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ArgumentError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentError("not a JSON object")
    return value


def _branches(schema: Schema, definitions: Schema, seen: frozenset[str] = frozenset()) -> Iterator[Schema]:
    """The schema itself, or what its `$ref` and `anyOf` lead to; a definition that leads to itself leads nowhere."""
    reference = schema.get("$ref", "")
    alternatives = next((schema[word] for word in ("anyOf", "oneOf", "allOf") if word in schema), None)
    if reference:
        if reference not in seen:
            target = definitions.get(reference.removeprefix("#/$defs/"), {})
            yield from _branches(target, definitions, seen | {reference})
    elif alternatives:
        for alternative in alternatives:
            yield from _branches(alternative, definitions, seen)
    else:
        yield schema

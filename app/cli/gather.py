"""Gathers a submission's params from the command line, stdin and files, which it uploads. Called by `app/cli`."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, Final

from app.cli.arguments import ArgumentError, File, Word, param_at, params_of, parse_object, parse_words, put_together
from app.client import Client, Refused
from app.display import UploadBar
from app.errors import UnknownKind

Json = dict[str, Any]

MOST_BYTES: Final = 16 << 20


def gather(client: Client, kind: str, words: Sequence[str]) -> dict[str, Any]:
    """The params that `words` say; `-` and `@path` among them stand for whole objects, which the others complete.

    Raises ArgumentError, ClientError. Nothing is uploaded before all the rest is known to be well-formed.
    """
    parsed = parse_words(word for word in words if not _is_source(word))
    given: dict[str, Any] = {}
    for source in filter(_is_source, words):
        given |= parse_object(text_of(source))
    return given | (_values(client, kind, parsed) if parsed else {})


def unknown_kind(kind: str, known: Iterable[Json]) -> Refused:
    """What the service says of such a kind, and which one may have been meant."""
    meant = get_close_matches(kind, [one["kind"] for one in known], n=1)
    detail = f"No worker knows {kind!r}." + (f" Did you mean {meant[0]!r}?" if meant else "")
    return Refused({"status": UnknownKind.status, "code": UnknownKind.code, "detail": detail})


def _is_source(word: str) -> bool:
    return word == "-" or word.startswith("@")


def text_of(source: str, most_bytes: int = MOST_BYTES) -> bytes:
    """What stdin (`-`) or a file (its path, with or without `@`) holds. Raises ArgumentError, also for too much."""
    name = "stdin" if source == "-" else source.removeprefix("@")
    try:
        with _stdin() if source == "-" else Path(name).expanduser().open("rb") as file:
            text = file.read(most_bytes + 1)
    except OSError as error:
        raise ArgumentError(f"{name}: {error.strerror}") from error
    if len(text) > most_bytes:
        raise ArgumentError(f"{name} holds more than {most_bytes >> 20} MiB")
    return text


def _stdin() -> AbstractContextManager[BinaryIO]:
    """It stays open for who names it twice, though it holds nothing then."""
    if sys.stdin is None:
        raise ArgumentError("stdin is closed")
    return nullcontext(sys.stdin.buffer)


def _values(client: Client, kind: str, words: Sequence[Word]) -> dict[str, Any]:
    known = client.kinds()
    schemas = {one["kind"]: one["params_schema"] for one in known}
    if kind not in schemas:  # the service would say the same, but only after an upload
        raise unknown_kind(kind, known)
    params = params_of(schemas[kind])
    values = {word.key: word.value(param_at(params, word.key)) for word in words}
    put_together(params, values)  # raises before anything is uploaded
    stored = {key: uploaded(client, v.path)["input"] if isinstance(v, File) else v for key, v in values.items()}
    return put_together(params, stored)


def uploaded(client: Client, path: Path) -> Json:
    """The upload, shown as it goes. Raises ArgumentError for what cannot be read, ClientError."""
    try:
        with UploadBar(path.name) as bar:
            return client.upload(path, bar.show)
    except OSError as error:
        raise ArgumentError(str(error)) from error

"""What kind of table a file holds, by its first bytes: an upload may have any name."""

import gzip
import zlib
from pathlib import Path
from typing import Final

from workers import Failed
from workers.handlers.tables.words import text

HEAD_BYTES: Final = 4096
MOST_FILES: Final = 10_000

COMPRESSIONS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def files(path: Path) -> list[Path]:
    """The file itself, or all in the folder. Raises Failed for none, and for too many."""
    if not path.is_dir():
        return [path]
    inside = (inner for inner in path.rglob("[!._]*") if inner.is_file() and inner.resolve().is_relative_to(path))
    found = sorted(inside)
    if not 0 < len(found) <= MOST_FILES:
        raise Failed(f"A folder holds 1 to {MOST_FILES} files, not {len(found)}.", code="unreadable_input")
    return found


def reader(path: Path) -> str:
    """The call of a table function that reads it. Raises Failed for an empty file."""
    found = files(path)
    function, options = _reading(found[0])
    listed = ", ".join(text(str(file)) for file in found)
    return f"{function}([{listed}]{options})"


def _reading(path: Path) -> tuple[str, str]:
    head = _head(path)
    if not head.strip():
        raise Failed("It is empty.", code="unreadable_input")
    if head.startswith(b"PAR1"):
        return "read_parquet", ""
    compression = next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "none")
    plain = _unzipped(head) if compression == "gzip" else head
    function = "read_json" if plain.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "read_csv"
    return function, f", compression = {text(compression)}"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head)
    except (zlib.error, gzip.BadGzipFile):
        return b""

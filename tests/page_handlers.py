"""Kinds that the tests of the page have their worker load: one of every sort of param, one that leaves whatever can be
seen, and some whose every word is hostile."""

import struct
import zlib
from typing import Literal

from workers import Context, job

SCRIPT = "document.title = 'taken over'"
HOSTILE = f'<img src="x" onerror="{SCRIPT}">'


@job("every_control")
def every_control(
    ctx: Context,
    *,
    word: str,
    size: Literal["small", "large"] = "large",
    count: int | None = None,
    loud: bool = True,
    options: dict[str, int] | None = None,
) -> dict[str, object]:
    """Hand back what was given."""
    return {"word": word, "size": size, "count": count, "loud": loud, "options": options}


@job("hostile_names", max_attempts=1)
def hostile_names(ctx: Context, *, dataset: str, querySelector: str, submit: str, action: str = "") -> dict[str, str]:
    """Params called like what a form has; what it leaves is hostile, too."""
    ctx.save(f"{HOSTILE}.html", f"<title>taken over</title><script>{SCRIPT}</script>".encode(), "text/html")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{SCRIPT}</script></svg>'
    ctx.save("picture.svg", svg.encode(), "image/svg+xml")
    ctx.save("picture.png", f"<title>taken over</title><script>{SCRIPT}</script>".encode(), "image/png")
    ctx.emit("found", {HOSTILE: HOSTILE})
    return {HOSTILE: "1", "dataset": dataset}


@job("hostile", max_attempts=1)
def hostile(ctx: Context) -> None:
    """<img src="x" onerror="document.title = 'taken over'">"""
    ctx.log(HOSTILE)
    ctx.progress(50, HOSTILE)
    raise RuntimeError(HOSTILE)


@job("gallery", max_attempts=1)
def gallery(ctx: Context, *, caption: str = "plain") -> dict[str, object]:
    """Say and measure a little, and leave a picture, a page and a table."""
    for step in range(30):
        ctx.progress(step * 3, f"step {step}")
        ctx.emit("metric", {"name": "train.loss", "step": step, "value": 1 / (step + 1)})
        ctx.emit("metric", {"name": "valid.loss", "step": step, "value": 1.2 / (step + 1)})
        ctx.log(f"step {step} of {caption}", level="warning" if step == 7 else "info")
    ctx.save("picture.png", _picture(), "image/png")
    ctx.save(
        "report.html", f"<style>h1 {{color: red}}</style><h1>Sales</h1><script>{SCRIPT}</script>".encode(), "text/html"
    )
    ctx.save("sales.csv", b"town,sales\nKiel,10000\n", "text/csv")
    return {"caption": caption, "steps": 30}


@job("fails", max_attempts=1)
def fails(ctx: Context, *, words: str = "no") -> None:
    """Fail."""
    raise ValueError(words)


def _picture() -> bytes:
    """A grey dot as PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0\x80")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

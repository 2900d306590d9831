"""Kinds that `test_page.py` has its worker load: one of every sort of param, and some whose every word is hostile."""

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

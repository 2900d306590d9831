"""Kinds that `test_page.py` has its worker load: one of every sort of param, and one whose every word is hostile."""

from typing import Literal

from workers import Context, job

HOSTILE = '<img src="x" onerror="document.title = \'taken over\'">'


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


@job("hostile", max_attempts=1)
def hostile(ctx: Context) -> None:
    """<img src="x" onerror="document.title = 'taken over'">"""
    ctx.log(HOSTILE)
    ctx.progress(50, HOSTILE)
    raise RuntimeError(HOSTILE)

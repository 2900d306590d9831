"""A job in a notebook: a bar in the cell's output, drawn again in place. IPython is used where it runs, never brought.

rich would draw here as well, but asks for ipywidgets, and for a front end that has them.
"""

import sys
from collections import deque
from html import escape
from typing import Any, Final, Self

from app.display.standing import Standing

Json = dict[str, Any]

MOST_LINES: Final = 10
"""Of what a job says beside its progress only the latest is shown."""


def in_notebook() -> bool:
    """Whether we run in a kernel whose front end shows HTML: not in IPython's terminal, nor in plain Python."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class NotebookBar:
    """`with` shows it in the cell; without a kernel, it is drawn by whoever asks for its `_repr_html_`."""

    def __init__(self) -> None:
        self._standing = Standing()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._handle: Any = None

    def __enter__(self) -> Self:
        self._handle = sys.modules["IPython"].display.display(self, display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._standing.left = ""
        self._draw()

    def show(self, event: Json) -> None:
        line = self._standing.take(event)
        if line:
            self._lines.append(line)
        self._draw()

    def away(self, seconds: float) -> None:
        self._standing.away(seconds)
        self._draw()

    def _draw(self) -> None:
        if self._handle is not None:
            self._handle.update(self)

    def _repr_html_(self) -> str:
        now = self._standing
        value = "" if now.percent is None else f' value="{now.percent:g}"'
        words = "  ".join(filter(None, (now.percent_text.strip(), now.message, now.left)))
        bar = f'<progress max="100"{value} aria-label="{escape(now.status)}" style="width:20em"></progress>'
        lines = f"<pre>{escape(chr(10).join(self._lines))}</pre>" if self._lines else ""
        return f"<div><b>{escape(now.status)}</b> {bar} {escape(words)}{lines}</div>"

    def __repr__(self) -> str:
        now = self._standing
        return "  ".join(filter(None, (now.status, now.percent_text.strip(), now.message, now.left)))

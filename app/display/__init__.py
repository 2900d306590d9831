"""How a job is shown to people while it goes: a bar in a notebook or a terminal, lines where nobody sees it move.

Used by the command line and by the client's `watch`, which imports it only then.
"""

from rich.console import Console

from app.display.notebook import NotebookBar, in_notebook
from app.display.terminal import Bar, BatchLines, Display, FeedLines, JsonLines, Lines, UploadBar

__all__ = ["Bar", "BatchLines", "Display", "FeedLines", "JsonLines", "Lines", "NotebookBar", "UploadBar", "display"]


def display(*, stderr: bool = False) -> Display:
    """What suits where we run: stdout, or stderr."""
    if in_notebook():
        return NotebookBar()
    console = Console(stderr=stderr)
    moving = console.file.isatty() and not console.is_dumb_terminal
    return Bar(console) if moving else Lines(stderr=stderr)

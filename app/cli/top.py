"""`tidings top`: all jobs in a table that lives, or once as they stand. `board.py` knows them, `table.py` draws."""

import asyncio
import sys
from contextlib import aclosing, suppress
from itertools import islice
from typing import Annotated, Any, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.live import Live

from app.cli.asking import AsJson, Url, client_of, given, reach, troubles
from app.cli.board import Board
from app.cli.table import drawn
from app.cli.watching import Kinds, Status, Tags
from app.client import AsyncClient, ClientError

Json = dict[str, Any]

LISTED: Final = 200
"""Of the newest jobs, and of the active ones."""

DRAW_SECONDS: Final = 0.5
LIST_SECONDS: Final = 1.0
LINES_AROUND: Final = 4
PRINTED_CELLS: Final = 160
"""Where no terminal says how wide it is."""


def top(  # noqa: PLR0917  typer calls it by name
    status: Status = None,
    kind: Kinds = None,
    tag: Tags = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, as where there is no terminal.")] = False,
    as_json: AsJson = False,
    url: Url = "",
) -> None:
    """Show all jobs in a table that lives; q or Ctrl-C ends it.

    Without a terminal, with --once or with --json it is printed once.
    """
    board, filters = Board(status or ()), given(kind=kind, tag=tag)
    console = Console(width=None if sys.stdout.isatty() else PRINTED_CELLS)
    if _lives(console) and not (once or as_json):
        with troubles(), suppress(KeyboardInterrupt):
            asyncio.run(_live(url, filters, board, console))
        return
    with client_of(url) as client:
        for statuses in (["pending", "processing"], status):
            for job in islice(client.jobs(**filters, **given(status=statuses)), LISTED):
                board.put(job)
    if as_json:
        for job in board.rows():
            typer.echo(to_json(job))
    else:
        with console.capture() as printed:
            console.print(drawn(board, None, live=False))
        typer.echo(printed.get(), nl=False)


def _lives(console: Console) -> bool:
    """Whether it is drawn again and again: in a terminal that can, and whose keys we know how to read."""
    return sys.stdout.isatty() and not console.is_dumb_terminal and sys.platform != "win32"


async def _live(url: str, filters: Json, board: Board, console: Console) -> None:
    """Draw the board until somebody has had enough. Raises ClientError once the service is given up."""
    from app.cli.keyboard import waking  # noqa: PLC0415  it takes a Unix

    async with reach(AsyncClient, url) as client:
        keeping = asyncio.gather(_feed(client, filters, board), _list(client, filters, board))
        try:
            with Live(console=console, screen=True, auto_refresh=False) as screen, waking() as wake:
                while not (keeping.done() or wake.over):
                    screen.update(drawn(board, console.height - LINES_AROUND), refresh=True)
                    wake.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(wake.wait(), DRAW_SECONDS)
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


async def _feed(client: AsyncClient, filters: Json, board: Board) -> None:
    async with aclosing(client.feed(board.connected, **filters)) as events:
        async for event in events:
            board.take(event)


async def _list(client: AsyncClient, filters: Json, board: Board) -> None:
    """What the feed does not tell: what had ended before, and of what kind a new job is."""
    while True:
        if board.stale:
            board.stale = False
            try:
                await _put_newest(client, filters, board)
            except ClientError as error:
                if not error.heals:
                    raise
                board.stale = True  # whether the service is given up, the feed knows
        await asyncio.sleep(LIST_SECONDS)


async def _put_newest(client: AsyncClient, filters: Json, board: Board) -> None:
    listed = 0
    async with aclosing(client.jobs(**filters, limit=str(LISTED))) as newest:
        async for job in newest:
            board.put(job)
            listed += 1
            if listed == LISTED:
                return

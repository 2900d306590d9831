"""A program that is ended in the very moment in which it is started."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import is_gone
from tests.watching import until
from workers.run import program


async def test_a_program_that_is_cancelled_while_it_starts_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.subprocess_exec
    go_on = asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        started = await start(*arguments, **options)
        await go_on.wait()
        return started

    monkeypatch.setattr(loop, "subprocess_exec", slow)
    script = "trap '' TERM; echo $$ > new; mv new pid; while :; do sleep 600; done"
    running = asyncio.create_task(
        program.run(["sh", "-c", script], None, cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    )
    await until((tmp_path / "pid").exists)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert is_gone(int((tmp_path / "pid").read_text()))

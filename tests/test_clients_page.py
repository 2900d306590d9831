"""Every snippet of `docs/clients.md`, run as it stands there against a real service."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.cli.exits import ExitCode
from tests.faults.house import ROOT, House
from tests.faults.service import shared

PAGE = (ROOT / "docs" / "clients.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with House(tmp_path_factory.mktemp("s"), handlers="") as house:
        web = await house.web()
        await house.worker()
        yield f"http://127.0.0.1:{web.port}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text("customer,price\na,1\nb,2\na,3\n")
    return tmp_path


async def ran(folder: Path, url: str, *command: str) -> str:
    """What it has said; it must have come to a good end."""
    env = os.environ | {
        "TIDINGS_URL": url,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@shared
async def test_ten_lines_of_python_upload_submit_follow_and_download(folder: Path, url: str) -> None:
    first, *_ = blocks("python")
    assert len(first.strip().splitlines()) <= 10
    told = await ran(folder, url, sys.executable, "-c", first.replace(ADDRESS, url))
    assert told.splitlines()[-1].endswith(" completed")
    assert (folder / "totals.csv").read_text().split() == ["customer,total", "a,4", "b,2"]


@shared
async def test_the_async_face_waits_for_several_at_once(folder: Path, url: str) -> None:
    *_, last = blocks("python")
    told = await ran(folder, url, sys.executable, "-c", last.replace(ADDRESS, url))
    assert told.startswith("[{")


@shared
async def test_a_job_is_watched_by_a_line(folder: Path, url: str) -> None:
    _, watched, _ = blocks("python")
    told = await ran(folder, url, sys.executable, "-c", watched.replace(ADDRESS, url))
    assert told == "completed {'seconds': 0.2, 'steps': 10}\n"


@shared
async def test_the_commands_do_what_they_say(folder: Path, url: str) -> None:
    script, completing = blocks("sh")
    told = await ran(folder, url, "sh", "-eu", "-c", script)
    assert "countdown" in told
    assert "ended" in await ran(folder, url, "bash", "-eu", "-c", completing)
    assert "complete --command tidings" in (folder / "tidings.fish").read_text()
    assert (folder / "count.csv").read_text().split() == ["n", "3"]
    assert "2 completed" in told


def test_the_exit_codes_are_those_of_the_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert listed == set(ExitCode)

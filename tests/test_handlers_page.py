"""What `docs/handlers.md` promises of its handlers; `tests/docs/` runs their tests, and here a runner the first one."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.jobs import Status
from app.store import Secret
from tests.stage import Stage
from workers.registry import Registry
from workers.runner import Runner

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "handlers.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def snippets(tmp_path: Path) -> Path:
    """A folder with all of them as files."""
    for language, text in BLOCKS:
        name = re.match(r"# (\w+\.py)\n", text)
        assert language == "python"
        assert name, f"where does this belong? {text}"
        (tmp_path / name[1]).write_text(text)
    return tmp_path


def test_every_handler_has_a_test(snippets: Path) -> None:
    names = {path.name for path in snippets.glob("*.py")}
    handlers = {name for name in names if not name.startswith("test_")}
    assert names - handlers == {f"test_{name}" for name in handlers}


def test_the_first_handler_has_ten_lines() -> None:
    _, *lines = BLOCKS[0][1].splitlines()
    assert len([line for line in lines if line]) <= 10


async def test_the_first_handler_runs_as_a_job(redis: Redis, snippets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(snippets)
    stage = Stage(redis, snippets / "data")
    stage.registry = Registry.load(["words"])
    stage.runner = Runner(stage.registry, stage.jobs, stage.uploads, stage.files, stage.settings, secret=Secret(redis))
    (snippets / "text.txt").write_text("The owl and the cat")
    job = await stage.play("words", input=await stage.upload(snippets / "text.txt"), most=1)
    assert (job.status, job.result) == (Status.COMPLETED, {"the": 2})

"""What users call their files is kept as a word: at most it names one file in a folder made for it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.artifacts import FileStore
from tests.stage import Stage

NAMES = [
    *("../../x", "/etc/passwd", "..", ".ssh", "a\0b", "a\nb", "-rf", "x" * 300, "~root", "$(touch x).txt", "%2e%2e"),
    *("a\\..\\b", "CON", "x;y", "*", "[a-z]", "\u202egpj.exe", "|true", "file://x", "concat:a"),
]


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path / "data")


@pytest.mark.parametrize("name", NAMES)
async def test_an_input_lies_in_a_folder_of_its_run_whatever_it_is_called(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    (tmp_path / "content").write_text("content")
    reference = await stage.upload(tmp_path / "content", name)
    called, content = (await stage.play("thread", deed="read", arguments=[reference])).result
    assert content == "content"
    assert "/" not in called
    assert not called.startswith(".")
    assert [path.name for path in (stage.data_dir / "uploads").iterdir()] == [reference.partition(":")[2]]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=220), st.sampled_from(NAMES)))
@example("a" * 200)
def test_an_artifact_is_one_file_in_the_folder_of_its_run_or_refused(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    files = FileStore(tmp_path / "store")
    files.prepare()
    try:
        files.save("job", 1, name, source)
    except (ValueError, UnicodeEncodeError):
        made: set[Path] = set()
    else:
        made = {tmp_path / "store" / "artifacts" / "job" / "1" / name}
    assert {path for path in (tmp_path / "store").rglob("*") if path.is_file()} == made
    files.drop_artifacts("job")

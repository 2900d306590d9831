"""The store of files: the same on a disk and in S3, whatever the names, sizes and misfortunes."""

import hashlib
import os
from pathlib import Path
from typing import Final

import pytest

from app.artifacts import FileStore, artifact_key, upload_key
from app.jobs import new_job_id
from tests.gateway import STORES, content_of, files_of, store_settings

MIB: Final = 1 << 20


@pytest.fixture(params=STORES)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    store = files_of(tmp_path / "data", **store_settings(request))
    store.prepare()
    return store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 7])
def test_what_is_saved_comes_back_with_its_size_and_hash(files: FileStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "film.mp4").write_bytes(content)
    artifact = files.save(new_job_id(), 2, "film.mp4", tmp_path / "film.mp4", main=True)
    assert (artifact.size, artifact.content_type, artifact.main) == (size, "video/mp4", True)
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert content_of(files, artifact_key(artifact.key)) == content


ODD: Final = ['Füße "1".mp4', "a%2Fb", "100%", "*?#[]{}^`|<>", "a..\\..\\up", "a..", "~", "a&b=c;d +e", "𝔘", " x "]


@pytest.mark.parametrize("name", [*ODD, "x" * 200])
def test_any_name_is_kept_as_it_is(files: FileStore, source: Path, tmp_path: Path, name: str) -> None:
    job_id = new_job_id()
    artifact = files.save(job_id, 1, name, source)
    assert artifact.key == f"{job_id}/1/{name}"
    assert content_of(files, artifact_key(artifact.key)) == b"bytes"
    assert files.objects.room("artifacts").entries() == [job_id]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x", ".x", "a\0b", "a\nb", "x" * 201])
def test_a_name_that_is_none_stores_nothing(files: FileStore, source: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a plain file name"):
        files.save(new_job_id(), 1, name, source)
    assert files.objects.room("artifacts").entries() == []


def test_a_source_that_is_not_there_stores_nothing(files: FileStore, tmp_path: Path) -> None:
    job_id = new_job_id()
    with pytest.raises(FileNotFoundError) as raised:
        files.save(job_id, 1, "a", tmp_path / "none")
    assert str(tmp_path / "none") in str(raised.value)
    with pytest.raises(FileNotFoundError):
        content_of(files, artifact_key(f"{job_id}/1/a"))


def test_a_save_that_is_given_up_half_way_shows_nothing(files: FileStore, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(20 * MIB))
    job_id, seen = new_job_id(), []

    def told(moved: int) -> None:
        seen.append(moved)
        if moved > 17 * MIB:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        files.save(job_id, 1, "a", tmp_path / "large", told=told)
    assert seen == [n * MIB for n in range(1, 19)]
    with pytest.raises(FileNotFoundError):
        content_of(files, artifact_key(f"{job_id}/1/a"))


def test_an_upload_leaves_our_disk_for_where_all_find_it(files: FileStore, tmp_path: Path) -> None:
    upload_id = new_job_id()
    files.unfinished(upload_id).write_bytes(b"whole")
    files.keep_upload(upload_id)
    assert not files.unfinished(upload_id).exists()
    assert content_of(files, upload_key(upload_id)) == b"whole"
    assert files.objects.room("uploads").entries() == [upload_id]


def test_what_is_dropped_is_gone_and_nothing_beside_it(files: FileStore, source: Path, tmp_path: Path) -> None:
    gone, kept, upload_id = new_job_id(), new_job_id(), new_job_id()
    for job_id, run, name in [(gone, 1, "a"), (gone, 2, "a"), (gone, 2, "b"), (kept, 1, "a")]:
        files.save(job_id, run, name, source)
    files.unfinished(upload_id).write_bytes(b"x")
    files.keep_upload(upload_id)
    for _ in range(2):
        files.drop_artifacts(gone)
        files.drop_upload(upload_id)
    assert files.objects.room("artifacts").entries() == [kept]
    assert files.objects.room("uploads").entries() == []
    assert content_of(files, artifact_key(f"{kept}/1/a")) == b"bytes"


def test_what_is_not_there_is_not_found_and_leaves_nothing(files: FileStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.fetch(upload_key(new_job_id()), tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_room_knows_since_when_each_entry_is_unchanged(files: FileStore, source: Path) -> None:
    job_id, room = new_job_id(), files.objects.room("artifacts")
    before = files.objects.time()
    files.save(job_id, 1, "a", source)
    assert before - 1 <= room.changed_at(job_id) <= files.objects.time() + 1
    assert room.changed_at(new_job_id()) == float("inf")
    room.drop(job_id)
    assert room.entries() == []


def test_a_note_knows_since_when_it_is_kept_up(files: FileStore) -> None:
    note = files.objects.note("note")
    assert (note.text(), note.began()) == ("", float("inf"))
    began = note.write("one 1", float("inf"))
    assert abs(began - files.objects.time()) < 5
    assert note.began() == began
    assert note.write("one 2", began - 100) == began - 100
    again = files.objects.note("note")
    assert (again.text(), again.began()) == ("one 2", began - 100)


def test_files_on_a_disk_have_no_link(tmp_path: Path, source: Path) -> None:
    files = files_of(tmp_path)
    assert files.link(files.save(new_job_id(), 1, "a", source), "GET", {}, 0) is None


def test_a_folder_of_ones_own_holds_uploads_and_artifacts(tmp_path: Path, source: Path) -> None:
    files = files_of(tmp_path / "data", store_url=f"file://{tmp_path}/with%20space")
    files.prepare()
    artifact = files.save(new_job_id(), 1, "a", source)
    assert (tmp_path / "with space" / "artifacts" / artifact.key).read_bytes() == b"bytes"
    assert files.unfinished("x") == tmp_path / "with space" / "uploads" / "x.part"
    assert not (tmp_path / "data").exists()

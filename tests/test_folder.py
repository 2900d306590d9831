"""Entries of a folder by their ids: listed, dated by the disk's clock, deleted whole."""

import os
import time
from pathlib import Path

import pytest

from app.folder import Folder, disk_time
from app.jobs import new_job_id


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_only_what_is_named_by_an_id_is_an_entry(folder: Folder, tmp_path: Path) -> None:
    ours = new_job_id()
    for name in (ours, f"{new_job_id()}.part", ".hidden", "UPPER" * 5, "x"):
        (tmp_path / name).touch()
    assert folder.entries() == [ours]


def test_a_folder_that_is_not_there_has_no_entries(tmp_path: Path) -> None:
    assert Folder(tmp_path / "none").entries() == []


def test_an_entry_changes_with_whatever_lies_in_it(folder: Folder, tmp_path: Path) -> None:
    entry = new_job_id()
    deep = tmp_path / entry / "1"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    for path in (deep / "file", deep, tmp_path / entry):
        os.utime(path, (100, 100))
    assert folder.changed_at(entry) == 100
    os.utime(deep / "file", (200, 200))
    assert folder.changed_at(entry) == 200


def test_what_is_gone_is_of_the_future(folder: Folder) -> None:
    assert folder.changed_at(new_job_id()) == float("inf")


def test_a_link_to_what_is_gone_dates_like_any_file(folder: Folder, tmp_path: Path) -> None:
    entry = new_job_id()
    (tmp_path / entry).mkdir()
    (tmp_path / entry / "input").symlink_to(tmp_path / "none")
    assert abs(folder.changed_at(entry) - disk_time(tmp_path)) < 60


def test_files_and_folders_are_deleted_whole_and_links_not_followed(folder: Folder, tmp_path: Path) -> None:
    file, tree = new_job_id(), new_job_id()
    bystander = tmp_path / "bystander"
    bystander.mkdir()
    (bystander / "file").touch()
    (tmp_path / file).touch()
    (tmp_path / tree / "1").mkdir(parents=True)
    (tmp_path / tree / "1" / "link").symlink_to(bystander)
    for entry in (file, tree, new_job_id()):
        folder.drop(entry)
    assert folder.entries() == []
    assert (bystander / "file").exists()


def test_the_disks_time_owes_nothing_to_what_the_process_believes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert abs(disk_time(tmp_path) - now) < 60
    assert list(tmp_path.iterdir()) == []

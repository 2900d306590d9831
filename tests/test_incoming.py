import hashlib
from pathlib import Path

import pytest

from app.artifacts import FileStore
from app.intake.incoming import IncomingFile


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path)
    store.prepare()
    return store


def test_batches_become_one_file_that_appears_when_it_is_whole(files: FileStore) -> None:
    incoming = IncomingFile(files, "id")
    for batch in (b"one", b"", bytearray(b"two")):
        incoming.write(batch)
    assert not files.upload("id").exists()
    incoming.keep()
    assert files.upload("id").read_bytes() == b"onetwo"
    assert not files.unfinished("id").exists()
    assert (incoming.size, incoming.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())


def test_a_batch_that_comes_after_the_end_leaves_nothing(files: FileStore) -> None:
    incoming = IncomingFile(files, "id")
    incoming.discard()
    with pytest.raises(FileNotFoundError):
        incoming.write(b"late")
    assert not files.unfinished("id").exists()


def test_discarding_twice_is_harmless(files: FileStore) -> None:
    incoming = IncomingFile(files, "id")
    incoming.keep()
    incoming.discard()
    incoming.discard()
    assert not files.upload("id").exists()

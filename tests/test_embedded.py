"""The bundled Valkey: where it listens, what it keeps, and how it comes and goes."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from app.processes.embedded import Valkey, ValkeyError, find_binary
from app.settings import Settings
from tests.conftest import eventually


def valkey_in(directory: Path, *, persist: bool = True) -> Valkey:
    return Valkey(directory, directory / "valkey.sock", persist=persist)


@contextmanager
def client_of(server: Valkey) -> Iterator[Any]:
    """Any: redis-py's types do not tell its answers from awaitables."""
    with redis.Redis.from_url(server.url) as client:
        yield client


def test_only_its_user_can_open_the_socket(short_path: Path) -> None:
    directory = short_path / "valkey"
    with valkey_in(directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "valkey.sock").stat().st_mode) == 0o700


def test_it_is_configured_to_lose_nothing(short_path: Path) -> None:
    with valkey_in(short_path) as server, client_of(server) as client:
        settings = client.config_get("*")
    expected = {
        "port": "0",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "stream-node-max-bytes": "1024",
        "hash-max-listpack-value": "1024",
    }
    assert {name: settings[name] for name in expected} == expected


def test_a_throw_away_server_writes_no_log_of_its_data(short_path: Path) -> None:
    with valkey_in(short_path, persist=False) as server, client_of(server) as client:
        client.set("key", "value")
    assert not (short_path / "appendonlydir").exists()


def test_what_was_written_survives_a_stop(short_path: Path) -> None:
    server = valkey_in(short_path)
    for _ in range(3):
        with server, client_of(server) as client:
            client.incr("runs")
    with server, client_of(server) as client:
        assert client.get("runs") == b"3"


def test_what_was_written_survives_a_kill(short_path: Path) -> None:
    server = valkey_in(short_path)
    with server, client_of(server) as client:
        client.set("key", "value")
        server.kill()
        eventually(lambda: not server.alive)
        assert server.exit_code == -signal.SIGKILL
    with server, client_of(server) as client:
        assert client.get("key") == b"value"


@pytest.mark.parametrize("name", ["with space", "quotes ' and \"", "back\\slash", "ünïcödé", "100 % #1"])
def test_its_directory_may_have_any_name(short_path: Path, name: str) -> None:
    with valkey_in(short_path / name) as server, client_of(server) as client:
        assert client.config_get("dir")["dir"] == str(short_path / name)


def test_its_url_is_the_one_settings_hand_out(short_path: Path) -> None:
    settings = Settings(data_dir=short_path / "with space")
    server = Valkey(settings.data_dir / "valkey", settings.valkey_socket)
    assert server.url == settings.redis_address


def test_an_orphan_of_an_earlier_run_is_ended_first(short_path: Path) -> None:
    orphan, server = valkey_in(short_path), valkey_in(short_path)
    with orphan, client_of(orphan) as client:
        client.set("key", "value")
        with server, client_of(server) as other:
            assert other.get("key") == b"value"
            assert orphan.exit_code == 0


def test_a_stale_socket_is_no_obstacle(short_path: Path) -> None:
    server = valkey_in(short_path)
    server.start()
    server.kill()
    eventually(lambda: not server.alive)
    assert (short_path / "valkey.sock").is_socket()
    with server:
        assert server.alive


def test_stop_may_be_repeated_and_come_before_start(short_path: Path) -> None:
    server = valkey_in(short_path)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    assert server.exit_code == 0


def test_a_start_that_fails_says_what_the_server_said(short_path: Path) -> None:
    (short_path / "appendonlydir").write_text("in the way")
    with pytest.raises(ValkeyError, match="appendonlydir"):
        valkey_in(short_path).start()


def test_a_locale_that_is_not_installed_is_no_obstacle(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    with valkey_in(short_path) as server:
        assert server.alive


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_socket_directory_of_another_user_is_refused(short_path: Path) -> None:
    foreign = short_path / "foreign"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    with pytest.raises(ValkeyError, match="another user"):
        Valkey(short_path / "valkey", foreign / "valkey.sock").start()


def test_without_the_wheel_a_server_on_the_path_is_taken(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = short_path / "redis-server"
    binary.touch(mode=0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(short_path))
    assert find_binary() == str(binary)


def test_without_any_server_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValkeyError, match="TIDINGS_REDIS_URL"):
        find_binary()

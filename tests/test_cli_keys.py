"""`tidings keys`: what an operator sees of it."""

import pytest
from pydantic_core import from_json
from typer.testing import CliRunner, Result

from app.auth.keys import is_key
from app.cli import app
from tests.small_server import SmallServer, json, problem, serving


@pytest.fixture
def redis_env(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REDIS_URL", redis_url)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], prog_name="tidings")


def listed() -> list[dict[str, object]]:
    return [from_json(line) for line in run("list", "--json").stdout.splitlines()]


@pytest.mark.usefixtures("redis_env")
def test_a_key_is_printed_alone_and_listed_without_what_is_secret() -> None:
    made = run("create", "ann")
    assert made.exit_code == 0
    assert is_key(made.stdout.splitlines()[-1])
    assert made.stdout.splitlines()[0] == made.stdout.strip()
    assert "not shown again" in made.stderr
    (key,) = listed()
    assert (key["name"], key["scopes"], key["used_at"]) == ("ann", ["submit", "read", "cancel"], None)
    assert made.stdout.strip() not in run("list").stdout + run("list", "--json").stdout
    assert "ann" in run("list").stdout


@pytest.mark.usefixtures("redis_env")
def test_scopes_and_bounds_are_chosen() -> None:
    rates = ("--submits-per-minute", "60", "--uploads-per-minute", "6")
    assert run("create", "ann", "--scopes", "read, admin", "--most-streams", "5", *rates).exit_code == 0
    (key,) = listed()
    assert (key["scopes"], key["most_streams"]) == (["read", "admin"], 5)
    assert (key["submits_per_minute"], key["uploads_per_minute"]) == (60, 6)
    table = run("list").stdout
    assert [line.strip() for line in table.splitlines()[2:]] == ["5 streams", "60 jobs/min", "6 uploads/min"]
    assert table.splitlines()[1].split() == [key["id"], "ann", "read", "admin", str(key["created_at"])[:10], "never"]


@pytest.mark.usefixtures("redis_env")
def test_a_key_is_revoked_by_id_or_name() -> None:
    for name in ("ann", "ann", "bob"):
        run("create", name)
    by_id = run("revoke", str(listed()[2]["id"]))
    assert by_id.stdout == f"revoked {listed()[2]['id']} of bob\n"
    assert len(run("revoke", "ann").stdout.splitlines()) == 2
    assert all(key["revoked_at"] for key in listed())
    nobody = run("revoke", "ann")
    assert (nobody.exit_code, nobody.stdout) == (1, "")


@pytest.mark.parametrize(
    "arguments", [["create"], ["create", "a b"], ["create", "ann", "--scopes", "root"], ["revoke"]]
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_without_redis_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REDIS_URL", "unix:///tmp/no-such-tidings.sock")
    result = run("list")
    assert result.exit_code == 4
    assert "tidings up" in result.stderr


def test_other_commands_show_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        server.will("/api/kinds", json({"kinds": []}))
        assert _kinds(server, monkeypatch, "tdg_x").exit_code == 0
        assert server.seen[-1].headers["Authorization"] == "Bearer tdg_x"
        server.will("/api/kinds", problem(401, "unauthenticated", "Send a credential."))
        refused = _kinds(server, monkeypatch, "")
        assert "Authorization" not in server.seen[-1].headers
    assert refused.exit_code == 4
    assert "TIDINGS_API_KEY" in refused.stderr


def _kinds(server: SmallServer, monkeypatch: pytest.MonkeyPatch, key: str) -> Result:
    monkeypatch.setenv("TIDINGS_API_KEY", key)
    return CliRunner().invoke(app, ["kinds", "--url", server.url], prog_name="tidings")

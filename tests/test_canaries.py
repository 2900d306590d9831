"""Secrets that would be noticed anywhere: a whole service is given some, put to work, and what leaves it is read."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from app.auth import Scope
from app.processes.supervisor import COMMAND
from app.store import KeyStore
from app.webhooks import new_webhook_secret
from tests.faults.house import House, Process, Web, until
from tests.webhooks.receiver import Receiver, receiving

CANARY = "c4nary"
SIGNS = f"{CANARY}-signs-callback-urls"
REDIS = f"{CANARY}-opens-redis"
BUCKET = f"{CANARY}-opens-the-bucket"
HANDLERS = f"{CANARY}-of-the-handlers"
BEARER = f"{CANARY}-of-a-client"
JWT = f"{CANARY}-signs-what-an-issuer-says"

WEBHOOKS = new_webhook_secret()
SECRETS = {CANARY, WEBHOOKS, WEBHOOKS.removeprefix("whsec_")}


@pytest.fixture
async def house(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("AWS_SESSION_TOKEN", BUCKET)
    monkeypatch.setenv("HF_TOKEN", HANDLERS)
    url = f"unix://canary:{REDIS}@{quote(str(short_path / 'valkey.sock'))}"
    settings: dict[str, Any] = {
        "redis_url": url,
        "secret": SIGNS,
        "webhook_secret": WEBHOOKS,
        "s3_access_key_id": "k",
        "s3_secret_access_key": BUCKET,
        "handlers": "tests.canary_kinds",
        "auth": "keys",
        "jwt_secret": JWT,
        "webhook_allow_networks": "127.0.0.0/8",
        "log_level": "debug",
    }
    async with House(short_path, **settings) as house:
        await house.redis.acl_setuser(
            "canary", enabled=True, passwords=[f"+{REDIS}"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        yield house


def family(pid: int) -> Iterator[int]:
    """A process and all it has started."""
    yield pid
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from family(int(child))


def shown(pid: int, file: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    return ""


def leaks(text: str, more: set[str]) -> list[str]:
    """What stands around each secret in it."""
    return [text[max(0, at - 80) : at + 20] for secret in SECRETS | more if (at := text.find(secret)) >= 0]


async def played(web: Web, house: House, receiver: Receiver, folder: Path) -> tuple[list[str], set[str]]:
    """Jobs that have been through everything, and the tokens that were given out meanwhile."""
    note, hook = folder / "note", {"callback_url": receiver.url, "callback_events": ["completed", "failed", "log"]}
    jobs = [
        await web.submit("tell_all", request=hook, gate=str(folder / "gate")),
        await web.submit("fail_telling", request=hook),
        await web.submit("run_telling", request=hook),
    ]
    waits = await web.submit("await_call", request=hook, note=str(note))

    async def waiting() -> bool:
        return (await house.job(waits)).waiting_for is not None

    await until(waiting)
    path = urlsplit(note.read_text()).path
    token = path.rpartition("/")[2]
    for answer in (
        await web.api.post(f"{path}/fail", json={"message": 5}),
        await web.api.post(f"{path}/progress", content=b"{"),
        await web.api.get(path),
        await web.api.post(path, json={"paid": 5}),
        await web.api.post(path, json={"paid": 6}),
    ):
        assert not leaks(answer.text, {token})
    await house.ended(waits, *jobs[1:])
    return [*jobs, waits], {token, token.rpartition(".")[2]}


async def let_in(web: Web, house: House) -> set[str]:
    """A key, which the client shows from now on, and a browser token."""
    _, key = await KeyStore(house.redis).create("me", frozenset(Scope))
    web.api.headers["Authorization"] = f"Bearer {key}"
    made = await web.api.post("/api/tokens", json={"scope": "cancel", "feed": True})
    return {key, made.json()["token"]}


async def asked(web: Web, jobs: list[str], token: str) -> str:
    """All that the service answers, to a client that shows secrets of its own, right ones and wrong ones."""
    wrong = {"Authorization": f"Bearer {BEARER}", "Cookie": f"__Secure-tidings={BEARER}"}
    right = {"Authorization": "", "Cookie": f"__Secure-tidings={token}"}
    paths = ["/", "/api/jobs", "/api/kinds", "/api/queues", "/readyz", "/livez", "/metrics", "/docs", "/openapi.json"]
    paths += ["/api/nothing", "/api/webhooks/secrets", f"/api/jobs?access_token={BEARER}", f"/?access_token={BEARER}"]
    for job_id in jobs:
        path = f"/api/jobs/{job_id}"
        paths += [path, f"{path}/result", f"{path}/deliveries", f"{path}/artifacts/known.json"]
        paths += [f"{path}/events?after=0", f"{path}/events?access_token={BEARER}"]
        paths += [f"{path}/events?access_token={token}"]
    answers = [await web.api.get(path, headers=headers) for path in paths for headers in ({}, wrong, right)]
    return "\n".join(f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers)


def logs(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')}" for path in folder.rglob("*.log"))


async def test_no_secret_leaves_the_service_by_any_way(house: House, short_path: Path) -> None:
    async with receiving() as receiver:
        web, worker = await house.web(), await house.worker()
        credentials = await let_in(web, house)
        jobs, tokens = await played(web, house, receiver, short_path)
        tokens |= credentials

        async def begun() -> bool:
            return any(event.type == "known" for event in await house.log(jobs[0]))

        await until(begun)
        running = [pid for ours in (web, worker) for pid in family(ours.pid)]
        assert len(running) >= 4, "web, worker, a guard and a handler"
        assert not leaks("\n".join(shown(pid, "cmdline") + shown(pid, "comm") for pid in running), tokens)
        strangers = [pid for pid in running if pid not in (web.pid, worker.pid)]
        assert not leaks("\n".join(shown(pid, "environ") for pid in strangers), tokens)
        (short_path / "gate").touch()
        await house.ended(jobs[0])
        told = await asked(web, jobs, max(credentials, key=len))
        assert "PATH" in told, "they have told what they know"
        assert not leaks(told, tokens)

        async def delivered() -> bool:
            return len({request.headers["webhook-id"] for request in receiver.requests}) >= len(jobs)

        await until(delivered)
        assert not leaks("\n".join(f"{r.target} {r.headers} {r.body!r}" for r in receiver.requests), tokens)
    for process in (web, worker):
        process.stop()
    said = logs(short_path)
    assert "run.ended" in said
    assert not leaks(said, tokens)
    for event in [event for job_id in jobs for event in await house.log(job_id)]:
        assert not leaks(event.line, tokens)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("REDIS_URL", f"redis://user:{CANARY}@127.0.0.1:1/0"),
        ("REDIS_URL", f"nonsense://user:{CANARY}@host"),
        ("WEBHOOK_SECRET", f"{CANARY}-is-none"),
        ("SECRET", CANARY),
        ("STORE_URL", f"s3://key:{CANARY}@bucket"),
        ("BANK_URL", f"ftp://{CANARY}"),
    ],
)
@pytest.mark.parametrize("command", ["web", "worker"])
async def test_a_setting_that_is_wrong_is_not_told(tmp_path: Path, command: str, setting: str, value: str) -> None:
    log = tmp_path / "log"
    usual = {"TIDINGS_PORT": "0", "TIDINGS_DATA_DIR": str(tmp_path), "TIDINGS_LOG_LEVEL": "debug"}
    with Process((*COMMAND, command), os.environ | usual | {f"TIDINGS_{setting}": value}, log) as process:

        async def said() -> bool:
            return not process.alive or b"\n" in log.read_bytes()

        await until(said)
    assert log.read_text()
    assert not leaks(log.read_text(), set())

"""The shared line to Redis, against a real Valkey of its own where it is to be killed or frozen."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis import Redis as Blocking
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.errors import Unavailable
from app.processes.embedded import Valkey
from app.store import JobStore, Listing, line
from app.store.line import MOST_TOGETHER, Line, Wire, line_of
from tests.conftest import eventually
from tests.faults.house import free_port
from tests.ground import accepted
from tests.watching import until


@pytest.fixture
def ours(short_path: Path) -> Iterator[Valkey]:
    with Valkey(short_path, short_path / "valkey.sock", persist=False) as server:
        yield server


@asynccontextmanager
async def client(server: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url) as redis:
        yield redis


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def pid_of(redis: Redis) -> int:
    pid: int = (await redis.info("server"))["process_id"]
    return pid


async def listening(redis: Redis) -> int:
    """The port that the server listens on from now on; another where somebody has just taken it."""
    while True:
        port = free_port()
        with suppress(ResponseError):
            await redis.config_set("port", port)
            return port


async def reads(redis: Redis) -> int:
    """How often the server has read from a socket."""
    count: int = (await redis.info("stats"))["total_reads_processed"]
    return count


async def ids(redis: Redis) -> set[int]:
    """The server's own names of its connections."""
    return {int(each["id"]) for each in await redis.client_list()}


def under_way(line: Line) -> int:
    return line._wire.under_way if line._wire else 0


async def echo(line: Line, text: str) -> str:
    answer: bytes = await line.call("ECHO", text)
    return answer.decode()


async def test_calls_of_one_turn_leave_together_and_each_caller_has_its_own_answer(redis: Redis) -> None:
    line = line_of(redis)
    await line.call("PING")
    before = await reads(redis)
    texts = [str(n) for n in range(MOST_TOGETHER)]
    assert await asyncio.gather(*(echo(line, text) for text in texts)) == texts
    assert await reads(redis) - before == 2, "all of them, and the question"


def test_so_many_calls_as_may_leave_together_do_not_wait_for_the_end_of_their_turn(redis_url: str) -> None:
    async def use() -> None:
        async with Redis.from_url(redis_url) as redis:
            line = line_of(redis)
            await line.call("DEL", "came")
            assert line._wire
            answers = [await line._wire.send(b"RPUSH came x\r\n") for _ in range(MOST_TOGETHER + 1)]
            with Blocking.from_url(redis_url) as other:
                eventually(lambda: other.llen("came") == MOST_TOGETHER)
                assert not answers[0].done()
            assert await asyncio.gather(*answers) == [*range(1, MOST_TOGETHER + 2)]

    uvloop.run(use())


async def test_calls_of_many_turns_have_their_own_answers(redis: Redis) -> None:
    line = line_of(redis)

    async def ask(n: int) -> None:
        for turn in range(50):
            assert await echo(line, text := f"{n}.{turn}" * (1 + 400 * (n % 7))) == text
            for _ in range(n % 3):
                await asyncio.sleep(0)

    await asyncio.gather(*(ask(n) for n in range(40)))


async def test_all_stores_of_a_client_share_one_connection(redis: Redis) -> None:
    jobs = JobStore(redis)
    lists = Listing(redis, jobs)
    await jobs.read("x")
    before = await ids(redis)
    await asyncio.gather(*(store.read("x") for store in (jobs, JobStore(redis)) for _ in range(20)), lists.prune())
    assert await ids(redis) == before


async def test_an_error_is_the_one_caller_s(redis: Redis) -> None:
    line = line_of(redis)
    wrong = asyncio.create_task(line.call("NO SUCH"))
    assert await echo(line, "x") == "x"
    with pytest.raises(ResponseError):
        await wrong


async def test_of_several_commands_all_are_carried_out_in_order_and_the_first_error_is_raised(redis: Redis) -> None:
    line = line_of(redis)
    assert await line.call_all([("RPUSH", "k", n) for n in range(3)]) == [1, 2, 3]
    assert await line.call_all([]) == []
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await line.call_all([("GET", "k"), ("NO SUCH",), ("RPUSH", "k", "x")])
    assert await line.call("LRANGE", "k", 0, -1) == [b"0", b"1", b"2", b"x"]


async def test_a_server_that_has_lost_its_scripts_is_given_them(redis: Redis) -> None:
    jobs = JobStore(redis)
    for _ in range(2):
        await redis.script_flush()
        job_ids = await asyncio.gather(*(accepted(jobs) for _ in range(5)))
        await redis.script_flush()
        assert {job.job_id for job in await jobs.read_many(job_ids)} == set(job_ids)
    with pytest.raises(NoScriptError):
        await line_of(redis).call("EVALSHA", "0" * 40, 0)


async def test_a_script_is_brought_once_however_many_miss_it(redis: Redis) -> None:
    jobs = JobStore(redis)
    await redis.script_flush()
    await redis.config_resetstat()
    await asyncio.gather(*(accepted(jobs) for _ in range(200)))
    assert (await redis.info("commandstats"))["cmdstat_script|load"]["calls"] == 1


async def test_a_cancelled_caller_disturbs_no_other(redis: Redis) -> None:
    line = line_of(redis)
    slow = asyncio.create_task(line.call("BLPOP", "nothing", 0.2))
    others = [asyncio.create_task(echo(line, str(n))) for n in range(10)]
    await until(lambda: under_way(line) == 11)
    for task in (slow, *others[::2]):
        task.cancel()
    answers = await asyncio.gather(slow, *others, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, str)] == ["1", "3", "5", "7", "9"]
    assert await echo(line, "x") == "x"


async def test_calls_beyond_the_bound_wait_until_others_are_answered(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "MOST_UNDER_WAY", 3)
    narrow, sent = Line(redis.connection_pool), Wire.send

    async def send(wire: Wire, packed: bytes) -> Any:
        answer = await sent(wire, packed)
        assert wire.under_way <= 3
        return answer

    monkeypatch.setattr(Wire, "send", send)
    texts = [str(n) for n in range(50)]
    assert await asyncio.gather(*(echo(narrow, text) for text in texts)) == texts
    assert await narrow.call_all([("ECHO", text) for text in texts]) == [text.encode() for text in texts]


async def test_who_gives_up_waiting_leaves_the_room_to_others(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST_UNDER_WAY", 2)
    narrow = Line(redis.connection_pool)
    await echo(narrow, "x")
    held = [asyncio.create_task(narrow.call("BLPOP", "held", 0)) for _ in range(2)]
    await until(lambda: under_way(narrow) == 2)
    given_up, patient = ([asyncio.create_task(echo(narrow, str(n))) for n in range(9)] for _ in range(2))
    await asyncio.sleep(0)
    monkeypatch.setattr(Wire, "_call_in", _then_cancel(given_up, Wire._call_in))
    await redis.rpush("held", "a", "b")  # type: ignore[misc]  # redis-py
    assert await asyncio.gather(*patient) == [str(n) for n in range(9)]
    assert await asyncio.gather(*held) == [[b"held", b"a"], [b"held", b"b"]]
    assert all(task.cancelled() for task in given_up)


def _then_cancel(tasks: list[asyncio.Task[str]], call_in: Callable[[Wire, int], None]) -> Callable[[Wire, int], None]:
    """Those who have just been called in give up before they know, and all who wait with them."""

    def call_in_and_cancel(wire: Wire, room: int) -> None:
        call_in(wire, room)
        for task in tasks:
            task.cancel()

    return call_in_and_cancel


async def test_a_command_that_cannot_be_written_costs_nobody_anything(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "MOST_UNDER_WAY", 1)
    narrow = Line(redis.connection_pool)
    no_words: list[Any] = ["\ud800", None, {}]
    for wrong in no_words:
        with pytest.raises((TypeError, ValueError)):
            await narrow.call("ECHO", wrong)
        with pytest.raises((TypeError, ValueError)):
            await narrow.call_all([("ECHO", "x"), ("ECHO", wrong)])
        assert await echo(narrow, "x") == "x"


async def test_a_lost_connection_fails_what_is_under_way_and_the_next_call_connects_anew(redis: Redis) -> None:
    jobs, line = JobStore(redis), line_of(redis)
    mine = await line.call("CLIENT", "ID")
    answered = asyncio.create_task(echo(line, "x"))
    waiting = asyncio.create_task(line.call("BLPOP", "nothing", 0))
    await answered
    behind = [asyncio.create_task(jobs.read("x")) for _ in range(3)]
    await until(lambda: under_way(line) == 4)
    await redis.client_kill_filter(_id=mine)
    with pytest.raises(RedisError):
        await waiting
    assert {type(answer) for answer in await asyncio.gather(*behind, return_exceptions=True)} == {Unavailable}
    assert await jobs.read("x") is None
    assert await line.call("CLIENT", "ID") > mine


async def test_a_connection_that_was_lost_while_nobody_called_costs_no_call(redis: Redis) -> None:
    line = line_of(redis)
    mine = await line.call("CLIENT", "ID")
    await redis.client_kill_filter(_id=mine)
    assert await line.call("CLIENT", "ID") > mine


def test_a_connection_that_is_lost_within_the_turn_of_a_call_fails_that_call_alone(redis_url: str) -> None:
    async def use() -> None:
        troubles: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
        async with Redis.from_url(redis_url) as redis:
            line = line_of(redis)
            await line.call("PING")
            assert line._wire
            line._wire._transport.abort()
            answer = await line._wire.send(b"PING\r\n")
            with pytest.raises(RedisError):
                await answer
            assert await line.call("PING") == b"PONG"
        assert troubles == []

    uvloop.run(use())


async def test_a_server_that_is_killed_and_comes_back_is_found_again(ours: Valkey) -> None:
    async with client(ours) as redis:
        jobs = JobStore(redis)
        await accepted(jobs)
        asking = [asyncio.create_task(line_of(redis).call("BLPOP", "nothing", 0)) for _ in range(5)]
        await until(lambda: under_way(line_of(redis)) == 5)
        ours.kill()
        ours.stop()
        assert all(isinstance(a, RedisError) for a in await asyncio.gather(*asking, return_exceptions=True))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await accepted(jobs)
        ours.start()
        assert await jobs.read(await accepted(jobs))


async def test_a_frozen_server_is_given_up_in_time(ours: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(line, "MOST_UNDER_WAY", 4)
    async with client(ours) as redis:
        jobs, pid = JobStore(redis), await pid_of(redis)
        await accepted(jobs)
        with frozen(pid):
            for _ in range(2):  # with a connection, and without
                answers = await asyncio.gather(*(jobs.read("x") for _ in range(9)), return_exceptions=True)
                assert {type(answer) for answer in answers} == {Unavailable}
        await accepted(jobs)


async def test_no_task_is_left_when_all_callers_have_their_answers(redis: Redis) -> None:
    before = asyncio.all_tasks()
    await asyncio.gather(*(JobStore(redis).read("x") for _ in range(9)))
    await until(lambda: asyncio.all_tasks() == before)


async def test_closing_the_client_fails_what_is_under_way(redis: Redis) -> None:
    waiting = asyncio.create_task(line_of(redis).call("BLPOP", "nothing", 0))
    await until(lambda: under_way(line_of(redis)) == 1)
    await redis.aclose()
    with pytest.raises(RedisError):
        await waiting


def test_each_loop_has_a_line_of_its_own(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    lines = []

    async def use() -> None:
        lines.append(line_of(redis))
        assert line_of(redis) is lines[-1]
        assert await echo(lines[-1], "x") == "x"
        await redis.connection_pool.disconnect()

    for _ in range(2):
        with asyncio.Runner() as runner:
            runner.run(use())
    assert lines[0] is not lines[1]


async def test_a_password_a_database_and_tcp_serve_as_well(ours: Valkey) -> None:
    async with client(ours) as redis:
        port = await listening(redis)
        await redis.config_set("requirepass", "secret")
    async with Redis.from_url(f"redis://:secret@127.0.0.1:{port}/3") as redis:
        assert b" db=3 " in await line_of(redis).call("CLIENT", "INFO")
    async with Redis.from_url(f"redis://:wrong@127.0.0.1:{port}/3") as redis:
        with pytest.raises(Unavailable):
            await JobStore(redis).read("x")


async def test_a_server_that_speaks_something_else_is_left() -> None:
    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(welcome, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Redis(port=port, lib_name=None, lib_version=None) as redis:
            for _ in range(2):
                with pytest.raises(RedisError):
                    await line_of(redis).call("PING")

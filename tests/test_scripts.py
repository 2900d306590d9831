"""What of the shared parts a script brings along."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.store.scripts import PARTS as SHARED
from app.store.scripts import SCRIPTS, source, used

LUA = Path("app/store/lua")
NAMES = re.compile(r"\blocal (?:function )?([a-z]\w*(?:, \w+)*)")

PARTS = """\
local SHARED = 'shared'
local function first() return SHARED end
local function second()
  return first()
end
local function unused() return second() end
local one, another = 1, 2
"""


def test_a_script_brings_what_it_names_and_what_that_names() -> None:
    assert used(PARTS, "return second()") == PARTS[: PARTS.index("local function unused")]


def test_a_script_that_names_nothing_brings_nothing() -> None:
    assert not used(PARTS, "return 1")


def test_of_names_made_together_one_brings_all() -> None:
    assert used(PARTS, "return another") == "local one, another = 1, 2\n"


def test_a_field_of_that_name_or_a_text_is_no_use_of_it() -> None:
    assert not used(PARTS, "return job.first .. 'second'")


def test_what_is_more_than_a_definition_stays() -> None:
    assert used("redis.setresp(3)\n" + PARTS, "return 1") == "redis.setresp(3)\n"


def test_most_scripts_bring_only_some_of_the_parts() -> None:
    def made(name: str) -> int:
        return len(re.findall("^local function", source(name), re.MULTILINE))

    assert made("renew") < made("read") < made("poll") < made("claim")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_no_name_of_the_parts_for_something_of_its_own(name: str) -> None:
    shared = {each for part in SHARED for each in _names(LUA / "parts" / f"{part}.lua", top_level=True)}
    assert not shared & _names(LUA / f"{name}.lua")


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_looks_like_a_comment_or_a_field_is_one(name: str) -> None:
    assert not re.search(r"\.\.\w", source(name)), "a name after two dots would not be seen"
    assert all(line.count("'") % 2 == 0 for line in source(name).splitlines()), "a text was taken for a comment"


def _names(path: Path, *, top_level: bool = False) -> set[str]:
    """What a file calls its functions and variables."""
    lines = (line for line in path.read_text().splitlines() if not top_level or line.startswith("local "))
    return {each.strip() for line in lines for found in NAMES.findall(line) for each in found.split(",")}


def test_only_those_that_deliver_make_at_once_all_that_delivering_takes() -> None:
    assert {name for name in SCRIPTS if "= webhooks()" in source(name)} == {"deliver", "settle", "redeliver"}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_redis_takes_every_script(redis: Redis, name: str) -> None:
    assert await redis.script_load(source(name))

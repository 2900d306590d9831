"""The list of commands in `deploy/valkey.acl`, held against the code: a command too few or too many fails here."""

import re
from collections.abc import Iterator

from tests.faults.house import ROOT
from tests.redis_access.guarded import ACL

PYTHON = [*sorted((ROOT / "app/store").glob("*.py")), ROOT / "app/bus.py", ROOT / "app/main.py"]
NO_COMMANDS = {"pipeline", "aclose", "from_pool", "execute_command"}
OTHERWISE_NAMED = {"delete": "del", "execute": "exec", "incr": "incrby"}
BY_THE_CLIENT = {"client|setinfo", "unwatch"}  # redis-py sends these by itself


def test_the_list_is_what_the_code_sends_and_no_more() -> None:
    (line,) = [line for line in ACL.read_text().splitlines() if line.startswith("user tidings ")]
    allowed = set(re.findall(r"\+([a-z|]+)", line))
    assert allowed == {*_of_scripts(), *_of_python(), *BY_THE_CLIENT}


def _of_scripts() -> Iterator[str]:
    for script in (ROOT / "app/store/lua").rglob("*.lua"):
        yield from map(str.lower, re.findall(r"redis\.p?call\('(\w+)'", script.read_text()))


def _of_python() -> Iterator[str]:
    for path in PYTHON:
        text = path.read_text()
        methods = set(re.findall(r"\b_?(?:redis|pipe)\.([a-z_]+)\(", text)) - NO_COMMANDS
        yield from (OTHERWISE_NAMED.get(method, method) for method in methods)
        words = {word.lower() for word in re.findall(r'"([A-Z]{4,})"', text)}
        yield from {"script|load" if word == "script" else word for word in words} - {"load"}

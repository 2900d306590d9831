import re
from pathlib import Path

from pydantic import TypeAdapter

from app.failures import FAILURES
from app.shapes.job import ErrorObject

ROOT = Path(__file__).parents[1]
GIVEN = {
    "app/callbacks.py": r'FAILED: Final = "(\w+)"',
    "app/store/lua": r"\bfail\(job, now, '(\w+)'",
    "workers/run": r"""\b(?:_error\(|code=|code: str = |ProcessDied\(.*, )["'](\w+)["']""",
    "workers/runner.py": r'verdict\.failed\("(\w+)"',
    "workers/outcomes.py": r'code: str = "(\w+)"',
}
"""Where codes are given, and how that looks."""


def test_every_code_has_one_entry_that_says_when_it_comes() -> None:
    assert len({failure.code for failure in FAILURES}) == len(FAILURES)
    assert all(failure.when.endswith(".") for failure in FAILURES)


def test_the_list_has_all_codes_that_are_given_and_no_others() -> None:
    given = set()
    for place, pattern in GIVEN.items():
        for file in [ROOT / place, *(ROOT / place).rglob("*")]:
            if file.suffix in (".py", ".lua"):
                given |= set(re.findall(pattern, file.read_text()))
    assert given == {failure.code for failure in FAILURES}


def test_the_shape_of_an_error_names_them_all() -> None:
    told = TypeAdapter(ErrorObject).json_schema()["properties"]["code"]["description"]
    assert [failure.code for failure in FAILURES if f"`{failure.code}`" not in told] == []

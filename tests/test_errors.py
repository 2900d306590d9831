import subprocess
import sys

import pytest

from app.errors import REFUSALS, Refusal


def test_every_refusal_has_a_code_of_its_own() -> None:
    assert len({refusal.code for refusal in REFUSALS}) == len(REFUSALS)


def test_the_table_goes_by_status() -> None:
    statuses = [refusal.status for refusal in REFUSALS]
    assert statuses == sorted(statuses)


def test_no_refusal_is_defined_elsewhere() -> None:
    """In a process of its own, which no other test has given classes."""
    program = (
        "import app.main, app.errors as e\n"
        "defined = lambda kind: {k for sub in kind.__subclasses__() for k in (sub, *defined(sub))}\n"
        "assert defined(e.Refusal) == set(e.REFUSALS), defined(e.Refusal) - set(e.REFUSALS)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_says_when_it_comes_and_how_to_mend_it(refusal: type[Refusal]) -> None:
    for text in refusal.explained():
        assert text.endswith(".")
        assert "\n\n" not in text

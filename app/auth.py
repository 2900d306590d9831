"""Who asks. Until keys are configured, whoever can reach the service is its one owner."""

from typing import Final

from starlette.requests import HTTPConnection

OPEN_OWNER: Final = "default"


def owner_of(connection: HTTPConnection) -> str:
    """The owner a request acts for."""
    return OPEN_OWNER

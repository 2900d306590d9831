"""The Python client, in two faces: `Client` blocks, `AsyncClient` is awaited (docs/clients.md).

What is decided is written once, as steps that know no socket (`steps.py`, `operations.py`); a face carries them out.
"""

from app.client.asynchronous import AsyncClient
from app.client.client import Client
from app.client.errors import ClientError, NotCompleted, Refused, Unreachable

__all__ = ["AsyncClient", "Client", "ClientError", "NotCompleted", "Refused", "Unreachable"]

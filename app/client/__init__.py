"""The Python client, in two faces: `Client` blocks, `AsyncClient` is awaited (docs/clients.md).

What it can do is written once (`operations.py`), over a wire that each face brings (`wire.py`, `faces.py`).
"""

from app.client.asynchronous import AsyncClient
from app.client.client import Client
from app.client.errors import ClientError, NotCompleted, Refused, Unreachable

__all__ = ["AsyncClient", "Client", "ClientError", "NotCompleted", "Refused", "Unreachable"]

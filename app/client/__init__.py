"""The Python client: submit, follow, cancel, upload. What is protocol in it is pure; one file does the talking."""

from app.client.client import Client, ClientError, Refused, Unreachable

__all__ = ["Client", "ClientError", "Refused", "Unreachable"]

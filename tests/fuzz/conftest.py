"""The real server of `tests/web`, for what is sent over the wire."""

from tests.web.conftest import address, settings, store, web

__all__ = ["address", "settings", "store", "web"]

"""What our protocols put into a connection's scope for the doors, besides what ASGI has (`app/web/connection.py`)."""

from typing import Final

HANG_UP: Final = "tidings.hang_up"
"""The scope extension: `call` is a function of one Close; `expect_reader` one of nothing, for when a stream begins,
which raises Full where the client has too many. A WebSocket's has `unknown` too, which gives a context to wait in until
it has said who is there; to enter it raises Full where too many do."""

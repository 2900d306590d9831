"""The HTTP server: uvicorn, owned by us, so that streams end in good order and no client holds more than its share.

Run by `app/main.py`. Nothing of uvicorn is patched; what differs is subclassed here:
1. each connection's scope carries functions to end it without waiting for a client that does not read;
2. the head of a request has a bound and a deadline; what breaks them is refused as a problem like any other;
3. a request whose client is gone always learns it, whatever the client has sent behind it;
4. connections are counted, in all and of each address, and there are never more than descriptors for them;
5. SIGTERM and SIGINT first let `drain` end the streams, then stop the server, within one grace; the exit code is 0.
"""

from app.server.descriptors import affordable, raise_limit
from app.server.extension import HANG_UP
from app.server.listening import Listening
from app.server.server import Server

__all__ = ["HANG_UP", "Listening", "Server", "affordable", "raise_limit"]

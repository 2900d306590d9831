"""How uvicorn is to run the app: no compression, bounded frames, half-open WebSockets noticed by pings."""

from typing import Any, Final

import structlog
import uvicorn

from app.limits import Connections
from app.server.descriptors import affordable
from app.server.http import HttpProtocol
from app.server.occupancy import Occupancy
from app.server.websocket import WebSocketProtocol

MOST_FRAME_BYTES: Final = 64 << 10
PING_SECONDS: Final = 15.0
"""From one to the next, and for the answer."""

log = structlog.get_logger()


class Listening(uvicorn.Config):
    """With the occupancy that all connections count in; uvicorn hands it to their protocols."""

    def __init__(self, app: Any, host: str, port: int, limits: Connections | None = None) -> None:
        limits, most = limits or Connections(), affordable()
        if limits.most > most:
            log.warning("too few file descriptors", action="server.bounded", asked=limits.most, connections=most)
        self.occupancy = Occupancy(limits.within(most))
        super().__init__(
            app,
            host=host,
            port=port,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=MOST_FRAME_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            backlog=self.occupancy.limits.backlog,
            proxy_headers=False,  # occupancy reads them
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=self.occupancy.limits.keep_alive_seconds,  # type: ignore[arg-type]  # the loop takes it
        )

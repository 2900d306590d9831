"""Response headers that keep a browser from being used against its user. ASGI middleware around the plain doors."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
)


class SecurityHeaders:
    """Adds them to every answer; a door that sets one of them itself has its way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                set_by_door = {name for name, _ in message["headers"]}
                ours = [header for header in HEADERS if header[0] not in set_by_door]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        await self._app(scope, receive, send_secured)

"""Who is at the other end of a WebSocket: what its handshake shows, or else its first frame, in good time.

Browsers can put no header on a handshake, and not everybody wants a token in a URL.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.websockets import WebSocket

from app.auth import Principal
from app.auth.authenticator import Authenticator
from app.auth.principal import PRINCIPAL
from app.clock import rfc3339_or_none
from app.errors import BadMessage, Unauthenticated
from app.events import json_text
from app.web.connection import unknown
from app.web.contract import Access
from app.web.frames import Auth, parse, read_frame
from app.web.gate import credential_of, permit, welcome

AUTH_SECONDS: Final = 15.0


async def introduce(socket: WebSocket, access: Access) -> None:
    """Let in who may enter; to be called after the handshake, as only then a client is told why not.

    Raises Unauthenticated, Forbidden, Misdirected, BadMessage, Full where too many have yet to say it, or Unavailable
    where that cannot be told now.
    """
    authenticator: Authenticator = socket.scope["router"].authenticator
    if await authenticator.asks():
        credential = credential_of(socket, in_url=True)
        frame = None if credential else await _first_frame(socket)
        principal = await authenticator.principal(credential or _token(frame))
        permit(principal, access)
        if frame is not None:
            await socket.send_text(json_text(authenticated(principal, frame)))
    else:
        principal = welcome(socket)
    socket.scope[PRINCIPAL] = principal


def authenticated(principal: Principal, frame: Mapping[str, Any]) -> dict[str, Any]:
    """What answers an `auth` frame."""
    ref = {"ref": frame["ref"]} if "ref" in frame else {}
    return {"op": "authenticated"} | ref | {"expires_at": rfc3339_or_none(principal.expires_at)}


async def _first_frame(socket: WebSocket) -> dict[str, Any]:
    try:
        with unknown(socket.scope):
            async with asyncio.timeout(AUTH_SECONDS):
                message = await socket.receive()
    except TimeoutError:
        raise Unauthenticated("No `auth` frame came.") from None
    frame = parse(message.get("text"))
    if frame is None:
        raise BadMessage("The first frame is no JSON object.")
    return frame


def _token(frame: Mapping[str, Any] | None) -> str:
    match read_frame(frame or {}):
        case Auth(token=token):
            return token
    raise Unauthenticated("The first frame must be `auth`.")

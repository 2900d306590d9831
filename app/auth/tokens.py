"""Browser tokens: short-lived, narrowed to what one page is to see, and signed, so that none has to be kept.

`tdt_`, the claims and their signature. A token is worth no more than what it was made with: it names that credential,
and ends with it. Made by `app/web/tokens.py`, read by `app/auth/authenticator.py`.
"""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from pydantic_core import from_json

from app.auth.principal import Principal, Reach, Scope
from app.errors import Unauthenticated
from app.events import json_bytes
from app.store.secret import Secret

PREFIX: Final = "tdt_"
LONGEST: Final = 3_000
"""A cookie holds 4,096 bytes with its name and attributes (RFC 6265 section 6.1)."""


class Tokens:
    """Signs and reads them with the deployment's secret. Raises Unavailable where that cannot be had."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    async def sign(self, principal: Principal) -> str:
        """A token that makes whoever shows it this principal, until it expires."""
        claims = urlsafe_b64encode(json_bytes(_claims(principal))).rstrip(b"=").decode()
        return f"{PREFIX}{claims}.{_signature(await self._secret.value(), claims)}"

    async def read(self, token: str) -> Principal:
        """Raises Unauthenticated for one that was not signed here, or has expired."""
        claims, _, signature = token.removeprefix(PREFIX).partition(".")
        expected = _signature(await self._secret.value(), claims)
        if len(token) > LONGEST or not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            raise Unauthenticated("The token is none of ours.")
        principal = _principal(from_json(urlsafe_b64decode(claims + "==")))
        if principal.expires_at is None or principal.expires_at <= time.time() * 1000:
            raise Unauthenticated("The token has expired.")
        return principal


def _signature(secret: bytes, claims: str) -> str:
    digest = hmac.digest(secret, f"token.{claims}".encode(errors="replace"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _claims(principal: Principal) -> dict[str, Any]:
    reach = principal.reach or Reach()
    return {
        "owner": principal.owner,
        "scopes": sorted(principal.scopes),
        "by": principal.credential,
        "exp": principal.expires_at,
        "jobs": sorted(reach.jobs),
        "tag": reach.tag,
        "batch_id": reach.batch_id,
        "feed": reach.feed,
        "kind": reach.kind,
        "single": reach.single,
        "everybody": reach.everybody,
    }


def _principal(claims: dict[str, Any]) -> Principal:
    reach = Reach(
        frozenset(claims["jobs"]),
        claims["tag"],
        claims["batch_id"],
        claims["feed"],
        claims["kind"],
        claims["single"],
        claims.get("everybody", False),  # those of earlier releases say nothing of it
    )
    return Principal(claims["owner"], frozenset(map(Scope, claims["scopes"])), claims["by"], claims["exp"], reach)

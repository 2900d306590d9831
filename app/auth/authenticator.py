"""Tells who shows a credential: an API key, a JWT of an outside issuer, or a browser token.

One per web process, asked by `app/web/gate.py`. What it has found out holds for a second, so a busy client costs one
look into Redis a second, and a revoked key is good for a second more.
"""

import time
from dataclasses import replace
from hashlib import sha256
from typing import Final, NamedTuple, Self

import structlog

from app.auth import keys as api_keys
from app.auth import tokens as browser_tokens
from app.auth.issuer import FROM_ISSUER, Issuer
from app.auth.principal import Principal
from app.auth.tokens import Tokens
from app.errors import Refusal, Unauthenticated, Unavailable
from app.settings import Settings
from app.store.keys import Key, KeyStore

KNOWN_SECONDS: Final = 1.0
SIGNED_SECONDS: Final = 60.0
"""What an outside issuer has signed cannot be revoked, and costs more to look through."""
MOST_KNOWN: Final = 10_000
USE_SECONDS: Final = 60.0
"""A key's last use is written down at most so often."""

LONGEST_CREDENTIAL: Final = 16 << 10
KEYS, OFF, AUTO = "keys", "off", ""

log = structlog.get_logger()


class Known(NamedTuple):
    """What a credential came to, until when that holds by the monotonic clock."""

    until: float
    principal: Principal | None


class Authenticator:
    """`mode` is as in the settings: "off", "keys", "jwt" or "keys,jwt". With "" it asks for keys once there are any."""

    def __init__(self, mode: str, keys: KeyStore, tokens: Tokens, issuer: Issuer | None = None) -> None:
        self._accepts = frozenset(mode.split(","))
        self._undecided = mode == AUTO
        self._asks = mode not in (AUTO, OFF)
        self._keys = keys
        self._tokens = tokens
        self._issuer = issuer
        self._known: dict[bytes, Known] = {}
        self._used: dict[str, float] = {}
        self._looked = False
        self._look_again_at = 0.0

    @classmethod
    def of(cls, settings: Settings, keys: KeyStore, tokens: Tokens) -> Self:
        """As the settings have it. Raises OSError or ValueError where the issuer's keys are of no use."""
        return cls(settings.auth, keys, tokens, Issuer.of(settings))

    async def asks(self) -> bool:
        """Whether a credential is needed. Raises Unavailable where that hangs on keys and they cannot be looked up."""
        if self._undecided and time.monotonic() >= self._look_again_at:
            await self._decide()
        return self._asks

    async def principal(self, credential: str) -> Principal:
        """Who shows that. Raises Unauthenticated, or Unavailable where it cannot be told now."""
        if not credential:
            raise _unknown("Send a credential.", shown=False)
        digest = sha256(credential.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        if known is None or time.monotonic() >= known.until:
            known = await self._examined(credential)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[digest] = known
        principal = known.principal
        if principal is None or _expired(principal):
            raise _unknown("The credential is not valid here, or no longer.")
        return principal

    async def _decide(self) -> None:
        """Once there was a key it stays so: that the last one is revoked opens no door."""
        if self._looked:  # meanwhile the others go by what was so a second ago
            self._look_again_at = time.monotonic() + KNOWN_SECONDS
        if await self._keys.any():
            self._asks, self._undecided, self._accepts = True, False, frozenset({KEYS})
            log.info("API keys are asked for from now on", action="auth.closed")
        self._looked = True
        self._look_again_at = time.monotonic() + KNOWN_SECONDS

    async def _examined(self, credential: str) -> Known:
        try:
            principal = await self._read(credential)
        except Unauthenticated:
            principal = None
        signed = principal is not None and principal.credential.startswith(FROM_ISSUER)
        return Known(time.monotonic() + (SIGNED_SECONDS if signed else KNOWN_SECONDS), principal)

    async def _read(self, credential: str) -> Principal:
        if len(credential) > LONGEST_CREDENTIAL:
            raise _unknown("The credential is too long.")
        if credential.startswith(browser_tokens.PREFIX):
            return await self._of_token(credential)
        if KEYS in self._accepts and api_keys.is_key(credential):
            return await self._of_key(await self._keys.match(credential))
        if self._issuer and credential.count(".") == 2:
            return await self._issuer.principal(credential)
        raise _unknown("This is no credential that is taken here.")

    async def _of_key(self, key: Key | None) -> Principal:
        if key is None:
            raise _unknown("There is no such key.")
        await self._note_use(key.key_id)
        return Principal(key.name, key.scopes, key.key_id, bounds=key.bounds)

    async def _of_token(self, token: str) -> Principal:
        """It is worth what its maker is worth now."""
        principal = await self._tokens.read(token)
        if self._issuer and principal.credential.startswith(FROM_ISSUER):
            return principal
        maker = await self._of_key(await self._keys.find(principal.credential) if KEYS in self._accepts else None)
        return replace(principal, scopes=principal.scopes & maker.scopes, bounds=maker.bounds)

    async def _note_use(self, key_id: str) -> None:
        now = time.monotonic()
        if now < self._used.get(key_id, 0.0):
            return
        self._used[key_id] = now + USE_SECONDS
        try:
            await self._keys.note_use(key_id)
        except Unavailable as error:
            log.warning("last use of a key not noted", action="auth.use_not_noted", key=key_id, error=str(error))


def _unknown(detail: str, *, shown: bool = True) -> Refusal:
    challenge = 'Bearer realm="tidings"' + (', error="invalid_token"' if shown else "")
    return Unauthenticated(detail, headers={"WWW-Authenticate": challenge})


def _expired(principal: Principal) -> bool:
    return principal.expires_at is not None and principal.expires_at <= time.time() * 1000

"""JWTs of an outside issuer: is one signed by it, meant for us, and still good; and whom it names.

Asked by `app/auth/authenticator.py`. Signature, times, issuer and audience are PyJWT's to check (RFC 7519, RFC 8725).
"""

import hashlib
from typing import Any, Final, Self
from urllib.parse import quote

import jwt

from app.auth.jwks import FixedKeys, KeySource, PublishedKeys
from app.auth.principal import USUAL, Principal, Scope, is_owner
from app.clock import LATEST_MS
from app.errors import Unauthenticated
from app.settings import Settings

LEEWAY_SECONDS: Final = 30
"""Clocks may differ by so much."""
FROM_ISSUER: Final = "jwt:"
"""What such a principal's credential begins with."""
OURS: Final = "tidings:"
"""May stand before a scope, in an issuer that serves others too."""


class Issuer:
    """One issuer. `scopes_claim` may be empty: then a JWT without any is good for what an owner usually does."""

    def __init__(self, keys: KeySource, issuer: str, audience: str, owner_claim: str, scopes_claim: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._owner_claim = owner_claim
        self._scopes_claim = scopes_claim

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """As the settings have it, if they have one. Raises OSError or ValueError for a file of no use."""
        if "jwt" not in settings.auth:
            return None
        keys: KeySource
        if settings.jwt_jwks_url:
            keys = PublishedKeys(settings.jwt_jwks_url)
        elif settings.jwt_key_file:
            keys = FixedKeys.read(settings.jwt_key_file)
        else:
            keys = FixedKeys.shared(settings.jwt_secret.get_secret_value())
        claims = settings.jwt_owner_claim, settings.jwt_scopes_claim
        return cls(keys, settings.jwt_issuer, settings.jwt_audience, *claims)

    async def principal(self, token: str) -> Principal:
        """Raises Unauthenticated, or Unavailable where the keys cannot be had."""
        claims = await self._claims(token)
        owner = quote(str(claims.get(self._owner_claim, "")), safe="@+", errors="replace")
        if not is_owner(owner):
            raise Unauthenticated("The JWT names no owner.")
        # of two credentials with one id, which the issuer should not make, neither is taken for the other
        name = hashlib.sha256(str(claims.get("jti") or token).encode(errors="replace")).hexdigest()[:16]
        expires_at = min((int(claims["exp"]) + LEEWAY_SECONDS) * 1000, LATEST_MS - 1)
        return Principal(owner, self._scopes(claims), f"{FROM_ISSUER}{name}", expires_at)

    async def _claims(self, token: str) -> dict[str, Any]:
        """Those of a JWT that holds."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Unauthenticated("This is no JWT.") from None
        for key in await self._keys.keys(str(header.get("kid", ""))):
            if header.get("alg") not in key.algorithms:
                continue
            try:
                return self._verified(token, key.key, [*key.algorithms])
            except jwt.InvalidSignatureError:  # without a `kid` each is tried
                continue
            except (jwt.PyJWTError, ValueError, OverflowError):
                break
        raise Unauthenticated("The JWT does not hold here.")

    def _verified(self, token: str, key: Any, algorithms: list[str]) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _scopes(self, claims: dict[str, Any]) -> frozenset[Scope]:
        """From a list, or from words with spaces between (RFC 8693 section 4.2); what is none of ours is left out."""
        if not self._scopes_claim:
            return USUAL
        said = claims.get(self._scopes_claim, "")
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        known = {str(scope): scope for scope in Scope}
        return frozenset(known[name] for word in words if (name := str(word).removeprefix(OURS)) in known)

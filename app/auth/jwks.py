"""The public keys an outside issuer signs with: from a file, from its JWKS, or the secret it shares with us.

What algorithm a signature may have is told by the key's type and never by the token (RFC 8725 section 3.1): else a
public key could be taken for a shared secret. Used by `app/auth/issuer.py`.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic_core import from_json

from app.errors import Unavailable

SHARED: Final = ("HS256", "HS384", "HS512")
RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES: Final = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
SHORTEST_RSA_BITS: Final = 2048

FRESH_SECONDS: Final = 600.0
"""So long fetched keys are taken without asking again."""
PAUSE_SECONDS: Final = 10.0
"""A key that is not known yet is looked for, at most so often: anybody can name one."""
FETCH_SECONDS: Final = 5.0
MOST_BYTES: Final = 1 << 20
MOST_KEYS: Final = 100

_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """`key_id` is empty where the key has none; `algorithms` are those of its type."""

    key_id: str
    key: Any
    algorithms: tuple[str, ...]


class KeySource(Protocol):
    """Where the keys come from."""

    async def keys(self, key_id: str) -> Sequence[VerifyingKey]:
        """Those that a token with this `kid` may be signed with. Raises Unavailable."""
        ...


class FixedKeys:
    """Known from the start."""

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def shared(cls, secret: str) -> "FixedKeys":
        """The secret we share with the issuer."""
        return cls([VerifyingKey("", secret.encode(), SHARED)])

    @classmethod
    def read(cls, path: Path) -> "FixedKeys":
        """From a file, PEM or JWKS. Raises OSError, or ValueError for one that has no key of use."""
        text = path.read_text()
        if text.lstrip().startswith("{"):
            return cls(keys_of(from_json(text)))
        found = [_verifying("", load_pem_public_key(block.encode())) for block in _PEM.findall(text)]
        return cls(_some([key for key in found if key]))

    async def keys(self, key_id: str) -> Sequence[VerifyingKey]:
        return _fitting(self._keys, key_id)


class PublishedKeys:
    """Fetched where the issuer publishes them; what was fetched once stays good while it is away, and nobody waits for
    a fresh look at it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: Sequence[VerifyingKey] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, key_id: str) -> Sequence[VerifyingKey]:
        found = _fitting(self._keys, key_id)
        if self._is_due(found):
            self._tried_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching and not found:
            await asyncio.wait([self._fetching])  # one fetches for all, and goes on when who asked has gone
        if not self._keys:
            raise Unavailable("The issuer's keys cannot be fetched.", headers={"Retry-After": "10"})
        return _fitting(self._keys, key_id)

    def _is_due(self, found: Sequence[VerifyingKey]) -> bool:
        now = time.monotonic()
        return now >= self._tried_at + PAUSE_SECONDS and (not found or now >= self._fetched_at + FRESH_SECONDS)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = await _fetched(self._url)
            self._fetched_at = time.monotonic()
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            log.warning("JWKS not fetched", action="auth.jwks_not_fetched", url=self._url, error=repr(error))


def keys_of(jwks: Any) -> list[VerifyingKey]:
    """The public keys of a JWKS; what is none or not for signatures is left out. Raises ValueError if none is left.

    A shared secret is never taken from one: what is published is no secret.
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(entries, list):
        raise ValueError("This is no JWKS (RFC 7517 section 5).")
    return _some([key for entry in entries[:MOST_KEYS] if (key := _of_jwk(entry))])


def _of_jwk(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig":
        return None
    try:
        found = _verifying(str(entry.get("kid", "")), jwt.PyJWK(entry).key)
    except (jwt.PyJWTError, ValueError):
        return None
    wanted = entry.get("alg")
    if found is None or wanted is None:
        return found
    return VerifyingKey(found.key_id, found.key, (wanted,)) if wanted in found.algorithms else None


def _verifying(key_id: str, key: Any) -> VerifyingKey | None:
    match key:
        case RSAPublicKey() if key.key_size >= SHORTEST_RSA_BITS:
            return VerifyingKey(key_id, key, RSA)
        case EllipticCurvePublicKey() if key.curve.name in CURVES:
            return VerifyingKey(key_id, key, CURVES[key.curve.name])
        case Ed25519PublicKey() | Ed448PublicKey():
            return VerifyingKey(key_id, key, ("EdDSA",))
    return None


def _some(keys: list[VerifyingKey]) -> list[VerifyingKey]:
    if not keys:
        raise ValueError("There is no public key of use: RSA of 2,048 bits, P-256, P-384, P-521 or Ed25519.")
    return keys


def _fitting(keys: Sequence[VerifyingKey], key_id: str) -> list[VerifyingKey]:
    return [key for key in keys if not key_id or not key.key_id or key.key_id == key_id]


async def _fetched(url: str) -> list[VerifyingKey]:
    """Raises httpx.HTTPError or ValueError. Redirects are not followed, and no more is read than keys take."""
    body = bytearray()
    trusted = await asyncio.to_thread(httpx.create_ssl_context)  # reads files
    async with (
        httpx.AsyncClient(verify=trusted, timeout=FETCH_SECONDS) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"answered {response.status_code}")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError("the answer is too large")
    return keys_of(from_json(bytes(body)))

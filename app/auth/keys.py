"""API keys: how one looks, and what of it may be kept.

`tdg_`, 32 characters nobody can guess, and six by which a scanner for leaked secrets, or we, can tell a real one from
a typing error without asking anybody. Kept is a hash alone. A slow one would protect no better: there are 160 bits.
"""

import hashlib
import secrets
import string
import zlib
from typing import Final

PREFIX: Final = "tdg_"
ALPHABET: Final = string.ascii_lowercase + "234567"
SECRET_LENGTH: Final = 32
CHECK_LENGTH: Final = 6
LENGTH: Final = len(PREFIX) + SECRET_LENGTH + CHECK_LENGTH
ID_LENGTH: Final = 12


def new_key() -> str:
    """A fresh one, to be shown once."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return f"{PREFIX}{secret}{_check(secret)}"


def is_key(text: str) -> bool:
    """Whether it is well-formed, its check included."""
    secret = text[len(PREFIX) : -CHECK_LENGTH]
    return len(text) == LENGTH and text.startswith(PREFIX) and text.endswith(_check(secret))


def digest_of(text: str) -> str:
    """What is kept of a credential: its SHA-256, in hex."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def id_of(digest: str) -> str:
    """What a key is called in lists, logs and tokens."""
    return digest[:ID_LENGTH]


def is_key_id(credential: str) -> bool:
    """Whether a principal's credential is a key, and not an outside issuer's."""
    return len(credential) == ID_LENGTH and ":" not in credential


def _check(secret: str) -> str:
    """The CRC-32 of the secret in our alphabet."""
    rest = zlib.crc32(secret.encode(errors="replace"))
    return "".join(ALPHABET[rest >> 5 * place & 31] for place in reversed(range(CHECK_LENGTH)))

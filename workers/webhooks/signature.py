"""The headers by which a receiver knows that a webhook is ours (Standard Webhooks). Used by `sender.py`.

Each current secret signs, so that receivers can go from one to the next at any time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from standardwebhooks import Webhook

_signer = lru_cache(maxsize=4_096)(Webhook)


def signed(webhook_id: str, at_ms: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """`webhook-id`, `-timestamp` and `-signature` of an attempt at that time. Raises ValueError for a bad secret."""
    at, text = datetime.fromtimestamp(at_ms // 1000, UTC), body.decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at_ms // 1000),
        "webhook-signature": " ".join(_signer(secret).sign(webhook_id, at, text) for secret in secrets),
    }

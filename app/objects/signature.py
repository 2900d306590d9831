"""Links into S3 that anybody may open for a while: AWS Signature Version 4 in the query of a URL.

obstore signs links as well, but not what the answer's header is to say, and that is what keeps a file from running as
a page. No request is made for it. The time is Redis's, like all of ours.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from app.settings import Settings

ALGORITHM: Final = "AWS4-HMAC-SHA256"


def endpoint_of(settings: Settings) -> str:
    """The server of buckets, without a slash at its end."""
    return settings.s3_endpoint.rstrip("/") or f"https://s3.{settings.s3_region}.amazonaws.com"


def store_origin(settings: Settings) -> str:
    """Where links to files lead, as a policy of a page names it; empty where files lie on our disk."""
    if not settings.store_url.startswith("s3://"):
        return ""
    url = urlsplit(endpoint_of(settings))
    return f"{url.scheme}://{url.netloc}"


@dataclass(frozen=True, slots=True)
class Signer:
    """`base_url` is that of the bucket, without a slash at its end."""

    base_url: str
    region: str
    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)

    def link(self, method: str, key: str, query: Mapping[str, str], now_ms: int, seconds: int) -> str:
        """The URL of an object, good for one method and so long."""
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        signed = dict(query) | {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.access_key_id}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.session_token:
            signed["X-Amz-Security-Token"] = self.session_token
        url = urlsplit(f"{self.base_url}/{quote(key, safe='/')}")
        fields = "&".join(f"{quote(name, safe='')}={quote(signed[name], safe='')}" for name in sorted(signed))
        request = "\n".join((method, url.path, fields, f"host:{url.netloc}", "", "host", "UNSIGNED-PAYLOAD"))
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = self._sign(scope, "\n".join((ALGORITHM, moment, scope, digest)))
        return f"{url.geturl()}?{fields}&X-Amz-Signature={signature}"

    def _sign(self, scope: str, text: str) -> str:
        key = f"AWS4{self.secret}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()

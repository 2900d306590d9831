"""Where things lie: Redis, the data directory, files on disk or in S3."""

import hashlib
import os
import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from pydantic import AliasChoices, BeforeValidator, Field, PositiveInt, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from app.settings.written import pairs

S3_URL = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./-]*)?"
SOCKET_PATH_BYTES = 100  # sun_path holds 104 (macOS) to 108 (Linux) bytes

Roots = Annotated[dict[str, Path | str], NoDecode, BeforeValidator(pairs(str.partition))]


def _or_aws(name: str, *theirs: str) -> AliasChoices:
    """Our variable, or else the one that S3's own tools read."""
    return AliasChoices(f"TIDINGS_{name.upper()}", *theirs)


class Places(BaseSettings):
    """Where things lie"""

    data_dir: Path = Field(Path("data"), description="Where the bundled Valkey, uploads and artifacts live.")
    redis_url: str = Field(
        "",
        repr=False,  # there may be a password in it
        description="redis://, rediss:// or unix://, with user and password; empty means the bundled Valkey below the "
        "data directory.",
    )
    s3_endpoint: str = Field(
        "",
        validation_alias=_or_aws("s3_endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        description="URL of the S3 server; empty: Amazon's of the region. Or AWS_ENDPOINT_URL.",
    )
    s3_region: str = Field(
        "us-east-1",
        validation_alias=_or_aws("s3_region", "AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Its region. Or AWS_REGION.",
    )
    s3_access_key_id: str = Field(
        "",
        validation_alias=_or_aws("s3_access_key_id", "AWS_ACCESS_KEY_ID"),
        description="Who we are there. Or AWS_ACCESS_KEY_ID.",
    )
    s3_secret_access_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=_or_aws("s3_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        description="And what proves it. Or AWS_SECRET_ACCESS_KEY.",
    )
    s3_session_token: SecretStr = Field(
        SecretStr(""),
        validation_alias=_or_aws("s3_session_token", "AWS_SESSION_TOKEN"),
        description="Where the key is a temporary one. Or AWS_SESSION_TOKEN.",
    )
    s3_link_seconds: PositiveInt = Field(
        900,
        le=7 * 86_400,
        description="How long a link into S3 opens a file; each request for the file gets a new one.",
    )
    store_url: str = Field(
        "",
        description="Where uploads and artifacts lie: file:///path or s3://bucket/prefix; empty: data_dir.",
    )
    data_roots: Roots = Field(
        {},
        description="Folders any job may read as `location:<name>/<path>`; comma-separated, as name=folder or "
        "name=s3://bucket/prefix, with the same server and key.",
    )

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        """It never tells the value, in which there may be a password."""
        try:
            usable = not value or (urlsplit(value).scheme in {"redis", "rediss", "unix"} and urlsplit(value).port != 0)
        except ValueError:  # the port is no number, as where a password's `/` or `#` was not escaped
            usable = False
        if not usable:
            raise ValueError("must be redis://, rediss:// or unix://, with what is special in a password escaped")
        return value

    @field_validator("store_url")
    @classmethod
    def _check_store_url(cls, value: str, info: ValidationInfo) -> str:
        """It never tells the value, in which somebody may have written a key."""
        if value and not re.fullmatch(rf"file:///[^?#]*|{S3_URL}", value):
            raise ValueError("must be file:///path or s3://bucket/prefix")
        if value.startswith("s3:"):
            _check_s3(info)
        return value

    @field_validator("data_roots")
    @classmethod
    def _check_roots(cls, value: dict[str, Path | str], info: ValidationInfo) -> dict[str, Path | str]:
        """What is no URL is a folder."""
        return {name: _root(place, info) if isinstance(place, str) else place for name, place in value.items()}

    @property
    def store_folder(self) -> Path:
        """Where files lie that lie on a disk; with S3, uploads that are still coming in."""
        return Path(unquote(urlsplit(self.store_url).path)) if self.store_url.startswith("file:") else self.data_dir

    @cached_property
    def valkey_socket(self) -> Path:
        """The bundled Valkey's socket: below the data directory, or below /tmp where that path is too long for one."""
        socket = self.data_dir.resolve() / "valkey" / "valkey.sock"
        if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES:
            return socket
        digest = hashlib.sha256(os.fsencode(socket)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tidings-{os.getuid()}-{digest}" / "valkey.sock"

    @cached_property
    def redis_address(self) -> str:
        """The URL redis-py connects to."""
        return _with_host_checked(self.redis_url) if self.redis_url else f"unix://{quote(str(self.valkey_socket))}"


def _check_s3(info: ValidationInfo) -> None:
    if not (info.data.get("s3_access_key_id") and info.data["s3_secret_access_key"].get_secret_value()):
        raise ValueError("needs TIDINGS_S3_ACCESS_KEY_ID and TIDINGS_S3_SECRET_ACCESS_KEY")
    if not re.fullmatch(r"(https?://[^/?#@]+/?)?", info.data.get("s3_endpoint", "")):
        raise ValueError("needs a TIDINGS_S3_ENDPOINT like https://host:port")


def _root(place: str, info: ValidationInfo) -> Path | str:
    if not place.startswith("s3:"):
        return Path(place)
    if not re.fullmatch(S3_URL, place):
        raise ValueError("must be a folder or s3://bucket/prefix")
    _check_s3(info)
    return place


def _with_host_checked(redis_url: str) -> str:
    """Over TLS a certificate has to be that very host's; redis-py takes any host's unless it is told to look."""
    parts = urlsplit(redis_url)
    asked = parse_qs(parts.query)
    if parts.scheme != "rediss" or "ssl_check_hostname" in asked or asked.get("ssl_cert_reqs", [""])[0] == "none":
        return redis_url
    query = "&".join(filter(None, (parts.query, "ssl_check_hostname=true")))
    return urlunsplit(parts._replace(query=query))

"""Where the web process is reached, and how many may reach it at once."""

import re
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import BaseSettings

from app.limits import Connections
from app.settings.written import Networks, Words

ORIGIN = r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?"
HOST_NAME = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to reach what listens everywhere


class Reach(BaseSettings):
    """The way in"""

    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="How the outside reaches us; when set, links are absolute.")
    allowed_origins: Words = Field(
        (), description="Origins beside our own whose pages may use the service (CORS, WebSockets); comma-separated."
    )
    allowed_hosts: Words = Field(
        (),
        description="Names by which it may be asked without authentication, beside localhost, addresses, and those of "
        "TIDINGS_HOST and TIDINGS_PUBLIC_URL; comma-separated.",
    )
    trusted_proxies: Networks = Field(
        (), description="Proxies whose word is taken for who the client is, as CIDRs; comma-separated."
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for", description="Where they say it; they must not let a client's own pass unchanged."
    )
    max_connections: NonNegativeInt = Field(
        0,
        description="Connections of one web process; more: 503. 0: four fifths of its file descriptors, "
        "at most 32,768; never more than that allows.",
    )
    max_connections_per_address: NonNegativeInt = Field(
        0, description="Those of one address, or IPv6 /64; more: 429. 0: three quarters of all."
    )
    max_event_streams: NonNegativeInt = Field(
        0, description="Event streams (SSE) of one web process; 0: three quarters of its connections."
    )
    max_event_streams_per_address: NonNegativeInt = Field(
        0, description="Those of one address; 0: as many as it may have connections."
    )
    max_websockets: NonNegativeInt = Field(
        0, description="WebSockets of one web process; more: 4429. 0: three quarters of its connections."
    )
    max_websockets_per_address: NonNegativeInt = Field(
        0, description="Those of one address; 0: as many as it may have connections."
    )
    max_streams_per_owner: PositiveInt = Field(10_000, description="Open streams of one owner in one web process.")
    max_subscriptions: PositiveInt = Field(1_000, description="Subscriptions of one multiplexed WebSocket.")
    max_frames_per_second: PositiveFloat = Field(
        200, description="Frames a WebSocket may send on average, and as many as ten seconds bring in a row; else 4420."
    )
    max_stream_seconds: NonNegativeFloat = Field(
        86_400, description="Streams and WebSockets older than that are told to come back; 0: never."
    )
    idle_stream_seconds: NonNegativeFloat = Field(
        14_400, description="So are those on which nothing has happened for so long; 0: never."
    )
    head_seconds: PositiveFloat = Field(
        20, description="A request's head that is not whole after so long is given up: 408."
    )
    keep_alive_seconds: PositiveFloat = Field(30, description="How long a connection is kept without a request.")
    accept_backlog: PositiveInt = Field(
        4096, description="Connections that may wait to be accepted; the system may allow fewer."
    )

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers send them (RFC 6454 section 6.2); so neither `*` nor `null`, which any page could be."""
        for origin in value:
            if not re.fullmatch(ORIGIN, origin):
                raise ValueError(f"not an origin like https://app.example.com: {origin!r}")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Each spelt out: `*` would let in whom they are to keep out."""
        for host in value:
            if not re.fullmatch(HOST_NAME, host):
                raise ValueError(f"not a name like app.example.com: {host!r}")
        return value

    @field_validator("public_url")
    @classmethod
    def _drop_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def callback_base(self) -> str:
        """How who is to call back reaches us: where no public URL is set, from this machine alone."""
        host = ANY_HOST.get(self.host, self.host)
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def connections(self) -> Connections:
        """How many connections a web process holds, and what it asks of them."""
        return Connections(
            most=self.max_connections,
            most_per_address=self.max_connections_per_address,
            most_streams=self.max_event_streams,
            most_streams_per_address=self.max_event_streams_per_address,
            most_sockets=self.max_websockets,
            most_sockets_per_address=self.max_websockets_per_address,
            trusted_proxies=self.trusted_proxies,
            proxy_header=self.proxy_header,
            head_seconds=self.head_seconds,
            keep_alive_seconds=self.keep_alive_seconds,
            frames_per_second=self.max_frames_per_second,
            backlog=self.accept_backlog,
        )

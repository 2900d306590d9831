"""Every setting, read once from `TIDINGS_*` variables by the assembly (`app/cli`) and handed down from there."""

import hashlib
import os
import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from pydantic import (
    AliasChoices,
    Field,
    IPvAnyNetwork,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.jobs import is_queue_name
from app.limits import Admission, Connections, Shares
from app.webhooks import is_webhook_secret

YEAR = 365 * 86_400
ORIGIN = r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?"
HOST_NAME = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"
S3_URL = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./-]*)?"
SHORTEST_SECRET = 16
SHORTEST_JWT_SECRET = 32  # bytes of a SHA-256 (RFC 7518 section 3.2)
ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to reach what listens everywhere
SOCKET_PATH_BYTES = 100  # sun_path holds 104 (macOS) to 108 (Linux) bytes


def _or_aws(name: str, *theirs: str) -> AliasChoices:
    """Our variable, or else the one that S3's own tools read."""
    return AliasChoices(f"TIDINGS_{name.upper()}", *theirs)


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


Port = Annotated[int, Field(ge=1, le=65535)]

Weight = Annotated[float, Field(ge=0.01, le=100)]
"""More would make one owner's next turn so late or so soon that others' no longer count."""


class Settings(BaseSettings):
    """Times are seconds, sizes bytes, unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="TIDINGS_", frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="How the outside reaches us; when set, links are absolute.")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins beside our own whose pages may use the service (CORS, WebSockets); comma-separated."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names by which it may be asked without authentication, beside localhost, addresses, and those of "
        "TIDINGS_HOST and TIDINGS_PUBLIC_URL; comma-separated.",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        description="Signs callback URLs and browser tokens; the same for all processes. Empty: made up once, kept in "
        "Redis.",
    )
    allow_open: Literal["", "yes-i-know"] = Field(
        "", description="`yes-i-know` lets it listen beyond this machine without any authentication."
    )
    api_key: SecretStr = Field(SecretStr(""), description="What the command line and its client show the service.")
    max_token_seconds: PositiveInt = Field(3600, le=86_400, description="Longest life of a browser token.")
    jwt_issuer: str = Field("", description="Whose JWTs are taken: their `iss`.")
    jwt_audience: str = Field("", description="Whom such a JWT is to be for: its `aud`.")
    jwt_jwks_url: str = Field(
        "",
        pattern=r"^(https://.+|http://(127\.0\.0\.1|localhost|\[::1\])[:/].*)?$",
        description="Where the issuer publishes its keys (JWKS).",
    )
    jwt_key_file: Path | None = Field(None, description="Or a file of its public keys: PEM, or a JWKS.")
    jwt_secret: SecretStr = Field(
        SecretStr(""), description="Or the secret it signs with (HS256 and its kin), 32 characters or more."
    )
    jwt_owner_claim: str = Field("sub", min_length=1, description="The claim that names the owner.")
    jwt_scopes_claim: str = Field(
        "scope", description="The claim with the scopes; empty: every valid JWT may submit, read and cancel."
    )
    auth: Literal["", "off", "keys", "jwt", "keys,jwt"] = Field(
        "",
        description="What a client has to show: `keys`, `jwt`, `keys,jwt`, or `off`. Empty: on loopback nothing, until "
        "there is an API key.",
    )
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
    data_roots: Annotated[dict[str, Path | str], NoDecode] = Field(
        {},
        description="Folders any job may read as `location:<name>/<path>`; comma-separated, as name=folder or "
        "name=s3://bucket/prefix, with the same server and key.",
    )

    handlers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Modules with a deployment's own handlers; comma-separated."
    )
    handler_variables: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="What handlers in a process of their own get of a worker's environment beside the usual variables; "
        "comma-separated names, as HF_TOKEN,SHOP_*.",
    )
    queues: Annotated[tuple[str, ...], NoDecode] = Field(
        ("default",), min_length=1, description="Queues a worker serves, most urgent first; comma-separated."
    )
    concurrency: NonNegativeInt = Field(
        10, description="Jobs a worker runs at once; 0: none, for one that only sends webhooks."
    )
    spare_process_seconds: float = Field(
        60, ge=0, description="How long the next process of a process kind that was run is kept ready; 0: not at all."
    )
    lease_seconds: PositiveFloat = Field(10, ge=0.5, description="A silent worker loses its jobs after this long.")
    shutdown_grace_seconds: float = Field(10, ge=0, description="How long SIGTERM lets jobs and streams finish.")

    owner_weights: Annotated[dict[str, Weight], NoDecode] = Field(
        {}, description="Shares of owners whose jobs wait in one queue, as owner=3,other=1; 1 for who is not named."
    )
    max_running_per_owner: NonNegativeInt = Field(0, description="Runs of one owner at once in a queue; 0: any number.")
    starts_per_minute_per_owner: NonNegativeInt = Field(
        0, description="Runs of one owner that may begin in a queue each minute; 0 for any number."
    )

    result_ttl_seconds: PositiveInt = Field(
        7 * 86_400, le=YEAR, description="How long an ended job and its result are kept; at most a year."
    )
    upload_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an upload is kept after its last use; at most a year."
    )
    unfinished_upload_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an upload waits for its next bytes; at most a year."
    )
    idempotency_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an Idempotency-Key is remembered; at most a year."
    )

    max_body_bytes: PositiveInt = Field(1 << 20, description="Largest JSON request body.")
    max_batch_body_bytes: PositiveInt = Field(16 << 20, description="Largest JSON body of a batch.")
    max_batch_jobs: PositiveInt = Field(10_000, description="Most jobs of a batch.")
    body_silence_seconds: PositiveFloat = Field(30, description="A request body that stays silent so long is given up.")
    body_seconds: PositiveFloat = Field(60, description="A JSON body that is not whole after so long is given up.")
    min_upload_rate: NonNegativeInt = Field(
        1024, description="Bytes a file must bring each second on average, or it is given up; 0: any number."
    )
    max_params_bytes: PositiveInt = Field(256 << 10, description="Largest params of one job, as JSON.")
    max_callback_bytes: PositiveInt = Field(256 << 10, description="Largest JSON body of a callback.")
    max_json_depth: PositiveInt = Field(32, description="Deepest nesting of a JSON body.")
    max_upload_bytes: PositiveInt = Field(10 << 30, description="Largest upload.")
    max_unfinished_uploads_per_owner: PositiveInt = Field(
        100, description="Uploads of one owner that have begun and not ended; more: 429."
    )
    max_unfinished_bytes_per_owner: PositiveInt = Field(
        50 << 30, description="Bytes that such uploads of one owner are to have together; more: 429."
    )
    max_result_bytes: PositiveInt = Field(256 << 10, description="Largest result as JSON; more belongs in an artifact.")
    max_event_bytes: PositiveInt = Field(16 << 10, description="Largest data of one event, as JSON.")
    max_log_line_bytes: PositiveInt = Field(8 << 10, description="A longer log line is cut and marked.")
    max_log_events: PositiveInt = Field(10_000, description="Events kept per job; lifecycle events always stay.")
    max_timeout_seconds: PositiveInt = Field(7 * 86_400, le=YEAR, description="Longest timeout to ask for.")
    max_attempts: PositiveInt = Field(100, description="Most attempts to ask for.")
    max_delay_seconds: PositiveInt = Field(YEAR, le=YEAR, description="Longest delay or suspension.")
    max_tags: PositiveInt = Field(10, le=100, description="Most tags of one job.")
    max_metadata_bytes: PositiveInt = Field(4 << 10, le=64 << 10, description="Largest metadata of one job, as JSON.")
    max_waiting_per_owner: PositiveInt = Field(100_000, description="Jobs of one owner that have not ended; more: 429.")
    max_waiting: PositiveInt = Field(1_000_000, description="Jobs of all owners that have not ended; more: 503.")
    max_redis_memory_share: float = Field(
        0.9, gt=0, le=1, description="Above this share of Redis's memory nothing new is accepted: 503."
    )
    submits_per_minute: PositiveInt = Field(300_000, description="Jobs one owner may submit each minute; more: 429.")
    uploads_per_minute: PositiveInt = Field(6_000, description="Uploads one owner may begin each minute; more: 429.")
    poll_burst: PositiveInt = Field(20, description="Polls of one job in a row, before Retry-After is insisted on.")
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

    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
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
    head_seconds: PositiveFloat = Field(
        20, description="A request's head that is not whole after so long is given up: 408."
    )
    keep_alive_seconds: PositiveFloat = Field(30, description="How long a connection is kept without a request.")
    accept_backlog: PositiveInt = Field(
        4096, description="Connections that may wait to be accepted; the system may allow fewer."
    )

    webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="`whsec_…` that signs the webhooks of owners who have made none of their own; while it is rotated "
        "several, separated by spaces, all of which sign.",
    )
    webhook_retry_scale: PositiveFloat = Field(
        1.0, le=10, description="Times the pauses between attempts at a webhook; 0.001 makes days into minutes."
    )
    webhook_allow_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (), description="Networks that are not public and may be sent webhooks all the same, as CIDRs; comma-separated."
    )
    webhook_ports: Annotated[tuple[Port, ...], NoDecode] = Field(
        (), description="Ports that webhooks may be sent to; comma-separated; empty: any."
    )
    webhook_concurrency: NonNegativeInt = Field(200, description="Webhooks a worker sends at once; 0: none.")
    webhook_per_host: PositiveInt = Field(10, description="Webhooks sent to one receiver at once.")

    report_memory: PositiveInt = Field(2 << 30, description="Memory of one `report`'s query.")
    report_temp_space: PositiveInt = Field(20 << 30, description="Disk that one `report` may use meanwhile.")
    report_threads: NonNegativeInt = Field(0, description="Threads of one `report`; 0: one for each core.")

    train_memory: PositiveInt = Field(2 << 30, description="Memory of one `train`'s table.")
    train_temp_space: PositiveInt = Field(20 << 30, description="Disk that one `train` may use to read its table.")
    train_threads: NonNegativeInt = Field(0, description="Threads of one `train`; 0: one for each core.")
    train_checkpoint_seconds: PositiveFloat = Field(
        15, description="A training is saved so often, or when a tenth of its time has gone since."
    )

    bank_url: str = Field(
        "", pattern=r"^(https?://.+)?$", description="The bank that `payment` charges through; empty: there is none."
    )
    bank_poll_seconds: PositiveFloat = Field(
        30, ge=0.5, description="A `payment` that waits for the bank's callback asks by itself so often."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Log lines below this are dropped."
    )

    @field_validator(
        *("allowed_origins", "allowed_hosts", "handlers", "handler_variables", "queues"),
        *("trusted_proxies", "webhook_allow_networks", "webhook_ports"),
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("webhook_secret", mode="before")
    @classmethod
    def _split_spaces(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("webhook_secret")
    @classmethod
    def _check_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """It never tells the value."""
        if not all(is_webhook_secret(secret.get_secret_value()) for secret in value):
            raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
        return value

    @field_validator("owner_weights", mode="before")
    @classmethod
    def _split_weights(cls, value: object) -> object:
        if isinstance(value, str):
            pairs = (part.rpartition("=") for part in value.split(",") if part.strip())
            return {owner.strip(): weight for owner, _, weight in pairs}
        return value

    @field_validator("data_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        if isinstance(value, str):
            pairs = (part.partition("=") for part in value.split(",") if part.strip())
            return {name.strip(): folder.strip() for name, _, folder in pairs}
        return value

    @field_validator("data_roots")
    @classmethod
    def _check_roots(cls, value: dict[str, Path | str], info: ValidationInfo) -> dict[str, Path | str]:
        """What is no URL is a folder."""
        return {name: _root(place, info) if isinstance(place, str) else place for name, place in value.items()}

    @field_validator("queues")
    @classmethod
    def _check_queues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for queue in value:
            if not is_queue_name(queue):
                raise ValueError(f"not a queue: {queue!r}")
        return value

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"must have at least {SHORTEST_SECRET} characters")
        return value

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

    @field_validator("jwt_secret")
    @classmethod
    def _check_jwt_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SHORTEST_JWT_SECRET:
            raise ValueError(f"must have at least {SHORTEST_JWT_SECRET} characters")
        return value

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, value: str, info: ValidationInfo) -> str:
        known = info.data
        if "jwt" not in value:
            return value
        if not (known.get("jwt_issuer") and known.get("jwt_audience")):
            raise ValueError("with jwt it needs TIDINGS_JWT_ISSUER and TIDINGS_JWT_AUDIENCE")
        secret = known.get("jwt_secret", SecretStr("")).get_secret_value()
        if not (known.get("jwt_jwks_url") or known.get("jwt_key_file") or secret):
            raise ValueError("with jwt it needs TIDINGS_JWT_JWKS_URL, TIDINGS_JWT_KEY_FILE or TIDINGS_JWT_SECRET")
        return value

    @field_validator("public_url")
    @classmethod
    def _drop_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

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

    @property
    def store_folder(self) -> Path:
        """Where files lie that lie on a disk; with S3, uploads that are still coming in."""
        return Path(unquote(urlsplit(self.store_url).path)) if self.store_url.startswith("file:") else self.data_dir

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """What signs webhooks of who has no secret of its own."""
        return tuple(secret.get_secret_value() for secret in self.webhook_secret)

    @property
    def callback_base(self) -> str:
        """How who is to call back reaches us: where no public URL is set, from this machine alone."""
        host = ANY_HOST.get(self.host, self.host)
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def admission(self) -> Admission:
        """What bounds an owner's submissions."""
        return Admission(
            self.submits_per_minute, self.max_waiting_per_owner, self.max_waiting, self.max_delay_seconds * 1000
        )

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

    @property
    def shares(self) -> Shares:
        """How workers share their slots among owners."""
        weights = tuple(self.owner_weights.items())
        return Shares(weights, self.max_running_per_owner, self.starts_per_minute_per_owner)

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


_SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]

SECRET_VARIABLES = frozenset(f"TIDINGS_{name.upper()}" for name in ("redis_url", *_SECRETS))
"""Those whose values nobody is to see, whatever a kind is called whose settings they could be taken for."""

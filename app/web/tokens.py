"""The doors of browser tokens: what a page is given, so that it need not have the key of the server behind it."""

import secrets
import time
from typing import Final, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict

from app.auth import Principal, Reach, Scope, principal_of
from app.auth.tokens import Tokens
from app.clock import rfc3339
from app.errors import Forbidden, InvalidToken, Unavailable
from app.intake.misfits import misfits_of
from app.settings import Settings
from app.shapes.shape import JobId, Moment, shape
from app.web.answer import JsonAnswer
from app.web.body import Bodies
from app.web.contract import JSON_BODY, Answer, Header, Tag, describes
from app.web.gate import COOKIE
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

MOST_JOBS: Final = 50
USUAL_SECONDS: Final = 900
GRANTED: Final = {
    "read": frozenset({Scope.READ}),
    "cancel": frozenset({Scope.READ, Scope.CANCEL}),
    "submit": frozenset({Scope.SUBMIT}),
}
REACHES: Final = ("jobs", "tag", "batch_id", "feed")
ONE_REACH: Final = [
    *({"required": [name], "properties": {"scope": {"enum": ["read", "cancel"]}}} for name in REACHES),
    {"required": ["kind"], "properties": {"scope": {"const": "submit"}}},
]
"""What `_misfit` sees to, for the description."""

TOKENS: Final = Tag("Tokens", "Short-lived tokens for browsers.")
NEVER_STORED: Final = {"Cache-Control": "no-store"}
SET_COOKIE: Final = Header("Set-Cookie", "The token, where it was asked for as a cookie.")


@shape
class TokenObject(TypedDict):
    """A browser token."""

    token: NotRequired[str]
    """`tdt_…`; missing where it was asked for as a cookie, which no script can read."""
    expires_at: Moment


class TokenRequest(BaseModel):
    """What a token is to be good for: to read or cancel some jobs, or to submit one."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"scope": "read", "tag": "customer-7"}], "oneOf": ONE_REACH},
    )

    scope: Literal["read", "cancel", "submit"]
    """`cancel` may read too. `submit` is for a single job of a `kind`, and for uploads; the others need one of `jobs`,
    `tag`, `batch_id` and `feed`."""
    jobs: list[JobId] = Field(default_factory=list, min_length=1, max_length=MOST_JOBS)
    """These jobs."""
    tag: str = Field(default_factory=str, min_length=1, max_length=64)
    """All jobs with this tag, those to come too."""
    batch_id: JobId = Field(default_factory=str)
    """A batch and its jobs."""
    feed: Literal[True] = Field(default_factory=bool)
    """All jobs."""
    kind: str = Field(default_factory=str, min_length=1, max_length=64)
    """What `submit` may ask for. The token is the submission's Idempotency-Key as well."""
    ttl_seconds: int = Field(USUAL_SECONDS, ge=1, le=86_400)
    """It may live shorter, where the operator or the maker's own credential says so."""
    cookie: bool = False
    """Have it set as a cookie of this origin, for a page of ours."""


class TokenDoors:
    """`/api/tokens`."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._longest = min(settings.max_token_seconds, settings.idempotency_ttl_seconds)
        self._bodies = Bodies(settings)
        self._tokens = tokens

    def routes(self) -> list[BaseRoute]:
        return [resource("/api/tokens", post=self.create, delete=self.drop)]

    @describes(
        "create_token",
        TOKENS,
        scope=Scope.READ,
        body=TokenRequest,
        answers=[Answer(201, "The token.", TokenObject, [CACHE_CONTROL, SET_COOKIE.sometimes])],
        refuses=[*JSON_BODY, InvalidToken, Unavailable],
    )
    async def create(self, request: Request) -> Response:
        """Make a token for a browser.

        It reaches only what is named here, expires soon, and ends with the key it was made with. A page shows it as
        `Authorization: Bearer`, as `access_token` in the URL of a stream, or in an `auth` frame of a WebSocket.
        """
        wanted = _wanted(await self._bodies.json(request))
        seconds = min(wanted.ttl_seconds, self._longest)
        principal = _narrowed(principal_of(request), wanted, seconds)
        token = await self._tokens.sign(principal)
        assert principal.expires_at is not None
        shown: TokenObject = {"expires_at": rfc3339(principal.expires_at)}
        if not wanted.cookie:
            return JsonAnswer({"token": token, **shown}, 201, NEVER_STORED)
        return _with_cookie(JsonAnswer(shown, 201, NEVER_STORED), token, seconds)

    @describes("drop_token", TOKENS, scope=None, answers=[Answer(204, "The cookie is gone.", None, [SET_COOKIE])])
    async def drop(self, _: Request) -> Response:
        """Forget the token that was set as a cookie."""
        return _with_cookie(Response(status_code=204), "", 0)


def _wanted(body: object) -> TokenRequest:
    """Raises InvalidToken with every misfit."""
    try:
        wanted = TokenRequest.model_validate(body)
    except ValidationError as error:
        errors = misfits_of(error)
        raise InvalidToken(f"{errors[0]['pointer'][1:]}: {errors[0]['message']}", errors=errors) from None
    if message := _misfit(wanted):
        raise InvalidToken(message)
    return wanted


def _misfit(wanted: TokenRequest) -> str:
    reaches = wanted.model_fields_set.intersection(REACHES)
    if wanted.scope == "submit":
        return "" if wanted.kind and not reaches else "To submit takes a `kind`, and nothing else."
    return "" if len(reaches) == 1 and not wanted.kind else f"To {wanted.scope} takes one of {', '.join(REACHES)}."


def _narrowed(maker: Principal, wanted: TokenRequest, seconds: int) -> Principal:
    """Raises Forbidden where the maker may not do that itself."""
    if missing := GRANTED[wanted.scope] - maker.scopes:
        raise Forbidden(f"This needs the scope `{min(missing)}`.", scope=min(missing))
    expires_at = round((time.time() + seconds) * 1000)
    if maker.expires_at is not None:
        expires_at = min(expires_at, maker.expires_at)
    single = secrets.token_hex(16) if wanted.kind else ""
    reach = Reach(frozenset(wanted.jobs), wanted.tag, wanted.batch_id, wanted.feed, wanted.kind, single)
    return Principal(maker.owner, GRANTED[wanted.scope], maker.credential, expires_at, reach)


def _with_cookie(response: Response, token: str, seconds: int) -> Response:
    response.set_cookie(COOKIE, token, max_age=seconds, path="/api", secure=True, httponly=True, samesite="strict")
    return response

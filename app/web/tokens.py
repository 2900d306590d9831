"""The doors of browser tokens: what a page is given, so that it need not have the key of the server behind it."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal, NotRequired, TypeAlias

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
from app.jobs import EVERYBODY
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

TOKENS: Final = Tag("Tokens", "Short-lived tokens for browsers.")
NEVER_STORED: Final = {"Cache-Control": "no-store"}
SET_COOKIE: Final = Header("Set-Cookie", "The token, where it was asked for as a cookie.")


@shape
class TokenObject(TypedDict):
    """A browser token."""

    token: NotRequired[str]
    """`tdt_…`; missing where it was asked for as a cookie, which no script can read."""
    expires_at: Moment


class Wanted(BaseModel):
    """What all tokens may say for themselves."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    ttl_seconds: float = Field(USUAL_SECONDS, ge=1, le=86_400)
    """It may live shorter, where the operator or the maker's own credential says so."""
    cookie: bool = False
    """Have it set as a cookie of this origin, for a page of ours."""


class Watching(Wanted):
    """A token to look at what it reaches, and to `cancel` that."""

    scope: Literal["read", "cancel"]


class TokenForJobs(Watching):
    """It reaches these jobs."""

    jobs: list[JobId] = Field(min_length=1, max_length=MOST_JOBS)

    def reach(self) -> Reach:
        return Reach(jobs=frozenset(self.jobs))


class TokenForTag(Watching):
    """It reaches all jobs with this tag, those to come too."""

    tag: str = Field(min_length=1, max_length=64)

    def reach(self) -> Reach:
        return Reach(tag=self.tag)


class TokenForBatch(Watching):
    """It reaches a batch and its jobs."""

    batch_id: JobId

    def reach(self) -> Reach:
        return Reach(batch_id=self.batch_id)


class TokenForFeed(Watching):
    """It reaches all jobs."""

    feed: Literal[True]
    owner: Literal["", "*"] = ""
    """With `*` also those of all other owners; for this its maker needs the scope `admin`."""

    def reach(self) -> Reach:
        return Reach(feed=True, everybody=self.owner == EVERYBODY)


class TokenToSubmit(Wanted):
    """It submits a single job of a kind, whose Idempotency-Key it is, and uploads files for that."""

    scope: Literal["submit"]
    kind: str = Field(min_length=1, max_length=64)

    def reach(self) -> Reach:
        return Reach(kind=self.kind, single=secrets.token_hex(16))


TokenRequest: TypeAlias = TokenForJobs | TokenForTag | TokenForBatch | TokenForFeed | TokenToSubmit
FORMS: Final[Mapping[str, type[TokenRequest]]] = {
    "jobs": TokenForJobs,
    "tag": TokenForTag,
    "batch_id": TokenForBatch,
    "feed": TokenForFeed,
    "kind": TokenToSubmit,
}
"""By the member that only one of them has."""

DESCRIBED: Final = Annotated[TokenRequest, Field(examples=[{"scope": "read", "tag": "customer-7"}])]


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
        or_scope=Scope.SUBMIT,
        body=DESCRIBED,
        answers=[Answer(201, "The token.", TokenObject, [CACHE_CONTROL, SET_COOKIE.sometimes])],
        refuses=[*JSON_BODY, InvalidToken, Unavailable],
    )
    async def create(self, request: Request) -> Response:
        """Make a token for a browser.

        It reaches only what is named here, may nothing that its maker may not, expires soon, and ends with the key it
        was made with. A page shows it as
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
    forms = [form for name, form in FORMS.items() if isinstance(body, dict) and name in body]
    if len(forms) != 1:
        raise InvalidToken(f"A token is for one of {', '.join(FORMS)}.")
    try:
        return forms[0].model_validate(body)
    except ValidationError as error:
        errors = misfits_of(error)
        raise InvalidToken(f"{errors[0]['pointer'][1:]}: {errors[0]['message']}", errors=errors) from None


def _narrowed(maker: Principal, wanted: TokenRequest, seconds: float) -> Principal:
    """Raises Forbidden where the maker may not do that itself."""
    if missing := GRANTED[wanted.scope] - maker.scopes:
        raise Forbidden(f"This needs the scope `{min(missing)}`.", scope=min(missing))
    reach = wanted.reach()
    if reach.everybody and Scope.ADMIN not in maker.scopes:
        raise Forbidden("Other owners' jobs need the scope `admin`.", scope=Scope.ADMIN)
    expires_at = round((time.time() + seconds) * 1000)
    if maker.expires_at is not None:
        expires_at = min(expires_at, maker.expires_at)
    reach = replace(reach, everybody=maker.sight == EVERYBODY and reach.everybody)  # in an open service its own are all
    return Principal(maker.owner, GRANTED[wanted.scope], maker.credential, expires_at, reach)


def _with_cookie(response: Response, token: str, seconds: float) -> Response:
    response.set_cookie(COOKIE, token, max_age=int(seconds), path="/api", secure=True, httponly=True, samesite="strict")
    return response

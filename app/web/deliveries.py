"""The doors of webhooks: what became of a job's, sending them again, and the secrets that sign them."""

from typing import Annotated, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import owner_of
from app.clock import rfc3339
from app.errors import BadRequest, TooManySecrets, Unavailable, UnknownDelivery, UnknownJob, UnknownSecret
from app.shapes.delivery import DeliveryPage, Redelivered, SecretList, SecretObject
from app.store import DeliveryLog, JobStore, WebhookSecret, WebhookSecrets
from app.web.answer import JsonAnswer
from app.web.contract import Answer, Parameter, Tag, describes
from app.web.headers import CACHE_CONTROL
from app.web.owned import owned_job
from app.web.query import parameters
from app.web.resource import resource

WEBHOOKS: Final = Tag("Webhooks", "What became of them, sending them again, and what signs them.")
MOST_LISTED: Final = 200
MOST_DIGITS: Final = 9
NEVER_STORED: Final = {"Cache-Control": "no-store"}


class DeliveryDoors:
    """`/api/jobs/{id}/deliveries` and below, and `/api/deliveries/redeliver`."""

    def __init__(self, jobs: JobStore, deliveries: DeliveryLog) -> None:
        self._jobs = jobs
        self._deliveries = deliveries

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/jobs/{job_id}/deliveries", get=self.list_deliveries),
            resource("/api/jobs/{job_id}/deliveries/{n}/redeliver", post=self.redeliver),
            resource("/api/deliveries/redeliver", post=self.redeliver_failed),
        ]

    @describes(
        "list_deliveries",
        WEBHOOKS,
        parameters=[
            Parameter("limit", "Deliveries on a page, else 50.", Annotated[int, Field(ge=1, le=MOST_LISTED)]),
            Parameter("cursor", "The `next_cursor` of the page before.", Annotated[str, Field(pattern="^[0-9]{1,9}$")]),
        ],
        answers=[Answer(200, "A page.", DeliveryPage, [CACHE_CONTROL])],
        refuses=[UnknownJob, Unavailable],
    )
    async def list_deliveries(self, request: Request) -> Response:
        """List a job's webhooks.

        Latest first, each with what its attempts came to.
        """
        query = parameters(request, once={"limit", "cursor"})
        limit, cursor = _number(query.get("limit", "50"), "limit"), query.get("cursor")
        if not 0 < limit <= MOST_LISTED:
            raise BadRequest(f"`limit` must be a number from 1 to {MOST_LISTED}.", parameter="limit")
        job = await owned_job(self._jobs, request)
        before = _number(cursor, "cursor") if cursor else None
        found, left = await self._deliveries.page(job.job_id, limit=limit, before=before)
        shown: DeliveryPage = {
            "job_id": job.job_id,
            "deliveries": [delivery.shown() for delivery in found],
            "next_cursor": str(left) if left else None,
        }
        return JsonAnswer(shown, headers={"Cache-Control": "private, no-cache"})

    @describes(
        "redeliver",
        WEBHOOKS,
        answers=[Answer(202, "It is sent again.", Redelivered)],
        refuses=[UnknownJob, UnknownDelivery, Unavailable],
    )
    async def redeliver(self, request: Request) -> Response:
        """Send a webhook again.

        At once, with the same id and body, and with all its attempts; also where it was delivered. One that is under
        way just now stays as it is.
        """
        job, n = await owned_job(self._jobs, request), request.path_params["n"]
        known = n.isascii() and n.isdigit() and len(n) <= MOST_DIGITS
        if not known or not await self._deliveries.redeliver(job.job_id, int(n)):
            raise UnknownDelivery(job_id=job.job_id)
        return _redelivered(1, False)

    @describes(
        "redeliver_failed",
        WEBHOOKS,
        answers=[Answer(202, "They are sent again.", Redelivered)],
        refuses=[Unavailable],
    )
    async def redeliver_failed(self, request: Request) -> Response:
        """Send all failed webhooks again.

        Those of the owner of which no attempt was left, the oldest first, a thousand at once: `more` says whether to
        ask again.
        """
        return _redelivered(*await self._deliveries.redeliver_failed(owner_of(request)))


class SecretDoors:
    """`/api/webhooks/secrets` and one of them."""

    def __init__(self, secrets: WebhookSecrets) -> None:
        self._secrets = secrets

    def routes(self) -> list[BaseRoute]:
        return [
            resource("/api/webhooks/secrets", get=self.list_secrets, post=self.create),
            resource("/api/webhooks/secrets/{secret_id}", delete=self.delete),
        ]

    @describes(
        "list_webhook_secrets",
        WEBHOOKS,
        answers=[Answer(200, "The owner's secrets.", SecretList, [CACHE_CONTROL])],
        refuses=[Unavailable],
    )
    async def list_secrets(self, request: Request) -> Response:
        """List the secrets that sign your webhooks.

        Only the one that the service made by itself is shown; where there is none at all it is made now.
        """
        found = await self._secrets.all(owner_of(request))
        listed: SecretList = {"secrets": [_shown(secret, seen=secret.was_made) for secret in found]}
        return JsonAnswer(listed, headers=NEVER_STORED)

    @describes(
        "create_webhook_secret",
        WEBHOOKS,
        answers=[Answer(201, "It signs from now on, beside the others.", SecretObject, [CACHE_CONTROL])],
        refuses=[TooManySecrets, Unavailable],
    )
    async def create(self, request: Request) -> Response:
        """Create a secret.

        It is shown this once. To rotate: create one, give it to your receivers, delete the old one.
        """
        secret = await self._secrets.create(owner_of(request))
        return JsonAnswer(_shown(secret, seen=True), 201, NEVER_STORED)

    @describes(
        "delete_webhook_secret",
        WEBHOOKS,
        answers=[Answer(204, "It signs no more.")],
        refuses=[UnknownSecret, Unavailable],
    )
    async def delete(self, request: Request) -> Response:
        """Delete a secret.

        Without any left, the operator's sign, or a new one that the service makes.
        """
        secret_id = request.path_params["secret_id"]
        if not await self._secrets.delete(owner_of(request), secret_id):
            raise UnknownSecret(secret_id=secret_id[:64])
        return Response(status_code=204)


def _redelivered(count: int, more: bool) -> Response:
    shown: Redelivered = {"redelivered": count, "more": more}
    return JsonAnswer(shown, 202)


def _shown(secret: WebhookSecret, *, seen: bool) -> SecretObject:
    shown: SecretObject = {"secret_id": secret.secret_id, "created_at": rfc3339(secret.created_at)}
    return {**shown, "secret": secret.secret} if seen else shown


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise BadRequest(f"`{name}` must be a number.", parameter=name)
    return int(text)

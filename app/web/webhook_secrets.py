"""The doors of what signs an owner's webhooks. Kept by `app/store/webhook_secrets.py`."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.auth import Scope, owner_of
from app.clock import rfc3339
from app.errors import TooManySecrets, Unavailable, UnknownSecret
from app.shapes.delivery import SecretList, SecretObject
from app.store import WebhookSecret, WebhookSecrets
from app.web.answer import JsonAnswer
from app.web.contract import Answer, describes
from app.web.deliveries import WEBHOOKS
from app.web.headers import CACHE_CONTROL
from app.web.resource import resource

NEVER_STORED: Final = {"Cache-Control": "no-store"}


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
        scope=Scope.SUBMIT,
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
        scope=Scope.SUBMIT,
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
        scope=Scope.SUBMIT,
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


def _shown(secret: WebhookSecret, *, seen: bool) -> SecretObject:
    shown: SecretObject = {"secret_id": secret.secret_id, "created_at": rfc3339(secret.created_at)}
    return {**shown, "secret": secret.secret} if seen else shown

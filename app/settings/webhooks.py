"""How webhooks are signed and sent."""

from typing import Annotated

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from app.settings.written import Commas, Networks
from app.webhooks import is_webhook_secret


def _spaces(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[Port, ...], NoDecode, Commas]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_spaces)]


class Webhooks(BaseSettings):
    """Webhooks"""

    webhook_secret: Secrets = Field(
        (),
        description="`whsec_…` that signs the webhooks of owners who have made none of their own; while it is rotated "
        "several, separated by spaces, all of which sign.",
    )
    webhook_retry_scale: PositiveFloat = Field(
        1.0, le=10, description="Times the pauses between attempts at a webhook; 0.001 makes days into minutes."
    )
    webhook_allow_networks: Networks = Field(
        (), description="Networks that are not public and may be sent webhooks all the same, as CIDRs; comma-separated."
    )
    webhook_ports: Ports = Field((), description="Ports that webhooks may be sent to; comma-separated; empty: any.")
    webhook_concurrency: NonNegativeInt = Field(200, description="Webhooks a worker sends at once; 0: none.")
    webhook_per_host: PositiveInt = Field(10, description="Webhooks sent to one receiver at once.")
    webhook_per_owner: PositiveInt = Field(50, description="Webhooks of one owner sent at once, by all workers.")

    @field_validator("webhook_secret")
    @classmethod
    def _check_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """It never tells the value."""
        if not all(is_webhook_secret(secret.get_secret_value()) for secret in value):
            raise ValueError("must be whsec_ and 24 to 64 bytes in base64")
        return value

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """What signs webhooks of who has no secret of its own."""
        return tuple(secret.get_secret_value() for secret in self.webhook_secret)

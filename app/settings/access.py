"""Who may enter, and by what they prove it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


def _at_least(shortest: int) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < shortest:
            raise ValueError(f"must have at least {shortest} characters")
        return secret

    return AfterValidator(check)


class Access(BaseSettings):
    """Who may enter"""

    secret: Annotated[SecretStr, _at_least(16)] = Field(
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
    jwt_secret: Annotated[SecretStr, _at_least(32)] = Field(  # bytes of a SHA-256 (RFC 7518 section 3.2)
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

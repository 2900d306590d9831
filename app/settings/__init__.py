"""Every setting, read once from `TIDINGS_*` variables by the assembly (`app/cli`) and handed down from there.

One class with a room for each of its parts, which `docs/settings.md` lists in this order.
"""

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.settings.access import Access
from app.settings.bounds import YEAR, Bounds, Retention
from app.settings.kinds import Kinds
from app.settings.places import Places
from app.settings.reach import ANY_HOST, Reach
from app.settings.webhooks import Webhooks
from app.settings.work import Work

__all__ = ["ANY_HOST", "PARTS", "SECRET_VARIABLES", "YEAR", "Settings"]

PARTS = (Reach, Access, Places, Work, Retention, Bounds, Webhooks, Kinds)


class Settings(Kinds, Webhooks, Bounds, Retention, Work, Places, Access, Reach):  # pydantic begins with the last
    """Times are seconds, sizes bytes, unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="TIDINGS_", frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """No files: looking for every setting in those there are none of takes as long as all the rest."""
        return init_settings, env_settings


_SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]

SECRET_VARIABLES = frozenset(f"TIDINGS_{name.upper()}" for name in ("redis_url", *_SECRETS))
"""Those whose values nobody is to see, whatever a kind is called whose settings they could be taken for."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


@pytest.mark.parametrize("name", ["result_ttl_seconds", "upload_ttl_seconds", "idempotency_ttl_seconds"])
def test_nothing_is_kept_longer_than_a_year(name: str) -> None:
    assert Settings.model_validate({name: 365 * 86_400})
    for seconds in (0, 365 * 86_400 + 1, 10**19):
        with pytest.raises(ValidationError, match=name):
            Settings.model_validate({name: seconds})

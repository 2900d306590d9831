import pytest
from pydantic import ValidationError

from app.settings import Settings


@pytest.mark.parametrize("name", ["result_ttl_seconds", "upload_ttl_seconds", "idempotency_ttl_seconds"])
def test_nothing_is_kept_longer_than_a_year(name: str) -> None:
    assert Settings.model_validate({name: 365 * 86_400})
    for seconds in (0, 365 * 86_400 + 1, 10**19):
        with pytest.raises(ValidationError, match=name):
            Settings.model_validate({name: seconds})


@pytest.mark.parametrize(
    ("text", "weights"), [("a=3,b=0.5", {"a": 3, "b": 0.5}), (" a = 1 ,", {"a": 1}), ("x=y=2", {"x=y": 2}), ("", {})]
)
def test_weights_are_named_by_owner(text: str, weights: dict[str, float]) -> None:
    settings = Settings.model_validate({"owner_weights": text})
    assert dict(settings.shares.weights) == weights


@pytest.mark.parametrize("text", ["a", "a=", "a=0", "a=-1", "a=inf", "a=nan", "a=101", "a=0.001"])
def test_weights_are_numbers_within_reason(text: str) -> None:
    with pytest.raises(ValidationError, match="owner_weights"):
        Settings.model_validate({"owner_weights": text})

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings
from app.webhooks import new_webhook_secret


@pytest.mark.parametrize("name", ["result_ttl_seconds", "upload_ttl_seconds", "idempotency_ttl_seconds"])
def test_nothing_is_kept_longer_than_a_year(name: str) -> None:
    assert Settings.model_validate({name: 365 * 86_400})
    for seconds in (0, 365 * 86_400 + 1, 10**19):
        with pytest.raises(ValidationError, match=name):
            Settings.model_validate({name: seconds})


KEYS: dict[str, Any] = {"s3_access_key_id": "k", "s3_secret_access_key": "not-to-be-told"}


@pytest.mark.parametrize(
    ("url", "folder"),
    [("", "/data"), ("file:///srv/files", "/srv/files"), ("file:///a%20b", "/a b"), ("s3://bucket/a/b", "/data")],
)
def test_files_lie_below_the_data_directory_unless_they_are_to_lie_elsewhere(url: str, folder: str) -> None:
    assert str(Settings(data_dir=Path("/data"), store_url=url, **KEYS).store_folder) == folder


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"store_url": "ftp://x"}, "must be file:///path or s3://bucket/prefix"),
        ({"store_url": "file://host/path"}, "must be file:///path"),
        ({"store_url": "s3://"}, "must be file:///path"),
        ({"store_url": "s3://Bucket"}, "must be file:///path"),
        ({"store_url": "s3://key:not-to-be-told@bucket/x"}, "must be file:///path"),
        ({"store_url": "s3://bucket", "s3_access_key_id": ""}, "needs TIDINGS_S3_ACCESS_KEY_ID"),
        ({"store_url": "s3://bucket", "s3_secret_access_key": ""}, "needs TIDINGS_S3_ACCESS_KEY_ID"),
        ({"store_url": "s3://bucket", "s3_endpoint": "host:9000"}, "needs a TIDINGS_S3_ENDPOINT"),
        ({"store_url": "s3://bucket", "s3_endpoint": "http://k:not-to-be-told@host"}, "needs a TIDINGS_S3_ENDPOINT"),
    ],
)
def test_a_store_that_cannot_be_is_told_without_what_was_given(chosen: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(KEYS | chosen)
    assert told in str(raised.value)
    assert "not-to-be-told" not in str(raised.value)


def test_the_usual_variables_of_s3_serve_where_ours_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "eu-1", "ENDPOINT_URL": "https://s3.example"}
    for name, value in theirs.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    settings = Settings(store_url="s3://bucket")
    assert settings.s3_secret_access_key.get_secret_value() == "s"
    assert (settings.s3_access_key_id, settings.s3_region, settings.s3_endpoint) == ("k", "eu-1", "https://s3.example")
    monkeypatch.setenv("TIDINGS_S3_REGION", "ours")
    assert Settings().s3_region == "ours"


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


def test_secrets_of_webhooks_are_several_and_never_told() -> None:
    secrets = [new_webhook_secret(), new_webhook_secret()]
    settings = Settings(webhook_secret=" ".join(secrets))
    assert settings.webhook_secrets == tuple(secrets)
    assert secrets[0] not in repr(settings)
    with pytest.raises(ValidationError, match="24 to 64 bytes") as refused:
        Settings(webhook_secret="not-to-be-told")
    assert "not-to-be-told" not in str(refused.value)


def test_networks_and_ports_of_webhooks_are_lists() -> None:
    chosen = {"webhook_allow_networks": "10.0.0.0/8, ::1/128", "webhook_ports": "443,8443"}
    settings = Settings.model_validate(chosen)
    assert list(map(str, settings.webhook_allow_networks)) == ["10.0.0.0/8", "::1/128"]
    assert settings.webhook_ports == (443, 8443)
    for name, value in (("webhook_allow_networks", "10.0.0.1/8"), ("webhook_ports", "0"), ("webhook_ports", "http")):
        with pytest.raises(ValidationError, match=name):
            Settings.model_validate({name: value})


def test_proxies_are_trusted_by_network_and_none_by_default() -> None:
    assert Settings().connections.trusted_proxies == ()
    trusting = Settings.model_validate({"trusted_proxies": "10.0.0.0/8, ::1", "proxy_header": "forwarded"})
    assert list(map(str, trusting.connections.trusted_proxies)) == ["10.0.0.0/8", "::1/128"]
    assert trusting.connections.proxy_header == "forwarded"
    for name, value in (("trusted_proxies", "10.0.0.1/8"), ("trusted_proxies", "*"), ("proxy_header", "x-real-ip")):
        with pytest.raises(ValidationError, match=name):
            Settings.model_validate({name: value})


@pytest.mark.parametrize("url", ["bank.example", "ftp://bank", "user:not-to-be-told@bank", "https://"])
def test_a_bank_has_an_address_of_http(url: str) -> None:
    with pytest.raises(ValidationError, match="bank_url") as raised:
        Settings(bank_url=url)
    assert "not-to-be-told" not in str(raised.value)


@pytest.mark.parametrize("text", ["https://app.example.com", "http://localhost:5173, https://[::1]:8443", ""])
def test_origins_are_listed_as_browsers_send_them(text: str) -> None:
    settings = Settings.model_validate({"allowed_origins": text})
    assert settings.allowed_origins == tuple(filter(None, text.split(", ")))


@pytest.mark.parametrize(
    "text", ["*", "null", "app.example.com", "https://app.example.com/", "https://*.example.com", "https://App.example"]
)
def test_what_is_no_single_origin_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="not an origin like"):
        Settings.model_validate({"allowed_origins": text})


@pytest.mark.parametrize("url", ["localhost:6379", "http://x", "redis://u:not-to-be-told/x@host", "redis://h:99999"])
def test_a_redis_that_cannot_be_is_told_without_what_was_given(url: str) -> None:
    with pytest.raises(ValidationError, match="must be redis://, rediss:// or unix://") as raised:
        Settings(redis_url=url)
    assert "not-to-be-told" not in str(raised.value)


def test_the_password_of_redis_is_not_shown_with_the_settings() -> None:
    assert "not-to-be-told" not in repr(Settings(redis_url="redis://u:not-to-be-told@host"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://host", "redis://host"),
        ("rediss://host", "rediss://host?ssl_check_hostname=true"),
        ("rediss://host/1?ssl_ca_certs=a", "rediss://host/1?ssl_ca_certs=a&ssl_check_hostname=true"),
        ("rediss://host?ssl_cert_reqs=required", "rediss://host?ssl_cert_reqs=required&ssl_check_hostname=true"),
        ("rediss://host?ssl_check_hostname=no", "rediss://host?ssl_check_hostname=no"),
        ("rediss://host?ssl_cert_reqs=none", "rediss://host?ssl_cert_reqs=none"),
    ],
)
def test_a_certificate_must_be_of_the_host_unless_a_url_says_otherwise(url: str, address: str) -> None:
    assert Settings(redis_url=url).redis_address == address

import re

import pytest

from app.processes.environment import clean
from app.settings import SECRET_VARIABLES, Settings
from workers.run.execution import own_settings

KEPT = ("PATH", "HOME", "LC_ALL", "TZ", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
DROPPED = (
    "TIDINGS_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "HF_TOKEN",
    "HF_TOKENS",
    "HTTPS_PROXY",
    "PYTHONPATH",
    "MY_PATH",
    "LD_PRELOAD",
)


@pytest.fixture(autouse=True)
def _set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEPT, *DROPPED):
        monkeypatch.setenv(name, "x")


def test_the_usual_variables_are_passed_on_and_no_others() -> None:
    assert set(KEPT) <= set(clean())
    assert not set(DROPPED) & set(clean())


@pytest.mark.parametrize(
    ("named", "added"), [("HF_TOKEN", {"HF_TOKEN"}), ("HF_*", {"HF_TOKEN", "HF_TOKENS"}), ("hf_token", set())]
)
def test_what_is_named_is_passed_on_too(named: str, added: set[str]) -> None:
    assert set(clean([named])) - set(clean()) == added


def test_settings_of_ours_are_not_passed_on_whatever_is_named() -> None:
    assert "TIDINGS_SECRET" not in clean(["*", "TIDINGS_*", "TIDINGS_SECRET"])
    assert "HF_TOKEN" in clean(["*"])


def test_every_secret_setting_is_known_to_be_one() -> None:
    assert {
        "TIDINGS_REDIS_URL",
        "TIDINGS_SECRET",
        "TIDINGS_S3_SECRET_ACCESS_KEY",
        "TIDINGS_S3_SESSION_TOKEN",
        "TIDINGS_WEBHOOK_SECRET",
    } <= SECRET_VARIABLES
    looking_like_one = [name for name in Settings.model_fields if re.search("secret|_key$|password", name)]
    assert {f"TIDINGS_{name.upper()}" for name in looking_like_one} <= SECRET_VARIABLES


def test_a_kind_gets_its_own_settings_and_no_secret_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIDINGS_S3_SECRET_ACCESS_KEY", "TIDINGS_S3_DEPTH", "TIDINGS_S33_X"):
        monkeypatch.setenv(name, "x")
    assert own_settings("s3") == {"TIDINGS_S3_DEPTH": "x"}

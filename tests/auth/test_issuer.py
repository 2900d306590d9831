"""JWTs of an outside issuer: every algorithm we take, and what is refused."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

from app.auth.issuer import Issuer
from app.auth.jwks import FixedKeys, keys_of
from app.auth.principal import USUAL, Scope, is_owner
from app.clock import rfc3339
from app.errors import Unauthenticated

ISSUER, AUDIENCE, SECRET = "https://issuer.example", "tidings", "s" * 32
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_384, EC_521 = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def claims(**more: Any) -> dict[str, Any]:
    fixed = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 60, "scope": "read cancel"}
    return {name: value for name, value in (fixed | more).items() if value is not None}


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def jwk(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    public: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return public | more


def issuer(*keys: Any, owner_claim: str = "sub", scopes_claim: str = "scope") -> Issuer:
    source = FixedKeys(keys_of({"keys": list(keys)})) if keys else FixedKeys.shared(SECRET)
    return Issuer(source, ISSUER, AUDIENCE, owner_claim, scopes_claim)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *((RSA_KEY, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (EC_KEY, "ES256"),
        (EC_384, "ES384"),
        (EC_521, "ES512"),
        (ED_KEY, "EdDSA"),
    ],
)
async def test_a_public_key_verifies_what_its_private_one_has_signed(key: Any, algorithm: str) -> None:
    ours = issuer(jwk(key, algorithm, kid="1"), jwk(RSA_KEY, "RS256", kid="2"))
    principal = await ours.principal(jwt.encode(claims(), key, algorithm, headers={"kid": "1"}))
    assert (principal.owner, principal.scopes) == ("ann", frozenset({Scope.READ, Scope.CANCEL}))
    assert principal.credential.startswith("jwt:")
    assert principal.reach is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_shared_secret_does_as_well(algorithm: str) -> None:
    secret = "s" * 64
    ours = Issuer(FixedKeys.shared(secret), ISSUER, AUDIENCE, "sub", "scope")
    assert (await ours.principal(jwt.encode(claims(), secret, algorithm))).owner == "ann"


async def test_without_a_kid_each_key_is_tried() -> None:
    ours = issuer(jwk(EC_KEY, "ES256"), jwk(RSA_KEY, "RS256", kid="r"))
    assert (await ours.principal(jwt.encode(claims(), RSA_KEY, "RS256"))).owner == "ann"


@pytest.mark.parametrize("text", [lambda: pem(RSA_KEY) + pem(ED_KEY), lambda: '{"keys": []}'])
def test_a_file_of_keys_is_pem_or_jwks_and_must_have_some(tmp_path: Path, text: Callable[[], str]) -> None:
    path = tmp_path / "keys"
    path.write_text(text())
    if "BEGIN" in text():
        assert FixedKeys.read(path)
    else:
        with pytest.raises(ValueError, match="no public key"):
            FixedKeys.read(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"exp": int(time.time()) - 3600},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"exp": float("inf")},
    ],
)
async def test_a_claim_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await issuer().principal(jwt.encode(claims(**wrong), SECRET, "HS256"))


async def test_the_key_tells_the_algorithm_and_not_the_token() -> None:
    """A public key taken for a shared secret is the oldest forgery there is."""
    ours = issuer(jwk(RSA_KEY, "RS256"))
    public = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signed, _, _ = jwt.encode(claims(), "x" * 32, "HS256").rpartition(".")
    forged_with_it = urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
    for forged in (f"{signed}.{forged_with_it}", jwt.encode(claims(), "", "none")):
        with pytest.raises(Unauthenticated):
            await ours.principal(forged)


async def test_a_jwk_that_names_its_algorithm_verifies_no_other() -> None:
    ours = issuer(jwk(RSA_KEY, "RS256", alg="RS256"))
    with pytest.raises(Unauthenticated):
        await ours.principal(jwt.encode(claims(), RSA_KEY, "PS256"))


async def test_another_key_or_a_broken_token_is_refused() -> None:
    ours = issuer(jwk(RSA_KEY, "RS256"))
    other = rsa.generate_private_key(65537, 2048)
    whole = jwt.encode(claims(), RSA_KEY, "RS256")
    head, body, signature = whole.split(".")
    unknown = jwt.encode(claims(), RSA_KEY, "RS256", headers={"crit": ["x"], "x": 1})
    for wrong in (jwt.encode(claims(), other, "RS256"), f"{head}.{body}.", f"{head}.{body}.{signature[:-8]}", unknown):
        with pytest.raises(Unauthenticated):
            await ours.principal(wrong)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "e30.e30.e30", "\x00.\x00.\x00", "ä.ö.ü"])
async def test_what_is_no_jwt_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await issuer().principal(text)


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ("submit read", {Scope.SUBMIT, Scope.READ}),
        (["tidings:admin", "openid"], {Scope.ADMIN}),
        (None, set()),
        (7, set()),
        ("root", set()),
    ],
)
async def test_scopes_are_words_or_a_list_and_others_are_left_out(said: Any, scopes: set[Scope]) -> None:
    token = jwt.encode(claims(permissions=said), SECRET, "HS256")
    assert (await issuer(scopes_claim="permissions").principal(token)).scopes == scopes


async def test_without_a_claim_for_scopes_every_token_is_good_for_the_usual() -> None:
    assert (await issuer(scopes_claim="").principal(jwt.encode(claims(), SECRET, "HS256"))).scopes == USUAL


async def test_an_owner_may_have_any_name_and_no_two_names_are_one_owner() -> None:
    names = ["auth0|1", "auth0%7C1", "a:b", "ä", "a b"]
    owners = [(await issuer().principal(jwt.encode(claims(sub=name), SECRET, "HS256"))).owner for name in names]
    assert owners[0] == "auth0%7C1"
    assert len(set(owners)) == len(names)


@pytest.mark.parametrize("odd", [{"exp": str(int(time.time()) + 3600)}, {"exp": 10**40}, {"sub": "\ud800"}])
async def test_what_an_issuer_may_oddly_say_breaks_nothing(odd: dict[str, Any]) -> None:
    principal = await issuer().principal(jwt.encode(claims(**odd), SECRET, "HS256"))
    assert is_owner(principal.owner)
    assert principal.expires_at
    assert rfc3339(principal.expires_at)


async def test_another_claim_may_name_the_owner() -> None:
    token = jwt.encode(claims(org="acme"), SECRET, "HS256")
    assert (await issuer(owner_claim="org").principal(token)).owner == "acme"


def test_from_a_jwks_only_public_keys_of_use_are_taken() -> None:
    weak, kept = rsa.generate_private_key(65537, 1024), jwk(RSA_KEY, "RS256", kid="kept")
    private = get_default_algorithms()["RS256"].to_jwk(RSA_KEY, as_dict=True)
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}
    others = [jwk(weak, "RS256"), private, shared, jwk(RSA_KEY, "RS256", use="enc"), {"kty": "RSA"}, 7, {}]
    assert [key.key_id for key in keys_of({"keys": [*others, kept]})] == ["kept"]
    useless: list[Any] = [{"keys": others}, {"keys": 7}, [], None]
    for none in useless:
        with pytest.raises(ValueError, match=r"key|JWKS"):
            keys_of(none)


def test_a_private_key_is_no_key_to_verify_with(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="no public key"):
        FixedKeys.read(path)

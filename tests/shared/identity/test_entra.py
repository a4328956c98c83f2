"""Tokens of Entra ID, signed here with keys of our own in place of the tenant's."""

import base64
import json
import time
import warnings
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from shared.errors import KeysUnavailableError, UnauthenticatedError
from shared.identity import entra, identify
from shared.identity.entra import EntraVerifier, SigningKeys
from shared.identity.tokens import BadTokenError

from .conftest import CLIENT, TENANT

pytestmark = pytest.mark.usefixtures("configure")
OBJECT = "abcdef00-1111-4222-8333-444455556666"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGERS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def jwk(key: rsa.RSAPrivateKey, kid: str, **changes: Any) -> dict[str, Any]:
    return json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} | changes


KEYS = [jwk(KEY, "k1"), jwk(WEAK, "weak"), {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": "odd"}]


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "aud": CLIENT,
        "tid": TENANT,
        "oid": OBJECT,
        "sub": "pairwise",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "ver": "2.0",
    }
    return {name: value for name, value in (base | changes).items() if value is not ...}


def token(key: Any = KEY, *, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=alg, headers={"kid": "k1"} | (headers or {}))


class Tenant:
    """The tenant's key list, and how often it was fetched."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = list(KEYS)
        self.fetched = 0
        self.down = False
        self.now = 0.0

    def fetch(self, url: str) -> bytes:
        self.fetched += 1
        if self.down:
            raise OSError(url)
        return json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Tenant:
    tenant = Tenant()
    keys = SigningKeys("https://keys.invalid", fetch=tenant.fetch, clock=lambda: tenant.now)
    monkeypatch.setattr(entra, "verifier", lambda: EntraVerifier(TENANT, CLIENT, keys))
    return tenant


def owner(text: str) -> str:
    return identify({"authorization": f"Bearer {text}"}).owner


def test_a_good_token_names_its_object(tenant):
    """A token of the tenant for this application is its user's or application's."""
    assert owner(token()) == f"entra:{OBJECT}"


def test_both_versions_of_tokens_hold(tenant):
    """Version 1 tokens, with their issuer and audience, are the default of many applications."""
    assert owner(token(iss=f"https://sts.windows.net/{TENANT}/", aud=f"api://{CLIENT}")) == f"entra:{OBJECT}"


def test_roles_are_those_of_the_application(tenant):
    """An app role called admin makes an administrator."""
    caller = identify({"authorization": f"Bearer {token(roles=['admin', 7])}"})

    assert caller.is_admin
    assert not identify({"authorization": f"Bearer {token(roles='admin')}"}).is_admin


def public_pem() -> str:
    kind, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return KEY.public_key().public_bytes(kind, shape).decode()


def hmac_with_public_key() -> str:
    """Sign with the public key as if it were a shared secret; PyJWT itself refuses to."""
    import hmac

    def b64(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    message = f"{b64(b'{"alg":"HS256","kid":"k1"}')}.{b64(json.dumps(claims()).encode())}"
    return f"{message}.{b64(hmac.digest(public_pem().encode(), message.encode(), 'sha256'))}"


def token_of_a_weak_key() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        return token(WEAK, headers={"kid": "weak"})


HOSTILE = {
    "another's key": lambda: token(STRANGERS),
    "a weak key of the list": token_of_a_weak_key,
    "a key that is not RSA": lambda: token(headers={"kid": "oct"}),
    "an unknown key": lambda: token(headers={"kid": "k9"}),
    "a key id that is a path": lambda: token(headers={"kid": "../k1"}),
    "no key id": lambda: jwt.encode(claims(), KEY, algorithm="RS256"),
    "the public key as a secret": hmac_with_public_key,
    "RS512": lambda: token(alg="RS512"),
    "PS256": lambda: token(alg="PS256"),
    "a key in the header": lambda: token(STRANGERS, headers={"jwk": jwk(STRANGERS, "k1")}),
    "a key's address": lambda: token(STRANGERS, headers={"jku": "https://keys.example/"}),
    "crit": lambda: token(headers={"crit": ["x"], "x": 1}),
    "another tenant": lambda: token(tid=CLIENT),
    "another tenant's issuer": lambda: token(iss=f"https://login.microsoftonline.com/{CLIENT}/v2.0"),
    "the common issuer": lambda: token(iss="https://login.microsoftonline.com/common/v2.0"),
    "no tenant": lambda: token(tid=...),
    "another audience": lambda: token(aud="00000003-0000-0000-c000-000000000000"),
    "a list of audiences": lambda: token(aud=[CLIENT]),
    "no audience": lambda: token(aud=...),
    "no object": lambda: token(oid=...),
    "an object that is a path": lambda: token(oid="../root"),
    "an object that is no GUID": lambda: token(oid="ann"),
    "expired": lambda: token(exp=int(time.time()) - 1),
    "no exp": lambda: token(exp=...),
    "exp a fraction": lambda: token(exp=time.time() + 60),
    "not valid yet": lambda: token(nbf=int(time.time()) + 600),
    "no iat": lambda: token(iat=...),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses(make, tenant):
    """A token that the tenant did not sign for us and for now is refused."""
    with pytest.raises(UnauthenticatedError):
        owner(make())


def test_only_where_the_tenant_is_named(tenant, configure):
    """Without a tenant in the settings no token of Entra ID holds."""
    configure(ENTRA_TENANT_ID="")
    with pytest.raises(UnauthenticatedError):
        owner(token())


def test_keys_are_fetched_once(tenant):
    """Known keys are kept for a day; strangers' key ids make us fetch at most once a minute."""
    for _ in range(3):
        owner(token())
    assert tenant.fetched == 1
    for number in range(50):
        with pytest.raises(UnauthenticatedError):
            owner(token(headers={"kid": f"x{number}"}))
    assert tenant.fetched == 1
    tenant.now = 61
    with pytest.raises(UnauthenticatedError):
        owner(token(headers={"kid": "x"}))
    assert tenant.fetched == 2


def test_a_new_key_of_the_tenant_is_found(tenant):
    """When the tenant rolls its keys, a token signed with the new one holds after at most a minute."""
    owner(token())
    tenant.keys = [jwk(STRANGERS, "k2")]
    tenant.now = 61

    assert owner(token(STRANGERS, headers={"kid": "k2"})) == f"entra:{OBJECT}"


def test_known_keys_outlive_an_outage(tenant):
    """While the list cannot be fetched, known keys stay good and others are not called bad tokens."""
    owner(token())
    tenant.down, tenant.now = True, 86_401

    assert owner(token()) == f"entra:{OBJECT}"
    tenant.now += 61
    with pytest.raises(KeysUnavailableError):
        owner(token(STRANGERS, headers={"kid": "k2"}))


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'{"keys": 7}', b'{"keys": ["x"]}', b"<html>", b'{"keys": [{"kty": "RSA"}]}']
)
def test_a_list_that_is_none_is_an_outage(answer):
    """What is not a list of keys is not believed."""
    keys = SigningKeys("https://keys.invalid", fetch=lambda _: answer)
    with pytest.raises((KeysUnavailableError, BadTokenError)):
        keys.find("k1")


def principal(**changes: Any) -> str:
    content = {
        "auth_typ": "aad",
        "claims": [
            {"typ": "http://schemas.microsoft.com/identity/claims/objectidentifier", "val": OBJECT},
            {"typ": "http://schemas.microsoft.com/identity/claims/tenantid", "val": TENANT},
            {"typ": "roles", "val": "admin"},
        ],
        "name_typ": "name",
        "role_typ": "roles",
    }
    return base64.b64encode(json.dumps(content | changes).encode()).decode()


def test_the_platforms_word_counts_only_where_it_is_in_front(monkeypatch):
    """X-MS-CLIENT-PRINCIPAL is anybody's to send until App Service says that it checks sign-ins."""
    with pytest.raises(UnauthenticatedError):
        identify({"x-ms-client-principal": principal()})
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")

    caller = identify({"x-ms-client-principal": principal()})
    assert caller.owner == f"entra:{OBJECT}"
    assert caller.is_admin


def test_the_platforms_word_is_not_heard_over_a_stranger(configure):
    """Where strangers are welcome, the header does not make one of them somebody."""
    configure(CHAT_ANONYMOUS="true")

    assert identify({"x-ms-client-principal": principal()}).anonymous


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e30=",
        "not base64!",
        base64.b64encode(b"[]").decode(),
        principal(auth_typ="google"),
        principal(claims=[]),
        principal(claims=[{"typ": "oid", "val": OBJECT}]),  # of no tenant
        principal(claims=[{"typ": "oid", "val": OBJECT}, {"typ": "tid", "val": CLIENT}]),
        principal(claims=[{"typ": "oid", "val": "../x"}, {"typ": "tid", "val": TENANT}]),
        principal(claims=[{"typ": "oid", "val": v} for v in (OBJECT, TENANT)] + [{"typ": "tid", "val": TENANT}]),
        principal(claims="x"),
        principal(claims=[7]),
    ],
)
def test_a_damaged_principal_is_refused(monkeypatch, configure, text):
    """A principal that names nobody of the tenant is refused, also where strangers are welcome."""
    configure(CHAT_ANONYMOUS="true")
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    with pytest.raises(UnauthenticatedError):
        identify({"x-ms-client-principal": text})

"""Tokens of our own: the good one passes, and nothing that differs from it in any way does."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError, UnauthenticatedError
from shared.identity import identify, local
from shared.identity.tokens import MAX_CHARACTERS

from .conftest import CLIENT, SECRET, TENANT

pytestmark = pytest.mark.usefixtures("configure")
SHARED = Path(__file__).parents[3].parent / "shared" / "attacks" / "jwt_bad.jsonl"
LONG_AGO = 1_000_000_000


def b64(content: bytes | str) -> str:
    raw = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {
        "iss": "durable-lakehouse",
        "aud": "durable-lakehouse",
        "sub": "ann",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (base | changes).items() if value is not ...}


def sign(header: str, payload: str, secret: str = SECRET, digest: str = "sha256") -> str:
    message = f"{header}.{payload}"
    return f"{message}.{b64(hmac.digest(secret.encode(), message.encode(), digest))}"


def token(payload: Any = None, *, header: Any = None, secret: str = SECRET, digest: str = "sha256") -> str:
    """Sign whatever is given; text is taken as it is."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    payload = claims() if payload is None else payload
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    return sign(b64(texts[0]), b64(texts[1]), secret, digest)


def with_header(**changes: Any) -> str:
    return token(header={"alg": "HS256", "typ": "JWT"} | changes)


def parts() -> list[str]:
    return token().split(".")


def loosened(part: str) -> str:
    """Return another text for the same bytes: the unused bits of the last character are not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4, "no unused bits here"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def uneven() -> str:
    """Return claims, with blanks until base64 leaves bits unused."""
    text = json.dumps(claims())
    return text + " " * (1 if len(text) % 3 == 0 else 0)


HOSTILE: dict[str, Any] = {
    # the algorithm
    "alg none, no signature": lambda: f"{b64('{"alg":"none"}')}.{parts()[1]}.",
    "alg none, signature kept": lambda: f"{b64('{"alg":"none"}')}.{parts()[1]}.{parts()[2]}",
    "alg None": lambda: with_header(alg="None"),
    "alg nOnE": lambda: with_header(alg="nOnE"),
    "alg in lower case": lambda: with_header(alg="hs256"),
    "alg with a blank": lambda: with_header(alg="HS256 "),
    "alg missing": lambda: token(header={"typ": "JWT"}),
    "alg null": lambda: with_header(alg=None),
    "alg a list": lambda: with_header(alg=["HS256"]),
    "alg a number": lambda: with_header(alg=256),
    "alg empty": lambda: with_header(alg=""),
    "alg HS384, signed so": lambda: token(header={"alg": "HS384"}, digest="sha384"),
    "alg HS512, signed so": lambda: token(header={"alg": "HS512"}, digest="sha512"),
    "alg HS1": lambda: token(header={"alg": "HS1"}, digest="sha1"),
    "alg RS256 with an HMAC": lambda: with_header(alg="RS256"),
    "alg ES256 with an HMAC": lambda: with_header(alg="ES256"),
    "alg PS256 with an HMAC": lambda: with_header(alg="PS256"),
    "alg EdDSA with an HMAC": lambda: with_header(alg="EdDSA"),
    "alg dir": lambda: with_header(alg="dir", enc="A256GCM"),
    "alg twice, none last": lambda: token(header='{"alg":"HS256","alg":"none"}'),
    "alg twice, none first": lambda: token(header='{"alg":"none","alg":"HS256"}'),
    # the header
    "kid": lambda: with_header(kid="1"),
    "kid with a path": lambda: with_header(kid="../../../../dev/null"),
    "kid with SQL": lambda: with_header(kid="x' UNION SELECT 'key"),
    "kid that names an empty key": lambda: token(header={"alg": "HS256", "kid": "/dev/null"}, secret=""),
    "jku": lambda: with_header(jku="https://keys.example/jwks.json"),
    "jwk": lambda: with_header(jwk={"kty": "oct", "k": b64("mine")}),
    "x5u": lambda: with_header(x5u="https://keys.example/cert.pem"),
    "x5c": lambda: with_header(x5c=["MII"]),
    "crit": lambda: with_header(crit=["x"], x=1),
    "crit empty": lambda: with_header(crit=[]),
    "crit with b64": lambda: with_header(crit=["b64"], b64=False),
    "b64 false": lambda: with_header(b64=False),
    "zip": lambda: with_header(zip="DEF"),
    "cty nested": lambda: with_header(cty="JWT"),
    "typ of an access token": lambda: with_header(typ="at+jwt"),
    "typ JWE": lambda: with_header(typ="JWE"),
    "typ a number": lambda: with_header(typ=1),
    "header a list": lambda: token(header="[]"),
    "header a text": lambda: token(header='"HS256"'),
    "header null": lambda: token(header="null"),
    "header empty": lambda: token(header="{}"),
    "header not JSON": lambda: token(header="{alg:HS256}"),
    "header not UTF-8": lambda: sign(b64(b'{"alg":"HS256","typ":"\xff"}'), parts()[1]),
    "header in UTF-16": lambda: sign(b64('{"alg":"HS256"}'.encode("utf-16")), parts()[1]),
    "header nested deeply": lambda: token(header='{"alg":' + "[" * 500 + "]" * 500 + "}"),
    # the signature
    "another secret": lambda: token(secret="password"),
    "an empty secret": lambda: token(secret=""),
    "the secret with a line end": lambda: token(secret=SECRET + "\n"),
    "the name of the secret": lambda: token(secret="JWT_SECRET"),
    "signature empty": lambda: f"{parts()[0]}.{parts()[1]}.",
    "signature short": lambda: token()[:-4],
    "signature long": lambda: token() + "AAAA",
    "signature of zeros": lambda: f"{parts()[0]}.{parts()[1]}.{b64(bytes(32))}",
    "signature of another token": lambda: f"{parts()[0]}.{parts()[1]}.{token(claims(sub='root')).split('.')[2]}",
    "signature in hex": lambda: f"{parts()[0]}.{parts()[1]}.{hashlib.sha256(b'x').hexdigest()}",
    "signature of the claims alone": lambda: (
        f"{parts()[0]}.{parts()[1]}.{b64(hmac.digest(SECRET.encode(), parts()[1].encode(), 'sha256'))}"
    ),
    "claims changed after": lambda: f"{parts()[0]}.{b64(json.dumps(claims(sub='root')))}.{parts()[2]}",
    "header changed after": lambda: f"{b64('{"typ":"JWT","alg":"HS256"}')}.{parts()[1]}.{parts()[2]}",
    # the text
    "unused bits in the signature": lambda: ".".join([*parts()[:2], loosened(parts()[2])]),
    "unused bits in the claims": lambda: sign(parts()[0], loosened(b64(uneven()))),
    "padding": lambda: token() + "=",
    "padding in the claims": lambda: sign(parts()[0], parts()[1] + "=="),
    "the other alphabet": lambda: sign(b64('{"alg":"HS256"}'), parts()[1] + "+/"),
    "a blank inside": lambda: token().replace(".", ". ", 1),
    "a line end after": lambda: token() + "\n",
    "a tab before": lambda: "\t" + token(),
    "two blanks before": lambda: " " + token(),
    "a fourth part": lambda: token() + ".AAAA",
    "five parts": lambda: "a.b.c.d.e",
    "two parts": lambda: ".".join(parts()[:2]),
    "one part": lambda: "hello",
    "nothing": lambda: "",
    "dots": lambda: "..",
    "a null character": lambda: token() + "\0",
    "not ASCII": lambda: token() + "é",
    "two tokens": lambda: f"{token()},{token()}",
    "two headers joined": lambda: f"{token()}, Bearer {token()}",
    "too long": lambda: token(claims(x="a" * MAX_CHARACTERS)),
    "JSON in place of it": lambda: json.dumps({"payload": parts()[1], "signature": parts()[2]}),
    # the claims as a whole
    "claims a number": lambda: token("7"),
    "claims a list": lambda: token("[]"),
    "claims null": lambda: token("null"),
    "claims a text": lambda: token('"ann"'),
    "claims empty": lambda: token("{}"),
    "claims not JSON": lambda: token("sub=ann"),
    "claims with NaN": lambda: token(json.dumps(claims())[:-1] + ',"x":NaN}'),
    "claims with an infinite number": lambda: token(json.dumps(claims())[:-1] + ',"x":1e999}'),
    "claims with a long number": lambda: token(json.dumps(claims())[:-1] + f',"x":{"9" * 5000}}}'),
    "claims nested deeply": lambda: token(json.dumps(claims())[:-1] + ',"x":' + "[" * 200 + "]" * 200 + "}"),
    "sub twice, ours last": lambda: token('{"sub":"root",' + json.dumps(claims())[1:]),
    "exp twice": lambda: token(json.dumps(claims())[:-1] + ',"exp":99999999999}'),
    "something after": lambda: token(json.dumps(claims()) + "{}"),
    # times
    "expired": lambda: token(claims(iat=LONG_AGO, nbf=LONG_AGO, exp=LONG_AGO + 60)),
    "expired now": lambda: token(claims(exp=int(time.time()))),
    "no exp": lambda: token(claims(exp=...)),
    "exp null": lambda: token(claims(exp=None)),
    "exp text": lambda: token(claims(exp=str(int(time.time()) + 600))),
    "exp a fraction": lambda: token(claims(exp=time.time() + 600)),
    "exp true": lambda: token(claims(exp=True)),
    "exp a list": lambda: token(claims(exp=[int(time.time()) + 600])),
    "exp negative": lambda: token(claims(exp=-1)),
    "exp in a thousand years": lambda: token(claims(exp=int(time.time()) + 31_536_000_000)),
    "exp in milliseconds": lambda: token(claims(exp=(int(time.time()) + 600) * 1000)),
    "exp beyond 64 bits": lambda: token(claims(exp=2**70)),
    "valid for a week": lambda: token(claims(exp=int(time.time()) + 7 * 86_400)),
    "no iat": lambda: token(claims(iat=...)),
    "iat text": lambda: token(claims(iat="0")),
    "iat false": lambda: token(claims(iat=False)),
    "iat in the future": lambda: token(claims(iat=int(time.time()) + 3_600, exp=int(time.time()) + 7_200)),
    "iat long ago, so valid for years": lambda: token(claims(iat=LONG_AGO)),
    "nbf in the future": lambda: token(claims(nbf=int(time.time()) + 3_600, exp=int(time.time()) + 7_200)),
    "nbf text": lambda: token(claims(nbf="0")),
    "nbf null": lambda: token(claims(nbf=None)),
    # who and for whom
    "no iss": lambda: token(claims(iss=...)),
    "iss another": lambda: token(claims(iss="https://issuer.example/")),
    "iss in another case": lambda: token(claims(iss="Durable-Lakehouse")),
    "iss a list": lambda: token(claims(iss=["durable-lakehouse"])),
    "iss empty": lambda: token(claims(iss="")),
    "iss of Entra ID": lambda: token(claims(iss=f"https://login.microsoftonline.com/{TENANT}/v2.0", aud=CLIENT)),
    "no aud": lambda: token(claims(aud=...)),
    "aud another": lambda: token(claims(aud="billing")),
    "aud a list with ours": lambda: token(claims(aud=["durable-lakehouse", "billing"])),
    "aud a list of ours": lambda: token(claims(aud=["durable-lakehouse"])),
    "aud null": lambda: token(claims(aud=None)),
    "aud with ours inside": lambda: token(claims(aud="not-durable-lakehouse")),
    "no sub": lambda: token(claims(sub=...)),
    "sub empty": lambda: token(claims(sub="")),
    "sub null": lambda: token(claims(sub=None)),
    "sub a number": lambda: token(claims(sub=7)),
    "sub a list": lambda: token(claims(sub=["ann"])),
    "sub an object": lambda: token(claims(sub={"name": "ann"})),
    "sub unknown": lambda: token(claims(sub="bob")),
    "sub in another case": lambda: token(claims(sub="Ann")),
    "sub with a blank": lambda: token(claims(sub="ann ")),
    "sub with a path": lambda: token(claims(sub="ann/../root")),
    "sub with a backslash": lambda: token(claims(sub="ann\\root")),
    "sub with a null character": lambda: token(claims(sub="ann\0")),
    "sub a look-alike": lambda: token(claims(sub="аnn")),  # noqa: RUF001  a Cyrillic a
    "sub anonymous": lambda: token(claims(sub="anonymous")),
    "sub with our prefix": lambda: token(claims(sub="user:ann")),
    "sub of Entra ID": lambda: token(claims(sub="entra:11111111-2222-4333-8444-555555555555")),
}


def refused(authorization: str) -> bool:
    try:
        identify({"authorization": authorization})
    except UnauthenticatedError:
        return True
    return False


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses(make, configure):
    """A token that is not exactly one of ours is refused, also where none is needed."""
    assert refused(f"Bearer {make()}")
    configure(CHAT_ANONYMOUS="true")
    assert refused(f"Bearer {make()}")


def shared_cases() -> list[dict[str, Any]]:
    if not SHARED.is_file():
        return []
    return [json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", shared_cases(), ids=lambda case: case["why"])
def test_refuses_the_shared_samples(case):
    """Each described token is refused."""
    make, now = case["make"], int(time.time())
    timed = {k: now + v if k in {"exp", "iat", "nbf"} else v for k, v in make.get("claims", {}).items()}
    content = {k: v for k, v in claims(**timed, jti="1").items() if k not in make.get("claims_drop", ())}
    payload = make.get("raw_claims_text", json.dumps(content))
    secret = make.get("sign", "ok").partition(":")[2] if make.get("sign", "ok") != "ok" else SECRET
    three = token(payload, header={"alg": "HS256", "typ": "JWT"} | make.get("header", {}), secret=secret).split(".")
    if "claims_after" in make:
        three[1] = b64(json.dumps(content | make["claims_after"]))
    for at, text in make.get("replace", {}).items():
        three[int(at)] = text
    assert refused(make.get("authorization", f"Bearer {'.'.join(three)}"))


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YW5uOnBhc3M=", "Negotiate x", "Token {0}", "{0}", "Bearer\t{0}", "Bearer: {0}"],
)
def test_refuses_other_schemes(authorization):
    """Only `Bearer <token>` is a way to say who one is."""
    assert refused(authorization.format(token()))


def test_a_good_token_names_its_user():
    """A token signed with our secret and complete is its user's, with the roles of the settings."""
    caller = identify({"authorization": f"Bearer {token(claims(roles=['admin']))}"})

    assert caller.owner == "user:ann"
    assert caller.roles == frozenset()
    assert not caller.anonymous


def test_the_scheme_may_be_in_any_case():
    """HTTP says that the name of a scheme has no case."""
    assert identify({"authorization": f"bearer {token()}"}).owner == "user:ann"


def test_roles_come_from_the_settings():
    """Who is an administrator is not for a token to say."""
    assert identify({"authorization": f"Bearer {token(claims(sub='root'))}"}).is_admin


def test_nobody_is_refused_unless_strangers_are_welcome(configure):
    """Without a token a caller is nobody: an error, or anonymous where the settings say so."""
    with pytest.raises(UnauthenticatedError):
        identify({})
    configure(CHAT_ANONYMOUS="true")

    assert identify({}).owner == "anonymous"
    assert identify({}).anonymous


def test_logging_in_gives_a_token_that_holds():
    """The right password brings a token that names the user; a wrong one and an unknown name bring none."""
    good = local.log_in("ann", "pass of ann")

    assert good is not None
    assert identify({"authorization": f"Bearer {good}"}).owner == "user:ann"
    assert local.log_in("ann", "pass of root") is None
    assert local.log_in("nobody", "pass of ann") is None


def test_an_unknown_name_costs_a_hash(monkeypatch):
    """A name that nobody has is checked against a hash, too, so that time does not tell it from a known one."""
    from argon2 import PasswordHasher

    checked: list[str] = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, h, p: checked.append(h) or verify(self, h, p))

    assert local.log_in("nobody", "x") is None
    assert len(checked) == 1


@pytest.mark.parametrize(
    "users",
    ["{", "[]", "{}", '{"ann": "pass"}', '{"ann": {"hash": "plain"}}', '{"ann": {}}', '{"ann": {"hash": 7}}'],
)
def test_users_that_cannot_be_read_are_the_operators_to_mend(configure, users):
    """LOGIN_USERS that is damaged stops log-in with the name of the setting, and lets nobody in."""
    configure(LOGIN_USERS=users)
    with pytest.raises(SettingsError, match="LOGIN_USERS"):
        local.users()


def test_a_short_secret_signs_nothing(configure):
    """A secret that can be guessed is not used."""
    configure(JWT_SECRET="short")
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        local.log_in("ann", "pass of ann")


def test_without_users_no_token_of_ours_holds(configure):
    """Where there is no log-in, a token that would be good is none."""
    configure(LOGIN_USERS="")

    assert refused(f"Bearer {token()}")

"""What an ID token and a logout token have to say, each fault of theirs, and the exact moments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from flask_jwtsession.providers.id_tokens import (
    LOGOUT_EVENT,
    IDToken,
    check_id_token,
    check_logout_token,
)
from flask_jwtsession.providers.reasons import Untrusted
from flask_jwtsession.providers.signed_tokens import (
    ALGORITHMS,
    PublishedKey,
    SignedToken,
    read_key_set,
    verify_signature,
)
from flask_jwtsession.tokens.claims import LEEWAY

from .forged_tokens import b64
from .support import NOW

ISSUER = "https://id.example.com"
CLIENT_ID = "app"
NONCE = "n-5kT0cQm2Vw8Xr1Zb"
ACCESS_TOKEN = "SlAV32hkKG.access"
TENANTS = "https://login.microsoftonline.com/{tenantid}/v2.0"
TENANT = "4f2e9b7c-1d3a-4c58-9e60-7b8a5d2c1f90"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"

# Made once; by the beginning of the algorithm's name, and for the curves by all of it.
KEYS: dict[str, Key] = {
    "RS": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "Ed": OKPKey.generate_key("Ed25519"),
}
HEADERS = {"alg": "ES256"}


def key_of(alg: str) -> Key:
    return KEYS[alg] if alg in KEYS else KEYS["RS" if alg[0] in "RP" else "Ed"]


def signed(
    claims: Mapping[str, Any], alg: str = "ES256", *, key_issuer: str | None = None, **header: Any
) -> SignedToken:
    """A token with exactly these claims, signed and verified. ``header`` is added to the honest
    header; ``key_issuer`` is the member ``issuer`` of its key.
    """
    key = key_of(alg)
    first = b64(json.dumps({"alg": alg, **header}).encode())
    message = f"{first}.{b64(json.dumps(claims).encode())}"
    text = f"{message}.{b64(JWSRegistry.algorithms[alg].sign(message.encode(), key))}"
    return verify_signature(text, published(key, key_issuer), ALGORITHMS)


def published(key: Key, issuer: str | None) -> tuple[PublishedKey, ...]:
    more = {} if issuer is None else {"issuer": issuer}
    return read_key_set({"keys": [{**key.as_dict(private=False), **more}]})


def id_claims(**more: Any) -> dict[str, Any]:
    """The claims of an honest ID token, with ``more`` in it or instead."""
    return {
        "iss": ISSUER,
        "sub": "248289761001",
        "aud": CLIENT_ID,
        "exp": int(NOW) + 3600,
        "iat": int(NOW),
        "nonce": NONCE,
        **more,
    }


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def check(
    claims: Mapping[str, Any],
    *,
    alg: str = "ES256",
    issuer: str = ISSUER,
    key_issuer: str | None = None,
    nonce: str = NONCE,
    access_token: str | None = ACCESS_TOKEN,
    max_age: float | None = None,
    now: float = NOW,
) -> IDToken:
    return check_id_token(
        signed(claims, alg, key_issuer=key_issuer),
        issuer=issuer,
        client_id=CLIENT_ID,
        nonce=nonce,
        access_token=access_token,
        max_age=max_age,
        now=now,
    )


def fault(claims: Mapping[str, Any], **how: Any) -> str:
    """The claim at fault."""
    with pytest.raises(Untrusted) as caught:
        check(claims, **how)
    assert caught.value.__cause__ is None
    return str(caught.value)


# Good ones.


def test_an_honest_id_token_is_believed() -> None:
    claims = id_claims(
        azp=CLIENT_ID,
        at_hash=b64(hashlib.sha256(ACCESS_TOKEN.encode()).digest()[:16]),
        auth_time=NOW - 100,
        sid="s1",
        nbf=int(NOW),
        jti="j1",
        amr=["pwd"],
        acr="1",
        email="ada@example.com",
    )
    found = check(claims)
    assert found.claims == claims
    assert (found.subject, found.session_id) == ("248289761001", "s1")
    assert found.authenticated_at == NOW - 100


def test_an_id_token_with_only_what_is_needed_is_believed() -> None:
    found = check(id_claims())
    assert (found.session_id, found.authenticated_at) == (None, None)


def test_the_audience_may_be_a_list_with_one_member() -> None:
    assert check(id_claims(aud=[CLIENT_ID])).subject == "248289761001"


@pytest.mark.parametrize("subject", ["0", "none", "auth0|66f1", "ユーザー", "x" * 255, " "])
def test_a_subject_is_taken_to_the_letter(subject: str) -> None:
    assert check(id_claims(sub=subject)).subject == subject


def test_the_repr_of_an_id_token_does_not_show_its_claims() -> None:
    shown = repr(check(id_claims(email="ada@example.com", phone_number="+15551230000")))
    assert "ada@" not in shown
    assert "555" not in shown
    assert NONCE not in shown


# Whose it is, and for whom.


@pytest.mark.parametrize(
    "iss",
    [
        pytest.param("https://evil.example", id="another"),
        pytest.param(f"{ISSUER}/", id="a slash more"),
        pytest.param("http://id.example.com", id="http"),
        pytest.param("id.example.com", id="without its scheme"),
        pytest.param(ISSUER.upper(), id="capitals"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param([ISSUER], id="an array"),
        pytest.param(7, id="a number"),
    ],
)
def test_sec_165_a_wrong_issuer_is_refused(iss: object) -> None:
    assert fault(id_claims(iss=iss)) == "iss"


def test_sec_165_no_issuer_is_refused() -> None:
    assert fault(without(id_claims(), "iss")) == "iss"


BAD_AUDIENCES: dict[str, Any] = {
    "another": "other",
    "another in a list": ["other"],
    "several": [CLIENT_ID, "other"],
    "several, ours last": ["other", CLIENT_ID],
    "ours twice": [CLIENT_ID, CLIENT_ID],
    "none in a list": [],
    "a list in a list": [[CLIENT_ID]],
    "empty": "",
    "null": None,
    "true": True,
    "a number": 7,
    "an object": {CLIENT_ID: 1},
    "a space more": f"{CLIENT_ID} ",
    "a part of ours": CLIENT_ID[:-1],
    "capitals": CLIENT_ID.upper(),
    "two in one text": f"{CLIENT_ID} other",
    "null in a list": [CLIENT_ID, None],
}


@pytest.mark.parametrize("aud", BAD_AUDIENCES.values(), ids=BAD_AUDIENCES)
def test_sec_165_a_wrong_audience_is_refused_whoever_the_authorized_party_is(aud: Any) -> None:
    assert fault(id_claims(aud=aud)) == "aud"
    assert fault(id_claims(aud=aud, azp=CLIENT_ID)) == "aud"
    assert fault(id_claims(aud=aud, azp="other")) == "aud"


def test_sec_165_no_audience_is_refused() -> None:
    assert fault(without(id_claims(), "aud")) == "aud"
    assert fault(without(id_claims(azp=CLIENT_ID), "aud")) == "aud"


@pytest.mark.parametrize("azp", ["other", "", None, 7, [CLIENT_ID], f"{CLIENT_ID} ", True])
@pytest.mark.parametrize("aud", [CLIENT_ID, [CLIENT_ID]], ids=["one audience", "a list of one"])
def test_sec_165_a_wrong_authorized_party_is_refused(azp: object, aud: object) -> None:
    assert fault(id_claims(aud=aud, azp=azp)) == "azp"


@pytest.mark.parametrize(
    "sub", ["", None, 0, 7, True, ["u1"], {"id": "u1"}, "x" * 256], ids=lambda sub: repr(sub)[:9]
)
def test_sec_165_a_subject_that_names_nobody_is_refused(sub: object) -> None:
    assert fault(id_claims(sub=sub)) == "sub"


@pytest.mark.parametrize("name", ["sub", "exp", "iat", "nonce"])
def test_sec_165_an_id_token_without_what_is_needed_is_refused(name: str) -> None:
    assert fault(without(id_claims(), name)) == name


@pytest.mark.parametrize(
    "nonce",
    [
        pytest.param("another", id="another"),
        pytest.param("", id="empty"),
        pytest.param(NONCE[:-1], id="a part of it"),
        pytest.param(NONCE + "x", id="more than it"),
        pytest.param(NONCE.swapcase(), id="another case"),
        pytest.param("\u00e9", id="not ASCII"),
        pytest.param(None, id="null"),
        pytest.param(True, id="true"),
        pytest.param([NONCE], id="an array"),
    ],
)
def test_sec_162_a_wrong_nonce_is_refused(nonce: object) -> None:
    assert fault(id_claims(nonce=nonce)) == "nonce"


def test_sec_162_no_nonce_is_refused_even_if_an_empty_one_was_sent() -> None:
    assert fault(without(id_claims(), "nonce"), nonce="") == "nonce"


# Times.

BAD_TIMES: dict[str, object] = {
    "a text": "1800000000",
    "a date": "2027-01-15T08:00:00Z",
    "true": True,
    "null": None,
    "an array": [],
    "an object": {},
    "negative": -1,
    "2^53": 2**53,
    "10^18": 10**18,
    "10^40": 10**40,
    "1e300": 1e300,
}


@pytest.mark.parametrize("value", BAD_TIMES.values(), ids=BAD_TIMES)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_sec_165_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    assert fault(id_claims(**{name: value})) == name


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_sec_165_a_time_that_is_no_number_of_json_is_refused(name: str, number: str) -> None:
    payload = json.dumps(id_claims(**{name: 0})).replace(f'"{name}": 0', f'"{name}": {number}')
    assert number in payload
    message = f"{b64(json.dumps(HEADERS).encode())}.{b64(payload.encode())}"
    signature = JWSRegistry.algorithms["ES256"].sign(message.encode(), KEYS["ES256"])
    with pytest.raises(Untrusted):
        verify_signature(f"{message}.{b64(signature)}", published(KEYS["ES256"], None), ALGORITHMS)


EXP = id_claims()["exp"]


@pytest.mark.parametrize("now", [NOW, EXP - 1, EXP, EXP + LEEWAY - 1, EXP + LEEWAY - 0.001])
def test_an_id_token_is_good_until_its_end_and_the_leeway(now: float) -> None:
    assert check(id_claims(), now=now).subject


@pytest.mark.parametrize("now", [EXP + LEEWAY, EXP + LEEWAY + 0.5, EXP + LEEWAY + 1, EXP + 10**6])
def test_sec_165_an_id_token_that_is_over_is_refused(now: float) -> None:
    assert fault(id_claims(), now=now) == "exp"


@pytest.mark.parametrize("exp", [0, 1, int(NOW) - LEEWAY, NOW - LEEWAY])
def test_sec_165_an_end_long_ago_is_refused(exp: float) -> None:
    assert fault(id_claims(exp=exp)) == "exp"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_time_may_be_ahead_by_the_leeway(name: str) -> None:
    for ahead in (-(10**6), -1, 0, 1, LEEWAY - 0.5, LEEWAY):
        assert check(id_claims(**{name: NOW + ahead})).subject


@pytest.mark.parametrize("ahead", [LEEWAY + 1, LEEWAY + 0.5, 3600, 10**6])
@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_sec_165_a_time_in_the_future_is_refused(name: str, ahead: float) -> None:
    assert fault(id_claims(**{name: NOW + ahead})) == name


# When the person proved who they are.


@pytest.mark.parametrize(
    ("auth_time", "max_age", "authenticated_at"),
    [
        pytest.param(NOW - 10**6, None, NOW - 10**6, id="long ago, not asked for"),
        pytest.param(0, None, 0, id="in 1970, not asked for"),
        pytest.param(NOW - 10.25, None, NOW - 10.25, id="with a fraction"),
        pytest.param(NOW, 60, NOW, id="now"),
        pytest.param(NOW - 60, 60, NOW - 60, id="as old as it may be"),
        pytest.param(NOW, 0, NOW, id="max_age is 0"),
        pytest.param(NOW + 1, None, NOW, id="a moment ahead is now"),
        pytest.param(NOW + LEEWAY, 60, NOW, id="ahead by the leeway is now"),
    ],
)
def test_when_the_login_was(
    auth_time: float, max_age: float | None, authenticated_at: float
) -> None:
    assert check(id_claims(auth_time=auth_time), max_age=max_age).authenticated_at == (
        authenticated_at
    )


@pytest.mark.parametrize(
    ("auth_time", "max_age"),
    [
        # Without a leeway: the guard that asked for it has none, and would ask again, and again.
        pytest.param(NOW - 61, 60, id="SEC-175 stale by a second"),
        pytest.param(NOW - 60.001, 60, id="SEC-175 stale by a millisecond"),
        pytest.param(NOW - 10**6, 60, id="SEC-175 stale by days"),
        pytest.param(0, 60, id="SEC-175 in 1970"),
        pytest.param(NOW - 1, 0, id="SEC-175 max_age is 0"),
        pytest.param(NOW + LEEWAY + 1, 60, id="SEC-175 in the future"),
        pytest.param(NOW + LEEWAY + 0.5, None, id="SEC-175 in the future, not asked for"),
        pytest.param(NOW + 10**6, None, id="SEC-175 in the far future, not asked for"),
    ],
)
def test_a_login_that_is_too_old_or_still_to_come_is_refused(
    auth_time: float, max_age: float | None
) -> None:
    assert fault(id_claims(auth_time=auth_time), max_age=max_age) == "auth_time"


@pytest.mark.parametrize("max_age", [0, 1, 60, 10**9])
def test_sec_175_a_login_whose_time_was_asked_for_has_to_have_one(max_age: float) -> None:
    assert fault(id_claims(), max_age=max_age) == "auth_time"
    # When the token was made is not when the person logged in.
    assert fault(id_claims(iat=int(NOW), updated_at=NOW), max_age=max_age) == "auth_time"


# The access token that came with it.

DIGESTS = {
    **dict.fromkeys(["RS256", "PS256", "ES256"], hashlib.sha256),
    **dict.fromkeys(["RS384", "PS384", "ES384"], hashlib.sha384),
    **dict.fromkeys(["RS512", "PS512", "ES512"], hashlib.sha512),
    **dict.fromkeys(["EdDSA", "Ed25519"], hashlib.sha512),
}


def half_hash(alg: str, access_token: str = ACCESS_TOKEN) -> str:
    """``at_hash`` (OpenID Connect Core section 3.1.3.6); with Ed25519, of its own hash SHA-512."""
    digest = DIGESTS[alg](access_token.encode()).digest()
    return b64(digest[: len(digest) // 2])


def test_every_algorithm_has_its_hash() -> None:
    assert set(DIGESTS) == ALGORITHMS


@pytest.mark.parametrize("alg", DIGESTS)
@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
def test_the_hash_of_the_access_token_is_that_of_the_algorithm(alg: str) -> None:
    assert check(id_claims(at_hash=half_hash(alg)), alg=alg).subject


@pytest.mark.parametrize("alg", DIGESTS)
@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
def test_sec_165_the_hash_of_another_access_token_is_refused(alg: str) -> None:
    assert fault(id_claims(at_hash=half_hash(alg, "another")), alg=alg) == "at_hash"


@pytest.mark.parametrize(
    "at_hash",
    [
        "wrong",
        "",
        "\u00e9",
        half_hash("ES384"),
        half_hash("ES256") + "=",
        half_hash("ES256")[:-1],
        b64(hashlib.sha256(ACCESS_TOKEN.encode()).digest()),
        ACCESS_TOKEN,
        None,
        7,
        True,
        [half_hash("ES256")],
    ],
    ids=lambda value: repr(value)[:12],
)
def test_sec_165_a_wrong_hash_is_refused(at_hash: object) -> None:
    assert fault(id_claims(at_hash=at_hash)) == "at_hash"


def test_a_hash_is_not_missed() -> None:
    # Of a token endpoint's ID tokens it is optional, and Microsoft's have none.
    assert check(without(id_claims(), "at_hash")).subject


# Microsoft's many tenants.


def tenant_claims(tenant: str = TENANT, **more: Any) -> dict[str, Any]:
    return id_claims(iss=TENANTS.replace("{tenantid}", tenant), tid=tenant, **more)


@pytest.mark.parametrize(
    ("issuer", "key_issuer"),
    [
        pytest.param(TENANTS, None, id="a key for everybody"),
        pytest.param(TENANTS, TENANTS, id="a key for every tenant"),
        pytest.param(TENANTS, TENANTS.replace("{tenantid}", TENANT), id="a key for this tenant"),
        pytest.param(TENANTS.replace("{tenantid}", TENANT), TENANTS, id="one tenant"),
    ],
)
def test_a_token_of_a_tenant_is_believed(issuer: str, key_issuer: str | None) -> None:
    assert check(tenant_claims(), issuer=issuer, key_issuer=key_issuer).subject


@pytest.mark.parametrize(
    ("claims", "issuer", "key_issuer", "claim"),
    [
        pytest.param(
            tenant_claims(),
            TENANTS,
            TENANTS.replace("{tenantid}", CONSUMERS),
            "key",
            id="SEC-165 a key for private accounts",
        ),
        pytest.param(
            tenant_claims(), TENANTS, "https://evil.example", "key", id="SEC-165 a foreign key"
        ),
        pytest.param(tenant_claims(), TENANTS, "", "key", id="SEC-165 a key for nobody"),
        pytest.param(
            tenant_claims(),
            TENANTS.replace("{tenantid}", CONSUMERS),
            None,
            "iss",
            id="SEC-165 another tenant than the one",
        ),
        pytest.param(
            tenant_claims() | {"tid": CONSUMERS}, TENANTS, None, "iss", id="SEC-165 another tid"
        ),
        pytest.param(without(tenant_claims(), "tid"), TENANTS, None, "iss", id="SEC-165 no tid"),
        pytest.param(
            tenant_claims() | {"iss": TENANTS}, TENANTS, None, "iss", id="SEC-165 the template"
        ),
        pytest.param(
            id_claims(), ISSUER, "https://other.example", "key", id="SEC-165 of another provider"
        ),
    ],
)
def test_a_token_of_a_tenant_under_another_ones_name_or_key_is_refused(
    claims: dict[str, Any], issuer: str, key_issuer: str | None, claim: str
) -> None:
    assert fault(claims, issuer=issuer, key_issuer=key_issuer) == claim


# The provider's session.


@pytest.mark.parametrize("sid", ["", None, 7, True, ["s1"], {"sid": "s1"}, "s" * 256])
def test_a_session_id_that_is_none_is_as_good_as_missing(sid: object) -> None:
    assert check(id_claims(sid=sid)).session_id is None


# All the rest.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
CLAIM_NAMES = sorted(
    {
        *id_claims(),
        "nbf",
        "auth_time",
        "azp",
        "at_hash",
        "sid",
        "acr",
        "amr",
        "jti",
        "events",
        "tid",
    }
)
SOME_KEY = published(KEYS["ES256"], None)[0]


@given(st.dictionaries(st.sampled_from(CLAIM_NAMES), JSON), st.none() | st.integers(0, 10**6))
def test_sec_165_whatever_the_claims_are_they_are_checked(
    more: dict[str, Any], max_age: int | None
) -> None:
    claims = id_claims() | more
    try:
        found = check_id_token(
            SignedToken(HEADERS, claims, SOME_KEY),
            issuer=ISSUER,
            client_id=CLIENT_ID,
            nonce=NONCE,
            access_token=ACCESS_TOKEN,
            max_age=max_age,
            now=NOW,
        )
    except Untrusted:
        return
    assert (claims["iss"], claims["nonce"]) == (ISSUER, NONCE)
    assert claims["aud"] in (CLIENT_ID, [CLIENT_ID])
    assert found.subject == claims["sub"]


# Logout tokens.

BOTH = ("248289761001", "s1")


def logout_claims(**more: Any) -> dict[str, Any]:
    """The claims of an honest logout token, with ``more`` in it or instead."""
    return {
        "iss": ISSUER,
        "aud": CLIENT_ID,
        "iat": int(NOW),
        "exp": int(NOW) + 120,
        "jti": "j1",
        "sub": "248289761001",
        "sid": "s1",
        "events": {LOGOUT_EVENT: {}},
        **more,
    }


def log_out(
    claims: Mapping[str, Any],
    *,
    now: float = NOW,
    issuer: str = ISSUER,
    key_issuer: str | None = None,
    **header: Any,
) -> tuple[str | None, str | None]:
    token = signed(claims, key_issuer=key_issuer, **header)
    return check_logout_token(token, issuer=issuer, client_id=CLIENT_ID, now=now)


def logout_fault(claims: Mapping[str, Any], **how: Any) -> str:
    with pytest.raises(Untrusted) as caught:
        log_out(claims, **how)
    return str(caught.value)


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        pytest.param(logout_claims(), BOTH, id="SEC-194 both"),
        pytest.param(without(logout_claims(), "sid"), ("248289761001", None), id="SEC-194 sub"),
        pytest.param(without(logout_claims(), "sub"), (None, "s1"), id="SEC-194 sid"),
        pytest.param(logout_claims(aud=[CLIENT_ID]), BOTH, id="a list of one"),
        pytest.param(
            logout_claims(events={LOGOUT_EVENT: {"why": "x"}, "other": 7}),
            BOTH,
            id="more in events",
        ),
    ],
)
def test_an_honest_logout_token_names_somebody(
    claims: dict[str, Any], named: tuple[str | None, str | None]
) -> None:
    assert log_out(claims) == named


@pytest.mark.parametrize(
    "typ", ["logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT", "jwt"]
)
def test_the_type_of_a_logout_token(typ: str) -> None:
    assert log_out(logout_claims(), typ=typ) == BOTH


def test_an_older_provider_names_no_type() -> None:
    assert log_out(logout_claims()) == BOTH


@pytest.mark.parametrize("typ", ["at+jwt", "id+jwt", "secevent+jwt", "logout", "", "JWT "])
def test_sec_193_another_type_is_refused(typ: str) -> None:
    assert logout_fault(logout_claims(), typ=typ) == "typ"


@pytest.mark.parametrize("typ", [None, 7, ["logout+jwt"]])
def test_sec_193_a_type_that_is_no_text_is_refused(typ: object) -> None:
    token = SignedToken({"alg": "ES256", "typ": typ}, logout_claims(), SOME_KEY)
    with pytest.raises(Untrusted, match="typ"):
        check_logout_token(token, issuer=ISSUER, client_id=CLIENT_ID, now=NOW)


BAD_LOGOUTS: dict[str, tuple[dict[str, Any], str]] = {
    "SEC-193 wrong iss": (logout_claims(iss="https://evil.example"), "iss"),
    "SEC-193 no iss": (without(logout_claims(), "iss"), "iss"),
    "SEC-193 no aud": (without(logout_claims(), "aud"), "aud"),
    "SEC-193 no iat": (without(logout_claims(), "iat"), "iat"),
    "SEC-193 no exp": (without(logout_claims(), "exp"), "exp"),
    "SEC-193 no jti": (without(logout_claims(), "jti"), "jti"),
    "SEC-193 empty jti": (logout_claims(jti=""), "jti"),
    "SEC-193 jti is a number": (logout_claims(jti=7), "jti"),
    "SEC-193 jti is null": (logout_claims(jti=None), "jti"),
    "SEC-193 no events": (without(logout_claims(), "events"), "events"),
    "SEC-193 events is a list": (logout_claims(events=[LOGOUT_EVENT]), "events"),
    "SEC-193 events is a text": (logout_claims(events=LOGOUT_EVENT), "events"),
    "SEC-193 events is null": (logout_claims(events=None), "events"),
    "SEC-193 events is empty": (logout_claims(events={}), "events"),
    "SEC-193 another event": (logout_claims(events={f"{LOGOUT_EVENT}/": {}}), "events"),
    "SEC-193 the event is true": (logout_claims(events={LOGOUT_EVENT: True}), "events"),
    "SEC-193 the event is null": (logout_claims(events={LOGOUT_EVENT: None}), "events"),
    "SEC-193 the event is a list": (logout_claims(events={LOGOUT_EVENT: []}), "events"),
    "SEC-193 the event is a text": (logout_claims(events={LOGOUT_EVENT: ""}), "events"),
    "SEC-193 a nonce": (logout_claims(nonce=NONCE), "nonce"),
    "SEC-193 a nonce that is null": (logout_claims(nonce=None), "nonce"),
    "SEC-193 neither sub nor sid": (without(logout_claims(), "sub", "sid"), "sub"),
    "SEC-193 empty sub": (logout_claims(sub=""), "sub"),
    "SEC-193 empty sub alone": (without(logout_claims(sub=""), "sid"), "sub"),
    "SEC-193 sub is a number": (logout_claims(sub=7), "sub"),
    "SEC-193 sub is null": (logout_claims(sub=None), "sub"),
    "SEC-193 sub is a list": (logout_claims(sub=["u1"]), "sub"),
    "SEC-193 empty sid": (logout_claims(sid=""), "sid"),
    "SEC-193 sid is a number": (logout_claims(sid=7), "sid"),
    "SEC-193 sid is null": (logout_claims(sid=None), "sid"),
    "SEC-193 sid is an object": (logout_claims(sid={"s": 1}), "sid"),
    "SEC-193 an ID token": (id_claims(jti="j1", sid="s1"), "events"),
    "SEC-193 an ID token with events": (id_claims(jti="j", events={LOGOUT_EVENT: {}}), "nonce"),
    "SEC-193 a future iat": (logout_claims(iat=NOW + LEEWAY + 1), "iat"),
    "SEC-193 a future iat, by half a second": (logout_claims(iat=NOW + LEEWAY + 0.5), "iat"),
    "SEC-193 an old iat": (logout_claims(iat=NOW - 121 - LEEWAY), "iat"),
    "SEC-193 an old iat, by half a second": (logout_claims(iat=NOW - 120.5 - LEEWAY), "iat"),
    "SEC-193 an iat of yesterday": (logout_claims(iat=NOW - 86_400), "iat"),
    "SEC-193 expired": (logout_claims(exp=NOW - LEEWAY), "exp"),
    "SEC-193 expired long ago": (logout_claims(exp=1), "exp"),
}


@pytest.mark.parametrize(("claims", "claim"), BAD_LOGOUTS.values(), ids=BAD_LOGOUTS)
def test_a_logout_token_with_a_fault_is_refused(claims: dict[str, Any], claim: str) -> None:
    assert logout_fault(claims) == claim


@pytest.mark.parametrize("aud", BAD_AUDIENCES.values(), ids=BAD_AUDIENCES)
def test_sec_193_a_wrong_audience_is_refused(aud: Any) -> None:
    assert logout_fault(logout_claims(aud=aud)) == "aud"
    assert logout_fault(logout_claims(aud=aud, azp=CLIENT_ID)) == "aud"


@pytest.mark.parametrize("value", BAD_TIMES.values(), ids=BAD_TIMES)
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_sec_193_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    assert logout_fault(logout_claims(**{name: value})) == name


@pytest.mark.parametrize(
    "times",
    [
        {"iat": NOW - 120},
        {"iat": NOW - 120 - LEEWAY},
        {"iat": NOW},
        {"iat": NOW + LEEWAY},
        {"exp": NOW + 0.5},
        {"exp": NOW},
        {"exp": NOW - LEEWAY + 0.5},
        {"exp": 2**53 - 1},
    ],
    ids=str,
)
def test_a_logout_token_is_good_for_two_minutes_and_the_leeway(times: dict[str, float]) -> None:
    assert log_out(logout_claims(**times)) == BOTH


def test_sec_193_a_logout_token_of_a_tenant_under_another_ones_key_is_refused() -> None:
    claims = logout_claims(iss=TENANTS.replace("{tenantid}", TENANT), tid=TENANT)
    assert log_out(claims, issuer=TENANTS, key_issuer=TENANTS) == BOTH
    other = TENANTS.replace("{tenantid}", CONSUMERS)
    assert logout_fault(claims, issuer=TENANTS, key_issuer=other) == "key"
    assert logout_fault(claims | {"tid": CONSUMERS}, issuer=TENANTS) == "iss"


def test_sec_193_a_logout_token_is_no_id_token() -> None:
    assert fault(logout_claims()) == "nonce"


@given(
    st.dictionaries(st.sampled_from(sorted({*logout_claims(), "nonce", "azp", "nbf"})), JSON),
    st.dictionaries(st.just("typ"), JSON),
)
def test_sec_193_whatever_the_claims_are_they_are_checked(
    more: dict[str, Any], header: dict[str, Any]
) -> None:
    claims = logout_claims() | more
    try:
        subject, session_id = check_logout_token(
            SignedToken(HEADERS | header, claims, SOME_KEY),
            issuer=ISSUER,
            client_id=CLIENT_ID,
            now=NOW,
        )
    except Untrusted:
        return
    assert (subject, session_id) == (claims["sub"], claims["sid"])
    assert "nonce" not in claims

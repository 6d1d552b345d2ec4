"""A provider's metadata: whose it is, and where it may send us."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession.providers.metadata import (
    ENDPOINTS,
    Metadata,
    check_metadata,
    discovery_url,
    is_loopback,
    issuer_of_discovery_url,
    matches_issuer,
    may_be_issuer,
    url_scheme,
)
from flask_jwtsession.providers.reasons import Unusable

ISSUER = "https://id.example.com"
LOOPBACK = "http://127.0.0.1:4000"
TENANTS = "https://login.microsoftonline.com/{tenantid}/v2.0"
TENANT = "4f2e9b7c-1d3a-4c58-9e60-7b8a5d2c1f90"
REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def published(issuer: str = ISSUER, **more: object) -> dict[str, Any]:
    """The metadata of an honest provider, with ``more`` in it or instead."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        **more,
    }


def without(name: str) -> dict[str, Any]:
    return {member: value for member, value in published().items() if member != name}


def check(
    document: dict[str, Any], issuer: str = ISSUER, configured: dict[str, str | None] | None = None
) -> Metadata:
    return check_metadata(document, issuer=issuer, configured=configured or {})


def reason(
    document: dict[str, Any], issuer: str = ISSUER, configured: dict[str, str | None] | None = None
) -> str:
    with pytest.raises(Unusable) as caught:
        check(document, issuer, configured)
    return str(caught.value)


# What is read.


def test_honest_metadata_is_taken_as_it_is() -> None:
    found = check(
        published(
            userinfo_endpoint=f"{ISSUER}/me",
            end_session_endpoint=f"{ISSUER}/logout",
            revocation_endpoint=f"{ISSUER}/revoke",
            authorization_response_iss_parameter_supported=True,
            id_token_signing_alg_values_supported=["RS256", "none", 7],
            token_endpoint_auth_methods_supported=["client_secret_post"],
            introspection_endpoint="http://nobody.cares/",
        )
    )
    assert found == Metadata(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/jwks",
        userinfo_endpoint=f"{ISSUER}/me",
        end_session_endpoint=f"{ISSUER}/logout",
        revocation_endpoint=f"{ISSUER}/revoke",
        iss_parameter=True,
        algorithms=frozenset({"RS256", "none"}),
        auth_methods=frozenset({"client_secret_post"}),
    )


def test_what_need_not_be_there_is_not_missed() -> None:
    found = check(published())
    assert found.userinfo_endpoint is None
    assert found.end_session_endpoint is None
    assert found.revocation_endpoint is None
    assert found.algorithms is None
    assert found.auth_methods is None
    assert found.iss_parameter is False


@pytest.mark.parametrize("value", [False, None, "true", "yes", 1, [], [True], {}])
def test_only_true_promises_the_iss_parameter(value: object) -> None:
    document = published(authorization_response_iss_parameter_supported=value)
    assert check(document).iss_parameter is False


@pytest.mark.parametrize("value", [None, "RS256", {"RS256": True}, 7])
def test_a_list_that_is_none_says_nothing(value: object) -> None:
    found = check(
        published(
            id_token_signing_alg_values_supported=value,
            token_endpoint_auth_methods_supported=value,
        )
    )
    assert (found.algorithms, found.auth_methods) == (None, None)


def test_an_empty_list_says_that_there_is_nothing() -> None:
    found = check(published(id_token_signing_alg_values_supported=[]))
    assert found.algorithms == frozenset()


# Whose it is.


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("https://id.example.com/", id="a slash at its end"),
        pytest.param("https://ID.example.com", id="a capital letter"),
        pytest.param("HTTPS://id.example.com", id="a capital scheme"),
        pytest.param("https://id.example.com:443", id="the default port"),
        pytest.param("http://id.example.com", id="http"),
        pytest.param("https://id.example.com.", id="a dot at its end"),
        pytest.param("https://id.example.com ", id="a space at its end"),
        pytest.param("https://id.example.com/realm", id="a path"),
        pytest.param("https://id.example.com.evil.example", id="a longer host"),
        pytest.param("https://evil.example", id="another host"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param(7, id="a number"),
        pytest.param(True, id="true"),
        pytest.param(["https://id.example.com"], id="an array"),
        pytest.param({"https://id.example.com": 1}, id="an object"),
    ],
)
def test_sec_164_metadata_of_another_issuer_is_refused(value: object) -> None:
    assert reason(published() | {"issuer": value}) == "issuer"


def test_sec_164_metadata_of_no_issuer_is_refused() -> None:
    assert reason(without("issuer")) == "issuer"
    assert reason({}) == "issuer"


def test_an_issuer_that_ends_with_a_slash_is_met_with_one() -> None:
    assert check(published() | {"issuer": f"{ISSUER}/"}, issuer=f"{ISSUER}/").issuer == f"{ISSUER}/"
    assert reason(published(), issuer=f"{ISSUER}/") == "issuer"


def test_microsofts_issuer_of_many_tenants_is_met_with_its_placeholder() -> None:
    document = published() | {"issuer": TENANTS}
    assert check(document, issuer=TENANTS).issuer == TENANTS
    assert reason(published() | {"issuer": TENANTS.replace("{tenantid}", TENANT)}, TENANTS)


@pytest.mark.parametrize("name", REQUIRED)
def test_sec_164_metadata_without_what_is_needed_is_refused(name: str) -> None:
    assert reason(without(name)) == name
    assert reason(published() | {name: None}) == name


# Where it may send us.

NO_ENDPOINTS = {
    "http": "http://id.example.com/x",
    "http in capitals": "HTTP://id.example.com/x",
    "http on another host": "http://evil.example/x",
    "http on loopback": "http://127.0.0.1/x",
    "another scheme": "ftp://id.example.com/x",
    "file": "file:///etc/passwd",
    "javascript": "javascript:alert(1)//id.example.com/",
    "no scheme": "//id.example.com/x",
    "a path": "/x",
    "no host": "https:///x",
    "one slash": "https:/id.example.com/x",
    "a user": "https://user@id.example.com/x",
    "a user and a password": "https://user:word@id.example.com/x",
    "the host as a user": "https://id.example.com@evil.example/x",
    "a fragment": "https://id.example.com/x#y",
    "port 0": "https://id.example.com:0/x",
    "port 65536": "https://id.example.com:65536/x",
    "a port of letters": "https://id.example.com:https/x",
    "a backslash": "https://id.example.com\\@evil.example/x",
    "a space": "https://id.example.com/a b",
    "a line break": "https://id.example.com/x\r\nSet-Cookie: a=b",
    "a tab": "https://id.example.com/\tx",
    "a NUL": "https://id.example.com/\x00",
    "a letter beyond ASCII": "https://id.ex\u00e4mple.com/x",
    "digits beyond ASCII": "https://\u2460\u2461\u2466.0.0.1/x",
    "an open bracket": "https://[::1/x",
    "no address in brackets": "https://[zz]/x",
    "empty": "",
    "a number": 7,
    "true": True,
    "an array": ["https://id.example.com/x"],
    "an object": {"url": "https://id.example.com/x"},
}


@pytest.mark.parametrize("value", NO_ENDPOINTS.values(), ids=NO_ENDPOINTS)
@pytest.mark.parametrize("name", ENDPOINTS)
def test_sec_164_an_endpoint_that_is_not_safe_is_refused(name: str, value: object) -> None:
    assert reason(published() | {name: value}) == "endpoint"


INSIDE = {
    "loopback": "127.0.0.1",
    "all of loopback": "127.255.255.254",
    "the cloud's metadata service": "169.254.169.254",
    "Alibaba's metadata service": "100.100.100.200",
    "this host": "0.0.0.0",  # noqa: S104 - nobody binds to it
    "private, 10": "10.0.0.1",
    "private, 172.16": "172.16.0.1",
    "private, 192.168": "192.168.1.1",
    "shared": "100.64.0.1",
    "protocol assignments": "192.0.0.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "a dot at the end of an address": "127.0.0.1.",
    "two numbers": "127.1",
    "three numbers": "127.0.1",
    "one number": "2130706433",
    "zero": "0",
    "octal": "0177.0.0.1",
    "one octal number": "017700000001",
    "hexadecimal": "0x7f.0.0.1",
    "hexadecimal and decimal": "0x7f.1",
    "one hexadecimal number": "0x7f000001",
    "hexadecimal in capitals": "0X7F.1",
    "an empty hexadecimal number": "127.0.0.0x",
    "localhost": "localhost",
    "localhost in capitals": "LOCALHOST",
    "a name of localhost": "id.localhost",
    "localhost with a dot": "localhost.",
    "a name of localhost with a dot": "id.localhost.",
    "IPv6 loopback": "[::1]",
    "IPv6 loopback in full": "[0:0:0:0:0:0:0:1]",
    "IPv6 unspecified": "[::]",
    "IPv6 link-local": "[fe80::1]",
    "IPv6 link-local with a zone": "[fe80::1%25eth0]",
    "IPv6 site-local": "[fec0::1]",
    "IPv6 unique local": "[fc00::1]",
    "the cloud's metadata service, IPv6": "[fd00:ec2::254]",
    "IPv6 multicast": "[ff02::1]",
    "IPv6 documentation": "[2001:db8::1]",
    "IPv4-mapped loopback": "[::ffff:127.0.0.1]",
    "IPv4-mapped metadata service": "[::ffff:a9fe:a9fe]",
    "IPv4-compatible loopback": "[::127.0.0.1]",
    "IPv4-compatible metadata service": "[::a9fe:a9fe]",
    "NAT64 of the metadata service": "[64:ff9b::a9fe:a9fe]",
    "local NAT64": "[64:ff9b:1::a9fe:a9fe]",
    "6to4 of the metadata service": "[2002:a9fe:a9fe::1]",
    "Teredo": "[2001::1]",
}


@pytest.mark.parametrize("host", INSIDE.values(), ids=INSIDE)
def test_sec_164_an_address_inside_our_network_is_refused(host: str) -> None:
    assert reason(published(userinfo_endpoint=f"https://{host}/me")) == "endpoint"
    assert reason(published(userinfo_endpoint=f"https://{host}:8443/me")) == "endpoint"


@pytest.mark.parametrize(
    "url",
    [
        "https://oauth2.googleapis.com/token",
        "https://id.example.com:8443/token",
        "https://ID.Example.com/token",
        "https://8.8.8.8/token",
        "https://[2606:4700:4700::1111]/token",
        "https://xn--mnchen-3ya.de/token",
        "https://10.example.com/token",
        "https://example.com./token",
        "https://a.b.c.d.e.example/token?tenant=7&x=%2F",
        "https://login_1.example.com/token",
        "https://notlocalhost/token",
        "https://localhost.example.com/token",
        "https://0xdeadbeef.example/token",
    ],
)
def test_an_endpoint_may_be_on_another_public_host(url: str) -> None:
    # Google has three of them.
    assert check(published(token_endpoint=url)).token_endpoint == url


@pytest.mark.parametrize(
    ("issuer", "endpoint"),
    [
        pytest.param(LOOPBACK, "http://127.0.0.1:4000/me", id="loopback, its own origin"),
        pytest.param(LOOPBACK, "http://127.0.0.1:4001/me", id="loopback, another port"),
        pytest.param(LOOPBACK, "http://localhost:4000/me", id="loopback by its name"),
        pytest.param(LOOPBACK, "http://[::1]:4000/me", id="loopback by IPv6"),
        pytest.param(LOOPBACK, "https://127.0.0.1:4000/me", id="loopback, https"),
        pytest.param(LOOPBACK, "https://id.example.com/me", id="public, from loopback"),
        pytest.param("http://idp:8080", "http://idp:8080/me", id="http in a test network"),
        pytest.param("http://idp:8080", "http://idp:8081/me", id="the same, another port"),
        pytest.param("https://10.0.0.5", "https://10.0.0.5/me", id="a provider inside"),
        pytest.param("https://10.0.0.5", "https://10.0.0.5:8443/me", id="inside, another port"),
        pytest.param("https://localhost:8443", "https://127.0.0.1/me", id="loopback with TLS"),
    ],
)
def test_a_provider_may_send_us_to_where_it_is_itself(issuer: str, endpoint: str) -> None:
    found = check(published(issuer, userinfo_endpoint=endpoint), issuer)
    assert found.userinfo_endpoint == endpoint


@pytest.mark.parametrize(
    ("issuer", "endpoint"),
    [
        pytest.param(LOOPBACK, "http://id.example.com/me", id="http, from loopback"),
        pytest.param(LOOPBACK, "http://10.0.0.1/me", id="inside, http, from loopback"),
        pytest.param(LOOPBACK, "https://10.0.0.1/me", id="inside, https, from loopback"),
        pytest.param("http://idp:8080", "http://other:8080/me", id="http to another host"),
        pytest.param("http://idp:8080", "http://127.0.0.1:8080/me", id="http to loopback"),
        pytest.param("https://10.0.0.5", "https://10.0.0.6/me", id="its neighbour inside"),
        pytest.param("https://10.0.0.5", "https://127.0.0.1/me", id="loopback, from inside"),
        pytest.param("https://10.0.0.5", "http://10.0.0.5/me", id="no TLS any more"),
        pytest.param("https://localhost:8443", "http://localhost:8443/me", id="the same, loopback"),
    ],
)
def test_sec_164_but_not_to_its_neighbours(issuer: str, endpoint: str) -> None:
    document = published(issuer, userinfo_endpoint=endpoint)
    assert reason(document, issuer) == "endpoint"


# What the application configured.


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_configured_endpoint_wins(name: str) -> None:
    url = "http://10.0.0.7/configured"
    found = check(published() | {name: "http://evil.example/"}, configured={name: url})
    assert getattr(found, name) == url


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_configured_endpoint_need_not_be_published(name: str) -> None:
    document = published()
    document.pop(name, None)
    found = check(document, configured={name: "https://other.example/x"})
    assert getattr(found, name) == "https://other.example/x"


@pytest.mark.parametrize(
    "name", ["userinfo_endpoint", "end_session_endpoint", "revocation_endpoint"]
)
@pytest.mark.parametrize("value", [f"{ISSUER}/x", "http://evil.example/"])
def test_none_switches_an_endpoint_off(name: str, value: str) -> None:
    assert getattr(check(published() | {name: value}, configured={name: None}), name) is None


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_needed_cannot_be_switched_off(name: str) -> None:
    assert reason(published(), configured={name: None}) == name


def test_sec_164_the_issuer_has_to_be_right_whatever_is_configured() -> None:
    everything: dict[str, str | None] = dict.fromkeys(ENDPOINTS, f"{ISSUER}/x")
    with pytest.raises(Unusable, match="issuer"):
        check(published() | {"issuer": "https://evil.example"}, configured=everything)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = [
    "issuer",
    *ENDPOINTS,
    "authorization_response_iss_parameter_supported",
    "id_token_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
]


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.text().map("https://".__add__)))
def test_sec_164_whatever_is_published_is_metadata_or_unusable(more: dict[str, Any]) -> None:
    try:
        found = check(published() | more)
    except Unusable:
        return
    for name in ENDPOINTS:
        endpoint = getattr(found, name)
        assert endpoint is None or endpoint.lower().startswith("https://")


# Issuers of tokens, and of authorization responses.


@pytest.mark.parametrize(
    ("issuer", "claims", "matches"),
    [
        pytest.param(ISSUER, {"iss": ISSUER}, True, id="the issuer"),
        pytest.param(ISSUER, {"iss": f"{ISSUER}/"}, False, id="SEC-165 a slash more"),
        pytest.param(ISSUER, {"iss": ISSUER.upper()}, False, id="SEC-165 capitals"),
        pytest.param(ISSUER, {"iss": "https://evil.example"}, False, id="SEC-165 another"),
        pytest.param(ISSUER, {"iss": [ISSUER]}, False, id="SEC-165 an array"),
        pytest.param(ISSUER, {"iss": None}, False, id="SEC-165 null"),
        pytest.param(ISSUER, {}, False, id="SEC-165 missing"),
        pytest.param(
            TENANTS,
            {"iss": TENANTS.replace("{tenantid}", TENANT), "tid": TENANT},
            True,
            id="a tenant",
        ),
        pytest.param(TENANTS, {"iss": TENANTS.replace("{tenantid}", TENANT)}, False, id="no tid"),
        pytest.param(
            TENANTS,
            {"iss": TENANTS.replace("{tenantid}", TENANT), "tid": "another"},
            False,
            id="SEC-165 another tenant's tid",
        ),
        pytest.param(TENANTS, {"iss": TENANTS, "tid": "{tenantid}"}, False, id="the placeholder"),
        pytest.param(TENANTS, {"iss": TENANTS, "tid": TENANT}, False, id="the template itself"),
        pytest.param(
            TENANTS,
            {"iss": TENANTS.replace("{tenantid}", "a/b"), "tid": "a/b"},
            False,
            id="SEC-165 tid is a path",
        ),
        pytest.param(
            TENANTS,
            {"iss": TENANTS.replace("{tenantid}", "a\n"), "tid": "a\n"},
            False,
            id="SEC-165 tid ends with a line break",
        ),
        pytest.param(
            TENANTS,
            {"iss": TENANTS.replace("{tenantid}", "x" * 65), "tid": "x" * 65},
            False,
            id="SEC-165 tid is too long",
        ),
        pytest.param(
            TENANTS, {"iss": TENANTS.replace("{tenantid}", ""), "tid": ""}, False, id="empty tid"
        ),
        pytest.param(TENANTS, {"iss": TENANTS, "tid": [TENANT]}, False, id="tid is an array"),
        pytest.param(TENANTS, {"iss": TENANTS, "tid": 7}, False, id="tid is a number"),
    ],
)
def test_whose_token_it_is(issuer: str, claims: dict[str, Any], matches: bool) -> None:
    assert matches_issuer(issuer, claims) is matches


@pytest.mark.parametrize(
    ("issuer", "value", "may_be"),
    [
        pytest.param(ISSUER, ISSUER, True, id="the issuer"),
        pytest.param(ISSUER, f"{ISSUER}/", False, id="SEC-163 a slash more"),
        pytest.param(ISSUER, ISSUER.upper(), False, id="SEC-163 capitals"),
        pytest.param(ISSUER, "https://evil.example", False, id="SEC-163 another"),
        pytest.param(ISSUER, "", False, id="SEC-163 empty"),
        pytest.param(f"{ISSUER}/", ISSUER, False, id="SEC-163 a slash less"),
        pytest.param(TENANTS, TENANTS.replace("{tenantid}", TENANT), True, id="a tenant"),
        pytest.param(TENANTS, TENANTS, False, id="the placeholder"),
        pytest.param(TENANTS, TENANTS.replace("{tenantid}", ""), False, id="SEC-163 no tenant"),
        pytest.param(TENANTS, TENANTS.replace("{tenantid}", "a/b"), False, id="SEC-163 a path"),
        pytest.param(
            TENANTS, TENANTS.replace("{tenantid}", TENANT) + "\n", False, id="SEC-163 a line break"
        ),
        pytest.param(
            TENANTS,
            TENANTS.replace("{tenantid}", TENANT).replace(".", "x", 1),
            False,
            id="SEC-163 a dot is a dot",
        ),
        pytest.param(
            TENANTS, f"https://evil.example/{TENANT}/v2.0", False, id="SEC-163 another host"
        ),
    ],
)
def test_who_answered(issuer: str, value: str, may_be: bool) -> None:
    assert may_be_issuer(issuer, value) is may_be


# URLs.


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https://id.example.com", "https"),
        ("HTTPS://ID.EXAMPLE.COM", "https"),
        ("http://id.example.com", "http"),
        ("https://id.example.com:8443/a/b?c=d&e=%2F", "https"),
        ("https://[2606:4700::1]:8443/", "https"),
        ("https://id.example.com/@", "https"),
        ("https://id.example.com:", "https"),
        *((value, None) for value in NO_ENDPOINTS.values() if "http:" not in str(value).lower()),
        ("wss://id.example.com", None),
        ("https", None),
        ("https:", None),
        ("https://", None),
        ("https://?x", None),
        ("https://:443/", None),
        (" https://id.example.com", None),
        ("https://id.example.com\n", None),
        ("https://id.example.com/\x7f", None),
        ("https://id.example.com/\x80", None),
        ("https://id.example.com/\u2028", None),
        ("https://\uff49d.example.com", None),
        (b"https://id.example.com", None),
        (None, None),
    ],
)
def test_the_scheme_of_a_url_with_nothing_odd_in_it(value: object, scheme: str | None) -> None:
    assert url_scheme(value) == scheme


@given(st.text().map("https://".__add__) | st.text())
def test_no_text_is_too_odd_to_be_judged(text: str) -> None:
    assert url_scheme(text) in ("https", "http", None)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:4000", True),
        ("http://127.8.9.10", True),
        ("http://[::1]:4000", True),
        ("http://localhost", True),
        ("http://LocalHost:4000/x", True),
        ("http://id.localhost", True),
        ("http://0.0.0.0", False),
        ("http://128.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://notlocalhost", False),
        ("http://10.0.0.1", False),
        ("http://id.example.com", False),
    ],
)
def test_what_is_this_machine(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/realms/x", f"{ISSUER}/realms/x/.well-known/openid-configuration"),
    ],
)
def test_where_the_metadata_of_an_issuer_is(issuer: str, url: str) -> None:
    assert discovery_url(issuer) == url


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        (f"{ISSUER}/.well-known/openid-configuration", ISSUER),
        (f"{ISSUER}/realms/x/.well-known/openid-configuration", f"{ISSUER}/realms/x"),
        (f"{ISSUER}/.well-known/openid-configuration?p=x", None),
        (f"{ISSUER}/.well-known/openid-configuration/", None),
        (f"{ISSUER}/.well-known/oauth-authorization-server", None),
        (f"{ISSUER}/metadata.json", None),
    ],
)
def test_whose_metadata_is_at_a_url(url: str, issuer: str | None) -> None:
    assert issuer_of_discovery_url(url) == issuer

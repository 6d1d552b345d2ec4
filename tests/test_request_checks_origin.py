"""Where a request comes from, by its headers, as values."""

from __future__ import annotations

import pytest

from flask_jwtsession.request_checks.origin import Verdict, check_origin, origin_of, parse_origin

OWN = "https://app.test"
TRUSTED = frozenset({"https://partner.test"})

SAME, CROSS, UNKNOWN = Verdict.SAME_ORIGIN, Verdict.CROSS_ORIGIN, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.test", "https://app.test"),
        ("HTTPS://APP.test", "https://app.test"),
        ("https://app.test:443", "https://app.test"),
        ("http://app.test:80", "http://app.test"),
        ("https://app.test:0443", "https://app.test"),
        ("https://app.test:80", "https://app.test:80"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://my_app:5000", "http://my_app:5000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_brought_into_one_form(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "app.test",
        "//app.test",
        "https:app.test",
        "https:/app.test",
        "https:///app.test",
        "https://",
        "https://app.test/",
        "https://app.test?",
        "https://app.test#",
        "https://app.test\\",
        "https://app.test\n",
        " https://app.test",
        "https://app.test https://evil.com",
        "https://user@app.test",
        "https://app.test:",
        "https://app.test:0",
        "https://app.test:65536",
        "https://app.test:٤٤٣",
        "https://app.test:443:443",
        "https://bücher.example",
        "https://app.test。evil.com",
        "https://-app.test",
        "ftp://app.test",
        "blob:https://app.test",
        "javascript://app.test",
        "https://" + "a" * 10_000,
    ],
)
def test_what_is_not_exactly_an_ascii_origin_is_none(text: str) -> None:
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.test/a?b#c", "https://app.test"),
        ("https://app.test?b", "https://app.test"),
        ("https://app.test#c", "https://app.test"),
        ("https://app.test", "https://app.test"),
        ("https://app.test:8443/" + "a" * 10_000, "https://app.test:8443"),
        ("https://app.test@evil.com/", None),
        ("https://app.test:pw@evil.com/", None),
        ("https://app.test\\@evil.com/", None),
        ("https://app.test%40evil.com/", None),
        ("https://app.test。evil.com/", None),
        ("/a", None),
        ("about:blank", None),
        ("android-app://com.example/", None),
    ],
)
def test_the_origin_of_a_url_is_what_stands_before_its_path(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("site", "origin", "referer", "verdict"),
    [
        pytest.param("cross-site", None, None, CROSS, id="SEC-101 cross-site"),
        pytest.param("cross-site", "https://evil.com", None, CROSS, id="SEC-101 with its Origin"),
        pytest.param("cross-site", OWN, None, CROSS, id="SEC-101 with our Origin"),
        pytest.param("same-site", None, None, CROSS, id="SEC-102 same-site"),
        pytest.param("same-site", "https://b.app.test", None, CROSS, id="SEC-102 with its Origin"),
        pytest.param("same-site", *TRUSTED, None, SAME, id="SEC-102 trusted"),
        pytest.param("cross-site", *TRUSTED, None, SAME, id="SEC-101 trusted"),
        pytest.param("same-origin", OWN, None, SAME, id="SEC-103 same-origin"),
        pytest.param("none", None, None, SAME, id="SEC-103 typed by the user"),
        pytest.param("", None, None, CROSS, id="SEC-103 empty"),
        pytest.param("Same-Origin", None, None, CROSS, id="SEC-103 another case"),
        pytest.param("same-origin, cross-site", None, None, CROSS, id="SEC-103 two values"),
        pytest.param(None, "https://evil.com", None, CROSS, id="SEC-104 foreign Origin"),
        pytest.param(None, "https://evil.com", OWN + "/a", CROSS, id="SEC-104 Origin over Referer"),
        pytest.param(None, "null", None, CROSS, id="SEC-104 Origin null"),
        pytest.param(None, "", None, CROSS, id="SEC-104 empty Origin"),
        pytest.param(None, None, "https://evil.com/x", CROSS, id="SEC-104 foreign Referer"),
        pytest.param(None, None, "about:blank", CROSS, id="SEC-104 Referer without an origin"),
        pytest.param(None, None, OWN + "/x", UNKNOWN, id="SEC-104 our Referer proves nothing"),
        pytest.param(None, None, "", UNKNOWN, id="SEC-104 empty Referer"),
        pytest.param(None, None, None, UNKNOWN, id="SEC-104 nothing"),
        pytest.param(None, OWN, None, SAME, id="SEC-105 ours"),
        pytest.param(None, OWN + ":443", None, SAME, id="SEC-105 default port"),
        pytest.param(None, "http://app.test", None, CROSS, id="SEC-105 http"),
        pytest.param(None, OWN + ":8443", None, CROSS, id="SEC-105 another port"),
        pytest.param(None, OWN + ".", None, CROSS, id="SEC-105 trailing dot"),
        pytest.param(None, OWN + ".evil.com", None, CROSS, id="SEC-105 our name in front"),
        pytest.param(None, "https://evilapp.test", None, CROSS, id="SEC-105 our name at the end"),
        pytest.param(None, OWN + "@evil.com", None, CROSS, id="SEC-105 as a user name"),
        pytest.param(None, "https://app。test", None, CROSS, id="SEC-105 IDN full stop"),
        pytest.param(None, OWN + " https://evil.com", None, CROSS, id="SEC-105 a list"),
        pytest.param(None, OWN + "a" * 10_000, None, CROSS, id="SEC-105 10 KB"),
    ],
)
def test_verdict(
    site: str | None, origin: str | None, referer: str | None, verdict: Verdict
) -> None:
    judged = check_origin(site=site, origin=origin, referer=referer, own=OWN, trusted=TRUSTED)
    assert judged is verdict


def test_without_an_origin_of_our_own_no_other_is_the_same() -> None:
    judged = check_origin(site=None, origin="null", referer=None, own=None, trusted=frozenset())
    assert judged is CROSS

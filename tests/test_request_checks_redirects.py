"""Redirect targets, judged by what a browser makes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_jwtsession.request_checks.redirects import is_local_path, safe_target

from .targets_table import KEPT, REFUSED
from .url_resolver import UrlResolver

OWN = "https://app.test"
PARTNER = "https://partner.test:8443"
ALLOWED = frozenset({OWN, PARTNER})


@pytest.fixture(scope="module")
def resolver() -> Iterator[UrlResolver]:
    with UrlResolver() as one:
        yield one


@pytest.mark.parametrize("value", REFUSED)
def test_a_target_that_may_lead_elsewhere_is_refused(value: object) -> None:
    assert safe_target(value, ALLOWED) is None


@pytest.mark.parametrize("value", KEPT)
def test_a_target_of_ours_is_kept_whole(value: str) -> None:
    assert safe_target(value, ALLOWED) == value


@pytest.mark.parametrize("value", KEPT)
def test_the_kept_targets_of_the_table_lead_a_browser_to_an_allowed_origin(
    resolver: UrlResolver, value: str
) -> None:
    assert resolver.origin(value, OWN + "/auth/signin") in ALLOWED


@pytest.mark.parametrize(
    ("length", "accepted"),
    [(2048, True), (2049, False), (100_000, False)],
    ids=["longest", "one more", "SEC-137 100 KB"],
)
def test_a_target_has_at_most_2048_characters(length: int, accepted: bool) -> None:
    assert (safe_target("/" + "a" * (length - 1), ALLOWED) is not None) is accepted


@pytest.mark.parametrize("value", [None, 7, True, b"/a", ["/a"], {"/a": 1}, ("/a",)])
def test_sec_137_only_text_is_a_target(value: object) -> None:
    assert safe_target(value, ALLOWED) is None


def test_without_allowed_origins_only_paths_are_targets() -> None:
    assert safe_target("/a", ()) == "/a"
    assert safe_target(OWN + "/a", ()) is None


@pytest.mark.parametrize("value", ["", "a", "?a", "#a", "//a", "/\\a", "/./", "https://app.test/"])
def test_a_local_path_begins_with_one_slash(value: str) -> None:
    assert is_local_path(value) is (value == "/./")


# Everything that browsers, proxies and URL parsers disagree about, in pieces.
PIECES = st.sampled_from(
    [
        *("/", "//", "\\", ":", "@", "?", "#", ".", "..", ";", "&", "=", "%", "[", "]", "|", "<"),
        *("http:", "https:", "HTTPS:", "javascript:", "data:", "blob:", "file:", "http://"),
        *("https://", "https://app.test", "https://partner.test:8443", "app.test", "evil.com"),
        *("%2e", "%2E", "%2f", "%5c", "%40", "%00", "%0d%0a", "%252f", ":443", ":80", ":8443"),
        *("\t", "\n", "\r", " ", "\x00", "\x01", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u2028"),
        *("\u3002", "\uff0f", "\uff20", "\ufeff", "\u202e", "é", "0x7f.1", "[::1]", "localhost"),
        *("a", "b", "auth", "signin", "www"),
    ]
)
TARGETS = st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text()


@settings(max_examples=1500, deadline=None)
@given(TARGETS)
@example("/.//evil.com")
@example("/%2e//evil.com")
@example("/a/..//evil.com")
@example("https://app.test/\u3002")
@example("https://app.test:443")
def test_whatever_is_accepted_leads_a_browser_to_an_allowed_origin(
    resolver: UrlResolver, value: str
) -> None:
    accepted = safe_target(value, ALLOWED)
    if accepted is not None:
        assert accepted == value
        assert resolver.origin(accepted, OWN + "/auth/callback/credentials") in ALLOWED


@settings(max_examples=500, deadline=None)
@given(TARGETS.map(lambda path: "/" + path))
def test_a_local_path_stays_on_its_host_when_it_is_resolved_twice(
    resolver: UrlResolver, value: str
) -> None:
    """A proxy or a client may normalise the path and have it read once more."""
    if not is_local_path(value):
        return
    href = resolver.href(value, OWN)
    assert href is not None
    assert resolver.origin(href.removeprefix(OWN), OWN) == OWN

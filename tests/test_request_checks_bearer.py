"""Which token a header ``Authorization`` holds (RFC 6750 section 2.1, RFC 9110 section 11)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_jwtsession.request_checks.bearer import bearer_token, challenge

TOKEN = "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVydGV4dA.dGFn"
TOKEN68 = re.compile("[A-Za-z0-9._~+/-]+=*")

#: Somebody says that there is a token, and there is none: no cookie takes its place.
MALFORMED = ""
#: No header, or one of another scheme: whatever that is for, it is not for us.
NOT_OURS = None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, NOT_OURS, id="no header"),
        pytest.param("", NOT_OURS, id="empty header"),
        pytest.param(" ", NOT_OURS, id="a space"),
        # The scheme: a name in any case (RFC 9110 section 11.1).
        pytest.param(f"Bearer {TOKEN}", TOKEN, id="as everybody writes it"),
        pytest.param(f"bearer {TOKEN}", TOKEN, id="small letters"),
        pytest.param(f"BEARER {TOKEN}", TOKEN, id="capitals"),
        pytest.param(f"bEaReR {TOKEN}", TOKEN, id="both"),
        pytest.param(f"Bearerx {TOKEN}", NOT_OURS, id="a longer name"),
        pytest.param(f"Bearer2 {TOKEN}", NOT_OURS, id="a name that ends with a digit"),
        pytest.param(f"Bearer-Token {TOKEN}", NOT_OURS, id="a name with a hyphen"),
        pytest.param(f"Bearer_x {TOKEN}", NOT_OURS, id="a name with an underscore"),
        pytest.param(f"Bearer.x {TOKEN}", NOT_OURS, id="a name with a dot"),
        pytest.param(f"Bearer~ {TOKEN}", NOT_OURS, id="a name with a tilde"),
        pytest.param(f"Bearer! {TOKEN}", NOT_OURS, id="a name with an exclamation mark"),
        pytest.param(f"Bearer`x {TOKEN}", NOT_OURS, id="a name with a backtick"),
        pytest.param(f"xBearer {TOKEN}", NOT_OURS, id="a name that ends with it"),
        pytest.param(f"Beare {TOKEN}", NOT_OURS, id="a shorter name"),
        pytest.param(f"Basic {TOKEN}", NOT_OURS, id="another scheme"),
        pytest.param(f"Token {TOKEN}", NOT_OURS, id="a scheme of somebody's own"),
        pytest.param(f"DPoP {TOKEN}", NOT_OURS, id="a scheme for tokens"),
        pytest.param(TOKEN, NOT_OURS, id="a token without a scheme"),
        pytest.param(f'"Bearer" {TOKEN}', NOT_OURS, id="a quoted scheme"),
        pytest.param(f"Be\u0430rer {TOKEN}", NOT_OURS, id="a Cyrillic letter"),
        pytest.param(
            f"\uff22\uff45\uff41\uff52\uff45\uff52 {TOKEN}", NOT_OURS, id="fullwidth letters"
        ),
        # What is between scheme and token: one space or more (RFC 9110 section 11.4).
        pytest.param(f"Bearer  {TOKEN}", TOKEN, id="two spaces"),
        pytest.param("Bearer " + " " * 1000 + TOKEN, TOKEN, id="a thousand spaces"),
        pytest.param(f"Bearer {TOKEN} ", TOKEN, id="a space after it"),
        pytest.param(f"Bearer {TOKEN}" + " " * 1000, TOKEN, id="a thousand spaces after it"),
        pytest.param(f"Bearer{TOKEN}", NOT_OURS, id="no space"),
        pytest.param(f"Bearer\t{TOKEN}", MALFORMED, id="a tab"),
        pytest.param(f"Bearer \t{TOKEN}", MALFORMED, id="a space and a tab"),
        pytest.param(f"Bearer {TOKEN}\t", MALFORMED, id="a tab after it"),
        pytest.param(f"Bearer\xa0{TOKEN}", MALFORMED, id="a no-break space"),
        pytest.param(f"Bearer\u2003{TOKEN}", MALFORMED, id="an em space"),
        pytest.param(f"Bearer:{TOKEN}", MALFORMED, id="a colon"),
        pytest.param(f"Bearer={TOKEN}", MALFORMED, id="an equals sign"),
        pytest.param(f"Bearer/{TOKEN}", MALFORMED, id="a slash"),
        # No token.
        pytest.param("Bearer", MALFORMED, id="the scheme alone"),
        pytest.param("bearer", MALFORMED, id="the scheme alone, small letters"),
        pytest.param("Bearer ", MALFORMED, id="the scheme and a space"),
        pytest.param("Bearer" + " " * 1000, MALFORMED, id="the scheme and a thousand spaces"),
        pytest.param("Bearer,", MALFORMED, id="the scheme and a comma"),
        pytest.param("Bearer =", MALFORMED, id="padding alone"),
        pytest.param('Bearer ""', MALFORMED, id="an empty quoted string"),
        # The token: token68 (RFC 9110 section 11.2).
        pytest.param("Bearer a", "a", id="one character"),
        pytest.param("Bearer a=", "a=", id="padding"),
        pytest.param("Bearer YQ==", "YQ==", id="more padding"),
        pytest.param("Bearer a" + "=" * 50, "a" + "=" * 50, id="much padding"),
        pytest.param("Bearer AZaz09-._~+/", "AZaz09-._~+/", id="every character there is"),
        pytest.param("Bearer ....", "....", id="dots"),
        pytest.param("Bearer Bearer", "Bearer", id="the scheme as the token"),
        pytest.param("Bearer a=b", MALFORMED, id="padding inside"),
        pytest.param(f"Bearer Bearer {TOKEN}", MALFORMED, id="the scheme twice"),
        pytest.param(f"Bearer {TOKEN} {TOKEN}", MALFORMED, id="two tokens"),
        pytest.param(f'Bearer "{TOKEN}"', MALFORMED, id="double quotes"),
        pytest.param(f"Bearer '{TOKEN}'", MALFORMED, id="single quotes"),
        pytest.param(f"Bearer <{TOKEN}>", MALFORMED, id="angle brackets"),
        pytest.param(f"Bearer {TOKEN};", MALFORMED, id="a semicolon"),
        pytest.param(f"Bearer {TOKEN}%3D", MALFORMED, id="percent-encoded padding"),
        pytest.param(f"Bearer {TOKEN}*", MALFORMED, id="an asterisk"),
        pytest.param(f"Bearer token={TOKEN}", MALFORMED, id="a parameter"),
        pytest.param(f'Bearer realm="x", token="{TOKEN}"', MALFORMED, id="parameters"),
        # Several headers of one name, as a server joins them.
        pytest.param(f"Bearer {TOKEN},Bearer {TOKEN}", MALFORMED, id="two of ours"),
        pytest.param(f"Bearer {TOKEN}, Basic eDp5", MALFORMED, id="ours, and another scheme"),
        pytest.param(f"Basic eDp5, Bearer {TOKEN}", NOT_OURS, id="another scheme, and ours"),
        pytest.param(f"Bearer {TOKEN},", MALFORMED, id="ours, and an empty one"),
        pytest.param(f", Bearer {TOKEN}", NOT_OURS, id="an empty one, and ours"),
        # What no header can carry, and a test client or a server's mistake hands on all the same.
        pytest.param(f"Bearer {TOKEN}\n", MALFORMED, id="a line end after it"),
        pytest.param(f"Bearer {TOKEN}\r\n", MALFORMED, id="CR LF after it"),
        pytest.param(f"Bearer {TOKEN}\r\nX-Evil: 1", MALFORMED, id="another header in it"),
        pytest.param(f"Bearer\n{TOKEN}", MALFORMED, id="a line end in between"),
        pytest.param(f"Bearer \r\n {TOKEN}", MALFORMED, id="folded"),
        pytest.param(f"Basic x\nBearer {TOKEN}", NOT_OURS, id="a second line that is ours"),
        pytest.param(f"\nBearer {TOKEN}", NOT_OURS, id="a line end before it"),
        pytest.param(f"Bearer {TOKEN}\0", MALFORMED, id="NUL after it"),
        pytest.param(f"Bearer\0{TOKEN}", MALFORMED, id="NUL in between"),
        pytest.param(f"Bearer {TOKEN}\x0b", MALFORMED, id="a vertical tab"),
        pytest.param(f"Bearer {TOKEN}\x7f", MALFORMED, id="DEL"),
        # Beyond ASCII.
        pytest.param("Bearer \xe9", MALFORMED, id="Latin-1"),
        pytest.param("Bearer \u0663", MALFORMED, id="a digit of another script"),
        pytest.param("Bearer \uff21", MALFORMED, id="a fullwidth letter"),
        pytest.param("Bearer \u212a", MALFORMED, id="the Kelvin sign, which is a k in lower case"),
        pytest.param("Bearer \ud800", MALFORMED, id="a lone surrogate"),
        pytest.param("Bearer\xe9", MALFORMED, id="Latin-1 after the scheme"),
    ],
)
def test_the_token_in_a_header(header: str | None, expected: str | None) -> None:
    assert bearer_token(header) == expected


def test_a_long_token_is_taken_as_it_is() -> None:
    """How long a token may be is for its reader to say."""
    assert bearer_token("Bearer " + "a" * 70_000) == "a" * 70_000


@pytest.mark.parametrize(
    "header",
    [
        "Bearer " + " " * 500_000 + ",",
        "Bearer " + "a" * 500_000 + ",",
        "Bearer a" + "=" * 500_000 + ",",
        "Bearer a" + " " * 500_000 + ",",
        "Bearer a" + "= " * 250_000,
        "Bearer " + "a=" * 250_000,
        "Bearer " * 70_000,
    ],
    ids=["spaces", "letters", "padding", "spaces after", "both", "padded pieces", "schemes"],
)
def test_a_malformed_header_of_half_a_megabyte_costs_no_more_than_a_look(header: str) -> None:
    began = time.process_time()
    assert bearer_token(header) == MALFORMED
    assert time.process_time() - began < 0.5  # a hundred times what it should take


@given(
    scheme=st.sampled_from(["Bearer", "bearer", "BEARER", "beAREr"]),
    spaces=st.integers(1, 20),
    token=st.from_regex(TOKEN68, fullmatch=True),
    after=st.integers(0, 5),
)
def test_every_token68_is_found(scheme: str, spaces: int, token: str, after: int) -> None:
    assert bearer_token(scheme + " " * spaces + token + " " * after) == token


@given(st.one_of(st.text(), st.text().map("Bearer{}".format), st.text().map("bearer {}".format)))
@example("Bearer x\n")
@example("Bearer")
def test_what_is_found_is_in_the_header_and_a_token68(header: str) -> None:
    found = bearer_token(header)
    if found:
        assert TOKEN68.fullmatch(found)
        assert header[6:].strip(" ") == found
    if header[:6].lower() != "bearer":
        assert found is NOT_OURS


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, 'Bearer realm="staff"'),
        ("invalid_token", 'Bearer realm="staff", error="invalid_token"'),
        ("insufficient_scope", 'Bearer realm="staff", error="insufficient_scope"'),
    ],
)
def test_the_challenge(error: str | None, expected: str) -> None:
    """RFC 6750 section 3: a realm, and an error only where there was a token."""
    assert challenge("staff", error) == expected

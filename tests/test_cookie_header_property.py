"""No Cookie header whatsoever makes another answer than the anonymous one or the true session's."""

from __future__ import annotations

from functools import cache

from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import add_views
from .support import NOW, OTHER_SECRET, Clock, claims_at, make_app, seal

HTTP = "jwtsession.session-token"
PATHS = ["/session", "/private", "/auth/session", "/auth/session/status"]


@cache
def application() -> Flask:
    app, auth = make_app(Clock(), READ_NEXTAUTH_V4=True)
    add_views(app, auth)
    return app


@cache
def true_token() -> str:
    """The only session in this file; long enough for two chunks."""
    return seal(application(), claims_at(NOW, name="n" * 3000))


@cache
def foreign_tokens() -> list[str]:
    """Tokens that are no session here: of another name, of another secret, without claims."""
    return [
        seal(application(), claims_at(NOW, sub="u2"), https=True),
        seal(make_app(SECRET=OTHER_SECRET)[0], claims_at(NOW, sub="u2")),
        seal(make_app(COOKIE_PREFIX="staff")[0], claims_at(NOW, sub="u2")),
        seal(application(), b"[]"),
        seal(application(), {"sub": "u2"}),
    ]


def answer(path: str, header: str | None) -> tuple[int, bytes]:
    sent = {} if header is None else {"HTTP_COOKIE": header}
    client = application().test_client(use_cookies=False)
    response = client.get(path, environ_overrides=sent)
    assert "Set-Cookie" not in response.headers
    return response.status_code, response.data


@cache
def anonymous(path: str) -> tuple[int, bytes]:
    return answer(path, None)


@cache
def signed_in(path: str) -> tuple[int, bytes]:
    return answer(path, f"{HTTP}={true_token()}")


#: What a server can hand on: any bytes, as latin-1.
LATIN = st.text(st.characters(max_codepoint=255))

NAMES = st.sampled_from(
    [
        HTTP,
        "__Host-" + HTTP,
        "__Secure-" + HTTP,
        "jwtsession.csrf-token",
        "jwtsession",
        "next-auth.session-token",
        "session",
    ]
)
SUFFIXES = st.sampled_from(["", "", ".0", ".1", ".2", ".31", ".32", ".00", ".-1", ".1e1", "."])


@st.composite
def pieces_of_tokens(draw: st.DrawFn) -> str:
    """A slice of a token, perhaps with something in it that does not belong there."""
    token = draw(st.sampled_from([true_token(), *foreign_tokens()]))
    cuts = st.sampled_from([0, 1, 100, len(token) // 2, len(token) - 1, len(token)])
    start, end = sorted((draw(cuts), draw(cuts)))
    inserted = draw(
        st.sampled_from(["", "", "", "=", ".", "A", '"', "\\145", "%", " ", "\n", "\0"])
    )
    place = draw(st.integers(0, end - start))
    piece = token[start:end]
    return piece[:place] + inserted + piece[place:]


VALUES = pieces_of_tokens() | st.deferred(lambda: st.just(true_token())) | LATIN
SEPARATORS = st.sampled_from(["; ", ";", " ; ", ",", ";;", "\t;", "&", "\n"])


@st.composite
def cookie_headers(draw: st.DrawFn) -> str:
    """Headers that nearly make sense."""
    header = ""
    for _ in range(draw(st.integers(0, 6))):
        equals = draw(st.sampled_from(["=", "=", "=", "==", " = ", ""]))
        header += draw(NAMES) + draw(SUFFIXES) + equals + draw(VALUES) + draw(SEPARATORS)
    return header


@st.composite
def chunked_headers(draw: st.DrawFn) -> str:
    """The true token in chunks, some of them lost, doubled, renumbered, or out of order."""
    token = true_token()
    size = draw(st.integers(len(token) // 12, len(token)))
    chunks = [token[start : start + size] for start in range(0, len(token), size)]
    pairs = [f"{HTTP}.{number}={chunk}" for number, chunk in enumerate(chunks)]
    pairs += draw(st.lists(st.sampled_from(pairs), max_size=2))
    if draw(st.booleans()):
        pairs.append(f"{HTTP}{draw(SUFFIXES)}={draw(VALUES)}")
    kept = draw(st.permutations(pairs))
    return "; ".join(kept[draw(st.integers(0, 2)) :])


def check(header: str) -> None:
    answers = [answer(path, header) for path in PATHS]
    # One header is one and the same person at every URL.
    assert answers in (
        [anonymous(path) for path in PATHS],
        [signed_in(path) for path in PATHS],
    )


def test_the_two_answers_differ() -> None:
    """Without this, the properties below could hold for nothing."""
    assert all(anonymous(path) != signed_in(path) for path in PATHS)
    assert signed_in("/private") == (200, b"private")


@settings(deadline=None, max_examples=200)
@given(LATIN)
@example("\0")
@example(HTTP + "=" + "." * 4)
def test_any_text_in_the_header(header: str) -> None:
    check(header)


@settings(deadline=None, max_examples=200)
@given(cookie_headers())
def test_any_header_that_nearly_makes_sense(header: str) -> None:
    check(header)


@settings(deadline=None, max_examples=200)
@given(chunked_headers())
def test_any_chunks(header: str) -> None:
    check(header)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_change_of_one_character_of_the_cookie_is_anonymous(data: st.DataObject) -> None:
    token = true_token()
    place = data.draw(st.integers(0, len(token) - 1))
    changed = data.draw(st.characters(max_codepoint=255, exclude_characters=";" + token[place]))
    header = f"{HTTP}={token[:place]}{changed}{token[place + 1 :]}"
    assert [answer(path, header) for path in PATHS] == [anonymous(path) for path in PATHS]

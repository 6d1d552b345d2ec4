"""What every token format has in common: the form of a token, and those seen a moment ago."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession import TokenInvalid
from flask_jwtsession.tokens.token_format import (
    MAX_TOKEN_LENGTH,
    TokenFormat,
    decode_part,
    encode_part,
    read_header,
)


class Reversed(TokenFormat):
    """Tokens of two parts: the payload, and the same backwards. Keeps count of what it opens."""

    parts = 2

    def __init__(self, *, remembered: int = 512) -> None:
        super().__init__(remembered=remembered)
        self.opened: list[str] = []

    def encode(self, payload: bytes) -> str:
        return f"{payload.decode()}.{payload[::-1].decode()}"

    def _open(self, token: bytes) -> bytes:
        self.opened.append(token.decode())
        payload, _, signature = token.partition(b".")
        if payload[::-1] != signature:
            raise TokenInvalid("signature")
        return payload


# The form.


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="SEC-002 empty"),
        pytest.param("a", id="SEC-002 one part"),
        pytest.param("a.b.a", id="SEC-002 three parts"),
        pytest.param("." * 100_000, id="SEC-002 100000 dots"),
        pytest.param("é.é", id="not ASCII"),
        pytest.param("\ud800.a", id="a lone surrogate"),
        pytest.param("a.a\u0660", id="a digit of another script"),
    ],
)
def test_what_has_not_the_form_of_a_token_is_not_even_opened(token: str) -> None:
    tokens = Reversed()
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(token)
    assert tokens.opened == []


def test_sec_019_a_token_at_the_length_limit_is_read_and_one_above_it_is_not_even_opened() -> None:
    tokens = Reversed()
    payload = b"a" * ((MAX_TOKEN_LENGTH - 1) // 2)
    longest = tokens.encode(payload)
    assert len(longest) == MAX_TOKEN_LENGTH - 1
    assert tokens.decode(longest) == payload
    with pytest.raises(TokenInvalid, match="signature"):
        tokens.decode(longest + "a")
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(longest + "aa")
    assert [len(one) for one in tokens.opened] == [MAX_TOKEN_LENGTH - 1, MAX_TOKEN_LENGTH]


# The memory.


def test_a_token_seen_a_moment_ago_is_not_opened_again() -> None:
    tokens = Reversed()
    assert [tokens.decode("ab.ba") for _ in range(3)] == [b"ab"] * 3
    assert tokens.opened == ["ab.ba"]


def test_a_token_that_was_made_here_is_verified_once_too() -> None:
    """What was never verified is not remembered, whoever made it."""
    tokens = Reversed()
    tokens.decode(tokens.encode(b"ab"))
    assert tokens.opened == ["ab.ba"]


def test_a_refused_token_is_refused_each_time() -> None:
    tokens = Reversed()
    for _ in range(2):
        with pytest.raises(TokenInvalid, match="signature"):
            tokens.decode("ab.xx")
    assert tokens.opened == ["ab.xx"] * 2


def test_one_more_character_is_another_token() -> None:
    tokens = Reversed()
    tokens.decode("ab.ba")
    for changed in ("ab.ba ", " ab.ba", "ab.ba=", "AB.ba", "ab.ba\n"):
        with pytest.raises(TokenInvalid):
            tokens.decode(changed)


def test_no_more_tokens_are_remembered_than_asked_for_and_the_oldest_goes_first() -> None:
    tokens = Reversed(remembered=2)
    for token in ("a.a", "b.b", "c.c", "c.c", "b.b", "a.a"):
        tokens.decode(token)
    assert tokens.opened == ["a.a", "b.b", "c.c", "a.a"]


def test_nothing_is_remembered_where_nothing_is_to_be() -> None:
    tokens = Reversed(remembered=0)
    for _ in range(3):
        tokens.decode("ab.ba")
    assert tokens.opened == ["ab.ba"] * 3


def test_a_flood_of_garbage_takes_no_place_of_a_good_token() -> None:
    tokens = Reversed(remembered=1)
    tokens.decode("ab.ba")
    for number in range(10):
        with pytest.raises(TokenInvalid):
            tokens.decode(f"{number}.x")
    assert tokens.decode("ab.ba") == b"ab"
    assert tokens.opened.count("ab.ba") == 1


def test_threads_that_read_at_once_never_read_each_others_payload() -> None:
    tokens = Reversed(remembered=3)  # so that it is full all the time

    def read(number: int) -> bool:
        payload = str(number % 7).encode()
        return tokens.decode(tokens.encode(payload)) == payload

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(4000)))


# Parts.


@given(st.binary(max_size=200))
def test_a_part_is_what_it_was_made_of(data: bytes) -> None:
    assert decode_part(encode_part(data)) == data


@pytest.mark.parametrize(
    ("data", "part"),
    [
        # RFC 4648 section 10, without the padding.
        (b"", b""),
        (b"f", b"Zg"),
        (b"fo", b"Zm8"),
        (b"foo", b"Zm9v"),
        # RFC 7515, appendix C.
        (bytes([3, 236, 255, 224, 193]), b"A-z_4ME"),
    ],
)
def test_a_part_is_base64url_without_padding(data: bytes, part: bytes) -> None:
    assert encode_part(data) == part
    assert decode_part(part) == data


NOT_CANONICAL = {
    "padding": b"Zg==",
    "half of the padding": b"Zg=",
    "padding of a whole group": b"Zm9v====",
    "one character": b"Z",
    "one character too many": b"Zm9vY",
    "an unused bit": b"Zh",
    "all unused bits": b"Zv",
    "an unused bit of two octets": b"Zm9",
    "plus": b"A+z_4ME",
    "slash": b"A-z/4ME",
    "newline at the end": b"Zm9v\n",
    "newline inside": b"Zm\n9v",
    "space": b"Zm 9v",
    "tab": b"\tZm9v",
    "NUL": b"Zm9v\0",
    "percent-encoded": b"Zm9%76",
    "not ASCII": "Zm9é".encode(),
}


@pytest.mark.parametrize("part", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_sec_004_no_part_has_a_second_form(part: bytes) -> None:
    with pytest.raises(TokenInvalid, match="malformed"):
        decode_part(part)


@given(st.binary(max_size=12))
def test_sec_004_any_text_is_a_part_in_one_form_or_none(text: bytes) -> None:
    try:
        data = decode_part(text)
    except TokenInvalid:
        return
    assert urlsafe_b64encode(data).rstrip(b"=") == text


# Headers.


def test_a_header_is_a_json_object() -> None:
    assert read_header(encode_part(b'{"alg":"dir","x":[1]}')) == {"alg": "dir", "x": [1]}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"alg", b"[]", b'["alg"]', b'"alg"', b"1", b"null", b"true", b"{", b"{}x"),
        pytest.param(b'{"alg":1,"alg":1}', id="two alg"),
        pytest.param(b'{"alg":1,"\\u0061lg":1}', id="two alg, one escaped"),
        pytest.param(b'{"x":NaN}', id="NaN"),
        pytest.param(b'{"x":"\xff"}', id="not UTF-8"),
        pytest.param('{"x":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"x":1}', id="byte order mark"),
        pytest.param(b'{"x":"\\ud800"}', id="a lone surrogate"),
        pytest.param(b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", id="100 deep"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="100000 deep"),
        pytest.param(json.dumps({"x": "x" * 400}).encode(), id="410 octets"),
        pytest.param(json.dumps({"x": "x" * 1_000_000}).encode(), id="1 MB"),
    ],
)
def test_sec_005_anything_else_is_no_header(raw: bytes) -> None:
    with pytest.raises(TokenInvalid, match="header") as caught:
        read_header(encode_part(raw))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param(b"eyJ4IjoxfQ==", id="padding"),
        pytest.param(b"eyJ4IjoxfR", id="an unused bit"),
        pytest.param(b"eyJ4IjoiPz8/In0", id="slash"),
        pytest.param(b"eyJ4IjoxfQ\n", id="newline"),
        pytest.param(b"eyJ4 IjoxfQ", id="space"),
        pytest.param(b"e", id="one character"),
    ],
)
def test_sec_004_no_header_has_a_second_form(segment: bytes) -> None:
    assert read_header(b"eyJ4IjoxfQ") == {"x": 1}
    assert read_header(b"eyJ4IjoiPz8_In0") == {"x": "???"}
    with pytest.raises(TokenInvalid):
        read_header(segment)

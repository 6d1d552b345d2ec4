"""Encrypted tokens: those of the real packages, our own, and everything that is neither."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe

from flask_jwtsession import TokenError, TokenInvalid
from flask_jwtsession.tokens import strict_json
from flask_jwtsession.tokens.claims import Lifetimes, check_times
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import authjs_keys, nextauth_v4_keys
from flask_jwtsession.tokens.token_format import MAX_TOKEN_LENGTH

from .forged_tokens import CBC, GCM, b64, content_key, forge, header, header_of, unb64
from .support import OTHER_SECRET, SECRET, VECTORS

NAME = "authjs.session-token"
KEY = content_key(SECRET, NAME)

RECORDED = json.loads((VECTORS / "authjs_tokens.json").read_text())["vectors"]
#: A moment at which every vector without a time of its own had just been made.
RECORDED_AT = max(vector["claims"]["iat"] for vector in RECORDED if vector["claims"])
LONG = Lifetimes(max_age=100 * 365 * 86_400)

#: Vectors that Auth.js accepts and we do not, with the reason. There is none.
STRICTER: dict[str, str] = {}


@pytest.fixture
def tokens() -> EncryptedTokens:
    return EncryptedTokens(authjs_keys([SECRET.encode()], NAME))


def read(vector: dict[str, Any]) -> dict[str, Any]:
    """The claims of a vector, as a request would get them."""
    made_from = [secret.encode() for secret in vector["secrets"]]
    if vector["version"] == 4:
        keys = nextauth_v4_keys(made_from)
    else:
        keys = authjs_keys(made_from, vector["salt"])
    claims = strict_json.parse_object(EncryptedTokens(keys).decode(vector["token"]))
    check_times(claims, LONG, vector["decode_at"] or RECORDED_AT)
    return claims


def vectors(expect: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["name"])
        for vector in RECORDED
        if (vector["expect"] == expect) != (vector["name"] in STRICTER)
    ]


@pytest.mark.parametrize("vector", vectors("ok"))
def test_a_recorded_token_is_read_as_the_real_package_reads_it(vector: dict[str, Any]) -> None:
    assert header_of(vector["token"]) == vector["header"]
    assert read(vector) == vector["claims"]


@pytest.mark.parametrize("vector", vectors("error"))
def test_a_recorded_token_that_the_real_package_refuses_is_refused(
    vector: dict[str, Any],
) -> None:
    # ValueError: its payload is no JSON object.
    with pytest.raises((TokenError, ValueError)):
        read(vector)


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=vector["name"])
        for vector in RECORDED
        if vector["expect"] == "ok"
        and vector["header"].keys() == {"alg", "enc", "kid"}
        and vector["header"]["enc"] == CBC
    ],
)
def test_our_header_is_to_the_letter_that_of_the_real_package(vector: dict[str, Any]) -> None:
    ours = {
        EncryptedTokens(authjs_keys([secret.encode()], vector["salt"])).encode(b"{}").split(".")[0]
        for secret in vector["secrets"]
    }
    assert vector["token"].split(".")[0] in ours


@settings(deadline=None)
@given(st.binary(max_size=5000))
def test_what_is_encoded_is_decoded(payload: bytes) -> None:
    keys = authjs_keys([SECRET.encode()], NAME)
    token = EncryptedTokens(keys).encode(payload)
    assert EncryptedTokens(keys).decode(token) == payload


def test_a_token_made_from_the_bare_primitives_is_read(tokens: EncryptedTokens) -> None:
    assert tokens.decode(forge(KEY, b'{"a":1}')) == b'{"a":1}'
    gcm = content_key(SECRET, NAME, GCM)
    assert tokens.decode(forge(gcm, b'{"a":1}')) == b'{"a":1}'


def test_no_claim_can_be_read_in_the_token(tokens: EncryptedTokens) -> None:
    token = tokens.encode(b'{"email":"ada@example.com"}')
    assert b"ada" not in b"".join(unb64(segment) for segment in token.split("."))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_sec_001_a_token_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    tokens = EncryptedTokens(authjs_keys([SECRET.encode()], NAME))
    token = tokens.encode(b'{"sub":"u1"}')
    assert tokens.decode(token)  # and it is remembered
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda c: c != token[place]))
    with pytest.raises(TokenInvalid):
        tokens.decode(token[:place] + character + token[place + 1 :])


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_sec_001_a_token_with_a_character_more_or_less_is_refused(data: st.DataObject) -> None:
    tokens = EncryptedTokens(authjs_keys([SECRET.encode()], NAME))
    token = tokens.encode(b'{"sub":"u1"}')
    place = data.draw(st.integers(0, len(token) - 1))
    more = data.draw(st.text(st.characters(max_codepoint=0x2FF), max_size=2))
    changed = token[:place] + more + token[place + (not more) :]
    with pytest.raises(TokenInvalid):
        tokens.decode(changed)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_refused_with_our_own_error(text: str) -> None:
    with pytest.raises(TokenInvalid):
        EncryptedTokens(authjs_keys([SECRET.encode()], NAME)).decode(text)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=5, max_size=5), st.booleans())
def test_any_five_segments_are_refused_with_our_own_error(
    segments: list[bytes], with_our_header: bool
) -> None:
    parts = [b64(segment) for segment in segments]
    if with_our_header:
        parts[0:2] = [b64(json.dumps(header(KEY)).encode()), ""]
    with pytest.raises(TokenInvalid):
        EncryptedTokens(authjs_keys([SECRET.encode()], NAME)).decode(".".join(parts))


@pytest.mark.parametrize(
    ("first", "second", "accepted"),
    [
        pytest.param([SECRET], [OTHER_SECRET, SECRET], True, id="SEC-051 the old secret is kept"),
        pytest.param([SECRET], [OTHER_SECRET], False, id="SEC-051 the old secret is gone"),
    ],
)
def test_a_token_lives_as_long_as_its_secret_is_configured(
    first: list[str], second: list[str], accepted: bool
) -> None:
    token = EncryptedTokens(authjs_keys([s.encode() for s in first], NAME)).encode(b"{}")
    later = EncryptedTokens(authjs_keys([s.encode() for s in second], NAME))
    if accepted:
        assert later.decode(token) == b"{}"
    else:
        with pytest.raises(TokenInvalid, match="unknown_key"):
            later.decode(token)


def test_without_a_kid_an_older_secret_does_not_count() -> None:
    rotated = EncryptedTokens(authjs_keys([OTHER_SECRET.encode(), SECRET.encode()], NAME))
    with pytest.raises(TokenInvalid, match="decryption"):
        rotated.decode(forge(KEY, b"{}", {"alg": "dir", "enc": CBC}))


def test_a_token_at_the_length_limit_is_read_and_one_above_it_is_not(
    tokens: EncryptedTokens,
) -> None:
    # One more AES block is 16 bytes, and so at least 21 characters.
    payload = b"x" * 48_000
    while len(longer := tokens.encode(payload + b"x" * 16)) <= MAX_TOKEN_LENGTH:
        payload += b"x" * 16
    assert tokens.decode(tokens.encode(payload)) == payload
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(longer)


# The memory of verified tokens.


@pytest.fixture
def decryptions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token that is really decrypted."""
    seen: list[str] = []
    decrypt = jwe.decrypt_compact

    def spy(token: bytes, *args: Any, **kwargs: Any) -> Any:
        seen.append(token.decode())
        return decrypt(token, *args, **kwargs)

    monkeypatch.setattr(jwe, "decrypt_compact", spy)
    return seen


def test_a_token_seen_a_moment_ago_is_not_decrypted_again(
    tokens: EncryptedTokens, decryptions: list[str]
) -> None:
    token = tokens.encode(b"{}")
    assert [tokens.decode(token) for _ in range(3)] == [b"{}"] * 3
    assert decryptions == [token]


def test_no_more_tokens_are_remembered_than_asked_for(decryptions: list[str]) -> None:
    tokens = EncryptedTokens(authjs_keys([SECRET.encode()], NAME), remembered=2)
    first, second, third = (tokens.encode(b"{}") for _ in range(3))
    for token in (first, second, third, third, second, first):
        tokens.decode(token)
    assert decryptions == [first, second, third, first]


def test_a_refused_token_is_not_remembered(tokens: EncryptedTokens, decryptions: list[str]) -> None:
    token = forge(content_key(OTHER_SECRET, NAME), b"{}", header(KEY))
    for _ in range(2):
        with pytest.raises(TokenInvalid, match="decryption"):
            tokens.decode(token)
    assert decryptions == [token, token]


# Initialisation vectors.


def ivs(tokens: EncryptedTokens, count: int) -> list[str]:
    return [tokens.encode(b"{}").split(".")[2] for _ in range(count)]


def test_sec_022_every_token_has_its_own_random_iv(tokens: EncryptedTokens) -> None:
    made = ivs(tokens, 100_000)
    assert len(set(made)) == len(made)
    assert {len(unb64(iv)) for iv in made[:100]} == {16}


def test_sec_022_two_forked_workers_do_not_repeat_each_other(tokens: EncryptedTokens) -> None:
    ivs(tokens, 1)  # whatever a generator would buffer, it has buffered
    made: list[str] = []
    for _ in range(2):
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writable, " ".join(ivs(tokens, 50)).encode())
            finally:
                os._exit(0)
        os.close(writable)
        with open(readable) as answer:
            made += answer.read().split()
        os.waitpid(child, 0)
    made += ivs(tokens, 50)
    assert len(made) == 150
    assert len(set(made)) == 150


def test_sec_059_the_repr_shows_no_key_and_no_payload(tokens: EncryptedTokens) -> None:
    tokens.decode(tokens.encode(b'{"sub":"u1"}'))
    assert "u1" not in repr(tokens)
    assert SECRET not in repr(tokens)

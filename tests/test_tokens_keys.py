"""Key derivation: what the keys are, and what their names give away."""

from __future__ import annotations

import hashlib

import pytest

from flask_jwtsession.exceptions import TokenInvalid
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import (
    KeyRing,
    authjs_keys,
    derive_key,
    nextauth_v4_keys,
    record_keys,
)

from .forged_tokens import CBC, GCM, b64, content_key, forge, header, header_of, thumbprint
from .support import OTHER_SECRET, SECRET

NAME = "authjs.session-token"
GRANT = b"QUJDREVGR0hJSktMTU5PUA"
OTHER_GRANT = b"UVJTVFVWV1hZWjAxMjM0NQ"


def raw(keys: KeyRing) -> bytes:
    value: bytes = keys.encryption.jwk.raw_value
    return value


def test_derivation_is_hkdf_sha256() -> None:
    """RFC 5869, test case 3."""
    okm = derive_key(b"\x0b" * 22, salt="", info="", length=42)
    assert okm.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_new_tokens_are_made_with_the_first_secret_and_64_bytes() -> None:
    keys = authjs_keys([SECRET.encode(), OTHER_SECRET.encode()], NAME)
    assert keys.encryption.enc == CBC
    assert raw(keys) == content_key(SECRET, NAME)


def test_every_secret_has_a_key_for_both_content_encryptions() -> None:
    keys = authjs_keys([SECRET.encode(), OTHER_SECRET.encode()], NAME)
    expected = {
        (enc, thumbprint(content_key(secret, NAME, enc)))
        for enc in (CBC, GCM)
        for secret in (SECRET, OTHER_SECRET)
    }
    assert keys.by_kid.keys() == expected


@pytest.mark.parametrize("enc", [CBC, GCM])
def test_without_a_kid_the_newest_secret_counts(enc: str) -> None:
    keys = authjs_keys([SECRET.encode(), OTHER_SECRET.encode()], NAME)
    assert keys.newest[enc].kid == thumbprint(content_key(SECRET, NAME, enc))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((SECRET, "__Secure-authjs.session-token"), id="other name"),
        pytest.param((SECRET, ""), id="no name"),
        pytest.param((OTHER_SECRET, NAME), id="other secret"),
    ],
)
def test_a_key_belongs_to_one_secret_and_one_cookie_name(other: tuple[str, str]) -> None:
    one = authjs_keys([SECRET.encode()], NAME)
    another = authjs_keys([other[0].encode()], other[1])
    assert raw(one) != raw(another)
    assert one.encryption.kid != another.encryption.kid


def test_sec_053_the_kid_is_a_digest_of_the_derived_key_and_not_of_the_secret() -> None:
    kid = authjs_keys([SECRET.encode()], NAME).encryption.kid
    assert kid == thumbprint(content_key(SECRET, NAME))
    of_the_secret = {
        b64(hashlib.sha512(SECRET.encode()).digest()),
        b64(hashlib.sha512(f'{{"k":"{b64(SECRET.encode())}","kty":"oct"}}'.encode()).digest()),
    }
    assert kid not in of_the_secret


def test_nextauth_v4_has_one_key_without_a_kid() -> None:
    keys = nextauth_v4_keys([SECRET.encode(), OTHER_SECRET.encode()])
    assert keys.by_kid == {}
    assert list(keys.newest) == [GCM]
    info = "NextAuth.js Generated Encryption Key"
    assert raw(keys) == derive_key(SECRET.encode(), salt="", info=info, length=32)


def test_sec_059_the_repr_of_keys_shows_no_key() -> None:
    keys = authjs_keys([SECRET.encode()], NAME)
    shown = repr(keys)
    assert SECRET not in shown
    for enc in (CBC, GCM):
        key = content_key(SECRET, NAME, enc)
        assert b64(key) not in shown
        assert key.hex() not in shown
        assert repr(key) not in shown


# The key of a grant's record.


def test_the_key_of_a_record_is_made_of_the_grant_alone() -> None:
    """So that a record outlives its application's secrets; it is to be the same key for ever."""
    keys = record_keys(GRANT)
    assert keys.encryption.enc == CBC
    assert raw(keys) == derive_key(GRANT, salt="", info="jwtsession grant record", length=64)
    assert raw(record_keys(GRANT)) == raw(keys)


def test_every_grant_has_another_key() -> None:
    one, other = record_keys(GRANT), record_keys(OTHER_GRANT)
    assert raw(one) != raw(other)
    assert one.encryption.kid != other.encryption.kid


def test_a_record_is_read_with_its_own_grant_only() -> None:
    record = EncryptedTokens(record_keys(GRANT)).encode(b"{}")
    assert EncryptedTokens(record_keys(GRANT)).decode(record) == b"{}"
    with pytest.raises(TokenInvalid, match="unknown_key"):
        EncryptedTokens(record_keys(OTHER_GRANT)).decode(record)


def test_a_record_under_the_header_of_another_grant_is_not_read() -> None:
    """A store that gives one person's record to another one's grant gives nothing away."""
    record = EncryptedTokens(record_keys(GRANT)).encode(b"{}")
    other = EncryptedTokens(record_keys(OTHER_GRANT))
    borrowed = other.encode(b"{}").partition(".")[0]
    with pytest.raises(TokenInvalid, match="decryption"):
        other.decode(f"{borrowed}.{record.partition('.')[2]}")


@pytest.mark.parametrize("secret", [SECRET.encode(), GRANT])
def test_sec_214_a_record_is_no_cookie_and_a_cookie_is_no_record(secret: bytes) -> None:
    """Not even for a cookie's key that is made of the same bytes."""
    records = EncryptedTokens(record_keys(GRANT))
    for keys in (
        authjs_keys([secret], NAME),
        authjs_keys([secret], ""),
        nextauth_v4_keys([secret]),
    ):
        cookies = EncryptedTokens(keys)
        for one, other in ((records, cookies), (cookies, records)):
            with pytest.raises(TokenInvalid):
                other.decode(one.encode(b"{}"))


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"typ": "JWT"}, id="more than its own members"),
        pytest.param({"enc": GCM}, id="another encryption"),
        pytest.param({"kid": "x"}, id="another kid"),
    ],
)
def test_a_record_has_one_header_and_no_other(more: dict[str, object]) -> None:
    keys = record_keys(GRANT)
    token = forge(raw(keys), b"{}", header(raw(keys), **more))
    with pytest.raises(TokenInvalid, match="unknown_key"):
        EncryptedTokens(keys).decode(token)


def test_a_record_without_a_kid_is_not_read() -> None:
    keys = record_keys(GRANT)
    token = forge(raw(keys), b"{}", {"alg": "dir", "enc": CBC})
    with pytest.raises(TokenInvalid, match="unknown_key"):
        EncryptedTokens(keys).decode(token)


def test_the_kid_of_a_record_is_a_digest_of_its_key_and_not_of_the_grant() -> None:
    keys = record_keys(GRANT)
    record = EncryptedTokens(keys).encode(b"{}")
    assert header_of(record) == {"alg": "dir", "enc": CBC, "kid": thumbprint(raw(keys))}
    assert thumbprint(raw(keys)) != b64(hashlib.sha512(GRANT).digest())


def test_sec_059_the_repr_of_a_records_key_shows_neither_it_nor_the_grant() -> None:
    keys = record_keys(GRANT)
    shown = repr(keys)
    assert GRANT.decode() not in shown
    assert b64(raw(keys)) not in shown
    assert raw(keys).hex() not in shown
    assert repr(raw(keys)) not in shown

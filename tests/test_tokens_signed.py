"""Signed tokens: our own, and everything that only looks like one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_jwtsession import TokenInvalid
from flask_jwtsession.tokens import strict_json
from flask_jwtsession.tokens.encrypted import EncryptedTokens
from flask_jwtsession.tokens.keys import authjs_keys
from flask_jwtsession.tokens.signed import SignedTokens
from flask_jwtsession.tokens.signing_keys import SigningKey, derived_keys, read_pem
from flask_jwtsession.tokens.token_format import MAX_TOKEN_LENGTH

from .forged_signatures import ASYMMETRIC, OURS, THEIRS, Signer, hs256, mac
from .forged_tokens import b64, content_key, forge, header_of, unb64
from .support import OTHER_SECRET, SECRET

NAME = "jwtsession.session-token"
#: The cookie name, as it were, that the key of our own block belongs to.
BLOCK = f"{NAME} _session"
ALGORITHMS = ("HS256", *ASYMMETRIC)
SIGNERS: dict[str, Signer] = {"HS256": hs256(SECRET, NAME), **OURS}
PAYLOAD = b'{"sub":"u1","name":"Ada"}'


@cache
def key_of(text: str) -> SigningKey:
    """Reading an RSA key takes longer than most tests: its numbers are checked."""
    return read_pem(text)


def block_format(secret: str = SECRET) -> EncryptedTokens:
    return EncryptedTokens(authjs_keys([secret.encode()], BLOCK))


def made_with(*texts: str) -> SignedTokens:
    """The format for these PEM texts, or without any for the key that is derived of the secret."""
    keys: Sequence[SigningKey] = [key_of(text) for text in texts]
    return SignedTokens(keys or derived_keys([SECRET.encode()], NAME), block_format())


def tokens_for(algorithm: str) -> SignedTokens:
    return made_with() if algorithm == "HS256" else made_with(OURS[algorithm].pem)


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def tokens(algorithm: str) -> SignedTokens:
    return tokens_for(algorithm)


@pytest.fixture
def signer(algorithm: str) -> Signer:
    return SIGNERS[algorithm]


# Our own.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(st.binary(max_size=3000).filter(lambda payload: b'"_session"' not in payload))
def test_what_is_encoded_is_decoded(algorithm: str, payload: bytes) -> None:
    token = tokens_for(algorithm).encode(payload)
    assert tokens_for(algorithm).decode(token) == payload


def test_the_header_names_the_algorithm_the_key_and_what_it_is_and_nothing_else(
    tokens: SignedTokens, signer: Signer
) -> None:
    token = tokens.encode(PAYLOAD)
    assert header_of(token) == {"alg": signer.algorithm, "kid": signer.kid, "typ": "session+jwt"}
    assert unb64(token.split(".")[1]) == PAYLOAD


def test_a_token_made_from_the_bare_primitives_is_read(
    tokens: SignedTokens, signer: Signer
) -> None:
    """Without it the attacks below could be refused for anything."""
    assert tokens.decode(signer.token(PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_another_library_verifies_it_with_the_public_key_alone(algorithm: str) -> None:
    token = tokens_for(algorithm).encode(PAYLOAD)
    key = jwt.PyJWK(dict(OURS[algorithm].jwk)).key
    assert jwt.decode(token, key, algorithms=[algorithm]) == json.loads(PAYLOAD)


def test_a_token_at_the_length_limit_is_read_and_one_above_it_is_not(
    tokens: SignedTokens,
) -> None:
    payload = b"x" * 48_000
    while len(longer := tokens.encode(payload + b"xxx")) <= MAX_TOKEN_LENGTH:
        payload += b"xxx"
    assert tokens.decode(tokens.encode(payload)) == payload
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(longer)


def test_a_token_seen_a_moment_ago_is_not_verified_again(
    tokens: SignedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tokens.encode(PAYLOAD)
    tokens.decode(token)

    def verify(*arguments: object) -> bytes:
        raise AssertionError("verified again")

    monkeypatch.setattr(tokens, "_open", verify)
    assert tokens.decode(token) == PAYLOAD


def test_sec_059_the_repr_shows_no_key_and_no_payload(tokens: SignedTokens) -> None:
    tokens.decode(tokens.encode(PAYLOAD))
    assert "u1" not in repr(tokens)
    assert "PRIVATE" not in repr(tokens)
    assert SECRET not in repr(tokens)


# Rotation.


def test_the_first_key_signs_and_every_key_verifies() -> None:
    rotated = made_with(OURS["ES256"].pem, OURS["RS256"].pem, OURS["EdDSA"].public_pem)
    assert header_of(rotated.encode(PAYLOAD))["kid"] == OURS["ES256"].kid
    for algorithm in ASYMMETRIC:
        assert rotated.decode(tokens_for(algorithm).encode(PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize("written", ["pem", "public_pem"])
@pytest.mark.parametrize("new", ASYMMETRIC)
@pytest.mark.parametrize("old", ASYMMETRIC)
def test_sec_051_a_key_can_be_replaced_step_by_step(old: str, new: str, written: str) -> None:
    """By one of another algorithm, too; once it no longer signs, its public half is enough."""
    older, newer = OURS[old], THEIRS[new]
    of_old, of_new = older.token(PAYLOAD), newer.token(PAYLOAD)
    published = made_with(older.pem, newer.public_pem)
    rotated = made_with(newer.pem, getattr(older, written))
    for tokens in (published, rotated):
        assert tokens.decode(of_old) == tokens.decode(of_new) == PAYLOAD
    assert header_of(published.encode(PAYLOAD))["kid"] == older.kid
    assert header_of(rotated.encode(PAYLOAD))["kid"] == newer.kid
    with pytest.raises(TokenInvalid, match="unknown_key"):
        made_with(newer.pem).decode(of_old)
    with pytest.raises(TokenInvalid, match="unknown_key"):
        made_with(older.pem).decode(of_new)


def test_sec_051_a_secret_can_be_replaced_too() -> None:
    old, new = SECRET.encode(), OTHER_SECRET.encode()
    token = SignedTokens(derived_keys([old], NAME), block_format()).encode(PAYLOAD)
    rotated = SignedTokens(derived_keys([new, old], NAME), block_format(OTHER_SECRET))
    assert rotated.decode(token) == PAYLOAD
    assert header_of(rotated.encode(PAYLOAD))["kid"] == hs256(OTHER_SECRET, NAME).kid
    with pytest.raises(TokenInvalid, match="unknown_key"):
        SignedTokens(derived_keys([new], NAME), block_format()).decode(token)


def test_a_key_that_is_gone_leaves_nothing_behind() -> None:
    """Neither a text of one of its tokens nor its name is good for anything then."""
    gone = THEIRS["ES256"]
    left = made_with(OURS["ES256"].pem)
    header, payload, signature = gone.token(PAYLOAD).split(".")
    with pytest.raises(TokenInvalid, match="unknown_key"):
        left.decode(f"{header}.{payload}.{signature}")
    honest = OURS["ES256"].token(PAYLOAD).split(".")[0]
    with pytest.raises(TokenInvalid, match="signature"):
        left.decode(f"{honest}.{payload}.{signature}")


# SEC-001 to SEC-004: one token, one text.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=200)
@given(data=st.data())
def test_sec_001_a_token_with_any_one_character_changed_is_refused(
    algorithm: str, data: st.DataObject
) -> None:
    tokens = tokens_for(algorithm)
    token = tokens.encode(PAYLOAD)
    assert tokens.decode(token)  # and it is remembered
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda c: c != token[place]))
    with pytest.raises(TokenInvalid):
        tokens.decode(token[:place] + character + token[place + 1 :])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=100)
@given(data=st.data())
def test_sec_001_a_token_with_a_character_more_or_less_is_refused(
    algorithm: str, data: st.DataObject
) -> None:
    tokens = tokens_for(algorithm)
    token = tokens.encode(PAYLOAD)
    place = data.draw(st.integers(0, len(token)))
    more = data.draw(st.text(st.characters(max_codepoint=0x2FF), max_size=2))
    changed = token[:place] + more + token[place + (not more) :]
    if changed == token:  # nothing was taken away at its end
        changed = token[:-1]
    with pytest.raises(TokenInvalid):
        tokens.decode(changed)


@given(st.text())
def test_any_text_is_refused_with_our_own_error(text: str) -> None:
    with pytest.raises(TokenInvalid):
        made_with().decode(text)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(st.binary(max_size=80), st.binary(max_size=300))
def test_any_three_segments_are_refused_with_our_own_error(
    algorithm: str, payload: bytes, signature: bytes
) -> None:
    header = SIGNERS[algorithm].token(b"").split(".")[0]
    for first in (header, b64(b"{}"), b64(payload)):
        with pytest.raises(TokenInvalid):
            tokens_for(algorithm).decode(f"{first}.{b64(payload)}.{b64(signature)}")


def with_signature(token: str, change: Callable[[bytes], bytes]) -> str:
    """The token with its signature changed, canonically encoded."""
    message, _, signature = token.rpartition(".")
    return f"{message}.{b64(change(unb64(signature)))}"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda signature: b"", id="SEC-014 none at all"),
        pytest.param(lambda signature: signature[:-1], id="SEC-003 one octet less"),
        pytest.param(lambda signature: signature[: len(signature) // 2], id="SEC-003 half of it"),
        pytest.param(lambda signature: signature[:1], id="SEC-003 one octet"),
        pytest.param(lambda signature: signature + b"\0", id="a zero after it"),
        pytest.param(lambda signature: b"\0" + signature, id="a zero before it"),
        pytest.param(lambda signature: signature * 2, id="twice"),
        pytest.param(lambda signature: bytes(len(signature)), id="all zeros"),
        pytest.param(lambda signature: b"\xff" * len(signature), id="all ones"),
    ],
)
def test_a_signature_of_another_length_or_value_is_refused(
    tokens: SignedTokens, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(TokenInvalid, match="signature"):
        tokens.decode(with_signature(tokens.encode(PAYLOAD), change))


#: Order of the base point of Ed25519 (RFC 8032 section 5.1).
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def one_turn_more(signature: bytes) -> bytes:
    """S + L, which section 5.1.7 refuses."""
    s = int.from_bytes(signature[32:], "little")
    return signature[:32] + (s + ED25519_ORDER).to_bytes(32, "little")


@pytest.mark.parametrize("algorithm", ["EdDSA"], indirect=True)
def test_sec_004_an_eddsa_signature_has_one_form(tokens: SignedTokens) -> None:
    with pytest.raises(TokenInvalid, match="signature"):
        tokens.decode(with_signature(tokens.encode(PAYLOAD), one_turn_more))


@pytest.mark.parametrize("algorithm", ["ES256"], indirect=True)
def test_an_es256_signature_is_two_numbers_and_no_der(tokens: SignedTokens, signer: Signer) -> None:
    """RFC 7518 section 3.4."""
    private = OURS["ES256"].private
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    message = signer.token(PAYLOAD).rpartition(".")[0]
    der = private.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(TokenInvalid, match="signature"):
        tokens.decode(f"{message}.{b64(der)}")


# SEC-006 to SEC-014: whose key, and which algorithm.


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
@pytest.mark.parametrize("algorithm", ASYMMETRIC, indirect=True)
def test_sec_014_a_public_key_is_nobodys_secret(
    tokens: SignedTokens, algorithm: str, encoding: Encoding
) -> None:
    pair = OURS[algorithm]
    forged_mac = mac(pair.public_bytes(encoding))
    for header in (
        pair.header(alg="HS256"),
        pair.header(),
        {"alg": "HS256", "typ": "session+jwt"},
        {"alg": "HS256", "kid": hs256(SECRET, NAME).kid, "typ": "session+jwt"},
    ):
        forged = Signer("HS256", pair.kid, forged_mac).token(PAYLOAD, header)
        with pytest.raises(TokenInvalid):
            tokens.decode(forged)


def test_sec_014_not_even_where_one_of_the_keys_is_symmetric() -> None:
    """No configuration has both; whoever makes such a list must be safe, too."""
    pair = OURS["RS256"]
    both = SignedTokens([*derived_keys([SECRET.encode()], NAME), key_of(pair.pem)], block_format())
    assert both.decode(pair.token(PAYLOAD)) == PAYLOAD
    for encoding in (Encoding.PEM, Encoding.DER):
        forged_mac = mac(pair.public_bytes(encoding))
        for header in (pair.header(alg="HS256"), hs256(SECRET, NAME).header()):
            with pytest.raises(TokenInvalid):
                both.decode(Signer("HS256", pair.kid, forged_mac).token(PAYLOAD, header))


@pytest.mark.parametrize("said", ALGORITHMS)
@pytest.mark.parametrize("meant", ASYMMETRIC)
def test_the_kid_chooses_the_key_and_the_key_its_algorithm(meant: str, said: str) -> None:
    """Also where there is a key of the algorithm that the token speaks of."""
    every = made_with(*(OURS[algorithm].pem for algorithm in ASYMMETRIC))
    claimed = OURS[meant].header(alg=said)
    by = SIGNERS[said]
    if meant == said:
        assert every.decode(by.token(PAYLOAD, claimed)) == PAYLOAD
        return
    with pytest.raises(TokenInvalid, match="header"):
        every.decode(by.token(PAYLOAD, claimed))
    with pytest.raises(TokenInvalid, match="header"):
        every.decode(OURS[meant].token(PAYLOAD, claimed))


@pytest.mark.parametrize("algorithm", ASYMMETRIC, indirect=True)
def test_a_token_of_somebody_elses_key_is_refused_whatever_it_says(
    tokens: SignedTokens, signer: Signer, algorithm: str
) -> None:
    theirs = THEIRS[algorithm]
    with pytest.raises(TokenInvalid, match="unknown_key"):
        tokens.decode(theirs.token(PAYLOAD))
    with pytest.raises(TokenInvalid, match="signature"):
        tokens.decode(theirs.token(PAYLOAD, signer.header()))
    # The key beside it.
    for more in (
        {"jwk": dict(theirs.jwk)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5c": [b64(theirs.public_bytes(Encoding.DER))]},
    ):
        with pytest.raises(TokenInvalid, match="header"):
            tokens.decode(theirs.token(PAYLOAD, signer.header(**more)))


def test_a_header_with_one_member_more_or_less_or_another_value_is_refused(
    tokens: SignedTokens, signer: Signer
) -> None:
    honest = signer.header()
    for name in honest:
        with pytest.raises(TokenInvalid):
            tokens.decode(signer.token(PAYLOAD, {k: honest[k] for k in honest if k != name}))
        for value in ("", "x", None, True, 1, [honest[name]], {str(honest[name]): 1}):
            with pytest.raises(TokenInvalid):
                tokens.decode(signer.token(PAYLOAD, {**honest, name: value}))
    for more in ("crit", "cty", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "zip", "enc", "x"):
        with pytest.raises(TokenInvalid):
            tokens.decode(signer.token(PAYLOAD, {**honest, more: "x"}))


def test_sec_004_the_header_has_no_second_form_either(tokens: SignedTokens, signer: Signer) -> None:
    """Authentic: only whoever has the key could make these."""
    raw = json.dumps(signer.header()).encode()
    raw += b" " * (2 - len(raw) % 3)  # so that its last character has unused bits
    canonical = b64(raw)
    assert len(canonical) % 4 == 3
    for segment in (canonical + "=", with_low_bit(canonical)):
        with pytest.raises(TokenInvalid):
            tokens.decode(signer.signed(segment, b64(PAYLOAD)))


def with_low_bit(segment: str) -> str:
    """The segment with one unused bit of its last character set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) | 1]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda segment: segment + "=" * (-len(segment) % 4), id="padding"),
        pytest.param(with_low_bit, id="an unused bit"),
        pytest.param(lambda segment: segment[:8] + "\n" + segment[8:], id="a newline"),
        pytest.param(lambda segment: segment[:8] + " " + segment[8:], id="a space"),
    ],
)
def test_sec_004_neither_has_the_payload(
    tokens: SignedTokens, signer: Signer, change: Callable[[str], str]
) -> None:
    header = signer.token(b"").split(".")[0]
    segment = b64(PAYLOAD + b" " * (1 - len(PAYLOAD) % 3))
    assert len(segment) % 4
    assert tokens.decode(signer.signed(header, segment)).strip() == PAYLOAD
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(signer.signed(header, change(segment)))


# SEC-013: one format where the other is expected.


def test_sec_013_an_encrypted_token_is_no_signed_one_nor_the_other_way_round(
    tokens: SignedTokens, signer: Signer
) -> None:
    encrypted = EncryptedTokens(authjs_keys([SECRET.encode()], NAME))
    with pytest.raises(TokenInvalid, match="malformed"):
        tokens.decode(encrypted.encode(PAYLOAD))
    with pytest.raises(TokenInvalid, match="malformed"):
        encrypted.decode(signer.token(PAYLOAD))
    # Nor a token in a token.
    with pytest.raises(TokenInvalid):
        encrypted.decode(signer.token(encrypted.encode(PAYLOAD).encode()))


# Our own block.

PRIVATE = {"account": {"provider": "google", "provider_account_id": "42"}, "grant": "g" * 22}


def with_block(block: object, **claims: object) -> bytes:
    payload = {"sub": "u1", **claims, "_session": block}
    return json.dumps(payload, separators=(",", ":")).encode()


def payload_of(token: str) -> dict[str, Any]:
    """What everybody can read."""
    payload: dict[str, Any] = json.loads(unb64(token.split(".")[1]))
    return payload


def test_our_own_block_comes_back_as_it_was(tokens: SignedTokens) -> None:
    payload = with_block(PRIVATE, name="Zoë 🦊", n=[1, 1.5, None, True, {"x": "\u2028"}])
    again = tokens.decode(tokens.encode(payload))
    assert json.loads(again) == json.loads(payload)


#: Every text but lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = TEXTS | st.just("_session")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)


@given(claims=st.dictionaries(NAMES, JSON), private=st.dictionaries(NAMES, JSON, min_size=1))
def test_whatever_is_in_the_claims_and_in_our_own_block_comes_back(
    claims: dict[str, Any], private: dict[str, Any]
) -> None:
    tokens = made_with()
    for whole in ({**claims, "_session": private}, {**claims, "_session": {}}):
        token = tokens.encode(strict_json.dump(whole))
        assert strict_json.parse_object(tokens.decode(token)) == whole
        everybodys = payload_of(token)
        sealed = everybodys.pop("_session")
        assert everybodys == {name: claims[name] for name in claims if name != "_session"}
        assert strict_json.parse_object(block_format().decode(sealed)) == whole["_session"]


def test_nobody_else_can_read_our_own_block(tokens: SignedTokens) -> None:
    token = tokens.encode(with_block(PRIVATE, email="ada@example.com"))
    everybodys = payload_of(token)
    assert everybodys.keys() == {"sub", "email", "_session"}
    sealed = everybodys["_session"]
    # Encrypted with a key of its own: a token of five parts.
    assert header_of(sealed) == {
        "alg": "dir",
        "enc": "A256CBC-HS512",
        "kid": header_of(sealed)["kid"],
    }
    shown = b"".join(unb64(part) for part in (*token.split("."), *sealed.split(".")))
    for hidden in (b"google", b'"42"', b"gggg", b"account", b"grant"):
        assert hidden not in shown


def test_two_tokens_of_one_session_have_no_block_in_common(tokens: SignedTokens) -> None:
    """Who sees both cannot tell from them whether anything in it changed."""
    one, other = (payload_of(tokens.encode(with_block(PRIVATE)))["_session"] for _ in range(2))
    assert one.split(".")[2:] != other.split(".")[2:]


def test_a_token_without_our_block_gets_none(tokens: SignedTokens) -> None:
    assert payload_of(tokens.encode(PAYLOAD)) == json.loads(PAYLOAD)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"name":"\\"_session\\""}', id="in a text"),
        pytest.param(b'{"x":{"_session":{"a":1}}}', id="deeper"),
        pytest.param(b'{"x":["_session"]}', id="in an array"),
        pytest.param(b'{"x":"_session"}', id="as a value"),
    ],
)
def test_the_name_of_our_block_elsewhere_is_nothing_special(
    tokens: SignedTokens, payload: bytes
) -> None:
    token = tokens.encode(payload)
    assert payload_of(token) == json.loads(payload)
    assert json.loads(tokens.decode(token)) == json.loads(payload)


def block_of(payload: bytes, secret: str = SECRET, name: str = BLOCK) -> str:
    return forge(content_key(secret, name), payload)


GRANT = json.dumps(PRIVATE).encode()

#: Blocks that this package does not write, in a token that is authentic.
BLOCKS: dict[str, object] = {
    "plain JSON": PRIVATE,
    "plain JSON as a text": GRANT.decode(),
    "an empty object": {},
    "an array": [PRIVATE],
    "null": None,
    "a number": 7,
    "true": True,
    "an empty text": "",
    "base64url of it": b64(GRANT),
    "an unsecured JWS": f"{b64(b'{}')}.{b64(GRANT)}.",
    "under the key of the session cookie": block_of(GRANT, name=NAME),
    "under the key of the refresh cookie": block_of(GRANT, name="jwtsession.refresh-token"),
    "under the key of a login cookie": block_of(GRANT, name="jwtsession.login"),
    "of another cookie's tokens": block_of(GRANT, name=f"__Host-{NAME} _session"),
    "of another secret": block_of(GRANT, OTHER_SECRET),
    "changed": block_of(GRANT)[:-4] + "AAAA",
    "no JSON": block_of(b"grant"),
    "an encrypted array": block_of(b"[]"),
    "an encrypted text": block_of(b'"x"'),
    "encrypted, two of one name": block_of(b'{"gen":0,"gen":1}'),
    "encrypted, nothing": block_of(b""),
    "encrypted twice": block_of(json.dumps(block_of(GRANT)).encode()),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_is_not_encrypted_as_ours_is_refused(
    tokens: SignedTokens, signer: Signer, block: object
) -> None:
    token = signer.token(with_block(block))
    with pytest.raises(TokenInvalid) as caught:
        tokens.decode(token)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"sub":"u1","\\u005fsession":{"grant":"g"}}', id="an escaped character"),
        pytest.param(
            b'{"sub":"u1","\\u005f\\u0073ession":{"grant":"g"}}', id="two escaped characters"
        ),
        pytest.param(
            b'{"sub":"u1","x":"\\"_session\\"","\\u005fsession":{"grant":"g"}}',
            id="escaped, and the name in a text",
        ),
    ],
)
def test_a_block_is_no_plain_json_however_its_name_is_written(
    tokens: SignedTokens, signer: Signer, payload: bytes
) -> None:
    """One text of JSON is as good as the other to whoever reads the claims afterwards."""
    try:
        opened = tokens.decode(signer.token(payload))
    except TokenInvalid:
        return
    assert "_session" not in json.loads(opened)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"_session":1,"_session":2}', id="twice"),
        pytest.param(b'{"_session":', id="cut off"),
        pytest.param(b'["_session"]', id="in an array"),
        pytest.param(b'"_session"', id="a text"),
        pytest.param(b'{"_session":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="10000 deep"),
        pytest.param(b'{"_session":NaN}', id="NaN"),
        pytest.param(b'{"_session":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"x":"\\ud800","_session":"x"}', id="a lone surrogate"),
    ],
)
def test_a_payload_around_a_block_that_is_no_json_has_no_claims(
    tokens: SignedTokens, signer: Signer, payload: bytes
) -> None:
    with pytest.raises((TokenInvalid, ValueError)):
        strict_json.parse_object(tokens.decode(signer.token(payload)))


def test_a_block_changed_on_its_way_is_refused(tokens: SignedTokens) -> None:
    """And so is one put into another token: whoever has two tokens has no key."""
    one, other = (tokens.encode(with_block({**PRIVATE, "gen": n}, n=n)) for n in range(2))
    header, _, signature = one.split(".")
    swapped = {**payload_of(one), "_session": payload_of(other)["_session"]}
    without = {name: value for name, value in payload_of(one).items() if name != "_session"}
    for changed in (swapped, without):
        text = json.dumps(changed, separators=(",", ":")).encode()
        with pytest.raises(TokenInvalid, match="signature"):
            tokens.decode(f"{header}.{b64(text)}.{signature}")


def test_our_block_outlives_the_replacement_of_the_signing_key_and_of_the_secret() -> None:
    token = made_with(OURS["RS256"].pem).encode(with_block(PRIVATE))
    both = EncryptedTokens(authjs_keys([OTHER_SECRET.encode(), SECRET.encode()], BLOCK))
    rotated = SignedTokens([key_of(OURS["ES256"].pem), key_of(OURS["RS256"].public_pem)], both)
    assert json.loads(rotated.decode(token))["_session"] == PRIVATE


def test_a_block_under_a_secret_that_is_gone_takes_its_token_with_it() -> None:
    """Without it nobody could say whose account it is."""
    token = made_with(OURS["RS256"].pem).encode(with_block(PRIVATE))
    with pytest.raises(TokenInvalid, match="unknown_key"):
        SignedTokens([key_of(OURS["RS256"].pem)], block_format(OTHER_SECRET)).decode(token)

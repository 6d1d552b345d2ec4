"""Signatures of a provider's tokens: whose key, which algorithm, and everything that is neither."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from flask_jwtsession.providers.reasons import Untrusted, Unusable
from flask_jwtsession.providers.signed_tokens import (
    ALGORITHMS,
    PublishedKey,
    SignedToken,
    UnknownKey,
    read_key_set,
    verify_signature,
)

from .forged_tokens import b64, unb64

CLIENT_SECRET = "a client's secret, 0123456789 abcd"
CLAIMS = {"iss": "https://id.example.com", "sub": "u1"}

# Made once: an RSA key takes its time.
RSA = RSAKey.generate_key(2048)
KEYS: dict[str, Key] = {
    "RSA": RSA,
    "another RSA": RSAKey.generate_key(2048),
    "P-256": ECKey.generate_key("P-256"),
    "another P-256": ECKey.generate_key("P-256"),
    "P-384": ECKey.generate_key("P-384"),
    "P-521": ECKey.generate_key("P-521"),
    "secp256k1": ECKey.generate_key("secp256k1"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
    "Ed448": OKPKey.generate_key("Ed448"),
    "X25519": OKPKey.generate_key("X25519"),
    "oct": OctKey.import_key(CLIENT_SECRET.encode()),
}
#: By the algorithm, a key that it can sign with.
SIGNERS = {
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "RSA"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}


def jwk(name: str, /, **more: object) -> dict[str, Any]:
    """The public part of a key, with ``more`` in it or instead."""
    return {**KEYS[name].as_dict(private=False), **more}


def key_set(*members: object) -> tuple[PublishedKey, ...]:
    return read_key_set({"keys": list(members)})


def token(
    signer: str = "RSA",
    alg: str = "RS256",
    payload: Mapping[str, Any] | bytes = CLAIMS,
    *,
    protected: bytes | None = None,
    **header: object,
) -> str:
    """A token that the key ``signer`` signed with ``alg``, whatever its header says.

    ``header`` is added to the honest header or replaces parts of it, and a value of None takes a
    part out; ``protected`` replaces it all.
    """
    honest = {"alg": alg, "typ": "JWT", **header}
    members = {name: value for name, value in honest.items() if value is not None}
    first = json.dumps(members).encode() if protected is None else protected
    second = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"{b64(first)}.{b64(second)}"
    if alg == "none":
        return f"{signed}."
    return f"{signed}.{b64(JWSRegistry.algorithms[alg].sign(signed.encode(), KEYS[signer]))}"


def verify(text: object, *members: object, algorithms: frozenset[str] = ALGORITHMS) -> SignedToken:
    return verify_signature(text, key_set(*(members or (jwk("RSA"),))), algorithms)


def reason(text: object, *members: object, algorithms: frozenset[str] = ALGORITHMS) -> str:
    with pytest.raises(Untrusted) as caught:
        verify(text, *members, algorithms=algorithms)
    assert caught.value.__cause__ is None
    return str(caught.value)


# Good ones.


@pytest.mark.parametrize(("alg", "signer"), SIGNERS.items())
@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
def test_every_algorithm_that_only_a_provider_can_sign_with_is_taken(alg: str, signer: str) -> None:
    found = verify(token(signer, alg, kid="k1"), jwk(signer, kid="k1", alg=alg, use="sig"))
    assert found.claims == CLAIMS
    assert found.header == {"alg": alg, "typ": "JWT", "kid": "k1"}
    assert found.key.kid == "k1"


def test_the_algorithms_are_these() -> None:
    assert set(SIGNERS) == ALGORITHMS


def test_the_repr_of_a_token_shows_nothing_of_the_person() -> None:
    shown = repr(verify(token(payload={"email": "ada@example.com"})))
    assert "ada" not in shown
    assert str(jwk("RSA")["n"])[:20] not in shown


# Bad ones.


def forged(alg: str, secret: bytes) -> str:
    """A token with an HMAC for its signature."""
    signed = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    digest = f"sha{alg[-3:]}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}"


def with_signature(text: str, signature: bytes) -> str:
    return f"{text.rpartition('.')[0]}.{b64(signature)}"


PEM = RSA.as_bytes(encoding="PEM", private=False)
DER = RSA.as_bytes(encoding="DER", private=False)
GOOD = token()
SIGNATURE = unb64(GOOD.rpartition(".")[2])

BAD_SIGNATURES = {
    "SEC-165 attacker's key": token("another RSA"),
    "SEC-165 attacker's key, embedded": token("another RSA", jwk=jwk("another RSA")),
    "SEC-165 attacker's key, at a jku": token("another RSA", jku="https://evil.example/jwks"),
    "SEC-165 attacker's key, at an x5u": token("another RSA", x5u="https://evil.example/x5"),
    "SEC-165 attacker's key, in an x5c": token("another RSA", x5c=["MIIB"]),
    "SEC-165 no signature": with_signature(GOOD, b""),
    "SEC-165 a zero byte": with_signature(GOOD, b"\0"),
    "SEC-165 zeros": with_signature(GOOD, bytes(256)),
    "SEC-165 a byte less": with_signature(GOOD, SIGNATURE[:-1]),
    "SEC-165 a byte more": with_signature(GOOD, SIGNATURE + b"\0"),
    "SEC-165 a signature in reverse": with_signature(GOOD, SIGNATURE[::-1]),
    "SEC-165 signature of another payload": with_signature(token(payload={"sub": "u2"}), SIGNATURE),
    "SEC-165 signed with another hash": token(alg="RS512", protected=b'{"alg":"RS256"}'),
    "SEC-165 signed with another padding": token(alg="PS256", protected=b'{"alg":"RS256"}'),
}


@pytest.mark.parametrize("text", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES)
def test_a_token_that_the_key_did_not_sign_is_refused(text: str) -> None:
    assert verify(GOOD).claims == CLAIMS
    assert reason(text) == ("malformed" if len(text.partition(".")[0]) > 512 else "signature")


BAD_ALGORITHMS = {
    "SEC-165 none": token(alg="none"),
    "SEC-165 none, with a signature": token(protected=b'{"alg":"none"}'),
    "SEC-165 None": token(protected=b'{"alg":"None"}'),
    "SEC-165 nOnE": token(protected=b'{"alg":"nOnE"}'),
    "SEC-165 an empty one": token(protected=b'{"alg":""}'),
    "SEC-165 null": token(protected=b'{"alg":null}'),
    "SEC-165 a number": token(protected=b'{"alg":7}'),
    "SEC-165 an array": token(protected=b'{"alg":["RS256"]}'),
    "SEC-165 an object": token(protected=b'{"alg":{"RS256":1}}'),
    "SEC-165 in small letters": token(protected=b'{"alg":"rs256"}'),
    "SEC-165 with a space": token(protected=b'{"alg":"RS256 "}'),
    "SEC-165 unknown": token(protected=b'{"alg":"XS256"}'),
    "SEC-165 RS1": token(protected=b'{"alg":"RS1"}'),
    "SEC-165 of another curve": token(protected=b'{"alg":"ES256K"}'),
    "SEC-165 of encryption": token(protected=b'{"alg":"RSA-OAEP"}'),
    "SEC-165 dir": token(protected=b'{"alg":"dir"}'),
    "SEC-165 HS256 with the client secret": forged("HS256", CLIENT_SECRET.encode()),
    "SEC-165 HS384 with the client secret": forged("HS384", CLIENT_SECRET.encode()),
    "SEC-165 HS512 with the client secret": forged("HS512", CLIENT_SECRET.encode()),
    "SEC-165 HS256 with the public key": forged("HS256", PEM),
    "SEC-165 HS256 with the public key, stripped": forged("HS256", PEM.strip()),
    "SEC-165 HS256 with the public key in DER": forged("HS256", DER),
    "SEC-165 HS256 with the modulus": forged("HS256", unb64(str(jwk("RSA")["n"]))),
    "SEC-165 HS256 with nothing": forged("HS256", b""),
}


@pytest.mark.parametrize("text", BAD_ALGORITHMS.values(), ids=BAD_ALGORITHMS)
def test_an_algorithm_that_others_could_sign_with_is_refused(text: str) -> None:
    assert reason(text) == "algorithm"
    # Whatever the provider or the application lists.
    listed = ALGORITHMS | {"none", "None", "nOnE", "", "HS256", "HS384", "HS512", "RS1", "ES256K"}
    assert reason(text, jwk("RSA"), jwk("oct"), algorithms=listed) == "algorithm"


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_sec_166_an_algorithm_that_was_not_agreed_on_is_refused(alg: str) -> None:
    text = token(alg=alg)
    assert verify(text).claims == CLAIMS
    assert reason(text, algorithms=frozenset({"RS256"})) == "algorithm"
    assert reason(text, algorithms=frozenset({"RS256", "none", "HS256"})) == "algorithm"
    assert reason(text, algorithms=frozenset()) == "algorithm"


BAD_HEADERS = {
    "SEC-165 b64 without crit": token(b64=False),
    "SEC-165 typ is a number": token(typ=7),
    "SEC-165 jwk is a text": token(jwk="x"),
    "SEC-165 jku is a file": token(jku="file:///etc/passwd"),
    "SEC-165 x5c is a text": token(x5c="MIIB"),
    "SEC-165 a header of ten kilobytes": token(pad="x" * 10_000),
}


@pytest.mark.parametrize("text", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_is_not_understood_is_refused(text: str) -> None:
    assert reason(text) in ("malformed", "signature")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"crit": ["x"], "x": 1}, id="SEC-165 unknown"),
        pytest.param({"crit": ["x"]}, id="SEC-165 of what is not there"),
        pytest.param({"crit": ["exp"], "exp": 1}, id="SEC-165 a claim"),
        pytest.param({"crit": ["alg"]}, id="SEC-165 of what is standard"),
        pytest.param({"crit": ["b64"], "b64": True}, id="SEC-165 b64"),
        pytest.param({"crit": []}, id="SEC-165 empty"),
        pytest.param({"crit": "x", "x": 1}, id="SEC-165 a text"),
        pytest.param({"crit": 7}, id="SEC-165 a number"),
        pytest.param({"crit": [7]}, id="SEC-165 a list of numbers"),
        pytest.param({"crit": [["x"]]}, id="SEC-165 a list of lists"),
        pytest.param({"crit": False}, id="SEC-165 false"),
    ],
)
def test_a_token_with_critical_extensions_is_refused(header: dict[str, Any]) -> None:
    assert reason(token(**header)) == "crit"


def test_sec_165_a_token_whose_payload_is_not_encoded_is_refused() -> None:
    # RFC 7797: the same signature could hold for two payloads.
    first = b64(b'{"alg":"RS256","b64":false,"crit":["b64"]}')
    payload = json.dumps(CLAIMS)
    signature = JWSRegistry.algorithms["RS256"].sign(f"{first}.{payload}".encode(), RSA)
    assert reason(f"{first}.{payload}.{b64(signature)}") in ("malformed", "crit")


def test_a_header_may_have_more_than_is_needed() -> None:
    assert verify(token(nonce="n", x5t="x", jku="https://id.example.com/jwks")).claims == CLAIMS


SEGMENTS = GOOD.split(".")
GARBAGE: dict[str, object] = {
    "SEC-165 absent": None,
    "SEC-165 empty": "",
    "SEC-165 a number": 7,
    "SEC-165 true": True,
    "SEC-165 an array": [GOOD],
    "SEC-165 an object": {"payload": SEGMENTS[1], "signature": SEGMENTS[2]},
    "SEC-165 bytes": GOOD.encode(),
    "SEC-165 JSON serialization": json.dumps(
        {"protected": SEGMENTS[0], "payload": SEGMENTS[1], "signature": SEGMENTS[2]}
    ),
    "SEC-165 a word": "garbage",
    "SEC-165 dots": "..",
    "SEC-165 one segment": SEGMENTS[0],
    "SEC-165 two segments": ".".join(SEGMENTS[:2]),
    "SEC-165 four segments": f"{GOOD}.",
    "SEC-165 five segments": f"{GOOD}..",
    "SEC-165 no header": f".{SEGMENTS[1]}.{SEGMENTS[2]}",
    "SEC-165 a hundred thousand dots": "." * 100_000,
    "SEC-165 a megabyte": "a" * 2**20,
    "SEC-165 a long payload": token(payload={"pad": "x" * 64 * 1024}),
    "SEC-165 not ASCII": GOOD[:-1] + "\u0430",
    "SEC-165 a surrogate": GOOD + "\ud800",
    "SEC-165 a line break": GOOD + "\n",
    "SEC-165 a space before": " " + GOOD,
    "SEC-165 quoted": f'"{GOOD}"',
    "SEC-165 padded": f"{SEGMENTS[0]}=.{SEGMENTS[1]}.{SEGMENTS[2]}",
    "SEC-165 header of another alphabet": f"+/{SEGMENTS[0]}.{SEGMENTS[1]}.{SEGMENTS[2]}",
    "SEC-165 header is no JSON": token(protected=b"{"),
    "SEC-165 header is an array": token(protected=b'["alg"]'),
    "SEC-165 header is a text": token(protected=b'"alg"'),
    "SEC-165 header is a number": token(protected=b"7"),
    "SEC-165 header is null": token(protected=b"null"),
    "SEC-165 header is not UTF-8": token(protected=b'{"alg":"\xff"}'),
    "SEC-165 header without alg": token(protected=b"{}"),
    "SEC-165 header nested deeply": token(protected=b"[" * 300),
    "SEC-165 payload of another alphabet": f"{SEGMENTS[0]}.+/{SEGMENTS[1]}.{SEGMENTS[2]}",
    "SEC-165 an encrypted token": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc",
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_token_is_refused(text: object) -> None:
    assert reason(text) in ("malformed", "algorithm", "signature")


PAYLOADS = {
    "empty": b"",
    "no JSON": b"{",
    "an array": b"[]",
    "a text": b'"sub"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"exp":NaN}',
    "Infinity": b'{"exp":Infinity}',
    "1e400": b'{"exp":1e400}',
    "two equal names": b'{"sub":"u1","sub":"u2"}',
    "two equal names, one escaped": b'{"sub":"u1","\\u0073ub":"u2"}',
    "a lone surrogate": b'{"sub":"\\ud800"}',
    "not UTF-8": b'{"sub":"\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"sub":"u1"}'.encode("utf-16"),
    "trailing text": b'{"sub":"u1"}x',
    "nested deeply": b'{"a":' * 1000 + b"7" + b"}" * 1000,
    "a number of five thousand digits": b'{"exp":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_sec_165_a_payload_that_is_no_json_object_is_refused(payload: bytes) -> None:
    assert reason(token(payload=payload)) == "signature"


@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("signer", "alg"), [("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")]
)
def test_sec_165_any_token_with_one_other_character_is_refused(signer: str, alg: str) -> None:
    text, keys = token(signer, alg), key_set(jwk(signer))
    characters = st.sampled_from(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= \n\0{}\u00e9"
    )

    @settings(max_examples=300)
    @given(st.integers(0, len(text) - 1), characters | st.just(""), st.booleans())
    def check(position: int, character: str, is_added: bool) -> None:
        changed = text[:position] + character + text[position + (not is_added) :]
        if changed == text:
            return
        with pytest.raises(Untrusted):
            verify_signature(changed, keys, ALGORITHMS)

    check()


@pytest.mark.filterwarnings("ignore:EdDSA:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("signer", "alg"), [("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")]
)
def test_sec_165_the_last_character_of_a_signature_has_one_spelling(signer: str, alg: str) -> None:
    # It holds fewer than six bits of the signature.
    text, keys = token(signer, alg), key_set(jwk(signer))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for character in alphabet:
        try:
            verify_signature(text[:-1] + character, keys, ALGORITHMS)
        except Untrusted:
            continue
        accepted.append(character)
    assert accepted == [text[-1]]


@given(st.text() | st.binary().map(b64) | st.lists(st.binary().map(b64)).map(".".join))
def test_sec_165_whatever_comes_it_is_untrusted(text: str) -> None:
    with pytest.raises(Untrusted):
        verify_signature(text, key_set(jwk("RSA")), ALGORITHMS)


# Which key.

A, B = "RSA", "another RSA"


@pytest.mark.parametrize(
    ("members", "header"),
    [
        pytest.param([jwk(A, kid="a")], {"kid": "a"}, id="the kid"),
        pytest.param([jwk(B, kid="b"), jwk(A, kid="a")], {"kid": "a"}, id="the kid of two"),
        pytest.param([jwk(A, kid="a")], {}, id="no kid in the token, one key"),
        pytest.param([jwk(A)], {}, id="no kid anywhere, one key"),
        pytest.param([jwk(A), jwk("P-256"), jwk("Ed25519")], {}, id="no kid, one key of its type"),
        pytest.param([jwk(A, alg="RS256"), jwk(B, alg="RS512")], {}, id="no kid, one of its alg"),
        pytest.param([jwk(A, use="sig"), jwk(B, use="enc")], {}, id="no kid, one for signatures"),
        pytest.param([jwk(A), jwk(B, alg="RSA-OAEP")], {}, id="no kid, another for encryption"),
        pytest.param(
            [jwk(A, kid="a", use="sig"), jwk(B, kid="a", use="enc")],
            {"kid": "a"},
            id="one kid, one for signatures",
        ),
        pytest.param(
            [jwk(A, kid="a"), jwk("P-256", kid="a")], {"kid": "a"}, id="one kid, two types"
        ),
        pytest.param([jwk(A, kid="")], {"kid": ""}, id="an empty kid"),
        pytest.param([jwk(A, key_ops=["verify"])], {}, id="key_ops of verification"),
        pytest.param([jwk(A, ext=True, x5t="x", more={"a": 1})], {}, id="more members"),
        pytest.param([jwk(A, x5c=["MIIB"], x5u="https://a.example/")], {}, id="certificates"),
        pytest.param([jwk("oct"), jwk(A)], {}, id="a symmetric key beside it"),
        pytest.param([{"kty": "PQC", "pub": "x"}, jwk(A)], {}, id="an unknown type beside it"),
        pytest.param([None, 7, "x", [], {}, jwk(A)], {}, id="garbage beside it"),
    ],
)
def test_the_key_that_can_have_signed_is_found(members: list[Any], header: dict[str, Any]) -> None:
    assert verify(token(**header), *members).claims == CLAIMS


@pytest.mark.parametrize(
    ("members", "header"),
    [
        pytest.param([], {}, id="no keys"),
        pytest.param([], {"kid": "a"}, id="no keys, but a kid"),
        pytest.param([jwk(A, kid="a")], {"kid": "b"}, id="another kid"),
        pytest.param([jwk(A)], {"kid": "a"}, id="a kid, a key without"),
        pytest.param([jwk(A, kid="a")], {"kid": "A"}, id="a kid in capitals"),
        pytest.param([jwk(A, kid="a")], {"kid": ""}, id="an empty kid"),
        pytest.param([jwk(A, kid="7")], {"kid": 7}, id="a kid that is a number"),
        pytest.param([jwk(A, kid="a")], {"kid": ["a"]}, id="a kid that is an array"),
        pytest.param([jwk(A, kid="a")], {"kid": {"a": 1}}, id="a kid that is an object"),
        pytest.param([jwk(A, kid="a")], {"kid": "../../a"}, id="a kid that is a path"),
        pytest.param([jwk(A, kid="a")], {"kid": "' OR 1=1 --"}, id="a kid that is SQL"),
        pytest.param([jwk(A), jwk(B)], {}, id="no kid, two keys"),
        pytest.param([jwk(A, kid="a"), jwk(B, kid="b")], {}, id="no kid, two keys with one"),
        pytest.param([jwk(A, kid="a"), jwk(B, kid="a")], {"kid": "a"}, id="one kid, two keys"),
        pytest.param([jwk(A, kid="a"), jwk(A, kid="a")], {"kid": "a"}, id="one key twice"),
        pytest.param([jwk(A, use="enc")], {}, id="a key for encryption"),
        pytest.param([jwk(A, kid="a", use="enc")], {"kid": "a"}, id="the kid of one"),
        pytest.param([jwk(A, use="SIG")], {}, id="use in capitals"),
        pytest.param([jwk(A, use=None)], {}, id="use is null"),
        pytest.param([jwk(A, use=["sig"])], {}, id="use is an array"),
        pytest.param([jwk(A, alg="RS512")], {}, id="a key for another algorithm"),
        pytest.param([jwk(A, kid="a", alg="PS256")], {"kid": "a"}, id="the kid of one such"),
        pytest.param([jwk(A, alg="RSA-OAEP")], {}, id="a key for an algorithm of encryption"),
        pytest.param([jwk("P-256", kid="a")], {"kid": "a"}, id="a key of another type"),
        pytest.param([jwk("oct", kid="a")], {"kid": "a"}, id="a symmetric key"),
        pytest.param([jwk(A, kid=7)], {}, id="the key's kid is a number"),
        pytest.param([jwk(A, alg=7)], {}, id="the key's alg is a number"),
        pytest.param([jwk(A, issuer=7)], {}, id="the key's issuer is a number"),
        pytest.param([jwk(A, kty="rsa")], {}, id="the key's type in small letters"),
        pytest.param([jwk(A, kty=["RSA"])], {}, id="the key's type is an array"),
        pytest.param([{"kty": "RSA", "k": "x"}], {}, id="a key without members"),
    ],
)
def test_sec_165_a_key_that_is_not_there_or_may_be_any_of_several_is_unknown(
    members: list[Any], header: dict[str, Any]
) -> None:
    # So the caller looks for a newer key set.
    with pytest.raises(UnknownKey):
        verify_signature(token(**header), key_set(*members), ALGORITHMS)


@pytest.mark.parametrize("alg", ["HS256", "none"])
def test_a_refused_algorithm_is_no_reason_to_look_for_newer_keys(alg: str) -> None:
    with pytest.raises(Untrusted) as caught:
        verify(token("oct", alg), jwk("oct"))
    assert not isinstance(caught.value, UnknownKey)


def test_a_bad_signature_is_no_reason_to_look_for_newer_keys() -> None:
    with pytest.raises(Untrusted) as caught:
        verify(token("another RSA", kid="a"), jwk("RSA", kid="a"))
    assert not isinstance(caught.value, UnknownKey)


@pytest.mark.parametrize(
    ("signer", "alg", "shown"),
    [
        pytest.param("P-384", "ES384", "P-256", id="another curve than the key's"),
        pytest.param("another P-256", "ES256", "P-256", id="another key of the curve"),
        pytest.param("P-256", "ES256", "secp256k1", id="Bitcoin's curve"),
        pytest.param("P-256", "ES256", "P-521", id="a longer curve"),
        pytest.param("Ed25519", "Ed25519", "X25519", id="a key for agreement"),
        pytest.param("Ed25519", "Ed25519", "Ed448", id="a longer Edwards curve"),
    ],
)
def test_sec_165_a_key_of_another_curve_verifies_nothing(signer: str, alg: str, shown: str) -> None:
    assert reason(token(signer, alg), jwk(shown)) == "signature"


@pytest.mark.parametrize(
    "signature",
    [bytes(64), bytes(31) + b"\1" + bytes(31) + b"\1", b"\xff" * 64, bytes(63), bytes(65), b""],
    ids=["zeros", "ones", "all bits", "63 bytes", "65 bytes", "empty"],
)
def test_sec_165_no_signature_of_a_curve_holds_for_everything(signature: bytes) -> None:
    assert reason(with_signature(token("P-256", "ES256"), signature), jwk("P-256")) == "signature"
    assert (
        reason(with_signature(token("Ed25519", "Ed25519"), signature), jwk("Ed25519"))
        == "signature"
    )


# Key sets.


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": "x"},
        {"keys": 7},
        {"keys": [jwk("P-256")] * 101},
        {"key": [jwk("RSA")]},
        jwk("RSA"),
    ],
    ids=["empty", "null", "an object", "a text", "a number", "101 keys", "a typo", "one key"],
)
def test_sec_164_a_document_that_is_no_key_set_is_unusable(document: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match="key_set"):
        read_key_set(document)


def test_a_key_set_may_be_empty_or_have_a_hundred_keys() -> None:
    assert key_set() == ()
    assert len(key_set(*[jwk("P-256")] * 100)) == 100


def test_what_a_key_says_of_itself_is_kept() -> None:
    (key,) = key_set(jwk("RSA", kid="k1", alg="RS256", issuer="https://id.example.com"))
    assert (key.kid, key.key_type, key.alg) == ("k1", "RSA", "RS256")
    assert key.issuer == "https://id.example.com"


HOSTILE_KEYS = {
    "n is zero": jwk("RSA", n="AA"),
    "n is empty": jwk("RSA", n=""),
    "n is a number": jwk("RSA", n=7),
    "n is an array": jwk("RSA", n=["AQAB"]),
    "n is null": jwk("RSA", n=None),
    "n is no base64url": jwk("RSA", n="+/=="),
    "n is not ASCII": jwk("RSA", n="\u00e9"),
    "e is zero": jwk("RSA", e="AA"),
    "e is one": jwk("RSA", e="AQ"),
    "e is even": jwk("RSA", e="Ag"),
    "e is as long as n": jwk("RSA", e=jwk("RSA")["n"]),
    "no e": {"kty": "RSA", "n": jwk("RSA")["n"]},
    "an unknown curve": jwk("P-256", crv="P-999"),
    "a curve that is a number": jwk("P-256", crv=7),
    "a curve that is an array": jwk("P-256", crv=["P-256"]),
    "no curve": {name: value for name, value in jwk("P-256").items() if name != "crv"},
    "a point off the curve": jwk("P-256", x="AQ"),
    "a point at infinity": jwk("P-256", x="AA", y="AA"),
    "a point of another curve": jwk("P-256", crv="P-521"),
    "no y": {name: value for name, value in jwk("P-256").items() if name != "y"},
    "a short x": jwk("Ed25519", x="AA"),
    "a long x": jwk("Ed25519", x="A" * 400),
    "an unknown Edwards curve": jwk("Ed25519", crv="Ed999"),
    "an Edwards curve that is null": jwk("Ed25519", crv=None),
    "a modulus of a megabit": jwk("RSA", n=b64(b"\xff" * 125_000)),
}


@pytest.mark.parametrize("member", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
def test_sec_164_a_key_that_is_none_is_left_out(member: dict[str, Any]) -> None:
    assert [key.kid for key in key_set(member, jwk("RSA", kid="good"))] == ["good"]


def test_sec_164_a_symmetric_key_is_left_out() -> None:
    assert key_set(KEYS["oct"].as_dict(private=True)) == ()


@pytest.mark.parametrize("name", ["RSA", "P-256", "Ed25519"])
@pytest.mark.parametrize("members", ["all", "d only"])
def test_sec_164_nothing_is_computed_from_the_private_part_of_a_published_key(
    name: str, members: str
) -> None:
    # From the "d" of an RSA key its primes would be: hours, for one that is long enough.
    published = KEYS[name].as_dict(private=True)
    if members == "d only":
        published = {
            member: value
            for member, value in published.items()
            if member not in ("p", "q", "dp", "dq", "qi")
        }
    assert not any(key.key.is_private for key in key_set(published))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", ["RSA", "P-256", "Ed25519"])
def test_sec_164_whatever_a_key_set_holds_it_is_read(name: str) -> None:
    members = sorted({*jwk(name), "use", "key_ops", "alg", "kid", "x5c", "x5u", "x5t", "issuer"})

    @given(st.dictionaries(st.sampled_from(members), JSON | st.binary().map(b64)) | JSON)
    def check(more: Any) -> None:
        member = jwk(name) | more if isinstance(more, dict) else more
        found = key_set(member)
        assert len(found) <= 1
        try:
            verify_signature(token("P-256", "ES256"), found, ALGORITHMS)
        except Untrusted:
            return
        assert name == "P-256"

    check()

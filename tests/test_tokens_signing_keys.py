"""Signing keys: the PEM texts that are keys, what is published of them, and the derived ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from flask_jwtsession.tokens.signing_keys import derived_keys, read_pem

from .forged_signatures import ASYMMETRIC, OURS, hs256, key_pair
from .forged_tokens import b64, content_key, thumbprint, unb64
from .support import OTHER_SECRET, SECRET

NAME = "jwtsession.session-token"
PASSWORD = "hunter2 hunter2"


def private_pem(
    key: Any,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return text.decode()


def public_pem(key: Any) -> str:
    public = key.public_key()
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


# What is a key.


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_the_kind_of_a_key_decides_its_algorithm(algorithm: str) -> None:
    pair = OURS[algorithm]
    private, public = read_pem(pair.pem), read_pem(pair.public_pem)
    assert private.algorithm == public.algorithm == algorithm
    assert private.private is not None
    assert public.private is None


PEM = OURS["EdDSA"].pem
PUBLIC_PEM = OURS["EdDSA"].public_pem
RSA = OURS["RS256"].private
EC = OURS["ES256"].private

#: Ways to write a key: which one it is, and the text.
TEXTS: dict[str, tuple[str, str | bytes]] = {
    "octets": ("EdDSA", PEM.encode()),
    "no newline at the end": ("EdDSA", PEM.strip()),
    "line ends of Windows": ("EdDSA", PEM.replace("\n", "\r\n")),
    "an empty line before it": ("EdDSA", "\n" + PEM),
    "a comment before it": ("EdDSA", "The key of 2027\n" + PEM),
    "PKCS #1": ("RS256", private_pem(RSA, PrivateFormat.TraditionalOpenSSL)),
    "SEC 1": ("ES256", private_pem(EC, PrivateFormat.TraditionalOpenSSL)),
    "a public key": ("EdDSA", PUBLIC_PEM),
    "a public key as PKCS #1": (
        "RS256",
        RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    ),
}


@pytest.mark.parametrize(("algorithm", "text"), TEXTS.values(), ids=TEXTS)
def test_one_key_has_one_kid_however_it_is_written(algorithm: str, text: str | bytes) -> None:
    key = read_pem(text)
    assert key.algorithm == algorithm
    assert key.kid == OURS[algorithm].kid
    assert key.jwk == OURS[algorithm].jwk


@pytest.mark.parametrize(
    ("algorithm", "arguments"),
    [
        ("EdDSA", "genpkey -algorithm ed25519"),
        ("ES256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        # It writes the parameters before the key.
        ("ES256", "ecparam -name prime256v1 -genkey"),
        ("RS256", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ("RS256", "genrsa 3072"),
    ],
)
def test_what_openssl_writes_is_a_key(algorithm: str, arguments: str) -> None:
    command = ["openssl", *arguments.split()]
    written = subprocess.run(command, capture_output=True, check=True, timeout=60)
    key = read_pem(written.stdout)
    assert key.algorithm == algorithm
    assert key.private is not None


# What is none.


REFUSED: dict[str, tuple[object, str]] = {
    "a file's name": ("/run/secrets/jwt.pem", "not the file's name"),
    "empty": ("", "BEGIN"),
    "the text None": ("None", "BEGIN"),
    "a random secret": (SECRET, "BEGIN"),
    "an OpenSSH public key": ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789 ada", "BEGIN"),
    "DER": (
        RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "BEGIN",
    ),
    "the public key in DER": (OURS["RS256"].public_bytes(Encoding.DER), "BEGIN"),
    "a path": (Path("/run/secrets/jwt.pem"), "PosixPath"),
    "None": (None, "NoneType"),
    "true": (True, "bool"),
    "a number": (7, "int"),
    "a list": ([PEM], "list"),
    "a JWK": (dict(OURS["EdDSA"].jwk), "dict"),
    "a bytearray": (bytearray(PEM.encode()), "bytearray"),
    "a key object": (EC, "PrivateKey"),
    "escaped line ends": (PEM.replace("\n", "\\n"), "backslash"),
    "escaped line ends, and one": (PEM.replace("\n", "\\n") + "\n", "backslash"),
    "escaped line ends in quotes": ('"' + PEM.replace("\n", "\\n") + '"', "backslash"),
    "an escaped public key": (PUBLIC_PEM.replace("\n", "\\n"), "backslash"),
    "a password, PKCS #8": (
        private_pem(EC, encryption=BestAvailableEncryption(PASSWORD.encode())),
        "password",
    ),
    "a password, SEC 1": (
        private_pem(
            EC, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(PASSWORD.encode())
        ),
        "password",
    ),
    "OpenSSH": (private_pem(EC, PrivateFormat.OpenSSH), "no PEM text of a private or public key"),
    "half of it": (PEM[: len(PEM) // 2], "no PEM text of a private or public key"),
    "no last line": ("\n".join(PEM.splitlines()[:-1]), "no PEM text of a private or public key"),
    "one character changed": (PEM.replace("MC4", "MD4"), "no PEM text"),
    "a private key called public": (PEM.replace("PRIVATE", "PUBLIC"), "no PEM text"),
    "a public key called private": (PUBLIC_PEM.replace("PUBLIC", "PRIVATE"), "no PEM text"),
    "a certificate": (PUBLIC_PEM.replace("PUBLIC KEY", "CERTIFICATE"), "no PEM text"),
    "the parameters of a curve": (
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
        "no PEM text",
    ),
    "RSA of 1024 bits": (
        private_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is to be refused
        "2048 bits: 1024",
    ),
    "a public RSA key of 1024 bits": (
        public_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is to be refused
        "2048 bits: 1024",
    ),
    "P-384": (private_pem(ec.generate_private_key(ec.SECP384R1())), "P-256.*secp384r1"),
    "P-521": (private_pem(ec.generate_private_key(ec.SECP521R1())), "P-256.*secp521r1"),
    "secp256k1": (private_pem(ec.generate_private_key(ec.SECP256K1())), "P-256.*secp256k1"),
    "a public key on P-384": (public_pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
    "Ed448": (private_pem(ed448.Ed448PrivateKey.generate()), "Ed25519"),
    "X25519": (private_pem(x25519.X25519PrivateKey.generate()), "Ed25519"),
    "X448": (private_pem(x448.X448PrivateKey.generate()), "Ed25519"),
    "a public X25519 key": (public_pem(x25519.X25519PrivateKey.generate()), "Ed25519"),
    "DSA": (
        private_pem(dsa.generate_private_key(1024)),  # noqa: S505 - it is to be refused
        "Ed25519",
    ),
}


@pytest.mark.parametrize(("value", "said"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_a_text_that_shows_nothing_of_it(
    value: object, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_pem(value)
    assert caught.value.__cause__ is None
    assert not [piece for piece in pieces_of(value) if piece in str(caught.value)]


def pieces_of(value: object) -> list[str]:
    """What of a value may be in no message: each of its longer pieces."""
    text = value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)
    pieces = text.replace("\\n", "\n").split()
    return [piece for piece in pieces if len(piece) >= 10 and "BEGIN" not in piece]


def test_a_text_that_is_no_unicode_is_refused_with_an_error_that_does_not_hold_it() -> None:
    """What Python makes of a binary file that is read as text, if it is told to take anything."""
    text = PEM.replace("MC4", "\udcff")
    with pytest.raises(ValueError, match="PEM") as caught:
        read_pem(text)
    assert text not in vars_of(caught.value)


def vars_of(error: ValueError) -> list[object]:
    return [getattr(error, name) for name in dir(error) if not name.startswith("__")]


# Names: RFC 7638.


def rfc_7638_key() -> str:
    """The public key of section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_B"
        "JECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F"
        "DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4"
        "vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    numbers = rsa.RSAPublicNumbers(65537, int.from_bytes(unb64(n), "big"))
    public = numbers.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def rfc_8037_key() -> str:
    """The key of appendix A.1."""
    d = unb64("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    return private_pem(ed25519.Ed25519PrivateKey.from_private_bytes(d))


@pytest.mark.parametrize(
    ("pem", "kid"),
    [
        pytest.param(
            rfc_7638_key, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", id="RFC 7638 section 3.1"
        ),
        pytest.param(
            rfc_8037_key, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", id="RFC 8037 appendix A.3"
        ),
    ],
)
def test_the_kid_is_the_thumbprint_of_the_rfc(pem: Callable[[], str], kid: str) -> None:
    assert read_pem(pem()).kid == kid


def test_a_coordinate_that_begins_with_zeros_has_all_its_octets() -> None:
    """RFC 7518 section 6.2.1.2: always 32. One key in 256 has such a coordinate."""
    secret = 1
    while True:
        pair = key_pair(ec.derive_private_key(secret, ec.SECP256R1()))
        if unb64(pair.jwk["x"])[0] == 0 or unb64(pair.jwk["y"])[0] == 0:
            break
        secret += 1
    key = read_pem(pair.public_pem)
    assert key.jwk == pair.jwk
    assert key.kid == pair.kid


# What others get to see.


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_of_a_private_key_its_public_members_are_published_and_no_other(algorithm: str) -> None:
    expected = {
        "RS256": {"n", "e"},
        "ES256": {"crv", "x", "y"},
        "EdDSA": {"crv", "x"},
    }
    jwk = read_pem(OURS[algorithm].pem).jwk
    assert jwk is not None
    assert jwk.keys() == {"kty", "kid", "alg", "use"} | expected[algorithm]
    assert (jwk["kid"], jwk["alg"], jwk["use"]) == (OURS[algorithm].kid, algorithm, "sig")


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_sec_059_the_repr_of_a_key_shows_its_name_and_nothing_of_it(algorithm: str) -> None:
    key = read_pem(OURS[algorithm].pem)
    assert repr(key) == f"SigningKey(algorithm={algorithm!r}, kid={key.kid!r})"
    assert str(key) == repr(key)


# Derived keys.


def test_a_derived_key_is_hkdf_of_a_secret_for_one_cookie_name() -> None:
    (key,) = derived_keys([SECRET.encode()], NAME)
    expected = hs256(SECRET, NAME)
    assert (key.algorithm, key.kid) == ("HS256", expected.kid)
    assert key.private == key.public
    assert isinstance(key.private, bytes)
    assert len(key.private) == 32
    assert key.kid == thumbprint(key.private)


def test_every_secret_has_a_derived_key_and_the_first_is_the_newest() -> None:
    keys = derived_keys([SECRET.encode(), OTHER_SECRET.encode()], NAME)
    assert [key.kid for key in keys] == [hs256(one, NAME).kid for one in (SECRET, OTHER_SECRET)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((SECRET, "__Host-jwtsession.session-token"), id="other name"),
        pytest.param((SECRET, f"{NAME} _session"), id="our own block"),
        pytest.param((SECRET, ""), id="no name"),
        pytest.param((OTHER_SECRET, NAME), id="other secret"),
    ],
)
def test_sec_016_a_derived_key_belongs_to_one_secret_and_one_cookie_name(
    other: tuple[str, str],
) -> None:
    (one,), (another,) = (
        derived_keys([SECRET.encode()], NAME),
        derived_keys([other[0].encode()], other[1]),
    )
    assert one.private != another.private
    assert one.kid != another.kid


def test_a_derived_key_is_no_part_of_a_key_that_encrypts() -> None:
    (key,) = derived_keys([SECRET.encode()], NAME)
    assert isinstance(key.private, bytes)
    for enc in ("A256CBC-HS512", "A256GCM"):
        assert key.private not in content_key(SECRET, NAME, enc)


def test_a_derived_key_is_nobody_elses() -> None:
    """Whoever verifies with it can sign with it too."""
    (key,) = derived_keys([SECRET.encode()], NAME)
    assert key.jwk is None


def test_sec_053_the_kid_of_a_derived_key_gives_the_secret_away_to_nobody() -> None:
    (key,) = derived_keys([SECRET.encode()], NAME)
    assert key.kid != thumbprint(SECRET.encode())


def test_sec_059_the_repr_of_a_derived_key_shows_nothing_of_it() -> None:
    (key,) = derived_keys([SECRET.encode()], NAME)
    assert isinstance(key.private, bytes)
    assert repr(key) == f"SigningKey(algorithm='HS256', kid={key.kid!r})"
    assert b64(key.private) not in repr(key)


def test_several_keys_in_one_text_are_refused_and_the_parameters_of_a_curve_are_no_key() -> None:
    with pytest.raises(ValueError, match="more than one key"):
        read_pem(PEM + PEM)
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert read_pem(parameters + curve).algorithm == "ES256"

"""Tokens that a provider signed: the signature, with a key and an algorithm that may be."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from ..tokens import strict_json
from .reasons import Untrusted, Unusable

#: Those with which only the provider can sign. Never "none", and no HMAC, under which whoever has
#: the client's secret, or takes a public key for one, could sign (RFC 8725 sections 3.1 and 3.2).
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
    | {"EdDSA", "Ed25519"}
)
_MAX_LENGTH = 64 * 1024
_MAX_KEYS = 100
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
#: Characters of such a member: an RSA key of 16384 bits, the longest that OpenSSL verifies with.
_MAX_MEMBER = 2731
# By the beginning of the algorithm's name.
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class UnknownKey(Untrusted):
    """The token names a key that the provider's key set does not have, or did not have yet."""


@dataclass(frozen=True)
class PublishedKey:
    """A public key of a provider's key set (RFC 7517). ``issuer`` is a member that Microsoft adds:
    whose tokens the key is for.
    """

    kid: str | None
    key_type: str
    alg: str | None
    issuer: str | None
    key: Key = field(repr=False)


@dataclass(frozen=True)
class SignedToken:
    """A verified token: its header, its claims, and the key that it was verified with."""

    header: Mapping[str, Any]
    claims: dict[str, Any] = field(repr=False)
    key: PublishedKey


def read_key_set(document: Mapping[str, Any]) -> tuple[PublishedKey, ...]:
    """The signature keys of a JWK set. A key that is not understood is left out (RFC 7517 section
    5). Raises :exc:`~.reasons.Unusable` for a document that is no key set.
    """
    members = document.get("keys")
    if not isinstance(members, list) or len(members) > _MAX_KEYS:
        raise Unusable("key_set")
    return tuple(key for member in members if (key := _read_key(member)) is not None)


def check_shape(token: object, algorithms: frozenset[str] = ALGORITHMS) -> Mapping[str, Any]:
    """The header of what may be a signed token, by all that can be seen without a key. Raises
    :exc:`Untrusted`.
    """
    if not isinstance(token, str) or not token.isascii() or len(token) > _MAX_LENGTH:
        raise Untrusted("malformed")
    try:
        unverified: object = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError, AttributeError):
        raise Untrusted("malformed") from None
    if not isinstance(unverified, dict):
        raise Untrusted("malformed")
    algorithm = unverified.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms & ALGORITHMS:
        raise Untrusted("algorithm")
    if "crit" in unverified:  # no extension is understood here (RFC 7515 section 4.1.11)
        raise Untrusted("crit")
    return unverified


def unverified_claims(token: object) -> dict[str, Any]:
    """What a signed token says, for whoever knows in another way where it comes from. Raises
    :exc:`Untrusted` for what is no such token.
    """
    check_shape(token)
    try:
        return strict_json.parse_object(jws.extract_compact(str(token).encode()).payload)
    except ValueError:
        raise Untrusted("malformed") from None


def verify_signature(
    token: object, keys: Iterable[PublishedKey], algorithms: frozenset[str]
) -> SignedToken:
    """The token, if one of ``keys`` signed it with one of ``algorithms``.

    Raises :exc:`UnknownKey` for a key that is not there, and :exc:`Untrusted` for all else.
    """
    header = check_shape(token, algorithms)
    algorithm = header["alg"]
    key = _choose(keys, algorithm, header.get("kid"))
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joserfc on EdDSA's name
            verified = jws.deserialize_compact(str(token), key.key, registry=registry)
        claims = strict_json.parse_object(verified.payload)
    except (JoseError, ValueError, TypeError, RecursionError, AttributeError):
        raise Untrusted("signature") from None
    return SignedToken(verified.headers(), claims, key)


def _read_key(member: object) -> PublishedKey | None:
    # A symmetric key in a published set is nobody's secret.
    if not isinstance(member, dict) or member.get("kty") not in _KEY_TYPES.values():
        return None
    kid, alg, issuer = member.get("kid"), member.get("alg"), member.get("issuer")
    if member.get("use", "sig") != "sig" or not all(
        value is None or isinstance(value, str) for value in (kid, alg, issuer)
    ):
        return None
    # Only what is public. For a private member, which nobody publishes, there would be primes to be
    # found, and that could take minutes.
    public = {name: member[name] for name in _PUBLIC_MEMBERS if name in member}
    if not all(isinstance(value, str) and len(value) <= _MAX_MEMBER for value in public.values()):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joserfc on short keys; those are the provider's
            key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return PublishedKey(kid, member["kty"], alg, issuer, key)


def _choose(keys: Iterable[PublishedKey], algorithm: str, kid: object) -> PublishedKey:
    """The one key that can have signed (OpenID Connect Core section 10.1: of several, ``kid`` says
    which).
    """
    suitable = [
        key
        for key in keys
        if key.key_type == _KEY_TYPES[algorithm[:2]] and key.alg in (None, algorithm)
    ]
    if kid is not None:
        suitable = [key for key in suitable if key.kid == kid]
    if len(suitable) != 1:
        raise UnknownKey("key")
    return suitable[0]

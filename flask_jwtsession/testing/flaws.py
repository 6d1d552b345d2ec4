"""Tokens that are no longer good, or never were."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..config import Settings
from ..cookies import Cookie
from ..lifecycle.cookie_set import cookie_set
from ..lifecycle.verify import read_claims
from ..tokens import strict_json
from ..tokens.claims import LEEWAY
from ..tokens.signing_keys import PrivateKey, SigningKey, read_pem
from ..tokens.token_format import TokenFormat

#: ``"expired"``: its time has been over for a second, leeway included. ``"tampered"``: one
#: character of it was changed. ``"other_secret"``: whoever made it has another secret.
Flaw = Literal["expired", "tampered", "other_secret"]

FLAWS: tuple[Flaw, ...] = get_args(Flaw)


def spoiled(text: str, flaw: Flaw, cookie: Cookie, settings: Settings, now: float) -> str:
    """The token ``text`` of ``cookie`` with ``flaw``; its claims are otherwise the same."""
    if flaw == "tampered":
        # In the tag or the signature: the last part in either format, and never empty.
        before, dot, last = text.rpartition(".")
        return f"{before}{dot}{'B' if last[0] == 'A' else 'A'}{last[1:]}"
    tokens = _tokens_of(cookie, settings)
    payload, claims = read_claims(tokens, text)
    if flaw == "other_secret":
        return _tokens_of(cookie, _with_other_keys(settings)).encode(payload)
    over = claims["exp"] + LEEWAY + 1 - now
    times = ("iat", "exp", "auth_time")
    shifted = {name: max(0, claims[name] - over) for name in times if name in claims}
    return tokens.encode(strict_json.dump({**claims, **shifted}))


def _tokens_of(cookie: Cookie, settings: Settings) -> TokenFormat:
    cookies = cookie_set(settings, secure=cookie.secure)
    if cookies.refresh is not None and cookie.name == cookies.refresh[0].name:
        return cookies.refresh[1]
    return next(tokens for source, tokens in cookies.sources if source.name == cookie.name)


def _with_other_keys(settings: Settings) -> Settings:
    other = (secrets.token_bytes(32),)
    refresh = settings.refresh
    return replace(
        settings,
        secrets=other,
        signing_keys=tuple(_other_key(key) for key in settings.signing_keys[:1]),
        refresh=None if refresh is None else replace(refresh, secrets=other),
    )


def _other_key(key: SigningKey) -> SigningKey:
    """A new key for the same algorithm."""
    made: PrivateKey
    if key.algorithm == "RS256":
        made = generate_rsa_key(public_exponent=65537, key_size=2048)
    elif key.algorithm == "ES256":
        made = generate_ec_key(SECP256R1())
    else:
        made = Ed25519PrivateKey.generate()
    return read_pem(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

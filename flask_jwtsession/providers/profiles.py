"""From what a provider says of a person to the user that an application sees.

A user has ``id``, ``name``, ``email`` and ``image``, each a str or None. An address that the
provider says it has not verified is left out: it would be taken for the person's all the same. It
is still in the profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Profile = Mapping[str, Any]
User = dict[str, Any]

#: Characters.
_MAX_TEXT = 1024
#: The tenant of Microsoft's private accounts, which verifies the addresses of its people itself.
MICROSOFT_CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"


def standard_user(profile: Profile) -> User:
    """By the standard claims (OpenID Connect Core section 5.1)."""
    name = _text(profile, "name") or " ".join(
        part for part in (_text(profile, "given_name"), _text(profile, "family_name")) if part
    )
    return {
        "id": _text(profile, "sub"),
        "name": name or _text(profile, "preferred_username") or _text(profile, "nickname"),
        "email": _text(profile, "email") if _is_verified(profile) else None,
        "image": _url(profile, "picture"),
    }


def subject(profile: Profile) -> str:
    """The provider's account id, where one issuer stands behind the provider."""
    return str(profile["sub"])


def microsoft_user(profile: Profile) -> User:
    """Microsoft Entra ID. Anybody can write any address into the account of a tenant of their own;
    only where Microsoft says that the tenant owns the domain (``xms_edov``) does it mean anything.
    """
    is_owned = profile.get("xms_edov") in (True, 1, "1", "true")
    is_private = profile.get("tid") == MICROSOFT_CONSUMERS
    return {
        **standard_user(profile),
        "id": microsoft_account(profile),
        "email": _text(profile, "email") if is_owned or is_private else None,
        "image": None,  # it is there for the access token's owner only
    }


def microsoft_account(profile: Profile) -> str:
    """Of one tenant: each is an issuer of its own, with subjects of its own."""
    return f"{profile['tid']}.{profile['sub']}"


def github_user(profile: Profile) -> User:
    """``GET /user``, with the answer of ``GET /user/emails`` in ``emails``."""
    return {
        "id": _identifier(profile, "id"),
        "name": _text(profile, "name") or _text(profile, "login"),
        "email": _github_email(profile.get("emails")),
        "image": _url(profile, "avatar_url"),
    }


def discord_user(profile: Profile) -> User:
    """``GET /users/@me``."""
    identifier = _identifier(profile, "id")
    return {
        "id": identifier,
        "name": _text(profile, "global_name") or _text(profile, "username"),
        "email": _text(profile, "email") if profile.get("verified") is True else None,
        "image": _discord_image(profile, identifier),
    }


def _github_email(emails: object) -> str | None:
    """The person's primary address if it is verified. The public one of the profile may be any."""
    for entry in emails if isinstance(emails, list) else ():
        if isinstance(entry, dict) and entry.get("primary") is True:
            return _text(entry, "email") if entry.get("verified") is True else None
    return None


def _discord_image(profile: Profile, identifier: str | None) -> str | None:
    if identifier is None or not (identifier.isascii() and identifier.isdigit()):
        return None
    avatar = _text(profile, "avatar")
    if avatar is not None:
        extension = "gif" if avatar.startswith("a_") else "png"  # an animated one
        return f"https://cdn.discordapp.com/avatars/{identifier}/{avatar}.{extension}"
    # One of a few that everybody has who chose none; by the number in an old name ("ada#1843").
    old_number = _text(profile, "discriminator") or "0"
    if old_number.isascii() and old_number.isdigit() and old_number != "0":
        number = int(old_number) % 5
    else:
        number = (int(identifier) >> 22) % 6
    return f"https://cdn.discordapp.com/embed/avatars/{number}.png"


def _is_verified(profile: Profile) -> bool:
    # Some say it as text. A company's own provider often does not say, for it made the address.
    flag = profile.get("email_verified", True)
    return flag is True or (isinstance(flag, str) and flag.lower() == "true")


def _identifier(profile: Profile, name: str) -> str | None:
    value = profile.get(name)
    return str(value) if type(value) is int else _text(profile, name)


def _url(profile: Profile, name: str) -> str | None:
    value = _text(profile, name)
    # Not one that is a script, wherever an application puts it.
    return value if value is not None and value.startswith(("https://", "http://")) else None


def _text(profile: Profile, name: str) -> str | None:
    value = profile.get(name)
    # What is longer is no name, and a picture that is one itself does not fit into a cookie.
    return value if isinstance(value, str) and value.strip() and len(value) <= _MAX_TEXT else None

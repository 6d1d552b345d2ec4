"""What a store has of a grant: the tokens that a sign-in was given, or those that came of them.

A record is found, and decrypted, with the grant's 128 random bits and nothing else, and these are
in cookies only. So it outlives the replacement of secrets, and nobody who reads a store learns
anything from it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from .exceptions import TokenInvalid
from .session import Account
from .stores import entry_name
from .tokens import strict_json
from .tokens.encrypted import EncryptedTokens
from .tokens.keys import record_keys

#: Why the tokens are not what they should be: the provider could not be asked, and will be again;
#: or it gives nothing for this grant any more, and the person has to sign in to get new ones.
RefreshError = Literal["refresh_unavailable", "refresh_failed"]
UNAVAILABLE: RefreshError = "refresh_unavailable"
FAILED: RefreshError = "refresh_failed"

_GENERATION = re.compile(rb"([0-9]{1,15})\.", re.ASCII)
_LAST_GENERATION = 10**15 - 1


@dataclass(frozen=True)
class Held:
    """What a request has of a grant.

    :ivar grant: its identifier: 128 random bits that are in the cookie's encrypted part and nowhere
        else, for the record is found, and decrypted, with nothing but it
    :ivar generation: how often its tokens have been refreshed
    :ivar account: with the tokens, as far as they are known
    :ivar error: why the tokens are not what they should be; None if they are
    :ivar is_recorded: whether the store has this generation too
    """

    grant: str = field(repr=False)
    generation: int
    account: Account
    error: RefreshError | None = None
    is_recorded: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the session that it was for has ended."""
        return self.generation == _LAST_GENERATION


def new_grant() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def dead(held: Held) -> Held:
    """``held``, after its provider gave nothing for it any more."""
    account = held.account.without_tokens()
    return replace(held, generation=held.generation + 1, account=account, error=FAILED)


def over(held: Held) -> Held:
    """``held``, after its session has ended: newer than whatever came of it."""
    return replace(dead(held), generation=_LAST_GENERATION)


def name_of(grant: str, what: str) -> str:
    """The store's name of a grant's ``"record"``, or of what else is kept of it."""
    return entry_name(grant.encode(), f"grant {what}")


def seal(held: Held) -> bytes:
    """A record: the generation, for those who only want to know whether it is newer, and all of it
    encrypted as a cookie is, under a key of this grant.
    """
    content = strict_json.dump(
        {
            "gen": held.generation,
            "dead": held.error == FAILED,
            "tokens": held.account.tokens(),
        }
    )
    return f"{held.generation}.{_encryption(held.grant).encode(content)}".encode()


def open_record(held: Held, record: bytes | None) -> Held | None:
    """What a record says, of whatever generation; None for one that nobody here wrote."""
    if record is None:
        return None
    token = record.partition(b".")[2].decode("ascii", "replace")
    try:
        content = strict_json.parse_object(_encryption(held.grant).decode(token))
        if content["gen"] != generation_of(record):  # which nothing protects
            return None
        account = held.account.with_tokens(content["tokens"])
    except (TokenInvalid, ValueError, TypeError, KeyError):
        return None
    return replace(
        held,
        # Of an older one than the cookie, after the store lost something: it is all there is.
        generation=max(content["gen"], held.generation),
        account=account,
        error=FAILED if content.get("dead") else None,
        is_recorded=True,
    )


@lru_cache(maxsize=512)
def _encryption(grant: str) -> EncryptedTokens:
    # Where tokens are in the store only, every request reads the same record.
    return EncryptedTokens(record_keys(grant.encode()), remembered=1)


def generation_of(record: bytes | None) -> int | None:
    """The generation that a record says it has; None without one."""
    match = None if record is None else _GENERATION.match(record)
    return None if match is None else int(match[1])

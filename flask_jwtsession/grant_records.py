"""What a store has of a grant: the tokens that a sign-in was given, or those that came of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from . import records
from .records import LAST_GENERATION
from .session import Account

#: Why the tokens are not what they should be: the provider could not be asked, and will be again;
#: or it gives nothing for this grant any more, and the person has to sign in to get new ones.
RefreshError = Literal["refresh_unavailable", "refresh_failed"]
UNAVAILABLE: RefreshError = "refresh_unavailable"
FAILED: RefreshError = "refresh_failed"


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
        return self.generation == LAST_GENERATION


def dead(held: Held) -> Held:
    """``held``, after its provider gave nothing for it any more."""
    account = held.account.without_tokens()
    return replace(held, generation=held.generation + 1, account=account, error=FAILED)


def over(held: Held) -> Held:
    """``held``, after its session has ended: newer than whatever came of it."""
    return replace(dead(held), generation=LAST_GENERATION)


def seal(held: Held) -> bytes:
    """The record of what is held."""
    content = {"dead": held.error == FAILED, "tokens": held.account.tokens()}
    return records.seal(held.grant, held.generation, content)


def open_record(held: Held, record: bytes | None) -> Held | None:
    """What a record says, of whatever generation; None for one that nobody here wrote."""
    content = records.unseal(held.grant, record)
    if content is None:
        return None
    try:
        account = held.account.with_tokens(content["tokens"])
    except (ValueError, TypeError, KeyError):
        return None
    return replace(
        held,
        # Of an older one than the cookie, after the store lost something: it is all there is.
        generation=max(content["gen"], held.generation),
        account=account,
        error=FAILED if content.get("dead") else None,
        is_recorded=True,
    )

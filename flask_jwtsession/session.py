"""What the application holds in its hands: the session, an account, and a callback's event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

# What an account says of its tokens, and nothing else.
_OF_TOKENS = frozenset({"access_token", "refresh_token", "expires_at", "scope", "token_type"})


class Trigger(StrEnum):
    """Why the jwt callback is called. On a plain load the trigger is None."""

    SIGN_IN = "sign_in"
    UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class Account:
    """How a person signed in, and what their provider gave for it.

    ``type`` is ``"credentials"``, ``"oauth"`` or ``"oidc"``; ``expires_at`` is when the access
    token expires, in epoch seconds. Kept in the encrypted part of the session that no browser, and
    no callback but the sign-in's, ever sees. Its ``repr`` shows no token.
    """

    provider: str
    type: str
    provider_account_id: str
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scope: str | None = None
    token_type: str | None = None
    id_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_claims(cls, value: object) -> Self | None:
        """The account of a token's private block; None if there is none."""
        if not isinstance(value, Mapping):
            return None
        names = {one.name for one in fields(cls)}
        try:
            return cls(**{name: item for name, item in value.items() if name in names})
        except TypeError:
            return None

    def to_claims(self, *, tokens: bool, id_token: bool) -> dict[str, Any]:
        """The fields that have a value.

        :param tokens: whether to keep the access and the refresh token
        :param id_token: whether to keep the ID token
        """
        dropped = frozenset() if tokens else _OF_TOKENS
        if not id_token:
            dropped |= {"id_token"}
        return {
            one.name: value
            for one in fields(self)
            if one.name not in dropped and (value := getattr(self, one.name)) is not None
        }


@dataclass(frozen=True, kw_only=True)
class JWTEvent:
    """Why the jwt callback is called, and with what.

    :ivar trigger: :class:`Trigger`, or None on a plain load
    :ivar user: at sign-in, the mapping that signed in
    :ivar account: at sign-in, the :class:`Account`, if there is one
    :ivar profile: at sign-in, the provider's profile, if there is one
    :ivar data: the update's payload; empty for everything else. From a browser it is cut down to
        ``JWTSESSION_CLIENT_UPDATE_FIELDS``
    :ivar from_client: whether ``data`` came from a browser (``POST /auth/session``)
    """

    trigger: Trigger | None = None
    user: Mapping[str, Any] | None = field(default=None, repr=False)
    account: Account | None = None
    profile: Mapping[str, Any] | None = field(default=None, repr=False)
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    from_client: bool = False


class Claims(Mapping[str, Any]):
    """A read-only mapping of claims, whose ``repr`` shows their names only."""

    __slots__ = ("_claims",)

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self._claims = claims

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        return f"<Claims {', '.join(sorted(self._claims))}>"


class Session(Mapping[str, Any]):
    """Who is signed in, for one request: a read-only mapping of the public session.

    The mapping is what the session callback made, and what the browser may see: ``user`` and
    ``expires`` (ISO 8601, UTC) and whatever the callback added. A session is falsy when nobody is
    signed in. It belongs to its request and cannot be pickled.
    """

    __slots__ = ("_account", "_claims", "_expires", "_public", "_subject")

    def __init__(
        self,
        public: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        subject: str | None,
        expires: float | None,
        account: Account | None = None,
    ) -> None:
        self._public = public
        self._claims = claims
        self._subject = subject
        self._expires = expires
        self._account = account

    @property
    def user(self) -> Mapping[str, Any] | None:
        """The public session's ``user``; None when nobody is signed in."""
        return self._public.get("user") if self else None

    @property
    def expires(self) -> datetime | None:
        """When the session ends unless it is used before (UTC); None when nobody is signed in."""
        return None if self._expires is None else datetime.fromtimestamp(self._expires, UTC)

    @property
    def token(self) -> Mapping[str, Any]:
        """The claims of the token, for the server only. Empty when nobody is signed in."""
        return Claims(self._claims)

    @property
    def account(self) -> Account | None:
        """The account that the person signed in with, provider tokens included."""
        return self._account

    def __getitem__(self, name: str) -> Any:
        return self._public[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._public)

    def __len__(self) -> int:
        return len(self._public)

    def __bool__(self) -> bool:
        return self._subject is not None

    def __repr__(self) -> str:
        if not self._public:
            return "<Session: nobody>"
        return f"<Session: {'signed in' if self else 'without a subject'}, expires {self.expires}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Session belongs to its request and cannot be pickled; take dict(session)"
        )


#: Nobody is signed in.
NOBODY = Session({}, {}, subject=None, expires=None)

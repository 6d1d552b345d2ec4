"""What the application holds in its hands: the session, an account, and a callback's event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Any, Self

# What an account says of its tokens, and nothing else.
_OF_TOKENS = frozenset(
    {"access_token", "refresh_token", "expires_at", "issued_at", "scope", "token_type"}
)


_ACCOUNT_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("provider", "type", "provider_account_id"), (str,)),
    **dict.fromkeys(
        ("access_token", "refresh_token", "scope", "token_type", "id_token"), (str, NoneType)
    ),
    **dict.fromkeys(("expires_at", "issued_at"), (int, float, NoneType)),
}


# Beyond it, a JSON number is not exact everywhere (RFC 8259 section 6), nor is it a time.
_MAX_TIME = 2**53


class Trigger(StrEnum):
    """Why the jwt callback is called. On a plain load the trigger is None."""

    SIGN_IN = "sign_in"
    UPDATE = "update"
    REFRESH = "refresh"


@dataclass(frozen=True, kw_only=True)
class Account:
    """How a person signed in, and what their provider gave for it.

    ``type`` is ``"credentials"``, ``"oauth"`` or ``"oidc"``; ``expires_at`` is when the access
    token expires and ``issued_at`` when it was asked for, in epoch seconds. Kept in the encrypted
    part of the session, or in the store; no browser ever sees it. Its ``repr`` shows no token.
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
    issued_at: float | None = None

    def __post_init__(self) -> None:
        for name, types in _ACCOUNT_TYPES.items():
            value = getattr(self, name)
            is_number = type(value) in (int, float)
            if type(value) not in types or (is_number and not abs(value) < _MAX_TIME):
                # Not its value: it may be a token.
                raise TypeError(
                    f"an account's {name} is {' or '.join(one.__name__ for one in types)}, "
                    f"and no number is beyond 2**53; got {type(value).__name__}"
                )

    @property
    def has_tokens(self) -> bool:
        """Whether there is an access or a refresh token."""
        return self.access_token is not None or self.refresh_token is not None

    def tokens(self) -> dict[str, Any]:
        """What it says of its tokens, the ID token included: the fields that have a value."""
        names = _OF_TOKENS | {"id_token"}
        return {name: value for name, value in self._given() if name in names}

    def with_tokens(self, tokens: Mapping[str, Any]) -> Self:
        """The same account with other tokens; the ID token stays unless there is another one."""
        names = _OF_TOKENS | {"id_token"}
        others = {name: tokens[name] for name in tokens if name in names}
        return replace(self, **{**dict.fromkeys(_OF_TOKENS), **others})

    def without_tokens(self) -> Self:
        """The same account without access and refresh token."""
        return self.with_tokens({})

    @classmethod
    def from_claims(cls, value: object) -> Self | None:
        """The account of a token's private block; None if there is none."""
        if not isinstance(value, Mapping):
            return None
        try:
            return cls(**{name: item for name, item in value.items() if name in _ACCOUNT_TYPES})
        except TypeError:  # whoever has the secret may have written anything there
            return None

    def to_claims(self, *, tokens: bool, id_token: bool) -> dict[str, Any]:
        """The fields that have a value.

        :param tokens: whether to keep the access and the refresh token
        :param id_token: whether to keep the ID token
        """
        dropped = frozenset() if tokens else _OF_TOKENS
        if not id_token:
            dropped |= {"id_token"}
        return {name: value for name, value in self._given() if name not in dropped}

    def _given(self) -> Iterator[tuple[str, Any]]:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None:
                yield one.name, value


@dataclass(frozen=True, kw_only=True)
class JWTEvent:
    """Why the jwt callback is called, and with what.

    :ivar trigger: :class:`Trigger`, or None on a plain load
    :ivar user: at sign-in, the mapping that signed in
    :ivar account: at sign-in, the :class:`Account`, if there is one; at a refresh, the account with
        the new tokens
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

    __slots__ = ("_account", "_claims", "_error", "_expires", "_public", "_subject")

    def __init__(
        self,
        public: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        subject: str | None,
        expires: float | None,
        account: Account | None = None,
        error: str | None = None,
    ) -> None:
        self._public = public
        self._claims = claims
        self._subject = subject
        self._expires = expires
        self._account = account
        self._error = error

    @property
    def user(self) -> Mapping[str, Any] | None:
        """The public session's ``user``; None when nobody is signed in."""
        return self._public.get("user") if self else None

    @property
    def expires(self) -> datetime | None:
        """When the session ends unless it is used before (UTC); None when nobody is signed in.

        With ``JWTSESSION_REFRESH_COOKIE`` when its access cookie ends, used or not.
        """
        return None if self._expires is None else datetime.fromtimestamp(self._expires, UTC)

    @property
    def token(self) -> Mapping[str, Any]:
        """The claims of the token, for the server only. Empty when nobody is signed in."""
        return Claims(self._claims)

    @property
    def account(self) -> Account | None:
        """The account that the person signed in with, provider tokens included."""
        return self._account

    @property
    def error(self) -> str | None:
        """What does not work, or None.

        ``"refresh_unavailable"``: the provider tokens are to be refreshed and could not be; it is
        tried again. ``"refresh_failed"``: there will be none until the person signs in once more.
        ``"store_unavailable"``: nobody knows whether this session was revoked, so nobody is signed
        in, for this request. ``"revocation_unavailable"``, of a session that was signed out: a
        copy of its cookie may still be good, because that could not be written down.
        """
        return self._error

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


def ended_session(session: Session, *, account: Account | None, error: str | None) -> Session:
    """``session`` as it is told of when it has ended."""
    return Session(
        session._public,
        session._claims,
        subject=session._subject,
        expires=session._expires,
        account=account,
        error=error,
    )


#: Nobody is signed in.
NOBODY = Session({}, {}, subject=None, expires=None)
#: Perhaps somebody is, but whether their session was revoked cannot be known just now.
UNKNOWN = Session({}, {}, subject=None, expires=None, error="store_unavailable")

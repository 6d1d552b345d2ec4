"""The decorators that let only some people into a view, and what the others get."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast, overload
from urllib.parse import urlsplit

from flask import Flask, current_app, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from .access import Access
from .answers import NO_STORE, challenge_of, client_kind, refusal, sign_in_needed, store_is_away
from .cross_origin import exempt, origin_verdict
from .exceptions import ProviderError
from .lifecycle.binding import OURS, Binding, current_binding
from .lifecycle.load import authenticated_at, load_with_user
from .lifecycle.state import state_of
from .providers.sign_in import begin, log_provider_error
from .request_checks.clients import Client
from .request_checks.origin import SAFE_METHODS, Verdict
from .session import UNKNOWN, Account, Session
from .targets import back_here, page_path

F = TypeVar("F", bound=Callable[..., Any])
Refusal = ResponseReturnValue | None
Check = Callable[[Binding, Session], Refusal]

_PUBLIC = "_jwtsession_public"
_FRESH_SECONDS = 15 * 60
# As many as the sign-in page passes on.
_MAX_FRESH_SECONDS = 999_999_999


class Guards(Access):
    """Decorators for views, sync and async, with or without parentheses.

    A person who is not signed in is sent to the sign-in page; a program gets 401, HTMX 401 with
    ``HX-Redirect``. Who is signed in but not allowed gets 403. ``OPTIONS`` gets Flask's own answer.
    """

    @overload
    def login_required(self, view: F) -> F: ...
    @overload
    def login_required(self, view: None = None) -> Callable[[F], F]: ...
    def login_required(self, view: F | None = None) -> F | Callable[[F], F]:
        """Let only signed-in people in."""
        return _applied(self._guard(_anybody), view)

    @overload
    def fresh_login_required(self, view: F) -> F: ...
    @overload
    def fresh_login_required(
        self, view: None = None, *, max_age: float | timedelta = ...
    ) -> Callable[[F], F]: ...
    def fresh_login_required(
        self, view: F | None = None, *, max_age: float | timedelta = _FRESH_SECONDS
    ) -> F | Callable[[F], F]:
        """Let only people in who signed in at most ``max_age`` ago (seconds or timedelta, 15
        minutes by default). The others sign in once more.

        For who signed in with an OpenID Connect provider it counts from when they proved to the
        provider who they are, if it said so. Otherwise they are sent there with ``prompt=login``
        and ``max_age``, and the ``auth_time`` that comes back is checked. An OAuth 2.0 provider
        cannot say it: whoever signed in with one is never fresh. For all others it counts from the
        claim ``auth_time``. A session that an Auth.js server began has none and is never fresh.
        """
        seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
        if type(seconds) not in (int, float):
            raise TypeError(f"max_age takes seconds or a timedelta, got {max_age!r}")
        if not 0 <= seconds <= _MAX_FRESH_SECONDS:
            raise ValueError(
                f"max_age takes 0 to {_MAX_FRESH_SECONDS} seconds, or a timedelta, got {max_age!r}"
            )

        def check(binding: Binding, session: Session) -> Refusal:
            moment = authenticated_at(state_of(binding))
            if moment is not None and binding.clock() - moment <= seconds:
                return None
            return refuse_unauthorized(
                binding,
                "fresh_login_required",
                "Sign in once more to go on.",
                account=session.account,
                max_age=int(seconds),
            )

        return _applied(self._guard(check), view)

    def roles_required(self, *roles: str, any_of: bool = False) -> Callable[[F], F]:
        """Let only people in who have all of ``roles``, or with ``any_of=True`` one of them.

        Roles are the claim ``roles`` (a list) or ``role`` (a string) of the token.
        """
        if not roles or not all(isinstance(role, str) for role in roles):
            raise TypeError('roles_required() takes the names of roles: @roles_required("admin")')

        def check(binding: Binding, session: Session) -> Refusal:
            held = _roles_of(session)
            if any(role in held for role in roles) if any_of else held.issuperset(roles):
                return None
            raise _forbidden(binding, "role_required")

        return self._guard(check)

    def claims_required(self, **claims: Any) -> Callable[[F], F]:
        """Let only people in whose token has each of these claims with this value."""
        if not claims:
            raise TypeError("claims_required() takes claims: @claims_required(company_id=7)")

        def check(binding: Binding, session: Session) -> Refusal:
            token = session.token
            if all(name in token and _same(token[name], claims[name]) for name in claims):
                return None
            raise _forbidden(binding, "claim_required")

        return self._guard(check)

    @overload
    def public(self, view: F) -> F: ...
    @overload
    def public(self, view: None = None) -> Callable[[F], F]: ...
    def public(self, view: F | None = None) -> F | Callable[[F], F]:
        """Let everybody in, under ``JWTSESSION_PROTECT_ALL``."""

        def decorate(open_view: F) -> F:
            prefixes: frozenset[str] = getattr(open_view, _PUBLIC, frozenset())
            setattr(open_view, _PUBLIC, prefixes | {self.config_prefix})
            return open_view

        return _applied(decorate, view)

    @overload
    def csrf_exempt(self, view: F) -> F: ...
    @overload
    def csrf_exempt(self, view: None = None) -> Callable[[F], F]: ...
    def csrf_exempt(self, view: F | None = None) -> F | Callable[[F], F]:
        """Let requests of other origins in that carry our cookie. For views that something else
        protects, such as a signature.
        """
        return _applied(lambda open_view: exempt(open_view, self.config_prefix), view)

    def _guard(self, check: Check) -> Callable[[F], F]:
        def decorate(guarded: F) -> F:
            # A plain function around async views too: the session is loaded, and its callbacks run,
            # before the coroutine starts.
            @wraps(guarded)
            def guard(*args: Any, **kwargs: Any) -> Any:
                refused = _refused(current_binding(self.config_prefix), check)
                if refused is not None:
                    return refused
                return current_app.ensure_sync(guarded)(*args, **kwargs)

            return cast(F, guard)

        return decorate


def refuse_anonymous(binding: Binding) -> Refusal:
    """None if somebody is signed in, else what they get. Raises Werkzeug's exceptions."""
    return _refused(binding, _anybody)


def is_open(binding: Binding, endpoint: str) -> bool:
    """Whether an endpoint is open although everything is protected: a view under ``@public``,
    static files, or a page that replaces one of this package.
    """
    view = binding.app.view_functions.get(endpoint)
    return (
        binding.settings.config_prefix in getattr(view, _PUBLIC, ())
        or _is_static(binding.app, endpoint)
        or request.path in {urlsplit(page).path for page in binding.settings.pages.values()}
    )


def is_endpoint_of_ours(app: Flask, endpoint: str) -> bool:
    """Whether a view is one of this package's, by the view and not by its name."""
    return hasattr(app.view_functions.get(endpoint), OURS)


def refuse_unauthorized(
    binding: Binding,
    code: str,
    detail: str,
    *,
    account: Account | None = None,
    max_age: int | None = None,
) -> ResponseReturnValue:
    """What somebody gets who has to sign in: the application's ``unauthorized_handler``, a
    redirect, or 401 raised.

    :param account: of who is signed in, but has to sign in once more
    :param max_age: seconds: how old their login may be then
    """
    if binding.callbacks.unauthorized is not None:
        answer: Refusal = binding.callbacks.unauthorized()
        if answer is not None:  # a forgotten return must not let anybody in
            return answer
    kind = client_kind(binding)
    target = back_here(binding)
    asked = None if max_age is None else str(max_age)
    sign_in = page_path(binding, "sign_in", callbackUrl=target, max_age=asked)
    if kind is Client.PAGE:
        if max_age is not None and account is not None:
            sign_in = _at_provider(binding, account, target, max_age) or sign_in
        response = redirect(sign_in, 302 if request.method in SAFE_METHODS else 303)
        response.headers["Cache-Control"] = NO_STORE
        return response
    headers = {"HX-Redirect": sign_in} if kind is Client.HTMX else None
    raise sign_in_needed(binding, code, detail, headers=headers)


def _at_provider(
    binding: Binding, account: Account, target: str | None, max_age: int
) -> str | None:
    """Where the person signs in once more without a page of ours in between: at the provider that
    they came from. None if that cannot be.
    """
    provider = binding.providers.get(account.provider)
    # Another site may link to the guarded page. It starts no sign-in: that takes a click here.
    if (
        provider is None
        or not provider.confirms_login
        or origin_verdict(binding) is Verdict.CROSS_ORIGIN
    ):
        return None
    try:
        return begin(state_of(binding), provider, target=target, parameters={}, max_age=max_age)
    except ProviderError as error:
        log_provider_error(binding, error)
        return None  # the page may have other ways


def _refused(binding: Binding, check: Check) -> Refusal:
    if request.method == "OPTIONS":
        # A preflight carries no cookie, and is told the methods. What the view itself would say to
        # OPTIONS is the view's, and guarded.
        return current_app.make_default_options_response()
    session = load_with_user(state_of(binding))
    if not session:
        if session.error == UNKNOWN.error:
            raise store_is_away(binding)
        return refuse_unauthorized(binding, "login_required", "Sign in to go on.")
    return check(binding, session)


def _anybody(binding: Binding, session: Session) -> Refusal:
    return None


def _forbidden(binding: Binding, code: str) -> HTTPException:
    headers = {} if state_of(binding).bearer is None else challenge_of(binding, code)
    return refusal(binding, 403, code, "You may not do this.", headers=headers)


def _roles_of(session: Session) -> set[str]:
    token = session.token
    roles = token.get("roles")
    held = {role for role in roles if isinstance(role, str)} if isinstance(roles, list) else set()
    role = token.get("role")
    return held | {role} if isinstance(role, str) else held


def _same(held: object, wanted: object) -> bool:
    """Equal, and not just equal in Python: a claim 1 is not True."""
    return isinstance(held, bool) == isinstance(wanted, bool) and held == wanted


def _applied(decorate: Callable[[F], F], view: F | None) -> F | Callable[[F], F]:
    """A decorator used without parentheses, or with."""
    if view is None:
        return decorate
    if not callable(view):
        raise TypeError(f"this decorator takes a view and no {type(view).__name__}")
    return decorate(view)


def _is_static(app: Flask, endpoint: str) -> bool:
    """Whether Flask itself made this endpoint, for a static folder."""
    owner, _, name = endpoint.rpartition(".")
    if name != "static":
        return False
    scaffold = app.blueprints.get(owner) if owner else app
    return scaffold is not None and scaffold.has_static_folder

"""The extension object: the callbacks, and ``init_app`` with the two hooks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from flask import Blueprint, Flask, Request, current_app
from markupsafe import Markup

from .awaiting import as_sync
from .cli import make_commands
from .config import DEFAULT_PREFIX, Settings, read_settings
from .endpoints import make_blueprint
from .exceptions import ConfigError
from .guards import Guards
from .hooks import answer_errors, before_request, exempt_from_flask_wtf
from .hydration import script_tags
from .lifecycle.binding import EXTENSION, Binding, make_binding
from .lifecycle.callbacks import Callbacks
from .lifecycle.csrf import token_for_page
from .lifecycle.load import loaded_user
from .lifecycle.save import after_request
from .providers import missing_library

if TYPE_CHECKING:  # imported when the first provider is added
    from .providers.provider import Provider
    from .providers.settings import Registration

F = TypeVar("F", bound=Callable[..., Any])


class JWTSession(Guards):
    """Sign-in for a Flask app, carried by a JWT cookie: encrypted, unless others have to verify it.

    ::

        app = Flask(__name__)      # JWTSESSION_SECRET in the configuration or the environment
        auth = JWTSession(app)     # or JWTSession() and auth.init_app(app)

    One instance serves several apps: the callbacks are the instance's, all other state is the
    app's.

    :param app: the app to initialise at once
    :param config_prefix: the beginning of the configuration keys. An instance with another prefix
        than ``JWTSESSION`` has cookies, URLs, proxies, verbs and guards of its own
        (``staff.current_session``, ``@staff.login_required``)
    """

    def __init__(self, app: Flask | None = None, *, config_prefix: str = DEFAULT_PREFIX) -> None:
        if not re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", config_prefix):
            raise ConfigError(repr(config_prefix), "a prefix has capital letters, digits and '_'")
        if config_prefix.startswith(f"{DEFAULT_PREFIX}_"):
            raise ConfigError(
                repr(config_prefix),
                f"a prefix does not begin with {DEFAULT_PREFIX}_: its keys would be that one's",
            )
        super().__init__(config_prefix)
        self._callbacks = Callbacks()
        #: The blueprint of the endpoints, for extensions that take one (a rate limit, say).
        self.blueprint: Blueprint = make_blueprint(config_prefix.lower(), config_prefix)
        self._registrations: dict[str, Registration] = {}
        # To which a provider that is added later belongs too.
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the configuration of ``app`` and connect to it.

        The keys are read now and once; a later change to ``app.config`` has no effect. They are
        listed in the configuration reference.

        :raises ConfigError: a value or a combination of values cannot work, or the app has an
            instance with this prefix already
        """
        bindings: dict[str, Binding] = app.extensions.setdefault(EXTENSION, {})
        if self.config_prefix in bindings:
            raise ConfigError(
                "config_prefix",
                f"a JWTSession with {self.config_prefix} is initialised on this app already. Keep "
                "one object and import it where it is needed; JWTSession(app) has called "
                "init_app(app).",
            )
        settings = read_settings(app.config, os.environ, prefix=self.config_prefix)
        for other in bindings.values():
            _refuse_collision(settings, other.settings)
        binding = make_binding(app, settings, self._callbacks, self.blueprint.name)
        for registration in self._registrations.values():
            binding.providers[registration.name] = _provider(registration, binding)
        app.register_blueprint(self.blueprint, url_prefix=settings.url_prefix)
        bindings[self.config_prefix] = binding
        self._apps.add(app)
        app.before_request(before_request(binding))
        app.after_request(after_request(binding))
        if self.config_prefix == DEFAULT_PREFIX:
            app.context_processor(self._template_values)
        answer_errors(app, binding)
        app.cli.add_command(make_commands(self.blueprint.name, self.config_prefix))
        exempt_from_flask_wtf(app, binding)

    def add_provider(
        self,
        name: str,
        *,
        preset: str | None = None,
        issuer: str | None = None,
        profile: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        label: str | None = None,
        refresh: bool = True,
        **authlib_options: Any,
    ) -> None:
        """Let people sign in with a provider of OpenID Connect, or of OAuth 2.0 only.

        ::

            auth.add_provider("google")     # GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET
            auth.add_provider("company", issuer="https://id.example.com")

        The configuration of every app has ``<NAME>_CLIENT_ID`` and ``<NAME>_CLIENT_SECRET``, and
        ``<NAME>_ISSUER`` where each customer of a provider has an issuer of their own. They can be
        given here as well (``client_id=``, ``client_secret=``). At the provider
        ``<origin>/auth/callback/<name>`` has to be registered as the redirect URI.

        :param name: what it is called in URLs, in ``account.provider``, and at the beginning of
            ``sub``: never change it
        :param preset: ``google``, ``microsoft``, ``github``, ``gitlab``, ``auth0``, ``okta``,
            ``keycloak``, ``cognito`` or ``discord``; by default the one that is called ``name``
        :param issuer: of any other OpenID Connect provider: its issuer identifier, where its
            metadata is found
        :param profile: ``(profile) -> user``: makes the user mapping (``id``, ``name``, ``email``,
            ``image``) of what the provider says; an OAuth 2.0 provider without a preset needs it
        :param label: what people call it, on the sign-in page; by default the preset's, or made of
            ``name``
        :param refresh: whether its tokens are refreshed when they are about to expire; with False
            the ``refresh_callback`` may do that
        :param authlib_options: Authlib's options of an OAuth client: ``client_kwargs`` (``scope``,
            ``token_endpoint_auth_method``, ``timeout`` in seconds, …), ``authorize_params``,
            ``authorize_url``, ``access_token_url``, ``access_token_params``,
            ``client_auth_methods``, ``compliance_fix``, ``server_metadata_url``; endpoints by their
            names in the metadata; and ``id_token_signed_response_alg``
        :raises ConfigError: something is missing, unknown, or unsafe
        """
        from .providers.registration import register

        if library := missing_library():
            raise ConfigError(
                f"add_provider({name!r})",
                f"the package {library} is not installed; providers need the extra oauth: "
                "pip install 'flask-jwtsession[oauth]'",
            )
        registration = register(
            name,
            preset=preset,
            issuer=issuer,
            profile=profile,
            label=label,
            refresh=refresh,
            options=authlib_options,
        )
        for other in self._registrations:
            if other.replace("-", "_") == name.replace("-", "_"):  # they share configuration keys
                raise ConfigError(f"add_provider({name!r})", f"{other!r} was added before")
        bindings = [app.extensions[EXTENSION][self.config_prefix] for app in self._apps]
        # All of them or none: the configuration of one app may be incomplete.
        providers = [_provider(registration, binding) for binding in bindings]
        for binding, provider in zip(bindings, providers, strict=True):
            binding.providers[name] = provider
        self._registrations[name] = registration

    # The callbacks. Each is a decorator, may be async, and replaces the one before it.

    def jwt_callback(self, function: F) -> F:
        """``(token, event) -> token``: what is kept, encrypted, in the cookie.

        Called at sign-in, at an update, and on the first use of the session in a request; the
        :class:`JWTEvent` says which. It gets a copy of the claims and returns the claims to keep.
        None ends the session, or refuses the sign-in. Reserved claims are put back afterwards, but
        for ``sub`` at sign-in. To refuse an update, raise :exc:`UpdateRefused`.
        """
        self._callbacks.jwt = as_sync(function)
        return function

    def session_callback(self, function: F) -> F:
        """``(session, token) -> session``: what views, templates and the browser see.

        It gets the default public session (``user`` with ``name``, ``email`` and ``image``, and
        ``expires``) and a copy of the claims. What it returns has to be JSON.
        """
        self._callbacks.session = as_sync(function)
        return function

    def sign_in_callback(self, function: F) -> F:
        """``(user, account, profile) -> True, False or a URL``: who may sign in.

        Asked at every sign-in. Only True lets the person in; a URL sends them there instead.
        """
        self._callbacks.sign_in = as_sync(function)
        return function

    def redirect_callback(self, function: F) -> F:
        """``(url, base_url) -> URL``: where to go after sign-in and sign-out.

        ``url`` is the absolute URL that the browser asked for, if it may go there, else the
        application's root. The URL returned has to be at the application's origin or one of
        ``JWTSESSION_TRUSTED_ORIGINS``; otherwise the browser is sent to the application's root.
        """
        self._callbacks.redirect = as_sync(function)
        return function

    def user_loader(self, function: F) -> F:
        """``(token) -> user``: what ``current_user`` is.

        Called once per request, on first use. None means that nobody is signed in, for this
        request; the cookie stays.
        """
        self._callbacks.user_loader = as_sync(function)
        return function

    def credentials(self, function: F) -> F:
        """``(credentials) -> user mapping or None``: check a user name and a password.

        ``credentials`` are the fields, all of them str, of the form or JSON body sent to
        ``POST /auth/callback/credentials``. The user's ``id`` becomes ``sub``. The callback should
        take as long for a name that does not exist as for a wrong password.
        """
        self._callbacks.credentials = as_sync(function)
        return function

    def refresh_callback(self, function: F) -> F:
        """``(account) -> new tokens``: refresh an account's tokens in the application's own way.

        Asked where this package does not refresh itself: for a provider with ``refresh=False``, or
        one that it does not know, and for an account without a refresh token. It returns a mapping
        as a token endpoint answers (``access_token``, ``expires_in`` in seconds or ``expires_at``
        in epoch seconds, ``refresh_token`` if there is a new one), or None if nothing can be had
        for this account any more. An exception is a failure that may pass, and is tried again after
        five seconds. It should take less than ten.
        """
        self._callbacks.refresh = as_sync(function)
        return function

    def reauth_callback(self, function: F) -> F:
        """``(claims) -> claims, (claims, refresh claims), or None``: with
        ``JWTSESSION_REFRESH_COOKIE``, who may come back after their access cookie is over.

        It gets the claims of the refresh cookie: ``sub``, ``sid``, ``auth_time``, and the
        ``refresh_claims`` of the sign-in. It looks the person up, and returns all claims of the
        next access token; together with them those of the next refresh token, if these change. None
        signs the person out. Of requests that come at the same time with one refresh cookie it is
        called for one. An exception is the application's error: the request fails, and both cookies
        stay as good as they were. It should take less than ten seconds.
        """
        self._callbacks.reauth = as_sync(function)
        return function

    def unauthorized_handler(self, function: F) -> F:
        """``() -> response``: what guards answer to somebody who has to sign in; None for the usual
        answer.
        """
        self._callbacks.unauthorized = as_sync(function)
        return function

    def script(self, *, nonce: str | None = None) -> Markup:
        """The elements that start ``client.js`` in a page with the public session in it.

        In templates it is ``jwtsession_script``; a second instance is passed to them::

            {{ jwtsession_script(nonce=csp_nonce) }}

        The session is JSON, not a script, and nothing in it can end its element. No cache keeps
        the page.

        :param nonce: of the page's Content-Security-Policy, if that has one; ``script-src 'self'``
            needs none
        """
        return script_tags(self._state(), nonce=nonce)

    def request_loader(self, request: Request) -> Any:
        """For Flask-Login: ``login_manager.request_loader(auth.request_loader)`` makes its
        ``current_user`` the one of this session, as the ``user_loader`` returns it.
        """
        return loaded_user(self._state())

    def _template_values(self) -> dict[str, Any]:
        values = {
            "current_session": self.current_session,
            "current_user": self.current_user,
            "jwtsession_csrf_token": lambda: token_for_page(self._state()),
            "jwtsession_script": self.script,
        }
        if hasattr(current_app, "login_manager"):
            # Flask-Login's templates ask current_user.is_authenticated of somebody anonymous, too.
            del values["current_user"]
        return values


def _provider(registration: Registration, binding: Binding) -> Provider:
    from .providers.provider import Provider  # with Authlib and requests
    from .providers.registration import settings_for

    # The binding's clock is looked up at every use: a test may put in its own.
    return Provider(settings_for(registration, binding.app), lambda: binding.clock())


def _refuse_collision(settings: Settings, other: Settings) -> None:
    for name in ("cookie_prefix", "url_prefix"):
        if getattr(settings, name) == getattr(other, name):
            raise ConfigError(
                f"{settings.config_prefix}_{name.upper()}",
                f"{getattr(settings, name)!r} is taken by {other.config_prefix} on this app",
            )
    kids = {key.kid for key in other.signing_keys}
    if any(key.kid in kids for key in settings.signing_keys):
        # It is bound to no cookie: whoever is signed in to the one would be so to the other.
        raise ConfigError(
            f"{settings.config_prefix}_SIGNING_KEY",
            f"has a key of {other.config_prefix} on this app; give each keys of its own",
        )

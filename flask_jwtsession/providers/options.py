"""The options of ``add_provider`` and the configuration keys of a provider, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import Flask

from ..exceptions import ConfigError
from .metadata import discovery_url, is_loopback, issuer_of_discovery_url, url_scheme
from .option_names import (
    AUTH_METHODS,
    ENDPOINT_OPTIONS,
    NEEDED_ENDPOINTS,
    OWN_PARAMETERS,
    REQUEST_OPTIONS,
    SESSION_OPTIONS,
)
from .presets import PRESETS
from .settings import Registration
from .signed_tokens import ALGORITHMS


class Options:
    """Reads what one registration and one app's configuration say, and complains by their names."""

    def __init__(self, registration: Registration, app: Flask) -> None:
        self._registration = registration
        self._preset = registration.preset
        self._given = registration.options
        self._config = app.config
        self._may_use_http = app.debug or app.testing

    def error(self, message: str) -> ConfigError:
        return ConfigError(f"add_provider({self._registration.name!r})", message)

    def key(self, option: str) -> str:
        """The configuration key of an option."""
        return f"{self._registration.name.upper().replace('-', '_')}_{option.upper()}"

    def text(self, option: str, given: object = None, *, is_line: bool = True) -> str | None:
        """An option, or else the configuration key of its name. None if there is neither.

        :param is_line: whether it is one line, as all are but a private key
        """
        value = self._given.get(option) if given is None else given
        source = f"add_provider({self._registration.name!r}, {option}=…)"
        if value is None:
            source = self.key(option)
            value = self._config.get(source)
        if value is None:
            return None
        if type(value) is int:  # as from_prefixed_env() makes of digits
            value = str(value)
        if not isinstance(value, str) or not value.strip() or (is_line and not value.isprintable()):
            raise ConfigError(source, "takes a text that is not empty, of one line")
        return value

    def required_text(self, option: str) -> str:
        value = self.text(option)
        if value is None:
            raise self._missing(option)
        return value

    def client_secret(self, session_options: Mapping[str, Any]) -> str | None:
        method = session_options.get("token_endpoint_auth_method", "client_secret_basic")
        # A method of the application's own may take a private key, which has several lines.
        secret = self.text("client_secret", is_line=method in AUTH_METHODS)
        if secret is None and method in ("client_secret_basic", "client_secret_post"):
            raise self._missing(
                "client_secret",
                ". A client that has none takes "
                "client_kwargs={'token_endpoint_auth_method': 'none'}.",
            )
        return secret

    def issuer(self) -> tuple[str | None, str | None]:
        """The issuer, and where its metadata is."""
        configured = self.text("issuer", self._registration.issuer)
        url = None
        if self._given.get("server_metadata_url") is not None:
            url = self._url("server_metadata_url")
        if not self._preset.is_oidc:
            if configured is not None or url is not None:
                raise self.error(f"{self._preset.label} has OAuth 2.0 only, and takes no issuer")
            return None, None
        issuer = configured
        if issuer is None and url is not None:
            issuer = issuer_of_discovery_url(url)
            if issuer is None:
                raise self.error("the issuer does not follow from server_metadata_url; set issuer=")
        if issuer is None:
            issuer = self._preset.issuer
        if issuer is None:
            if self._registration.is_known:
                raise self._missing("issuer")
            return None, None
        self._check_url("issuer", issuer)
        if issuer_of_discovery_url(issuer) is not None:
            raise self.error(f"{issuer!r} is where the metadata is, and not the issuer")
        if "?" in issuer:  # OpenID Connect Discovery 1.0 section 3
            raise self.error(f"an issuer has no query, got {issuer!r}")
        return issuer, url or discovery_url(issuer)

    def endpoints(self) -> dict[str, str | None]:
        """The endpoints that are configured, by their names in the metadata. None: one that is not
        to be used though the provider has it.
        """
        found: dict[str, str | None] = dict(self._preset.endpoints)
        for option, endpoint in ENDPOINT_OPTIONS.items():
            if option in self._given:
                is_unused = self._given[option] is None and option not in NEEDED_ENDPOINTS
                found[endpoint] = None if is_unused else self._url(option)
        return found

    def require_oauth_endpoints(self, endpoints: Mapping[str, str | None]) -> None:
        for option in ("authorize_url", "access_token_url", "userinfo_endpoint"):
            if endpoints.get(ENDPOINT_OPTIONS[option]) is None:
                raise self.error(
                    "takes issuer= for OpenID Connect, or else authorize_url=, access_token_url= "
                    f"and userinfo_endpoint=; {option} is missing. The presets, which need none "
                    f"of them, are {', '.join(PRESETS)}."
                )
        if self._registration.profile is None and not self._registration.is_known:
            raise self.error(
                "takes profile=, a function that makes a user (id, name, email, image) of what the "
                "userinfo endpoint answers"
            )

    def scope(self, *, is_oidc: bool) -> str:
        value = self.mapping("client_kwargs").get("scope")
        if value is None:
            value = self._preset.scope if is_oidc or self._registration.is_known else ""
        words = value.split() if isinstance(value, str) else value
        if not _is_collection_of_texts(words):
            raise self.error("the scope is a text, or a list of texts")
        if is_oidc and "openid" not in words:
            raise self.error("the scope of an OpenID Connect provider has 'openid' in it")
        return " ".join(words)

    def authorize_params(self) -> dict[str, str]:
        parameters = self.mapping("authorize_params")
        own = sorted(parameters.keys() & OWN_PARAMETERS)
        if own:
            raise self.error(f"authorize_params cannot have {own[0]!r}, which is set here")
        if not _is_collection_of_texts(list(parameters.values())):
            raise self.error("the values of authorize_params are texts; claims is JSON as a text")
        if parameters.get("response_mode") not in (None, "query", "form_post"):
            raise self.error("takes the response_mode 'query' or 'form_post'")
        return parameters

    def session_options(self, auth_methods: Collection[Any]) -> dict[str, Any]:
        options = self.mapping("client_kwargs")
        unknown = sorted(options.keys() - SESSION_OPTIONS)
        if unknown:
            raise self.error(
                f"client_kwargs cannot have {unknown[0]!r}; it takes "
                f"{', '.join(sorted(SESSION_OPTIONS))}. Parameters of the authorization request "
                "go into authorize_params."
            )
        options.pop("scope", None)
        if options.pop("code_challenge_method", "S256") != "S256":
            raise self.error("PKCE is always used with S256 (RFC 9700 section 2.1.1)")
        if "timeout" in options:
            options["default_timeout"] = options.pop("timeout")
        timeout = options.get("default_timeout", 1)
        if type(timeout) not in (int, float) or not 0 < timeout <= 60:
            raise self.error(f"the timeout is a number of seconds up to 60, got {timeout!r}")
        verify = options.get("verify", True)
        if verify is not True and not (isinstance(verify, str) and verify.strip()):
            raise self.error(
                "verify is the path of a file of certificates; they are always checked"
            )
        method = options.get("token_endpoint_auth_method", "none")
        own = [one[0] if isinstance(one, tuple) else one.name for one in auth_methods]
        if method not in (*AUTH_METHODS, *own):
            raise self.error(
                f"the token_endpoint_auth_method is one of {', '.join(AUTH_METHODS)}, or the name "
                f"of one of client_auth_methods, got {method!r}"
            )
        return options

    def auth_methods(self) -> tuple[Any, ...]:
        methods = self._given.get("client_auth_methods") or ()
        if not isinstance(methods, list | tuple) or not all(
            _is_auth_method(one) for one in methods
        ):
            raise self.error(
                "client_auth_methods is a list of pairs (name, function), or of Authlib's objects "
                "that have a name"
            )
        return tuple(methods)

    def compliance_fix(self) -> Callable[[Any], Any] | None:
        function = self._given.get("compliance_fix")
        if function is not None and not callable(function):
            raise self.error("compliance_fix is a function")
        return function

    def algorithm(self) -> str | None:
        value = self._given.get("id_token_signed_response_alg")
        if value is not None and value not in list(ALGORITHMS):
            raise self.error(
                f"id_token_signed_response_alg is one of {', '.join(sorted(ALGORITHMS))}"
            )
        return value

    def token_params(self) -> dict[str, str]:
        parameters = self.mapping("access_token_params")
        if not _is_collection_of_texts(list(parameters.values())):
            raise self.error("the values of access_token_params are texts")
        own = sorted(parameters.keys() & (OWN_PARAMETERS | REQUEST_OPTIONS))
        if own:
            raise self.error(f"access_token_params cannot have {own[0]!r}")
        return parameters

    def mapping(self, option: str) -> dict[str, Any]:
        value = self._given.get(option)
        if value is not None and not (
            isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
        ):
            raise self.error(f"{option} is a mapping of texts to values")
        return dict(value or {})

    def _missing(self, option: str, advice: str = "") -> ConfigError:
        name = self._registration.name
        return ConfigError(
            self.key(option),
            f"is not set in app.config, and add_provider({name!r}) needs it{advice}",
        )

    def _url(self, option: str) -> str:
        value = self._given[option]
        self._check_url(option, value)
        return str(value)

    def _check_url(self, option: str, value: object) -> None:
        """Refuse what a secret must not be sent to."""
        scheme = url_scheme(value)
        if scheme is None:
            got = "one with a password" if "@" in str(value) else repr(value)
            raise self.error(f"{option} takes a URL (https://id.example.com), got {got}")
        if scheme != "https" and not (self._may_use_http or is_loopback(str(value))):
            raise self.error(
                f"{option} is not https: {value!r}. Plain http is for loopback, debug and testing."
            )


def _is_collection_of_texts(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(one, str) for one in value
    )


def _is_auth_method(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) == 2 and isinstance(value[0], str) and callable(value[1])
    return isinstance(getattr(value, "name", None), str)

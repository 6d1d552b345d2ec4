"""``flask jwtsession check``: whether the configuration is one for production."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import click
from werkzeug.middleware.proxy_fix import ProxyFix

from ..cookies import CHUNK_SIZE
from ..lifecycle.binding import EXTENSION, Binding
from .application import binding_of_application
from .findings import Finding, Level
from .printing import echo
from .secret_strength import weakness
from .store_checks import store_findings

#: Bytes that gunicorn takes in one header line, by default.
_HEADER_LINE = 8190
#: Of the CSRF cookie: two times 64 hexadecimal digits, and what stands between them.
_CSRF_VALUE = 131


def print_findings(config_prefix: str) -> None:
    found = list(findings(binding_of_application(config_prefix)))
    for one in found:
        echo(f"{one.level:<8} {one.about}: {one.text}")
    levels = [one.level for one in found]
    problems, warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    click.echo(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    if problems:
        click.get_current_context().exit(1)


def findings(binding: Binding) -> Iterator[Finding]:
    """Everything on the list, in its order."""
    yield from _mode(binding)
    yield from _secure_cookies(binding)
    yield from _secrets(binding)
    yield from _proxy(binding)
    yield from _hosts(binding)
    yield from store_findings(binding)
    yield from _header_sizes(binding)
    yield from _csrf(binding)


def _mode(binding: Binding) -> Iterator[Finding]:
    for name, is_on in (("DEBUG", binding.app.debug), ("TESTING", binding.app.testing)):
        if is_on:
            yield Finding(
                Level.PROBLEM,
                "Mode",
                f"{name} is on. Errors are shown to people, and sessions begin over plain http.",
            )
    if not (binding.app.debug or binding.app.testing):
        yield Finding(Level.OK, "Mode", "neither DEBUG nor TESTING")


def _secure_cookies(binding: Binding) -> Iterator[Finding]:
    settings, about = binding.settings, "Secure cookies"
    key, url = f"{settings.config_prefix}_COOKIE_SECURE", f"{settings.config_prefix}_BASE_URL"
    if settings.cookie_secure is False:
        yield Finding(
            Level.PROBLEM, about, f"{key} is False: whoever listens to plain http has the session."
        )
    elif settings.cookie_secure is True:
        yield Finding(Level.OK, about, f"{key} is True")
    elif settings.base_url is None:
        yield Finding(
            Level.WARNING,
            about,
            f"Secure if a request came over https, as far as the application can see. Set {url} "
            f"to the https origin, or {key} = True.",
        )
    elif settings.base_url.startswith("https:"):
        yield Finding(Level.OK, about, f"{url} is https")
    else:
        yield Finding(Level.PROBLEM, about, f"{url} is not https.")


def _secrets(binding: Binding) -> Iterator[Finding]:
    settings, about = binding.settings, "Secret"
    prefix = settings.config_prefix
    named = {f"{prefix}_SECRET": settings.secrets[:1], "an older secret": settings.secrets[1:]}
    if settings.refresh is not None and settings.refresh.secrets != settings.secrets:
        named[f"{prefix}_REFRESH_SECRET"] = settings.refresh.secrets[:1]
    is_weak = False
    for name, values in named.items():
        for value in values:
            why = weakness(value)
            if why is not None:
                is_weak = True
                yield Finding(
                    Level.PROBLEM,
                    about,
                    f"{name} {why}. Whoever guesses it can sign in as anybody. Make one with: "
                    "flask jwtsession secret",
                )
    if not is_weak:
        yield Finding(Level.OK, about, f"{len(settings.secrets[0])} bytes, no pattern found")
    if len(settings.secrets) > 1:
        yield Finding(
            Level.WARNING,
            about,
            f"{_count(len(settings.secrets) - 1, 'older secret')} accepted: take away what no "
            "cookie is good under any more.",
        )
    if binding.app.config.get(f"{prefix}_SECRET") is None and f"{prefix}_SECRET" not in os.environ:
        yield Finding(
            Level.WARNING,
            about,
            f"it is Flask's SECRET_KEY. With a {prefix}_SECRET of its own you can replace one "
            "without the other.",
        )


def _proxy(binding: Binding) -> Iterator[Finding]:
    about, url = "Proxy", f"{binding.settings.config_prefix}_BASE_URL"
    fix = _proxy_fix(binding.app.wsgi_app)
    if fix is None:
        if binding.settings.base_url is None:
            yield Finding(
                Level.WARNING,
                about,
                "no ProxyFix. If TLS ends at a proxy, apply werkzeug.middleware.proxy_fix.ProxyFix "
                f"with the number of proxies, or set {url}.",
            )
        else:
            yield Finding(Level.OK, about, f"{url} says where the application is")
        return
    counts = {
        name: getattr(fix, name) for name in ("x_for", "x_proto", "x_host", "x_port", "x_prefix")
    }
    believed = ", ".join(f"{name}={count}" for name, count in counts.items() if count)
    if not counts["x_proto"] and binding.settings.base_url is None:
        yield Finding(
            Level.WARNING,
            about,
            "ProxyFix without x_proto: the application does not learn of https.",
        )
    else:
        yield Finding(
            Level.OK,
            about,
            f"ProxyFix with {believed or 'nothing'}. Each is the number of proxies that set the "
            "header; where there are fewer, anybody sets it.",
        )


def _proxy_fix(application: Any) -> ProxyFix | None:
    """The middleware, somewhere in what is around the application."""
    for _ in range(32):
        if isinstance(application, ProxyFix):
            return application
        # What a middleware wraps is called so in Werkzeug, and by most others.
        inner = (_attribute(application, name) for name in ("app", "wsgi_app", "application"))
        application = next(filter(callable, inner), None)
    return None


def _attribute(application: Any, name: str) -> Any:
    try:
        return getattr(application, name, None)
    except Exception:  # of somebody's middleware
        return None


def _hosts(binding: Binding) -> Iterator[Finding]:
    about, hosts = "Hosts", binding.app.config.get("TRUSTED_HOSTS")
    url = f"{binding.settings.config_prefix}_BASE_URL"
    if hosts:
        yield Finding(Level.OK, about, "TRUSTED_HOSTS is set")
    elif binding.settings.base_url is not None:
        yield Finding(
            Level.WARNING,
            about,
            f"{url} decides where sign-ins come back to. Links that the application makes itself "
            "still go by the Host header: set TRUSTED_HOSTS too.",
        )
    else:
        yield Finding(
            Level.PROBLEM,
            about,
            f"any Host header is believed. Set TRUSTED_HOSTS to your host names, or {url}.",
        )


def _header_sizes(binding: Binding) -> Iterator[Finding]:
    settings, about = binding.settings, "Header sizes"
    instances: dict[str, Binding] = binding.app.extensions[EXTENSION]
    key = f"{settings.config_prefix}_MAX_TOKEN_SIZE"
    # A browser sends the cookies of all of them in one header.
    size = sum(map(_largest_cookies, instances.values())) + len("Cookie: ")
    text = f"the Cookie header of a session with {key} = {settings.max_token_size} has {size} bytes"
    if len(instances) > 1:
        text += f", with those of the other instances ({', '.join(sorted(instances))})"
    if size > _HEADER_LINE:
        yield Finding(
            Level.PROBLEM,
            about,
            f"{text}; gunicorn takes {_HEADER_LINE} (limit_request_field_size), and nginx 8192 "
            f"(large_client_header_buffers). Change those, or {key}.",
        )
    else:
        yield Finding(
            Level.OK,
            about,
            f"{text}; common servers take {_HEADER_LINE}. In nginx set proxy_buffer_size 16k.",
        )


def _largest_cookies(binding: Binding) -> int:
    """Bytes of the cookies of one instance, while no sign-in is under way."""
    whole = binding.settings.max_token_size
    cookies = binding.https
    shares = [(cookies.session.name, whole)]
    if cookies.refresh is not None:
        shares = [
            (cookies.session.name, whole - whole // 4),
            (cookies.refresh[0].name, whole // 4),
        ]
    total = len(f"{cookies.csrf.name}=; ") + _CSRF_VALUE
    for name, length in shares:
        chunks = -(-length // CHUNK_SIZE)
        total += length + chunks * len(f"; {name}.0=")
    return total


def _csrf(binding: Binding) -> Iterator[Finding]:
    settings, about = binding.settings, "Requests of other sites"
    prefix = settings.config_prefix
    if not settings.csrf_protect:
        yield Finding(
            Level.WARNING,
            about,
            f"{prefix}_CSRF_PROTECT is False: the application has to refuse them itself.",
        )
    plain = [origin for origin in settings.trusted_origins if re.match("http:", origin)]
    if plain:
        yield Finding(
            Level.WARNING,
            about,
            f"{prefix}_TRUSTED_ORIGINS has {', '.join(sorted(plain))}: whoever is on the network "
            "can send requests from there.",
        )
    if settings.csrf_protect and not plain:
        yield Finding(Level.OK, about, "refused")


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"

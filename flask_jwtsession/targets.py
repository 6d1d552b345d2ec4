"""URLs of this application that a browser is sent to, and the ones it asked to be sent to."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode, urlsplit

from flask import request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from .lifecycle.binding import Binding
from .lifecycle.state import own_origin
from .request_checks.origin import SAFE_METHODS, origin_of
from .request_checks.redirects import resolved_path, safe_target

# Bytes that stand for themselves in a path, and in a query (RFC 3986 section 3.3 and 3.4), which
# is taken over percent-encoded as it came.
_PATH = "/:@!$&'()*+,;=~-._"
_QUERY = _PATH + "?%"


def page_path(binding: Binding, page: str, **parameters: str | None) -> str:
    """The path of a page: the application's own (``JWTSESSION_PAGES``), or the built-in one.

    :param page: ``"sign_in"``, ``"sign_out"`` or ``"error"``
    :param parameters: of the query; None leaves one out
    """
    own = binding.settings.pages.get(page)
    if own is None:
        path = url_for(f"{binding.blueprint}.{page.replace('_', '')}")
    else:
        path = request.script_root + own
    path = on_this_host(path)
    pairs = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{path}{'&' if '?' in path else '?'}{pairs}" if pairs else path


def on_this_host(path: str) -> str:
    """``path`` with one slash at its beginning. Two, from a SCRIPT_NAME that a client could set,
    would name another host.
    """
    return "/" + path.lstrip("/")


def absolute(binding: Binding, target: str) -> str:
    """``target`` with our origin, if it is a path."""
    return own_origin(binding, request) + target if target.startswith("/") else target


def default_target(binding: Binding) -> str:
    """Where a browser goes that asked for nothing, or for something that it may not have."""
    return own_origin(binding, request) + request.script_root


def chosen_target(binding: Binding, requested: object, *, leaving: bool = False) -> str:
    """The absolute URL to send the browser to now, when it asked for ``requested``.

    The ``redirect_callback`` may choose another. Its choice too must be here or at one of
    ``JWTSESSION_TRUSTED_ORIGINS``. After a sign-out (``leaving``) the sign-in page is a target too.
    """
    target = allowed_target(binding, requested, leaving=leaving)
    callback = binding.callbacks.redirect
    if callback is not None:
        origin = own_origin(binding, request)
        asked = target if target is not None else default_target(binding)
        target = allowed_target(
            binding, callback(absolute(binding, asked), origin), leaving=leaving
        )
    return default_target(binding) if target is None else absolute(binding, target)


def requested_target() -> str | None:
    """What the query asks for: ``callbackUrl``, or ``next``; None if it is not one clear wish."""
    arguments = query()
    for name in ("callbackUrl", "next"):
        values = arguments.getlist(name)
        if values:
            return values[0] if len(values) == 1 else None
    return None


def query() -> MultiDict[str, str]:
    """The query of the request. Werkzeug cannot decode bytes in it that are no UTF-8: then it is
    :exc:`~werkzeug.exceptions.BadRequest`.
    """
    try:
        return request.args
    except UnicodeDecodeError:
        raise BadRequest("The query is not UTF-8.") from None


def back_here(binding: Binding) -> str | None:
    """The URL that leads back to where the browser wanted to go, or None if none does."""
    headers = request.headers
    is_safe, is_boosted = request.method in SAFE_METHODS, headers.get("HX-Boosted") == "true"
    if headers.get("HX-Request") == "true" and not (is_boosted and is_safe):
        wanted: str | None = headers.get("HX-Current-URL")
    elif is_safe:  # a page, which HTMX may load for a link
        wanted = quote(request.script_root + request.path, safe=_PATH)
        if request.query_string:
            wanted += "?" + quote(request.query_string, safe=_QUERY)
    else:
        # The page with the form, and not what the form was sent to.
        wanted = headers.get("Referer")
    return allowed_target(binding, wanted)


def allowed_target(binding: Binding, requested: object, *, leaving: bool = False) -> str | None:
    """``requested`` as it is, if the browser may be sent there later; else None."""
    origin = own_origin(binding, request)
    target = safe_target(requested, {origin, *binding.settings.trusted_origins})
    if target is None or _leads_in_a_circle(binding, target, leaving=leaving):
        return None
    return target


def _leads_in_a_circle(binding: Binding, target: str, *, leaving: bool) -> bool:
    """Whether ``target`` is one of our own pages, which would send the browser on once more."""
    if not target.startswith("/") and origin_of(target) != own_origin(binding, request):
        return False
    path = unquote(resolved_path(urlsplit(target).path))
    below = request.script_root + binding.settings.url_prefix
    pages = {request.script_root + urlsplit(page).path for page in binding.settings.pages.values()}
    if leaving and path == page_path(binding, "sign_in").partition("?")[0]:
        return False
    return path == below or path.startswith(below + "/") or path in pages

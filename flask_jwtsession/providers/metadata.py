"""A provider's metadata (OpenID Connect Discovery 1.0, RFC 8414), checked before it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .reasons import Unusable

_PATH = "/.well-known/openid-configuration"
_TENANT = "{tenantid}"
# All IPv6 addresses of hosts that everybody can reach (RFC 4291 section 2.4, RFC 3056).
_GLOBAL_UNICAST, _6TO4 = IPv6Network("2000::/3"), IPv6Network("2002::/16")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What of a provider's metadata is used here.

    :ivar issuer: the identifier of the provider; None for one that has OAuth 2.0 only. Microsoft's
        for several tenants holds ``{tenantid}``
    :ivar iss_parameter: whether it says that its authorization responses have ``iss`` (RFC 9207)
    :ivar algorithms: of its ID tokens, as it says; None if it does not
    :ivar auth_methods: with which clients can authenticate; None if it does not say
    """

    issuer: str | None
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    iss_parameter: bool = False
    algorithms: frozenset[str] | None = None
    auth_methods: frozenset[str] | None = None


ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "end_session_endpoint",
    "revocation_endpoint",
)
_REQUIRED = ENDPOINTS[:3]


def discovery_url(issuer: str) -> str:
    """Where the metadata of ``issuer`` is (Discovery 1.0 section 4)."""
    return issuer.rstrip("/") + _PATH


def issuer_of_discovery_url(url: str) -> str | None:
    """The issuer whose metadata is at ``url``; None if that does not follow from it."""
    return url.removesuffix(_PATH) if url.endswith(_PATH) else None


def check_metadata(
    document: Mapping[str, Any], *, issuer: str, configured: Mapping[str, str | None]
) -> Metadata:
    """The metadata in ``document``, in which what the application configured takes precedence.

    :param issuer: the one that the document has to name, to the letter (Discovery 1.0 section 4.3)
    :param configured: endpoints by their name in the metadata; None for one that is not used

    Raises :exc:`~.reasons.Unusable` for another issuer's metadata, and for endpoints that are
    missing or not safe to call.
    """
    if document.get("issuer") != issuer:
        raise Unusable("issuer")
    endpoints: dict[str, Any] = {}
    for name in ENDPOINTS:
        value = configured[name] if name in configured else document.get(name)
        if value is not None and name not in configured:
            _check_endpoint(value, issuer)
        if value is None and name in _REQUIRED:
            raise Unusable(name)
        endpoints[name] = value
    return Metadata(
        issuer=issuer,
        iss_parameter=document.get("authorization_response_iss_parameter_supported") is True,
        algorithms=_names(document, "id_token_signing_alg_values_supported"),
        auth_methods=_names(document, "token_endpoint_auth_methods_supported"),
        **endpoints,
    )


def matches_issuer(issuer: str, claims: Mapping[str, Any]) -> bool:
    """Whether a token of ``issuer`` has these claims.

    Microsoft's issuer for several tenants has a place in it for the tenant, which the claim ``tid``
    names: each tenant is an issuer of its own.
    """
    if _TENANT in issuer:
        tenant = claims.get("tid")
        if not isinstance(tenant, str) or not re.fullmatch(r"[0-9A-Za-z-]{1,64}", tenant):
            return False
        issuer = issuer.replace(_TENANT, tenant)
    return bool(claims.get("iss") == issuer)


def may_be_issuer(issuer: str, value: str) -> bool:
    """Whether ``value`` is ``issuer``, or one of its tenants."""
    before, tenant, after = issuer.partition(_TENANT)
    if not tenant:
        return value == issuer
    return (
        re.fullmatch(re.escape(before) + "[0-9A-Za-z-]{1,64}" + re.escape(after), value) is not None
    )


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` is this machine."""
    return _is_loopback(urlsplit(url))


def url_scheme(value: object) -> str | None:
    """``"https"`` or ``"http"`` for a whole URL with nothing odd in it; None for all else."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value) or "\\" in value:
        return None
    try:
        url = urlsplit(value)
        # No "%" in a host: requests would decode it, after it was judged by what it looks like.
        is_odd = "@" in url.netloc or "%" in url.netloc or url.fragment or url.port == 0
    except ValueError:
        return None
    return url.scheme if url.hostname and not is_odd and url.scheme in ("https", "http") else None


def _check_endpoint(value: object, issuer: str) -> None:
    """Refuse an endpoint that a provider may not send us to.

    Its metadata may name other hosts than its own. But not http, over which a secret would travel
    in the clear, nor an address inside our network that the provider is not at itself.
    """
    scheme = url_scheme(value)
    if scheme is None:
        raise Unusable("endpoint")
    url, own = urlsplit(str(value)), urlsplit(issuer)
    is_own = url.hostname == own.hostname or (_is_loopback(url) and _is_loopback(own))
    is_encrypted = scheme == "https" or (own.scheme == "http" and is_own)
    if not is_encrypted or not (is_own or _is_public(url.hostname or "")):
        raise Unusable("endpoint")


def _is_loopback(url: SplitResult) -> bool:
    host = (url.hostname or "").removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_public(host: str) -> bool:
    """Whether ``host`` is a name, or an address that everybody can reach. A name may lead inside;
    it is for whoever configured this provider to know whose names it hands out.
    """
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        address = ip_address(host)
    except ValueError:
        # Not an address as Python knows it. But "127.1", "0x7f.1" and "2130706433" are for others.
        last = host.rstrip(".").rpartition(".")[2]
        return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) is None
    if isinstance(address, IPv6Address) and (
        address not in _GLOBAL_UNICAST or address in _6TO4  # which have an IPv4 address inside
    ):
        return False
    return address.is_global and not address.is_multicast


def _names(document: Mapping[str, Any], member: str) -> frozenset[str] | None:
    value = document.get(member)
    if not isinstance(value, list):
        return None
    return frozenset(name for name in value if isinstance(name, str))

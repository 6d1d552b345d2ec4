"""What a provider publishes of itself, fetched when it is first needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..exceptions import ProviderError
from .documents import Document
from .metadata import Metadata, check_metadata
from .network import calling, get_object, open_session
from .reasons import Unusable
from .settings import ProviderSettings
from .signed_tokens import (
    ALGORITHMS,
    PublishedKey,
    SignedToken,
    UnknownKey,
    check_shape,
    read_key_set,
    verify_signature,
)

_log = logging.getLogger("flask_jwtsession")


class Published:
    """The metadata and the keys of one provider.

    :param clock: epoch seconds
    """

    def __init__(self, settings: ProviderSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self.metadata: Document[Metadata] = Document(self._fetch_metadata, clock)
        self._keys = Document(self._fetch_keys, clock)

    def verified(self, token: object) -> SignedToken:
        """A token that the provider signed. Raises :exc:`Untrusted`, and :exc:`ProviderError` if
        its keys cannot be had.
        """
        check_shape(token)  # before anything is fetched: anybody can send anything
        metadata, keys = self.metadata.get(), self._keys.get()
        algorithms = metadata.algorithms if metadata.algorithms is not None else ALGORITHMS
        if self._settings.algorithm is not None:
            algorithms = frozenset({self._settings.algorithm})
        try:
            return verify_signature(token, keys, algorithms)
        except UnknownKey:
            # The provider may have a new one.
            return verify_signature(token, self._keys.newer(), algorithms)

    def _fetch_metadata(self) -> Metadata:
        settings = self._settings
        if settings.discovery_url is None:
            return _configured_metadata(settings)
        assert settings.published_issuer is not None  # noqa: S101 - there is no discovery without
        with _telling(settings.discovery_url), calling(settings.name, "metadata"):
            document = self._fetch(settings.discovery_url)
            try:
                return check_metadata(
                    document, issuer=settings.published_issuer, configured=settings.endpoints
                )
            except Unusable as error:
                if str(error) == "issuer":
                    _log.error(
                        "The issuer of the provider %s is configured as %r, but its metadata says "
                        "%r. They have to be the same, to the last slash.",
                        settings.name,
                        settings.published_issuer,
                        str(document.get("issuer"))[:200],
                    )
                raise

    def _fetch_keys(self) -> tuple[PublishedKey, ...]:
        url = self.metadata.get().jwks_uri
        if url is None:
            return ()
        with _telling(url), calling(self._settings.name, "keys"):
            return read_key_set(self._fetch(url))

    def _fetch(self, url: str) -> dict[str, Any]:
        with open_session(self._settings) as session:
            return get_object(session, url)


@contextmanager
def _telling(url: str) -> Iterator[None]:
    """Let an error tell the log where it was; the URL of what is published is no secret."""
    try:
        yield
    except ProviderError as error:
        detail = f"{error.detail} at {url}"
        raise ProviderError(error.provider, error.reason, detail=detail) from None


def _configured_metadata(settings: ProviderSettings) -> Metadata:
    endpoints: dict[str, Any] = dict(settings.endpoints)
    return Metadata(issuer=settings.published_issuer, **endpoints)

"""A provider's metadata and keys, as they are fetched, kept, and fetched anew for a new key."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_jwtsession import ProviderError
from flask_jwtsession.providers.documents import BETWEEN_REFETCHES, MAX_AGE
from flask_jwtsession.providers.published import Published
from flask_jwtsession.providers.reasons import Untrusted
from flask_jwtsession.providers.registration import register, settings_for

from .peers.faulty_provider import FaultyProvider
from .peers.faulty_provider.jws import jws
from .peers.faulty_provider.keys import attacker_key, signing_key
from .support import Clock

SECRET = "hush-client-secret"
CLAIMS = {"sub": "u1"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProvider]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultyProvider() as found:
        yield found


def published(provider: FaultyProvider, clock: Clock, **options: Any) -> Published:
    given = {"client_id": "app", "client_secret": SECRET, **options}
    issuer = given.pop("issuer", provider.issuer)
    registration = register("op", preset=None, issuer=issuer, profile=None, options=given)
    return Published(settings_for(registration, Flask(__name__)), clock)


def refused(found: Published, token: object) -> str:
    with pytest.raises(Untrusted) as caught:
        found.verified(token)
    return str(caught.value)


def test_nothing_is_fetched_before_it_is_needed(provider: FaultyProvider, clock: Clock) -> None:
    found = published(provider, clock)
    assert provider.received == []
    assert found.metadata.get().token_endpoint == provider.url("token")
    assert [request.endpoint for request in provider.received] == ["metadata"]


def test_what_was_fetched_is_kept_for_an_hour(provider: FaultyProvider, clock: Clock) -> None:
    found, token = published(provider, clock), jws(CLAIMS, provider.key)
    for _ in range(3):
        assert found.verified(token).claims == CLAIMS
    assert (provider.count("metadata"), provider.count("jwks")) == (1, 1)
    clock.advance(MAX_AGE)
    assert found.verified(token).claims == CLAIMS
    assert (provider.count("metadata"), provider.count("jwks")) == (2, 2)


def test_sec_180_no_secret_is_sent_for_what_is_public(
    provider: FaultyProvider, clock: Clock
) -> None:
    published(provider, clock).verified(jws(CLAIMS, provider.key))
    for request in provider.received:
        assert "Authorization" not in request.headers
        assert not request.form
        assert not request.query


def test_a_new_key_is_found(provider: FaultyProvider, clock: Clock) -> None:
    found = published(provider, clock)
    old = jws(CLAIMS, provider.key)
    found.verified(old)
    provider.rotate_keys("op-2")
    assert found.verified(jws(CLAIMS, provider.key)).key.kid == "op-2"
    assert provider.count("jwks") == 2
    # The provider took the old one away.
    assert refused(found, old) == "key"


def test_sec_165_unknown_keys_fetch_the_key_set_once_in_thirty_seconds(
    provider: FaultyProvider, clock: Clock
) -> None:
    found = published(provider, clock)
    found.verified(jws(CLAIMS, provider.key))
    for number in range(50):
        forged = jws(CLAIMS, attacker_key(), header={"kid": f"nobody's-{number}"})
        assert refused(found, forged) == "key"
    assert provider.count("jwks") == 2
    clock.advance(BETWEEN_REFETCHES)
    assert refused(found, jws(CLAIMS, attacker_key())) == "key"
    assert provider.count("jwks") == 3


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": "none"}, id="SEC-165 none"),
        pytest.param({"alg": "HS256"}, id="SEC-165 HS256"),
        pytest.param({"alg": "RS512"}, id="SEC-166 not in the metadata"),
        pytest.param({"crit": ["x"]}, id="SEC-165 crit"),
        pytest.param({"kid": "op-1"}, id="SEC-165 a bad signature"),
    ],
)
def test_a_token_that_cannot_be_good_fetches_nothing(
    provider: FaultyProvider, clock: Clock, header: dict[str, Any]
) -> None:
    found = published(provider, clock)
    found.verified(jws(CLAIMS, provider.key))
    assert refused(found, jws(CLAIMS, attacker_key(), header=header)) != "key"
    assert provider.count("jwks") == 1


def test_a_key_set_that_cannot_be_fetched_anew_says_so(
    provider: FaultyProvider, clock: Clock
) -> None:
    found = published(provider, clock)
    known = jws(CLAIMS, provider.key)
    found.verified(known)
    with provider.down(), pytest.raises(ProviderError) as caught:
        found.verified(jws(CLAIMS, signing_key("op-2")))
    assert (caught.value.reason, caught.value.status) == ("keys_unreachable", 502)
    assert found.verified(known).claims == CLAIMS


# The algorithm.


def test_sec_166_the_algorithms_are_those_of_the_metadata(
    provider: FaultyProvider, clock: Clock
) -> None:
    found = published(provider, clock)
    unpinned = jws(CLAIMS, provider.key, header={"alg": "RS512"}, signer=provider.key.sign_rs512)
    assert refused(found, unpinned) == "algorithm"


def test_sec_166_a_configured_algorithm_is_the_only_one(
    provider: FaultyProvider, clock: Clock
) -> None:
    found = published(provider, clock, id_token_signed_response_alg="PS256")
    assert refused(found, jws(CLAIMS, provider.key)) == "algorithm"


# Where all is configured.


def test_configured_endpoints_are_not_looked_up(provider: FaultyProvider, clock: Clock) -> None:
    found = published(
        provider,
        clock,
        authorize_url=provider.url("authorize"),
        access_token_url=provider.url("token"),
        jwks_uri=provider.url("jwks"),
    )
    metadata = found.metadata.get()
    assert metadata.issuer == provider.issuer
    assert (metadata.algorithms, metadata.auth_methods) == (None, None)
    # One with a key of its own, of which nobody said which algorithm it is for.
    assert found.verified(jws(CLAIMS, provider.key)).claims == CLAIMS
    assert [request.endpoint for request in provider.received] == ["jwks"]


def test_a_provider_of_oauth_only_signs_nothing(provider: FaultyProvider, clock: Clock) -> None:
    registration = register(
        "github",
        preset=None,
        issuer=None,
        profile=None,
        options={"client_id": "app", "client_secret": SECRET},
    )
    found = Published(settings_for(registration, Flask(__name__)), clock)
    assert found.metadata.get().issuer is None
    with pytest.raises(Untrusted):
        found.verified(jws(CLAIMS, provider.key))
    assert provider.received == []


# Faults.


@pytest.mark.parametrize(
    "fault",
    ["issuer is another", "issuer ends with a slash", "issuer is missing", "issuer is a number"],
)
def test_sec_164_metadata_of_another_issuer_is_logged_with_both(
    provider: FaultyProvider,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    found = published(provider, clock)
    with provider.failing(fault), pytest.raises(ProviderError) as caught:
        found.metadata.get()
    assert caught.value.reason == "metadata_unusable"
    (record,) = (one for one in caplog.records if one.levelno == logging.ERROR)
    assert "op" in record.getMessage()
    assert repr(provider.issuer) in record.getMessage()
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    "fault", ["token_endpoint is http elsewhere", "jwks_uri is missing", "metadata is an array"]
)
def test_sec_164_metadata_that_is_not_safe_is_unusable(
    provider: FaultyProvider, clock: Clock, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    found = published(provider, clock)
    with provider.failing(fault), pytest.raises(ProviderError) as caught:
        found.metadata.get()
    assert caught.value.reason == "metadata_unusable"
    # Its issuer is right: nothing is said of one.
    assert not [record for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.parametrize("fault", ["jwks has no keys", "jwks has keys that are null"])
def test_sec_165_what_is_no_key_set_is_unusable(
    provider: FaultyProvider, clock: Clock, fault: str
) -> None:
    found = published(provider, clock)
    with provider.failing(fault), pytest.raises(ProviderError) as caught:
        found.verified(jws(CLAIMS, provider.key))
    assert caught.value.reason == "keys_unusable"


@pytest.mark.parametrize(
    "fault",
    [
        "jwks is an empty list of keys",
        "jwks has a key for encryption",
        "jwks has a key of an unknown kind",
    ],
)
def test_sec_165_a_key_set_without_the_key_knows_nobody(
    provider: FaultyProvider, clock: Clock, fault: str
) -> None:
    found = published(provider, clock)
    with provider.failing(fault):
        assert refused(found, jws(CLAIMS, provider.key)) == "key"
    assert provider.count("jwks") == 2

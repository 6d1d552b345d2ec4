"""From what a provider says of a person to the user that an application sees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession.providers.presets import PRESETS
from flask_jwtsession.providers.profiles import (
    MICROSOFT_CONSUMERS,
    discord_user,
    github_user,
    microsoft_account,
    microsoft_user,
    standard_user,
    subject,
)

from .support import VECTORS

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(
    (VECTORS / "provider_profiles.json").read_text()
)
TENANT = "4f2e9b7c-1d3a-4c58-9e60-7b8a5d2c1f90"


def vectors() -> list[Any]:
    return [
        pytest.param(name, vector, id=f"{name}: {vector['case']}")
        for name, cases in RECORDED.items()
        for vector in cases
    ]


@pytest.mark.parametrize(("name", "vector"), vectors())
def test_a_person_as_a_provider_shows_them(name: str, vector: dict[str, Any]) -> None:
    preset, claims = PRESETS[name], vector.get("id_token")
    profile: dict[str, Any] = {}
    if claims is None or preset.asks_userinfo:
        profile |= vector["userinfo"]
    if vector.get("emails") is not None:
        profile["emails"] = vector["emails"]
    profile |= claims or {}
    assert preset.user(profile) == vector["expected"]
    if claims is not None:
        assert preset.account(claims) == vector["expected"]["id"]


def test_every_preset_has_its_vectors() -> None:
    assert set(RECORDED) == set(PRESETS)


# By the standard claims.


def standard(**more: object) -> dict[str, Any]:
    return standard_user({"sub": "u1", **more})


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ({"name": "Ada Lovelace", "given_name": "Augusta"}, "Ada Lovelace"),
        ({"given_name": "Ada", "family_name": "Lovelace"}, "Ada Lovelace"),
        ({"given_name": "Ada"}, "Ada"),
        ({"family_name": "Lovelace"}, "Lovelace"),
        ({"given_name": "Ada", "preferred_username": "ada"}, "Ada"),
        ({"preferred_username": "ada", "nickname": "a"}, "ada"),
        ({"nickname": "a"}, "a"),
        ({"name": "", "given_name": " ", "preferred_username": "ada"}, "ada"),
        ({"name": None, "family_name": 7, "nickname": "a"}, "a"),
        ({"name": {"first": "Ada"}}, None),
        ({"email": "ada@example.com"}, None),
        ({"name": "x" * 1025, "nickname": "a"}, "a"),
        ({"name": "x" * 1024}, "x" * 1024),
        ({}, None),
    ],
)
def test_the_name_is_the_best_that_there_is(profile: dict[str, Any], name: str | None) -> None:
    assert standard(**profile)["name"] == name


@pytest.mark.parametrize(
    "flag",
    [
        pytest.param({"email_verified": True}, id="true"),
        pytest.param({"email_verified": "true"}, id="SEC-176 the text true"),
        pytest.param({"email_verified": "True"}, id="SEC-176 the text True"),
        pytest.param({}, id="SEC-176 absent: a company's own provider made the address"),
    ],
)
def test_an_address_that_is_verified_is_kept(flag: dict[str, Any]) -> None:
    assert standard(email="ada@example.com", **flag)["email"] == "ada@example.com"


@pytest.mark.parametrize(
    "flag", [False, "false", "False", None, 0, 1, "", "1", "yes", "no", [], [True], {}]
)
def test_sec_176_an_address_that_is_not_verified_is_left_out(flag: object) -> None:
    # Whatever else than "true" a provider sends where it sends something.
    assert standard(email="ada@example.com", email_verified=flag)["email"] is None


@pytest.mark.parametrize("email", [None, "", " ", 7, ["ada@example.com"], True, "x" * 1025])
def test_an_address_is_a_text(email: object) -> None:
    assert standard(email=email, email_verified=True)["email"] is None


@pytest.mark.parametrize(
    ("picture", "image"),
    [
        ("https://id.example.com/ada.png?s=80&d=x", "https://id.example.com/ada.png?s=80&d=x"),
        ("http://id.example.com/ada.png", "http://id.example.com/ada.png"),
        ("javascript:alert(1)", None),
        (" javascript:alert(1)", None),
        ("data:image/png;base64,AAAA", None),
        ("//id.example.com/ada.png", None),
        ("/ada.png", None),
        ("https://id.example.com/" + "x" * 1024, None),
        (None, None),
        ("", None),
        (7, None),
        ({"url": "https://id.example.com/ada.png"}, None),
    ],
)
def test_sec_133_a_picture_is_at_a_url_and_is_no_script(picture: object, image: str | None) -> None:
    assert standard(picture=picture)["image"] == image


def test_the_account_id_is_the_subject_to_the_letter() -> None:
    assert subject({"sub": "auth0|66f1"}) == "auth0|66f1"
    assert standard_user({"sub": "auth0|66f1"})["id"] == "auth0|66f1"


# Microsoft's.


def microsoft(**more: object) -> dict[str, Any]:
    return microsoft_user({"sub": "s1", "tid": TENANT, "email": "ada@contoso.example", **more})


@pytest.mark.parametrize("owned", [True, 1, "1", "true"])
def test_an_address_of_a_domain_that_the_tenant_owns_is_kept(owned: object) -> None:
    assert microsoft(xms_edov=owned)["email"] == "ada@contoso.example"


def test_an_address_of_a_private_account_is_kept() -> None:
    assert microsoft(tid=MICROSOFT_CONSUMERS)["email"] == "ada@contoso.example"


NOT_OWNED: list[object] = [False, 0, "0", "false", None, "", 2, "yes", [True], {}]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="SEC-176 nothing is said"),
        pytest.param({"email_verified": True}, id="SEC-176 a claim that it does not have"),
        *(pytest.param({"xms_edov": value}, id=f"SEC-176 {value!r}") for value in NOT_OWNED),
        pytest.param({"tid": MICROSOFT_CONSUMERS.upper()}, id="SEC-176 nearly the tenant"),
        pytest.param({"preferred_username": "ada@contoso.example"}, id="SEC-176 another name"),
    ],
)
def test_an_address_that_anybody_can_write_is_left_out(claims: dict[str, Any]) -> None:
    assert microsoft(**claims)["email"] is None


def test_sec_177_two_tenants_have_accounts_of_their_own() -> None:
    assert microsoft_account({"sub": "s1", "tid": TENANT}) == f"{TENANT}.s1"
    assert microsoft()["id"] == f"{TENANT}.s1"
    assert microsoft(tid="other")["id"] != microsoft()["id"]


def test_microsofts_name_may_be_the_one_to_sign_in_with_and_its_picture_is_none() -> None:
    found = microsoft(preferred_username="ada@contoso.example", picture="https://graph.example/me")
    assert (found["name"], found["image"]) == ("ada@contoso.example", None)


# GitHub's.


def github(**more: object) -> dict[str, Any]:
    return github_user({"id": 7, "login": "ada", **more})


def entry(email: object = "ada@example.com", **more: object) -> dict[str, object]:
    return {"email": email, "primary": True, "verified": True, **more}


def test_githubs_account_id_is_its_number_and_never_the_login() -> None:
    assert github()["id"] == "7"
    assert github(id=2**53 + 1)["id"] == "9007199254740993"
    assert github(id="7")["id"] == "7"


@pytest.mark.parametrize("identifier", [None, "", True, 7.0, [7], {"id": 7}])
def test_without_its_number_an_account_of_github_has_no_id(identifier: object) -> None:
    assert github(id=identifier)["id"] is None


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([entry()], "ada@example.com"),
        ([entry("old@example.com", primary=False), entry()], "ada@example.com"),
        ([None, 7, "x", [], {}, entry()], "ada@example.com"),
    ],
)
def test_githubs_address_is_the_primary_one(emails: list[Any], email: str) -> None:
    assert github(emails=emails, email="public@example.com")["email"] == email


@pytest.mark.parametrize(
    "emails",
    [
        pytest.param([entry(verified=False)], id="not verified"),
        pytest.param([entry(verified="true")], id="verified is a text"),
        pytest.param([entry(verified=None)], id="verified is null"),
        pytest.param([entry(verified=False), entry(primary=False)], id="another is"),
        pytest.param([entry(primary=False)], id="not primary"),
        pytest.param([entry(primary=1)], id="primary is a number"),
        pytest.param([entry(None)], id="null"),
        pytest.param([entry(["ada@example.com"])], id="an array"),
        pytest.param([], id="none"),
        pytest.param(None, id="not allowed"),
        pytest.param({"email": "ada@example.com"}, id="an object"),
        pytest.param("ada@example.com", id="a text"),
    ],
)
def test_sec_176_without_a_verified_primary_address_github_has_none(emails: object) -> None:
    assert github(emails=emails, email="public@example.com", email_verified=True)["email"] is None


# Discord's.


def discord(**more: object) -> dict[str, Any]:
    return discord_user({"id": "80351110224678912", "username": "ada", **more})


@pytest.mark.parametrize("verified", [False, None, "true", 1, "", []])
def test_sec_176_an_address_that_discord_has_not_verified_is_left_out(verified: object) -> None:
    assert discord(email="ada@example.com", verified=verified)["email"] is None
    assert discord(email="ada@example.com", verified=True)["email"] == "ada@example.com"
    assert discord(email="ada@example.com", email_verified=True)["email"] is None


@pytest.mark.parametrize(
    ("profile", "image"),
    [
        ({"avatar": "a1b2"}, "avatars/80351110224678912/a1b2.png"),
        ({"avatar": "a_b2"}, "avatars/80351110224678912/a_b2.gif"),
        ({"avatar": None}, "embed/avatars/5.png"),
        ({"avatar": None, "discriminator": "0"}, "embed/avatars/5.png"),
        ({"avatar": "", "discriminator": "1843"}, "embed/avatars/3.png"),
        ({"avatar": 7, "discriminator": "9999"}, "embed/avatars/4.png"),
        ({"discriminator": 1843}, "embed/avatars/5.png"),
        ({"discriminator": "x"}, "embed/avatars/5.png"),
    ],
)
def test_discords_picture_follows_from_what_it_says(profile: dict[str, Any], image: str) -> None:
    assert discord(**profile)["image"] == f"https://cdn.discordapp.com/{image}"


@pytest.mark.parametrize("identifier", ["x", "../7", "-7", "7 ", "", None, True, "\u00b2", "7\n"])
@pytest.mark.parametrize("more", [{}, {"avatar": "a1b2"}])
def test_without_a_number_there_is_no_picture(identifier: object, more: dict[str, str]) -> None:
    assert discord(id=identifier, **more)["image"] is None


# Whatever they say.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = [
    *("id", "sub", "tid", "name", "given_name", "family_name", "preferred_username", "nickname"),
    *("email", "email_verified", "verified", "xms_edov", "emails", "picture", "avatar_url"),
    *("avatar", "discriminator", "global_name", "username", "login"),
]


@given(
    st.sampled_from([standard_user, microsoft_user, github_user, discord_user]),
    st.dictionaries(st.sampled_from(MEMBERS), JSON | st.text("0123456789\u00b2\u0663")),
)
def test_whatever_a_provider_says_a_user_is_made_of_it(user: Any, profile: dict[str, Any]) -> None:
    found = user({"sub": "u1", "tid": TENANT, **profile})
    assert set(found) == {"id", "name", "email", "image"}
    assert all(value is None or isinstance(value, str) for value in found.values())
    assert found["name"] != ""
    assert found["email"] != ""

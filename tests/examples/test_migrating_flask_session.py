"""From Flask-Session: whom an old session signs in, and the names that the page has."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flask_session
import pytest
from flask import Flask
from flask_session.defaults import Defaults

from flask_jwtsession.testing import JWTSessionClient

from ..faulty_store import FaultyStore
from ..support import CROSS_SITE, SAME_ORIGIN, SECRET
from ..test_docs import DOCS, run_examples

PAGE = DOCS / "migrating-flask-session.rst"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module that the examples of the page are, after they ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        patch.setenv("JWTSESSION_SECRET", SECRET)
        yield run_examples(PAGE, patch)


@pytest.fixture
def visitor(page: ModuleType) -> JWTSessionClient:
    """A browser at the application to which people move."""
    return JWTSessionClient(page.moving)


def old_session(page: ModuleType, **data: Any) -> str:
    """The identifier of a session that Flask-Session keeps."""
    client = page.before.test_client()
    with client.session_transaction() as session:
        session.update(data)
    return str(client.get_cookie("session").value)


def is_kept(page: ModuleType, identifier: str) -> bool:
    return bool(page.before.session_interface.cache.has(f"session:{identifier}"))


# Whom an old session signs in


def test_who_has_an_old_session_is_signed_in_and_keeps_what_they_had(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie("session", old_session(page, user_id="2", theme="dark", draft="Dear all"))
    expected = {"name": "Ben", "theme": "dark", "draft": "Dear all"}
    assert visitor.get("/me").json == expected
    assert visitor.get_cookie("session") is None
    assert visitor.get("/me").json == expected


def test_an_old_session_is_taken_over_once(page: ModuleType, visitor: JWTSessionClient) -> None:
    identifier = old_session(page, user_id="1", theme="light")
    assert is_kept(page, identifier)
    visitor.set_cookie("session", identifier)
    assert visitor.get("/me").status_code == 200
    assert not is_kept(page, identifier)
    copy = page.moving.test_client()
    copy.set_cookie("session", identifier)
    assert copy.get("/me").status_code == 401


def test_somebody_who_was_taken_over_is_not_fresh(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie("session", old_session(page, user_id="1", theme="light"))
    assert visitor.get("/danger").status_code == 401
    assert visitor.get("/me").status_code == 200


def test_a_sign_out_is_one_also_with_the_first_request(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie("session", old_session(page, user_id="1", theme="light"))
    assert visitor.post("/auth/signout", headers=SAME_ORIGIN).status_code == 302
    assert visitor.get_cookie("session") is None
    assert visitor.get("/me").status_code == 401


def test_an_old_session_changes_nothing_about_who_is_signed_in(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.sign_in({"id": 2, "name": "Ben"})
    visitor.set_cookie("session", old_session(page, user_id="1", theme="dark", draft="Ada's"))
    page.drafts.pop("2", None)
    assert visitor.get("/me").json == {"name": "Ben", "theme": "light", "draft": None}


@pytest.mark.parametrize(
    "data", [{"user_id": "3"}, {"user_id": ""}, {"user_id": 1}, {"user_id": None}, {"basket": [1]}]
)
def test_an_old_session_of_nobody_signs_nobody_in(
    page: ModuleType, visitor: JWTSessionClient, data: dict[str, Any]
) -> None:
    visitor.set_cookie("session", old_session(page, **data))
    response = visitor.get("/me")
    assert response.status_code == 401
    assert not visitor.get_session(response)


def test_what_somebody_has_who_is_not_signed_in_stays(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    identifier = old_session(page, basket=["a book"])
    visitor.set_cookie("session", identifier)
    visitor.get("/me")
    assert is_kept(page, identifier)


@pytest.mark.parametrize("identifier", ["", "planted", "../../etc/passwd", "x" * 3000, "session:"])
def test_an_identifier_that_was_made_up_signs_nobody_in(
    visitor: JWTSessionClient, identifier: str
) -> None:
    visitor.set_cookie("session", identifier)
    assert visitor.get("/me").status_code == 401


def test_another_site_cannot_use_an_old_session(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    identifier = old_session(page, user_id="1", theme="light")
    visitor.set_cookie("session", identifier)
    assert visitor.post("/me", headers=CROSS_SITE).status_code == 403
    assert not visitor.get_session()
    assert is_kept(page, identifier)


def test_nobody_is_taken_over_while_nobody_knows_who_is_signed_in(page: ModuleType) -> None:
    store = FaultyStore(time.time)
    app = Flask("moving", instance_path=page.moving.instance_path)
    app.config["JWTSESSION_STORE"] = store
    app.session_interface = page.moving.session_interface
    app.before_request(page.take_over)
    page.auth.init_app(app)
    app.add_url_rule("/me", "about_me", page.about_me)
    visitor, identifier = JWTSessionClient(app), old_session(page, user_id="1", theme="dark")
    visitor.sign_in({"id": 2, "name": "Ben"})
    visitor.set_cookie("session", identifier)

    store.refused.add("get_many")
    assert visitor.get("/me").status_code == 503
    assert is_kept(page, identifier)
    store.refused.clear()
    response = visitor.get("/me")
    assert response.json is not None
    assert response.json["name"] == "Ben"


# The application afterwards


@pytest.mark.parametrize("data", [{"theme": "blue"}, {"theme": ""}, {"theme": "x" * 50_000}, {}])
def test_a_theme_that_there_is_not_does_not_get_into_the_cookie(
    page: ModuleType, data: dict[str, str]
) -> None:
    client = JWTSessionClient(page.after)
    client.sign_in({"id": 1, "name": "Ada"})
    response = client.post("/theme", data=data, headers=SAME_ORIGIN)
    assert response.status_code == 400
    assert client.get("/me").json["theme"] == "light"  # type: ignore[index]


# The names


def documented_names() -> set[str]:
    return set(re.findall(r"``(?:session_interface\.|session\.)?(\w+)", PAGE.read_text()))


def test_the_page_has_every_setting_of_the_library() -> None:
    settings = {name for name in vars(Defaults) if name.startswith("SESSION_")}
    assert len(settings) > 20
    # As its documentation calls one of them.
    assert (settings | {"SESSION_DYNAMODB_TABLE_NAME"}) - documented_names() == set()


def test_the_page_has_every_setting_of_flask_that_the_library_reads() -> None:
    settings = {name for name in Flask("settings").config if "SESSION" in name} | {"SECRET_KEY"}
    assert len(settings) > 8
    assert settings - documented_names() == set()


def test_the_page_has_every_kind_of_storage_of_the_library() -> None:
    folder = Path(flask_session.__file__).parent
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    kinds = set(re.findall(r"class (\w+SessionInterface)\b", source))
    assert len(kinds) > 6
    assert kinds - documented_names() == set()
    names = set(re.findall(r'SESSION_TYPE == "(\w+)"', source))
    assert len(names) > 6
    assert names - documented_names() == set()


def test_the_page_has_everything_that_a_session_of_the_library_has() -> None:
    names = {"sid", "modified", "accessed", "permanent", "clear", "get", "setdefault", "regenerate"}
    assert names - documented_names() == set()

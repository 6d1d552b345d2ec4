"""From Flask-JWT-Extended: whom an old cookie signs in, and the names that the page has."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import flask_jwt_extended
import jwt
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_jwt_extended.view_decorators import jwt_required

from flask_jwtsession.testing import JWTSessionClient

from ..faulty_store import FaultyStore
from ..support import CROSS_SITE, SAME_ORIGIN, SECRET
from ..test_docs import DOCS, run_examples

PAGE = DOCS / "migrating-flask-jwt-extended.rst"
ACCESS, REFRESH = "access_token_cookie", "refresh_token_cookie"
PAST, FUTURE = 1_000_000_000, 4_000_000_000


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


def old_token(page: ModuleType, kind: str = "access", **claims: Any) -> str:
    """A token as Flask-JWT-Extended makes it for Ada, with other claims; None takes one away."""
    create = getattr(flask_jwt_extended, f"create_{kind}_token")
    with page.before.app_context():
        token: str = create("1")
    if not claims:
        return token
    made = jwt.decode(token, options={"verify_signature": False}) | claims
    return jwt.encode({n: v for n, v in made.items() if v is not None}, page.OLD_KEY, "HS256")


def deleted_cookies(response: Any) -> set[str]:
    lines = response.headers.getlist("Set-Cookie")
    return {line.partition("=")[0] for line in lines if "1970" in line}


# Whom an old cookie signs in


@pytest.mark.parametrize(("cookie", "kind"), [(ACCESS, "access"), (REFRESH, "refresh")])
def test_who_has_an_old_cookie_is_signed_in(
    page: ModuleType, visitor: JWTSessionClient, cookie: str, kind: str
) -> None:
    visitor.set_cookie(cookie, old_token(page, kind))
    response = visitor.get("/me")
    assert response.json == {"name": "Ada", "role": "admin"}
    session = visitor.get_session(response)
    assert session
    assert session.token["sub"] == "1"
    assert {ACCESS, REFRESH} <= deleted_cookies(response)


def test_a_good_old_cookie_beside_one_that_is_over_signs_in(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie(ACCESS, old_token(page, exp=PAST))
    visitor.set_cookie(REFRESH, old_token(page, "refresh"))
    assert visitor.get("/me").status_code == 200


def test_somebody_who_was_taken_over_is_not_fresh(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie(ACCESS, old_token(page, fresh=True))
    assert visitor.get("/danger").status_code == 401
    assert visitor.get("/me").status_code == 200


def test_an_old_cookie_changes_nothing_about_who_is_signed_in(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.sign_in({"id": 2, "name": "Ben", "role": "reader"})
    visitor.set_cookie(ACCESS, old_token(page))
    response = visitor.get("/me")
    assert response.json == {"name": "Ben", "role": "reader"}
    assert ACCESS in deleted_cookies(response)


def test_a_sign_out_is_one_also_with_the_first_request(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    visitor.set_cookie(ACCESS, old_token(page))
    assert visitor.post("/auth/signout", headers=SAME_ORIGIN).status_code == 302
    assert visitor.get_cookie(ACCESS) is None
    assert visitor.get("/me").status_code == 401


def forged(algorithm: str, key: str) -> str:
    return jwt.encode({"sub": "1", "jti": "j", "exp": FUTURE}, key, algorithm)


def with_claims_of_somebody_else(page: ModuleType) -> str:
    header, _, signature = old_token(page).split(".")
    return f"{header}.{old_token(page, sub='2').split('.')[1]}.{signature}"


FLAWS: dict[str, Callable[[ModuleType], str]] = {
    "over": lambda page: old_token(page, exp=PAST),
    "not valid yet": lambda page: old_token(page, nbf=FUTURE),
    "without an end": lambda page: old_token(page, exp=None),
    "without an identifier": lambda page: old_token(page, jti=None),
    "of nobody": lambda page: old_token(page, sub=None),
    "of somebody who is gone": lambda page: old_token(page, sub="3"),
    "of a number": lambda page: old_token(page, sub=1),
    "revoked": lambda page: old_token(page, jti="revoked"),
    "of another key": lambda page: forged("HS256", SECRET),
    "of another algorithm": lambda page: forged("HS512", page.OLD_KEY * 2),
    "unsigned": lambda page: forged("none", ""),
    "with claims of somebody else": with_claims_of_somebody_else,
    "cut off": lambda page: old_token(page)[:-2],
    "empty": lambda page: "",
    "garbage": lambda page: "garbage",
    "nested too deep": lambda page: f"{'W1tb' * 900}.e30.x",
}


def test_the_forged_tokens_are_good_but_for_their_flaw(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    for token in (old_token(page, nbf=PAST), forged("HS256", page.OLD_KEY)):
        visitor.set_cookie(ACCESS, token)
        assert visitor.get("/me").status_code == 200
        visitor.post("/auth/signout", headers=SAME_ORIGIN)


@pytest.mark.parametrize("flaw", FLAWS)
def test_an_old_token_signs_nobody_in_that_is(
    page: ModuleType, visitor: JWTSessionClient, flaw: str
) -> None:
    page.revoked.add("revoked")
    visitor.set_cookie(ACCESS, FLAWS[flaw](page))
    response = visitor.get("/me")
    assert response.status_code == 401
    assert not visitor.get_session(response)
    assert {ACCESS, REFRESH} <= deleted_cookies(response)


def test_bytes_that_are_no_text_sign_nobody_in(page: ModuleType) -> None:
    client = page.moving.test_client(use_cookies=False)
    for value in ("\xff.\xff.\xff", "%ff", '"\\377.\\377"'):
        response = client.get("/me", headers={"Cookie": f"{ACCESS}={value}"})
        assert response.status_code == 401


def test_another_site_cannot_use_an_old_cookie(page: ModuleType, visitor: JWTSessionClient) -> None:
    visitor.set_cookie(ACCESS, old_token(page))
    assert visitor.post("/me", headers=CROSS_SITE).status_code == 403
    assert not visitor.get_session()


def test_nobody_is_taken_over_while_nobody_knows_who_is_signed_in(page: ModuleType) -> None:
    store = FaultyStore(time.time)
    app = Flask("moving", instance_path=page.moving.instance_path)
    app.config["JWTSESSION_STORE"] = store
    app.before_request(page.take_over)
    page.auth.init_app(app)
    app.add_url_rule("/me", "about_me", page.about_me)
    visitor = JWTSessionClient(app)
    visitor.sign_in({"id": 2, "name": "Ben", "role": "reader"})
    visitor.set_cookie(ACCESS, old_token(page))

    store.refused.add("get_many")
    response = visitor.get("/me")
    assert response.status_code == 503
    assert response.headers.getlist("Set-Cookie") == []
    store.refused.clear()
    assert visitor.get("/me").json == {"name": "Ben", "role": "reader"}


def test_a_request_without_old_cookies_does_not_use_the_session(visitor: JWTSessionClient) -> None:
    response = visitor.get("/nowhere")
    assert response.status_code == 404
    assert "Cookie" not in response.headers.get("Vary", "")


def test_all_cookies_of_the_library_are_deleted(
    page: ModuleType, visitor: JWTSessionClient
) -> None:
    old = page.before.test_client()
    answer = old.post("/login", json=page.ADA)
    made = {line.partition("=")[0] for line in answer.headers.getlist("Set-Cookie")}
    for name in made:
        visitor.set_cookie(name, old.get_cookie(name).value)
    assert deleted_cookies(visitor.get("/me")) == made


# The names


def documented_names() -> set[str]:
    return set(re.findall(r"``([A-Za-z_]+)", PAGE.read_text()))


def test_the_page_has_every_function_of_the_library() -> None:
    names = {
        name
        for name in vars(flask_jwt_extended)
        if not (name.startswith("_") or inspect.ismodule(getattr(flask_jwt_extended, name)))
    }
    assert len(names) > 15
    assert names - documented_names() == set()


def test_the_page_has_every_loader_of_the_library() -> None:
    loaders = {name for name in vars(JWTManager) if name.endswith("_loader")}
    assert len(loaders) > 10
    assert loaders - documented_names() == set()


def test_the_page_has_every_argument_of_the_decorator() -> None:
    text = PAGE.read_text()
    assert all(name in text for name in inspect.signature(jwt_required).parameters)


def test_the_page_has_every_setting_of_the_library() -> None:
    app = Flask(__name__)
    before = set(app.config)
    JWTManager(app)
    settings = set(app.config) - before
    assert len(settings) > 40
    assert settings - documented_names() == set()

"""Lists on the pages of the documentation are complete, and what they name exists."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import flask_login
import pytest

from .test_docs import DOCS, examples

TESTS = Path(__file__).parent

# What next-auth 4.24, next-auth 5 and @auth/sveltekit 1.11 have in their published types: options,
# callbacks, events, pages, and what they export for applications.
OF_AUTHJS = """
    providers secret session.strategy session.maxAge session.updateAge
    session.generateSessionToken jwt.secret jwt.maxAge jwt.encode jwt.decode pages.signIn
    pages.signOut pages.error pages.verifyRequest pages.newUser callbacks.signIn
    callbacks.redirect callbacks.session callbacks.jwt callbacks.authorized events.signIn
    events.signOut events.createUser events.updateUser events.linkAccount events.session adapter
    debug logger theme useSecureCookies cookies trustHost skipCSRFCheck raw redirectProxyUrl
    experimental.enableWebAuthn basePath getServerSession unstable_getServerSession getToken
    encode decode withAuth handlers handle auth() signIn signOut unstable_update event.locals.auth()
    useSession SessionProvider getSession getCsrfToken getProviders AuthError CredentialsSignin
    customFetch AUTH_SECRET NEXTAUTH_SECRET AUTH_URL NEXTAUTH_URL AUTH_TRUST_HOST
    NEXTAUTH_URL_INTERNAL AUTH_REDIRECT_PROXY_URL
"""


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"``([\w/]+\.py)::(\w+)``", (DOCS / "threat-model.rst").read_text())
    assert len(named) > 40
    assert [f"{file}::{name}" for file, name in named if name not in names_of_tests(file)] == []


def test_the_formats_are_read_without_this_package() -> None:
    code = "".join(one.code for one in examples(DOCS / "formats.rst") if one.language == "python")
    assert "jwe.decrypt_compact" in code
    assert "flask_jwtsession" not in code


@pytest.mark.parametrize("kind", ["exported", "of the manager", "setting", "argument"])
def test_the_page_for_flask_login_has_every_name_of_it(kind: str) -> None:
    page = (DOCS / "migrating-flask-login.rst").read_text()
    names = {
        "exported": set(flask_login.__all__) - {"__version__"},
        "of the manager": set(names_of_the_manager()),
        "setting": set(settings_of_flask_login()),
        "argument": set(inspect.signature(flask_login.login_user).parameters) - {"user"},
    }[kind]
    assert names
    assert {name for name in names if not is_on(page, name)} == set()


def test_the_page_for_authjs_has_every_name_of_it() -> None:
    page = (DOCS / "migrating-authjs.rst").read_text()
    assert [name for name in OF_AUTHJS.split() if not is_on(page, name)] == []


def is_on(page: str, name: str) -> bool:
    """As code; of a function the arguments may be there too."""
    return f"``{name}``" in page or f"``{name}(" in page


def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def names_of_the_manager() -> Iterator[str]:
    manager = flask_login.LoginManager()
    yield from (name for name in (*vars(type(manager)), *vars(manager)) if name[0] != "_")


def settings_of_flask_login() -> Iterator[str]:
    for path in Path(flask_login.__file__).parent.glob("*.py"):
        yield from re.findall(r"config(?:\.get\(|\[)\s*\"([A-Z_]+)\"", path.read_text())


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.rst")), ids=lambda page: page.name)
def test_a_link_to_another_page_is_one_that_sphinx_checks(page: Path) -> None:
    """`text <page>`_ leads to a file of that name, which is not there."""
    links = re.findall(r"`[^`<]*<([^`>]+)>`_", page.read_text())
    assert [link for link in links if not re.match(r"https?://|mailto:", link)] == []

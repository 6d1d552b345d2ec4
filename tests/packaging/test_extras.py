"""What is said when the libraries of an extra are missing, or are there and broken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flask_jwtsession import ConfigError, JWTSession

from ..support import make_app

GITHUB: Any = {"client_id": "a", "client_secret": "b"}


@pytest.mark.parametrize("library", ["authlib", "requests", "urllib3"])
def test_a_provider_without_its_libraries_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    _, auth = make_app()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError) as caught:
        auth.add_provider("github", **GITHUB)
    assert caught.value.key == "add_provider('github')"
    assert f"package {library} is not installed" in str(caught.value)
    assert "pip install 'flask-jwtsession[oauth]'" in str(caught.value)


def test_it_is_said_before_there_is_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "authlib", None)
    with pytest.raises(ConfigError, match=r"flask-jwtsession\[oauth\]"):
        JWTSession().add_provider("github")


def test_a_redis_url_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"pip install 'flask-jwtsession\[redis\]'") as caught:
        make_app(STORE="redis://127.0.0.1")
    assert caught.value.key == "JWTSESSION_STORE"


def test_a_broken_authlib_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, auth = make_app()
    put_a_broken_library(monkeypatch, tmp_path, "authlib")
    forget(monkeypatch, "flask_jwtsession.providers.provider")
    with pytest.raises(ImportError, match="broken inside"):
        auth.add_provider("github", **GITHUB)


def test_a_broken_redis_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_a_broken_library(monkeypatch, tmp_path, "redis")
    forget(monkeypatch, "flask_jwtsession.stores.redis")
    with pytest.raises(ImportError, match="broken inside"):
        make_app(STORE="redis://127.0.0.1")


def put_a_broken_library(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """A package of this name before the real one, which fails when it is imported."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise ImportError('broken inside')")
    monkeypatch.syspath_prepend(str(folder))
    forget(monkeypatch, name)


def forget(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have a module, and all below it, imported anew; put back what there was afterwards."""
    for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)

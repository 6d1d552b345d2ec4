from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import flask_jwtsession


def test_all_is_sorted_and_names_nothing_twice() -> None:
    assert flask_jwtsession.__all__ == sorted(set(flask_jwtsession.__all__))


def test_all_lists_every_public_name_of_the_package() -> None:
    public = {
        name
        for name, value in vars(flask_jwtsession).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(flask_jwtsession.__all__)


def test_every_name_in_all_is_there_and_public() -> None:
    for name in flask_jwtsession.__all__:
        assert not name.startswith("_")
        assert hasattr(flask_jwtsession, name)


def test_a_package_without_providers_does_not_bring_their_libraries() -> None:
    """They cost a fifth of a second, and a provider that is added imports them."""
    code = "import sys, flask_jwtsession; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"authlib", "requests", "urllib3", "redis", "jwt"} & set(loaded)

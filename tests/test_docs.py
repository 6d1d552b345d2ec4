"""The documentation says what the code does: its examples run, and its lists are complete."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import flask_jwtsession
from flask_jwtsession import cli, config, config_keys, exceptions, signals, testing
from flask_jwtsession.cli.inspection_text import REASONS
from flask_jwtsession.endpoints import failures
from flask_jwtsession.lifecycle import verify
from flask_jwtsession.stores.contract import StoreContract

from .support import SAME_ORIGIN, SECRET, make_app

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.rst"))]

_EXAMPLE_MODULE = "documented_app"
_NOT_RUN = "not run:"


@dataclass(frozen=True)
class Example:
    """One block of a page. ``line`` is that of its first line of code."""

    language: str
    caption: str | None
    code: str
    line: int
    why_not_run: str | None


# Examples


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JWTSESSION_SECRET", SECRET)
    run_examples(page, monkeypatch)


def test_the_quick_start_of_the_readme_signs_in_and_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JWTSESSION_SECRET", SECRET)
    client = run_examples(README, monkeypatch).app.test_client()
    assert client.get("/", headers={"Accept": "text/html"}).status_code == 302
    fields = {"username": "ada", "password": "correct horse", "callbackUrl": "/"}
    client.post("/auth/callback/credentials", data=fields, headers=SAME_ORIGIN)
    assert "Ada" in client.get("/").text
    client.post("/auth/signout", headers=SAME_ORIGIN)
    assert client.get("/").status_code == 401


def test_the_quick_start_of_the_readme_has_at_most_30_lines() -> None:
    quick_start = next(one for one in examples(README) if one.language == "python")
    assert len(quick_start.code.splitlines()) <= 30


def test_the_store_of_the_documentation_does_what_a_store_has_to(tmp_path: Path) -> None:
    for example in examples(DOCS / "stores.rst"):
        if example.language == "python" and example.caption is not None:
            (tmp_path / example.caption).write_text(example.code)
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(pytest_alone, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    tests = [name for name in vars(StoreContract) if name.startswith("test_")]
    assert passed is not None
    assert int(passed[1]) == len(tests)


def test_the_pytest_files_of_the_documentation_pass(tmp_path: Path) -> None:
    blocks = [one for one in examples(DOCS / "testing.rst") if one.language == "python"]
    (tmp_path / "application.py").write_text(blocks[0].code)
    for block in blocks:
        if block.caption is not None:
            (tmp_path / block.caption).write_text(block.code)
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(pytest_alone, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^1 passed", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_that_is_not_run_gives_a_reason(page: Path) -> None:
    without = [one.line for one in examples(page) if one.why_not_run == ""]
    assert not without, f"lines {without}"


# Completeness: every name is documented, and every documented name exists.


def test_the_reference_has_every_configuration_key_and_no_other() -> None:
    assert documented_keys().keys() == real_keys().keys()


@pytest.mark.parametrize("key", sorted({"SECRET", "SECRET_FALLBACKS"}))
def test_the_reference_names_the_key_of_flask_that_a_secret_falls_back_to(key: str) -> None:
    assert documented_keys()[key] == {"SECRET": "SECRET_KEY"}.get(key, "SECRET_KEY_FALLBACKS")


def test_the_reference_has_the_right_defaults() -> None:
    documented = documented_keys()
    real = {key: default for key, default in real_keys().items() if not key.startswith("SECRET")}
    said = {key: ast.literal_eval(documented[key]) for key in real}
    assert said == {
        key: tuple(default) if isinstance(default, frozenset) else default
        for key, default in real.items()
    }


def test_the_api_reference_has_every_public_name_and_no_other() -> None:
    text = (DOCS / "api.rst").read_text()
    documented = re.findall(
        r"^\.\. (?:auto(?:function|decorator|class|exception)|py:data):: "
        r"(?:flask_jwtsession\.)?(\w+)(?:\(.*\))?$",
        text,
        re.MULTILINE,
    )
    assert sorted(documented) == sorted(flask_jwtsession.__all__)


def test_the_testing_page_has_every_name_and_no_other() -> None:
    text = (DOCS / "testing.rst").read_text()
    documented = re.findall(
        r"^\.\. (?:auto(?:function|class)|py:data):: flask_jwtsession\.testing\.(\w+)",
        text,
        re.MULTILINE,
    )
    assert sorted(documented) == sorted(testing.__all__)


def test_the_command_line_page_has_every_command_and_option_and_no_other() -> None:
    text = (DOCS / "command-line.rst").read_text()
    documented = re.findall(r"^``flask jwtsession (\w+)``\n-+$", text, re.MULTILINE)
    assert sorted(documented) == sorted(cli.commands.commands)
    options = {
        option
        for command in cli.commands.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"``(--[\w-]+)", text)) == options


def test_the_command_line_page_has_every_reason_for_a_refusal() -> None:
    text = (DOCS / "command-line.rst").read_text()
    assert set(re.findall(r"^   \* - ``(\w+)``$", text, re.MULTILINE)) == set(REASONS)


def test_the_error_page_has_every_error_code_with_its_status_and_no_other() -> None:
    text = (DOCS / "errors.rst").read_text()
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (\S+)$", text, re.MULTILINE)
    documented = {(code, int(status) if status.isdigit() else None) for code, status in rows}
    assert documented == set(codes_of_classes()) | set(codes_of_refusals())


def test_the_endpoint_page_has_every_method_and_rule_and_no_other() -> None:
    app, auth = make_app()
    real = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{auth.blueprint.name}.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    text = (DOCS / "endpoints.rst").read_text()
    documented = re.findall(r"^``(GET|POST) (\S+)``\n-+$", text, re.MULTILINE)
    assert sorted(documented) == sorted(real)


def test_the_signals_page_has_every_signal_and_no_other() -> None:
    real = {name for name, value in vars(signals).items() if type(value).__name__ == "NamedSignal"}
    text = (DOCS / "signals.rst").read_text()
    assert set(re.findall(r"^``(\w+)``\n-+$", text, re.MULTILINE)) == real


def test_the_signals_page_has_every_reason_for_a_rejected_cookie() -> None:
    text = (DOCS / "signals.rst").read_text()
    documented = set(re.findall(r"^   \* - ``\"(\w+)\"``$", text, re.MULTILINE))
    assert documented == set(rejection_reasons())


def test_the_providers_page_has_every_reason_for_a_failed_sign_in() -> None:
    text = (DOCS / "providers.rst").read_text()
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (\d+)$", text, re.MULTILINE)
    assert {(reason, int(status)) for reason, status in rows} == set(provider_error_reasons())


def test_every_page_is_linked_from_the_readme() -> None:
    text = README.read_text()
    missing = [page.name for page in DOCS.glob("*.rst") if f"docs/{page.name}" not in text]
    assert not missing


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


# Reading the pages


def examples(page: Path) -> Iterator[Example]:
    """The code blocks of a page, in order."""
    lines = page.read_text().splitlines()
    yield from (_markdown_blocks(lines) if page.suffix == ".md" else _rst_blocks(lines))


def run_examples(page: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Execute the Python blocks of a page in one module. A block of another language that has a
    file name as its caption is saved under that name first.
    """
    module = ModuleType(_EXAMPLE_MODULE)
    monkeypatch.setitem(sys.modules, _EXAMPLE_MODULE, module)
    for example in examples(page):
        if example.why_not_run is not None:
            continue
        if example.language == "python":
            # So many empty lines before it that a traceback has the line of the page.
            source = "\n" * (example.line - 1) + example.code
            exec(compile(source, str(page), "exec"), vars(module))  # noqa: S102 - our own pages
        elif example.caption is not None:
            path = Path(example.caption)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.code)
    return module


def _markdown_blocks(lines: list[str]) -> Iterator[Example]:
    fences = [number for number, line in enumerate(lines) if line.startswith("```")]
    for start, end in pairwise(fences):
        if language := lines[start][3:]:
            marker = re.fullmatch(rf"<!-- {_NOT_RUN}(.*)-->", _text_before(lines, start))
            why = None if marker is None else marker[1].strip()
            yield Example(language, None, "\n".join(lines[start + 1 : end]), start + 2, why)


def _rst_blocks(lines: list[str]) -> Iterator[Example]:
    for start, line in enumerate(lines):
        opening = re.fullmatch(r"( *)\.\. code-block:: (\S+)", line)
        if opening is None:
            continue
        indent = len(opening[1])
        end = start + 1
        while end < len(lines) and (
            not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
        ):
            end += 1
        body = start + 1
        caption = None
        while lines[body].strip():
            option = re.fullmatch(r" *:caption: (.*)", lines[body])
            caption = option[1] if option else caption
            body += 1
        marker = re.fullmatch(rf" *\.\. {_NOT_RUN}(.*)", _text_before(lines, start))
        why = None if marker is None else marker[1].strip()
        code = dedent("\n".join(lines[body + 1 : end])).rstrip() + "\n"
        yield Example(opening[2], caption, code, body + 2, why)


def _text_before(lines: list[str], number: int) -> str:
    return next((line for line in reversed(lines[:number]) if line.strip()), "")


def documented_keys() -> dict[str, str]:
    """The keys of the configuration reference, and the literal that begins their default."""
    text = (DOCS / "configuration.rst").read_text()
    entries = re.findall(
        r"^\.\. confval:: JWTSESSION_(\w+)\n   :type: .+\n   :default: ``([^`]+)``",
        text,
        re.MULTILINE,
    )
    assert len(entries) == text.count(".. confval::")
    assert len(entries) == len(dict(entries))
    return dict(entries)


# Reading the code


def real_keys() -> dict[str, Any]:
    """Every configuration key that is read, and its default."""
    found: dict[str, Any] = {}

    class Recorder(config_keys.Keys):
        def read(self, name: str, check: Any, default: Any, **options: Any) -> Any:
            found[name] = default
            return super().read(name, check, default, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "Keys", Recorder)
        config.read_settings({"JWTSESSION_SECRET": SECRET}, {})
    return found


def codes_of_classes() -> Iterator[tuple[str, int | None]]:
    """The code of each error class, and the status if the package answers with one."""
    for value in vars(exceptions).values():
        if isinstance(value, type) and issubclass(value, exceptions.JWTSessionError):
            answered = "status" in vars(value) and value.status != 500
            yield value.code, value.status if answered else None


def codes_of_refusals() -> Iterator[tuple[str, int | None]]:
    """The codes and statuses that the package answers with without an exception class."""
    for text, (number, _, _) in failures.TEXTS.items():
        yield text, number
    for call in calls("refusal"):
        status, code = (getattr(argument, "value", None) for argument in call.args[1:3])
        if isinstance(status, int) and isinstance(code, str):
            yield code, status
    for name, status in (
        ("refuse_unauthorized", 401),
        ("sign_in_needed", 401),
        ("_forbidden", 403),
    ):
        for call in calls(name):
            code = getattr(call.args[1], "value", None)
            if isinstance(code, str):
                yield code, status


def rejection_reasons() -> Iterator[str]:
    for name in ("TokenInvalid", "TokenExpired"):
        for call in calls(name):
            reason = getattr(call.args[0], "value", None)
            assert isinstance(reason, str)
            yield reason
    for call in calls("reject"):
        reason = getattr(call.args[1], "value", None)
        if isinstance(reason, str):
            yield reason
    # What is said of several cookies together, or by the store, is no exception.
    for node in ast.walk(ast.parse(Path(verify.__file__).read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            reason = node.value.value
            if "rejected" in [getattr(one, "id", None) for one in node.targets]:
                assert isinstance(reason, str)
                yield reason


def provider_error_reasons() -> Iterator[tuple[str, int]]:
    """The constant ones; those of an ID token end with what was wrong with it."""
    made_by = (("ProviderError", 1, 502), ("_refused", 0, 400), ("_failed", 1, 502))
    for name, position, status in made_by:
        for call in calls(name):
            reason = getattr(call.args[position], "value", None)
            if isinstance(reason, str):
                given = [one.value for one in call.keywords if one.arg == "status"]
                yield reason, ast.literal_eval(given[0]) if given else status
    yield "token_refused", 502
    for call in calls("calling"):
        what = getattr(call.args[1], "value", None)
        yield f"{what}_unusable", 502
        if what != "profile":  # which is made without asking anybody
            yield f"{what}_unreachable", 502


def calls(function: str) -> Iterator[ast.Call]:
    """Every call in the package of a function or method with this name."""
    for path in Path(flask_jwtsession.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and function in (
                getattr(node.func, "id", None),
                getattr(node.func, "attr", None),
            ):
                yield node

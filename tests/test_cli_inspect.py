"""``flask jwtsession inspect``: what a cookie says, and why it is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from werkzeug.test import TestResponse

from flask_jwtsession import (
    Account,
    JWTSession,
    create_token,
    current_session,
    revoke_session,
    session_rejected,
    sign_out,
    signed_out,
)
from flask_jwtsession.cli.inspection_text import REASONS
from flask_jwtsession.testing import Flaw, JWTSessionClient, stopped_clock

from .faulty_store import FaultyStore
from .forged_signatures import OURS
from .support import OTHER_SECRET, SECRET, VECTORS, binding_of, claims_at, command_line, seal
from .test_docs import rejection_reasons

ADA = {"id": 1, "name": "Ada", "email": "ada@example.com"}
NAME = "jwtsession.session-token"
ACCOUNT = Account(
    provider="google",
    type="oidc",
    provider_account_id="42",
    access_token="access-token-of-ada",
    refresh_token="refresh-token-of-ada",
    id_token="id-token-of-ada",
    expires_at=1.0e10,
)


def make_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(JWTSESSION_SECRET=SECRET, JWTSESSION_STORE="memory")
    app.config.update({f"JWTSESSION_{name}": value for name, value in config.items()})
    JWTSession(app)
    app.add_url_rule("/", "who", lambda: "somebody" if current_session else "nobody")
    return app


@pytest.fixture
def app() -> Flask:
    return make_app()


def run(app: Flask, pasted: str | bytes, *arguments: str) -> Result:
    return command_line(app).invoke(args=["jwtsession", "inspect", *arguments], input=pasted)


def cookies_of(client: JWTSessionClient, name: str = NAME) -> dict[str, str]:
    names = [name, *(f"{name}.{number}" for number in range(5))]
    found = {one: client.get_cookie(one) for one in names}
    return {one: cookie.value for one, cookie in found.items() if cookie is not None}


def header_of(client: JWTSessionClient, name: str = NAME) -> str:
    return "; ".join(f"{one}={value}" for one, value in cookies_of(client, name).items())


def signed_in(app: Flask, **options: Any) -> str:
    """The Cookie header of Ada."""
    client = JWTSessionClient(app)
    client.sign_in(ADA, **options)
    return header_of(client)


def claims_in(result: Result) -> dict[str, Any]:
    match = re.search(r"^Claims\n((?:  .*\n)+)", result.stdout, re.MULTILINE)
    assert match is not None, result.output
    claims: dict[str, Any] = json.loads(match[1])
    return claims


def row(result: Result, title: str) -> str:
    (found,) = re.findall(rf"^{title} +(.*)$", result.stdout, re.MULTILINE)
    return str(found)


def assert_accepted(result: Result) -> None:
    assert result.exit_code == 0, result.output
    assert row(result, "Result").startswith("accepted.")


def assert_refused(result: Result, reason: str) -> None:
    assert result.exit_code == 1, result.output
    assert row(result, "Result").startswith(f"refused: {reason}. {REASONS[reason]}"), result.output


# What is accepted


def test_a_session_is_shown(app: Flask) -> None:
    with stopped_clock(app, 1_800_000_000) as clock:
        cookie = signed_in(app, claims={"role": "admin"})
        clock.advance(7200)
        result = run(app, cookie)
    assert_accepted(result)
    assert row(result, "What") == f"cookie {NAME}"
    assert '"alg": "dir", "enc": "A256CBC-HS512"' in row(result, "Header")
    assert re.match(
        rf"{len(cookie) - len(NAME) - 1} characters, 1 cookie; 7168 are", row(result, "Size")
    )
    assert row(result, "Signed in") == "2027-01-15 08:00:00 UTC, 2 hours ago"
    assert row(result, "Issued") == "2027-01-15 08:00:00 UTC, 2 hours ago"
    assert row(result, "Expires") == "2027-02-14 08:00:00 UTC, in 29 days"
    claims = claims_in(result)
    assert (claims["sub"], claims["name"], claims["role"]) == ("1", "Ada", "admin")


def test_the_end_is_the_one_that_counts() -> None:
    app = make_app(ABSOLUTE_MAX_AGE=3600)
    with stopped_clock(app, 1_800_000_000):
        result = run(app, signed_in(app))
    assert row(result, "Expires").endswith("in 1 hour")


def test_of_chunks_it_says_how_many(app: Flask) -> None:
    result = run(app, signed_in(app, claims={"notes": "x" * 4500}))
    assert_accepted(result)
    assert row(result, "What") == f"cookie {NAME} in 2 chunks"
    assert "2 cookies" in row(result, "Size")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("{cookie}", id="pairs"),
        pytest.param("Cookie: {cookie}", id="header"),
        pytest.param("cookie: a=1; {cookie}; b=2\n", id="header with others"),
        pytest.param("> Cookie: {cookie}\r\n", id="curl"),
        pytest.param("Set-Cookie: {cookie}; Max-Age=5; Path=/; HttpOnly; SameSite=Lax", id="set"),
        pytest.param("< set-cookie: {cookie}; Path=/\r\n< date: today\r\n", id="set by curl"),
        pytest.param("{tabbed}\tlocalhost\t/\t2026-01-01\t800\t✓\t\tLax\n", id="browser's table"),
        pytest.param("{token}", id="token"),
        pytest.param("\n  {token}  \n\n", id="token and space"),
        pytest.param("{curl}", id="curl's file of cookies"),
        pytest.param("curl 'http://a.test/' \\\n  -H 'Accept: */*' \\\n  -b '{cookie}'", id="cURL"),
        pytest.param("-H 'Cookie: {cookie}' \\", id="cURL, a line"),
        pytest.param(
            "curl 'http://a.test/' -H 'X: 1' -b '{cookie}' --compressed", id="cURL in one line"
        ),
        pytest.param('"{name}":"{token}"', id="a browser's row"),
        pytest.param("{{'{name}': '{token}', 'other': '1'}}", id="a dictionary"),
        pytest.param("\ufeff{token}", id="a file of an editor"),
        pytest.param('"{token}"', id="quoted token"),
        pytest.param("'{cookie}'", id="quoted pairs"),
        pytest.param("Authorization: Basic eDp5\nCookie: {cookie}", id="another authorization"),
        pytest.param(
            "Authorization: Bearer x.y.z\nCookie: {cookie}", id="a bearer that does not count"
        ),
        pytest.param("{cut}", id="token in lines"),
        pytest.param("{cut_cookie}", id="cookie in lines"),
    ],
)
def test_it_takes_what_people_paste(app: Flask, form: str) -> None:
    cookie = signed_in(app)
    token = cookie.partition("=")[2]
    curl = f"#HttpOnly_localhost\tFALSE\t/\tFALSE\t1797883486\t{NAME}\t{token}"
    forms = {
        "curl": curl,
        "tabbed": f"{NAME}\t{token}",
        "cut": wrapped(token),
        "cut_cookie": wrapped(cookie),
    }
    pasted = form.format(cookie=cookie, token=token, name=NAME, **forms)
    for encoding in ("utf-8", "utf-16"):
        result = run(app, pasted.encode(encoding))
        assert_accepted(result)
        assert claims_in(result)["name"] == "Ada"


def wrapped(text: str) -> str:
    """As it is copied from a terminal."""
    return "\n".join(text[start : start + 80] for start in range(0, len(text), 80))


@pytest.mark.parametrize("form", ["Bearer {token}", "Authorization: Bearer {token}"])
def test_what_a_program_sends_is_taken_too(form: str) -> None:
    app = make_app(TOKEN_LOCATIONS=["cookie", "header"])
    cookie = signed_in(app)
    assert_accepted(run(app, form.format(token=cookie.partition("=")[2])))


def test_chunks_of_a_response_are_put_together(app: Flask) -> None:
    def sign_in_large() -> str:
        from flask_jwtsession import sign_in

        sign_in(ADA, claims={"notes": "x" * 4500})
        return ""

    app.add_url_rule("/large", "large", sign_in_large)
    response: TestResponse = app.test_client().get("/large")
    lines = [f"Set-Cookie: {line}" for line in response.headers.getlist("Set-Cookie")]
    assert len(lines) == 2
    assert_accepted(run(app, "\n".join(reversed(lines))))


def test_a_token_without_a_name_is_found_out_by_its_key(app: Flask) -> None:
    client = JWTSessionClient(app)
    client.sign_in(ADA, base_url="https://app.test")
    cookie = client.get_cookie(f"__Host-{NAME}", domain="app.test")
    assert cookie is not None
    result = run(app, cookie.value)
    assert_accepted(result)
    assert row(result, "What") == f"token of the cookie __Host-{NAME}"


def test_both_cookies_of_a_pair_are_shown() -> None:
    app = make_app(REFRESH_COOKIE=True)
    binding_of(app).callbacks.reauth = lambda claims: claims
    client = JWTSessionClient(app)
    client.sign_in(ADA, refresh_claims={"device": "laptop"})
    of_refresh = header_of(client, "jwtsession.refresh-token")
    result = run(app, f"{header_of(client)}; {of_refresh}")
    assert_accepted(result)
    assert re.findall(r"^By itself  (.*)$", result.stdout, re.MULTILINE) == ["good", "good"]
    assert '"device": "laptop"' in result.stdout
    assert_accepted(run(app, of_refresh.partition("=")[2]))


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_a_signed_token_is_shown(algorithm: str) -> None:
    keys = {} if algorithm == "HS256" else {"SIGNING_KEY": OURS[algorithm].pem}
    app = make_app(TOKEN_FORMAT="signed", ISSUER="https://app.test", AUDIENCE="orders", **keys)
    result = run(app, signed_in(app))
    assert_accepted(result)
    assert f'"alg": "{algorithm}"' in row(result, "Header")
    assert claims_in(result)["aud"] == "orders"


def test_a_bearer_token_is_good_in_a_header_and_not_in_a_cookie() -> None:
    app = make_app(TOKEN_LOCATIONS=["cookie", "header"])
    with app.test_request_context():
        token = create_token(ADA)
    assert_accepted(run(app, token))
    assert_accepted(run(app, f"Authorization: Bearer {token}"))
    assert_refused(run(app, f"{NAME}={token}"), "location")


def test_a_session_of_auth_js_is_shown() -> None:
    vectors = json.loads((VECTORS / "authjs_tokens.json").read_text())["vectors"]
    vector = next(one for one in vectors if one["name"] == "v5-default-basic")
    app = make_app(SECRET=vector["secrets"][0], COOKIE_PREFIX="authjs")
    with stopped_clock(app, vector["claims"]["iat"]):
        result = run(app, f"{vector['salt']}={vector['token']}")
    assert_accepted(result)
    assert claims_in(result) == vector["claims"]
    assert row(result, "Signed in") == "not said"


# What is refused, and why


def test_every_reason_has_an_explanation() -> None:
    # A callback's refusal cannot be seen in a token.
    assert set(rejection_reasons()) - {"reauth_failed"} <= REASONS.keys()


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [("expired", "expired"), ("tampered", "decryption"), ("other_secret", "unknown_key")],
)
def test_a_flaw_is_named(app: Flask, flaw: Flaw, reason: str) -> None:
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    client.spoil_session(flaw)
    result = run(app, header_of(client))
    assert_refused(result, reason)
    if flaw == "expired":
        assert claims_in(result)["name"] == "Ada"
    else:
        assert "Claims" not in result.stdout
    assert_refused(run(app, header_of(client).partition("=")[2]), reason)


def test_a_session_that_was_signed_out_is_refused(app: Flask) -> None:
    def end() -> str:
        sign_out()
        return ""

    app.add_url_rule("/out", "out", end)
    client = JWTSessionClient(app)
    client.sign_in(ADA)
    cookie = header_of(client)
    client.get("/out")
    assert_refused(run(app, cookie), "revoked")


def test_a_session_that_was_revoked_is_refused_and_its_cookie_stays_to_be_ended(app: Flask) -> None:
    client = JWTSessionClient(app)
    sid = client.sign_in(ADA).token["sid"]
    with app.app_context():
        revoke_session(sid)
    assert_refused(run(app, header_of(client)), "revoked")
    client.get("/")
    assert cookies_of(client) == {}  # it is the next request that ends it, and not this look


def test_a_cookie_of_another_name_under_the_same_secret_is_recognised(app: Flask) -> None:
    theirs = make_app(COOKIE_PREFIX="authjs")
    client = JWTSessionClient(theirs)
    client.sign_in(ADA)
    (token,) = cookies_of(client, "authjs.session-token").values()
    result = run(app, f"{NAME}={token}")
    assert_refused(result, "unknown_key")
    assert "Its key is that of the cookie authjs.session-token" in row(result, "Result")
    elsewhere = make_app(SECRET=OTHER_SECRET)
    assert "Its key is that" not in row(run(elsewhere, f"{NAME}={token}"), "Result")


def test_a_missing_chunk_is_named(app: Flask) -> None:
    header = signed_in(app, claims={"notes": "x" * 4500})
    assert_refused(run(app, header.split("; ")[1]), "chunks")


def test_issuer_and_audience_are_looked_at() -> None:
    cookie = signed_in(make_app(ISSUER="https://a.test", AUDIENCE="a"))
    assert_refused(run(make_app(ISSUER="https://b.test"), cookie), "issuer")
    assert_refused(run(make_app(AUDIENCE="b"), cookie), "audience")


def test_a_session_of_nobody_is_named(app: Flask) -> None:
    claims = {**claims_at(1_800_000_000)}
    del claims["sub"]
    with stopped_clock(app, 1_800_000_000):
        result = run(app, f"{NAME}={seal(app, claims)}")
    assert_refused(result, "subject")


def test_times_that_are_none_are_no_reason_to_fail(app: Flask) -> None:
    times: list[object] = ["soon", None, [], True, 1e300, -5, 10**18]
    for value in times:
        claims = {**claims_at(1_800_000_000), "exp": value, "auth_time": value}
        assert_refused(run(app, f"{NAME}={seal(app, claims)}"), "claims")


def test_a_payload_that_is_no_object_is_named(app: Flask) -> None:
    assert_refused(run(app, f"{NAME}={seal(app, b'[1, 2]')}"), "payload")


@pytest.mark.parametrize(
    "garbage",
    [
        "garbage",
        ".....",
        "....",
        "a.b.c.d.e",
        "eyJhbGciOiJub25lIn0..",
        "eyJhbGciOiJkaXIifQ....",
        "\u20ac\u20ac.\u20ac",
        "x" * 70_000,
        "[" * 5000,
    ],
)
def test_garbage_is_refused_in_words(app: Flask, garbage: str) -> None:
    result = run(app, garbage)
    assert result.exit_code == 1
    assert re.match(r"refused: (malformed|header|unknown_key)\. ", row(result, "Result"))
    assert result.stderr == ""


@pytest.mark.parametrize("nothing", ["", " \n\t\n ", b"", "x" * 1_000_001])
def test_nothing_and_too_much_are_errors(app: Flask, nothing: str | bytes) -> None:
    result = run(app, nothing)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: Standard input has to have a cookie or a token")


def test_bytes_that_are_no_text_are_garbage(app: Flask) -> None:
    result = run(app, b"\x80\xff\x00=\xc3(")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no cookie of this application in it")
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_cookies_of_others_are_named_and_not_shown(app: Flask) -> None:
    result = run(app, "session=flask-secret-value; authjs.session-token=eyJtheirs\x1b[31m")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: There is no cookie of this application in it, but session, authjs.session-token. "
        f"This application reads __Host-{NAME}, {NAME}.\n"
    )


@pytest.mark.parametrize("failure", ["closed", "open"])
def test_while_the_store_is_away_it_says_what_the_application_does(failure: str) -> None:
    store = FaultyStore(time.time)
    app = make_app(STORE=store, STORE_FAILURE=failure)
    cookie = signed_in(app)
    store.refused = {"get_many"}
    result = run(app, cookie)
    if failure == "open":
        assert_accepted(result)
    else:
        assert_refused(result, "store")


def test_without_a_store_it_says_that_nothing_is_revoked() -> None:
    app = make_app(STORE=None)
    assert "JWTSESSION_STORE is None" in row(run(app, signed_in(app)), "Result")


# What is not shown


def test_provider_tokens_are_masked_unless_asked_for(app: Flask) -> None:
    cookie = signed_in(
        app,
        account=ACCOUNT,
        claims={
            "accessToken": "an-article-put-it-here",
            "api": {"client_secret": "s3cret-s3cret", "list": ["Bearer eyJh.eyJi.c2ln"]},
            "api_key": ["key-one", {"value": "key-two"}],
            "tokens": 3,
            "broken": "tokens are what this text is about",
        },
    )
    hidden = (
        "access-token-of-ada",
        "refresh-token-of-ada",
        "an-article-put-it-here",
        "s3cret-s3cret",
        "eyJh.eyJi.c2ln",
        "key-one",
        "key-two",
    )
    masked = run(app, cookie)
    assert_accepted(masked)
    assert not [text for text in hidden if text in masked.output]
    claims = claims_in(masked)
    assert claims["accessToken"] == "<masked: 22 characters>"
    assert (claims["tokens"], claims["broken"]) == (3, "tokens are what this text is about")
    assert claims["_session"]["account"]["provider"] == "google"
    grant = claims_in(run(app, cookie, "--show-tokens"))["_session"]["grant"]
    assert grant not in masked.output
    shown = run(app, cookie, "--show-tokens")
    assert not [text for text in hidden if text not in shown.output]
    # The token itself is a key to the session: it is shown to nobody.
    assert cookie.partition("=")[2][200:260] not in shown.output + masked.output


def test_a_name_cannot_move_the_cursor_of_a_terminal(app: Flask) -> None:
    client = JWTSessionClient(app)
    client.sign_in({"id": 1, "name": "\x1b[2J\u009b31m\u202eadA \U0001f511\U000e0001"})
    result = run(app, header_of(client))
    assert_accepted(result)
    assert all(one.isprintable() or one == "\n" for one in result.output)
    assert claims_in(result)["name"] == "\x1b[2J\u009b31m\u202eadA \U0001f511\U000e0001"


def test_a_token_is_not_printed_whatever_it_is_pasted_with(app: Flask) -> None:
    cookie = signed_in(app)
    token = cookie.partition("=")[2]
    for pasted in (
        wrapped(token),
        f"{NAME}\n{token}",
        f"{NAME}: {token}",
        f"other={token}",
        f"; {token}; {token}",
        f"Cookie: {token}",
        json.dumps({NAME: token}),
    ):
        result = run(app, pasted)
        assert not [part for part in token.split(".")[3:] if part[:40] in result.output]


def test_an_output_without_the_characters_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from flask import Flask\n"
        "from flask_jwtsession import JWTSession\n"
        "app = Flask(__name__)\n"
        f"app.config.update(JWTSESSION_SECRET={SECRET!r}, JWTSESSION_STORE=None)\n"
        "JWTSession(app)\n"
    )
    client = JWTSessionClient(make_app(STORE=None))
    client.sign_in({"id": 1, "name": "\u2603"})
    for encoding in ("latin-1", "ascii", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "jwtsession", "inspect"],
            input=header_of(client).encode(),
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert (b"\\u2603" in done.stdout) == (encoding != "utf-8")


def test_without_a_standard_input_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S602 - how to close it
        f"{sys.executable} -m flask --app examples.rotating_tokens jwtsession inspect <&-",
        shell=True,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "Error: There is no standard input.\n")


# It says what the application does.


class Scene:
    """An application, and people who bring something to it."""

    def __init__(self, **config: Any) -> None:
        self.app = make_app(**config)
        binding_of(self.app).callbacks.reauth = lambda claims: {"name": claims["sub"]}

    def cookie(self, user: str = "1", **options: Any) -> str:
        """A session cookie, and the refresh cookie of a pair."""
        client = JWTSessionClient(self.app)
        client.sign_in({"id": user, "name": user}, **options)
        both = (header_of(client), header_of(client, "jwtsession.refresh-token"))
        return "; ".join(filter(None, both))

    def spoilt(self, flaw: Flaw) -> str:
        client = JWTSessionClient(self.app)
        client.sign_in(ADA)
        client.spoil_session(flaw)
        return header_of(client)

    def serves(self, headers: dict[str, str]) -> bool:
        """Whether a request with these headers is somebody's."""
        client = self.app.test_client(use_cookies=False)
        return client.get("/", headers=headers).text != "nobody"


def both(scene: Scene) -> str:
    return f"{scene.cookie('1')}; {scene.cookie('2')}"


def good_beside_garbage(scene: Scene) -> str:
    return f"{scene.spoilt('tampered')}; {scene.cookie()}"


def nine_values(scene: Scene) -> str:
    return "; ".join([*(f"{NAME}=x{number}" for number in range(9)), scene.cookie()])


def refresh_cookie_alone(scene: Scene) -> str:
    return scene.cookie().split("; ")[1]


def expired_beside_refresh_cookie(scene: Scene) -> str:
    return f"{scene.spoilt('expired')}; {refresh_cookie_alone(scene)}"


def used_refresh_cookie(scene: Scene) -> str:
    with stopped_clock(scene.app, time.time() - 100):
        cookie = refresh_cookie_alone(scene)
        assert scene.serves({"Cookie": cookie})
    return cookie


PAIR = {"REFRESH_COOKIE": True, "MAX_AGE": 60}


def a_subject_that_is_none(scene: Scene) -> str:
    return f"{NAME}={seal(scene.app, {**claims_at(time.time()), 'sub': 'None'})}"


@pytest.mark.parametrize(
    ("config", "bring", "refused"),
    [
        ({}, Scene.cookie, None),
        ({}, both, "ambiguous"),
        ({}, good_beside_garbage, None),
        ({}, nine_values, "ambiguous"),
        ({}, lambda scene: scene.spoilt("expired"), "expired"),
        ({}, a_subject_that_is_none, "subject"),
        ({}, lambda scene: f"{NAME}=", "nothing"),
        (
            {"READ_NEXTAUTH_V4": True},
            lambda scene: f"{scene.cookie()}; next-auth.session-token=x",
            None,
        ),
        (PAIR, Scene.cookie, None),
        (PAIR, both, "ambiguous"),
        (PAIR, refresh_cookie_alone, None),
        (PAIR, expired_beside_refresh_cookie, None),
        (PAIR, used_refresh_cookie, "reused"),
        ({"TOKEN_LOCATIONS": ["cookie", "header"]}, Scene.cookie, None),
    ],
)
def test_it_says_what_the_application_does(
    config: dict[str, Any], bring: Any, refused: str | None
) -> None:
    scene = Scene(**config)
    cookie = bring(scene)
    said = run(scene.app, cookie)
    if refused is None:
        assert_accepted(said)
    else:
        assert_refused(said, refused)
    assert scene.serves({"Cookie": cookie}) == (refused is None)


@pytest.mark.parametrize(
    ("locations", "where", "refused"),
    [
        (["cookie"], "Authorization", "location"),
        (["header"], "Cookie", "location"),
        (["header"], "Authorization", None),
        (["cookie", "header"], "Authorization", None),
    ],
)
def test_it_knows_where_a_token_is_looked_for(
    locations: list[str], where: str, refused: str | None
) -> None:
    app = make_app(TOKEN_LOCATIONS=locations)
    with make_app(TOKEN_LOCATIONS=["header"]).test_request_context():
        token = create_token(ADA)
    value = f"{NAME}={token}" if where == "Cookie" else f"Bearer {token}"
    said = run(app, f"{where}: {value}")
    if refused is None:
        assert_accepted(said)
    else:
        assert_refused(said, refused)
    answer = app.test_client(use_cookies=False).get("/", headers={where: value})
    assert (answer.text == "somebody") == (refused is None)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"COOKIE_SECURE": True}, NAME),
        ({"COOKIE_SECURE": False}, f"__Host-{NAME}"),
        ({"BASE_URL": "https://app.test"}, NAME),
    ],
)
def test_a_cookie_that_no_request_is_looked_at_for_is_none(
    config: dict[str, Any], name: str
) -> None:
    client = JWTSessionClient(make_app())
    client.sign_in(ADA, base_url="https://localhost" if name.startswith("__") else None)
    result = run(make_app(**config), header_of(client, name))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no cookie of this application in it")


def test_it_changes_nothing() -> None:
    """Not even what a request would put right on its way."""
    store = FaultyStore(time.time)
    app = make_app(STORE=store)
    cookie = signed_in(app, account=ACCOUNT)
    for _ in range(2):
        before = store.raw()
        store.calls.clear()
        assert_accepted(run(app, cookie))
        assert (store.raw(), set(store.calls)) == (before, {"get_many"})
        app.test_client(use_cookies=False).get("/", headers={"Cookie": cookie})


def test_it_tells_nobody(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def receive(sender: Flask, reason: str, **_: Any) -> None:
        heard.append(reason)

    client = JWTSessionClient(app)
    client.sign_in(ADA)
    with session_rejected.connected_to(receive, app), signed_out.connected_to(receive, app):
        for flaw in ("tampered", "expired"):
            client.sign_in(ADA)
            client.spoil_session(flaw)
            caplog.clear()
            heard.clear()
            run(app, header_of(client))
            assert not client.get_session()
            assert (heard, caplog.messages) == ([], [])


@pytest.mark.parametrize(
    "config",
    [
        {"TRUSTED_HOSTS": ["app.test"]},
        {"SERVER_NAME": "app.test"},
        {"APPLICATION_ROOT": "/below"},
        {"PREFERRED_URL_SCHEME": "https"},
    ],
)
def test_where_the_application_is_makes_no_difference(config: dict[str, Any]) -> None:
    app = make_app()
    app.config.update(config)
    bases = (
        ["https://app.test"]
        if "TRUSTED_HOSTS" in config
        else ["http://localhost", "https://app.test"]
    )
    for base_url in bases:
        client = JWTSessionClient(app)
        client.sign_in(ADA, base_url=base_url)
        name = f"__Host-{NAME}" if base_url.startswith("https") else NAME
        domain = "app.test" if base_url.startswith("https") else "localhost"
        cookie = client.get_cookie(name, domain=domain)
        assert cookie is not None
        assert_accepted(run(app, f"{name}={cookie.value}"))

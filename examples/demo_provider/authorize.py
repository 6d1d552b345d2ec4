"""The authorization endpoint, with the two questions it may ask: who is it, and is it allowed.

Each question is a page whose form has the application's whole request in its address. Nothing about
a request is kept in between, and everything about it is checked again with each answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlencode

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from flask import (
    Blueprint,
    abort,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug import Response

from . import database, keys, sign_ins
from .accounts import PEOPLE
from .clients import SCOPES, Client
from .forms import origin_of
from .provider import this_provider
from .sign_ins import SignIn

blueprint = Blueprint("authorize", __name__)

# In the provider's own cookie: the request that somebody just signed in for.
_ANSWERED = "answered"


@dataclass(frozen=True)
class Asked:
    """What an application asks for, as far as a person is asked about it."""

    client: Client
    redirect_uri: str
    scope: str
    prompts: frozenset[str]
    max_age: int | None
    person_id: str | None  # if it may be nobody else, by an ID token that the application has
    key: str  # names the request

    def accepts(self, sign_in: SignIn) -> bool:
        """Whether the sign-in is good enough, or it takes a new one."""
        if self.person_id not in (None, sign_in.person.id):
            return False
        if session.get(_ANSWERED) == self.key:
            return True  # it is the new one
        if self.prompts & {"login", "select_account"}:
            return False
        return self.max_age is None or this_provider().now() - sign_in.auth_time <= self.max_age

    def has_consent(self, sign_in: SignIn) -> bool:
        if "consent" in self.prompts:
            return False
        given = database.consented(sign_in.person.id, self.client.client_id)
        return given >= set(self.scope.split())


@blueprint.get("/authorize")
def authorize() -> ResponseReturnValue:
    asked = _asked()
    sign_in = sign_ins.current()
    try:
        grant = _valid(sign_in)
        if sign_in is None or not asked.accepts(sign_in):
            if "none" in asked.prompts:
                raise LoginRequiredError()
            return _question(asked, "sign_in.html", people=PEOPLE.values(), sign_in=sign_in)
        if not asked.has_consent(sign_in):
            if "none" in asked.prompts:
                raise ConsentRequiredError()
            wanted = [SCOPES[name] for name in asked.scope.split()]
            return _question(asked, "consent.html", wanted=wanted, sign_in=sign_in)
    except OAuth2Error as error:
        return _refusal(asked, error)
    return _answer(grant, sign_in)


@blueprint.post("/authorize")
def authorize_by_post() -> ResponseReturnValue:
    # An application may send its request so (Core section 3.1.2.1). A form of another site comes
    # without our cookie, which a GET that follows it has.
    return redirect(
        f"{url_for('.authorize')}?{urlencode(list(request.values.items(multi=True)))}", 303
    )


@blueprint.post("/authorize/sign-in")
def sign_in() -> ResponseReturnValue:
    asked = _asked()
    person = PEOPLE.get(request.form.get("person", ""))
    if person is None:
        abort(400, "Nobody has this account.")
    sign_ins.begin(person)
    session[_ANSWERED] = asked.key
    return _ask_again()


@blueprint.post("/authorize/consent")
def consent() -> ResponseReturnValue:
    asked = _asked()
    sign_in = sign_ins.current()
    try:
        grant = _valid(sign_in)
    except OAuth2Error as error:
        return _refusal(asked, error)
    if request.form.get("decision") != "allow":
        return _answer(grant, None)
    # The person whose name was on the page, and not somebody who signed in since in another tab.
    if (
        sign_in is None
        or sign_in.person.id != request.form.get("person")
        or not asked.accepts(sign_in)
    ):
        return _ask_again()
    database.save_consent(sign_in.person.id, asked.client.client_id, asked.scope)
    return _answer(grant, sign_in)


def _asked() -> Asked:
    """The application's request, from the query.

    What is wrong here nobody is redirected for: the address to tell it to is not known to be the
    application's (RFC 6749 section 4.1.2.1).
    """
    if any(len(values) > 1 for _, values in request.args.lists()):
        abort(400, "The application sent a parameter twice.")
    client = this_provider().clients.get(request.args.get("client_id", ""))
    if client is None:
        abort(400, "No application with this client_id is registered here.")
    redirect_uri = request.args.get("redirect_uri", "")
    if not client.check_redirect_uri(redirect_uri):
        abort(400, f"{client.name} has not registered the address that it wants you to return to.")
    return Asked(
        client,
        redirect_uri,
        client.get_allowed_scope(request.args.get("scope")),
        frozenset(request.args.get("prompt", "").split()),
        request.args.get("max_age", type=int),
        _hinted(),
        sha256(_query().encode()).hexdigest(),
    )


def _hinted() -> str | None:
    claims = keys.read(this_provider().key, request.args.get("id_token_hint", ""))
    return None if claims is None else str(claims["sub"])


def _query() -> str:
    return urlencode(list(request.args.items()))


def _valid(sign_in: SignIn | None) -> Any:
    """Authlib's grant, for a request with which everything is right."""
    if request.args.get("response_type") != "code":
        # Authlib's own error repeats the text of the request, and fails over some characters.
        raise OAuth2Error("The only response_type is code.", error="unsupported_response_type")
    return this_provider().server.get_consent_grant(end_user=sign_in)


def _question(
    asked: Asked, template: Literal["sign_in.html", "consent.html"], **context: object
) -> str:
    # Browsers apply a page's form-action to where its form is redirected, too.
    g.form_target = origin_of(asked.redirect_uri)
    return render_template(template, asked=asked, query=_query(), **context)


def _ask_again() -> Response:
    return redirect(f"{url_for('.authorize')}?{_query()}", 303)


def _answer(grant: Any, sign_in: SignIn | None) -> Response:
    server = this_provider().server
    return _to_client(server.create_authorization_response(grant=grant, grant_user=sign_in))


def _refusal(asked: Asked, error: OAuth2Error) -> Response:
    error.redirect_uri = asked.redirect_uri
    error.state = request.args.get("state")
    return _to_client(this_provider().server.handle_error_response(None, error))


def _to_client(response: Response) -> Response:
    session.pop(_ANSWERED, None)
    # Every answer, errors too, says who gives it (RFC 9207 section 2).
    response.location = add_params_to_uri(response.location, [("iss", this_provider().issuer)])
    response.status_code = 303  # never a method with a body (RFC 9700 section 4.12)
    return response

"""Who gets to see what: everybody, who is signed in, or some roles alone.

A view that says nothing is for who is signed in (``JWTSESSION_PROTECT_ALL``). So one that somebody
adds tomorrow, and forgets to guard, is closed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, abort, current_app, render_template, request

from flask_jwtsession import current_session, current_user, public, roles_required

from .people import ACCOUNTS

HELP = {
    "tides": "High water is twice a day. The table hangs beside the door.",
    "ropes": "Ropes that somebody found are in the blue shed.",
}
BERTHS = {"A1": "Wanderer", "A2": "Second Wind", "B1": "Grace"}
WAGES = {"Ben Jetty": 2900, "Dora Lock": 3100}
REPORTS = {
    "may": "Forty ships came in May.",
    "june": "In June there was a storm, and nobody came.",
}

# The same for guardNavigation in the browser; the views decide.
PUBLIC_PATHS = ["/", "/help/*"]

pages = Blueprint("pages", __name__)
reports = Blueprint("reports", __name__, url_prefix="/reports")


# For everybody.


@pages.get("/")
@public
def home() -> str:
    return render_template("home.html")


@pages.get("/help/<topic>")
@public
def help_page(topic: str) -> str:
    return render_template("help.html", topic=topic, text=HELP.get(topic) or abort(404))


@pages.get("/sign-in")  # open without @public: JWTSESSION_PAGES names it
def sign_in_page() -> str:
    return render_template(
        "sign_in.html",
        accounts=ACCOUNTS,
        callback_url=request.args.get("callbackUrl", "/"),
        is_wrong="error" in request.args,
    )


# For who is signed in.


@pages.get("/account")
def account() -> str:
    signed_in_at = datetime.fromtimestamp(current_session.token["auth_time"], UTC)
    return render_template(
        "account.html",
        signed_in_at=signed_in_at,
        expires=current_session.expires,
        latest_end=signed_in_at + current_app.config["JWTSESSION_ABSOLUTE_MAX_AGE"],
        # In a view as in a template: who it is, and what they may see.
        may_read_reports=current_user["role"] in ("clerk", "master"),
    )


@pages.get("/berths")
def berths() -> str:
    # A function, and not what it returns: the template calls it for the role that may see it.
    return render_template("berths.html", berths=BERTHS, wages=WAGES.items)


# For a role: one route, and a blueprint.


@pages.get("/wages")
@roles_required("master")
def wages() -> str:
    """The same part alone, for a script that puts it into a page."""
    return render_template("_wages.html", wages=WAGES.items)


@reports.before_request
@roles_required("clerk", "master", any_of=True)
def only_for_the_office() -> None:
    """A guard in front of every view of this blueprint, those too that are added later."""


@reports.get("/")
def all_reports() -> str:
    return render_template("reports.html", names=REPORTS)


@reports.get("/<name>")
def report(name: str) -> str:
    return render_template("report.html", name=name, text=REPORTS.get(name) or abort(404))

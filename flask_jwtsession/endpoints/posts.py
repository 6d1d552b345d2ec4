"""What a POST to one of our endpoints must pass, and what it brings."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from ..answers import refusal
from ..cross_origin import origin_verdict, refuse_cross_origin
from ..lifecycle.binding import Binding
from ..lifecycle.csrf import sent_token
from ..lifecycle.state import state_of, takes_no_cookie
from ..request_checks import csrf
from ..request_checks.bodies import MAX_BODY, parse_json_body
from ..request_checks.origin import Verdict
from .redirecting import take_nextauth_v4

Fields = dict[str, Any]


def read_post(binding: Binding) -> Fields:
    """The fields of a POST to one of our endpoints: a form, or a JSON object.

    Refuses a request of another origin (403); where the headers leave that open, one without
    our CSRF token (403). Where cookies count for nothing, neither is asked. Refuses bodies over
    64 KiB (413), of other types (415) and malformed (400).
    """
    if takes_no_cookie(binding, request):  # nor is it a client of Auth.js
        fields = _read_fields(binding)
        fields.pop("csrfToken", None)
        return fields
    verdict = origin_verdict(binding)
    if verdict is Verdict.CROSS_ORIGIN:
        raise refuse_cross_origin(binding)
    fields = _read_fields(binding)
    take_nextauth_v4(fields)
    submitted = fields.pop("csrfToken", None)
    if verdict is Verdict.UNKNOWN and not csrf.matches(sent_token(state_of(binding)), submitted):
        raise refuse_cross_origin(binding)
    return fields


def bounded_form(binding: Binding) -> MultiDict[str, str]:
    """The form of a POST from anywhere. Raises 413 for bodies over 64 KiB, 415 for other types."""
    body = _bounded_body(binding)
    if request.mimetype == "application/x-www-form-urlencoded":
        return request.form
    if not body:
        return MultiDict()
    raise refusal(binding, 415, "unsupported_media_type", "The body is not a form.")


def _read_fields(binding: Binding) -> Fields:
    body = _bounded_body(binding)
    if request.mimetype == "application/json":
        try:
            return parse_json_body(body)
        except ValueError as error:
            raise refusal(
                binding, 400, "invalid_json", f"The body is not a JSON object: {error}."
            ) from None
    if request.mimetype == "application/x-www-form-urlencoded":
        return _form_fields(binding)
    if not body:
        return {}
    raise refusal(binding, 415, "unsupported_media_type", "The body is neither a form nor JSON.")


def _bounded_body(binding: Binding) -> bytes:
    # One byte more than allowed is read: a body of unknown length is cut there without a word.
    request.max_content_length = MAX_BODY + 1
    try:
        body = request.get_data(parse_form_data=False)
    except RequestEntityTooLarge:
        body = None
    # A hook of the application may have read the form before; then only the header tells.
    if body is None or max(len(body), request.content_length or 0) > MAX_BODY:
        raise refusal(binding, 413, "body_too_large", "The body is larger than 64 KiB.")
    return body


def _form_fields(binding: Binding) -> Fields:
    fields: Fields = {}
    for name, values in request.form.lists():
        if len(values) != 1:
            raise refusal(binding, 400, "invalid_form", "A field was sent twice.")
        fields[name] = values[0]
    return fields

"""JSON bodies: what is taken, and what two readers could understand differently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_jwtsession.request_checks.bodies import MAX_DEPTH, parse_json_body


def nested(levels: int) -> bytes:
    """An object that is ``levels`` objects and arrays deep, itself included."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


MALFORMED = [
    pytest.param(b"[]", id="SEC-122 array"),
    pytest.param(b'"text"', id="SEC-122 string"),
    pytest.param(b"1", id="SEC-122 number"),
    pytest.param(b"true", id="SEC-122 true"),
    pytest.param(b"null", id="SEC-122 null"),
    pytest.param(b"", id="SEC-122 empty"),
    pytest.param(b" ", id="SEC-122 blank"),
    pytest.param(b"{}{}", id="SEC-122 two values"),
    pytest.param(b"{} x", id="SEC-122 trailing text"),
    pytest.param(b"{'a': 1}", id="SEC-122 single quotes"),
    pytest.param(b'{"a": 1,}', id="SEC-122 trailing comma"),
    pytest.param(b'{"a": "\n"}', id="SEC-122 raw line feed"),
    pytest.param(nested(MAX_DEPTH + 1), id="SEC-122 depth 33"),
    pytest.param(b'{"a":' + b"[" * 100_000, id="SEC-122 depth 100000, open"),
    pytest.param(nested(32_000), id="SEC-122 depth 32000"),
    pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="SEC-122 objects in objects"),
    pytest.param(b'{"a": NaN}', id="SEC-122 NaN"),
    pytest.param(b'{"a": Infinity}', id="SEC-122 Infinity"),
    pytest.param(b'{"a": -Infinity}', id="SEC-122 -Infinity"),
    pytest.param(b'{"a": 1e400}', id="SEC-122 1e400"),
    pytest.param(b'{"a": [{"b": -1e400}]}', id="SEC-122 -1e400 inside"),
    pytest.param(b'{"a": 1, "a": 2}', id="SEC-122 equal names"),
    pytest.param(b'{"a": 1, "\\u0061": 2}', id="SEC-122 equal names, one escaped"),
    pytest.param(b'{"x": [{"a": 1, "a": 1}]}', id="SEC-122 equal names inside"),
    pytest.param(b'{"a": "\\ud800"}', id="SEC-122 lone surrogate"),
    pytest.param(b'{"\\udfff": 1}', id="SEC-122 lone surrogate in a name"),
    pytest.param(b'{"a": [["\\udc00\\ud800"]]}', id="SEC-122 surrogates the wrong way round"),
    pytest.param('{"a": 1}'.encode("utf-16"), id="SEC-122 UTF-16"),
    pytest.param('{"a": 1}'.encode("utf-16-le"), id="SEC-122 UTF-16 without BOM"),
    pytest.param('{"a": 1}'.encode("utf-32"), id="SEC-122 UTF-32"),
    pytest.param(b'\xef\xbb\xbf{"a": 1}', id="SEC-122 BOM"),
    pytest.param(b'{"a": "\xff"}', id="SEC-122 invalid UTF-8"),
    pytest.param(b'{"a": "\xc0\xaf"}', id="SEC-122 overlong UTF-8"),
    pytest.param(b'{"a": "\xed\xa0\x80"}', id="SEC-122 surrogate in UTF-8"),
    pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="SEC-122 5000-digit int"),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_not_one_clear_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_json_body(body)
    assert "sys." not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b"{}", {}, id="empty object"),
        pytest.param(b' {"a": [1, 2.5, null, true]}\n', {"a": [1, 2.5, None, True]}, id="values"),
        pytest.param(b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}, id="surrogate pair"),
        pytest.param('{"a": "é"}'.encode(), {"a": "é"}, id="UTF-8"),
        pytest.param(b'{"a": "\\u0000"}', {"a": "\x00"}, id="NUL"),
        pytest.param(b'{"__proto__": {"x": 1}}', {"__proto__": {"x": 1}}, id="SEC-121 as data"),
    ],
)
def test_an_object_is_taken_as_it_is(body: bytes, value: dict[str, Any]) -> None:
    assert parse_json_body(body) == value


def test_an_object_of_the_greatest_depth_is_taken() -> None:
    assert parse_json_body(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON_VALUES))
def test_every_object_that_is_json_comes_through_unchanged(value: dict[str, Any]) -> None:
    assert parse_json_body(json.dumps(value).encode()) == value


@given(st.binary())
def test_no_body_whatsoever_raises_anything_but_value_error(body: bytes) -> None:
    try:
        parse_json_body(body)
    except ValueError:
        return

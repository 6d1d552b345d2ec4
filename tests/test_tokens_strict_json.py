"""JSON from outside: one text, one meaning."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_jwtsession.tokens.strict_json import dump, parse_object

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text("abc"), children),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' {"a": 1.5} \n', {"a": 1.5}),
        ('{"é": "\\ud83e\\udd8a"}'.encode(), {"é": "🦊"}),
        (b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        (b'{"a": -0, "b": 1e3}', {"a": 0, "b": 1000.0}),
    ],
)
def test_an_object_is_read(text: bytes, value: dict[str, Any]) -> None:
    assert parse_object(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"1", id="number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b"{}x", id="trailing text"),
        pytest.param(b"{}{}", id="two objects"),
        pytest.param(b"{}\x00", id="trailing NUL"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="trailing comma"),
        pytest.param(b'{"a": 1, "a": 1}', id="equal names"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', id="equal names, one escaped"),
        pytest.param(b'{"x": {"a": 1, "a": 2}}', id="equal names inside"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": -Infinity}', id="-Infinity"),
        pytest.param(b'{"a": 1e400}', id="1e400"),
        pytest.param(b'{"a": -1e400}', id="-1e400"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="5000 digits"),
        pytest.param(b'{"a": "\t"}', id="raw control character"),
        pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="surrogate in UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="100000 deep"),
        pytest.param(b'{"a":' * 100_000, id="100000 objects deep"),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_object(text)


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_an_object_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(parse_object(data), dict)


@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES))
def test_what_is_dumped_is_read_back(value: dict[str, Any]) -> None:
    assert parse_object(dump(value)) == value


def test_dump_is_compact_utf_8() -> None:
    assert dump({"name": "Zoë", "roles": ["a", 1]}) == '{"name":"Zoë","roles":["a",1]}'.encode()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", b"bytes", {1, 2}, 1j], ids=repr
)
def test_dump_refuses_what_is_not_json(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        dump({"a": value})


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        pytest.param(b'{"a": 1}', 1, id="object"),
        pytest.param(b'{"a": [1]}', 2, id="array in object"),
        pytest.param(b'{"a": {"b": {"c": "[[[["}}}', 3, id="three objects"),
        pytest.param(b'{"a": [], "b": [], "c": [], "d": {}}', 2, id="side by side"),
        pytest.param(b'{"a":' * 900 + b"1" + b"}" * 900, 900, id="900 objects"),
    ],
)
def test_an_object_may_nest_as_deep_as_the_limit_and_no_deeper(text: bytes, depth: int) -> None:
    assert parse_object(text, depth=depth)
    with pytest.raises(ValueError, match="deep"):
        parse_object(text, depth=depth - 1)


def test_by_default_64_levels_are_read() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert parse_object(nested(64))
    with pytest.raises(ValueError, match="deep"):
        parse_object(nested(65))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'{"a": "\\ud800"}', id="value"),
        pytest.param(b'{"\\udfff": 1}', id="name"),
        pytest.param(b'{"a": ["x", {"b": "\\uD83E"}]}', id="inside"),
        pytest.param(b'{"a": "\\udd8a\\ud83e"}', id="a pair the wrong way round"),
    ],
)
def test_a_lone_surrogate_is_found_anywhere(text: bytes) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        parse_object(text)


@pytest.mark.parametrize("text", [b'{"secret": tru}', b'{"secret": "\xff"}', b'{"secret": NaN}'])
def test_an_error_quotes_nothing_of_the_text(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_object(text)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"

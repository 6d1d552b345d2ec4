"""JSON as RFC 8259 and RFC 7493 (I-JSON) want it, for everything that comes from outside.

Python's parser also takes NaN, Infinity and 1e400, the last of two equal names, UTF-16 and lone
surrogates. Each of them is a value that two readers of one text understand differently.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

#: How deep the claims of a token may nest.
MAX_DEPTH = 64


def parse_object(data: bytes, *, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The JSON object that the UTF-8 text is.

    Raises :exc:`ValueError`, whose text quotes nothing of ``data``, for everything else: another
    top-level type, equal names in one object, NaN and infinities, numbers that overflow, text that
    is not UTF-8, trailing text, too deep nesting.
    """
    value = parse(data, depth=depth)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def parse(data: bytes, *, depth: int = MAX_DEPTH) -> Any:
    """The JSON value that the UTF-8 text is; :exc:`ValueError` as in :func:`parse_object`."""
    try:
        value = _decoder.decode(data.decode())
    except _Refused:
        raise
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError("malformed") from None
    if isinstance(value, dict | list) and _nests_deeper(value, depth):
        raise ValueError("nested too deeply")
    # Only an escape can make a lone surrogate. One byte is found much faster than two.
    if b"\\" in data and b"\\u" in data:
        try:
            dump(value)
        except UnicodeEncodeError:
            raise ValueError("a lone surrogate in a string") from None
    return value


def _nests_deeper(value: dict[str, Any] | list[Any], depth: int) -> bool:
    if depth == 0:
        return True
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list) and _nests_deeper(item, depth - 1):
            return True
    return False


def dump(value: object) -> bytes:
    """Compact UTF-8 JSON. Raises :exc:`TypeError` or :exc:`ValueError` for what is not JSON."""
    return _encoder.encode(value).encode()


def same(one: object, other: object) -> bool:
    """Whether two values are the same JSON: 1 is not true, but a tuple is what a list is."""
    return _canonical(one) == _canonical(other)


class _Refused(ValueError):
    """What a hook of the decoder does not take."""


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("an object has two members of one name")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _Refused("a number is too large")
    return number


def _not_json(constant: str) -> NoReturn:
    raise _Refused(f"{constant} is not JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_finite, parse_constant=_not_json
)

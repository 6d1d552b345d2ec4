"""Measure what a session costs, and print one table. What the figures mean is in the
documentation, on the page about performance.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .applications import (
    BARE,
    COLD,
    COMPETITORS,
    CONTROL,
    JWT_EXTENDED,
    OPERATIONS,
    OURS,
    SIGNED,
    UNUSED,
    WARM,
    request_calls,
    request_name,
)
from .codecs import CODECS, DECODE, DIRECTIONS, ENCODE, JOSERFC, codec_calls, codec_name
from .imports import UNWANTED, Imports, measure_imports
from .pages import AND_REQUEST, PLAIN, WITH_SESSION, page_calls
from .sign_ins import AUTHLIB, sign_in_calls
from .sign_ins import OURS as OUR_SIGN_IN
from .signed import (
    ALGORITHMS,
    REAUTHENTICATED,
    REFRESHED,
    SIGNED_OPERATIONS,
    competitor,
    signed_calls,
)
from .stores import EMPTY, FULL, MGET, MILLION, NO_STORE, REDIS, SELECT, store_calls
from .timing import Block, Figure, figure, measure, middle

_PACKAGES = (
    "flask",
    "joserfc",
    "cryptography",
    "jwcrypto",
    "flask-jwt-extended",
    "pyjwt",
    "flask-session",
    "authlib",
    "cachelib",
)


@dataclass(frozen=True)
class Measured:
    """All that one run measured."""

    requests: list[Block]
    signed: list[Block]
    codecs: list[Block]
    sign_ins: list[Block]
    pages: list[Block]
    stores: list[Block]
    file_size: int
    imports: Imports

    def added(self, name: str) -> Figure:
        """By how much the request called ``name`` is longer than a bare one, in bare requests."""
        return figure(self.requests, lambda block: block[name] / block[BARE] - 1)

    def added_beside(self, other: str, operation: str) -> Figure:
        """What our session adds to a bare request, as a multiple of what another's adds."""
        ours, others = request_name(OURS, operation), request_name(other, operation)
        return figure(
            self.requests,
            lambda block: (block[ours] - block[BARE]) / (block[others] - block[BARE]),
        )

    def added_signed(self, algorithm: str, operation: str) -> Figure:
        """What our signed session adds, as a multiple of what Flask-JWT-Extended adds."""
        ours, theirs = (
            request_name(competitor(name, algorithm), operation) for name in (OURS, JWT_EXTENDED)
        )
        return figure(
            self.signed,
            lambda block: (block[ours] - block[BARE]) / (block[theirs] - block[BARE]),
        )

    def sign_in(self) -> Figure:
        """A sign-in with a provider, as a multiple of one by Authlib's Flask client."""
        return figure(self.sign_ins, lambda block: block[OUR_SIGN_IN] / block[AUTHLIB])

    def hydration(self) -> Figure:
        """What the session in a page costs, as a multiple of the request that it spares."""
        return figure(
            self.pages,
            lambda block: (
                (block[WITH_SESSION] - block[PLAIN]) / (block[AND_REQUEST] - block[PLAIN])
            ),
        )

    def check(self, store: str) -> Figure:
        """The microseconds that the question to a store adds to a session."""
        return figure(self.stores, lambda block: block[store] - block[NO_STORE])

    def codec(self, codec: str, direction: str) -> Figure:
        """The time of a codec, as a multiple of joserfc's."""
        one, joserfc = codec_name(codec, direction), codec_name(JOSERFC, direction)
        return figure(self.codecs, lambda block: block[one] / block[joserfc])


@dataclass(frozen=True)
class Target:
    """What was to be reached, and what was measured; the median decides."""

    what: str
    measured: Figure
    limit: float

    @property
    def is_reached(self) -> bool:
        return self.measured.value <= self.limit


def main() -> None:
    """Measure and print. A benchmark is no test: a target that is missed is no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the raw figures instead")
    options = parser.parse_args()
    print("This takes about three minutes.", file=sys.stderr)
    with TemporaryDirectory() as directory:
        requests = measure(request_calls(Path(directory)), blocks=9, rounds=60)
    with TemporaryDirectory() as directory:
        signed = measure(signed_calls(Path(directory)), blocks=9, rounds=30)
    codecs = measure(codec_calls(), blocks=9, rounds=60)
    with sign_in_calls() as calls:
        sign_ins = measure(calls, blocks=5, rounds=12)
    with TemporaryDirectory() as directory:
        pages = measure(page_calls(Path(directory)), blocks=9, rounds=40)
    with store_calls() as found:
        stores, file_size = measure(found.calls, blocks=9, rounds=40), found.file_size
    imports = measure_imports(processes=25)
    measured = Measured(requests, signed, codecs, sign_ins, pages, stores, file_size, imports)
    if options.json:
        print(json.dumps(_raw(measured), indent=1))
    else:
        print("\n".join(_table(measured)))


def _targets(measured: Measured) -> list[Target]:
    unused = measured.added(request_name(OURS, UNUSED))
    return [
        Target("session not used, beside a bare request", unused, 0.08),
        Target("read, warm, beside Flask's session", measured.added_beside(SIGNED, WARM), 0.8),
        Target("read, cold, beside Flask's session", measured.added_beside(SIGNED, COLD), 1.6),
        Target(
            "read, warm, beside Flask-JWT-Extended",
            measured.added_beside(JWT_EXTENDED, WARM),
            1 / 8,
        ),
        *(
            Target(
                f"{algorithm}, {what}, beside the same", measured.added_signed(algorithm, what), 0.5
            )
            for algorithm in ALGORITHMS
            for what in (WARM, COLD)
        ),
        Target("encode, beside joserfc alone", measured.codec(OURS, ENCODE), 1.2),
        Target("decode, beside joserfc alone", measured.codec(OURS, DECODE), 1.2),
        Target("sign-in, beside Authlib's Flask client", measured.sign_in(), 1.2),
        Target("session in the page, beside a request", measured.hydration(), 0.5),
        Target("SQLite, microseconds of a check", measured.check(FULL), 15),
        Target(
            "SQLite, of these by a million entries",
            figure(measured.stores, lambda block: block[FULL] - block[EMPTY]),
            3,
        ),
        Target("import, milliseconds over Flask", middle(measured.imports.whole), 40),
    ]


def _table(measured: Measured) -> Iterator[str]:
    bare = median(block[BARE] for block in measured.requests)
    control = measured.added(CONTROL)
    yield from _machine()
    yield ""
    yield _row(f"added to a bare request ({bare:.1f} µs = 1)", COMPETITORS)
    for operation in OPERATIONS:
        figures = (measured.added(request_name(one, operation)) for one in COMPETITORS)
        yield _row(f"  {operation}", (f"{one.value:.3f}" for one in figures))
    yield f"  (a second bare application: {control.value:+.3f}, {_spread(control)})"
    yield ""
    yield _row("signed, beside Flask-JWT-Extended (= 1)", ALGORITHMS)
    for operation in SIGNED_OPERATIONS:
        figures = (measured.added_signed(one, operation) for one in ALGORITHMS)
        yield _row(f"  {operation}", (f"{one.value:.3f}" for one in figures))
    again, theirs_again = (
        median(block[name] - block[BARE] for block in measured.signed)
        for name in (REAUTHENTICATED, REFRESHED)
    )
    yield (
        f"re-authentication: {again:.0f} µs over a bare request, a refresh by {JWT_EXTENDED} "
        f"{theirs_again:.0f} µs"
    )
    yield ""
    yield _row("encrypted token (joserfc alone = 1)", CODECS)
    for direction in DIRECTIONS:
        joserfc = median(block[codec_name(JOSERFC, direction)] for block in measured.codecs)
        figures = (measured.codec(one, direction) for one in CODECS)
        yield _row(f"  {direction} ({joserfc:.1f} µs)", (f"{one.value:.2f}" for one in figures))
    yield ""
    ours, theirs = (
        median(block[name] for block in measured.sign_ins) / 1000 for name in (OUR_SIGN_IN, AUTHLIB)
    )
    yield f"sign-in with a provider: {ours:.1f} ms, by Authlib's Flask client {theirs:.1f} ms"
    yield ""
    for name in (PLAIN, WITH_SESSION, AND_REQUEST):
        yield f"{name:41}{median(block[name] for block in measured.pages):8.1f} µs"
    yield ""
    yield "is it revoked, microseconds over a session without a store"
    for name in (EMPTY, FULL, REDIS):
        if name in measured.stores[0]:
            yield f"  {name:39}{measured.check(name).value:10.1f}"
    for name in (SELECT, MGET):
        if name in measured.stores[0]:
            alone = median(block[name] for block in measured.stores)
            yield f"  {f'beside it, alone: {name}':39}{alone:10.1f}"
    yield f"  the file with {MILLION:,} entries: {measured.file_size / 2**20:.0f} MiB"
    yield ""
    imports = measured.imports
    yield f"import: {middle(imports.whole).value:.0f} ms over Flask, of these " + (
        f"{middle(imports.joserfc).value:.0f} ms joserfc and cryptography"
    )
    yield f"imported with it of {' and '.join(UNWANTED)}: {', '.join(imports.unwanted) or 'none'}"
    yield ""
    yield f"{'target':41}{'measured':>10}   {'middle half':17}{'at most':>8}"
    for target in _targets(measured):
        verdict = "reached" if target.is_reached else "MISSED"
        yield (
            f"{target.what:41}{target.measured.value:10.3f}   {_spread(target.measured):17}"
            f"{target.limit:8g}   {verdict}"
        )


def _row(label: str, cells: Iterable[str]) -> str:
    return f"{label:41}" + "".join(f"{cell:>21}" for cell in cells)


def _spread(one: Figure) -> str:
    return f"{one.low:.3f} to {one.high:.3f}"


def _machine() -> Iterator[str]:
    yield f"Python {platform.python_version()}, {os.cpu_count()} processors"
    yield ", ".join(f"{package} {version(package)}" for package in _PACKAGES)


def _raw(measured: Measured) -> object:
    """All blocks, in microseconds a call; imports in milliseconds."""
    return {
        "machine": list(_machine()),
        "requests": [dict(block) for block in measured.requests],
        "signed": [dict(block) for block in measured.signed],
        "codecs": [dict(block) for block in measured.codecs],
        "sign_ins": [dict(block) for block in measured.sign_ins],
        "pages": [dict(block) for block in measured.pages],
        "stores": [dict(block) for block in measured.stores],
        "file_size": measured.file_size,
        "imports": asdict(measured.imports),
        "targets": [
            {**asdict(target), "reached": target.is_reached} for target in _targets(measured)
        ],
    }


if __name__ == "__main__":
    main()

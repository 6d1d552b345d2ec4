"""URL rules whose functions for building URLs are compiled when a URL is built.

Werkzeug compiles two functions for each rule when it is added. Of what the tests take, that was
almost half: they make some ten thousand applications with twenty rules each, and build few URLs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


def compile_lazily() -> None:
    """From now on, in this process; nothing if Werkzeug does it in another way by now."""
    compile_now: Callable[[Rule, bool], Builder] | None = getattr(Rule, "_compile_builder", None)
    if compile_now is None:
        return

    def compile_builder(rule: Rule, append_unknown: bool = True) -> Builder:
        compiled: Builder | None = None

        def build(self: Rule, **values: Any) -> tuple[str, str]:
            nonlocal compiled
            if compiled is None:
                compiled = compile_now(rule, append_unknown)
            return compiled(self, **values)

        return build

    Rule._compile_builder = compile_builder  # type: ignore[method-assign, assignment]

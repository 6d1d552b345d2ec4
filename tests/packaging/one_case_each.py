"""A plugin of pytest that runs one case of each test: the first of its parameters, and none that is
made up by Hypothesis.

What another version does differently shows in any of them.
"""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    first: dict[str, pytest.Item] = {}
    for item in items:
        if not getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            first.setdefault(item.nodeid.partition("[")[0], item)
    kept = set(first.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = first.values()

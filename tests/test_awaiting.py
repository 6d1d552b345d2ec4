from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest
from flask import Flask, request

from flask_jwtsession.awaiting import as_sync

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def path_and_variable(extra: str) -> tuple[str, str, str]:
    await asyncio.sleep(0)
    return request.path, variable.get(), extra


def test_a_plain_function_is_returned_as_it_is() -> None:
    def function() -> None:
        return None

    assert as_sync(function) is function


def test_an_async_function_keeps_its_name() -> None:
    assert as_sync(path_and_variable).__name__ == "path_and_variable"


def test_an_async_function_is_awaited_with_the_context_of_the_caller(app: Flask) -> None:
    variable.set("set")
    with app.test_request_context("/here"):
        assert as_sync(path_and_variable)("more") == ("/here", "set", "more")


def test_under_a_running_loop_it_is_awaited_in_a_thread_with_the_same_context(app: Flask) -> None:
    threads: list[int] = []

    async def callback() -> str:
        threads.append(threading.get_ident())
        return request.path

    async def view() -> str:
        return str(as_sync(callback)())

    with app.test_request_context("/here"):
        assert asyncio.run(view()) == "/here"
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize("loop", ["without a loop", "under a loop"])
def test_what_an_async_function_raises_reaches_the_caller(app: Flask, loop: str) -> None:
    async def callback() -> None:
        raise LookupError("from the callback")

    async def view() -> None:
        as_sync(callback)()

    run = (lambda: asyncio.run(view())) if loop == "under a loop" else as_sync(callback)
    with app.test_request_context(), pytest.raises(LookupError, match="from the callback"):
        run()

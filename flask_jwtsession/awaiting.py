"""Calling an ``async def`` function from synchronous code, whatever is running around it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from flask import current_app


def as_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as a plain callable; an ``async def`` one, or an object whose ``__call__`` is
    one, is awaited to its end.

    Called once, when a callback is registered: asking a function whether it is a coroutine function
    costs more than most callbacks.
    """
    if not (iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)):
        return function
    # Imported for those who use it: it costs a part of the import of this package.
    from concurrent.futures import ThreadPoolExecutor

    def await_it(*args: Any, **kwargs: Any) -> Any:
        return current_app.async_to_sync(function)(*args, **kwargs)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # Always in a thread of its own, with the context (request, session) of this one. The loop
        # of an async view cannot be entered again from its thread. From a thread that the view
        # waits for (sync_to_async) asgiref would take the callback back to that loop, which may be
        # waiting for the session that the callback is loading. And asgiref before 3.12 looks for
        # the loop when the wrapper is made, so that is made in there too.
        context = contextvars.copy_context()
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(context.run, await_it, *args, **kwargs).result()

    return call

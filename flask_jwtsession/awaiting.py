"""Calling an ``async def`` function from synchronous code, whatever is running around it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from flask import current_app


def as_sync(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as a plain callable; an ``async def`` one is awaited to its end.

    Called once, when a callback is registered: asking a function whether it is a coroutine function
    costs more than most callbacks.
    """
    if not iscoroutinefunction(function):
        return function
    # Imported for those who use it: they cost a quarter of the import of this package.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = current_app.async_to_sync(function)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run(*args, **kwargs)
        # An async view is running in this thread, and its loop cannot be entered again: the
        # callback gets a thread of its own, with the context (request, session) of this one.
        context = contextvars.copy_context()
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(context.run, run, *args, **kwargs).result()

    return call

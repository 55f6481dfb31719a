"""Python functions that the library calls.

The library holds a function by a number and says when it lets go of it, which may be long after the object that
brought it is gone. Until then the function is kept here. A callback must not raise: C has no way to pass it on.
"""

from __future__ import annotations

import atexit
import inspect
import itertools
import threading
import time
from typing import Any, Callable

from ._library import callback, lib

_tokens = itertools.count(1)
_kept: dict[int, Any] = {}


def _let_go(token: int) -> None:
    _kept.pop(token, None)


_destroy = callback("ahoy_destroy_fn")(_let_go)


def keep(*functions: tuple[str, Callable[..., Any] | None]) -> tuple[Any, ...]:
    """Functions with the names of their types, as arguments of a call: the functions, `user_data`, `destroy`."""
    token = next(_tokens)
    made = tuple(callback(name)(function) if function else callback(name)() for name, function in functions)
    _kept[token] = made
    return (*made, token, _destroy)


def plain(name: str, function: Any) -> None:
    """Refuses what is no plain function: of a coroutine that nobody awaits nothing is carried out."""
    if not callable(function):
        raise TypeError(f"{name} is a function, and not {function!r}")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):
        raise TypeError(f"{name} is a plain function, and not a coroutine function, which nobody awaits")


is_ending = False
"""Whether the process is about to end, and no function is called any more."""


def _stop() -> None:
    global is_ending
    is_ending = True
    # Python ends threads that want its lock once it finalises; so none may be on its way into a callback by then.
    lib.ahoy_callbacks_stop(1000, None)


def fall_silent(was_ending: bool) -> None:
    """Before a failed call is told of: where it failed because the process ends, the end comes first.

    Of other threads only daemons are left by then, and what they raise would be printed. Python ends them in a moment; the
    limit is for a program that waits for one.
    """
    if is_ending and not was_ending and threading.current_thread().daemon:
        time.sleep(1)


atexit.register(_stop)

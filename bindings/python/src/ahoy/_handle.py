"""Handles of libahoy as Python objects."""

from __future__ import annotations

import ctypes
from typing import Any, Callable

from ._library import lib
from .errors import Failure, raise_error

_NOT_COPIED = "what holds live connections is not pickled or copied: make a client in each process"


class Handle:
    """A handle that is freed once, at the latest with its object. Freeing neither waits nor fails."""

    __slots__ = ("_place", "_free", "__weakref__")

    def __init__(self, pointer: int | None, free: Callable[[int], None]) -> None:
        self._place = ctypes.c_void_p(pointer)
        self._free = free

    @property
    def pointer(self) -> int | None:
        """What the library knows it by; None once it is freed."""
        return self._place.value

    @pointer.setter
    def pointer(self, pointer: int | None) -> None:
        self._place.value = pointer

    @property
    def place(self) -> Any:
        """Where a function puts the handle that it gives. It has its owner from there on: a signal handler may raise as soon as
        the function has returned."""
        return ctypes.byref(self._place)

    @property
    def _as_parameter_(self) -> int | None:
        """Lets ctypes take the object itself as an argument, which keeps it alive for the time of the call."""
        return self.pointer

    def free(self) -> None:
        """Frees the handle; nothing may use it afterwards."""
        pointer, self.pointer = self.pointer, None
        if pointer:
            self._free(pointer)

    def __del__(self) -> None:
        self.free()

    def __reduce__(self) -> tuple[Any, ...]:
        # What holds one is a client, a balancer, a request or a stream.
        raise TypeError(_NOT_COPIED)


class NotCopied:
    """What holds a handle: a copy would share it, and end with it."""

    def __copy__(self) -> Any:
        raise TypeError(_NOT_COPIED)


def check(function: Any, *arguments: Any) -> None:
    """Calls a function that takes `err` last, and raises what it says."""
    error = Failure()
    if function(*arguments, ctypes.byref(error)) != 0:
        raise_error(error)


def take(free: Callable[[int], None], function: Any, *arguments: Any) -> Handle:
    """Calls a function that gives a handle through its last argument but one."""
    given = Handle(None, free)
    check(function, *arguments, given.place)
    return given


def text(function: Any, *arguments: Any) -> str:
    """What a function gives as an ahoy_text."""
    length, given = ctypes.c_size_t(), take(lib.ahoy_text_free, function, *arguments)
    data = lib.ahoy_text_bytes(given, ctypes.byref(length))
    return (data or b"").decode("utf-8", "replace")


def decode(value: bytes | None) -> str:
    """Text of the library, which is UTF-8."""
    return "" if value is None else value.decode("utf-8", "replace")


def milliseconds(name: str, seconds: float) -> int:
    """A time span in the library's unit. Less than one is rounded up, for 0 would mean: do not wait."""
    if not hasattr(seconds, "__round__"):
        raise TypeError(f"{name} is a number of seconds, and not {seconds!r}")
    if seconds < 0:
        raise ValueError(f"{name} is not negative, and not {seconds!r}")
    if seconds != seconds:
        raise ValueError(f"{name} is a number, and not {seconds!r}")
    if seconds == float("inf"):
        return 2**64 - 1
    return min(max(1, round(seconds * 1000)), 2**64 - 1) if seconds else 0


def given(name: str, value: Any) -> bytes:
    """Text that the program gave, as the library takes it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is text, and not {value!r}")
    return whole(name, value.encode())


def flag(name: str, value: Any) -> bool:
    """A switch: of text such as "no", C would take the truth of any text."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, and not {value!r}")
    return value


def whole(name: str, value: bytes) -> bytes:
    """Text that C reads as the program wrote it: for C it ends at a NUL."""
    if b"\0" in value:
        raise ValueError(f"{name} has a NUL")
    return value

"""Loads libahoy and declares its functions.

Functions that may wait are called without Python's global lock; the others keep it, since they return within
microseconds and giving it up would cost more than the call.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from ._declarations import CALLBACKS, FUNCTIONS, SONAME

_TYPES: dict[str, Any] = {
    "void": None,
    "pointer": ctypes.c_void_p,
    "text": ctypes.c_char_p,
    "bytes": ctypes.c_char_p,
    "buffer": ctypes.c_void_p,
    "bool": ctypes.c_bool,
    "double": ctypes.c_double,
    "int32_t": ctypes.c_int32,
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "intptr_t": ctypes.c_ssize_t,
}


def _refuse_subinterpreters() -> None:
    """Python runs what C calls back in the main interpreter; a subinterpreter would wait for it for ever, at its end at
    the latest."""
    names = ("PyInterpreterState_Get", "PyInterpreterState_Main")
    try:
        here, main = (ctypes.PYFUNCTYPE(ctypes.c_void_p)((name, ctypes.pythonapi))() for name in names)
    except AttributeError:
        return  # A Python of another make has no subinterpreters.
    if here != main:
        raise ImportError(
            "ahoy works in the main interpreter alone, and this is a subinterpreter;"
            " WSGIApplicationGroup %{GLOBAL} has mod_wsgi use that one",
            name="ahoy",
        )


def _type(name: str) -> Any:
    if name.endswith("*"):
        return ctypes.POINTER(_type(name[:-1]))
    return _TYPES.get(name, ctypes.c_void_p)


def _find() -> str:
    """The library that lies in the package, the one that AHOY_LIBRARY names, or the installed one."""
    chosen = os.environ.get("AHOY_LIBRARY")
    if chosen:
        return chosen
    names = {"win32": "ahoy.dll", "darwin": "libahoy.dylib"}
    bundled = os.path.join(os.path.dirname(__file__), names.get(sys.platform, "libahoy.so"))
    return bundled if os.path.exists(bundled) else names.get(sys.platform, SONAME)


class Library:
    """The functions of libahoy by name. One that the loaded library lacks raises AttributeError when it is used."""

    def __init__(self) -> None:
        self.path = _find()
        self._waiting = ctypes.CDLL(self.path)
        self._quick = ctypes.PyDLL(self.path)

    def __getattr__(self, name: str) -> Any:
        declared = FUNCTIONS.get(name)
        if declared is None:
            raise AttributeError(f"libahoy has no function {name}")
        result, arguments, waits = declared
        # By its index, for an attribute would be one object that several threads declare while others call it. The first one
        # that is whole stays. No lock: a fork may come while it is held, and gevent's is not for threads.
        function = (self._waiting if waits else self._quick)[name]
        function.restype = _type(result)
        function.argtypes = [callback(a[3:]) if a.startswith("fn ") else _type(a) for a in arguments]
        return self.__dict__.setdefault(name, function)


_made: dict[str, Any] = {}


def callback(name: str) -> Any:
    """The ctypes type of a callback such as `ahoy_log_fn`."""
    made = _made.get(name)
    if made is None:
        result, arguments = CALLBACKS[name]
        # ctypes itself may give two threads a type each, of which no function takes the other's.
        made = _made.setdefault(name, ctypes.CFUNCTYPE(_type(result), *(_type(a) for a in arguments)))
    return made


_refuse_subinterpreters()
lib: Any = Library()

"""The versions of the package and of the library that it loaded."""

from __future__ import annotations

from ._handle import decode
from ._library import lib

__version__ = "0.1.0"


def library_version() -> str:
    """The version of the loaded libahoy."""
    return decode(lib.ahoy_version())

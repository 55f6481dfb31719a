"""Settings as Python writes them, passed to the library by name.

Keys go through unchecked, so a newer library brings its settings without a newer package; docs/options.md lists them.
"""

from __future__ import annotations

import datetime
from typing import Any, Mapping, Sequence, Union

from ._handle import check, given, milliseconds
from ._library import lib

Value = Union[str, int, float, bool, datetime.timedelta, None, Sequence[Union[str, int]]]
Settings = Mapping[str, Value]


def written(value: Value) -> str:
    """A value as text: `off` for None, milliseconds for a timedelta, a list with commas."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.timedelta):
        span = value.total_seconds() * 1000
        # Less than one is rounded up, for 0 would mean: do not wait.
        return f"{max(1, round(span)) if span > 0 else round(span)}ms"
    if isinstance(value, (list, tuple)):
        return ",".join(map(written, value))
    return str(value)


def seconds(name: str, value: float) -> str:
    """A time span in seconds as text."""
    span = milliseconds(name, value)
    return "forever" if span == 2**64 - 1 else f"{span}ms"


def apply(function: Any, pointer: int, settings: Settings | None) -> None:
    """Applies settings by a function such as `ahoy_client_builder_set`."""
    if not isinstance(settings, (Mapping, type(None))):
        raise TypeError(f"settings are a mapping of keys to values, and not {type(settings).__name__}")
    for key, value in (settings or {}).items():
        check(function, pointer, given("the key of a setting", key), given(key, written(value)))


def documented(kind: str) -> dict[str, str]:
    """Every setting of `client`, `balancer`, `retry`, `breaker` or `provider` in the loaded library, with its purpose."""
    count = getattr(lib, f"ahoy_{kind}_option_count")()
    key, purpose = (getattr(lib, f"ahoy_{kind}_option_{part}_at") for part in ("key", "description"))
    return {key(i).decode(): purpose(i).decode() for i in range(count)}

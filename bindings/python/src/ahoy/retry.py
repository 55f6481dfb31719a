"""When a call is repeated."""

from __future__ import annotations

import dataclasses
from typing import Union

from .settings import Settings, Value, seconds


@dataclasses.dataclass(frozen=True)
class Retry:
    """The rules by which calls are repeated; what is None keeps the library's default. Times are in seconds."""

    tries: int | None = None
    """Attempts that a call may make, the first included; -1 for no limit."""
    delay: float | None = None
    """The wait before the first retry."""
    max_delay: float | None = None
    """No wait is longer."""
    backoff: float | None = None
    """By how much each wait is longer than the one before."""
    jitter: Union[float, tuple[float, float], None] = None
    """What is added to each wait: up to a number of seconds, or between two."""
    options: Settings = dataclasses.field(default_factory=dict)
    """Further keys of the retry rules, such as `statuses`, without `retry_`."""

    def settings(self) -> dict[str, Value]:
        """The rules as settings of a client."""
        found: dict[str, Value] = {}
        if self.tries is not None:
            if not isinstance(self.tries, int):
                raise TypeError(f"tries is a whole number, and not {self.tries!r}")
            found["retry_tries"] = "unlimited" if self.tries < 0 else self.tries
        for key in ("delay", "max_delay"):
            span = getattr(self, key)
            if span is not None:
                found[f"retry_{key}"] = seconds(key, span)
        if self.backoff is not None:
            found["retry_backoff"] = self.backoff
        if self.jitter is not None:
            least, most = self.jitter if isinstance(self.jitter, tuple) else (0.0, self.jitter)
            found["retry_jitter"] = f"{seconds('jitter', least)}-{seconds('jitter', most)}"
        found.update({f"retry_{key}": value for key, value in self.options.items()})
        return found


def rules(retry: Union[Retry, int, bool, None]) -> dict[str, Value]:
    """What a client's `retry` says: a Retry, a number of tries, or False for none."""
    if retry is None or retry is True:
        return {}
    if retry is False:
        return {"retry_tries": 1}
    if not isinstance(retry, (int, Retry)):
        raise TypeError(f"retry is a Retry, a number of tries, or False, and not {retry!r}")
    return (Retry(tries=retry) if isinstance(retry, int) else retry).settings()

"""What functions of the program raise inside a call of the library, on the thread that has made the call."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator

from .errors import Error


class _Calls(threading.local):
    """What was raised inside each call that this thread is in, the innermost one last."""

    def __init__(self) -> None:
        self.raised: list[BaseException | None] = []


_here = _Calls()


def note(error: BaseException) -> None:
    """Keeps what a function raised: C has no way to pass it on. What ends a program counts more than an error."""
    if _here.raised and (_here.raised[-1] is None or not isinstance(error, Exception)):
        _here.raised[-1] = error


@contextlib.contextmanager
def heard(tells_attempts: bool = False) -> Iterator[None]:
    """Around a call of the library: what ends a program, such as Ctrl-C, comes out of it. An error is the cause of the call's,
    unless that is to be what was attempted."""
    _here.raised.append(None)
    try:
        yield
    except Error as error:
        raised = _here.raised[-1]
        if isinstance(raised, Exception) and not tells_attempts:
            raise error from raised
        raise
    finally:
        raised = _here.raised.pop()
        if raised is not None and not isinstance(raised, Exception):
            raise raised

"""What a client tells of its calls to whatever traces them; ahoy.opentelemetry is one."""

from __future__ import annotations

from typing import ContextManager, Protocol

from .hooks import HookRequest
from .request import Request


class Tracing(Protocol):
    """Several threads use it at once. What its methods raise is logged, and no call fails of it, but for `call`."""

    def call(self, request: Request) -> ContextManager[None]:
        """Around the sending of a request; it is left with the call's exception, if it has one."""

    def begin_attempt(self, request: HookRequest) -> None:
        """Before each attempt, whose fields it may set."""

    def end_call(self, response: int | None, error: int | None) -> None:
        """When a call has ended: the library's ahoy_response, or its ahoy_error, which are valid inside it only."""

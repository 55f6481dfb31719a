"""A resilient HTTP client for services on several hosts, by libahoy.

    with ahoy.Client(["10.0.0.7:80", "10.0.0.8:80"], timeout=2) as client:
        print(client.get("/orders").json())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .attempts import Attempt
from .balancer import Balancer, Endpoint, Host
from .client import Client
from .errors import (
    AttemptError,
    BodySourceError,
    BodyTooLargeError,
    CancelledError,
    CircuitOpenError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    DeadlineError,
    DiscoveryError,
    Error,
    ForkedError,
    HookRefusedError,
    InUseError,
    InvalidArgumentError,
    NoEndpointsError,
    OverloadedError,
    ProtocolError,
    ResolveError,
    StatusError,
    TimeoutError,
    TLSError,
    UnknownOptionError,
    WouldDeadlockError,
)
from .headers import Headers
from .hooks import ClientEvent, HookRequest
from .response import Response, StreamedResponse
from .retry import Retry
from .settings import documented as documented_settings
from .sse import Event
from .statistics import Sample
from .version import __version__, library_version

if TYPE_CHECKING:
    from .asynchronous import AsyncClient, AsyncStreamedResponse

__all__ = [
    "AsyncClient",
    "AsyncStreamedResponse",
    "Attempt",
    "AttemptError",
    "Balancer",
    "BodySourceError",
    "BodyTooLargeError",
    "CancelledError",
    "CircuitOpenError",
    "Client",
    "ClientEvent",
    "ClosedError",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionLostError",
    "DeadlineError",
    "DiscoveryError",
    "Endpoint",
    "Error",
    "Event",
    "ForkedError",
    "Headers",
    "HookRefusedError",
    "HookRequest",
    "Host",
    "InUseError",
    "InvalidArgumentError",
    "NoEndpointsError",
    "OverloadedError",
    "ProtocolError",
    "ResolveError",
    "Response",
    "Retry",
    "Sample",
    "StatusError",
    "StreamedResponse",
    "TLSError",
    "TimeoutError",
    "UnknownOptionError",
    "WouldDeadlockError",
    "__version__",
    "documented_settings",
    "library_version",
]


def __getattr__(name: str) -> Any:
    # Importing asyncio takes longer than all the rest, so it waits for a program that uses it.
    if name in ("AsyncClient", "AsyncStreamedResponse"):
        from . import asynchronous

        return getattr(asynchronous, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

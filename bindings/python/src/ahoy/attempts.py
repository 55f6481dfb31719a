"""What was tried for a call."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One request to one endpoint."""

    url: str
    """The endpoint, such as `http://10.0.0.7:80`."""
    code: str
    """How it ended: `AHOY_OK` where an answer came."""
    http_status: int
    """The answer's status; 0 where none came."""
    elapsed: float
    """Seconds until it ended."""
    detail: str
    """In a few words, for people."""
    opened_circuit: bool
    """Whether the endpoint's circuit opened by it."""
    hedge: bool
    """Whether it ran beside another."""
    ambiguous: bool
    """Whether the request may have been carried out, although no answer came."""

    protocol: str = ""
    """`HTTP/1.1` or `HTTP/2`; empty where no connection stood, and through a proxy."""
    remote_address: str = ""
    """The address and port that it went to; empty where no connection stood, and through a proxy."""

    def __str__(self) -> str:
        return f"{self.url}  {self.detail or self.http_status or self.code}  {self.elapsed * 1000:.1f} ms"

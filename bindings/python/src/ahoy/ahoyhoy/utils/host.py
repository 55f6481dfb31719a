"""A host by address and port."""

from __future__ import annotations

import collections
from typing import Any

Host = collections.namedtuple("Host", "address port")


def pair(host: Any) -> tuple[str, int]:
    """A host as the balancer takes it; there, ports may be text."""
    return str(host[0]), int(host[1])

"""Whether a call is made by a greenlet of gevent, which must not hold the thread that all greenlets share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._gevent import HubQueue


def hub_queue() -> HubQueue | None:
    """The queue of the hub that runs the caller; None where a wait holds nothing but its own thread."""
    # A program that runs greenlets in place of threads has imported it.
    if "gevent.monkey" not in sys.modules:
        return None
    from ._gevent import HubQueue

    return HubQueue.here()

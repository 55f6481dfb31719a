"""One host after the other."""

from __future__ import annotations

from typing import Any

from ... import balancer as balancers
from .iloadbalancer import ILoadBalancer
from .providers.iprovider import IProvider


class RoundRobinLB(ILoadBalancer):
    """One after the other, from the first host on."""

    def __init__(self, provider: IProvider, session: Any = None) -> None:
        super().__init__(provider, session)
        # The library begins anywhere, so that clients that start together do not all ask the same host.
        last = next(reversed(self._hosts), None)
        for live in (self.balancer.pick() for _ in self._hosts):
            if (live.address, live.port) == last:
                break

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        return balancers.Balancer(hosts, "round_robin")

    def _choose_next(self) -> Any:
        return self.pick() if self._up else None

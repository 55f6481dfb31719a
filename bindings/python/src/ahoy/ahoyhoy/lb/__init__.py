"""Balancers."""

from __future__ import annotations

import random
from typing import Any, Callable

from ... import balancer as balancers
from .iloadbalancer import ILoadBalancer
from .providers.iprovider import IProvider

__all__ = ["RandomLB", "RoundRobinLB"]


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
        return self.pick()


class RandomLB(ILoadBalancer):
    """At random, by `random.randint` or a function of your own that takes the same arguments."""

    def __init__(
        self, provider: IProvider, session: Any = None, random_function: Callable[[int, int], int] = random.randint
    ) -> None:
        self.random_function = random_function
        super().__init__(provider, session)

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        return balancers.Balancer(hosts, "random", random=lambda below: self.random_function(0, below - 1))

    def _choose_next(self) -> Any:
        return self.pick()

"""Hosts at random."""

from __future__ import annotations

import random
from typing import Any, Callable

from ... import balancer as balancers
from .iloadbalancer import ILoadBalancer
from .providers.iprovider import IProvider


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
        return self.pick() if self._up else None

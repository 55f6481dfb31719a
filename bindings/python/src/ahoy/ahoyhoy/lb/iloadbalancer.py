"""What balancers have in common."""

from __future__ import annotations

import abc
import inspect
from typing import Any, Iterable

from ... import balancer as balancers
from ... import errors
from ..endpoints import Endpoint
from ..utils.host import pair
from .exceptions import LbNoEndpointsException
from .providers.iprovider import IProvider


class ILoadBalancer(abc.ABC):
    """Chooses an endpoint of a provider's hosts: derive, and choose in `_choose_next`."""

    def __init__(self, provider: IProvider, session: Any = None) -> None:
        assert isinstance(provider, IProvider)
        self._provider, self._session = provider, session
        self._hosts: dict[tuple[str, int], Any] = {}
        self._endpoints: dict[tuple[str, int], Endpoint] = {}
        self.balancer = self._make(self._listed)
        self.update()

    def _listed(self) -> Iterable[tuple[str, int]]:
        hosts = list(self._provider.get_list())
        self._hosts.update({pair(host): host for host in hosts})
        return [pair(host) for host in hosts]

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        choose: Any = self._choose_next
        return balancers.Balancer(hosts, choose if inspect.signature(choose).parameters else self._index)

    @abc.abstractmethod
    def _choose_next(self) -> Any:
        """The next of the hosts in `_up`, as get_or_create_endpoint gives it.

        A method with an argument gets the number of endpoints that a call may go to, and gives an index.
        """

    def _index(self, count: int) -> int:
        """Where the endpoint of `_choose_next` stands among `count`."""
        up = self._up
        # A call that is repeated has fewer to choose from than are up: the choice then goes around.
        return up.index(self._choose_next().host) % count

    @property
    def _up(self) -> list[Any]:
        """The hosts that are available, in the provider's order."""
        live = {(e.address, e.port): e.available for e in self.balancer.endpoints()}
        return [host for key, host in self._hosts.items() if live.get(key)]

    def get_or_create_endpoint(self, host: Any) -> Endpoint:
        """The endpoint of a host."""
        known = (e for e in self.balancer.endpoints() if (e.address, e.port) == pair(host))
        return self._endpoint(host, next(known, None))

    def _endpoint(self, host: Any, live: balancers.Endpoint | None) -> Endpoint:
        found = self._endpoints.get(pair(host))
        if found is None:
            found = self._endpoints[pair(host)] = Endpoint(host, session=self._session, live=live)
        elif live is not None:
            # A host that left the list and came back has a circuit of its own.
            found._live = live
        return found

    def pick(self) -> Endpoint:
        """An endpoint that is available; LbNoEndpointsException where there is none."""
        try:
            live = self.balancer.pick()
        except errors.NoEndpointsError as error:
            raise LbNoEndpointsException("No endpoints in closed state. Nothing to choose.") from error
        return self._endpoint(self._hosts.get((live.address, live.port)), live)

    def update(self) -> None:
        """Asks the provider again."""
        self.balancer.update()

"""The names of the package ahoyhoy, on libahoy: its recipes run with this module imported in its place.

    from ahoy.ahoyhoy import Host, LBClientBuilder, ListProvider, RoundRobinLB

Responses and exceptions are those of requests, as there.
"""

from __future__ import annotations

import abc
import collections
import random
from typing import Any, Callable, Iterable

import requests

from . import balancer as balancers
from . import errors
from .client import Client as _Client
from .requests import Adapter
from .retry import Retry as _Retry

Host = collections.namedtuple("Host", "address port")


def _pair(host: Any) -> tuple[str, int]:
    return str(host[0]), int(host[1])


class AhoyhoyLbException(Exception):
    """A balancer failed."""


class LbNoEndpointsException(AhoyhoyLbException):
    """No endpoint admits a request."""


class AhoyhoyClientException(Exception):
    """A client failed."""


class AhoyhoyRequestsException(AhoyhoyClientException, requests.RequestException):
    """A request failed."""


class ClientNoEndpointsException(AhoyhoyClientException):
    """No endpoint is available, also after the list was asked for again."""


class IProvider(abc.ABC):
    """Where hosts come from: derive, and give them in `get_list`."""

    @abc.abstractmethod
    def get_list(self) -> Iterable[Any]:
        """The hosts."""


class ListProvider(IProvider):
    """A list that never changes."""

    def __init__(self, *hosts: Any) -> None:
        self._hosts = hosts

    def get_list(self) -> Iterable[Any]:
        return self._hosts


class Endpoint:
    """A host with its circuit; requests can be sent to it alone."""

    def __init__(self, host: Any = None, session: Any = None, _live: balancers.Endpoint | None = None) -> None:
        self.host = host
        self._session = session or requests.Session()
        if _live is None and host is not None:
            # A balancer of one: the endpoint keeps what it needs of it.
            _live = balancers.Balancer([_pair(host)], "round_robin").pick()
        self._live = _live

    @property
    def available(self) -> bool:
        """Whether its circuit lets requests through."""
        return self._live is None or self._live.available

    @property
    def is_open(self) -> bool:
        """Whether its circuit is open."""
        return not self.available

    @property
    def is_closed(self) -> bool:
        """Whether its circuit is closed."""
        return self.available

    def open(self) -> None:
        """Opens the circuit until `close`."""
        if self._live is not None:
            self._live.open_circuit()

    def close(self) -> None:
        """Closes the circuit."""
        if self._live is not None:
            self._live.close_circuit()

    def __getattr__(self, name: str) -> Any:
        if name not in Client.HTTP_CALLS:
            raise AttributeError(name)

        def call(path: str, **options: Any) -> requests.Response:
            if not self.available:
                raise RuntimeError("Circuit state is open, no connections possible.")
            address, port = _pair(self.host) if self.host is not None else ("", 0)
            scheme = "https" if port == 443 else "http"
            url = f"{scheme}://{address}:{port}{path}" if self.host is not None else path
            try:
                response: requests.Response = getattr(self._session, name)(url, **options)
            except requests.RequestException:
                if self.available:
                    self.open()
                raise
            return response

        return call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Endpoint) and self.host == other.host

    def __hash__(self) -> int:
        return hash(self.host)

    def __repr__(self) -> str:
        state = "ClosedState" if self.available else "OpenState"
        return f"<Endpoint/{id(self)}/{self.host}/<class 'ahoyhoy.circuit.circuit.{state}'>"


class ILoadBalancer(abc.ABC):
    """Chooses an endpoint; derive, and give an index in `_choose_next`."""

    def __init__(self, provider: IProvider, session: Any = None) -> None:
        assert isinstance(provider, IProvider)
        self._provider, self._session = provider, session
        self._hosts: dict[tuple[str, int], Any] = {}
        self.balancer = self._make(self._listed)
        self.update()

    def _listed(self) -> Iterable[tuple[str, int]]:
        hosts = list(self._provider.get_list())
        self._hosts.update({_pair(host): host for host in hosts})
        return [_pair(host) for host in hosts]

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        return balancers.Balancer(hosts, lambda count: self._choose_next(count))

    def _choose_next(self, count: int) -> int:
        """The index of the next endpoint, of `count` that are available."""
        raise NotImplementedError

    def pick(self) -> Endpoint:
        """An endpoint that is available."""
        try:
            live = self.balancer.pick()
        except errors.NoEndpointsError as error:
            raise LbNoEndpointsException("No endpoints in closed state. Nothing to choose.") from error
        return Endpoint(self._hosts.get((live.address, live.port)), self._session, _live=live)

    def update(self) -> None:
        """Asks the provider again."""
        self.balancer.update()


class RoundRobinLB(ILoadBalancer):
    """One after the other."""

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        return balancers.Balancer(hosts, "round_robin")


class RandomLB(ILoadBalancer):
    """At random, by `random.randint` or a function of your own that takes the same arguments."""

    def __init__(
        self, provider: IProvider, session: Any = None, random_function: Callable[[int, int], int] = random.randint
    ) -> None:
        self.random_function = random_function
        super().__init__(provider, session)

    def _make(self, hosts: balancers.Hosts) -> balancers.Balancer:
        return balancers.Balancer(hosts, "random", random=lambda below: self.random_function(0, below - 1))


def Retry(retry_func: Any = None, **rules: Any) -> Any:
    """The rules by which HTTP calls are repeated: exceptions, tries, delay, max_delay, backoff, jitter."""
    rules.pop("exceptions", None)
    rules.pop("logger", None)
    rules["backoff"] = rules.get("backoff", 1)
    rules.setdefault("tries", -1)
    return _Retry(**{key: value for key, value in rules.items() if value is not None})


class Client:
    """Sends requests to the endpoints of a balancer."""

    HTTP_CALLS = ("get", "options", "post", "put", "head", "patch", "delete")

    def __init__(self, lb: ILoadBalancer, ep_list_update_tries: int = 1, **options: Any) -> None:
        if isinstance(lb, type):
            raise TypeError("Load Balancer needs to be instantiated first.")
        self._session = options.get("session") or requests.Session()
        retry = options.get("retry_http_call_func")
        self._adapter = Adapter(
            client=_Client(
                lb.balancer,
                retry=retry if isinstance(retry, _Retry) else None,
                headers={str(k): str(v) for k, v in (options.get("headers") or {}).items()},
                options={"endpoint_updates": max(0, ep_list_update_tries - 1)},
                warn_unclosed=False,
            )
        )

    def close(self) -> None:
        """Ends the client; the original has no such call."""
        self._adapter.close()

    def __getattr__(self, name: str) -> Any:
        if name not in self.HTTP_CALLS:
            raise AttributeError(f"No such attribute: '{name}'. Only HTTP methods can be called for now.")

        def call(path: str, **options: Any) -> requests.Response:
            if not path.startswith("/"):
                path = "/" + path
            # Of requests' own it takes the session's headers, cookies and auth; the host is the balancer's.
            request = requests.Request(name.upper(), "http://service" + path, **_split(options))
            prepared = self._session.prepare_request(request)
            try:
                return self._adapter.send(prepared, timeout=options.get("timeout"))
            except requests.ConnectionError as error:
                if isinstance(error.__cause__, (errors.NoEndpointsError, errors.ConnectError)):
                    raise ClientNoEndpointsException(
                        "No available endpoints are found and maximum retries amount for updating an endpoints "
                        "list exceeded."
                    ) from error
                raise

        return call


def _split(options: dict[str, Any]) -> dict[str, Any]:
    taken = ("headers", "files", "data", "params", "auth", "cookies", "json")
    return {key: options[key] for key in taken if key in options}


def SimpleClient(session: Any = None, retry_http_call: Any = None) -> Endpoint:
    """An endpoint without a balancer, for whole URLs."""
    return Endpoint(session=session)


SimpleHttpEndpoint = SimpleClient


class IClientBuilder:
    """What the builders have in common."""

    def __init__(self) -> None:
        self._session: Any = None
        self._headers: dict[str, str] = {}
        self._retries: Any = None

    def add_session(self, session: Any) -> Any:
        """A session of requests with headers, cookies and auth of your own."""
        self._session = session
        return self

    def add_retries(self, retries: Any) -> Any:
        """What Retry gives."""
        self._retries = retries
        return self

    def add_headers(self, headers: dict[str, str]) -> Any:
        """Fields of every request."""
        self._headers = headers
        return self


class LBClientBuilder(IClientBuilder):
    """Builds a client over a balancer."""

    def __init__(self) -> None:
        super().__init__()
        self._lb: Any = None
        self._updates = 1

    def add_lb(self, lb: ILoadBalancer) -> LBClientBuilder:
        """The balancer."""
        self._lb = lb
        return self

    def set_endpoint_updates(self, ep_updates: int) -> LBClientBuilder:
        """How often the list of hosts is asked for when no endpoint is available."""
        self._updates = ep_updates
        return self

    def build(self) -> Client:
        """The client."""
        assert self._lb
        return Client(
            self._lb,
            self._updates,
            session=self._session,
            headers=self._headers,
            retry_http_call_func=self._retries,
        )


class SessionClientBuilder(IClientBuilder):
    """Builds a client for whole URLs."""

    def build(self) -> Endpoint:
        """The client."""
        session = self._session or requests.Session()
        session.headers.update(self._headers)
        retry = self._retries if isinstance(self._retries, _Retry) else False
        adapter = Adapter(retry=retry, warn_unclosed=False)
        for prefix in ("http://", "https://"):
            session.mount(prefix, adapter)
        return Endpoint(session=session)

"""Where requests go: hosts, providers and balancers."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence, Union

from . import errors
from ._callbacks import keep, plain
from ._declarations import AHOY_LIST_REFUSED
from ._greenlets import hub_queue
from ._handle import Handle, NotCopied, check, decode, given, milliseconds, take, text
from ._heard import heard, note
from ._library import lib
from .response import SLICE_MS
from .settings import Settings, apply

if TYPE_CHECKING:
    from ._gevent import HubQueue

ALGORITHMS = (
    "p2c", "round_robin", "random", "least_request", "maglev", "ring_hash", "rendezvous", "smooth_weighted", "peak_ewma",
)

_logger = logging.getLogger("ahoy")
_SCHEMES = {"http": 1, "https": 2}
# How often a greenlet looks whether a list is there, in seconds.
_LOOKS_EVERY = 0.005

_STATES = {0: "closed", 1: "open", 2: "half_open"}


def _no_host(value: Any, port: str = "") -> ValueError:
    """A host has no credentials: what is given as some is not to reach a log by the error."""
    if "@" in str(value):
        return ValueError("a host holds credentials; send them as a header")
    return ValueError(f"{value}{port} is not a host" if port else f"{value!r} is not a host: write name:port")


@dataclasses.dataclass(frozen=True)
class Host:
    """A server of the service. What is None has the library's default."""

    address: str
    port: int
    weight: int | None = None
    zone: str | None = None
    priority: int | None = None
    scheme: str | None = None
    """`http` or `https`; by default https for port 443."""
    authority: str | None = None
    """What the Host field says in place of address and port."""
    server_name: str | None = None
    """The name that TLS verifies."""

    @classmethod
    def parse(cls, value: HostLike) -> Host:
        """A host from `name:port`, `[::1]:port`, `https://name`, `unix:/path`, a pair, or a host as it is."""
        if isinstance(value, Host):
            return value
        if not isinstance(value, str):
            try:
                address, port = value
            except (TypeError, ValueError):
                raise TypeError(f"a host is text such as '10.0.0.7:80', a pair or a Host, and not {value!r}") from None
            if not str(port).isdigit():
                raise _no_host(value)
            return cls(str(address), int(port))
        if value.startswith("unix:"):
            return cls(value, 80)  # which says http, and nothing else
        scheme, _, rest = value.rpartition("://")
        address, colon, port = rest.rstrip("/").rpartition(":")
        if not colon or "]" in port:
            address, port = rest.rstrip("/"), ""
        # A port that is left out may leave its colon behind (RFC 3986, section 3.2.3).
        port = port or ("443" if scheme == "https" else "80")
        if not port.isdigit():
            raise _no_host(value)
        return cls(address.strip("[]"), int(port), scheme=scheme or None)

    def _handle(self) -> Handle:
        for name in ("port", "weight", "priority"):
            value = getattr(self, name)
            if not isinstance(value, (int, type(None))) or (value is None and name == "port"):
                raise TypeError(f"{name} of a host is a whole number, and not {value!r}")
        # C would take what is above for another port.
        pointer = lib.ahoy_host_new(given("address of a host", self.address), self.port) if 0 <= self.port < 65536 else None
        if not pointer:
            raise _no_host(self.address, f":{self.port}")
        handle = Handle(pointer, lib.ahoy_host_free)
        for name in ("zone", "authority", "server_name"):
            value = getattr(self, name)
            if value is not None:
                check(getattr(lib, f"ahoy_host_set_{name}"), pointer, given(f"{name} of a host", value))
        for name in ("weight", "priority"):
            value = getattr(self, name)
            if value is not None:
                # C would take what is below for a large number.
                if not 0 <= value < 2**32:
                    raise ValueError(f"{name} of a host is from 0 to 4294967295, and not {value!r}")
                check(getattr(lib, f"ahoy_host_set_{name}"), pointer, value)
        if self.scheme is not None:
            if self.scheme not in _SCHEMES:
                raise ValueError(f"scheme {self.scheme!r} is neither http nor https")
            check(lib.ahoy_host_set_scheme, pointer, _SCHEMES[self.scheme])
        return handle


HostLike = Union[Host, str, "tuple[str, Union[int, str]]"]
Hosts = Union[Iterable[HostLike], Callable[[], Iterable[HostLike]], str]


class Provider:
    """A list of hosts, a function that gives one, or the URL of a registry such as `etcd://127.0.0.1:2379/web`."""

    def __init__(self, hosts: Hosts, options: Settings | None = None) -> None:
        if callable(hosts):
            plain("hosts", hosts)
            pointer = lib.ahoy_provider_custom_new(*keep(("ahoy_provider_fn", _listed(hosts))))
            self.handle = Handle(pointer, lib.ahoy_provider_free)
        elif isinstance(hosts, str) and "://" in hosts and not hosts.startswith(("http://", "https://", "unix:")):
            self.handle = take(lib.ahoy_provider_free, lib.ahoy_provider_from_url, given("hosts", hosts))
            apply(lib.ahoy_provider_set, self.handle.pointer or 0, options)
        else:
            self.handle = Handle(lib.ahoy_provider_list_new(), lib.ahoy_provider_free)
            if not isinstance(hosts, Iterable):
                raise TypeError(f"hosts are texts such as '10.0.0.7:80' or a function that gives them, and not {hosts!r}")
            for host in [hosts] if isinstance(hosts, str) else hosts:
                check(lib.ahoy_provider_list_add_host, self.handle.pointer, Host.parse(host)._handle())


def _listed(hosts: Callable[[], Iterable[HostLike]]) -> Callable[[Any, int], int]:
    def fill(_: Any, out: int) -> int:
        try:
            for host in hosts():
                check(lib.ahoy_hosts_add_host, out, Host.parse(host)._handle())
            return 0
        except BaseException as error:
            note(error)
            _logger.error("the provider raised; the last list stays in use", exc_info=error)
            return 200  # AHOY_E_DISCOVERY

    return fill


class Endpoint:
    """A server as a balancer knows it, with its circuit."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def url(self) -> str:
        """Such as `http://10.0.0.7:80`."""
        return decode(lib.ahoy_endpoint_url(self._handle.pointer))

    @property
    def address(self) -> str:
        """Name or address."""
        return decode(lib.ahoy_endpoint_address(self._handle.pointer))

    @property
    def port(self) -> int:
        """TCP port."""
        port: int = lib.ahoy_endpoint_port(self._handle.pointer)
        return port

    @property
    def weight(self) -> int:
        """Its share of the traffic relative to the others, as the provider tells it now."""
        weight: int = lib.ahoy_endpoint_weight(self._handle.pointer)
        return weight

    @property
    def priority(self) -> int:
        """Its priority, as the provider tells it now: 0 is the first."""
        priority: int = lib.ahoy_endpoint_priority(self._handle.pointer)
        return priority

    @property
    def zone(self) -> str | None:
        """The zone that it stood in when this was made."""
        zone = lib.ahoy_endpoint_zone(self._handle.pointer)
        return decode(zone) if zone else None

    @property
    def state(self) -> str:
        """The circuit: `closed`, `open` or `half_open`."""
        return _STATES.get(lib.ahoy_endpoint_state(self._handle.pointer), "unknown")

    @property
    def available(self) -> bool:
        """Whether requests are sent to it."""
        available: bool = lib.ahoy_endpoint_available(self._handle.pointer)
        return available

    def open_circuit(self) -> None:
        """Sends nothing more to it until `close_circuit`."""
        check(lib.ahoy_endpoint_open_circuit, self._handle.pointer)

    def close_circuit(self) -> None:
        """Takes an opened circuit back."""
        check(lib.ahoy_endpoint_close_circuit, self._handle.pointer)

    def drain(self) -> None:
        """Sends no further request to it; those under way end."""
        check(lib.ahoy_endpoint_drain, self._handle.pointer)

    def resume(self) -> None:
        """Takes `drain` back."""
        check(lib.ahoy_endpoint_resume, self._handle.pointer)

    def __repr__(self) -> str:
        return f"<Endpoint {self.url} {self.state}>"


class Balancer(NotCopied):
    """Chooses an endpoint for each attempt. Clients that share one share its circuits."""

    def __init__(
        self,
        hosts: Hosts,
        algorithm: Union[str, Callable[[int], int]] = "p2c",
        *,
        options: Settings | None = None,
        provider_options: Settings | None = None,
        random: Callable[[int], int] | None = None,
    ) -> None:
        """
        :param hosts: hosts, a function that gives them, or a registry's URL
        :param algorithm: `p2c`, `round_robin`, `random`, `least_request`, `maglev`, `ring_hash`, `rendezvous`,
            `smooth_weighted`, `peak_ewma`, or `prequal:/path`, which asks hosts at a path for their load; or a
            function from the number of candidates to an index
        :param options: settings by key, see docs/options.md
        :param provider_options: settings of a registry by key, such as `token_file`
        :param random: for `random`: a function that gives a number below its argument
        """
        self._is_function = callable(hosts)
        self._provider = Provider(hosts, provider_options)
        provider = self._provider.handle.pointer
        if callable(algorithm):
            plain("balancer", algorithm)
            pointer = lib.ahoy_balancer_custom_new(provider, *keep(("ahoy_balancer_fn", _chosen(algorithm))))
        else:
            pointer = _named(provider, algorithm)
        self.handle = Handle(pointer, lib.ahoy_balancer_free)
        if random is not None:
            plain("random", random)
            check(lib.ahoy_balancer_random_set_function, self.pointer, *keep(("ahoy_random_fn", _drawn(random))))
        apply(lib.ahoy_balancer_set, self.pointer, options)

    @classmethod
    def of_client(cls, client: Any) -> Balancer:
        """The present one of a client that a configuration made."""
        balancer = cls.__new__(cls)
        balancer._is_function = False
        balancer.handle = take(lib.ahoy_balancer_free, lib.ahoy_client_balancer, client)
        return balancer

    @property
    def pointer(self) -> int:
        return self.handle.pointer or 0

    def pick(self) -> Endpoint:
        """The endpoint that the next request would go to; NoEndpointsError where none admits one."""
        with heard():
            return Endpoint(take(lib.ahoy_endpoint_free, lib.ahoy_balancer_pick, self.pointer))

    def update(self) -> None:
        """Asks for the list of hosts again."""
        with heard():
            check(lib.ahoy_balancer_update, self.pointer)

    def endpoints(self) -> Sequence[Endpoint]:
        """All endpoints that are known."""
        count: int = lib.ahoy_balancer_endpoint_count(self.pointer)
        known = lib.ahoy_balancer_endpoint_at
        return [Endpoint(take(lib.ahoy_endpoint_free, known, self.pointer, index)) for index in range(count)]

    def add(self, host: HostLike) -> None:
        """Adds an endpoint, until the list says otherwise."""
        check(lib.ahoy_balancer_add_endpoint, self.pointer, Host.parse(host)._handle())

    def remove(self, host: HostLike) -> None:
        """Takes an endpoint out."""
        check(lib.ahoy_balancer_remove_endpoint, self.pointer, Host.parse(host)._handle())

    def wait_ready(self, timeout: float = 5.0) -> None:
        """Waits until the first list of hosts is there."""
        left = milliseconds("timeout", timeout)
        # A function of the program is called on this thread, and would be called once more for each piece.
        if self._is_function:
            with heard():
                return check(lib.ahoy_balancer_wait_ready, self.pointer, left)
        queue = hub_queue()
        if queue is not None:
            return self._look(queue, time.monotonic() + left / 1000)
        if threading.current_thread() is not threading.main_thread():
            return check(lib.ahoy_balancer_wait_ready, self.pointer, left)
        while True:
            # In short pieces, after each of which Python runs its signal handlers: only this thread has them.
            piece, begun = min(left, SLICE_MS), time.monotonic()
            try:
                return check(lib.ahoy_balancer_wait_ready, self.pointer, piece)
            except (errors.DeadlineError, errors.DiscoveryError):
                left -= piece
                # What has not waited says that no wait would help.
                if left <= 0 or time.monotonic() - begun < piece / 2000:
                    raise

    def _look(self, queue: HubQueue, until: float) -> None:
        """Holds the calling greenlet alone: looks, and lets the others have their turn in between."""
        while True:
            # Before the look, which then says why.
            is_refused = lib.ahoy_balancer_list_state(self.pointer) == AHOY_LIST_REFUSED
            try:
                return check(lib.ahoy_balancer_wait_ready, self.pointer, 0)
            except (errors.DeadlineError, errors.DiscoveryError):
                left = until - time.monotonic()
                if left <= 0 or is_refused:
                    raise
            queue.pause(min(left, _LOOKS_EVERY))

    def explain(self) -> str:
        """A line for each endpoint: its state, the reason, its load."""
        return text(lib.ahoy_balancer_explain, self.pointer)


def _named(provider: Any, algorithm: Any) -> Any:
    if not isinstance(algorithm, str):
        raise TypeError(f"balancer is a name or a function, and not {algorithm!r}")
    name, _, path = algorithm.partition(":")
    if name == "prequal":
        made = lib.ahoy_balancer_prequal_new(provider, given("balancer", path))
        if not made:
            raise ValueError(f"{algorithm!r} is not a balancer: write prequal:/path")
        return made
    if algorithm not in ALGORITHMS:
        raise ValueError(f"no balancer is called {algorithm!r}")
    return getattr(lib, f"ahoy_balancer_{algorithm}_new")(provider)


def _chosen(function: Callable[[int], int]) -> Callable[[Any, int], int]:
    def choose(_: Any, count: int) -> int:
        try:
            return int(function(count)) % 2**64
        except BaseException as error:
            note(error)
            _logger.error("the balancer raised", exc_info=error)
            return 2**64 - 1  # out of range: no endpoint

    return choose


def _drawn(function: Callable[[int], int]) -> Callable[[Any, int], int]:
    def draw(_: Any, below: int) -> int:
        try:
            return int(function(below)) % 2**64
        except BaseException as error:
            note(error)
            _logger.error("the random function raised", exc_info=error)
            return 0

    return draw


def chosen_balancer(
    hosts: Union[Hosts, Balancer, None], algorithm: Union[str, Callable[[int], int]], options: Settings | None
) -> Balancer | None:
    """The balancer that a client's arguments describe."""
    if hosts is None or isinstance(hosts, Balancer):
        return hosts
    return Balancer(hosts, algorithm, options=options)


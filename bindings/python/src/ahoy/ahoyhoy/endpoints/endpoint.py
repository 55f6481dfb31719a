"""A host with its circuit, to which requests can be sent alone."""

from __future__ import annotations

from typing import Any, Callable

import requests

from ... import balancer as balancers
from ..circuit import Circuit
from ..http.proxy import HTTP_CALLS
from ..servicediscovery import ServiceDiscoveryHttpClient
from ..utils.host import pair


class Endpoint(Circuit):
    """Sends its calls by a Session of requests, unless its circuit is open. A call that raises opens it."""

    def __init__(
        self,
        host: Any = None,
        pre_callback: Callable[..., Any] | None = None,
        post_callback: Callable[..., Any] | None = None,
        exception_callback: Callable[..., Any] | None = None,
        classify: Callable[..., Any] | None = None,
        retry: Callable[..., Any] | None = None,
        session: Any = None,
        *,
        live: balancers.Endpoint | None = None,
    ) -> None:
        if live is None and host is not None:
            # A balancer of one: the endpoint keeps what it needs of it.
            live = balancers.Balancer([pair(host)], "round_robin").pick()
        super().__init__(live)
        self._host, self._retry, self._exc = host, retry, exception_callback
        if classify is not None:
            setattr(self, "classify", classify)
        if host is None:
            self._session = session if session is not None else requests.Session()
        else:
            self._session = ServiceDiscoveryHttpClient(
                host, session=session, pre_callback=pre_callback, post_callback=post_callback
            )

    @property
    def host(self) -> Any:
        """The host, or None for an endpoint of whole URLs."""
        return self._host

    def set_retry(self, retry: Callable[..., Any]) -> None:
        """Sets how a call is repeated: what Retry gives."""
        self._retry = retry

    def set_headers(self, headers: dict[str, str]) -> None:
        """Adds fields to the Session."""
        self._session.headers.update(headers)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in HTTP_CALLS:
            return getattr(self._session, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if not self.available:
                raise RuntimeError("Circuit state is open, no connections possible.")
            return self.classify(getattr(self._session, name), *arguments, **options)

        return call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Endpoint) and self.host == other.host

    def __hash__(self) -> int:
        return hash(self.host)

    def __repr__(self) -> str:
        return f"<Endpoint/{id(self)}/{self.host}/<class 'ahoyhoy.circuit.circuit.{self.state.__name__}'>"


def SimpleHttpEndpoint(session: Any = None, retry: Callable[..., Any] | None = None) -> Endpoint:
    """An endpoint for whole URLs."""
    return Endpoint(session=session, retry=retry)

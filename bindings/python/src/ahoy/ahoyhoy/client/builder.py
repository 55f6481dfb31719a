"""Builders of clients."""

from __future__ import annotations

import abc
from typing import Any

import requests

from ...requests import Adapter
from ..endpoints import Endpoint
from ..lb.iloadbalancer import ILoadBalancer
from .client import Client, SimpleClient


class IClientBuilder(abc.ABC):
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

    @abc.abstractmethod
    def build(self) -> Any:
        """The client."""


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
        session = self._session if self._session is not None else requests.Session()
        session.headers.update(self._headers)
        for prefix, adapter in list(getattr(session, "adapters", {}).items()):
            # An adapter of your own stays.
            if type(adapter) is requests.adapters.HTTPAdapter:
                session.mount(prefix, Adapter(retry=False, warn_unclosed=False))
        return SimpleClient(session=session, retry_http_call=self._retries)

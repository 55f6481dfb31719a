"""The client over a balancer."""

from __future__ import annotations

import collections
import copy
from typing import Any

import requests

from ... import errors
from ...client import Client as AhoyClient
from ...requests import Adapter
from ..endpoints import Endpoint
from ..http.proxy import HTTP_CALLS
from ..lb.exceptions import LbNoEndpointsException
from ..lb.iloadbalancer import ILoadBalancer
from ..retries.retries import HttpRetry
from .exceptions import ClientNoEndpointsException

_SERVICE = "http://service"
_NONE_LEFT = "No available endpoints are found and maximum retries amount for updating an endpoints list exceeded."


class Client:
    """Sends requests to the endpoints of a balancer, by libahoy. Calls take paths."""

    HTTP_CALLS = HTTP_CALLS

    def __init__(self, lb: ILoadBalancer, ep_list_update_tries: int = 1, **options: Any) -> None:
        """
        :param lb: the balancer
        :param ep_list_update_tries: how often the list of hosts is asked for when no endpoint is available
        :param options: `session`, `headers`, and `retry_http_call_func`: what Retry gives
        """
        if isinstance(lb, type):
            raise TypeError("Load Balancer needs to be instantiated first.")
        self._lb, self._updates = lb, max(0, ep_list_update_tries - 1)
        self._fields = options.get("headers") or {}
        retry = options.get("retry_http_call_func")
        self._retry = None if isinstance(retry, HttpRetry) else retry
        self._adapter = Adapter(
            client=AhoyClient(
                lb.balancer,
                retry=retry.rules if isinstance(retry, HttpRetry) else None,
                options={"endpoint_updates": self._updates},
                warn_unclosed=False,
            )
        )
        self._session = self._session_of(options.get("session") or requests.Session())

    def _session_of(self, session: requests.Session) -> requests.Session:
        """One that shares headers, cookies and auth with the given one, whose adapters stay as they are."""
        own = copy.copy(session)
        own.adapters = collections.OrderedDict(session.adapters)
        own.mount(_SERVICE, self._adapter)
        return own

    def close(self) -> None:
        """Ends the client; the original has no such call."""
        self._adapter.close()

    def resolve(self) -> Endpoint:
        """An endpoint that is available."""
        for _ in range(self._updates):
            try:
                return self._lb.pick()
            except LbNoEndpointsException:
                self._lb.update()
        return self._lb.pick()

    def __getattr__(self, name: str) -> Any:
        if name not in HTTP_CALLS:
            raise AttributeError(f"No such attribute: '{name}'. Only HTTP methods can be called for now.")

        def call(path: str, *arguments: Any, **options: Any) -> Any:
            options["headers"] = {**self._fields, **(options.get("headers") or {})}
            function = getattr(self._session, name)
            where = _SERVICE + (path if path.startswith("/") else "/" + path)
            try:
                if self._retry is None:
                    return function(where, *arguments, **options)
                return self._retry(function, fargs=(where, *arguments), fkwargs=options)
            except requests.ConnectionError as error:
                if isinstance(error.__cause__, (errors.NoEndpointsError, errors.ConnectError)):
                    raise ClientNoEndpointsException(_NONE_LEFT) from error
                raise

        return call


def SimpleClient(session: Any = None, retry_http_call: Any = None) -> Endpoint:
    """An endpoint without a balancer, for whole URLs."""
    return Endpoint(session=session, retry=retry_http_call)

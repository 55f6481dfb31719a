"""Transports for httpx: its client, its API, and libahoy below.

    httpx.Client(transport=ahoy.httpx.Transport(["10.0.0.7:80", "10.0.0.8:80"]), base_url="http://orders")
"""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterator, NoReturn

import httpx

from . import errors
from .asynchronous import AsyncClient, AsyncStreamedResponse
from .client import Client
from .response import StreamedResponse

# Framing is the library's own, and so is what it asks for and decodes.
_OWN = {"connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive", "upgrade", "te"}
_DECODED = {"gzip", "br", "zstd", "x-gzip"}

_EXCEPTIONS: list[tuple[type[errors.Error], type[httpx.TransportError]]] = [
    (errors.ConnectTimeoutError, httpx.ConnectTimeout),
    (errors.TimeoutError, httpx.ReadTimeout),
    (errors.ConnectError, httpx.ConnectError),
    (errors.NoEndpointsError, httpx.ConnectError),
    (errors.ConnectionLostError, httpx.RemoteProtocolError),
    (errors.ProtocolError, httpx.RemoteProtocolError),
    (errors.OverloadedError, httpx.PoolTimeout),
]


def _raise(error: errors.Error, request: httpx.Request) -> NoReturn:
    for ours, theirs in _EXCEPTIONS:
        if isinstance(error, ours):
            raise theirs(str(error), request=request) from error
    raise httpx.TransportError(str(error), request=request) from error


def _options(request: httpx.Request, has_hosts: bool) -> dict[str, Any]:
    limits = request.extensions.get("timeout") or {}
    read, connect = limits.get("read"), limits.get("connect")
    fields = [(k.decode("ascii"), v.decode("latin-1")) for k, v in request.headers.raw]
    kept = [(k, v) for k, v in fields if k.lower() not in _OWN and (k.lower() != "host" or not has_hosts)]
    options: dict[str, Any] = {"headers": kept}
    if read is not None:
        options["timeout"] = read + (connect or 0)
    return options


def _path(request: httpx.Request, has_hosts: bool) -> str:
    return request.url.raw_path.decode("ascii") if has_hosts else str(request.url)


def _fields(response: StreamedResponse | AsyncStreamedResponse) -> list[tuple[str, str]]:
    """The fields of an answer; of one that came decoded, without what described its coded form."""
    fields = response.headers.multi_items()
    coding = response.headers.get("content-encoding", "").lower()
    if coding in _DECODED:
        return [(k, v) for k, v in fields if k.lower() not in ("content-encoding", "content-length")]
    return fields


class _Stream(httpx.SyncByteStream):
    def __init__(self, response: StreamedResponse, request: httpx.Request) -> None:
        self._response, self._request = response, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except errors.Error as error:
            _raise_in_body(error, self._request)

    def close(self) -> None:
        self._response.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, response: AsyncStreamedResponse, request: httpx.Request) -> None:
        self._response, self._request = response, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.aiter_bytes():
                yield piece
        except errors.Error as error:
            _raise_in_body(error, self._request)

    async def aclose(self) -> None:
        self._response.close()


def _raise_in_body(error: errors.Error, request: httpx.Request) -> NoReturn:
    if isinstance(error, errors.ConnectionLostError):
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    _raise(error, request)


class Transport(httpx.BaseTransport):
    """Sends httpx's requests by a Client, which is made of the same arguments, or given."""

    def __init__(self, *arguments: Any, client: Client | None = None, **options: Any) -> None:
        self.client = client or Client(*arguments, **options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        has_hosts = self.client.balancer is not None
        content = request.read() or None
        try:
            response = self.client.stream(
                request.method, _path(request, has_hosts), content=content, **_options(request, has_hosts)
            )
        except errors.Error as error:
            _raise(error, request)
        return httpx.Response(
            response.status,
            headers=_fields(response),
            stream=_Stream(response, request),
            extensions={"ahoy_attempts": response.attempts, "http_version": b"HTTP/1.1"},
        )

    def close(self) -> None:
        self.client.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for httpx.AsyncClient."""

    def __init__(self, *arguments: Any, client: AsyncClient | None = None, **options: Any) -> None:
        self.client = client or AsyncClient(*arguments, **options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        has_hosts = self.client.balancer is not None
        content = await request.aread() or None
        streaming = self.client.stream(
            request.method, _path(request, has_hosts), content=content, **_options(request, has_hosts)
        )
        try:
            response = await streaming.__aenter__()
        except errors.Error as error:
            _raise(error, request)
        return httpx.Response(
            response.status,
            headers=_fields(response),
            stream=_AsyncStream(response, request),
            extensions={"ahoy_attempts": response.attempts, "http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        await self.client.aclose()

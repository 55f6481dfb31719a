"""Transports for httpx: its client, its API, and libahoy below.

    httpx.Client(transport=ahoy.httpx.Transport(["10.0.0.7:80", "10.0.0.8:80"]), base_url="http://orders")
"""

from __future__ import annotations

import re
from typing import Any, AsyncIterator, Iterator, NoReturn

import httpx

from . import errors
from ._bodies import AsyncUpload, Upload
from .asynchronous import AsyncClient, AsyncStreamedResponse
from .client import BaseClient, Client
from .response import StreamedResponse

_FOREVER = float("inf")
# The library's limit on a call, where nothing sets one.
_DEFAULT = "30s"
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Framing and connections are the library's own.
_OWN = {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te"}

_EXCEPTIONS: list[tuple[type[errors.Error], type[httpx.TransportError]]] = [
    (errors.ConnectTimeoutError, httpx.ConnectTimeout),
    (errors.TimeoutError, httpx.ReadTimeout),
    (errors.ConnectError, httpx.ConnectError),
    (errors.NoEndpointsError, httpx.ConnectError),
    (errors.ConnectionLostError, httpx.RemoteProtocolError),
    (errors.ProtocolError, httpx.RemoteProtocolError),
    (errors.OverloadedError, httpx.PoolTimeout),
    (errors.InvalidArgumentError, httpx.LocalProtocolError),
]


def _raise(error: errors.Error, request: httpx.Request) -> NoReturn:
    cause = error.__cause__
    if isinstance(error, (errors.BodySourceError, errors.HookRefusedError)) and isinstance(cause, Exception):
        if not isinstance(cause, errors.AttemptError):
            raise cause
    if isinstance(error, errors.ConnectionLostError) and _is_reset(error):
        raise httpx.ReadError(str(error), request=request) from error
    for ours, theirs in _EXCEPTIONS:
        if isinstance(error, ours):
            raise theirs(str(error), request=request) from error
    raise httpx.TransportError(str(error), request=request) from error


def _is_reset(error: errors.Error) -> bool:
    """Whether the connection did not just end: the library has one kind of error for both, and tells in words which it was."""
    return any(attempt.detail.startswith("connection reset") for attempt in error.attempts[-1:])


def _options(request: httpx.Request, takes_paths: bool, own: float) -> dict[str, Any]:
    if not takes_paths and request.url.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol(f"{request.url.scheme!r} is neither http nor https", request=request)
    if "upgrade" in request.headers:
        raise httpx.LocalProtocolError("Upgrade: a connection of libahoy speaks nothing but HTTP", request=request)
    fields = [(k.decode("ascii"), v) for k, v in request.headers.raw]
    kept = [(k, v) for k, v in fields if k.lower() not in _OWN]
    if takes_paths:
        # httpx sets the host of the URL, which stands for the service; the endpoint's own goes in its place.
        kept = [(k, v) for k, v in kept if k.lower() != "host" or v.lower() != request.url.netloc]
    if "accept-encoding" not in request.headers:
        # What the answer is coded in is the client's to say, and httpx's to decode.
        kept.append(("accept-encoding", b"identity"))
    return {"headers": kept, **_limits(request, own)}


def _limits(request: httpx.Request, own: float) -> dict[str, float]:
    """httpx's limits, of which None is none: the larger of connect and read until the head of the answer, or what the
    transport was made with where that is less; then read for each piece. What is drawn while it is sent has write beside.
    """
    limits = request.extensions.get("timeout")
    if limits is None:
        return {}
    connect, read, write = (limits.get(key) for key in ("connect", "read", "write"))
    if read is None:
        return {"timeout": own, "idle_timeout": _FOREVER}
    drawn = not isinstance(request.stream, httpx.ByteStream)
    sending = 0.0 if not drawn else _FOREVER if write is None else write
    return {"timeout": min(max(connect or 0, read) + sending, own), "idle_timeout": read}


def _own_limit(client: BaseClient, given: float | None) -> float:
    """The limit on a call that a client was made with, in seconds; none where it was left at the default."""
    if given is not None:
        return given
    value = str(client.settings["timeout"])
    if value in ("forever", "off", _DEFAULT):
        return _FOREVER
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)([a-z]+)", value))


def _path(request: httpx.Request, takes_paths: bool) -> str:
    return request.url.raw_path.decode("ascii") if takes_paths else str(request.url).partition("#")[0]


def _content(request: httpx.Request) -> Any:
    """The body; one that comes from an iterator is drawn while it is sent."""
    if isinstance(request.stream, httpx.ByteStream) or not isinstance(request.stream, httpx.SyncByteStream):
        return request.read() or None
    length = request.headers.get("content-length")
    stream = request.stream
    return Upload(lambda: iter(stream), None if length is None else int(length), again=False)


async def _async_content(request: httpx.Request) -> Any:
    """The same of an asynchronous client."""
    if isinstance(request.stream, httpx.ByteStream) or not isinstance(request.stream, httpx.AsyncByteStream):
        return await request.aread() or None
    length = request.headers.get("content-length")
    return AsyncUpload(request.stream, None if length is None else int(length))


def _told(response: StreamedResponse | AsyncStreamedResponse) -> dict[str, Any]:
    attempts = response.attempts
    protocol = attempts[-1].protocol if attempts else ""
    return {"ahoy_attempts": attempts, "http_version": protocol.encode() or b"HTTP/1.1"}


class _Stream(httpx.SyncByteStream):
    def __init__(self, response: StreamedResponse, request: httpx.Request) -> None:
        self._response, self._request = response, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except errors.Error as error:
            _raise(error, self._request)

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
            _raise(error, self._request)

    async def aclose(self) -> None:
        await self._response._end()


class Transport(httpx.BaseTransport):
    """Sends httpx's requests by a Client, which is made of the same arguments, or given."""

    def __init__(self, *arguments: Any, client: Client | None = None, **options: Any) -> None:
        self.client = client or Client(*arguments, **options)
        self._own = _own_limit(self.client, options.get("timeout"))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        paths = self.client.takes_paths
        options = _options(request, paths, self._own)
        try:
            response = self.client.stream(request.method, _path(request, paths), content=_content(request), **options)
        except errors.Error as error:
            _raise(error, request)
        return httpx.Response(
            response.status,
            headers=response.raw_fields(),
            stream=_Stream(response, request),
            extensions=_told(response),
        )

    def close(self) -> None:
        # As a connection pool, which waits for nobody.
        self.client.close(0)


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for httpx.AsyncClient."""

    def __init__(self, *arguments: Any, client: AsyncClient | None = None, **options: Any) -> None:
        self.client = client or AsyncClient(*arguments, **options)
        self._own = _own_limit(self.client, options.get("timeout"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        paths = self.client.takes_paths
        options, content = _options(request, paths, self._own), await _async_content(request)
        try:
            streaming = self.client.stream(request.method, _path(request, paths), content=content, **options)
            response = await streaming.__aenter__()
        except errors.Error as error:
            _raise(error, request)
        return httpx.Response(
            response.status,
            headers=response.raw_fields(),
            stream=_AsyncStream(response, request),
            extensions=_told(response),
        )

    async def aclose(self) -> None:
        await self.client.aclose(0)

"""An adapter for requests: its Session, its API, and libahoy below.

    session = requests.Session()
    session.mount("http://orders", ahoy.requests.Adapter(["10.0.0.7:80", "10.0.0.8:80"]))
    session.get("http://orders/1")
"""

from __future__ import annotations

import io
from typing import Any, Mapping, NoReturn
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.exceptions
from requests.models import PreparedRequest
from urllib3 import HTTPResponse
from urllib3._collections import HTTPHeaderDict

from . import errors
from .client import Client
from .response import StreamedResponse

# Framing is the library's own. What is asked for and decoded as well, unless a request says which it wants.
_OWN = {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te"}
_DECODED = {"gzip", "br", "zstd", "x-gzip"}
_EXCEPTIONS: list[tuple[type[errors.Error], type[requests.RequestException]]] = [
    (errors.InvalidArgumentError, requests.exceptions.InvalidURL),
    (errors.ConnectTimeoutError, requests.exceptions.ConnectTimeout),
    (errors.TimeoutError, requests.exceptions.ReadTimeout),
    (errors.TLSError, requests.exceptions.SSLError),
    (errors.ConnectError, requests.exceptions.ConnectionError),
    (errors.NoEndpointsError, requests.exceptions.ConnectionError),
    (errors.BodyTooLargeError, requests.exceptions.ContentDecodingError),
]


def _raise(error: errors.Error, request: PreparedRequest) -> NoReturn:
    if isinstance(error.__cause__, Exception) and isinstance(error, (errors.BodySourceError, errors.HookRefusedError)):
        raise error.__cause__
    for ours, theirs in _EXCEPTIONS:
        if isinstance(error, ours):
            raise theirs(str(error), request=request) from error
    raise requests.exceptions.ConnectionError(str(error), request=request) from error


class _Body(io.RawIOBase):
    """A streamed answer as the file that urllib3 reads from."""

    def __init__(self, response: StreamedResponse, request: PreparedRequest) -> None:
        self._response, self._request = response, request
        self._pieces, self._rest = response.iter_bytes(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            while not self._rest:
                self._rest = next(self._pieces)
        except StopIteration:
            return 0
        except errors.ConnectionLostError as error:
            raise requests.exceptions.ChunkedEncodingError(str(error), request=self._request) from error
        except errors.Error as error:
            _raise(error, self._request)
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


class Adapter(requests.adapters.BaseAdapter):
    """Sends a Session's requests by a Client, which is made of the same arguments, or given."""

    def __init__(self, *arguments: Any, client: Client | None = None, **options: Any) -> None:
        super().__init__()
        if client is None and not arguments and "hosts" not in options:
            options.setdefault("retry", False)
        self.client = client or Client(*arguments, **options)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends one request. TLS is set up by the Client; `verify` and `cert` of a call are refused."""
        if verify is False or cert is not None:
            raise requests.exceptions.InvalidSchema("verify and cert belong to the Client below this adapter")
        has_hosts = self.client.balancer is not None
        options: dict[str, Any] = {"headers": _sent(request, has_hosts), "content": _content(request)}
        limit = _limit(timeout)
        if limit is not None:
            options["timeout"] = limit
        try:
            answer = self.client.stream(request.method or "GET", _target(request.url or "", has_hosts), **options)
        except errors.Error as error:
            _raise(error, request)
        return self._response(answer, request)

    def _response(self, answer: StreamedResponse, request: PreparedRequest) -> requests.Response:
        fields = answer.headers.multi_items()
        if answer.headers.get("content-encoding", "").lower() in _DECODED:
            fields = [(k, v) for k, v in fields if k.lower() not in ("content-encoding", "content-length")]
        raw = HTTPResponse(
            body=io.BufferedReader(_Body(answer, request), 65536),
            headers=HTTPHeaderDict(fields),
            status=answer.status,
            preload_content=False,
            decode_content=False,
        )
        response = requests.adapters.HTTPAdapter().build_response(request, raw)
        response.ahoy_attempts = answer.attempts  # type: ignore[attr-defined]
        return response

    def close(self) -> None:
        """Closes the client below."""
        self.client.close()


def _sent(request: PreparedRequest, has_hosts: bool) -> list[tuple[str, str]]:
    fields = [(_text(k), _text(v)) for k, v in (request.headers or {}).items()]
    return [(k, v) for k, v in fields if k.lower() not in _OWN and (k.lower() != "accept-encoding" or v == "identity")]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _content(request: PreparedRequest) -> Any:
    body: Any = request.body
    return iter(lambda: body.read(65536), b"") if hasattr(body, "read") and not hasattr(body, "__iter__") else body


def _target(url: str, has_hosts: bool) -> str:
    if not has_hosts:
        return url.partition("#")[0]
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _limit(timeout: Any) -> float | None:
    """requests' limit, or its pair of connect and read, as one for the call."""
    if isinstance(timeout, tuple):
        known = [t for t in timeout if t is not None]
        return sum(known) if len(known) == len(timeout) else None
    limit: float | None = timeout
    return limit

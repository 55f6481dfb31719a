"""An adapter for requests: its Session, its API, and libahoy below.

    session = requests.Session()
    session.mount("http://orders", ahoy.requests.Adapter(["10.0.0.7:80", "10.0.0.8:80"]))
    session.get("http://orders/1")
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import pathlib
from typing import Any, Generator, Mapping, NoReturn
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.exceptions
from requests.models import PreparedRequest
from requests.utils import prepend_scheme_if_needed, select_proxy, urldefragauth
from urllib3 import HTTPResponse, Timeout
from urllib3._collections import HTTPHeaderDict
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from . import errors
from ._bodies import Upload, read_pieces
from .client import Client
from .response import StreamedResponse

# Framing and connections are the library's own.
_OWN = {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te"}
_EXCEPTIONS: list[tuple[type[errors.Error], type[requests.RequestException]]] = [
    (errors.InvalidArgumentError, requests.exceptions.InvalidURL),
    (errors.ConnectTimeoutError, requests.exceptions.ConnectTimeout),
    (errors.TLSError, requests.exceptions.SSLError),
    (errors.ConnectError, requests.exceptions.ConnectionError),
    (errors.NoEndpointsError, requests.exceptions.ConnectionError),
    (errors.BodyTooLargeError, requests.exceptions.ContentDecodingError),
]
_PIECE = 65536
# How many clients an adapter without hosts keeps, those that were used last: a proxy may have credentials for each session.
_CLIENTS = 8
_FOREVER = float("inf")


def _raise(error: errors.Error, request: PreparedRequest, proxied: bool) -> NoReturn:
    cause = error.__cause__
    if isinstance(error, (errors.BodySourceError, errors.HookRefusedError)) and isinstance(cause, Exception):
        if not isinstance(cause, errors.AttemptError):
            raise cause
    if proxied and isinstance(error, errors.ConnectError) and not isinstance(error, errors.TimeoutError):
        raise requests.exceptions.ProxyError(str(error), request=request) from error
    for ours, theirs in _EXCEPTIONS:
        if isinstance(error, ours):
            raise theirs(str(error), request=request) from error
    if isinstance(error, errors.TimeoutError):
        raise requests.exceptions.ReadTimeout(_read_timeout(error), request=request) from error
    if isinstance(error, errors.ProtocolError) and "different content-lengths" in str(error):
        raise requests.exceptions.InvalidHeader(str(error), request=request) from error
    raise requests.exceptions.ConnectionError(str(error), request=request) from error


def _read_timeout(error: errors.Error) -> ReadTimeoutError:
    return ReadTimeoutError("libahoy", "", f"Read timed out. {error}")  # type: ignore[arg-type]


class _Body(io.RawIOBase):
    """A streamed answer as the file that urllib3 reads from. It keeps the client, which a Session may let go."""

    def __init__(self, response: StreamedResponse, client: Client) -> None:
        self._response, self._client = response, client
        self._pieces, self._rest = response.iter_bytes(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            while not self._rest:
                self._rest = next(self._pieces)
        except StopIteration:
            return 0
        except errors.TimeoutError as error:
            raise _read_timeout(error) from error
        except errors.Error as error:
            raise ProtocolError(str(error), error) from error
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


class _Pieces(io.BufferedReader):
    """A body without a length, whose pieces are given as they come."""

    def read(self, size: int | None = -1, /) -> bytes:
        return self.read1(size) if size and size > 0 else super().read(size)


class _Head:
    """What cookies are read from."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.msg = http.client.HTTPMessage()
        for name, value in fields:
            self.msg[name] = value

    def close(self) -> None:
        pass

    def isclosed(self) -> bool:
        return False


class _Raw(HTTPResponse):
    """urllib3's answer, which gives the pieces of a body without a length as they come."""

    def stream(self, amt: int | None = _PIECE, decode_content: bool | None = None) -> Generator[bytes, None, None]:
        if amt is None:
            # urllib3 reads on until the file is closed, as http.client's closes itself at its end.
            if self.length_remaining is not None:
                yield from filter(None, [self.read(None, decode_content)])
                return
            amt = _PIECE
        # urllib3 1 gives what one read gave.
        read1: Any = getattr(self, "read1", None)
        if self.length_remaining is not None or read1 is None:
            yield from super().stream(amt, decode_content)
            return
        while piece := read1(amt, decode_content):
            yield piece


class Adapter(requests.adapters.BaseAdapter):
    """Sends a Session's requests by a Client, which is made of the same arguments, or given.

    Without hosts it takes any URL, as requests' own adapter does: then it has a client for each way to verify and each
    proxy that a call asks for, and repeats nothing unless `retry` says so.
    """

    def __init__(self, *arguments: Any, client: Client | None = None, **options: Any) -> None:
        super().__init__()
        self._given, self._arguments = client, arguments
        self._has_hosts = client is None and bool(arguments or {"hosts", "config", "base_url"} & set(options))
        defaults = {"warn_unclosed": False} if self._has_hosts else {"retry": False, "warn_unclosed": False}
        self._options: dict[str, Any] = {**defaults, **options}
        self._clients: dict[Any, Client] = {}
        if self._has_hosts or (client is None and options):
            # A wrong option is told here, and not by the first call.
            _ = self.client

    @property
    def client(self) -> Client:
        """The client below."""
        return self._given or self._client_of(True, None, None)

    @property
    def _is_fixed(self) -> bool:
        """Whether all calls have one client, whose TLS and proxy are its own."""
        return self._given is not None or self._has_hosts

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Sends one request. With hosts, TLS is the Client's: `cert` of a call is refused, and so is a `verify` that differs."""
        url = request.url or ""
        client, proxied = self._chosen(url, verify, cert, proxies)
        options: dict[str, Any] = {"headers": _sent(request), "content": _content(request), **_limits(timeout)}
        try:
            answer = client.stream(request.method or "GET", _target(url, client.takes_paths), **options)
        except errors.Error as error:
            _raise(error, request, proxied)
        return self._response(answer, request, client)

    def _chosen(self, url: str, verify: Any, cert: Any, proxies: Any) -> tuple[Client, bool]:
        if self._is_fixed:
            if verify is False or cert is not None or self._names_authorities(url, verify):
                raise requests.exceptions.InvalidSchema("verify and cert belong to the Client below this adapter")
            return self.client, False
        proxy = _proxy(url, proxies)
        if not url.lower().startswith("https:"):
            return self._client_of(True, None, proxy), proxy is not None
        if verify is False:
            raise requests.exceptions.InvalidSchema("TLS is always verified: pass the authority's PEM file as verify")
        pair = (cert, cert) if isinstance(cert, str) else tuple(cert) if cert else None
        return self._client_of(True if verify is None else verify, pair, proxy), proxy is not None

    def _names_authorities(self, url: str, verify: Any) -> bool:
        """Whether a call wants other authorities than the client has. A Session takes some from the environment itself."""
        known = (os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("CURL_CA_BUNDLE"), self._options.get("verify"))
        return isinstance(verify, str) and url.lower().startswith("https:") and verify not in known

    def _client_of(self, verify: bool | str, cert: Any, proxy: str | None) -> Client:
        # A file that is renewed at its place is trusted anew.
        key = (verify, cert, proxy, *(_stamp(path) for path in (verify, *(cert or ())) if isinstance(path, str)))
        known = self._clients
        found = known.get(key)
        if found is None:
            found = Client(*self._arguments, **self._options) if self._has_hosts else self._made(verify, cert, proxy)
        if next(reversed(known), None) != key:
            # One that is dropped ends with its last call, as one does that another thread makes at the same time.
            others = [one for one in known.items() if one[0] != key]
            self._clients = dict([*others, (key, found)][-_CLIENTS:])
        return found

    def _made(self, verify: bool | str, cert: Any, proxy: str | None) -> Client:
        settings: dict[str, Any] = dict(self._options.get("options") or {})
        options: dict[str, Any] = {**self._options, "options": settings}
        if verify is not True:
            # As there, the file is trusted in place of the platform's.
            options["verify"] = _authorities(str(verify))
            settings["platform_roots"] = False
        if cert is not None:
            for kind, path in zip(("certificate", "key"), cert):
                if not os.path.exists(path):
                    raise OSError(f"Could not find the TLS {kind} file, invalid path: {path}")
            options["cert"] = cert
        if proxy is not None:
            settings["proxy"] = proxy
        return Client(**options)

    def _response(self, answer: StreamedResponse, request: PreparedRequest, client: Client) -> requests.Response:
        # As http.client reads them: requests decodes a location from there on.
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_fields()]
        names, attempts = {name for name, _ in fields}, answer.attempts
        kind = io.BufferedReader if "content-length" in names else _Pieces
        raw = _Raw(
            body=kind(_Body(answer, client), _PIECE),
            headers=HTTPHeaderDict(fields),
            status=answer.status,
            version=20 if attempts and attempts[-1].protocol == "HTTP/2" else 11,
            reason=http.client.responses.get(answer.status, ""),
            preload_content=False,
            decode_content=False,
            # Reading cookies takes requests longer than all else, so it is asked to where there are some.
            original_response=_Head(fields) if "set-cookie" in names else None,  # type: ignore[arg-type]
            request_method=request.method,
        )
        response = self.build_response(request, raw)
        response.ahoy_attempts = attempts  # type: ignore[attr-defined]
        return response

    def build_response(self, request: PreparedRequest, raw: HTTPResponse) -> requests.Response:
        """The answer that a Session gets, whose connection is this adapter."""
        # It needs nothing of an HTTPAdapter.
        build: Any = requests.adapters.HTTPAdapter.build_response
        response: requests.Response = build(self, request, raw)
        return response

    def close(self) -> None:
        """Closes a client that was given. Those that were made here end with the last answer that is still read, and the next
        call makes another one."""
        if self._given is not None:
            self._given.close(0)
        self._clients = {}

    def __getstate__(self) -> dict[str, Any]:
        if self._is_fixed:
            raise TypeError("an adapter with hosts holds live connections and cannot be pickled")
        return {"_given": None, "_arguments": (), "_has_hosts": False, "_options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _clients={})


def _proxy(url: str, proxies: Any) -> str | None:
    chosen = select_proxy(url, proxies)
    if not chosen:
        return None
    proxy: str = prepend_scheme_if_needed(chosen, "http")  # type: ignore[no-untyped-call]
    if not urlsplit(proxy).hostname:
        raise requests.exceptions.InvalidProxyURL(
            "Please check proxy URL. It is malformed and could be missing the host."
        )
    # By socks5 a name would be resolved here, which the library leaves to the proxy in any case.
    return "socks5h://" + proxy[len("socks5://") :] if proxy.startswith("socks5://") else proxy


def _stamp(path: str) -> Any:
    """What tells that a file has been written anew, or one in a folder; None where there is none."""
    try:
        found = os.stat(path)
        inside = sorted(_stamp(file.path) or () for file in os.scandir(path) if file.is_file()) if os.path.isdir(path) else []
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, *inside


def _authorities(path: str) -> bytes:
    """The PEM of a file, or of all files of a folder."""
    place = pathlib.Path(path)
    if not place.exists():
        raise OSError(f"Could not find a suitable TLS CA certificate bundle, invalid path: {path}")
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return b"\n".join(file.read_bytes() for file in files if file.is_file())


def _sent(request: PreparedRequest) -> list[tuple[str, bytes]]:
    fields = [(_text(k), _bytes(v)) for k, v in (request.headers or {}).items()]
    if any(k.lower() == "upgrade" for k, _ in fields):
        raise requests.exceptions.InvalidHeader("Upgrade: a connection of libahoy speaks nothing but HTTP", request=request)
    kept = [(k, v) for k, v in fields if k.lower() not in _OWN]
    if not any(k.lower() == "accept-encoding" for k, _ in kept):
        # What the answer is coded in is the Session's to say, and urllib3's to decode.
        kept.append(("Accept-Encoding", b"identity"))
    return kept


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


def _content(request: PreparedRequest) -> Any:
    body: Any = request.body
    if body is None or isinstance(body, (bytes, str)):
        return body
    length = request.headers.get("Content-Length")
    size = int(length) if length is not None else None
    if not hasattr(body, "read"):
        with contextlib.suppress(TypeError):
            # An array or the like, whose iterator gives its numbers.
            return memoryview(body).tobytes()
        return Upload(lambda: iter(body), size, again=False)
    place = getattr(request, "_body_position", None)
    # Of what cannot tell its place, requests notes that in its own way.
    start = place if isinstance(place, int) else None
    return Upload(lambda: read_pieces(body, start), size, again=start is not None)


def _target(url: str, takes_paths: bool) -> str:
    if not takes_paths:
        stripped: str = urldefragauth(url)
        return stripped
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _limits(timeout: Any) -> dict[str, float]:
    """requests' limit, or its pair of connect and read: the larger of the two until the head of the answer, and what
    urllib3 calls the total where that is less; then read for each piece.
    """
    if timeout is None:
        return {}
    if isinstance(timeout, tuple):
        try:
            connect, read = timeout
        except ValueError:
            text = f"Invalid timeout {timeout}. Pass a (connect, read) timeout tuple, or a single float"
            raise ValueError(text) from None
        timeout = Timeout(connect=connect, read=read)
    elif not isinstance(timeout, Timeout):
        timeout = Timeout(connect=timeout, read=timeout)
    # Of a total, urllib3 tells what is left for reading once a connection was begun.
    begun = timeout.clone()
    begun.start_connect()
    total, read, connect = map(_limit, (begun.total, begun.read_timeout, begun.connect_timeout))
    head = read if connect == _FOREVER else max(connect, read)
    return {"timeout": min(head, total), "idle_timeout": read}


def _limit(value: Any) -> float:
    """A limit in seconds: urllib3 has None and a mark of its own for none."""
    return value if isinstance(value, (int, float)) else _FOREVER

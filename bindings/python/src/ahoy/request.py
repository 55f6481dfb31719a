"""What is sent."""

from __future__ import annotations

import collections
import ctypes
import itertools
import json as json_module
import time
import weakref
from typing import Any, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Protocol, Sequence, Union
from urllib.parse import quote, urlencode

from ._callbacks import keep
from ._handle import Handle, check, flag, given, milliseconds, take
from ._library import callback, lib
from .headers import Auth, HeaderInput, authorized, encoded, pairs

Content = Union[bytes, bytearray, memoryview, str, Iterable[bytes], AsyncIterable[bytes], None]
Data = Union[Mapping[str, Any], Sequence[tuple[str, Any]], Content]
Key = Union[bytes, bytearray, memoryview, str]
Params = Union[Mapping[str, Any], Sequence[tuple[str, Any]], str, bytes, None]

_UNKNOWN_LENGTH = 2**64 - 1
_END, _DATA, _NOT_READY, _FAILED = 0, 1, 2, 3

# What a path may hold besides letters and digits; "%" since it may be encoded already.
_SAFE = "/%?&=:@!$'()*+,;-._~[]"


_numbers = itertools.count(1)


class Request:
    """One request, made ready for the library."""

    __slots__ = ("begun", "handle", "method", "path", "_number", "_source")

    def __init__(self, method: str, path: str) -> None:
        self.begun = time.perf_counter()
        self.method = method
        self.path = path
        self.handle = Handle(take(lib.ahoy_request_new, given("method", method), given("path", path)), lib.ahoy_request_free)
        self._number = 0
        self._source: _Source | Fed | None = None

    @property
    def pointer(self) -> int:
        return self.handle.pointer or 0

    @property
    def number(self) -> int:
        """What the library is told to know its calls by."""
        if not self._number:
            self._number = next(_numbers)
            # A number in place of a pointer: nothing has to be kept alive for it.
            check(lib.ahoy_request_set_user_data, self.pointer, self._number, callback("ahoy_destroy_fn")())
        return self._number

    def header(self, name: str, value: str | bytes) -> None:
        """Sets a field in place of all others of its name."""
        check(lib.ahoy_request_set_header, self.pointer, encoded(name), encoded(value))

    def add_header(self, name: str, value: str | bytes) -> None:
        """Adds a field."""
        check(lib.ahoy_request_add_header, self.pointer, encoded(name), encoded(value))

    def body(self, content: Content) -> None:
        """Sets what is sent: bytes, text, or an iterable of bytes that is drawn while it is sent.

        An asynchronous one is drawn in the loop, for as long as the call is under way.
        """
        if content is None:
            return
        if isinstance(content, str):
            content = content.encode()
        if isinstance(content, (bytes, bytearray, memoryview)):
            data = bytes(content)
            check(lib.ahoy_request_set_body, self.pointer, data, len(data))
        elif isinstance(content, Mapping) or not isinstance(content, (Iterable, AsyncIterable)):
            kind = type(content).__name__
            raise TypeError(f"a body is bytes, text or an iterable of bytes, and not {kind}; json= and data= send values")
        else:
            pieces: Any = content
            self._source = _Source(pieces) if isinstance(pieces, Iterable) else Fed(pieces)
            self._source.attach(self.handle)

    @property
    def fed(self) -> Fed | None:
        """The body, where a task has to bring it."""
        return self._source if isinstance(self._source, Fed) else None

    def raised(self) -> BaseException | None:
        """What the iterable of the body raised; it is told once.

        Kept, it would keep the request: the frames that it came through have it.
        """
        if not isinstance(self._source, _Source):
            return None
        raised, self._source.raised = self._source.raised, None
        return raised


def build(
    method: str,
    path: str,
    *,
    params: Params = None,
    headers: HeaderInput = None,
    content: Content = None,
    data: Data = None,
    json: Any = None,
    auth: Auth = None,
    timeout: float | None = None,
    attempt_timeout: float | None = None,
    idle_timeout: float | None = None,
    idempotent: bool | None = None,
    criticality: int | None = None,
    group: str | None = None,
    hash_key: Union[Key, None] = None,
    streamed: bool = False,
) -> Request:
    """A request out of what the methods of a client take."""
    if not isinstance(method, str):
        raise TypeError(f"a method is text, and not {method!r}")
    if sum(body is not None for body in (content, data, json)) > 1:
        raise TypeError("a request has one of content, data and json")
    request = Request(method.upper(), with_params(path, params))
    pointer = request.pointer
    fields = authorized(pairs(headers), auth)
    if json is not None:
        content = json_module.dumps(json, separators=(",", ":"), ensure_ascii=False).encode()
        _default(fields, "content-type", "application/json")
    elif _is_form(data):
        form: Any = data
        content = _urlencoded(form).encode()
        _default(fields, "content-type", "application/x-www-form-urlencoded")
    elif data is not None:
        body: Any = data
        content = body
    for name, value in fields:
        request.add_header(name, value)
    request.body(content)
    if timeout is not None:
        check(lib.ahoy_request_set_timeout_ms, pointer, milliseconds("timeout", timeout))
    if attempt_timeout is not None:
        check(lib.ahoy_request_set_attempt_timeout_ms, pointer, milliseconds("attempt_timeout", attempt_timeout))
    if idle_timeout is not None:
        check(lib.ahoy_request_set_idle_timeout_ms, pointer, milliseconds("idle_timeout", idle_timeout))
    if idempotent is not None:
        check(lib.ahoy_request_set_idempotent, pointer, flag("idempotent", idempotent))
    if criticality is not None:
        if not isinstance(criticality, int):
            raise TypeError(f"criticality is a number from 0 to 3, and not {criticality!r}")
        # C would take what is far outside for another number; what is near the library refuses.
        if not -(2**31) <= criticality < 2**31:
            raise ValueError(f"criticality is from 0 to 3, and not {criticality!r}")
        check(lib.ahoy_request_set_criticality, pointer, criticality)
    if group is not None:
        check(lib.ahoy_request_set_group, pointer, given("group", group))
    if hash_key is not None:
        key = bytes(hash_key) if isinstance(hash_key, (bytes, bytearray, memoryview)) else given("hash_key", hash_key)
        check(lib.ahoy_request_set_hash_key, pointer, key, len(key))
    if streamed:
        check(lib.ahoy_request_set_streamed, pointer, True)
    return request


def with_params(path: str, params: Params) -> str:
    """A path with the query parameters added and what a URL cannot carry encoded."""
    if not isinstance(path, str):
        raise TypeError(f"a path is text, and not {path!r}")
    path = path.partition("#")[0]
    if any(ord(c) <= 32 or ord(c) >= 127 or c in '"<>`' for c in path):
        path = quote(path, safe=_SAFE)
    if not params:
        return path
    if isinstance(params, (str, bytes)):
        query = quote(params, safe=_SAFE)
    elif isinstance(params, Iterable):
        query = _urlencoded(params)
    else:
        raise TypeError(f"params are a mapping, pairs or text, and not {params!r}")
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def _urlencoded(fields: Any) -> str:
    """Fields as in a query, without those that are None, as requests has them; one of several values comes several times."""
    kept = []
    for name, values in fields.items() if isinstance(fields, Mapping) else fields:
        several = isinstance(values, Iterable) and not isinstance(values, (str, bytes))
        kept += [(name, value) for value in (values if several else [values]) if value is not None]
    return urlencode(kept)


def _is_form(data: Any) -> bool:
    """Whether it is form fields, which requests takes by the same name as any other body."""
    return isinstance(data, Mapping) or (isinstance(data, (list, tuple)) and all(isinstance(one, tuple) for one in data))


def _default(fields: list[tuple[str, str]], name: str, value: str) -> None:
    if not any(key.lower() == name for key, _ in fields):
        fields.append((name, value))


class Upload:
    """A body of pieces that says how long it is, and whether it can be opened anew for a further attempt."""

    def __init__(self, opened: Callable[[], Iterator[bytes]], length: int | None, again: bool) -> None:
        self._opened, self.length, self.again = opened, length, again

    def __iter__(self) -> Iterator[bytes]:
        return self._opened()


class AsyncUpload:
    """An asynchronous body that says how long it is."""

    def __init__(self, content: AsyncIterable[bytes], length: int | None) -> None:
        self._content, self.length = content, length

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._content.__aiter__()


class Bell(Protocol):
    """Wakes the task that brings a body."""

    ended: bool
    """Whether the call has ended, so that nobody draws any more."""

    def ring(self) -> None:
        """Wakes it, from any thread."""

    async def wait(self) -> None:
        """Awaits the next ring."""


class Fed:
    """A body that a task brings, piece by piece, while the library sends it."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self._pieces: collections.deque[bytes] = collections.deque()
        self._rest = b""
        self._ended = self._failed = False
        self._drawn: Callable[[], None] = lambda: None
        self._request: Callable[[], Handle | None] = lambda: None
        self.drawing = False
        """Whether the next piece is awaited, which may last for ever; what else it waits for ends with the call."""

    def attach(self, request: Handle) -> None:
        # Kept, it would never be freed: what the library holds of it holds this.
        self._request = weakref.ref(request)
        length = getattr(self._content, "length", None)
        functions = keep(("ahoy_body_fn", self._produce), ("ahoy_body_rewind_fn", None))
        check(lib.ahoy_request_set_body_source, request, *functions, _UNKNOWN_LENGTH if length is None else length)

    async def feed(self, bell: Bell) -> None:
        """Brings all pieces; the next one is asked for when the last was drawn."""
        pieces = self._content.__aiter__()
        try:
            await self._bring(pieces, bell)
        finally:
            # A generator that is dropped before its end is closed by the collector, of which trio warns.
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    async def _bring(self, pieces: AsyncIterator[bytes], bell: Bell) -> None:
        self._drawn = bell.ring
        try:
            while not bell.ended:
                self.drawing = True
                try:
                    piece = await pieces.__anext__()
                finally:
                    self.drawing = False
                if piece:
                    self._pieces.append(_bytes(piece))
                    self._ready()
                while self._pieces and not bell.ended:
                    await bell.wait()
        except StopAsyncIteration:
            self._ended = True
        except BaseException:
            # The exception is not kept: its frames hold the request, which holds this.
            self._failed = True
            raise
        finally:
            self._ready()

    def _ready(self) -> None:
        # It may come before the library has found nothing, so no piece is overlooked. What the body does at its end may
        # outlast the request: of a call that was cancelled, the task that brings it is still to end.
        request = self._request()
        if request is not None:
            check(lib.ahoy_request_body_ready, request)

    def _produce(self, _: Any, buffer: int, capacity: int, length: Any) -> int:
        # Looked at before the pieces: what was brought before the end is sent.
        failed, ended = self._failed, self._ended
        if not self._rest:
            if not self._pieces:
                return _FAILED if failed else _END if ended else _NOT_READY
            self._rest = self._pieces.popleft()
            self._drawn()
        piece, self._rest = self._rest[:capacity], self._rest[capacity:]
        ctypes.memmove(buffer, piece, len(piece))
        length[0] = len(piece)
        return _DATA


class _Source:
    """An iterable of bytes that the library draws from while it sends.

    The library may draw on a thread of its own. What the iterable raises is kept, for it cannot pass through C.
    """

    def __init__(self, content: Iterable[bytes]) -> None:
        self.raised: BaseException | None = None
        self._content = content
        self._iterator: Iterator[bytes] = iter(content)
        self._rest = b""
        self._length = _length(content)

    def attach(self, request: Handle) -> None:
        again = self._rewind if self._can_rewind() else None
        functions = keep(("ahoy_body_fn", self._produce), ("ahoy_body_rewind_fn", again))
        check(lib.ahoy_request_set_body_source, request, *functions, self._length)

    def _can_rewind(self) -> bool:
        if isinstance(self._content, Upload):
            return self._content.again
        # An iterator gives itself; a list or a file can start anew.
        return hasattr(self._content, "seek") or iter(self._content) is not self._content

    def _produce(self, _: Any, buffer: int, capacity: int, length: Any) -> int:
        try:
            while not self._rest:
                self._rest = _bytes(next(self._iterator))
            piece, self._rest = self._rest[:capacity], self._rest[capacity:]
            ctypes.memmove(buffer, piece, len(piece))
            length[0] = len(piece)
            return _DATA
        except StopIteration:
            return _END
        except BaseException as raised:
            self.raised = raised
            return _FAILED

    def _rewind(self, _: Any) -> bool:
        try:
            if hasattr(self._content, "seek"):
                self._content.seek(0)
            self._iterator, self._rest = iter(self._content), b""
            return True
        except BaseException as raised:
            self.raised = raised
            return False


def _bytes(piece: Any) -> bytes:
    # Of a number, bytes() makes as many zeros.
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"the pieces of a body are bytes, and not {type(piece).__name__}")
    return bytes(piece)


def _length(content: Any) -> int:
    """The number of bytes where it is known: of a list of pieces, and where an Upload says it."""
    if isinstance(content, Upload) and content.length is not None:
        return content.length
    if isinstance(content, (list, tuple)):
        return sum(len(piece) for piece in content)
    return _UNKNOWN_LENGTH


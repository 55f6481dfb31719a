"""What comes back."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import dataclasses
import datetime
import json as json_module
import os
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Callable, Iterator, TypeVar

from . import errors
from ._greenlets import hub_queue
from ._handle import Handle, NotCopied, check, decode, take
from ._library import lib
from ._unread import Unread
from .attempts import Attempt
from .headers import Headers, decoded, encoded
from .sse import Event, parse

if TYPE_CHECKING:
    from ._gevent import HubQueue
    from .request import Request

_Answer = TypeVar("_Answer", bound="BaseResponse")
_Part = TypeVar("_Part")
_PIECE = 65536
_FOREVER = 2**64 - 1
# A body of this length is held once: its copy in Python frees that of the library.
_HELD_ONCE = 65536
# A wait is cut into pieces of this length, in between which Python runs its signal handlers.
SLICE_MS = 25


def slice_ms() -> int:
    """How long a wait may last that is begun again: only the main thread runs signal handlers, and others need no cut."""
    main = threading.main_thread()
    # gevent has an identity for each greenlet, and a fork from another thread leaves the number of the system's as it was.
    is_main = threading.get_ident() == main.ident or threading.get_native_id() == main.native_id
    return SLICE_MS if is_main else _FOREVER


@dataclasses.dataclass(frozen=True)
class _Told:
    """What belongs to an answer beside its head and body, in Python's memory."""

    endpoint: str
    url: str
    attempts: tuple[Attempt, ...]
    stop_reason: str = ""


class _Asked:
    """The same, read from the library where it is asked for."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def endpoint(self) -> str:
        return decode(lib.ahoy_response_endpoint_url(self._handle))

    @property
    def url(self) -> str:
        return decode(lib.ahoy_response_url(self._handle))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return errors.read_attempts(lib.ahoy_response_attempt_at, self._handle)

    @property
    def stop_reason(self) -> str:
        return decode(lib.ahoy_response_stop_reason(self._handle))


class BaseResponse:
    """Status, headers and attempts of an answer."""

    def __init__(self, handle: Handle, request: Request | None = None) -> None:
        self._handle = handle
        self._told: _Told | None = None
        self._fields: list[tuple[bytes, bytes]] | None = None
        self._headers: Headers | None = None
        self.request = request
        """The request that was answered."""
        self.status: int = lib.ahoy_response_status(handle.pointer)
        """The status, such as 200."""
        taken = time.perf_counter() - request.begun if request is not None else 0.0
        self.elapsed = datetime.timedelta(seconds=taken)
        """The time from the request to the answer: of a stream to its head, else to its end."""

    @property
    def _pointer(self) -> Handle:
        """The handle itself, so that what reads from it keeps it beside a close in another thread."""
        handle = self._handle
        if handle.pointer is None:
            raise errors.not_open("the response")
        return handle

    def _let_go(self) -> None:
        """Ends the use of the handle, which is freed with the last call that uses it."""
        self._handle = Handle(None, lib.ahoy_response_free)

    def _tells(self) -> _Told | _Asked:
        """Where to read what belongs to an answer beside its head and body: from the library, or from what it told."""
        # In this order, for another thread first keeps what was told, and then lets the handle go.
        handle = self._handle
        if handle.pointer is None and self._told is not None:
            return self._told
        return _Asked(self._pointer)

    @property
    def status_code(self) -> int:
        """The same as `status`, by the name that requests and httpx use."""
        return self.status

    @property
    def reason_phrase(self) -> str:
        """What the status is called, such as `Not Found`."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def url(self) -> str:
        """The URL that brought the answer: at the endpoint that answered, after redirects and what a hook changed."""
        return self._tells().url

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers([(decode(name), decoded(value)) for name, value in self.raw_fields()])
        return self._headers

    def raw_fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields as the server sent them, but for the case of the names: their values need not be UTF-8."""
        if self._fields is None:
            pointer = self._pointer
            self._fields = [_field(pointer, i) for i in range(lib.ahoy_response_header_count(pointer))]
        return self._fields

    @property
    def endpoint(self) -> str:
        """The endpoint that answered, such as `http://10.0.0.7:80`."""
        return self._tells().endpoint

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was tried until this answer came: the first 64 are kept."""
        return self._tells().attempts

    @property
    def stop_reason(self) -> str:
        """Why no further attempt was made, where one might have been."""
        return self._tells().stop_reason

    @property
    def charset(self) -> str | None:
        """The character set that `content-type` names."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                return value.strip("\"' ")
        return None

    def _encoding(self) -> str:
        try:
            name = codecs.lookup(self.charset or "utf-8").name
            # Some give bytes, such as hex, and some take no replacements, such as idna.
            b"a".decode(name, "replace")
            return name
        except (LookupError, UnicodeError):
            return "utf-8"

    def raise_for_status(self: _Answer) -> _Answer:
        """Raises StatusError for a status of 400 or above."""
        if self.ok:
            return self
        error = errors.StatusError(f"{self.endpoint} answered {self.status} {self.reason_phrase}".rstrip())
        error.code, error.status, error.http_status = "AHOY_E_HTTP_STATUS", 501, self.status
        error.response = self if isinstance(self, Response) else None
        raise error

    def __repr__(self) -> str:
        return f"<Response [{self.status}]>"


class Response(BaseResponse):
    """An answer with its whole body. It stays valid when its client is closed."""

    def __init__(self, handle: Handle, request: Request | None = None) -> None:
        super().__init__(handle, request)
        self._content: bytes | None = None
        self._view: memoryview | None = None

    @property
    def content(self) -> bytes:
        """The body."""
        if self._content is None:
            handle = self._handle
            # Where another thread has just read it, the handle has gone.
            if handle.pointer is None and self._content is None:
                raise errors.not_open("the response")
            if self._content is None:
                self._content = self._copied(handle)
        return self._content

    def _copied(self, handle: Handle) -> bytes:
        length = ctypes.c_size_t()
        address = _address(handle, length)
        content = ctypes.string_at(address, length.value)
        if length.value >= _HELD_ONCE and self._view is None:
            self._keep(content)
        return content

    def _keep(self, content: bytes) -> None:
        """Keeps in Python what belongs to the answer, and lets go of the library's, which has the body once more."""
        self.raw_fields()
        self._told = _Told(self.endpoint, self.url, self.attempts, self.stop_reason)
        self._content = content
        self._let_go()

    @property
    def content_view(self) -> memoryview:
        """The body without a copy. After `close` it raises ValueError; slices of it keep the memory."""
        if self._view is None and self._handle.pointer is None and self._told is not None:
            self._view = memoryview(self.content)
        if self._view is None:
            length, handle = ctypes.c_size_t(), self._pointer
            address = _address(handle, length)
            block = (ctypes.c_ubyte * length.value).from_address(address)
            block.owner = handle  # type: ignore[attr-defined]  # keeps the body while a view of it lives
            self._view = memoryview(block).cast("B").toreadonly()
        return self._view

    @property
    def text(self) -> str:
        """The body as text, by its charset or as UTF-8."""
        return self.content.decode(self._encoding(), "replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON."""
        return json_module.loads(self.content, **options)

    def events(self) -> Iterator[Event]:
        """The body as server-sent events."""
        return parse(iter([self.content]))

    def close(self) -> None:
        """Frees the body, unless a slice of `content_view` still lives. `content`, where it was read, stays."""
        self.raw_fields()
        if self._view is not None:
            self._view.release()
        self._told = None
        self._let_go()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, also in another process, is one in Python's memory: of a closed answer, what was read of it."""
        if self._handle.pointer is None and self._told is None:
            return _copy, (self.status, self._content or b"", self.headers.multi_items(), "", "", (), self.elapsed)
        told = self.endpoint, self.url, self.attempts
        return _copy, (self.status, self.content, self.headers.multi_items(), *told, self.elapsed)


class LentResponse(Response):
    """What a hook is given: an answer whose memory is the library's and ends with the hook."""

    def _keep(self, content: bytes) -> None:
        pass

    @property
    def content_view(self) -> memoryview:
        return memoryview(self.content)


class StreamedResponse(NotCopied, BaseResponse):
    """An answer whose body is read while it comes. Leaving its `with` block ends the exchange.

    What was read and not given out stays, for whatever reads next.
    """

    def __init__(self, handle: Handle, request: Request | None = None) -> None:
        super().__init__(handle, request)
        self.ended = False
        self.unread = Unread(self._encoding)
        # What the library is to fill outlasts the read: a signal handler may raise as soon as that has returned.
        self._buffer = ctypes.create_string_buffer(_PIECE)
        self._length, self._has_ended = ctypes.c_size_t(), ctypes.c_bool()
        # One thread reads at a time, by the buffer as by the library. A signal handler has the thread of what it interrupts.
        self._reading, self._is_read, self._process = threading.RLock(), False, os.getpid()

    def _poll(self, wait_ms: int) -> bytes:
        if self._process != os.getpid():
            # A forked child has the lock as it was, perhaps of a thread that it has not; there the library refuses the read.
            return self._read(wait_ms)
        with self._reading:
            if self._is_read:
                raise errors.waits_for_itself("the response is being read by what this signal handler interrupts")
            self._is_read = True
            try:
                return self._read(wait_ms)
            finally:
                self._is_read = False

    def _read(self, wait_ms: int) -> bytes:
        # Of a read before, out of which a signal handler has raised.
        piece = self._arrived()
        if piece or self.ended:
            return piece
        error = errors.Failure()
        # The read keeps the handle beside a close in another thread.
        status = lib.ahoy_response_read(
            self._pointer,
            self._buffer,
            _PIECE,
            wait_ms,
            ctypes.byref(self._length),
            ctypes.byref(self._has_ended),
            ctypes.byref(error),
        )
        if status != 0:
            failure = errors.take_error(error)
            if self._handle.pointer is None:
                raise errors.not_open("the response")
            raise failure
        return self._arrived()

    def _arrived(self) -> bytes:
        """What the library has put into the buffer, once."""
        length = self._length.value
        piece = self._buffer.raw if length == _PIECE else ctypes.string_at(self._buffer, length)
        self.ended, self._length.value = self._has_ended.value, 0
        return piece

    def _taken(self, take: Callable[[bool], _Part | None]) -> Iterator[_Part]:
        """What a function takes out of the body as it comes."""
        while True:
            ended = self.ended
            part = take(ended)
            if part is not None:
                yield part
            elif ended:
                return
            else:
                piece = self._next()
                if piece:
                    self.unread.pieces.append(piece)

    def _next(self) -> bytes:
        """Waits for the next piece; nothing where only the wait or the body has ended."""
        sent, queue = self.request.drawn if self.request is not None else None, hub_queue()
        sends = sent is not None and not sent.is_drawn
        if sent is not None and sends:
            # What the server had not taken of the request when it began to answer.
            sent.fill()
        return self._poll(1 if sends else slice_ms()) if queue is None else self._poll_in(queue, sends)

    def _poll_in(self, queue: HubQueue, sends: bool) -> bytes:
        """The next piece for a greenlet, of which it alone is held."""
        piece = self._poll(0)
        if piece or self.ended:
            return piece
        if sends:
            queue.pause(0.001)
            return b""
        with waiting(self):
            queue.run(queue.readable(self._pointer))
        return self._poll(0)

    def iter_bytes(self) -> Iterator[bytes]:
        """The pieces of the body as they come."""
        return self._taken(self.unread.piece)

    def iter_text(self) -> Iterator[str]:
        """The same as text."""
        return self._taken(self.unread.text)

    def iter_lines(self) -> Iterator[str]:
        """The body line by line, without the ends of the lines."""
        return self._taken(self.unread.line)

    def events(self) -> Iterator[Event]:
        """The body as server-sent events, as they come."""
        return self._taken(self.unread.event)

    def read(self) -> bytes:
        """What is left of the body."""
        return b"".join(self.iter_bytes())

    def close(self) -> None:
        """Ends the exchange; the server sees the connection close if the body is not whole."""
        self._cut()
        drawn = self.request.drawn if self.request is not None else None
        if drawn is not None and hub_queue() is None:
            drawn.await_rest()

    def _cut(self) -> None:
        """The same where nothing may wait for a read of the request's body on another thread."""
        if self.request is not None and self.request.drawn is not None:
            self.request.drawn.leave()
        handle = self._handle
        if handle.pointer is not None:
            self.raw_fields()
            self._let_go()
            if self._is_read:
                _end(handle)

    def __enter__(self) -> StreamedResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def waiting(streamed: Any) -> Iterator[None]:
    """Around a wait for the next piece of a body, which may be closed meanwhile. One that is cancelled ends the body."""
    try:
        yield
    except errors.Error:
        if streamed._handle.pointer is None:
            raise errors.not_open("the response") from None
        raise
    except BaseException:
        streamed.close()
        raise


def _end(response: Handle) -> None:
    """Ends a body beside a read that waits for it: the wait has no other end, and freeing waits for the read."""
    with contextlib.suppress(errors.Error):
        queue = take(lib.ahoy_queue_free, lib.ahoy_queue_new)
        check(lib.ahoy_response_notify, response, queue, 0)
        # It ends the bodies that it is to tell of.
        queue.free()


def copied(pointer: int) -> Response:
    """The answer that an error holds, which ends with the error: a copy in Python's memory."""
    length = ctypes.c_size_t()
    address = _address(pointer, length)
    return _copy(
        lib.ahoy_response_status(pointer),
        ctypes.string_at(address, length.value),
        [
            (decode(name), decoded(value))
            for name, value in (_field(pointer, i) for i in range(lib.ahoy_response_header_count(pointer)))
        ],
        decode(lib.ahoy_response_endpoint_url(pointer)),
        decode(lib.ahoy_response_url(pointer)),
        (),
        datetime.timedelta(),
    )


def _copy(
    status: int,
    content: bytes,
    fields: list[tuple[str, str]],
    endpoint: str,
    url: str,
    attempts: tuple[Attempt, ...],
    elapsed: datetime.timedelta,
) -> _Copy:
    response = _Copy.__new__(_Copy)
    response.status, response._content, response._headers = status, content, Headers(fields)
    response._fields, response._view = [(name.encode(), encoded(value)) for name, value in fields], None
    response._told = _Told(endpoint, url, attempts)
    response.request, response.elapsed = None, elapsed
    response._let_go()
    return response


class _Copy(Response):
    @property
    def content_view(self) -> memoryview:
        return memoryview(self._content or b"")

    def close(self) -> None:
        pass


def _field(pointer: int | Handle, index: int) -> tuple[bytes, bytes]:
    name: bytes = lib.ahoy_response_header_name_at(pointer, index)
    value: bytes = lib.ahoy_response_header_value_at(pointer, index)
    return name or b"", value or b""


def _address(pointer: int | Handle, length: ctypes.c_size_t) -> int:
    address: int = lib.ahoy_response_body(pointer, ctypes.byref(length))
    return address

"""Bodies that are drawn while they are sent.

The library asks for bytes on a thread that other calls need as well, and on which none of its own calls may wait. So no code
of the program runs there: that brings pieces ahead, and the library takes what lies ready.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import inspect
import io
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Protocol

if TYPE_CHECKING:
    from queue import Empty, SimpleQueue
else:
    try:
        # Of the interpreter itself: gevent puts one that is not for threads in the place of queue's.
        from _queue import Empty, SimpleQueue
    except ImportError:
        from queue import Empty, SimpleQueue

from ._callbacks import keep
from ._handle import Handle, check
from ._library import lib

_UNKNOWN_LENGTH = 2**64 - 1
_END, _DATA, _NOT_READY, _FAILED = 0, 1, 2, 3
# What a file is read by. Two such pieces may lie ready, so that one is drawn while the other is sent.
_PIECE = 65536
_AHEAD = 2 * _PIECE
# After how many seconds of drawing a call is looked after.
_MOMENT = 0.005
# How many seconds a body that failed waits for its call to fail by it. It does at once where a server takes the body; where
# none does, as while a connection is made, the call is cancelled.
FAILS_WITHIN = 1.0
# How many seconds the end of a call waits for a read of its body that runs on another thread: nothing can break that off.
READS_WITHIN = 1.0
_PLAIN = (io.BufferedReader, io.BufferedRandom, io.BytesIO)

InThread = Callable[[Callable[[], None]], Awaitable[None]]


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
    outlasts_head: bool
    """Whether the head of an answer does not end the call, of whose body more may be read."""

    def ring(self) -> None:
        """Wakes it, from any thread."""

    async def wait(self) -> None:
        """Awaits the next ring."""


class Feeding(Protocol):
    """A task that brings a body beside its answer."""

    def end(self) -> None:
        """Has it end, from any thread."""

    async def ended(self) -> None:
        """Awaits its end, also where the caller is cancelled meanwhile."""

    def raised(self) -> BaseException | None:
        """What the body raised, once the task has ended."""


class _Reading:
    """One reading of a body, from its first byte. One thread brings and one takes, each with a count of its own."""

    __slots__ = ("pieces", "rest", "brought", "taken", "end")

    def __init__(self) -> None:
        self.pieces: collections.deque[bytes] = collections.deque()
        self.rest = memoryview(b"")
        self.brought = self.taken = 0
        self.end: int | None = None

    def has_room(self) -> bool:
        """Whether a further piece is wanted."""
        return self.end is None and self.brought - self.taken < _AHEAD

    def put(self, piece: bytes) -> None:
        self.brought += len(piece)
        self.pieces.append(piece)

    def take(self, room: memoryview) -> int:
        """Fills a place with what lies ready; how many bytes it is."""
        filled = 0
        while filled < len(room) and (self.rest or self.pieces):
            piece = self.rest or memoryview(self.pieces.popleft())
            part = piece[: len(room) - filled]
            room[filled : filled + len(part)] = part
            filled, self.rest = filled + len(part), piece[len(part) :]
        self.taken += filled
        return filled


class Room:
    """Tells a thread that waits that there is room for a piece."""

    def __init__(self) -> None:
        self._told: SimpleQueue[None] = SimpleQueue()

    def tell(self) -> None:
        """Ends a wait, from any thread."""
        self._told.put(None)

    def wait(self, seconds: float) -> None:
        """Waits; Python runs its signal handlers meanwhile."""
        with contextlib.suppress(Empty):
            self._told.get(timeout=seconds)
        with contextlib.suppress(Empty):
            while True:
                self._told.get_nowait()


class SendBuffer:
    """What lies ready of a body, and the functions by which the library takes it."""

    def __init__(self) -> None:
        self.reading = _Reading()
        self.on_room: Callable[[], object] = lambda: None
        """Called on a thread of the library where a piece is wanted."""
        self._request: Callable[[], Handle | None] = lambda: None

    def attach(self, request: Handle, length: int | None, again: bool) -> None:
        # Kept, it would never be freed: what the library holds of it holds this.
        self._request = weakref.ref(request)
        functions = keep(("ahoy_body_fn", self._produce), ("ahoy_body_rewind_fn", self._rewind if again else None))
        check(lib.ahoy_request_set_body_source, request, *functions, _UNKNOWN_LENGTH if length is None else length)

    @property
    def is_wanted(self) -> bool:
        """Whether the request lives and a further piece has room."""
        return self._request() is not None and self.reading.has_room()

    def ready(self) -> None:
        """Tells the library that there is something new."""
        # It may come before the library has found nothing, so no piece is overlooked. What the body does at its end may
        # outlast the request: of a call that was cancelled, the task that brings it is still to end.
        request = self._request()
        if request is not None:
            check(lib.ahoy_request_body_ready, request)

    def fail(self) -> bool:
        """Brings no further piece, so that the call fails unless the body has ended; whether it does."""
        reading = self.reading
        if reading.end is None:
            reading.end = _FAILED
            self.ready()
        return reading.end == _FAILED

    def _produce(self, _: Any, buffer: int, capacity: int, length: Any) -> int:
        reading = self.reading
        # Looked at before the pieces: what was brought before the end is sent.
        end = reading.end
        filled = reading.take(memoryview((ctypes.c_ubyte * capacity).from_address(buffer)).cast("B"))
        if not filled:
            return _NOT_READY if end is None else end
        length[0] = filled
        if reading.has_room():
            self.on_room()
        return _DATA

    def _rewind(self, _: Any) -> bool:
        self.reading = _Reading()
        self.on_room()
        return True


class Drawn:
    """A body that plain code of the program brings: on the thread of a call that waits, or on one beside a loop.

    What the code raises is kept, for it is the cause of the error that the call ends with.
    """

    def __init__(self, content: Upload) -> None:
        self.raised: BaseException | None = None
        self._content = content
        self._buffer = SendBuffer()
        self._iterator: Iterator[bytes] = iter(())
        self._reading: _Reading | None = None
        # The thread that takes it draws. No lock: those that gevent puts in their place are not for threads.
        self._turn = [None]
        # The thread that may touch the body, and what is called where none does any more.
        self._drawer: int | None = None
        self._on_rest: Callable[[], object] = lambda: None
        self._is_left = self._goes_on = False
        self.drawing = False
        """Whether a task awaits the next piece, which may last for ever."""

    def attach(self, request: Handle) -> None:
        self._buffer.attach(request, self._content.length, self._content.again)

    def begin(self, on_room: Callable[[], object]) -> None:
        """Has a function called on a thread of the library when pieces are wanted."""
        self._buffer.on_room = on_room

    def leave(self) -> None:
        """Draws no further piece."""
        self._is_left = True
        self._buffer.on_room = lambda: None

    def rests(self, on_rest: Callable[[], object]) -> bool:
        """Whether no other thread touches a body that was left; else has a function called once none does."""
        self._on_rest = on_rest
        return self._drawer in (None, threading.get_ident())

    def await_rest(self) -> None:
        """Waits for a moment until no other thread touches a body that was left."""
        room = Room()
        if not self.rests(room.tell):
            room.wait(READS_WITHIN)

    @property
    def is_wanted(self) -> bool:
        """Whether a further piece is wanted."""
        return not self._is_left and self._buffer.is_wanted

    @property
    def is_drawn(self) -> bool:
        """Whether there is no further piece, unless the library begins anew."""
        return self._buffer.reading.end is not None

    def go_on(self, on_room: Callable[[], object]) -> None:
        """The same, where nothing but that function looks after the body from here on."""
        self._goes_on, self._buffer.on_room = True, on_room

    def fill(self) -> None:
        """Draws pieces for as long as they are wanted, and not for long: the call may have ended meanwhile."""
        while self._turn:
            try:
                turn = self._turn.pop()
            except IndexError:
                break  # Another that a cancelled task has left still draws.
            try:
                self._fill(time.monotonic() + _MOMENT)
            finally:
                self._turn.append(turn)
            # What asked meanwhile for more has found the turn taken.
            if not self._goes_on or not self.is_wanted:
                break

    def _fill(self, until: float) -> None:
        # Told before it is looked whether the body was left, which it is before it is looked whether one draws: so one of the
        # two sees the other.
        self._drawer = threading.get_ident()
        try:
            while self.is_wanted:
                self._draw(self._buffer.reading)
                if time.monotonic() > until:
                    break
        finally:
            self._drawer = None
            self._on_rest()

    def _draw(self, reading: _Reading) -> None:
        try:
            if reading is not self._reading:
                self._iterator, self._reading = iter(self._content), reading
            reading.put(_bytes(next(self._iterator)))
        except StopIteration:
            reading.end = _END
        except Exception as raised:
            self.raised, reading.end = raised, _FAILED
        except BaseException:
            reading.end = _FAILED
            raise
        finally:
            self._buffer.ready()

    def fail(self) -> bool:
        """Fails the call, unless the body has ended; whether it does."""
        return self._buffer.fail()

    async def feed(self, bell: Bell, in_thread: InThread) -> None:
        """Draws all pieces in a thread, which is needed only while there is room for them."""
        self._buffer.on_room = bell.ring
        while not bell.ended:
            if self.is_wanted:
                self.drawing = True
                try:
                    await in_thread(self.fill)
                finally:
                    self.drawing = False
            else:
                await bell.wait()


class Fed:
    """A body that a task brings, piece by piece, while the library sends it."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self._buffer = SendBuffer()
        self._feeding: Feeding | None = None
        self.drawing = False
        """Whether the next piece is awaited, which may last for ever; what else it waits for ends with the call."""

    def attach(self, request: Handle) -> None:
        self._buffer.attach(request, getattr(self._content, "length", None), False)

    def fail(self) -> bool:
        """Fails the call, unless the body has ended; whether it does."""
        return self._buffer.fail()

    def go_on(self, feeding: Feeding) -> None:
        """Notes the task that brings the rest of the body, beside an answer whose head came before."""
        self._feeding = feeding

    def leave(self) -> None:
        """Brings no further piece beside the answer."""
        if self._feeding is not None:
            self._feeding.end()

    async def left(self) -> None:
        """Awaits the end of the task that brings the body beside the answer."""
        if self._feeding is not None:
            await self._feeding.ended()

    def raised(self) -> BaseException | None:
        """What the body raised beside the answer; it is told once."""
        raised = self._feeding.raised() if self._feeding is not None else None
        if raised is not None:
            # Kept, it would keep this, which the frames that it came through have.
            self._feeding = None
        return raised

    async def feed(self, bell: Bell, _: InThread) -> None:
        """Brings all pieces; the next one is asked for when there is room for it.

        What it raises does not fail its call, whose caller may have cancelled it: that is for the queue to tell.
        """
        pieces = self._content.__aiter__()
        # A generator that is dropped before its end is closed by the collector, of which trio warns.
        close = getattr(pieces, "aclose", None)
        try:
            await self._bring(pieces, bell)
        except GeneratorExit:
            # The task is dropped with its loop, in which alone the generator could end.
            close = None
            raise
        finally:
            if close is not None:
                await close()

    async def _bring(self, pieces: AsyncIterator[bytes], bell: Bell) -> None:
        buffer, reading = self._buffer, self._buffer.reading
        buffer.on_room = bell.ring
        try:
            while not bell.ended:
                self.drawing = True
                try:
                    piece = await pieces.__anext__()
                finally:
                    self.drawing = False
                reading.put(_bytes(piece))
                buffer.ready()
                while not reading.has_room() and not bell.ended:
                    await bell.wait()
        except StopAsyncIteration:
            reading.end = _END
        except BaseException:
            # The exception is not kept: its frames hold the request, which holds this.
            if bell.ended:
                reading.end = _FAILED
            raise
        finally:
            buffer.ready()


def body_of(content: Any) -> bytes | Drawn | Fed | None:
    """What is sent of a content that is not bytes or text: bytes where they are held whole; None where it is no body."""
    if isinstance(content, (list, tuple)):
        return b"".join(map(_bytes, content))
    if isinstance(content, Upload):
        return Drawn(content)
    if isinstance(content, AsyncIterable) and not isinstance(content, Iterable):
        return Fed(content)
    read: Any = getattr(content, "read", None)
    if callable(read) and not inspect.iscoroutinefunction(read):
        return Drawn(_file(content))
    held: Any = content
    try:
        # An array, whose iterator gives its numbers.
        return memoryview(held).tobytes()
    except TypeError:
        pass
    if not isinstance(content, Iterable):
        return None
    # An iterator gives itself; what gives another can begin anew.
    return Drawn(Upload(lambda: iter(content), None, again=iter(content) is not content))


def _file(file: Any) -> Upload:
    """What is left of a file."""
    start, length = _place(file)
    return Upload(lambda: read_pieces(file, start), length, again=start is not None)


def _place(file: Any) -> tuple[Any, int | None]:
    """Where a file stands, if it can go back there, and how many bytes follow, if it says so."""
    try:
        if not getattr(file, "seekable", lambda: True)():
            return None, None
        start = file.tell()
        # Places in text are no numbers of bytes, and one that unpacks, as gzip's, reads all to find its end.
        if hasattr(file, "encoding") or (isinstance(file, io.BufferedIOBase) and not isinstance(file, _PLAIN)):
            return start, None
        file.seek(0, io.SEEK_END)
        length = file.tell() - start
        file.seek(start)
        if length <= 0:
            # Files of /proc say 0, whatever they hold.
            length = None if file.read(1) else 0
            file.seek(start)
        return start, length
    except (AttributeError, OSError, ValueError):
        return None, None


def read_pieces(file: Any, start: Any) -> Iterator[bytes]:
    """A file from a place on, or from where it stands: in pieces, for its iterator gives lines."""
    if start is not None and file.tell() != start:
        file.seek(start)
    # What cannot go back is live, as a pipe or a socket: what it has brought is sent when it comes.
    read: Any = file.read if start is not None else getattr(file, "read1", file.read)
    while piece := read(_PIECE):
        yield piece.encode() if isinstance(piece, str) else piece


def _bytes(piece: Any) -> bytes:
    # Of a number, bytes() makes as many zeros.
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"the pieces of a body are bytes, and not {type(piece).__name__}")
    return bytes(piece)

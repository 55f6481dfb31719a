"""The client for asyncio: no thread of its own, one descriptor in the loop."""

from __future__ import annotations

import asyncio
import codecs
import ctypes
import itertools
import os
import weakref
from typing import Any, AsyncIterator, Mapping, Union

from . import errors
from ._handle import Handle, check, take
from ._library import lib
from .client import BaseClient
from .headers import HeaderInput
from .request import Content, Params, Request, build
from .response import _PIECE, BaseResponse, Response, StreamedResponse
from .sse import Event, parse_async

_BATCH = 256


class AsyncClient(BaseClient):
    """A client whose methods are awaited. It takes what `Client` takes, and works in any number of loops.

    A cancelled call is cancelled at the server too: its connection closes.
    """

    async def get(self, path: str, **options: Any) -> Response:
        """Sends a GET. See `request` for the options."""
        return await self.request("GET", path, **options)

    async def head(self, path: str, **options: Any) -> Response:
        """Sends a HEAD."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Any) -> Response:
        """Sends an OPTIONS."""
        return await self.request("OPTIONS", path, **options)

    async def delete(self, path: str, **options: Any) -> Response:
        """Sends a DELETE."""
        return await self.request("DELETE", path, **options)

    async def post(self, path: str, content: Content = None, **options: Any) -> Response:
        """Sends a POST."""
        return await self.request("POST", path, content=content, **options)

    async def put(self, path: str, content: Content = None, **options: Any) -> Response:
        """Sends a PUT."""
        return await self.request("PUT", path, content=content, **options)

    async def patch(self, path: str, content: Content = None, **options: Any) -> Response:
        """Sends a PATCH."""
        return await self.request("PATCH", path, content=content, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params = None,
        headers: HeaderInput = None,
        content: Content = None,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        idempotent: bool | None = None,
        criticality: int | None = None,
        group: str | None = None,
        hash_key: Union[bytes, str, None] = None,
    ) -> Response:
        """Sends a request and awaits its answer, whatever its status. See `Client.request`."""
        request = build(
            method,
            path,
            params=params,
            headers=headers,
            content=content,
            data=data,
            json=json,
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            idempotent=idempotent,
            criticality=criticality,
            group=group,
            hash_key=hash_key,
        )
        return Response(await self._submit(request), request)

    def stream(self, method: str, path: str, **options: Any) -> _Streaming:
        """`async with client.stream("GET", path) as response:` gives the answer when its head came."""
        return _Streaming(self, method, path, options)

    async def _submit(self, request: Request) -> Handle:
        if self._tracing is None:
            return await self._submitted(request)
        with self._tracing.call(request):
            return await self._submitted(request)

    async def _submitted(self, request: Request) -> Handle:
        queue = LoopQueue.of(asyncio.get_running_loop())
        try:
            pointer = await queue.submitted(self._pointer, request.pointer)
        except errors.Error as error:
            raise error from (request.raised() or error.__cause__)
        return Handle(pointer or 0, lib.ahoy_response_free)

    async def aclose(self, timeout: float = 5.0) -> None:
        """Refuses new calls, waits for those under way, and ends what is left after `timeout` seconds."""
        if self._closed:
            return
        # It may wait, so it must not run in the loop.
        await asyncio.get_running_loop().run_in_executor(None, self._finish, timeout)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Streaming:
    def __init__(self, client: AsyncClient, method: str, path: str, options: dict[str, Any]) -> None:
        self._client = client
        self._request = build(method, path, streamed=True, **options)
        self._response: AsyncStreamedResponse | None = None

    async def __aenter__(self) -> AsyncStreamedResponse:
        handle = await self._client._submit(self._request)
        self._response = AsyncStreamedResponse(handle, self._request)
        return self._response

    async def __aexit__(self, *_: object) -> None:
        if self._response is not None:
            self._response.close()


class AsyncStreamedResponse(BaseResponse):
    """An answer whose body is read while it comes."""

    def __init__(self, handle: Handle, request: Request | None = None) -> None:
        super().__init__(handle, request)
        self._reader = StreamedResponse(handle, request)

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The pieces of the body as they come."""
        queue = LoopQueue.of(asyncio.get_running_loop())
        reader = self._reader
        while not reader.ended:
            piece = reader._poll(0)
            if piece:
                yield piece
            elif not reader.ended:
                await queue.readable(self._pointer)

    async def aiter_text(self) -> AsyncIterator[str]:
        """The same as text."""
        decoder = codecs.getincrementaldecoder(self._encoding())("replace")
        async for piece in self.aiter_bytes():
            yield decoder.decode(piece)
        rest = decoder.decode(b"", True)
        if rest:
            yield rest

    async def aiter_lines(self) -> AsyncIterator[str]:
        """The body line by line, without the ends of the lines."""
        rest = ""
        async for piece in self.aiter_text():
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                yield line.rstrip("\r")
        if rest:
            yield rest

    def events(self) -> AsyncIterator[Event]:
        """The body as server-sent events, as they come."""
        return parse_async(self.aiter_bytes())

    async def aread(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self.aiter_bytes()])

    def close(self) -> None:
        """Ends the exchange; the server sees the connection close if the body is not whole."""
        self._reader.close()


class LoopQueue:
    """The queue of one event loop: completions wake the loop by a descriptor, and are taken many at a time."""

    _queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopQueue] = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process = os.getpid()
        self._handle = Handle(take(lib.ahoy_queue_new), lib.ahoy_queue_free)
        self._tags = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._batch = (ctypes.c_void_p * _BATCH)()
        self.wakes = 0
        # A method of the queue would keep the loop, which is its key, alive.
        loop.add_reader(lib.ahoy_queue_fd(self._handle.pointer), _drain, weakref.ref(self))

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> LoopQueue:
        """The queue of a loop, in this process."""
        queue = cls._queues.get(loop)
        if queue is None or queue._process != os.getpid():
            queue = cls._queues[loop] = cls(loop)
        return queue

    async def submitted(self, client: int, request: int) -> int | None:
        """Sends a request and awaits its completion: the response."""
        tag, future = self._wait()
        try:
            check(lib.ahoy_client_submit, client, request, self._handle.pointer, tag)
        except BaseException:
            del self._waiting[tag]
            raise
        return await self._ended(tag, future)

    async def readable(self, response: int) -> None:
        """Awaits bytes of a body."""
        tag, future = self._wait()
        try:
            check(lib.ahoy_response_notify, response, self._handle.pointer, tag)
        except BaseException:
            del self._waiting[tag]
            raise
        await self._ended(tag, future)

    def _wait(self) -> tuple[int, asyncio.Future[int | None]]:
        tag = next(self._tags)
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting[tag] = future
        return tag, future

    async def _ended(self, tag: int, future: asyncio.Future[int | None]) -> int | None:
        try:
            return await future
        except asyncio.CancelledError:
            check(lib.ahoy_queue_cancel, self._handle.pointer, tag)
            raise

    def drain(self) -> None:
        """Hands out all completions that are there."""
        self.wakes += 1
        count, error = ctypes.c_size_t(_BATCH), ctypes.c_void_p()
        while count.value == _BATCH:
            status = lib.ahoy_queue_next_batch(
                self._handle.pointer,
                0,
                ctypes.cast(self._batch, ctypes.POINTER(ctypes.c_void_p)),
                _BATCH,
                ctypes.byref(count),
                ctypes.byref(error),
            )
            if status != 0:
                errors.raise_error(error.value)
            for completion in self._batch[: count.value]:
                self._complete(completion or 0)

    def _complete(self, completion: int) -> None:
        future = self._waiting.pop(lib.ahoy_completion_tag(completion), None)
        if future is not None and not future.done():
            if lib.ahoy_completion_status(completion) == 0:
                future.set_result(lib.ahoy_completion_take_response(completion))
            else:
                future.set_exception(errors.take_error(lib.ahoy_completion_take_error(completion)))
        lib.ahoy_completion_free(completion)


def _drain(queue: weakref.ref[LoopQueue]) -> None:
    found = queue()
    if found is not None:
        found.drain()


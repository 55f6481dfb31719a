"""The client for asyncio and trio: no thread of its own, one descriptor in the loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, TypeVar, Union

from . import errors
from ._handle import Handle, NotCopied, check
from ._library import lib
from ._queue import CallQueue, Relay, queue_here
from .client import BaseClient
from .headers import Auth, HeaderInput
from .hooks import Deliver
from .request import Content, Data, Key, Params, Request, build
from .response import BaseResponse, Response, StreamedResponse, waiting
from .sse import Event

if TYPE_CHECKING:
    from ._options import BodyOptions, CallOptions, StreamOptions, Unpack

_AsyncClient = TypeVar("_AsyncClient", bound="AsyncClient")
_Part = TypeVar("_Part")

if sys.version_info < (3, 11):
    # asyncio has one of its own. Here, since errors does without asyncio, which takes long to import.
    errors.TimeoutError.__bases__ += (asyncio.TimeoutError,)


class AsyncClient(BaseClient):
    """A client whose methods are awaited. It takes what `Client` takes, and works in any number of loops.

    A cancelled call is cancelled at the server too: its connection closes. Messages for the log and `on_event` come in
    the loop that used the client last.
    """

    async def get(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a GET. See `request` for the options."""
        return await self.request("GET", path, **options)

    async def head(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a HEAD."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends an OPTIONS."""
        return await self.request("OPTIONS", path, **options)

    async def delete(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a DELETE."""
        return await self.request("DELETE", path, **options)

    async def post(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
        """Sends a POST."""
        return await self.request("POST", path, content=content, **options)

    async def put(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
        """Sends a PUT."""
        return await self.request("PUT", path, content=content, **options)

    async def patch(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
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
        data: Data = None,
        json: Any = None,
        auth: Auth = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        idempotent: bool | None = None,
        criticality: int | None = None,
        group: str | None = None,
        hash_key: Union[Key, None] = None,
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
            auth=auth,
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            idempotent=idempotent,
            criticality=criticality,
            group=group,
            hash_key=hash_key,
        )
        return Response(await self._submit(request), request)

    def stream(self, method: str, path: str, **options: Unpack[StreamOptions]) -> _Streaming:
        """`async with client.stream("GET", path) as response:` gives the answer when its head came.

        What is left of the request's body by then is sent beside the answer, at the latest until the block ends.
        """
        return _Streaming(self, method, path, options)

    def _delivery(self) -> Deliver:
        self._relay = Relay()
        with contextlib.suppress(RuntimeError):  # made where no loop runs
            self._relay.use(queue_here())
        return self._relay

    async def _submit(self, request: Request) -> Handle:
        if self._tracing is None:
            return await self._submitted(request)
        with self._tracing.call(request):
            return await self._submitted(request)

    async def _submitted(self, request: Request) -> Handle:
        queue = queue_here()
        self._relay.use(queue)
        body = request.drawn
        if body is None:
            return await self._told(queue, request)
        try:
            answered = await self._told(queue, request)
        except GeneratorExit:
            # The task is dropped with its loop, and nothing can be awaited any more.
            body.leave()
            raise
        except BaseException:
            await queue.left(body)
            raise
        if not request.streamed:
            await queue.left(body)
            return answered
        # The head of an answer may come before the server has all of the body.
        fill = body.fill
        body.go_on(lambda: queue.soon(queue.begin_in_thread, fill))
        queue.begin_in_thread(fill)
        return answered

    async def _told(self, queue: CallQueue, request: Request) -> Handle:
        with self._telling(request):
            return await queue.submitted(self._pointer, request) or Handle(None, lib.ahoy_response_free)

    async def aclose(self, timeout: float = 5.0) -> None:
        """Refuses new calls, ends streams, waits for calls under way, and ends what is left after `timeout` seconds."""
        if self._closed:
            return
        handle = self._pointer
        try:
            # It may wait, so it must not run in the loop, nor beside bodies, which may hold all threads that they have.
            await queue_here().in_own_thread(self._finish, timeout)
        except errors.Error:
            raise
        except BaseException:
            # Where that was cancelled, before it began or after it: calls end at once then.
            self._finish(0)
            check(lib.ahoy_client_close, handle, 0)
            raise

    async def __aenter__(self: _AsyncClient) -> _AsyncClient:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        # What an exception leaves waits for nobody.
        await self.aclose(5.0 if kind is None else 0)


class _Streaming:
    def __init__(self, client: AsyncClient, method: str, path: str, options: Any) -> None:
        self._client = client
        self._request = build(method, path, streamed=True, **options)
        self._response: AsyncStreamedResponse | None = None

    async def __aenter__(self) -> AsyncStreamedResponse:
        handle = await self._client._submit(self._request)
        self._response = self._client._held(AsyncStreamedResponse(handle, self._request))
        return self._response

    async def __aexit__(self, _: object, left_by: BaseException | None, __: object) -> None:
        if self._response is not None:
            await self._response._end(left_by)


class AsyncStreamedResponse(NotCopied, BaseResponse):
    """An answer whose body is read while it comes."""

    def __init__(self, handle: Handle, request: Request | None = None) -> None:
        super().__init__(handle, request)
        self._reader = StreamedResponse(handle, request)
        self._fed = request.fed if request is not None else None

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The pieces of the body as they come."""
        return self._taken(self._reader.unread.piece)

    async def _taken(self, take: Callable[[bool], _Part | None]) -> AsyncIterator[_Part]:
        """What a function takes out of the body as it comes."""
        queue, reader, piece = queue_here(), self._reader, b""
        while True:
            ended = reader.ended
            part = take(ended)
            if part is not None:
                yield part
                continue
            if ended:
                return
            if piece:
                with waiting(self):
                    # A body that comes faster than it is read would else leave no other task its turn.
                    await queue.checkpoint()
            piece = self._poll()
            if piece:
                reader.unread.pieces.append(piece)
            elif not reader.ended:
                with waiting(self):
                    await queue.readable(self._pointer)

    def _poll(self) -> bytes:
        """What is there of the body. With its end, or its failure, nothing more is sent."""
        try:
            piece = self._reader._poll(0)
        except errors.Error as error:
            self._leave()
            raised = self.request.raised() if self.request is not None else None
            if isinstance(raised, (KeyboardInterrupt, SystemExit)):
                raise raised
            raise error from (raised or error.__cause__)
        if self._reader.ended:
            self._leave()
        return piece

    def _leave(self) -> None:
        """Ends what is still sent."""
        if self._fed is not None:
            self._fed.leave()

    def aiter_text(self) -> AsyncIterator[str]:
        """The same as text."""
        return self._taken(self._reader.unread.text)

    def aiter_lines(self) -> AsyncIterator[str]:
        """The body line by line, without the ends of the lines."""
        return self._taken(self._reader.unread.line)

    def events(self) -> AsyncIterator[Event]:
        """The body as server-sent events, as they come."""
        return self._taken(self._reader.unread.event)

    async def aread(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self.aiter_bytes()])

    def close(self) -> None:
        """Ends the exchange; the server sees the connection close if the body is not whole."""
        self._leave()
        if self._handle.pointer is not None:
            self.raw_fields()
            self._let_go()
            self._reader._cut()

    async def _end(self, left_by: BaseException | None = None) -> None:
        """The same, and awaits the end of what is still sent. What that has raised, and no read has told, comes out here."""
        self.close()
        if self.request is not None and self.request.drawn is not None:
            with contextlib.suppress(RuntimeError):  # dropped with its loop, where nothing can be awaited any more
                await queue_here().left(self.request.drawn)
        if self._fed is None:
            return
        await self._fed.left()
        raised = self._fed.raised()
        if raised is not None and left_by is None:
            raise raised
        if raised is not None and left_by is not None and left_by.__context__ is None:
            left_by.__context__ = raised

    def __del__(self) -> None:
        # Of an answer that is dropped nothing else ends the task that brings its body.
        fed = getattr(self, "_fed", None)
        if fed is not None:
            fed.leave()

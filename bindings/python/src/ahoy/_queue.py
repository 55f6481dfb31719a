"""The queues by which calls wake an event loop: one for each loop of asyncio, and one for each run of trio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import ctypes
import itertools
import os
import sys
import weakref
from typing import Any, Callable

from . import _callbacks, errors
from ._bodies import FAILS_WITHIN, READS_WITHIN, Bell, Drawn, Fed
from ._handle import Handle, check, take
from ._library import lib
from .request import Request

_BATCH = 256


class CallQueue:
    """Completions wake the loop by a descriptor, and are taken many at a time."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._handle = take(lib.ahoy_queue_free, lib.ahoy_queue_new)
        self._tags = itertools.count(1)
        # Futures of asyncio, or what trio's queue has for them.
        self._waiting: dict[int, Any] = {}
        self._bells: dict[int, Bell] = {}
        self._batch = (ctypes.c_void_p * _BATCH)()
        self.wakes = 0

    @property
    def descriptor(self) -> int:
        """What becomes readable when a call has ended."""
        descriptor: int = lib.ahoy_queue_fd(self._handle.pointer)
        return descriptor

    async def submitted(self, client: Handle, request: Request) -> Handle | None:
        """Sends a request, brings its body, and awaits its completion: the response."""
        return await self._awaited(lib.ahoy_client_submit, client, request.pointer, request=request)

    async def readable(self, response: Handle) -> None:
        """Awaits bytes of a body."""
        waiting = self._awaited(lib.ahoy_response_notify, response)
        # A close meanwhile frees the response, which ends the wait: so nothing keeps it here.
        del response
        await waiting

    async def _awaited(self, begin: Any, *arguments: Any, request: Request | None = None) -> Handle | None:
        tag, waiter = next(self._tags), self._waiter()
        self._waiting[tag] = waiter
        try:
            check(begin, *arguments, self._handle.pointer, tag)
        except BaseException:
            del self._waiting[tag]
            raise
        del arguments
        try:
            if request is not None and request.source is not None:
                self._bells[tag] = bell = self._bell()
                bell.outlasts_head = request.streamed and request.fed is not None
                await self._fed(request.source, bell, waiter)
            return await self._outcome(waiter)
        finally:
            # Nobody takes what still comes: a response in it goes with its completion.
            if self._waiting.pop(tag, None) is not None and self._process == os.getpid():
                self._bells.pop(tag, None)
                # Where both are collected together, the queue may have gone first, and has ended its calls.
                if self._handle.pointer is not None:
                    check(lib.ahoy_queue_cancel, self._handle.pointer, tag)

    async def _fed(self, body: Fed | Drawn, bell: Bell, waiter: Any) -> None:
        """Brings a body, for as long as its call has not ended. Where the bell says so, a task goes on after the head.

        What the body raises comes out once the call has failed by it. A call whose caller is cancelled does not fail by it.
        """
        raise NotImplementedError

    def _waiter(self) -> Any:
        raise NotImplementedError

    def _bell(self) -> Bell:
        raise NotImplementedError

    async def _outcome(self, waiter: Any) -> Handle | None:
        raise NotImplementedError

    async def checkpoint(self) -> None:
        """Lets the other tasks of the loop have their turn."""
        raise NotImplementedError

    async def in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """Runs what may wait where it holds up nothing. A task that is cancelled leaves it to its end."""
        raise NotImplementedError

    async def in_own_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """The same beside all that the other threads wait for."""
        raise NotImplementedError

    async def left(self, body: Drawn) -> None:
        """Draws no further piece, and awaits for a moment the end of a read that runs, also where the caller is cancelled:
        what the body is made of is the program's again."""
        body.leave()
        bell = self._bell()
        if not body.rests(bell.ring):
            await self._rung(bell, READS_WITHIN)

    async def _rung(self, bell: Bell, seconds: float) -> None:
        """Awaits a bell, or so many seconds, however often the caller is cancelled meanwhile."""
        raise NotImplementedError

    def begin_in_thread(self, function: Callable[[], None]) -> None:
        """The same in the loop, where nobody awaits it."""
        raise NotImplementedError

    def soon(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Has a function called in the loop, from any thread; False where the loop has ended or stands still."""
        raise NotImplementedError

    def drain(self) -> None:
        """Hands out all completions that are there."""
        if self._process != os.getpid():
            return  # The parent's, in a loop that was forked.
        self.wakes += 1
        count, error = ctypes.c_size_t(_BATCH), errors.Failure()
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
                errors.raise_error(error)
            for completion in self._batch[: count.value]:
                self._complete(completion or 0)

    def _complete(self, completion: int) -> None:
        tag = lib.ahoy_completion_tag(completion)
        waiter, bell = self._waiting.pop(tag, None), self._bells.pop(tag, None)
        succeeded = lib.ahoy_completion_status(completion) == 0
        if bell is not None and not (succeeded and bell.outlasts_head):
            bell.ended = True
            bell.ring()
        if waiter is not None and not waiter.done():
            if succeeded:
                # A handle, for a task that is cancelled now takes it no more.
                pointer = lib.ahoy_completion_take_response(completion)
                waiter.set_result(Handle(pointer, lib.ahoy_response_free) if pointer else None)
            else:
                _callbacks.fall_silent(False)
                waiter.set_exception(errors.take_error(errors.Failure(lib.ahoy_completion_take_error(completion))))
        lib.ahoy_completion_free(completion)


class _LoopBell:
    def __init__(self) -> None:
        self.ended = self.outlasts_head = False
        self._rung = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self) -> None:
        await self._rung.wait()
        self._rung.clear()


class _LoopFeeding:
    """A task of asyncio, from the head of an answer on."""

    def __init__(self, task: asyncio.Future[None], body: Fed, bell: Bell) -> None:
        self._task, self._body, self._bell = task, body, bell
        self._loop = asyncio.get_running_loop()
        task.add_done_callback(self._done)

    def _done(self, _: asyncio.Future[None]) -> None:
        if not self._bell.ended:
            # Nothing else tells that a body broke off while its answer is read.
            self._body.fail()

    def end(self) -> None:
        if not self._task.done():
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._bell.ended:
            return  # A second cancel would break off what the body does at its end.
        self._bell.ended = True
        self._bell.ring()
        if self._body.drawing:
            self._task.cancel()

    async def ended(self) -> None:
        try:
            # The body itself may close the answer; and in another loop nothing can wait for it.
            may_wait = self._loop is asyncio.get_running_loop() and self._task is not asyncio.current_task()
        except RuntimeError:  # the caller is dropped with its loop
            may_wait = False
        if may_wait:
            await _ended(self._task)

    def raised(self) -> BaseException | None:
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None


class LoopQueue(CallQueue):
    """The queue of an event loop of asyncio."""

    # The loop keeps its queue, by the descriptor that it watches. Here it would keep the loop in turn, for which the futures
    # of the calls under way are made.
    _queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[LoopQueue]] = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = weakref.ref(loop)
        # Which bring bodies beside their answers: the loop itself has only weak references to its tasks.
        self._feeding: set[asyncio.Future[None]] = set()
        loop.add_reader(self.descriptor, self.drain)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> LoopQueue:
        """The queue of a loop, in this process."""
        known = cls._queues.get(loop)
        queue = known() if known is not None else None
        if queue is None or queue._process != os.getpid():
            queue = cls(loop)
            cls._queues[loop] = weakref.ref(queue)
        return queue

    def _waiter(self) -> asyncio.Future[Handle | None]:
        return asyncio.get_running_loop().create_future()

    def _bell(self) -> Bell:
        return _LoopBell()

    async def _fed(self, body: Fed | Drawn, bell: Bell, waiter: asyncio.Future[Handle | None]) -> None:
        # A task of its own, for what the body waits for may outlast the call.
        feeding = asyncio.ensure_future(body.feed(bell, self.in_thread))
        either: set[asyncio.Future[Any]] = {feeding, waiter}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                if (feeding.cancelled() or feeding.exception() is not None) and body.fail():
                    await asyncio.wait({waiter}, timeout=FAILS_WITHIN)
                feeding.result()
            elif isinstance(body, Fed) and not bell.ended:
                self._feeding.add(feeding)
                feeding.add_done_callback(self._feeding.discard)
                body.go_on(_LoopFeeding(feeding, body, bell))
            else:
                if body.drawing:
                    feeding.cancel()
                await asyncio.wait({feeding})
        except asyncio.CancelledError:
            feeding.cancel()
            # The body ends before its call does, however often that is cancelled, which anyio does in each turn of the loop.
            with contextlib.suppress(asyncio.CancelledError):
                await _ended(feeding)
            raise
        finally:
            _seen(feeding)
            _seen(waiter)

    async def _outcome(self, waiter: asyncio.Future[Handle | None]) -> Handle | None:
        try:
            return await waiter
        finally:
            _seen(waiter)

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    async def in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        run = contextvars.copy_context().run
        await asyncio.get_running_loop().run_in_executor(None, run, function, *arguments)

    async def in_own_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        run, pool = contextvars.copy_context().run, concurrent.futures.ThreadPoolExecutor(1, "ahoy")
        try:
            await asyncio.get_running_loop().run_in_executor(pool, run, function, *arguments)
        finally:
            pool.shutdown(wait=False)

    async def _rung(self, bell: Bell, seconds: float) -> None:
        rung = asyncio.ensure_future(asyncio.wait_for(bell.wait(), seconds))
        try:
            await _ended(rung)
        finally:
            _seen(rung)

    def begin_in_thread(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is about to end
            asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, function)

    def soon(self, function: Callable[..., None], *arguments: Any) -> bool:
        loop = self._loop()
        if loop is None or not loop.is_running():
            return False
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # closed meanwhile
            return False
        return True


async def _ended(task: asyncio.Future[Any]) -> None:
    """Awaits a task to its end. A caller that is cancelled meanwhile, however often, is told so afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _seen(future: asyncio.Future[Any]) -> None:
    """Keeps a future that nobody awaits any more from telling that its exception was not seen."""
    if future.done() and not future.cancelled():
        future.exception()


class Relay:
    """Brings what threads of the library tell to the loop that used a client last.

    Without a loop, which a client may be made before and may outlive, the function is called on that thread.
    """

    def __init__(self) -> None:
        self._queue: weakref.ref[CallQueue] | None = None
        self._process = 0

    def use(self, queue: CallQueue) -> None:
        """Notes the loop's queue."""
        if self._queue is None or self._queue() is not queue:
            self._queue, self._process = weakref.ref(queue), os.getpid()

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        queue = self._queue() if self._queue is not None and self._process == os.getpid() else None
        if queue is None or not queue.soon(function, *arguments):
            function(*arguments)


def queue_here() -> CallQueue:
    """The queue of what runs the calling task."""
    # A program that runs trio has imported it.
    if "trio" in sys.modules:
        from ._trio import TrioQueue

        if TrioQueue.is_here():
            return TrioQueue.here()
    return LoopQueue.of(asyncio.get_running_loop())

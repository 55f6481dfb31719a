"""The queue by which calls wake a run of trio."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import importlib
import inspect
import math
import os
from typing import Any, Callable

from ._bodies import FAILS_WITHIN, Bell, Drawn, Fed, InThread
from ._handle import Handle
from ._queue import CallQueue

trio: Any = importlib.import_module("trio")
# Whose name is another one from trio 0.23 on.
_names = inspect.signature(trio.to_thread.run_sync).parameters
_abandoned = {"abandon_on_cancel" if "abandon_on_cancel" in _names else "cancellable": True}
_here: Any = trio.lowlevel.RunVar("ahoy")


class _Waiter:
    """What a task awaits, in the words of asyncio's Future."""

    def __init__(self) -> None:
        self.ended: Any = trio.Event()
        # Set by this, and by the task beside it that brings a body.
        self.either_ended: Any = trio.Event()
        self.result: Handle | None = None
        self.exception: BaseException | None = None
        self.body: Fed | Drawn | None = None
        self.feeding: Any = None

    def done(self) -> bool:
        return bool(self.ended.is_set())

    def set_result(self, result: Handle | None) -> None:
        self.result = result
        self._end()

    def set_exception(self, exception: BaseException) -> None:
        self.exception = exception
        self._end()

    def _end(self) -> None:
        self.ended.set()
        self.either_ended.set()
        if self.body is not None and self.body.drawing:
            self.feeding.cancel()


class _TrioBell:
    def __init__(self) -> None:
        self.ended = self.outlasts_head = False
        self._rung: Any = trio.Event()
        self._token: Any = trio.lowlevel.current_trio_token()

    def ring(self) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._ring)

    def _ring(self) -> None:
        self._rung.set()

    async def wait(self) -> None:
        await self._rung.wait()
        self._rung = trio.Event()


class _TrioFeeding:
    """A task of the run's own. A nursery would end only in the task and the order in which it began, while an answer may be
    closed in another: by httpx, or by a generator that is dropped. So what awaits the answer awaits this as well."""

    def __init__(self, body: Fed, bell: Bell) -> None:
        self._body, self._bell = body, bell
        self._token: Any = trio.lowlevel.current_trio_token()
        self._task: Any = None
        self._raised: BaseException | None = None
        self._scope: Any = trio.CancelScope()
        self._ended: Any = trio.Event()
        self.goes_on = False

    def begin(self, in_thread: InThread, either_ended: Any) -> None:
        # In the caller's context, as a task in a nursery.
        context = contextvars.copy_context()
        self._task = trio.lowlevel.spawn_system_task(self._run, in_thread, either_ended, context=context)

    async def _run(self, in_thread: InThread, either_ended: Any) -> None:
        try:
            with self._scope:
                await self._body.feed(self._bell, in_thread)
        except (GeneratorExit, trio.Cancelled):
            raise
        except BaseException as raised:
            # Out of a task of the run's own it would end the run.
            self._raised = raised
        finally:
            self._ended.set()
            either_ended.set()
            if self.goes_on and not self._bell.ended:
                # Nothing else tells that a body broke off while its answer is read.
                self._body.fail()

    @property
    def is_done(self) -> bool:
        return bool(self._ended.is_set())

    def end(self) -> None:
        if not self.is_done:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._end)

    def _end(self) -> None:
        self._bell.ended = True
        self._bell.ring()
        if self._body.drawing:
            self._scope.cancel()

    async def ended(self) -> None:
        try:
            # The body itself may close the answer; and in another run nothing can wait for it.
            may_wait = self._token is trio.lowlevel.current_trio_token() and self._task is not trio.lowlevel.current_task()
        except RuntimeError:  # the caller is dropped with its run
            may_wait = False
        if may_wait:
            with trio.CancelScope(shield=True):
                await self._ended.wait()

    async def cancel(self) -> None:
        """Ends it, whatever it waits for, and awaits that."""
        self._scope.cancel()
        await self.ended()

    def raised(self) -> BaseException | None:
        return self._raised


class TrioQueue(CallQueue):
    """The queue of one run of trio, watched by a task of the system's."""

    def __init__(self) -> None:
        super().__init__()
        self._token: Any = trio.lowlevel.current_trio_token()
        trio.lowlevel.spawn_system_task(self._watch)

    @staticmethod
    def is_here() -> bool:
        """Whether a task of trio calls, which may be a guest in a loop of asyncio, and not one of asyncio in trio."""
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return False
        try:
            return asyncio.current_task() is None
        except RuntimeError:
            return True

    @classmethod
    def here(cls) -> TrioQueue:
        """The queue of the run that the caller belongs to, in this process."""
        queue: TrioQueue | None = _here.get(None)
        if queue is None or queue._process != os.getpid():
            queue = cls()
            _here.set(queue)
        return queue

    async def _watch(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.descriptor)
            self.drain()

    def _waiter(self) -> _Waiter:
        return _Waiter()

    def _bell(self) -> Bell:
        return _TrioBell()

    async def _fed(self, body: Fed | Drawn, bell: Bell, waiter: _Waiter) -> None:
        if isinstance(body, Fed) and bell.outlasts_head:
            return await self._fed_beside(body, bell, waiter)
        # What the body waits for may outlast the call.
        waiter.body = body
        try:
            with trio.CancelScope() as waiter.feeding:
                await body.feed(bell, self.in_thread)
        except (GeneratorExit, trio.Cancelled):
            raise
        except BaseException:
            # A body may make another exception of its cancellation.
            if trio.current_effective_deadline() > -math.inf and body.fail():
                with trio.move_on_after(FAILS_WITHIN):
                    await waiter.ended.wait()
            raise

    async def _fed_beside(self, body: Fed, bell: Bell, waiter: _Waiter) -> None:
        """Brings a body in a task that goes on after the head of the answer."""
        feeding = _TrioFeeding(body, bell)
        feeding.begin(self.in_thread, waiter.either_ended)
        try:
            await waiter.either_ended.wait()
            if feeding.is_done:
                # Also where the run ends, which cancels its own tasks, the body has not come to its end.
                if not bell.ended and body.fail():
                    with trio.move_on_after(FAILS_WITHIN):
                        await waiter.ended.wait()
            elif bell.ended:
                feeding.end()
                await feeding.ended()
            else:
                feeding.goes_on = True
                return body.go_on(feeding)
        except GeneratorExit:
            raise  # The run is dropped, and nothing can be awaited any more.
        except BaseException:
            await feeding.cancel()
            raise
        finally:
            raised = feeding.raised()
            if raised is not None:
                raise raised

    async def _outcome(self, waiter: _Waiter) -> Handle | None:
        await waiter.ended.wait()
        if waiter.exception is not None:
            raise waiter.exception
        return waiter.result

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()

    async def in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        # It ends with the calls that it waits for, which a caller that is cancelled ends.
        await trio.to_thread.run_sync(functools.partial(function, *arguments), **_abandoned)

    async def in_own_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        own, call = trio.CapacityLimiter(1), functools.partial(function, *arguments)
        await trio.to_thread.run_sync(call, limiter=own, **_abandoned)

    async def _rung(self, bell: Bell, seconds: float) -> None:
        with trio.move_on_after(seconds) as scope:
            scope.shield = True
            await bell.wait()

    def begin_in_thread(self, function: Callable[[], None]) -> None:
        trio.lowlevel.spawn_system_task(self.in_thread, function)

    def soon(self, function: Callable[..., None], *arguments: Any) -> bool:
        try:
            self._token.run_sync_soon(function, *arguments)
        except trio.RunFinishedError:
            return False
        return True

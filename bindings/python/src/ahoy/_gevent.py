"""The queue by which calls wake a hub of gevent, which runs the other greenlets while one waits."""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import weakref
from typing import Any, Callable, Coroutine, Iterator, TypeVar

from ._bodies import Bell, Drawn, Fed
from ._handle import Handle
from ._queue import CallQueue

gevent: Any = importlib.import_module("gevent")
_events: Any = importlib.import_module("gevent.event")
_hubs: Any = importlib.import_module("gevent.hub")
_monkey: Any = importlib.import_module("gevent.monkey")
# The other one makes a hub where there is none, which costs a wait that has its thread for itself a loop.
_known_hub: Callable[[], Any] = getattr(_hubs, "_get_hub", gevent.get_hub)

_Result = TypeVar("_Result")
_READABLE = 1


class _Waiter:
    """What a greenlet waits for, in the words of asyncio's Future."""

    def __init__(self) -> None:
        self._result: Any = _events.AsyncResult()

    def done(self) -> bool:
        return bool(self._result.ready())

    def set_result(self, result: Handle | None) -> None:
        self._result.set(result)

    def set_exception(self, exception: BaseException) -> None:
        self._result.set_exception(exception)

    def get(self) -> Handle | None:
        result: Handle | None = self._result.get()
        return result


class _HubBell:
    def __init__(self, queue: HubQueue) -> None:
        self.ended = self.outlasts_head = False
        self._rung: Any = _events.Event()
        self._queue = weakref.ref(queue)

    def ring(self) -> None:
        queue = self._queue()
        if queue is not None:
            queue.call_in_hub(self._rung.set)

    async def wait(self) -> None:
        self._rung.wait()
        self._rung.clear()


class HubQueue(CallQueue):
    """The queue of one hub. Its coroutines never suspend: what waits in them is the greenlet that runs them."""

    _queues: weakref.WeakKeyDictionary[Any, HubQueue] = weakref.WeakKeyDictionary()

    def __init__(self, hub: Any) -> None:
        super().__init__()
        self._completed: Any = hub.loop.io(self.descriptor, _READABLE)
        self._called: Any = hub.loop.async_()
        self._calls: collections.deque[Callable[[], object]] = collections.deque()
        self._watchers = 0

    @classmethod
    def here(cls) -> HubQueue | None:
        """The queue of the hub of this thread; None without one, in the hub itself, and where sockets block as well."""
        hub = _known_hub()
        if hub is None or gevent.getcurrent() is hub or not _monkey.is_module_patched("socket"):
            return None
        queue = cls._queues.get(hub)
        if queue is None or queue._process != os.getpid():
            queue = cls._queues[hub] = cls(hub)
        return queue

    @staticmethod
    def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """What a coroutine of this queue returns."""
        try:
            coroutine.send(None)
        except StopIteration as ended:
            result: _Result = ended.value
            return result
        raise AssertionError("a coroutine of a hub's queue suspends nothing")

    @staticmethod
    def pause(seconds: float) -> None:
        """Lets the other greenlets have their turn."""
        gevent.sleep(seconds)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Watches for as long as a greenlet waits: a watcher keeps the hub from seeing that nothing is left to do."""
        self._watchers += 1
        if self._watchers == 1:
            self._completed.start(self.drain)
            self._called.start(self._call)
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                self._completed.stop()
                self._called.stop()

    def drain(self) -> None:
        if self._process == os.getpid():
            super().drain()
        else:
            # The parent's: it stays readable, and would keep the loop busy.
            self._completed.stop()

    def call_in_hub(self, function: Callable[[], object]) -> None:
        """Has a function called in the hub, from any thread, for as long as a greenlet waits."""
        self._calls.append(function)
        with contextlib.suppress(AttributeError, ValueError):  # the loop is destroyed
            self._called.send()

    def _call(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _waiter(self) -> _Waiter:
        return _Waiter()

    def _bell(self) -> Bell:
        return _HubBell(self)

    async def _fed(self, body: Fed | Drawn, bell: Bell, waiter: _Waiter) -> None:
        with self._watched():
            await body.feed(bell, self.in_thread)

    async def _outcome(self, waiter: _Waiter) -> Handle | None:
        with self._watched():
            return waiter.get()

    async def in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        # As a call that blocks does: the program's code may rely on its greenlet.
        function(*arguments)

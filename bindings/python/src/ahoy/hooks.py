"""What a client's hooks are given."""

from __future__ import annotations

import contextvars
import dataclasses
import datetime
import logging
import threading
from typing import TYPE_CHECKING, Any, Callable, Union

from ._handle import Handle, check, decode, given
from ._heard import note
from ._library import lib
from .attempts import Attempt
from .errors import not_open, read_error
from .response import LentResponse, Response

if TYPE_CHECKING:
    from .tracing import Tracing

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


class HookRequest:
    """The request of an attempt that is about to be sent; path and fields may be changed while the hook runs.

    Afterwards everything here raises ClosedError: the memory is the library's and ends with the hook.
    """

    # What cannot be changed raises AttributeError, where it would be kept here and do nothing.
    __slots__ = ("_lent",)

    def __init__(self, pointer: int) -> None:
        self._lent: int | None = pointer

    @property
    def _pointer(self) -> int:
        if self._lent is None:
            raise not_open("the request of a hook that has returned")
        return self._lent

    @property
    def method(self) -> str:
        """Such as `GET`."""
        return decode(lib.ahoy_request_method(self._pointer))

    @property
    def path(self) -> str:
        """Path and query; may be set."""
        return decode(lib.ahoy_request_path(self._pointer))

    @path.setter
    def path(self, path: str) -> None:
        check(lib.ahoy_request_set_path, self._pointer, given("path", path))

    @property
    def endpoint(self) -> str:
        """The endpoint of this attempt."""
        return decode(lib.ahoy_request_endpoint_url(self._pointer))

    @property
    def attempt(self) -> int:
        """Which attempt of its call it is, from 1."""
        number: int = lib.ahoy_request_attempt_number(self._pointer)
        return number

    @property
    def call_number(self) -> int:
        """What tracing knows the call by, and what its hook raised."""
        number: int | None = lib.ahoy_request_user_data(self._pointer)
        return number or 0

    def set_header(self, name: str, value: str) -> None:
        """Sets a field in place of all others of its name."""
        check(lib.ahoy_request_set_header, self._pointer, given("name", name), given("value", value))

    def add_header(self, name: str, value: str) -> None:
        """Adds a field."""
        check(lib.ahoy_request_add_header, self._pointer, given("name", name), given("value", value))


@dataclasses.dataclass(frozen=True)
class ClientEvent:
    """What happened to an endpoint, a list or a client, such as a circuit that opened."""

    kind: int
    """A number that never changes its meaning: an `AHOY_EVENT_` constant."""
    time: datetime.datetime
    endpoint: str
    """The endpoint's URL, or empty."""
    text: str
    """One sentence for people."""


OnRequest = Callable[[HookRequest], Any]
OnResponse = Callable[[Response], Any]
OnError = Callable[[Exception], Any]
OnEvent = Callable[[ClientEvent], Any]
Deliver = Callable[..., None]
"""Calls a function with arguments, at once or where a loop runs."""


def at_once(function: Callable[..., None], *arguments: Any) -> None:
    """Calls a function on the thread that what it tells is of."""
    function(*arguments)


class _UnderWay:
    """A call under way: where its hooks belong, and what they raised."""

    __slots__ = ("context", "thread", "raised")

    def __init__(self) -> None:
        self.context = contextvars.copy_context()
        self.thread = threading.get_ident()
        self.raised: BaseException | None = None


class CallsUnderWay:
    """The calls whose hooks may run, by number: a hook may run on a thread of the library, with the context of its call."""

    def __init__(self) -> None:
        self._calls: dict[int, _UnderWay] = {}

    def begin(self, number: int) -> None:
        """Before a call: what is raised for it is kept from here on."""
        self._calls[number] = _UnderWay()

    def run(self, number: int | None, function: Callable[[Any], Any], argument: Any) -> None:
        """Calls a function with the context variables of a call."""
        call = self._calls.get(number or 0)
        if call is None or call.thread == threading.get_ident():
            function(argument)
        else:
            # A copy, for hooks of one call may run at once.
            call.context.copy().run(function, argument)

    def raised(self, number: int, error: BaseException) -> None:
        """Keeps what the hook raised, unless the call has ended."""
        call = self._calls.get(number)
        if call is not None:
            call.raised = error

    def end(self, number: int) -> BaseException | None:
        """After a call: what the hook raised."""
        call = self._calls.pop(number, None)
        return call.raised if call is not None else None


def request_hook(function: OnRequest, calls: CallsUnderWay) -> Callable[..., int]:
    """A hook that refuses the request where it raises."""

    def hook(_: Any, pointer: int) -> int:
        request = HookRequest(pointer)
        try:
            calls.run(request.call_number, function, request)
            return 0
        except BaseException as error:
            calls.raised(request.call_number, error)
            return 602  # AHOY_E_HOOK_REFUSED
        finally:
            request._lent = None

    return hook


def traced_request(tracing: Tracing, function: OnRequest | None) -> OnRequest:
    """A hook that tells tracing first."""

    def both(request: HookRequest) -> None:
        with _guarded():
            tracing.begin_attempt(request)
        if function is not None:
            function(request)

    return both


def call_end_hook(tracing: Tracing, calls: CallsUnderWay) -> Callable[..., None]:
    def hook(_: Any, status: int, response: int | None, error: int | None) -> None:
        with _guarded():
            number = lib.ahoy_response_user_data(response) if response else lib.ahoy_error_user_data(error)
            calls.run(number, lambda _: tracing.end_call(response, error), None)

    return hook


def response_hook(function: OnResponse, calls: CallsUnderWay) -> Callable[..., None]:
    def hook(_: Any, pointer: int) -> None:
        handle = Handle(pointer, lambda _: None)
        try:
            with _guarded():
                calls.run(lib.ahoy_response_user_data(pointer), function, LentResponse(handle))
        finally:
            handle.pointer = None

    return hook


def error_hook(function: OnError, calls: CallsUnderWay) -> Callable[..., None]:
    def hook(_: Any, pointer: int) -> None:
        with _guarded():
            calls.run(lib.ahoy_error_user_data(pointer), function, read_error(pointer))

    return hook


def event_hook(function: OnEvent, deliver: Deliver) -> Callable[..., None]:
    def tell(event: ClientEvent) -> None:
        with _guarded(Exception):
            function(event)

    def hook(_: Any, pointer: int) -> None:
        with _guarded():
            deliver(tell, read_event(pointer))

    return hook


def read_event(pointer: int) -> ClientEvent:
    """What an ahoy_event says."""
    moment = lib.ahoy_event_time_ms(pointer) / 1000
    return ClientEvent(
        kind=lib.ahoy_event_kind(pointer),
        time=datetime.datetime.fromtimestamp(moment, datetime.timezone.utc),
        endpoint=decode(lib.ahoy_event_endpoint_url(pointer)),
        text=decode(lib.ahoy_event_text(pointer)),
    )


def log_hook(logger: Union[logging.Logger, "logging.LoggerAdapter[Any]"], deliver: Deliver) -> Callable[..., None]:
    def tell(level: int, part: str, message: str) -> None:
        with _guarded(Exception):
            logger.log(_LEVELS.get(level, logging.INFO), "%s: %s", part, message)

    def hook(_: Any, level: int, part: bytes, message: bytes) -> None:
        with _guarded():
            deliver(tell, level, decode(part), decode(message))

    return hook


def log_level(logger: Union[logging.Logger, "logging.LoggerAdapter[Any]"]) -> int:
    """The library's level for a logger: the lowest severity that it passes on."""
    if not hasattr(logger, "getEffectiveLevel"):
        raise TypeError(f"logger is a logging.Logger, and not {logger!r}")
    wanted = logger.getEffectiveLevel()
    fitting = [number for number, level in _LEVELS.items() if level >= wanted]
    return max(fitting, default=1)


class _guarded:
    """Sends what a hook raises to the log: C has no way to pass it on. A loop has one for what ends a program."""

    def __init__(self, kinds: type[BaseException] = BaseException) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        if not isinstance(error, self._kinds):
            return False
        note(error)
        logging.getLogger("ahoy").error("a hook raised", exc_info=error)
        return True

"""The exceptions. Each carries the status by name and number, and what was tried."""

from __future__ import annotations

import builtins
import ctypes
import itertools
from typing import TYPE_CHECKING, Any, NoReturn

from ._library import lib
from .attempts import Attempt

if TYPE_CHECKING:
    from .response import Response


class Error(Exception):
    """The call failed, or an argument was wrong. `str(error)` lists every attempt."""

    code: str = "AHOY_E_INTERNAL"
    """The status by name, which never changes its meaning."""
    status: int = 900
    """The same as a number."""
    retryable: bool = False
    """Whether the same call may well succeed later."""
    ambiguous: bool = False
    """Whether the request may have been carried out."""
    attempts: tuple[Attempt, ...] = ()
    """What was tried, in order: the first 64 are kept."""
    response: Response | None = None
    """The answer, where `fail_on_status` or `raise_for_status` made an error of it."""


class InvalidArgumentError(Error, ValueError):
    """An argument, a header or a setting was refused; the text names it."""


class UnknownOptionError(InvalidArgumentError):
    """No setting has this name; the text names the nearest."""


class InUseError(Error, RuntimeError):
    """The object is in use and can no longer be changed."""


class WouldDeadlockError(Error, RuntimeError):
    """A hook, a provider or a balancer made a call that waits, on the thread that would have to carry it."""


class ClosedError(Error, RuntimeError):
    """The client was closed."""


class ForkedError(Error, RuntimeError):
    """The object belongs to the process that this one was forked from."""


class NoEndpointsError(Error, builtins.ConnectionError):
    """No endpoint is known, or none of them admits a request."""


class DiscoveryError(NoEndpointsError):
    """The list of hosts could not be had."""


class ConnectError(Error, builtins.ConnectionError):
    """No connection could be made."""


class ResolveError(ConnectError):
    """A name has no address."""


class TLSError(ConnectError):
    """The server could not be verified, or speaks another TLS."""


class ConnectionLostError(Error, builtins.ConnectionError):
    """The connection ended before the answer was whole."""


class ProtocolError(Error):
    """The server does not speak HTTP as it should."""


class TimeoutError(Error, builtins.TimeoutError):
    """An attempt took longer than its limit."""


class ConnectTimeoutError(TimeoutError, ConnectError):
    """No connection could be made in time."""


class DeadlineError(TimeoutError):
    """The call as a whole took longer than its limit."""


class CancelledError(Error):
    """The call was cancelled."""


class BodyTooLargeError(Error):
    """The answer is larger than `max_body`."""


class StatusError(Error):
    """The answer has a status of 400 or above: `http_status`. Its `response` is the answer, unless that is streamed."""

    http_status: int = 0
    """The status of the answer, such as 404; `status` is the library's number for this kind of error."""


class OverloadedError(Error):
    """This client has too many calls under way."""


class CircuitOpenError(NoEndpointsError):
    """The circuits of all endpoints are open."""


class HookRefusedError(Error):
    """A hook refused the request; `__cause__` is what it raised."""


class BodySourceError(Error):
    """The iterator of the request's body failed; `__cause__` is what it raised."""


class AttemptError(Exception):
    """One attempt of a failed call, in the chain of causes."""


_CLASSES: dict[str, type[Error]] = {
    "AHOY_E_INVALID_ARGUMENT": InvalidArgumentError,
    "AHOY_E_UNKNOWN_OPTION": UnknownOptionError,
    "AHOY_E_IN_USE": InUseError,
    "AHOY_E_WOULD_DEADLOCK": WouldDeadlockError,
    "AHOY_E_CLOSED": ClosedError,
    "AHOY_E_FORKED": ForkedError,
    "AHOY_E_DISCOVERY": DiscoveryError,
    "AHOY_E_NO_ENDPOINTS": NoEndpointsError,
    "AHOY_E_RESOLVE": ResolveError,
    "AHOY_E_CONNECT": ConnectError,
    "AHOY_E_CONNECT_TIMEOUT": ConnectTimeoutError,
    "AHOY_E_TLS": TLSError,
    "AHOY_E_CONNECTION_LOST": ConnectionLostError,
    "AHOY_E_PROTOCOL": ProtocolError,
    "AHOY_E_TIMEOUT": TimeoutError,
    "AHOY_E_DEADLINE": DeadlineError,
    "AHOY_E_CANCELLED": CancelledError,
    "AHOY_E_BODY_TOO_LARGE": BodyTooLargeError,
    "AHOY_E_HTTP_STATUS": StatusError,
    "AHOY_E_OVERLOADED": OverloadedError,
    "AHOY_E_HOOK_REFUSED": HookRefusedError,
    "AHOY_E_BODY_SOURCE": BodySourceError,
}


def read_attempts(attempt_at: Any, owner: Any) -> tuple[Attempt, ...]:
    """Those that an ahoy_response or ahoy_error has kept, which may be fewer than it counts."""
    pointers = (attempt_at(owner, index) for index in itertools.count())
    return tuple(_read_attempt(pointer) for pointer in itertools.takewhile(bool, pointers))


def _read_attempt(pointer: int) -> Attempt:
    """What an ahoy_attempt says."""
    return Attempt(
        url=_text(lib.ahoy_attempt_url(pointer)),
        code=_text(lib.ahoy_status_name(lib.ahoy_attempt_status(pointer))),
        http_status=lib.ahoy_attempt_http_status(pointer),
        elapsed=lib.ahoy_attempt_elapsed_us(pointer) / 1e6,
        detail=_text(lib.ahoy_attempt_detail(pointer)),
        opened_circuit=lib.ahoy_attempt_opened_circuit(pointer),
        hedge=lib.ahoy_attempt_is_hedge(pointer),
        ambiguous=lib.ahoy_attempt_is_ambiguous(pointer),
        protocol=_text(lib.ahoy_attempt_protocol(pointer)),
        remote_address=_text(lib.ahoy_attempt_remote_address(pointer)),
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


_WAY_OUT = (
    "hooks, providers and balancers make no calls that wait: have what they need, such as a token, ready before the call,"
    " or renew it in a thread of your own"
)
_OPEN_CIRCUITS = ("circuits are open", "circuit of the one endpoint is open")


def _class_of(code: str, message: str) -> type[Error]:
    if code == "AHOY_E_NO_ENDPOINTS" and any(words in message for words in _OPEN_CIRCUITS):
        return CircuitOpenError
    return _CLASSES.get(code, Error)


class Failure(ctypes.c_void_p):
    """Where a function puts its ahoy_error, which is freed with this."""

    def __del__(self) -> None:
        if self.value:
            lib.ahoy_error_free(self.value)


def take_error(failure: Failure) -> Error:
    """An ahoy_error as an exception."""
    return read_error(failure.value) if failure.value else Error("libahoy gave no reason")


def read_error(pointer: int) -> Error:
    """The same, leaving the handle to its owner."""
    status: int = lib.ahoy_error_status(pointer)
    code = _text(lib.ahoy_status_name(status))
    message = _text(lib.ahoy_error_message(pointer))
    if code == "AHOY_E_WOULD_DEADLOCK":
        message = f"{message}; {_WAY_OUT}"
    error = _class_of(code, message)(message)
    error.code, error.status = code, status
    error.retryable = lib.ahoy_error_is_retryable(pointer)
    error.ambiguous = lib.ahoy_error_is_ambiguous(pointer)
    error.attempts = read_attempts(lib.ahoy_error_attempt_at, pointer)
    error.__cause__ = _chain(error.attempts)
    answer = lib.ahoy_error_response(pointer)
    if answer:
        from .response import copied

        error.response = copied(answer)
        if isinstance(error, StatusError):
            error.http_status = error.response.status
    return error


def _chain(attempts: tuple[Attempt, ...]) -> AttemptError | None:
    """The failed attempts as a chain of causes, the last one first."""
    cause: AttemptError | None = None
    for attempt in attempts:
        link = AttemptError(str(attempt))
        link.__cause__ = cause
        cause = link
    return cause


def raise_error(failure: Failure) -> NoReturn:
    """Raises an ahoy_error."""
    raise take_error(failure)


def not_open(what: Any) -> ClosedError:
    """What is raised where an object is used after its end."""
    error = ClosedError(f"{what} is closed")
    error.code, error.status = "AHOY_E_CLOSED", 104
    return error


def waits_for_itself(what: str) -> WouldDeadlockError:
    """What is raised where a wait would be for the very thread that waits."""
    error = WouldDeadlockError(what)
    error.code, error.status = "AHOY_E_WOULD_DEADLOCK", 103
    return error

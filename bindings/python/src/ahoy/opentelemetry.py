"""Traces for OpenTelemetry: a span for each call, and below it one for each of its attempts.

    client = ahoy.Client(hosts, tracing=ahoy.opentelemetry.Tracing())

The spans of attempts are HTTP client spans by the semantic conventions, and their ids go to the servers by the propagator
that the program has set. The span around them is internal, with the call's outcome.
"""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from typing import Any, Iterator
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from . import errors
from ._handle import decode
from ._library import lib
from .hooks import HookRequest
from .request import Request
from .version import __version__

_SCHEMA = "https://opentelemetry.io/schemas/1.27.0"


class _Call:
    """A call under way: its span, the context that its attempts begin in, and theirs by number."""

    __slots__ = ("span", "context", "attempts")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.context = trace.set_span_in_context(span)
        self.attempts: dict[int, tuple[Span, int]] = {}


class Tracing:
    """Makes the spans of the clients that it is given to."""

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        """:param tracer_provider: where spans go; the program's global one by default"""
        self._tracer = trace.get_tracer("ahoy", __version__, tracer_provider, _SCHEMA)
        self._calls: dict[int, _Call] = {}

    @contextmanager
    def call(self, request: Request) -> Iterator[None]:
        """Around the sending of a request."""
        method = request.method
        number = request.number
        attributes = {"http.request.method": method, "url.path": _path(request.path)}
        span = self._tracer.start_span(f"call {method}", contexts.get_current(), SpanKind.INTERNAL, attributes)
        self._calls[number] = call = _Call(span)
        try:
            yield
        except BaseException as error:
            _fail(span, error.code if isinstance(error, errors.Error) else type(error).__qualname__, str(error))
            raise
        finally:
            del self._calls[number]
            for attempt, _ in call.attempts.values():
                # Those of a call that was given up, which the library ends later.
                _fail(attempt, "AHOY_E_CANCELLED", "")
                attempt.end()
            span.end()

    def begin_attempt(self, request: HookRequest) -> None:
        """Before an attempt: begins its span, and tells it to the server."""
        call = self._calls.get(request.call_number)
        if call is None:
            return
        url = urlsplit(request.endpoint)
        attributes: dict[str, Any] = {
            "http.request.method": request.method,
            "url.full": request.endpoint + _path(request.path),
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
        }
        if request.attempt > 1:
            attributes["http.request.resend_count"] = request.attempt - 1
        span = self._tracer.start_span(request.method, call.context, SpanKind.CLIENT, attributes)
        call.attempts[request.attempt] = span, time.time_ns()
        fields: dict[str, str] = {}
        propagate.inject(fields, trace.set_span_in_context(span, call.context))
        for name, value in fields.items():
            request.set_header(name, value)

    def end_call(self, response: int | None, error: int | None) -> None:
        """After a call: ends the spans of its attempts, whose times and outcomes it tells."""
        number, attempt_at = lib.ahoy_error_user_data(error), lib.ahoy_error_attempt_at
        if response:
            number, attempt_at = lib.ahoy_response_user_data(response), lib.ahoy_response_attempt_at
        call = self._calls.get(number or 0)
        if call is None:
            return
        for index in itertools.count():
            attempt = attempt_at(response or error, index)
            if not attempt:
                break
            begun = call.attempts.pop(lib.ahoy_attempt_number(attempt), None)
            if begun is not None:
                _end(*begun, attempt)
        call.span.set_attribute("ahoy.attempts", index)
        status: int = lib.ahoy_response_status(response)
        if status:
            call.span.set_attribute("http.response.status_code", status)
        if status >= 400:
            _fail(call.span, str(status), "")


def _end(span: Span, began: int, attempt: int) -> None:
    peer, _, port = decode(lib.ahoy_attempt_remote_address(attempt)).rpartition(":")
    if peer:
        span.set_attributes({"network.peer.address": peer.strip("[]"), "network.peer.port": int(port)})
    protocol = decode(lib.ahoy_attempt_protocol(attempt)).rpartition("/")
    if protocol[2]:
        span.set_attributes({"network.protocol.name": "http", "network.protocol.version": protocol[2]})
    if lib.ahoy_attempt_is_hedge(attempt):
        span.set_attribute("ahoy.hedge", True)
    status: int = lib.ahoy_attempt_http_status(attempt)
    if status:
        span.set_attribute("http.response.status_code", status)
    if not status:
        code = decode(lib.ahoy_status_name(lib.ahoy_attempt_status(attempt)))
        _fail(span, code, decode(lib.ahoy_attempt_detail(attempt)))
    elif status >= 400:
        _fail(span, str(status), "")
    span.end(began + lib.ahoy_attempt_elapsed_us(attempt) * 1000)


def _fail(span: Span, kind: str, description: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, description or None))


def _path(path: str) -> str:
    """A path without its query, which may hold secrets; of an absolute URL, its path."""
    return urlsplit(path).path if "://" in path else path.partition("?")[0]

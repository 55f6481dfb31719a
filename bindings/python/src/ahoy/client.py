"""The client for programs with threads."""

from __future__ import annotations

import contextlib
import ctypes
import json as json_module
import logging
import os
import pathlib
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, TypeVar, Union

from . import _callbacks, errors
from ._bodies import Drawn, Room
from ._callbacks import keep, plain
from ._greenlets import hub_queue
from ._handle import Handle, NotCopied, check, flag, given, milliseconds, take, text
from ._heard import heard
from ._library import lib
from .balancer import Balancer, Hosts, chosen_balancer
from .headers import Auth, HeaderInput, authorized, encoded, pairs
from .hooks import (
    CallsUnderWay,
    Deliver,
    OnError,
    OnEvent,
    OnRequest,
    OnResponse,
    at_once,
    call_end_hook,
    error_hook,
    event_hook,
    log_hook,
    log_level,
    request_hook,
    response_hook,
    traced_request,
)
from .request import Content, Data, Key, Params, Request, build
from .response import SLICE_MS, Response, StreamedResponse
from .retry import Retry, rules
from .settings import Settings, apply, seconds
from .statistics import Sample, samples
from .tracing import Tracing

if TYPE_CHECKING:
    from ._gevent import HubQueue
    from ._options import BodyOptions, CallOptions, StreamOptions, Unpack
    from .asynchronous import AsyncStreamedResponse

_Client = TypeVar("_Client", bound="Client")
_Stream = TypeVar("_Stream", StreamedResponse, "AsyncStreamedResponse")
Pem = Union[str, bytes, bytearray, memoryview, "os.PathLike[str]"]
# How often a close looks whether calls have ended, in seconds.
_LOOKS_EVERY = 0.005
_FORMATS = {"openmetrics": 0, "prometheus": 1}


class BaseClient(NotCopied):
    """What the clients for threads and for asyncio have in common: how they are set up, and what they tell."""

    def __init__(
        self,
        hosts: Union[Hosts, Balancer, None] = None,
        *,
        config: Union[str, Mapping[str, Any], None] = None,
        base_url: str | None = None,
        balancer: Union[str, Callable[[int], int]] = "p2c",
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        connect_timeout: float | None = None,
        retry: Union[Retry, int, bool, None] = None,
        headers: HeaderInput = None,
        auth: Auth = None,
        verify: Union[bool, Pem] = True,
        cert: tuple[Pem, Pem] | None = None,
        resilient: bool = False,
        options: Settings | None = None,
        balancer_options: Settings | None = None,
        on_request: OnRequest | None = None,
        on_response: OnResponse | None = None,
        on_error: OnError | None = None,
        on_event: OnEvent | None = None,
        logger: Union[logging.Logger, "logging.LoggerAdapter[Any]", None] = None,
        tracing: Tracing | None = None,
        warn_unclosed: bool = True,
    ) -> None:
        """
        :param hosts: hosts such as `"10.0.0.7:80"`, a function that gives them, a registry's URL, or a Balancer;
            without it, requests have absolute URLs
        :param config: everything as one text or mapping, see docs/configuration.md; what is passed beside it counts more
        :param base_url: what paths are relative to, for a client without hosts
        :param balancer: the balancing algorithm, see Balancer
        :param timeout: seconds for a whole call, 30 by default; `float("inf")` for no limit
        :param attempt_timeout: seconds after which a call looks elsewhere; follows the service by default
        :param connect_timeout: seconds for resolving, TCP and TLS together
        :param retry: a Retry, a number of tries, or False for none
        :param headers: fields of every request
        :param auth: user and password, for Basic
        :param verify: True for the platform's certificates, or a PEM file or its bytes to trust beside them
        :param cert: certificate and key of this client, as PEM files or their bytes
        :param resilient: hedges, outlier detection, slow start and limits, as the library recommends
        :param options: any further setting by key, see docs/options.md
        :param balancer_options: the same for the balancer
        :param on_request: called before each attempt, with the context variables of its call and perhaps on a thread of
            the library; what it raises refuses the request
        :param on_response: called after each attempt that got an answer, with that answer, whatever its status
        :param on_error: called after each attempt that got none, with its error; of a call that is refused without an
            attempt, as while circuits are open, no hook is told
        :param on_event: called when a circuit opens and the like: of an AsyncClient in its loop, else on any thread
        :param logger: gets the library's messages, on the same threads; `logging.getLogger("ahoy")` by default
        :param tracing: is told of calls and attempts, such as `ahoy.opentelemetry.Tracing()`
        :param warn_unclosed: whether a client that is dropped without `close` warns by a ResourceWarning
        """
        for name, hook in {"on_request": on_request, "on_response": on_response, "on_error": on_error, "on_event": on_event}.items():
            if hook is not None:
                plain(name, hook)
        for name, switch in {"resilient": resilient, "warn_unclosed": warn_unclosed}.items():
            flag(name, switch)
        if verify is False:
            raise ValueError("TLS is always verified: pass the PEM file of the server's authority as verify")
        has_hooks = any(hook is not None for hook in (on_request, on_response, on_error, tracing))
        self._calls: CallsUnderWay | None = CallsUnderWay() if has_hooks else None
        builder = Handle(lib.ahoy_client_builder_new(), lib.ahoy_client_builder_free)
        pointer = builder.pointer or 0
        if config is not None:
            check(lib.ahoy_client_builder_set_config, pointer, _json(config))
        self._balancer = chosen_balancer(hosts, balancer, balancer_options)
        if self._balancer is not None:
            if resilient:
                check(lib.ahoy_balancer_use_resilient_profile, self._balancer.pointer)
            check(lib.ahoy_client_builder_set_balancer, pointer, self._balancer.pointer)
        if base_url is not None:
            check(lib.ahoy_client_builder_set_base_url, pointer, given("base_url", base_url))
        if resilient:
            check(lib.ahoy_client_builder_use_resilient_profile, pointer)
        for name, value in authorized(pairs(headers), auth):
            check(lib.ahoy_client_builder_add_header, pointer, encoded(name), encoded(value))
        limits = (("timeout", timeout), ("attempt_timeout", attempt_timeout), ("connect_timeout", connect_timeout))
        apply(lib.ahoy_client_builder_set, pointer, {key: seconds(key, v) for key, v in limits if v is not None})
        apply(lib.ahoy_client_builder_set, pointer, rules(retry))
        apply(lib.ahoy_client_builder_set, pointer, options)
        self._trust(pointer, verify, cert)
        self._tracing = tracing
        if tracing is not None:
            on_request = traced_request(tracing, on_request)
            ended = call_end_hook(tracing, self._calls or CallsUnderWay())
            check(lib.ahoy_client_builder_on_call_end, pointer, *keep(("ahoy_call_end_fn", ended)))
        self._hook(pointer, on_request, on_response, on_error)
        self._listen(pointer, logger or logging.getLogger("ahoy"), on_event)
        self._handle: Handle | None = take(lib.ahoy_client_free, lib.ahoy_client_builder_build, pointer)
        self._closed, self._closing = False, threading.Lock()
        # The process and thread of each call that blocks.
        self._callers: list[tuple[int, int]] = []
        # Those that are held, for a close ends them.
        self._streams: set[weakref.ref[Any]] = set()
        bases = {"hosts", "provider", "base_url"}
        self.takes_paths = bool(self._balancer or base_url or (config is not None and bases & set(self.settings)))
        """Whether requests have paths; absolute URLs else."""
        self._process = os.getpid() if warn_unclosed else 0

    def _trust(self, builder: int, verify: Union[bool, Pem], cert: tuple[Pem, Pem] | None) -> None:
        if verify is not True:
            pem = _pem(verify)
            check(lib.ahoy_client_builder_add_ca_pem, builder, pem, len(pem))
        if cert is not None:
            if not isinstance(cert, tuple) or len(cert) != 2:
                raise TypeError("cert is a pair of certificate and key")
            chain, key = _pem(cert[0]), _pem(cert[1])
            check(lib.ahoy_client_builder_set_client_certificate_pem, builder, chain, len(chain), key, len(key))

    def _hook(
        self,
        builder: int,
        on_request: OnRequest | None,
        on_response: OnResponse | None,
        on_error: OnError | None,
    ) -> None:
        # Of the client the hooks keep only the list of its calls: a cycle would keep the client alive.
        calls = self._calls or CallsUnderWay()
        if on_request is not None:
            hook = keep(("ahoy_request_fn", request_hook(on_request, calls)))
            check(lib.ahoy_client_builder_on_request, builder, *hook)
        if on_response is not None:
            hook = keep(("ahoy_response_fn", response_hook(on_response, calls)))
            check(lib.ahoy_client_builder_on_response, builder, *hook)
        if on_error is not None:
            check(lib.ahoy_client_builder_on_error, builder, *keep(("ahoy_error_fn", error_hook(on_error, calls))))

    def _listen(
        self, builder: int, logger: Union[logging.Logger, "logging.LoggerAdapter[Any]"], on_event: OnEvent | None
    ) -> None:
        deliver = self._delivery()
        hook = keep(("ahoy_log_fn", log_hook(logger, deliver)))
        check(lib.ahoy_client_builder_on_log, builder, log_level(logger), *hook)
        if on_event is not None:
            hook = keep(("ahoy_event_fn", event_hook(on_event, deliver)))
            check(lib.ahoy_client_builder_on_event, builder, *hook)

    def _delivery(self) -> Deliver:
        """How messages and events reach the program."""
        return at_once

    @property
    def _pointer(self) -> Handle:
        """The handle itself, so that a call keeps it beside a close in another thread."""
        handle = self._handle
        if self._closed or handle is None:
            raise errors.not_open("the client")
        return handle

    @property
    def balancer(self) -> Balancer | None:
        """The balancer, or None for a client of absolute URLs or a base URL; of `config` or a change the present one."""
        if self._balancer is not None:
            return self._balancer
        try:
            return Balancer.of_client(self._pointer)
        except errors.Error as error:
            if error.code != "AHOY_E_UNSUPPORTED":
                raise
            return None

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration in effect, in the form that `config` takes; secrets are masked."""
        found: dict[str, Any] = json_module.loads(text(lib.ahoy_client_config_text, self._pointer))
        return found

    def reconfigure(self, config: Union[str, Mapping[str, Any]]) -> None:
        """Replaces the configuration, all of it or, with any fault, nothing. Calls under way keep theirs.

        Hosts and balancer can be replaced where `config` made the client: else the balancer's own handle has it as well.
        """
        check(lib.ahoy_client_reconfigure, self._pointer, _json(config))

    def statistics(self) -> list[Sample]:
        """Everything that the client counts; docs/statistics.md has the names."""
        snapshot = take(lib.ahoy_snapshot_free, lib.ahoy_client_snapshot, self._pointer)
        return samples(snapshot.pointer or 0)

    def metrics(self, format: str = "openmetrics", *, others: Iterable[BaseClient] = ()) -> str:
        """The same as text for Prometheus: `openmetrics`, or `prometheus` for its older format.

        With `others` the text has what these clients count as well; the option `name` tells the series apart.
        """
        snapshot = take(lib.ahoy_snapshot_free, lib.ahoy_client_snapshot, self._pointer)
        if format not in _FORMATS:
            raise ValueError(f"a format is openmetrics or prometheus, and not {format!r}")
        for other in others:
            check(lib.ahoy_snapshot_add_client, snapshot.pointer, other._pointer)
        return text(lib.ahoy_snapshot_text, snapshot, _FORMATS[format])

    @contextlib.contextmanager
    def _telling(self, request: Request) -> Iterator[None]:
        """Around a call: its error has what its body or its hook raised as its cause."""
        calls, refusal = self._calls, None
        if calls is not None:
            calls.begin(request.number)
        try:
            yield
        except errors.Error as error:
            if calls is not None:
                refusal = calls.end(request.number)
            raised = request.raised() or refusal
            if isinstance(raised, (KeyboardInterrupt, SystemExit)):
                raise raised
            raise error from (raised or error.__cause__)
        finally:
            if calls is not None:
                calls.end(request.number)

    def __del__(self) -> None:
        # In a forked child it is the parent's to close.
        if not getattr(self, "_closed", True) and self._process == os.getpid():
            message = f"{type(self).__name__} was not closed: use it in a with block"
            warnings.warn(message, ResourceWarning, source=self)

    def _held(self, response: _Stream) -> _Stream:
        """Notes a stream, which ends with the client."""
        self._streams.add(weakref.ref(response, self._streams.discard))
        if self._closed:
            response.close()
        return response

    def _finish(self, timeout: float) -> None:
        """Closes the client in the library: refuses new calls, ends streams, waits for calls under way, ends the rest."""
        limit = milliseconds("timeout", timeout)
        with self._closing:
            if self._closed:
                return
            handle, self._closed = self._pointer, True
        left = 0
        try:
            self._end_streams()
            left = self._left(limit)
        finally:
            # It is freed with the last call that uses it.
            self._handle = None
            # Where Ctrl-C ended the wait, calls end at once.
            check(lib.ahoy_client_close, handle, left)

    def _end_streams(self) -> None:
        for held in list(self._streams):
            response = held()
            if response is not None:
                response.close()

    def _left(self, limit_ms: int) -> int:
        """What is left of the time for closing where the binding itself has waited."""
        return limit_ms


class Client(BaseClient):
    """A client whose methods wait for the answer. Any number of threads may use it at once; it survives a fork."""

    def get(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a GET. See `request` for the options."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a HEAD."""
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends an OPTIONS."""
        return self.request("OPTIONS", path, **options)

    def delete(self, path: str, **options: Unpack[CallOptions]) -> Response:
        """Sends a DELETE."""
        return self.request("DELETE", path, **options)

    def post(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
        """Sends a POST."""
        return self.request("POST", path, content=content, **options)

    def put(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
        """Sends a PUT."""
        return self.request("PUT", path, content=content, **options)

    def patch(self, path: str, content: Content = None, **options: Unpack[BodyOptions]) -> Response:
        """Sends a PATCH."""
        return self.request("PATCH", path, content=content, **options)

    def request(
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
        """Sends a request and waits for its answer, whatever its status.

        :param path: path and query, or an absolute URL for a client without hosts
        :param params: query parameters to add
        :param content: bytes, text, a file, or an iterable of bytes that is drawn while it is sent, here or by an
            AsyncClient in a thread beside the loop
        :param data: form fields in place of content; bytes and text are taken as content
        :param json: a value to send as JSON in place of content
        :param timeout: seconds for this call
        :param auth: user and password, for Basic
        :param idempotent: whether it may be carried out twice; follows the method by default
        :param criticality: 0 to 3; under overload, larger numbers are shed first
        :param group: calls of a group have limits of their own
        :param hash_key: the key for balancers that keep keys together
        """
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
        return Response(self._send(request), request)

    def stream(self, method: str, path: str, **options: Unpack[StreamOptions]) -> StreamedResponse:
        """Sends a request and returns when the head of the answer came; the body is read as it comes.

        Takes what `request` takes, and `idle_timeout`: seconds for each piece of the body. Use it in a `with` block, whose
        end ends the exchange.
        """
        request = build(method, path, streamed=True, **options)
        return self._held(StreamedResponse(self._send(request), request))

    def _send(self, request: Request) -> Handle:
        if request.fed is not None:
            raise TypeError("an asynchronous body needs an AsyncClient")
        if self._tracing is None:
            return self._sent(request)
        with self._tracing.call(request):
            return self._sent(request)

    def _sent(self, request: Request) -> Handle:
        caller = (os.getpid(), threading.get_ident())
        self._callers.append(caller)
        try:
            with self._telling(request):
                queue = hub_queue()
                if queue is not None:
                    return self._answer_in(queue, request)
                with heard(tells_attempts=True):
                    return self._answer(request)
        finally:
            self._callers.remove(caller)

    def _answer(self, request: Request) -> Handle:
        answer, error, was_ending = Handle(None, lib.ahoy_response_free), errors.Failure(), _callbacks.is_ending
        if request.drawn is not None:
            status = self._send_drawn(request, request.drawn, answer, error)
        elif threading.current_thread() is threading.main_thread():
            status = self._send_in_slices(request, answer, error)
        else:
            status = lib.ahoy_client_send(self._pointer, request.pointer, answer.place, ctypes.byref(error))
        if status != 0:
            _callbacks.fall_silent(was_ending)
            errors.raise_error(error)
        return answer

    def _answer_in(self, queue: HubQueue, request: Request) -> Handle:
        """Holds the calling greenlet alone; its body is drawn there too."""
        body, go_on = request.drawn, False
        try:
            answered = queue.run(queue.submitted(self._pointer, request))
            go_on = request.streamed
        finally:
            if body is not None and not go_on:
                body.leave()
        return answered or Handle(None, lib.ahoy_response_free)

    def _send_in_slices(self, request: Request, answer: Handle, error: errors.Failure) -> int:
        """Waits in short pieces, after each of which Python runs its signal handlers: only this thread has them."""
        call = take(lib.ahoy_call_free, lib.ahoy_client_start, self._pointer, request.pointer)
        while True:
            status: int = lib.ahoy_call_wait(call.pointer, SLICE_MS, answer.place, ctypes.byref(error))
            if status != 0 or answer.pointer:
                return status

    def _send_drawn(self, request: Request, body: Drawn, answer: Handle, error: errors.Failure) -> int:
        """Draws a body here while a thread of the library sends it: on that no code of the program may wait."""
        room, go_on = Room(), False
        body.begin(room.tell)
        try:
            call = take(lib.ahoy_call_free, lib.ahoy_client_start, self._pointer, request.pointer)
            while True:
                body.fill()
                if not body.is_drawn and not body.is_wanted:
                    room.wait(SLICE_MS / 1000)
                wait = SLICE_MS if body.is_drawn else 0
                status: int = lib.ahoy_call_wait(call.pointer, wait, answer.place, ctypes.byref(error))
                if status != 0 or answer.pointer:
                    # The head of an answer may come before the server has all of the body: what reads the answer draws on.
                    go_on = request.streamed and status == 0
                    return status
        finally:
            body.begin(lambda: None)
            if not go_on:
                body.leave()

    def _left(self, limit_ms: int) -> int:
        """Waits for the calls of other threads in short pieces, after each of which Python runs its signal handlers, which
        the main thread alone has, or other greenlets. In a callback of a call of its own, the library refuses to wait."""
        queue, here, until = hub_queue(), threading.get_ident(), time.monotonic() + limit_ms / 1000
        if queue is None and here != threading.main_thread().ident:
            return limit_ms
        pause = time.sleep if queue is None else queue.pause
        while True:
            # Those of the process that this one was forked from have no thread here.
            callers = [thread for process, thread in list(self._callers) if process == os.getpid()]
            left = until - time.monotonic()
            if not callers or here in callers or left <= 0:
                return min(max(0, round(left * 1000)), limit_ms)
            pause(min(left, _LOOKS_EVERY))

    def close(self, timeout: float = 5.0) -> None:
        """Refuses new calls, ends streams, waits for calls under way, and ends what is left after `timeout` seconds."""
        self._finish(timeout)

    def __enter__(self: _Client) -> _Client:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # What an exception leaves waits for nobody.
        self.close(5.0 if kind is None else 0)


def _json(config: Union[str, Mapping[str, Any]]) -> bytes:
    if not isinstance(config, (str, Mapping)):
        raise TypeError(f"config is a mapping or text, and not {config!r}")
    return given("config", config if isinstance(config, str) else json_module.dumps(config))


def _pem(value: Union[bool, Pem]) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"a certificate is a file or its bytes, and not {value!r}")
    return pathlib.Path(str(value)).read_bytes()


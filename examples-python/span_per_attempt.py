"""An OpenTelemetry span for each call and for each of its attempts, by hooks and the attempts' own times.

    span_per_attempt.py LIBRARY HEADER URL      (libahoy.so, include/ahoy.ffi.h, a base URL)

The span of an attempt begins in on_request, so that its id goes to the server as `traceparent`. It ends in on_call_end,
which has all attempts with their durations: also those that were cancelled since another one answered first, for which
no hook runs. User data ties both hooks to the call.
"""

import itertools
import sys
import time

import cffi
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, Status, StatusCode


class TracedClient:
    """GETs below a base URL, with a span for the call and one for each attempt."""

    def __init__(self, library, header, base_url, tracer):
        self.ffi = cffi.FFI()
        with open(header) as declarations:
            self.ffi.cdef(declarations.read())
        self.ahoy = self.ffi.dlopen(library)
        self.tracer = tracer
        self.calls = {}
        self.numbers = itertools.count(1)
        # Kept for as long as the client may call them.
        self.before = self.ffi.callback("ahoy_status(void *, ahoy_request *)", self.begin_attempt)
        self.after = self.ffi.callback(
            "void(void *, ahoy_status, const ahoy_response *, const ahoy_error *)", self.end_call
        )
        builder = self.ffi.gc(self.ahoy.ahoy_client_builder_new(), self.ahoy.ahoy_client_builder_free)
        self.do("ahoy_client_builder_set_base_url", builder, base_url.encode())
        self.do("ahoy_client_builder_on_request", builder, self.before, self.ffi.NULL, self.ffi.NULL)
        self.do("ahoy_client_builder_on_call_end", builder, self.after, self.ffi.NULL, self.ffi.NULL)
        self.client = self.made("ahoy_client *", "ahoy_client_builder_build", builder, self.ahoy.ahoy_client_free)

    def get(self, path):
        """The answer's status. Spans are made on the way."""
        request = self.made("ahoy_request *", "ahoy_request_new", b"GET", path.encode(), self.ahoy.ahoy_request_free)
        number = next(self.numbers)
        # A number in place of a pointer: nothing has to be kept alive for it.
        self.do("ahoy_request_set_user_data", request, self.ffi.cast("void *", number), self.ffi.NULL)
        with self.tracer.start_as_current_span(f"call {path}") as span:
            self.calls[number] = (span, {})
            try:
                response = self.made(
                    "ahoy_response *", "ahoy_client_send", self.client, request, self.ahoy.ahoy_response_free
                )
                return self.ahoy.ahoy_response_status(response)
            finally:
                del self.calls[number]

    def begin_attempt(self, _, request):
        call, attempts = self.calls[self.number(self.ahoy.ahoy_request_user_data(request))]
        method = self.text(self.ahoy.ahoy_request_method(request))
        url = self.text(self.ahoy.ahoy_request_endpoint_url(request)) + self.text(self.ahoy.ahoy_request_path(request))
        number = self.ahoy.ahoy_request_attempt_number(request)
        attributes = {"http.request.method": method, "url.full": url}
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        context = trace.set_span_in_context(call)
        span = self.tracer.start_span(method, context, SpanKind.CLIENT, attributes)
        attempts[number] = (span, time.time_ns())
        headers = {}
        inject(headers, trace.set_span_in_context(span))
        for name, value in headers.items():
            self.ahoy.ahoy_request_set_header(request, name.encode(), value.encode(), self.ffi.NULL)
        return 0

    def end_call(self, _, status, response, error):
        ahoy = self.ahoy
        told = (ahoy.ahoy_response_user_data(response), response, ahoy.ahoy_response_attempt_at)
        if status != 0:
            told = (ahoy.ahoy_error_user_data(error), error, ahoy.ahoy_error_attempt_at)
        user_data, outcome, attempt_at = told
        call, attempts = self.calls[self.number(user_data)]
        for index in itertools.count():
            attempt = attempt_at(outcome, index)
            if not attempt:
                break
            self.end_attempt(*attempts.pop(ahoy.ahoy_attempt_number(attempt)), attempt)
        for span, _ in attempts.values():
            span.end()
        if status != 0:
            call.set_status(Status(StatusCode.ERROR, self.text(ahoy.ahoy_status_name(status))))

    def end_attempt(self, span, began, attempt):
        ahoy = self.ahoy
        remote, _, port = self.text(ahoy.ahoy_attempt_remote_address(attempt)).rpartition(":")
        if remote:
            span.set_attributes({"network.peer.address": remote.strip("[]"), "network.peer.port": int(port)})
        status = ahoy.ahoy_attempt_http_status(attempt)
        if status:
            span.set_attribute("http.response.status_code", status)
        failed = self.text(ahoy.ahoy_status_name(ahoy.ahoy_attempt_status(attempt)))
        if status >= 400 or not status:
            span.set_attribute("error.type", str(status) if status else failed)
            span.set_status(Status(StatusCode.ERROR, self.text(ahoy.ahoy_attempt_detail(attempt))))
        span.end(began + ahoy.ahoy_attempt_elapsed_us(attempt) * 1000)

    def number(self, user_data):
        return int(self.ffi.cast("uintptr_t", user_data))

    def text(self, pointer):
        return self.ffi.string(pointer).decode()

    def do(self, function, *arguments):
        err = self.ffi.new("ahoy_error **")
        if getattr(self.ahoy, function)(*arguments, err) != 0:
            error = self.ffi.gc(err[0], self.ahoy.ahoy_error_free)
            raise RuntimeError(self.text(self.ahoy.ahoy_error_message(error)))

    def made(self, kind, function, *arguments):
        *arguments, free = arguments
        place = self.ffi.new(f"{kind}*")
        self.do(function, *arguments, place)
        return self.ffi.gc(place[0], free)


def main(library, header, url):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    print(TracedClient(library, header, url, provider.get_tracer("example")).get("/"))


if __name__ == "__main__":
    main(*sys.argv[1:])

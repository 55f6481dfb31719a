"""Runs examples-python/span_per_attempt.py against a server that fails once: tracing.py LIBRARY."""

import http.server
import os
import socket
import sys
import threading

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "examples-python"))

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from span_per_attempt import TracedClient

seen = []
passed = failed = 0


def check(title, right, said=""):
    global passed, failed
    passed, failed = passed + bool(right), failed + (not right)
    if not right:
        print(f"FAILED: {title}", said)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seen.append(self.headers["traceparent"])
        self.send_response(503 if len(seen) == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
header = os.path.join(ROOT, "include", "ahoy.ffi.h")
client = TracedClient(sys.argv[1], header, f"http://127.0.0.1:{port}", provider.get_tracer("test"))

check("the call is answered", client.get("/orders") == 200)
first, second, call = spans = exporter.get_finished_spans()
check("a span for the call", call.name == "call /orders" and call.parent is None)
check("its attempts are its children", all(it.parent.span_id == call.context.span_id for it in (first, second)))
statuses = [it.attributes["http.response.status_code"] for it in (first, second)]
check("each has its status", statuses == [503, 200], statuses)
check("the second is a resend", second.attributes.get("http.request.resend_count") == 1)
check("the first is an error", not first.status.is_ok and first.attributes["error.type"] == "503")
check("the peer is known", first.attributes["network.peer.port"] == port, first.attributes)
sent = [f"00-{it.context.trace_id:032x}-{it.context.span_id:016x}" for it in (first, second)]
check("the server was told each span", [it[:52] for it in seen] == sent, (seen, sent))
check("they lie in the call", all(call.start_time <= it.start_time <= it.end_time for it in (first, second)))
exporter.clear()
nobody = socket.create_server(("127.0.0.1", 0))
port = nobody.getsockname()[1]
nobody.close()
client = TracedClient(sys.argv[1], header, f"http://127.0.0.1:{port}", provider.get_tracer("test"))
try:
    client.get("/orders")
    check("a call that fails raises", False)
except RuntimeError as error:
    check("a call that fails raises", "AHOY_E_CONNECT" in str(error), error)
*attempts, call = exporter.get_finished_spans()
check("its attempts failed", attempts and all(it.attributes["error.type"] == "AHOY_E_CONNECT" for it in attempts))
check("so did the call", not call.status.is_ok)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)

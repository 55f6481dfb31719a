"""Spans of calls and attempts, by OpenTelemetry's SDK. tests/tracing.sh has an environment with it."""

import asyncio
import unittest

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import ahoy
import ahoy.opentelemetry
from support import Served


class Spans(Served, unittest.TestCase):
    kinds = ("ok", "refuse")

    def setUp(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = ahoy.opentelemetry.Tracing(self.provider)

    def spans(self):
        """The call's span and those of its attempts, in their order."""
        *attempts, call = self.exporter.get_finished_spans()
        self.exporter.clear()
        self.assertEqual(call.kind, trace.SpanKind.INTERNAL)
        self.assertTrue(all(it.kind == trace.SpanKind.CLIENT for it in attempts))
        self.assertTrue(all(it.parent.span_id == call.context.span_id for it in attempts))
        self.assertTrue(all(call.start_time <= it.start_time <= it.end_time for it in attempts))
        return call, sorted(attempts, key=lambda it: it.start_time)

    def client(self, hosts, **options):
        client = ahoy.Client(hosts, timeout=5, tracing=self.tracing, **options)
        self.addCleanup(client.close)
        return client

    def test_a_call_of_two_attempts(self):
        client = self.client(self.hosts[:1], retry=ahoy.Retry(delay=0.001))
        with self.provider.get_tracer("test").start_as_current_span("outer") as outer:
            self.assertEqual(client.get("/flaky?n=1&key=spans").status, 200)
        *attempts, call, _ = self.exporter.get_finished_spans()
        first, second = sorted(attempts, key=lambda it: it.start_time)
        self.assertEqual(call.parent.span_id, outer.get_span_context().span_id)
        self.assertEqual((call.attributes["http.response.status_code"], call.attributes["ahoy.attempts"]), (200, 2))
        self.assertTrue(call.status.is_unset)
        self.assertEqual((first.name, first.attributes["http.response.status_code"]), ("GET", 503))
        self.assertEqual((first.attributes["error.type"], first.status.is_ok), ("503", False))
        self.assertNotIn("http.request.resend_count", first.attributes)
        self.assertEqual(second.attributes["http.request.resend_count"], 1)
        self.assertTrue(second.status.is_unset)
        address, port = "127.0.0.1", self.ports[0]
        self.assertEqual(second.attributes["url.full"], f"http://{address}:{port}/flaky")
        self.assertEqual((second.attributes["server.address"], second.attributes["server.port"]), (address, port))
        self.assertEqual(second.attributes["network.peer.port"], port)
        self.assertEqual(second.attributes["network.protocol.version"], "1.1")

    def test_the_server_is_told_the_attempt(self):
        seen = []
        client = self.client(self.hosts[:1], on_request=lambda request: seen.append(request.attempt))
        fields = {name.lower(): value for name, value in client.get("/echo").json()["headers"]}
        call, (attempt,) = self.spans()
        ids = f"00-{attempt.context.trace_id:032x}-{attempt.context.span_id:016x}"
        self.assertEqual((fields["traceparent"][: len(ids)], seen), (ids, [1]))

    def test_failures(self):
        client = self.client(self.hosts[1:], retry=2)
        with self.assertRaises(ahoy.ConnectError):
            client.get("/ok?secret=1")
        call, attempts = self.spans()
        self.assertEqual((call.attributes["error.type"], call.attributes["url.path"]), ("AHOY_E_CONNECT", "/ok"))
        self.assertTrue(attempts)
        self.assertEqual({it.attributes["error.type"] for it in attempts}, {"AHOY_E_CONNECT"})
        self.assertNotIn("secret", str([it.attributes.values() for it in (call, *attempts)]))

    def test_an_answer_of_404(self):
        self.assertEqual(self.client(self.hosts[:1]).get("/status?c=404").status, 404)
        call, (attempt,) = self.spans()
        self.assertEqual((call.attributes["error.type"], attempt.attributes["error.type"]), ("404", "404"))

    def test_asyncio_and_a_cancel(self):
        async def main():
            async with ahoy.AsyncClient(self.hosts[:1], tracing=self.tracing) as client:
                self.assertEqual((await client.get("/ok")).status, 200)
                call, (attempt,) = self.spans()
                self.assertEqual(attempt.attributes["http.response.status_code"], 200)
                async with client.stream("GET", "/drip?n=3&ms=1") as response:
                    await response.aread()
                self.spans()
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.get("/slow?ms=5000"), 0.1)
                call, attempts = self.spans()
                self.assertEqual(call.attributes["error.type"], "CancelledError")
                self.assertEqual([it.attributes["error.type"] for it in attempts], ["AHOY_E_CANCELLED"])

        asyncio.run(main())

    def test_many_at_once_leave_nothing(self):
        async def main():
            async with ahoy.AsyncClient(self.hosts[:1], tracing=self.tracing) as client:
                await asyncio.gather(*(client.get("/ok") for _ in range(200)))

        asyncio.run(main())
        self.assertEqual(len(self.exporter.get_finished_spans()), 400)
        self.assertEqual(self.tracing._calls, {})


if __name__ == "__main__":
    unittest.main()

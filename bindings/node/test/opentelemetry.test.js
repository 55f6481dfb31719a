"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const { before, test } = require("node:test");
const { SpanKind, SpanStatusCode, propagation } = require("@opentelemetry/api");
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { Client } = require("../src/index.js");
const { Tracing } = require("../src/opentelemetry.js");
const { servers } = require("./support.js");

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
// What the package core has for W3C's headers, in the one line that is needed here.
propagation.setGlobalPropagator({
  inject(context, carrier, setter) {
    const span = require("@opentelemetry/api").trace.getSpanContext(context);
    setter.set(carrier, "traceparent", `00-${span.traceId}-${span.spanId}-01`);
  },
  extract: (context) => context,
  fields: () => ["traceparent"],
});

let hosts;
before(async () => {
  hosts = await servers("ok", "refuse");
});

async function traced(given, path, options) {
  exporter.reset();
  const client = new Client(given, { timeout: 5000, tracing: new Tracing(provider) });
  try {
    const response = await client.get(path, options);
    const text = await response.text();
    return { text, span: exporter.getFinishedSpans()[0] };
  } catch (error) {
    return { error, span: exporter.getFinishedSpans()[0] };
  } finally {
    await client.close();
  }
}

test("a call is a span, and its attempts are events", async () => {
  const { span } = await traced(hosts.slice(0, 1), "/flaky?n=1&key=node-spans");
  assert.deepEqual([span.name, span.kind, span.status.code], ["GET", SpanKind.CLIENT, SpanStatusCode.UNSET]);
  assert.equal(span.attributes["url.path"], "/flaky");
  assert.equal(span.attributes["http.response.status_code"], 200);
  assert.equal(span.attributes["http.request.resend_count"], 1);
  assert.equal(span.attributes["server.port"], Number(hosts[0].split(":")[1]));
  assert.deepEqual(span.events.map((event) => event.attributes["http.response.status_code"]), [503, 200]);
});

test("the server is told the span", async () => {
  const { text, span } = await traced(hosts.slice(0, 1), "/echo", { headers: { "x-a": "1" } });
  const fields = Object.fromEntries(JSON.parse(text).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.equal(fields.traceparent, `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`);
  assert.equal(fields["x-a"], "1");
});

test("failures", async () => {
  const { error, span } = await traced(hosts.slice(1), "/ok?secret=1", { timeout: 300 });
  assert.equal(span.attributes["error.type"], error.code);
  assert.equal(span.status.code, SpanStatusCode.ERROR);
  assert.equal(span.events[0].attributes["error.type"], "AHOY_E_CONNECT");
  assert.ok(!JSON.stringify([span.attributes, span.events.map((event) => event.attributes)]).includes("secret"));
  assert.equal((await traced(hosts.slice(0, 1), "/status?c=404")).span.attributes["error.type"], "404");
});

test("any path has a span, and only its path is told", async () => {
  const told = async (given, path, name) => {
    const { error, span } = await traced(given, path);
    assert.equal(error, undefined, name);
    return span.attributes["url.path"];
  };
  const one = hosts.slice(0, 1);
  assert.equal(await told(one, "/ok?next=https://a/b"), "/ok");
  assert.equal(await told(one, "/status/a://b?c=404"), "/status/a://b");
  assert.equal(await told(one, "/ok?a=://"), "/ok");
  assert.equal(await told(null, `HTTP://${one}/ok?next=https://a/b`), "/ok");
  assert.equal(await told(null, `http://${one}?c=1`), "/");
});

test("a signal without a reason, and a host without a port, are told as they are", async (context) => {
  const { error, span } = await traced(hosts.slice(0, 1), "/ok", { signal: AbortSignal.abort(null) });
  assert.deepEqual([error, span.attributes["error.type"]], [null, "_OTHER"]);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ahoy-"));
  const place = path.join(folder, "socket");
  const server = http.createServer((_, answer) => answer.end("hello"));
  await new Promise((resolve) => server.listen(place, resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
    fs.rmSync(folder, { recursive: true });
  });
  assert.equal((await traced([`unix:${place}`], "/")).text, "hello");
});

test("attempts beyond those that are kept count", async (context) => {
  const server = http.createServer((_, answer) => answer.writeHead(503).end());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  exporter.reset();
  const called = async (fail_on_status) => {
    const client = new Client([`127.0.0.1:${server.address().port}`], {
      tracing: new Tracing(provider), tries: 80, options: { retry_delay: "0s", retry_budget: "off", fail_on_status },
      balancerOptions: { breaker_consecutive_failures: "off", breaker_failure_ratio: "off" },
    });
    context.after(() => client.close());
    return client.get("/").catch((error) => error);
  };
  for (const ended of [await called(false), await called(true)]) {
    assert.deepEqual([ended.attempts.length, ended.attemptCount], [64, 80], ended);
  }
  const spans = exporter.getFinishedSpans().map(({ events, attributes }) => [events.length, attributes["http.request.resend_count"]]);
  assert.deepEqual(spans, [[64, 79], [64, 79]]);
});

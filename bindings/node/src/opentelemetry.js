"use strict";

const { SpanKind, SpanStatusCode, context, propagation, trace } = require("@opentelemetry/api");
const { version } = require("../package.json");

/**
 * Traces for OpenTelemetry: `new Client(hosts, { tracing: new Tracing() })`. Each call is an HTTP client span by the
 * semantic conventions, from the request to the answer's head; its id goes to the servers by the propagator that the
 * program has set. Its attempts are events of the span, told when the call ended.
 */
class Tracing {
  #tracer;

  /** The tracer provider is the program's global one by default. */
  constructor(tracerProvider = trace) {
    this.#tracer = tracerProvider.getTracer("ahoy-client", version);
  }

  /** Around the sending of a request, which `send` does with further fields. */
  async call(method, path, send) {
    const attributes = { "http.request.method": method, "url.path": pathOf(String(path)) };
    const span = this.#tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes });
    const fields = {};
    propagation.inject(trace.setSpan(context.active(), span), fields);
    try {
      const response = await send(Object.entries(fields));
      tell(span, response);
      span.setAttribute("http.response.status_code", response.status);
      if (response.status >= 400) fail(span, String(response.status));
      return response;
    } catch (error) {
      // A signal may abort with anything, also with null.
      tell(span, error ?? {});
      fail(span, error?.code ?? error?.name ?? "_OTHER", error?.message);
      throw error;
    } finally {
      span.end();
    }
  }
}

/** Tells of the attempts of an answer or an error. */
function tell(span, { attempts = [], attemptCount = attempts.length }) {
  for (const attempt of attempts) {
    const told = { ...server(attempt.url), "ahoy.elapsed_ms": attempt.elapsed, "ahoy.hedge": attempt.hedge };
    if (attempt.status) told["http.response.status_code"] = attempt.status;
    else told["error.type"] = attempt.code;
    span.addEvent("attempt", told);
  }
  if (attempts.length > 0) span.setAttributes(server(attempts[attempts.length - 1].url));
  if (attemptCount > 1) span.setAttribute("http.request.resend_count", attemptCount - 1);
}

function server(endpoint) {
  const url = new URL(endpoint);
  return { "server.address": url.hostname, "server.port": Number(url.port || (url.protocol === "https:" ? 443 : 80)) };
}

function fail(span, kind, message) {
  span.setAttribute("error.type", kind);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** A path without its query, which may hold secrets, as may the host of a whole URL. */
function pathOf(path) {
  return path.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "") || "/";
}

module.exports = { Tracing };

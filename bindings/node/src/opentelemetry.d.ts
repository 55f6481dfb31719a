import type { TracerProvider } from "@opentelemetry/api";
import type { Response } from "./index.js";

/** Traces for OpenTelemetry: a span for each call, with its attempts as events. */
export class Tracing {
  /** The tracer provider is the program's global one by default. */
  constructor(tracerProvider?: TracerProvider);
  call(method: string, path: string | URL, send: (fields: [string, string][]) => Promise<Response>): Promise<Response>;
}

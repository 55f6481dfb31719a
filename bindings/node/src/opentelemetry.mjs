import opentelemetry from "./opentelemetry.js";

export const { Tracing } = opentelemetry;

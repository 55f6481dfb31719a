/// <reference types="node" />
import { EventEmitter } from "node:events";

/** One request to one endpoint; `elapsed` is in milliseconds. */
export interface Attempt {
  readonly url: string;
  readonly code: string;
  readonly status: number;
  readonly elapsed: number;
  readonly detail: string;
  readonly openedCircuit: boolean;
  readonly hedge: boolean;
  readonly ambiguous: boolean;
}

/** A call failed, or an argument was wrong. The message lists every attempt. */
export class AhoyError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly ambiguous: boolean;
  /** The first 64. */
  readonly attempts: readonly Attempt[];
  /** How many attempts the call made. */
  readonly attemptCount: number;
  readonly timeout: boolean;
}

export interface Host {
  address: string;
  port: number;
  weight?: number;
  zone?: string;
  priority?: number;
  scheme?: "http" | "https";
  authority?: string;
  serverName?: string;
}

/**
 * Hosts such as "10.0.0.7:80" or "unix:/path", a registry's URL such as "etcd://127.0.0.1:2379/web", or a function that
 * gives hosts. It is asked at once, again every `refresh` milliseconds, and where calls find no host; where it throws, the
 * last list stays. A question without an answer for `refresh`, at least 5 s and at most 60 s, is asked anew.
 */
export type Hosts = string | Iterable<string | Host> | (() => HostList | Promise<HostList>);
export type HostList = Iterable<string | Host>;
export type Settings = Record<string, string | number | boolean | null>;

export interface Endpoint {
  readonly url: string;
  readonly weight: number;
  readonly priority: number;
  readonly zone: string | null;
  readonly state: "closed" | "open" | "half_open";
  readonly available: boolean;
}

export interface ProviderOptions {
  /** Settings of a registry. */
  providerOptions?: Settings;
  /** How many milliseconds the list of a function stands: 30,000 by default, or Infinity. */
  refresh?: number;
}

/** Chooses an endpoint for each attempt. Clients that share one share its circuits. */
export class Balancer {
  constructor(hosts: Hosts, options?: { algorithm?: string; options?: Settings } & ProviderOptions);
  /** Replaces the list of hosts: for programs that watch a registry of their own. Not those of a client's `config`. */
  replace(hosts: Iterable<string | Host>): void;
  /** Asks the function for the hosts again; rejects with what it throws, and where it does not answer. */
  update(): Promise<void>;
  endpoints(): Endpoint[];
  explain(): string;
}

/** Times are in milliseconds. */
export interface ClientOptions {
  /** Everything as one object or JSON text, see docs/configuration.md; what is passed beside it counts more. */
  config?: string | Record<string, unknown>;
  /** p2c (the default), round_robin, random, least_request, maglev, ring_hash, rendezvous, … */
  balancer?: string;
  baseURL?: string | URL;
  /**
   * Bounds a call with all its attempts until its answer's head; 30,000 by default. The body is bounded by
   * `options.body_idle_timeout`, where it brings nothing, and by the call's `signal`, as a whole.
   */
  timeout?: number;
  /**
   * How long an attempt may take before another starts beside it; follows the service by default. A body that brings
   * nothing for as long fails too, except for text/event-stream; where this is not set, 60,000 hold for bodies.
   */
  attemptTimeout?: number;
  connectTimeout?: number;
  /** Attempts that a call may make; 1 for no retries, -1 for no limit. */
  tries?: number;
  headers?: HeadersInput;
  /** PEM to trust beside the platform's certificates. */
  ca?: string | Bytes;
  cert?: string | Bytes;
  key?: string | Bytes;
  /** Hedges, outlier detection, slow start and limits, as the library recommends. */
  resilient?: boolean;
  /** Any further setting by key, see docs/options.md. */
  options?: Settings;
  balancerOptions?: Settings;
  provider?: ProviderOptions;
  /** Makes spans of calls: a Tracing of ahoy-client/opentelemetry. */
  tracing?: {
    call(method: string, path: string | URL, send: (fields: [string, string][]) => Promise<Response>): Promise<Response>;
  };
}

/**
 * By name, as `headers` of node:http too, where what is undefined is not sent; or pairs. Not names and values in turn, such
 * as `rawHeaders` of node:http.
 */
export type HeadersInput = Record<string, string | readonly string[] | undefined> | Iterable<readonly string[]>;
export type Bytes = ArrayBufferView | ArrayBuffer;
export type Body =
  | string | Bytes | URLSearchParams | Blob | FormData | ReadableStream<any>
  | AsyncIterable<Bytes | string> | Iterable<Bytes | string>;

/** What fetch takes besides; where nothing is said of it, it says nothing here. */
export interface FetchOptions {
  cache?: unknown;
  credentials?: unknown;
  dispatcher?: unknown;
  duplex?: unknown;
  /** Not checked: only an empty one is taken. */
  integrity?: string;
  keepalive?: unknown;
  mode?: unknown;
  priority?: unknown;
  /**
   * "manual" is what happens; "error" rejects an answer that is a redirect. "follow", and it alone, is for a client whose
   * option `redirects` has it follow them.
   */
  redirect?: "error" | "follow" | "manual";
  referrer?: unknown;
  referrerPolicy?: unknown;
  window?: unknown;
}

/** All of it is taken when the call is made: what is changed afterwards is not sent. */
export interface RequestOptions extends FetchOptions {
  method?: string;
  headers?: HeadersInput;
  params?: Record<string, string | number | boolean> | Iterable<readonly [string, string]> | URLSearchParams;
  /**
   * Streams are read to their end before anything is sent; `timeout` and the signal end that too. A stream is the call's: one
   * that was read before is refused, and where the call fails it is destroyed.
   */
  body?: Body | null;
  json?: unknown;
  /** Ends the call and its body: `AbortSignal.timeout(2000)` bounds both together. */
  signal?: AbortSignal | null;
  /** Bounds the call until its answer's head; the body is bounded by `signal` and the client's `body_idle_timeout`. */
  timeout?: number;
  /** Bounds each attempt until its answer's head. */
  attemptTimeout?: number;
  idempotent?: boolean;
  criticality?: 0 | 1 | 2 | 3;
  group?: string;
  hashKey?: string | Bytes;
}

/**
 * An answer, shaped like fetch's: its body is read while it comes, and once. What holds it whole rejects with
 * AHOY_E_BODY_TOO_LARGE beyond the client's option `max_body`, 64 MiB by default.
 */
export interface Response extends AsyncIterable<Buffer> {
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  /** The URL that brought the answer: at the endpoint that answered, and after redirects. */
  readonly url: string;
  readonly headers: Headers;
  readonly endpoint: string;
  /** The first 64. */
  readonly attempts: readonly Attempt[];
  /** How many attempts the call made. */
  readonly attemptCount: number;
  readonly bodyUsed: boolean;
  /** Null for 204, 205, 304 and an answer to HEAD, as fetch has it. */
  readonly body: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
  json(): Promise<any>;
  bytes(): Promise<Uint8Array>;
  buffer(): Promise<Buffer>;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  formData(): Promise<FormData>;
  events(): AsyncGenerator<{ event: string; data: string; id: string }>;
  cancel(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ClientEvent {
  readonly kind: number;
  readonly time: Date;
  readonly endpoint: string;
  readonly text: string;
}

/** Sends requests. It emits "event" when a circuit opens and the like. */
export class Client extends EventEmitter {
  constructor(hosts?: Hosts | Balancer | null, options?: ClientOptions);
  /**
   * The balancer, or null for a client of absolute URLs or a base URL. Where `config` or `reconfigure` made it, it is the
   * present one: after a change of it, ask again.
   */
  readonly balancer: Balancer | null;
  fetch(path: string | URL, options?: RequestOptions): Promise<Response>;
  get(path: string | URL, options?: RequestOptions): Promise<Response>;
  head(path: string | URL, options?: RequestOptions): Promise<Response>;
  delete(path: string | URL, options?: RequestOptions): Promise<Response>;
  options(path: string | URL, options?: RequestOptions): Promise<Response>;
  post(path: string | URL, body?: Body | null, options?: RequestOptions): Promise<Response>;
  put(path: string | URL, body?: Body | null, options?: RequestOptions): Promise<Response>;
  patch(path: string | URL, body?: Body | null, options?: RequestOptions): Promise<Response>;
  /** With what other clients count; the option `name` tells the series apart. */
  metrics(...others: Client[]): string;
  /** The configuration in effect; secrets are masked. */
  settings(): Record<string, any>;
  /** Replaces the configuration, all of it or, with any fault, nothing. */
  reconfigure(config: string | Record<string, unknown>): void;
  /** Ends the calls under way. A function of hosts is asked no more, unless another client was given the balancer. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  on(name: "event", listener: (event: ClientEvent) => void): this;
  on(name: string | symbol, listener: (...told: any[]) => void): this;
}

export function libraryVersion(): string;

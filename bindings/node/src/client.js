"use strict";

const diagnostics = require("node:diagnostics_channel");
const { EventEmitter } = require("node:events");
const { inspect } = require("node:util");
const { Handle, apply, check, duration, flag, milliseconds, native, sentValue, string, take, text } = require("./native.js");
const { AhoyError, late, withStack } = require("./errors.js");
const { Balancer } = require("./balancer.js");
const { Queue } = require("./queue.js");
const { Response } = require("./response.js");
const { unlessAborted, until } = require("./signal.js");
const { claim, drawn, isBytes, octets } = require("./upload.js");

const OPTIONS = new Set([
  "config", "balancer", "baseURL", "timeout", "attemptTimeout", "connectTimeout", "tries", "headers", "ca", "cert", "key",
  "resilient", "options", "balancerOptions", "provider", "tracing",
]);
const CALL_OPTIONS = new Set([
  "method", "headers", "params", "body", "json", "signal", "timeout", "attemptTimeout", "idempotent", "criticality", "group",
  "hashKey",
  // What fetch takes besides: these two where they ask for what happens, and the others say nothing here.
  "integrity", "redirect",
  "cache", "credentials", "dispatcher", "duplex", "keepalive", "mode", "priority", "referrer", "referrerPolicy", "window",
]);
/** The statuses that fetch takes for a redirect, with or without a location. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const NO_HOST = new Set(["AHOY_E_NO_ENDPOINTS", "AHOY_E_CONNECT", "AHOY_E_CONNECT_TIMEOUT", "AHOY_E_RESOLVE"]);
/** For how long a call waits for the first list of a function, which a call's own limit shortens. */
const WAIT = 30_000;
/** Milliseconds in the units of a setting. */
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Bytes in the units of a size. */
const SIZES = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const channel = diagnostics.channel("ahoy:event");

/**
 * Sends requests. It emits "event" when a circuit opens and the like; the channel ahoy:event of diagnostics_channel
 * gets the same.
 */
class Client extends EventEmitter {
  /** The balancer that the client was given, or that was made of its hosts; else null. */
  #own;
  #handle;
  #queue;
  #tracing;
  /** The bound on a body that is held whole, once it was asked for. */
  #maxBody = null;
  /** Ends what calls wait for before they are the library's. */
  #closing = new AbortController();

  constructor(hosts, options = {}) {
    super();
    refuseUnknown(OPTIONS, options, "a client");
    if (options.resilient !== undefined) flag("resilient", options.resilient);
    const builder = new Handle(native.ahoy_client_builder_new(), "ahoy_client_builder_free");
    const pointer = builder.pointer;
    const { balancer, timeout, attemptTimeout, connectTimeout, tries, headers, ca, cert, key, resilient } = options;
    this.#own =
      hosts === undefined || hosts === null || hosts instanceof Balancer
        ? hosts || null
        : new Balancer(hosts, { algorithm: balancer, options: options.balancerOptions, ...options.provider });
    this.#tracing = options.tracing;
    const { config } = options;
    if (config !== undefined) {
      check("ahoy_client_builder_set_config", pointer, typeof config === "string" ? config : JSON.stringify(config));
    }
    if (this.#own) {
      if (resilient) check("ahoy_balancer_use_resilient_profile", this.#own.handle.pointer);
      check("ahoy_client_builder_set_balancer", pointer, this.#own.handle.pointer);
    }
    if (resilient) check("ahoy_client_builder_use_resilient_profile", pointer);
    if (options.baseURL !== undefined) check("ahoy_client_builder_set_base_url", pointer, addressed("baseURL", options.baseURL));
    for (const [name, value] of fields(headers)) check("ahoy_client_builder_add_header", pointer, name, sentValue(name, value));
    for (const [name, span] of Object.entries({ timeout, attemptTimeout, connectTimeout })) {
      const key = name.replace("T", "_t");
      if (span !== undefined) apply("ahoy_client_builder_set", pointer, { [key]: duration(name, span) });
    }
    if (tries !== undefined && !Number.isInteger(tries)) throw new TypeError(`tries is a whole number, and not ${inspect(tries)}`);
    if (tries !== undefined) apply("ahoy_client_builder_set", pointer, { retry_tries: tries < 0 ? "unlimited" : tries });
    apply("ahoy_client_builder_set", pointer, options.options);
    if (ca !== undefined) check("ahoy_client_builder_add_ca_pem", pointer, ...bytes("ca", ca));
    if (cert !== undefined) check("ahoy_client_builder_set_client_certificate_pem", pointer, ...bytes("cert", cert), ...bytes("key", key));
    const self = new WeakRef(this);
    this.#queue = new Queue((event) => told(self.deref(), event));
    check("ahoy_client_builder_add_event_queue", pointer, this.#queue.handle.pointer);
    try {
      this.#handle = take("ahoy_client_builder_build", "ahoy_client_free", pointer);
    } catch (error) {
      this.#queue.close();
      throw error;
    } finally {
      builder.free();
    }
    if (hosts instanceof Balancer) hosts.hold();
  }

  /** The balancer, or null for a client of absolute URLs or a base URL; of `config` or a change the present one. */
  get balancer() {
    if (this.#own) return this.#own;
    const client = this.#live();
    try {
      return Balancer.ofClient(client);
    } catch (error) {
      if (error.code !== "AHOY_E_UNSUPPORTED") throw error;
      return null;
    }
  }

  get(path, options) {
    return this.fetch(path, { ...options, method: "GET" });
  }

  head(path, options) {
    return this.fetch(path, { ...options, method: "HEAD" });
  }

  delete(path, options) {
    return this.fetch(path, { ...options, method: "DELETE" });
  }

  options(path, options) {
    return this.fetch(path, { ...options, method: "OPTIONS" });
  }

  post(path, body, options) {
    return this.fetch(path, { ...options, method: "POST", body });
  }

  put(path, body, options) {
    return this.fetch(path, { ...options, method: "PUT", body });
  }

  patch(path, body, options) {
    return this.fetch(path, { ...options, method: "PATCH", body });
  }

  /** Sends a request and gives its answer when the head came, whatever its status. The signal ends the body as well. */
  fetch(path, options = {}) {
    const called = {};
    Error.captureStackTrace(called, this.fetch);
    return this.#claimed(path, options).catch((error) => {
      throw withStack(error, called);
    });
  }

  /** Sends a request whose stream, where it has one, is the call's: it ends with a call that fails, read or not. */
  async #claimed(path, options) {
    const release = claim(options?.body);
    try {
      return await this.#traced(path, options);
    } catch (error) {
      release();
      throw error;
    }
  }

  async #traced(path, options) {
    const asked = new Asked(path, options);
    if (asked.redirect !== undefined) this.#refuseRedirect(asked.redirect);
    if (!this.#tracing) return this.#send(asked);
    asked.keep();
    const send = (further) => this.#send(asked.with(further));
    return this.#tracing.call(asked.method, path, send);
  }

  async #send(asked) {
    const { signal } = asked;
    signal?.throwIfAborted();
    const first = this.#own?.first;
    if (first || asked.draw) await this.#prepare(asked, first);
    const queue = this.#queue;
    const turn = queue.turn();
    if (turn) {
      asked.keep();
      await turn;
    }
    const client = this.#live();
    const maxBody = (this.#maxBody ??= size(this.settings().max_body));
    const request = asked.build();
    try {
      const submit = (tag) => check("ahoy_client_submit", client, request.pointer, queue.handle.pointer, tag);
      const answer = await queue.await(submit, signal);
      if (signal?.aborted) answer.free();
      signal?.throwIfAborted();
      const response = new Response(answer, queue, { signal, method: asked.method, maxBody });
      if (asked.redirect !== "error" || !REDIRECTS.has(response.status)) return response;
      await response.cancel();
      throw new TypeError(`${response.url} answered with a redirect, which redirect: "error" refuses`);
    } catch (error) {
      if (this.#own && NO_HOST.has(error?.code)) this.#own.missed();
      throw error;
    } finally {
      request.free();
    }
  }

  /** Refuses a way with redirects that is not the client's: it would be taken for one that is. */
  #refuseRedirect(way) {
    const { redirects } = this.settings();
    const ways = redirects > 0 ? ["follow"] : ["manual", "error"];
    if (ways.includes(way)) return;
    const known = ways.map((one) => `"${one}"`).join(" or ");
    throw new TypeError(`redirect is ${known} and not ${inspect(way)} while the client's option \`redirects\` is ${redirects}`);
  }

  /** Waits for the first list of hosts and for the request's body, within the limit of the call, which has the rest of it. */
  async #prepare(asked, first) {
    asked.keep();
    const limit = asked.timeout === undefined ? this.#limit() : Number(milliseconds("timeout", asked.timeout));
    const begun = performance.now();
    const left = () => Math.max(limit - (performance.now() - begun), 1);
    const late = () => new AhoyError(`the request's body has not come within the call's limit of ${limit} ms`, "AHOY_E_DEADLINE");
    const signals = [asked.signal, this.#closing.signal];
    try {
      if (first) await until(signals, Infinity, null, (signal) => listed(this.#own, signal, limit));
      if (asked.draw) await until(signals, left(), late, (signal) => asked.drawn(signal));
    } catch (error) {
      if (error === this.#closing.signal.reason) this.#live(); // an error for each call, for each has a stack of its own
      throw error;
    }
    if (limit < Number.MAX_SAFE_INTEGER) asked.timeout = left();
  }

  /** The client's own limit on a call, in milliseconds. */
  #limit() {
    const { timeout } = this.settings();
    const parts = [...timeout.matchAll(/([\d.]+)(ms|s|m|h)/g)];
    return parts.length === 0 ? Infinity : parts.reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0);
  }

  /**
   * Everything that the client counts, as text for Prometheus; docs/statistics.md has the names. The text has what others count
   * as well: the option `name` tells the series of clients apart.
   */
  metrics(...others) {
    const snapshot = take("ahoy_client_snapshot", "ahoy_snapshot_free", this.#live());
    try {
      for (const other of others) check("ahoy_snapshot_add_client", snapshot.pointer, other.#live());
      return text("ahoy_snapshot_text", snapshot.pointer, 0);
    } finally {
      snapshot.free();
    }
  }

  /** The configuration in effect, in the form that reconfigure takes; secrets are masked. */
  settings() {
    return JSON.parse(text("ahoy_client_config_text", this.#live()));
  }

  /**
   * Replaces the configuration by an object or JSON text (docs/configuration.md), all of it or, with any fault, nothing.
   * Calls under way keep theirs. Hosts and balancer can be replaced where `config` made the client: else the balancer's
   * own handle has it as well.
   */
  reconfigure(config) {
    check("ahoy_client_reconfigure", this.#live(), typeof config === "string" ? config : JSON.stringify(config));
    this.#maxBody = null;
  }

  #live() {
    if (!this.#handle) throw new AhoyError("the client is closed", "AHOY_E_CLOSED");
    return this.#handle.pointer;
  }

  /**
   * Refuses new calls and ends those under way. A function that gives the hosts is asked no more, unless another client
   * uses the balancer. A client that is not closed does not keep the process alive.
   */
  async close() {
    const handle = this.#handle;
    if (!handle) return;
    this.#handle = null;
    this.#closing.abort(new AhoyError("the client is closed", "AHOY_E_CLOSED"));
    this.#own?.release();
    check("ahoy_client_close", handle.pointer, 0);
    this.#queue.close();
    handle.free();
  }

  async [Symbol.asyncDispose || Symbol.for("Symbol.asyncDispose")]() {
    await this.close();
  }
}

/** A name that is mistyped would else be a setting that is missed. */
function refuseUnknown(known, options, whose) {
  if (options === null || typeof options !== "object") throw new TypeError(`options are an object, and not ${inspect(options)}`);
  for (const name in options) {
    if (known.has(name)) continue;
    throw new TypeError(`no option of ${whose} is called ${name}; the library's own settings go into a client's \`options\``);
  }
}

/** The bytes of a setting. */
function size(text) {
  const [, count, unit] = /^(\d+) *(\w*)$/.exec(text);
  return Number(count) * (SIZES[unit] ?? 1);
}

/** Waits for the first list of a function, within the limits of a call. */
async function listed(balancer, signal, most) {
  const limit = Math.min(most, WAIT);
  let timer;
  const passed = new Error(`it gave none within ${limit} ms`);
  const limited = new Promise((_, reject) => {
    timer = setTimeout(() => reject(passed), limit);
  });
  try {
    await unlessAborted(signal, Promise.race([balancer.first, limited]));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    balancer.missed();
    const message = `the function that gives the hosts failed: ${error && error.message}`;
    const failed = Object.assign(new AhoyError(message, "AHOY_E_DISCOVERY"), { retryable: true, cause: error });
    throw error === passed ? late(failed) : failed;
  } finally {
    clearTimeout(timer);
  }
}

/** An absolute URL as text. */
function addressed(name, url) {
  return string(name, url instanceof URL ? url.href : url);
}

function told(client, event) {
  if (channel.hasSubscribers) channel.publish({ client, ...event });
  if (client) client.emit("event", event);
}

/**
 * What a call asks for. It is taken from the arguments at once, as fetch does it: what the caller changes afterwards is not
 * sent. Bytes are copied only where the call has to wait, for the library makes a copy of its own.
 */
class Asked {
  constructor(path, options) {
    refuseUnknown(CALL_OPTIONS, options, "a call");
    const { params, signal, timeout, attemptTimeout, idempotent, criticality, group, hashKey } = options;
    if (signal && typeof signal.addEventListener !== "function") {
      throw new TypeError(`signal is an AbortSignal, and not ${inspect(signal)}`);
    }
    if (options.integrity) throw new TypeError("integrity is not checked: leave it out, and check the body");
    this.method = methodOf(options);
    this.target = String(path).replace(/#.*$/s, "").replace(/[^!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/gu, escaped);
    if (params) this.target += (this.target.includes("?") ? "&" : "?") + new URLSearchParams(params);
    this.headers = fields(options.headers);
    this.redirect = options.redirect;
    Object.assign(this, { signal, timeout, attemptTimeout, idempotent, criticality, group, hashKey });
    const { content = null, type, draw = null } = body(options);
    this.content = content;
    this.type = type;
    this.draw = draw && once(draw);
    this.kept = false;
  }

  /** The same with further fields. */
  with(further) {
    return Object.assign(Object.create(Asked.prototype), this, { headers: [...this.headers, ...further] });
  }

  /** Copies what is the caller's memory. */
  keep() {
    if (this.kept) return;
    this.kept = true;
    if (this.content) this.content = Buffer.from(this.content);
    if (isBytes(this.hashKey)) this.hashKey = Buffer.from(octets(this.hashKey));
  }

  /** Reads a body that is not in memory yet. */
  async drawn(signal) {
    this.content = await this.draw(signal);
    this.draw = null;
  }

  /** The library's request. */
  build() {
    const { content, type, timeout, attemptTimeout, idempotent, criticality, group, hashKey } = this;
    const request = take("ahoy_request_new", "ahoy_request_free", string("method", this.method), this.target);
    const pointer = request.pointer;
    try {
      check("ahoy_request_set_streamed", pointer, true);
      for (const [name, value] of this.headers) check("ahoy_request_add_header", pointer, name, sentValue(name, value));
      if (type && !this.headers.some(([name]) => name.toLowerCase() === "content-type")) {
        check("ahoy_request_add_header", pointer, "content-type", sentValue("content-type", type));
      }
      if (content) check("ahoy_request_set_body", pointer, content, content.length);
      if (timeout !== undefined) check("ahoy_request_set_timeout_ms", pointer, milliseconds("timeout", timeout));
      if (attemptTimeout !== undefined) check("ahoy_request_set_attempt_timeout_ms", pointer, milliseconds("attemptTimeout", attemptTimeout));
      if (idempotent !== undefined) check("ahoy_request_set_idempotent", pointer, flag("idempotent", idempotent));
      // C would take what does not fit for another number; what fits the library looks at.
      const isNumber = Number.isInteger(criticality) && Math.abs(criticality) < 2 ** 31;
      if (criticality !== undefined && !isNumber) throw new RangeError(`criticality is a whole number, and not ${inspect(criticality)}`);
      if (criticality !== undefined) check("ahoy_request_set_criticality", pointer, criticality);
      if (group !== undefined) check("ahoy_request_set_group", pointer, string("group", group));
      if (hashKey !== undefined) check("ahoy_request_set_hash_key", pointer, ...bytes("hashKey", hashKey));
      return request;
    } catch (error) {
      request.free();
      throw error;
    }
  }
}

/** A function whose promise is made once: a tracing may send again what was read. */
function once(make) {
  let made;
  return (signal) => (made ??= make(signal));
}

function methodOf(options) {
  return String(options.method || "GET").toUpperCase();
}

/** A character as its bytes in UTF-8; half of a surrogate pair is U+FFFD, as in URLs. */
function escaped(character) {
  return /^\p{Surrogate}$/u.test(character) ? "%EF%BF%BD" : encodeURIComponent(character);
}

/** What is to be sent, in memory; of what has to be read to its end first, the function that does it. */
function body({ body: given, json }) {
  if (json !== undefined && given !== undefined && given !== null) throw new TypeError("a call has a body or json, and not both");
  if (json !== undefined) return { content: Buffer.from(serialized(json)), type: "application/json" };
  if (given === undefined || given === null) return {};
  if (typeof given === "string") return { content: Buffer.from(given), type: "text/plain;charset=UTF-8" };
  if (given instanceof URLSearchParams) {
    return { content: Buffer.from(given.toString()), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (isBytes(given)) return { content: octets(given) };
  if (given instanceof Blob) return { draw: (signal) => drawn(given.stream(), signal), type: given.type };
  if (given[Symbol.toStringTag] === "FormData") {
    const { Response: Standard } = globalThis;
    const encoded = new Standard(form(given));
    return { draw: (signal) => drawn(encoded.body, signal), type: encoded.headers.get("content-type") };
  }
  if (Array.isArray(given)) given = given.map((piece) => (isBytes(piece) ? Buffer.from(octets(piece)) : piece));
  if (typeof given[Symbol.asyncIterator] !== "function" && typeof given[Symbol.iterator] !== "function") {
    throw new TypeError(`a body is text, bytes or a stream, and not ${typeof given}; json sends a value`);
  }
  return { draw: (signal) => drawn(given, signal) };
}

/** A form as Node's own: that of the package undici is another class. */
function form(given) {
  if (given instanceof FormData) return given;
  const own = new FormData();
  for (const field of given) own.append(...field);
  return own;
}

function serialized(json) {
  const text = JSON.stringify(json);
  if (text === undefined) throw new TypeError(`json is a value that JSON has, and not ${inspect(json)}`);
  return text;
}

function fields(headers) {
  if (headers === undefined || headers === null) return [];
  if (typeof headers !== "object") throw new TypeError(`headers are an object, pairs or Headers, and not ${inspect(headers)}`);
  if (typeof headers[Symbol.iterator] === "function") return Array.from(headers, field);
  // A field without a value, as those of node:http may be by their type, is none.
  const given = Object.entries(headers).filter(([, value]) => value !== undefined);
  return given.flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
}

/** A pair of a list. Text is none: the letters of a name would else be taken for a field. */
function field(pair) {
  const parts = typeof pair === "string" || typeof pair?.[Symbol.iterator] !== "function" ? [] : [...pair];
  if (parts.length === 2) return [String(parts[0]), String(parts[1])];
  throw new TypeError(`headers in a list are pairs such as ["x-user", "7"], and not ${inspect(pair)}`);
}

function bytes(name, value) {
  if (typeof value !== "string" && !isBytes(value)) {
    throw new TypeError(`${name} is text or bytes, and not ${inspect(value)}`);
  }
  const made = typeof value === "string" ? Buffer.from(value) : octets(value);
  return [made, made.length];
}

module.exports = { Client };

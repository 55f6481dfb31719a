"use strict";

const { EventEmitter } = require("node:events");
const { STATUS_CODES } = require("node:http");
const { stringify } = require("node:querystring");
const { Client } = require("./client.js");
const { AhoyError } = require("./errors.js");

// The library's own.
const OWN = new Set(["connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te", "expect"]);

/**
 * A dispatcher for undici and for Node's own fetch: `fetch("http://orders/1", { dispatcher: new Dispatcher(hosts) })`.
 * With hosts, the origin of a URL is not dialled. Without them and a `config`, nothing is retried unless `tries` says so.
 */
class Dispatcher extends EventEmitter {
  #client;
  #balanced;
  #underWay = new Set();
  /** The promise of the end, once close() or destroy() was called; and what makes it true. */
  #ended = null;
  #end;

  /** The options are those of Client. */
  constructor(hosts, options = {}) {
    super();
    const isConfigured = (hosts ?? options.config ?? null) !== null;
    // A caller that asks for a coding decodes it.
    const settings = { gzip: false, ...options.options };
    this.#client = new Client(hosts, { ...(isConfigured ? {} : { tries: 1 }), ...options, options: settings });
    this.#balanced = this.#client.balancer !== null;
  }

  /** Sends a request, and tells the handler of its answer, as undici has it; both of its kinds are served. */
  dispatch(options, handler) {
    const exchange = new Exchange(typeof handler.onRequestStart === "function" ? new Modern(handler) : new Classic(handler));
    if (this.#ended) {
      exchange.abort(new AhoyError("the dispatcher is closed", "AHOY_E_CLOSED"));
      exchange.run(this.#client, this.#balanced, options);
      return true;
    }
    this.#underWay.add(exchange);
    exchange.run(this.#client, this.#balanced, options).finally(() => {
      this.#underWay.delete(exchange);
      this.#endIfDone();
    });
    return true;
  }

  /** Refuses new requests, and ends when those under way have ended, with their bodies. */
  close(callback) {
    return called(this.#refuse(), callback);
  }

  /** Refuses new requests, and ends those under way: with the error, where one is given. */
  destroy(error, callback) {
    if (typeof error === "function") [error, callback] = [null, error];
    const ended = this.#refuse();
    const reason = error ?? new AhoyError("the dispatcher is destroyed", "AHOY_E_CLOSED");
    for (const exchange of this.#underWay) exchange.abort(reason);
    return called(ended, callback);
  }

  #refuse() {
    this.#ended ??= new Promise((resolve) => { this.#end = resolve; });
    this.#endIfDone();
    return this.#ended;
  }

  #endIfDone() {
    if (this.#ended && this.#underWay.size === 0) this.#end(this.#client.close());
  }
}

function called(promise, callback) {
  return callback ? void promise.then(() => callback(), callback) : promise;
}

/** One request, which its handler may pause and give up. */
class Exchange {
  constructor(told) {
    this.told = told;
    this.gone = new AbortController();
    this.open = null;
  }

  abort(reason) {
    this.gone.abort(reason);
    this.resume();
  }

  pause() {
    if (!this.gone.signal.aborted) this.open ??= new Promise((resolve) => { this.resumed = resolve; });
  }

  resume() {
    if (this.open) this.resumed();
    this.open = null;
  }

  async run(client, balanced, options) {
    const { signal } = this.gone;
    let response;
    try {
      this.told.begin(this);
      // Also where it is aborted by now: a stream that is to be sent is ended then.
      response = await client.fetch(target(balanced, options), {
        method: options.method, headers: fields(options.headers), body: body(options.body), signal,
        ...(options.headersTimeout ? { timeout: options.headersTimeout } : {}),
      });
      this.told.head(this, response);
      for await (const piece of response) {
        await this.open;
        signal.throwIfAborted();
        this.told.data(this, piece);
      }
      await this.open;
      signal.throwIfAborted();
      this.told.end(this);
    } catch (error) {
      if (response) await response.cancel();
      this.told.fail(this, error);
    }
  }
}

/** A handler of undici 6 and before, and of Node's fetch. */
class Classic {
  constructor(handler) {
    this.handler = handler;
  }

  begin(exchange) {
    this.handler.onConnect((reason) => exchange.abort(reason), {});
  }

  head(exchange, response) {
    const raw = [...response.headers].flat().map((text) => Buffer.from(text, "latin1"));
    const goOn = this.handler.onHeaders(response.status, raw, () => exchange.resume(), STATUS_CODES[response.status] ?? "");
    if (goOn === false) exchange.pause();
  }

  data(exchange, piece) {
    if (this.handler.onData(piece) === false) exchange.pause();
  }

  end() {
    this.handler.onComplete([]);
  }

  fail(exchange, error) {
    this.handler.onError(error);
  }
}

/** A handler since undici 7, whose controller has the exchange's own functions. */
class Modern {
  constructor(handler) {
    this.handler = handler;
  }

  begin(exchange) {
    this.controller = {
      abort: (reason) => exchange.abort(reason),
      pause: () => exchange.pause(),
      resume: () => exchange.resume(),
      get paused() { return exchange.open !== null; },
      get aborted() { return exchange.gone.signal.aborted; },
      get reason() { return exchange.gone.signal.reason ?? null; },
    };
    this.handler.onRequestStart(this.controller, {});
  }

  head(exchange, response) {
    const headers = {};
    for (const [name, value] of response.headers) {
      headers[name] = name in headers ? [headers[name], value].flat() : value;
    }
    this.controller.rawHeaders = [...response.headers].flat().map((text) => Buffer.from(text, "latin1"));
    this.handler.onResponseStart?.(this.controller, response.status, headers, STATUS_CODES[response.status] ?? "");
  }

  data(exchange, piece) {
    this.handler.onResponseData?.(this.controller, piece);
  }

  end() {
    this.handler.onResponseEnd?.(this.controller, {});
  }

  fail(exchange, error) {
    this.handler.onResponseError?.(this.controller, error);
  }
}

function target(balanced, { origin, path, query }) {
  const asked = query ? withQuery(path, query) : path;
  return balanced ? asked : new URL(asked, origin).href;
}

/** As undici writes it: each value of a list has a field of its own. */
function withQuery(path, query) {
  if (/[?#]/.test(path)) throw new Error('Query params cannot be passed when url already contains "?" or "#".');
  const written = stringify(query);
  return written ? `${path}?${written}` : path;
}

/** Text as bytes, for of text fetch says a type and undici does not. */
function body(given) {
  return typeof given === "string" ? Buffer.from(given) : given;
}

/** undici's headers, which may be names and values in turn, pairs, or an object. */
function fields(headers) {
  if (!headers) return [];
  let pairs;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    pairs = [];
    for (let i = 0; i < headers.length; i += 2) pairs.push([String(headers[i]), headers[i + 1]]);
  } else {
    pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  }
  return pairs.flatMap(([name, values]) => [values].flat().map((value) => [name, String(value)]))
    .filter(([name, value]) => value !== "undefined" && !OWN.has(name.toLowerCase()));
}

module.exports = { Dispatcher };

"use strict";

const { inspect } = require("node:util");
const { Handle, apply, check, native, string, take, text } = require("./native.js");
const { AhoyError } = require("./errors.js");
const { Source } = require("./source.js");

const SCHEMES = { http: 1, https: 2 };
const STATES = ["closed", "open", "half_open"];
const ALGORITHMS = [
  "p2c", "round_robin", "random", "least_request", "maglev", "ring_hash", "rendezvous", "smooth_weighted", "peak_ewma",
];

function parseHost(host) {
  if (typeof host !== "string") {
    if (host && typeof host === "object" && "address" in host) return host;
    throw new TypeError(`a host is text such as "10.0.0.7:80", or has an address and a port, and not ${inspect(host)}`);
  }
  if (host.startsWith("unix:")) return { address: host, port: 80 }; // which says http, and nothing else
  const url = parseURL(host.includes("://") ? host : `http://${host}`);
  if (!url || url.pathname.length > 1 || url.search || url.hash || url.username) {
    throw noHost(host, `${inspect(host)} is not a host: write name:port`);
  }
  const scheme = host.includes("://") ? url.protocol.slice(0, -1) : undefined;
  const port = Number(url.port) || (scheme === "https" ? 443 : 80);
  return { address: url.hostname.replace(/^\[|\]$/g, ""), port, scheme };
}

/** What is wrong with a host; credentials that it was given with are not to reach a log by the error. */
function noHost(given, problem) {
  const told = String(given).includes("@") ? "a host holds credentials; send them as a header" : problem;
  return new AhoyError(told, "AHOY_E_INVALID_ARGUMENT");
}

function parseURL(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** The library's host. */
function hostHandle(given) {
  const host = parseHost(given);
  for (const name of ["address", "zone", "authority", "serverName"]) {
    if (name === "address" || host[name] !== undefined) string(`${name} of a host`, host[name]);
  }
  if (host.scheme !== undefined && !(host.scheme in SCHEMES)) {
    throw new RangeError(`scheme of a host is http or https, and not ${inspect(host.scheme)}`);
  }
  // C would take what is above for another port.
  const isPort = Number.isInteger(host.port) && host.port >= 0 && host.port < 65536;
  const pointer = isPort ? native.ahoy_host_new(host.address, host.port) : null;
  if (!pointer) throw noHost(host.address, `${host.address}:${host.port} is not a host`);
  for (const name of ["weight", "priority"]) {
    const isNumber = Number.isInteger(host[name]) && host[name] >= 0 && host[name] < 2 ** 32;
    if (host[name] !== undefined && !isNumber) throw new RangeError(`${name} of a host is a whole number, and not ${inspect(host[name])}`);
  }
  const made = new Handle(pointer, "ahoy_host_free");
  for (const [key, name] of [
    ["weight", "weight"], ["zone", "zone"], ["priority", "priority"], ["authority", "authority"],
    ["serverName", "server_name"],
  ]) {
    if (host[key] !== undefined) check(`ahoy_host_set_${name}`, made.pointer, host[key]);
  }
  if (host.scheme !== undefined) check("ahoy_host_set_scheme", made.pointer, SCHEMES[host.scheme]);
  return made;
}

function eachHost(hosts, use) {
  if (typeof hosts !== "string" && typeof hosts?.[Symbol.iterator] !== "function") {
    throw new TypeError(`hosts are texts such as "10.0.0.7:80", or a function that gives them, and not ${inspect(hosts)}`);
  }
  for (const host of typeof hosts === "string" ? [hosts] : hosts) {
    const made = hostHandle(host);
    try {
      use(made.pointer);
    } finally {
      made.free();
    }
  }
}

/**
 * Chooses an endpoint for each attempt. Clients that share one share its circuits.
 *
 * A function that gives hosts, or a promise of them, is asked at once, every `refresh` milliseconds, and where calls find
 * no host.
 */
class Balancer {
  #source = null;
  /** How many hold it: who made it, and each client that it was given to. */
  #holders = 1;

  constructor(hosts, { algorithm = "p2c", options, providerOptions, refresh } = {}) {
    if (hosts instanceof Handle) {
      this.handle = hosts;
      this.provider = null;
      return;
    }
    const asked = typeof hosts === "function" ? hosts : null;
    if (asked) hosts = [];
    const isURL = typeof hosts === "string" && /^(?!https?:|unix:)[a-z0-9+]+:\/\//.test(hosts);
    this.provider = isURL
      ? take("ahoy_provider_from_url", "ahoy_provider_free", hosts)
      : new Handle(native.ahoy_provider_list_new(), "ahoy_provider_free");
    if (isURL) apply("ahoy_provider_set", this.provider.pointer, providerOptions);
    else eachHost(hosts, (host) => check("ahoy_provider_list_add_host", this.provider.pointer, host));
    this.handle = new Handle(this.make(String(algorithm)), "ahoy_balancer_free");
    apply("ahoy_balancer_set", this.handle.pointer, options);
    if (asked) this.#source = new Source(this, asked, refresh);
  }

  /** The present one of a client that a configuration made. */
  static ofClient(client) {
    return new Balancer(take("ahoy_client_balancer", "ahoy_balancer_free", client));
  }

  /** The promise of the first list, while a function that was asked for it has not given it; else null. */
  get first() {
    return this.#source && this.#source.first;
  }

  /** Asks the function for the hosts again; the promise rejects with what it throws, and then the last list stays. */
  async update() {
    if (!this.#source) throw new AhoyError("the hosts are not those of a function", "AHOY_E_UNSUPPORTED");
    await this.#source.ask();
  }

  /** Told of a client that it was given to. */
  hold() {
    this.#holders++;
  }

  /** Told of a client that holds it no more, having made it or been given it: the last ends the questions for hosts. */
  release() {
    if (--this.#holders === 0 && this.#source) this.#source.end();
  }

  /** Told of a call that found no host. */
  missed() {
    if (this.#source) this.#source.missed();
  }

  make(algorithm) {
    const [name, ...path] = algorithm.split(":");
    if (name === "prequal") {
      const made = native.ahoy_balancer_prequal_new(this.provider.pointer, string("balancer", path.join(":")));
      if (!made) throw new RangeError(`${algorithm} is not a balancer: write prequal:/path`);
      return made;
    }
    if (!ALGORITHMS.includes(algorithm)) throw new RangeError(`no balancer is called ${algorithm}`);
    return native[`ahoy_balancer_${name}_new`](this.provider.pointer);
  }

  /** Replaces the list of hosts: for programs that watch a registry of their own. */
  replace(hosts) {
    if (!this.provider) throw new AhoyError("the hosts are those of a configuration; reconfigure replaces them", "AHOY_E_UNSUPPORTED");
    const list = new Handle(native.ahoy_hosts_new(), "ahoy_hosts_free");
    eachHost(hosts, (host) => check("ahoy_hosts_add_host", list.pointer, host));
    check("ahoy_provider_list_replace", this.provider.pointer, list.pointer);
    list.free();
  }

  /** All endpoints that are known, with their circuits as they are now. */
  endpoints() {
    const count = Number(native.ahoy_balancer_endpoint_count(this.handle.pointer));
    return Array.from({ length: count }, (_, index) => {
      const endpoint = take("ahoy_balancer_endpoint_at", "ahoy_endpoint_free", this.handle.pointer, index);
      const found = {
        url: native.ahoy_endpoint_url(endpoint.pointer),
        weight: native.ahoy_endpoint_weight(endpoint.pointer),
        priority: native.ahoy_endpoint_priority(endpoint.pointer),
        zone: native.ahoy_endpoint_zone(endpoint.pointer),
        state: STATES[native.ahoy_endpoint_state(endpoint.pointer)],
        available: native.ahoy_endpoint_available(endpoint.pointer),
      };
      endpoint.free();
      return found;
    });
  }

  /** A line for each endpoint: its state, the reason, its load. */
  explain() {
    return text("ahoy_balancer_explain", this.handle.pointer);
  }
}

module.exports = { Balancer };

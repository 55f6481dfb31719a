"use strict";

const { milliseconds } = require("./native.js");

/** How long a list of a function stands unless it is told, and how soon it is asked again where calls find no host. */
const REFRESH = 30_000;
const PAUSE = 1000;
/** A timer of Node that is longer ends at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * Hosts of a function. It runs in the event loop, and its list is pushed: a thread of the library would have to wait for
 * the loop. Where it throws, the last list stays.
 */
class Source {
  #balancer;
  #hosts;
  #asked = 0;
  #running = null;
  #last = null;
  #listed = false;
  #ended = false;
  #timer;

  constructor(balancer, hosts, refresh = REFRESH) {
    milliseconds("refresh", refresh);
    this.#balancer = new WeakRef(balancer);
    this.#hosts = hosts;
    this.again();
    if (refresh !== Infinity) this.#timer = repeat(new WeakRef(this), Math.min(Math.max(refresh, 1), LONGEST));
  }

  /** The promise of the list while there has been none, else null. */
  get first() {
    return this.#listed ? null : this.#last;
  }

  /** Asks once at a time: a promise of the list's use. */
  ask() {
    this.#asked = performance.now();
    this.#running ??= this.#replace().finally(() => { this.#running = null; });
    this.#last = this.#running;
    return this.#running;
  }

  async #replace() {
    const given = this.#hosts();
    // A list that is there is used at once.
    const list = typeof given?.then === "function" ? await given : given;
    this.#balancer.deref()?.replace(list);
    this.#listed = true;
  }

  /** Asks again where the last time is long enough ago. */
  missed() {
    if (performance.now() - this.#asked > PAUSE) this.again();
  }

  /** Asks again; where that fails, the last list stays. */
  again() {
    if (!this.#ended) this.ask().catch(() => {});
  }

  /** Asks no more by itself. */
  end() {
    this.#ended = true;
    clearInterval(this.#timer);
  }
}

/** Asks again and again, for as long as something holds the source; it keeps no process alive. */
function repeat(source, every) {
  const timer = setInterval(() => {
    const found = source.deref();
    if (found) found.again();
    else clearInterval(timer);
  }, every);
  return timer.unref();
}

module.exports = { Source };

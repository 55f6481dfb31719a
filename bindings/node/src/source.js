"use strict";

const { AhoyError, late } = require("./errors.js");
const { milliseconds } = require("./native.js");

/** How long a list of a function stands unless it is told, and how soon it is asked again where calls find no host. */
const REFRESH = 30_000;
const PAUSE = 1000;
/** A question may go without an answer for as long as a list stands, within these. */
const SHORTEST_SILENCE = 5000;
const LONGEST_SILENCE = 60_000;
/** A timer of Node that is longer ends at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * Hosts of a function. It runs in the event loop, and its list is pushed: a thread of the library would have to wait for
 * the loop. Where it throws, the last list stays. Where it does not answer, it is asked anew: one question that is never
 * answered is not to be the last.
 */
class Source {
  #balancer;
  #hosts;
  #silence;
  #asked = 0;
  /** How many questions there were, and which of them the list in use has answered. */
  #questions = 0;
  #answered = 0;
  #running = null;
  #first = new First();
  #ended = false;
  #timer;

  constructor(balancer, hosts, refresh = REFRESH, silence = silenceOf(refresh)) {
    milliseconds("refresh", refresh);
    this.#balancer = new WeakRef(balancer);
    this.#hosts = hosts;
    this.#silence = silence;
    this.again();
    if (refresh !== Infinity) this.#timer = repeat(new WeakRef(this), Math.min(Math.max(refresh, 1), LONGEST));
  }

  /** The promise of the list while there has been none, else null. */
  get first() {
    return this.#answered > 0 ? null : this.#first.promise;
  }

  /** Asks once at a time: a promise of the list's use, or of the question's failure. */
  ask() {
    this.#asked = performance.now();
    this.#running ??= this.#question();
    return this.#running;
  }

  #question() {
    if (this.#first.failed) this.#first = new First();
    const silence = this.#silence;
    const passed = late(new AhoyError(`the function that gives the hosts gave none within ${silence} ms`, "AHOY_E_DISCOVERY"));
    const question = within(silence, this.#replace(++this.#questions), passed);
    question.catch((error) => error).then((error) => {
      this.#running = null;
      if (error === passed) this.again();
    });
    return question;
  }

  async #replace(question) {
    try {
      const given = this.#hosts();
      // A list that is there is used at once.
      const list = typeof given?.then === "function" ? await given : given;
      // An answer that is late counts, unless that of a later question has come.
      if (question < this.#answered) return;
      this.#balancer.deref()?.replace(list);
      this.#answered = question;
      this.#first.resolve();
    } catch (error) {
      if (question === this.#questions) this.#first.fail(error);
      throw error;
    }
  }

  /** Asks again where the last time is long enough ago. */
  missed() {
    if (performance.now() - this.#asked > PAUSE) this.again();
  }

  /** Asks again, while there is a use for the list; where that fails, the last list stays. */
  again() {
    if (!this.#ended && this.#balancer.deref()) this.ask().catch(() => {});
  }

  /** Asks no more by itself. */
  end() {
    this.#ended = true;
    clearInterval(this.#timer);
  }
}

/** How many milliseconds a question may go without an answer. */
function silenceOf(refresh) {
  return Math.min(Math.max(refresh, SHORTEST_SILENCE), LONGEST_SILENCE);
}

/** What calls wait for while there is no list: the first one, of whichever question, or the failure of the last question. */
class First {
  failed = false;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Where no call waits, a failure is nobody's.
    this.promise.catch(() => {});
  }

  fail(error) {
    this.failed = true;
    this.reject(error);
  }
}

/** What a promise gives, or an error once it has given nothing for so long. It keeps no process alive. */
function within(limit, promise, error) {
  let timer;
  const passed = new Promise((_, reject) => {
    timer = setTimeout(() => reject(error), limit).unref();
  });
  return Promise.race([promise, passed]).finally(() => clearTimeout(timer));
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

module.exports = { Source, silenceOf };

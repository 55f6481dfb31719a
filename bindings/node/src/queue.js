"use strict";

const net = require("node:net");
const { Answer } = require("./answer.js");
const { check, koffi, native, nextCompletion, take } = require("./native.js");
const { takeError } = require("./errors.js");
const { onAbort } = require("./signal.js");

/**
 * As many calls are begun, and as many completions handed out, in a turn of the event loop: a few milliseconds of work,
 * that of the readers included. A program that begins thousands at once would else hold the loop until the last has begun.
 */
const BATCH = 32;
/** dup() would make a copy that child processes get. It is variadic, for macOS on ARM passes such arguments otherwise. */
const fcntl = process.platform === "win32" ? null : koffi.load(null).func("int fcntl(int fd, int command, ...)");
const F_DUPFD_CLOEXEC = process.platform === "darwin" ? 67 : 1030;
/** Queues that something waits on: nothing else may hold them. */
const busy = new Set();
const sockets = new FinalizationRegistry((socket) => socket.destroy());

/**
 * The queue by which the calls of a client end. Its descriptor is read by the event loop, so no thread waits, and none
 * of libuv's pool is held; it keeps the process alive only while calls are under way. One that nothing waits on goes with
 * its client and the answers that are read by it, for the loop does not hold it.
 */
class Queue {
  constructor(onEvent) {
    this.handle = take("ahoy_queue_new", "ahoy_queue_free");
    this.waiting = new Map();
    this.tag = 0;
    this.onEvent = onEvent;
    const fd = fcntl(Number(native.ahoy_queue_fd(this.handle.pointer)), F_DUPFD_CLOEXEC, "int", 0);
    this.socket = new net.Socket({ fd, writable: false });
    this.begun = 0;
    this.line = [];
    this.rest = null;
    const self = new WeakRef(this);
    // What is read is only the sign that there is something: what is there is taken until nothing is.
    this.socket.on("data", () => self.deref()?.drain());
    this.socket.on("error", () => {});
    this.socket.unref();
    sockets.register(this, this.socket, this);
  }

  /** Null where a call may begin now, else a promise of its turn. */
  turn() {
    if (this.begun < BATCH && this.line.length === 0) {
      this.begun++;
      return null;
    }
    if (this.line.length === 0) setImmediate(() => this.nextTurn());
    return new Promise((resolve) => this.line.push(resolve));
  }

  nextTurn() {
    const admitted = this.line.splice(0, BATCH);
    this.begun = admitted.length;
    for (const go of admitted) go();
    if (this.line.length > 0) setImmediate(() => this.nextTurn());
  }

  /** Begins something that completes on the queue: a promise of its Answer, null where it is no call. */
  await(begin, signal) {
    return new Promise((resolve, reject) => {
      if (signal && signal.aborted) return reject(signal.reason);
      const tag = ++this.tag;
      begin(tag);
      const waiter = { resolve, reject, signal, stop: null };
      if (signal) {
        waiter.stop = onAbort(signal, () => {
          check("ahoy_queue_cancel", this.handle.pointer, tag);
          waiter.reject = () => {};
          waiter.resolve = (answer) => answer?.free();
          reject(signal.reason);
        });
      }
      this.waiting.set(tag, waiter);
      this.hold();
    });
  }

  /** Keeps the queue, and the process, for as long as something waits. */
  hold() {
    if (this.waiting.size === 0) {
      this.socket.unref();
      busy.delete(this);
    } else if (!busy.has(this)) {
      this.socket.ref();
      busy.add(this);
    }
  }

  /** Hands out what has ended, over several turns of the loop where that is much: timers and descriptors come between. */
  drain() {
    if (this.rest !== null) return;
    if (this.drainBatch()) {
      this.rest = setImmediate(() => {
        this.rest = null;
        this.drain();
      });
    }
  }

  /** Hands out some; whether there may be more. */
  drainBatch() {
    for (let i = 0; i < BATCH; i++) {
      const next = nextCompletion(this.handle.pointer);
      if (next) {
        this.complete(next);
        continue;
      }
      if (this.drainEvents()) return true;
      this.hold();
      return false;
    }
    return true;
  }

  complete({ completion, response }) {
    const tag = Number(native.ahoy_completion_tag(completion));
    const waiter = this.waiting.get(tag);
    this.waiting.delete(tag);
    // A handle at once: the promise's reader has its turn when all completions are handed out.
    const answer = response && new Answer(response, waiter?.signal);
    if (!waiter) answer?.free();
    else {
      if (waiter.stop) waiter.stop();
      if (native.ahoy_completion_status(completion) === 0) waiter.resolve(answer);
      else waiter.reject(takeError(native, native.ahoy_completion_take_error(completion)));
    }
    native.ahoy_completion_free(completion);
  }

  /** Hands out the events that wait; whether there was one. */
  drainEvents() {
    let any = false;
    for (;;) {
      const out = [null];
      check("ahoy_queue_next_event", this.handle.pointer, 0, out);
      if (!out[0]) return any;
      any = true;
      const event = {
        kind: native.ahoy_event_kind(out[0]),
        time: new Date(Number(native.ahoy_event_time_ms(out[0]))),
        endpoint: native.ahoy_event_endpoint_url(out[0]) || "",
        text: native.ahoy_event_text(out[0]),
      };
      native.ahoy_event_free(out[0]);
      // A listener may throw, and may close the client.
      process.nextTick(this.onEvent, event);
    }
  }

  /** Ends the queue; what still waits was ended before. */
  close() {
    clearImmediate(this.rest);
    while (this.drainBatch());
    sockets.unregister(this);
    this.socket.destroy();
    this.handle.free();
  }
}

module.exports = { Queue };

"use strict";

const { STATUS_CODES } = require("node:http");
const { check, headerValue, native } = require("./native.js");
const { AhoyError, readAttempts } = require("./errors.js");
const { eventsOf } = require("./events.js");
const { Leavable } = require("./leavable.js");

const PIECE = 65536;
/** The statuses whose answers have no body; nor has one to HEAD. */
const BODILESS = new Set([204, 205, 304]);

/** Where pieces are read to, for they are small as a rule and a buffer of that size for each would be the larger work. */
const scratch = Buffer.allocUnsafeSlow(PIECE);

/** An answer, shaped like fetch's: its body is read while it comes, and once. */
class Response {
  #handle;
  #bodiless;
  #reading;
  #maxBody;
  /** Whether it was read, or left, otherwise than by the stream: that has nothing to give then. */
  #taken = false;

  /** `maxBody`: the most bytes that are held of a body that is read whole. */
  constructor(answer, queue, { signal, method, maxBody }) {
    const { pointer } = answer;
    this.status = native.ahoy_response_status(pointer);
    this.statusText = STATUS_CODES[this.status] || "";
    this.ok = this.status >= 200 && this.status < 300;
    /** The endpoint that answered, such as http://10.0.0.7:80. */
    this.endpoint = native.ahoy_response_endpoint_url(pointer);
    /** The URL that brought the answer: at the endpoint that answered, and after redirects. */
    this.url = native.ahoy_response_url(pointer);
    this.headers = new Headers();
    const fields = Number(native.ahoy_response_header_count(pointer));
    for (let i = 0; i < fields; i++) {
      this.headers.append(native.ahoy_response_header_name_at(pointer, i), headerValue(pointer, i));
    }
    /** What was tried until this answer came: the first 64. */
    this.attempts = readAttempts(native, (index) => native.ahoy_response_attempt_at(pointer, index));
    /** How many attempts the call made. */
    this.attemptCount = Number(native.ahoy_response_attempt_count(pointer));
    this.bodyUsed = false;
    this.#handle = answer;
    this.#bodiless = method === "HEAD" || BODILESS.has(this.status);
    this.#maxBody = maxBody;
    this.#reading = this.#bodiless ? none() : read(answer, queue, signal);
    this.pieces = new Leavable(this.#reading, () => answer.free());
    // Nobody would read it to its end.
    if (this.#bodiless) answer.free();
    this.stream = null;
  }

  /** The body as a ReadableStream of bytes, or null as fetch has it. The server is at most some 300 KiB ahead of its reader. */
  get body() {
    if (this.#bodiless) return null;
    if (this.stream === null) {
      const pull = async (controller) => {
        if (this.#taken) throw new TypeError("the body was read before");
        this.bodyUsed = true;
        const { done, value } = await this.pieces.next();
        if (!done) return controller.enqueue(new Uint8Array(value));
        controller.close();
        controller.byobRequest?.respond(0);
      };
      this.stream = new ReadableStream({ type: "bytes", pull, cancel: () => this.cancel() });
    }
    return this.stream;
  }

  /** The pieces of the body as they come: `for await (const piece of response)`. */
  [Symbol.asyncIterator]() {
    this.use();
    return this.pieces;
  }

  use() {
    if (this.#bodiless) return; // as often as one likes
    if (this.bodyUsed || (this.stream && this.stream.locked)) throw new TypeError("the body was read before");
    this.bodyUsed = this.#taken = true;
  }

  async buffer() {
    this.use();
    const found = [];
    let count = 0;
    for await (const piece of this.pieces) {
      count += piece.length;
      if (count > this.#maxBody) throw this.#tooLarge();
      found.push(piece);
    }
    return Buffer.concat(found);
  }

  /** As the library says it of a body that it holds itself. */
  #tooLarge() {
    const error = new AhoyError(`body above ${this.#maxBody} bytes, the client's max_body`, "AHOY_E_BODY_TOO_LARGE");
    return Object.assign(error, { attempts: this.attempts, attemptCount: this.attemptCount });
  }

  async bytes() {
    return new Uint8Array(await this.buffer());
  }

  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }

  async blob() {
    const type = this.headers.get("content-type") || "";
    return new Blob([await this.buffer()], { type });
  }

  async formData() {
    const { Response: Standard } = globalThis;
    return new Standard(await this.buffer(), { headers: this.headers }).formData();
  }

  async text() {
    return new TextDecoder().decode(await this.buffer());
  }

  async json() {
    return JSON.parse(await this.text());
  }

  /** The body as server-sent events. */
  events() {
    return new Leavable(eventsOf(this), () => this.#handle.free());
  }

  /** Ends the exchange; the server sees the connection close if the body is not whole. */
  async cancel() {
    this.bodyUsed = this.#taken = true;
    // A reader that waits is woken by it, and told: what it has is not the whole body.
    this.#handle.free();
    await this.#reading.return();
  }

  async [Symbol.asyncDispose || Symbol.for("Symbol.asyncDispose")]() {
    await this.cancel();
  }
}

async function* none() {}

/** The pieces of a body; the handle is freed at the end, or when the generator is left. */
async function* read(handle, queue, signal) {
  try {
    for (;;) {
      if (signal && signal.aborted) throw signal.reason;
      if (handle.pointer === null) throw new AhoyError("the response was cancelled", "AHOY_E_CANCELLED");
      const length = [0];
      const ended = [false];
      check("ahoy_response_read", handle.pointer, scratch, PIECE, 0, length, ended);
      const count = Number(length[0]);
      if (count > 0) yield Buffer.from(scratch.subarray(0, count));
      if (ended[0]) return;
      if (count === 0) {
        const notify = (tag) => check("ahoy_response_notify", handle.pointer, queue.handle.pointer, tag);
        await queue.await(notify, signal).catch((error) => {
          if (handle.pointer !== null) throw error;
        });
      }
    }
  } finally {
    handle.free();
  }
}

module.exports = { Response };

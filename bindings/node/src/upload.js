"use strict";

const { IncomingMessage } = require("node:http");
const { Readable, isDisturbed } = require("node:stream");
const { inspect } = require("node:util");
const { unlessAborted } = require("./signal.js");

/** The streams that calls were given: what one of them reads is not there for another. */
const claimed = new WeakSet();

/**
 * Takes what is to be sent for a call, and gives what ends it where the call fails. A stream may fail before it is read, as
 * where the hosts are not known yet: an error that nobody listens to would end the process. It is told when it is read.
 */
function claim(given) {
  const isReadable = typeof given?.pipe === "function" && typeof given.on === "function";
  if (!isReadable && !(given instanceof ReadableStream)) return () => {};
  // Of one that failed, its own error says more.
  if (claimed.has(given) || (isDisturbed(given) && !given.errored)) {
    throw new TypeError("the stream that is to be sent was read before, or belongs to another call");
  }
  claimed.add(given);
  if (isReadable) given.on("error", () => {});
  return () => release(given);
}

/** Ends a stream that a failed call has not read to its end. */
function release(given) {
  // A server answers by the connection of its request, and ends both itself.
  if (given instanceof IncomingMessage && given.method) return;
  if (given instanceof ReadableStream) given.cancel().catch(() => {}); // one that is read ends by its reader
  else if (typeof given.destroy === "function") given.destroy();
}

/** All pieces of a stream or an iterable. Where the signal aborts, it is left. */
async function drawn(given, signal) {
  // One that stands still cannot be left by its own iterator.
  if (given instanceof ReadableStream) given = Readable.fromWeb(given, { objectMode: true });
  const iterator = given[Symbol.asyncIterator]?.();
  const pieces = [];
  const all = async () => {
    for await (const piece of iterator ? { [Symbol.asyncIterator]: () => iterator } : given) {
      if (typeof piece !== "string" && !isBytes(piece)) {
        throw new TypeError(`the pieces of a body are text or bytes, and not ${inspect(piece)}`);
      }
      // A copy, for the memory may be used again.
      pieces.push(Buffer.from(typeof piece === "string" ? piece : octets(piece)));
    }
    return Buffer.concat(pieces);
  };
  try {
    return await unlessAborted(signal, all());
  } catch (error) {
    if (signal.aborted) leave(given, iterator);
    throw error;
  }
}

/** Ends what may be waiting for its next piece, and waits for nothing. */
function leave(given, iterator) {
  if (typeof given.destroy === "function") given.destroy();
  else Promise.resolve(iterator?.return?.()).catch(() => {});
}

function isBytes(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

/** The same memory as a Buffer. */
function octets(value) {
  return ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value);
}

module.exports = { claim, drawn, isBytes, octets };

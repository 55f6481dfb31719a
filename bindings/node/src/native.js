"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { inspect } = require("node:util");
const { isMainThread } = require("node:worker_threads");
const koffi = require("koffi");
const { FUNCTIONS, SONAME } = require("./declarations.js");

function find() {
  if (process.env.AHOY_LIBRARY) return process.env.AHOY_LIBRARY;
  const name = { win32: "ahoy.dll", darwin: "libahoy.dylib" }[process.platform] || "libahoy.so";
  const bundled = path.join(__dirname, "..", "lib", `${process.platform}-${process.arch}`, name);
  return fs.existsSync(bundled) ? bundled : process.platform === "linux" ? SONAME : name;
}

const library = load(find());

/** The system's loader does not say what it sought. */
function load(name) {
  try {
    return koffi.load(name);
  } catch (error) {
    throw new Error(`${name} cannot be loaded; AHOY_LIBRARY names another: ${error.message}`, { cause: error });
  }
}

/**
 * The functions of libahoy; none of them is called so that it waits. They are declared at once (3 ms): koffi ends the
 * process where a worker is terminated while it declares one, which calls under way would do otherwise.
 */
const native = Object.create(null);
for (const [name, declared] of Object.entries(FUNCTIONS)) {
  try {
    native[name] = library.func(declared);
  } catch (error) {
    // One that an older library lacks is missed where it is used.
    Object.defineProperty(native, name, { get() { throw error; } });
  }
}

/**
 * Node's own list of what is called when a thread ends, be it by itself, by process.exit or by terminate(): a
 * FinalizationRegistry is not called then. The main thread needs none, for the process ends with it.
 */
function threadEnd() {
  if (isMainThread) return null;
  try {
    const node = koffi.load(null);
    const isolate = node.func("void * _ZN2v87Isolate10GetCurrentEv(void)")();
    const hook = (name) => node.func(`void _ZN4node${name}EPN2v87IsolateEPFvPvES3_(void * isolate, void * run, void * of)`);
    const add = hook("25AddEnvironmentCleanupHook");
    const remove = hook("28RemoveEnvironmentCleanupHook");
    const found = {};
    const address = (free) => (found[free] ??= library.symbol(free, "void *"));
    return {
      isolate,
      address,
      hook: add,
      add: (free, pointer) => add(isolate, address(free), pointer),
      remove: (free, pointer) => remove(isolate, address(free), pointer),
    };
  } catch {
    return null; // What runs this is not Node, or hides its functions: what such a thread has made stays.
  }
}

const atEnd = threadEnd();

function release({ free, pointer }) {
  atEnd?.remove(free, pointer);
  native[free](pointer);
}

const handles = new FinalizationRegistry(release);

/** A handle of libahoy: freed once, at the latest when its object is collected or its thread ends. */
class Handle {
  /** `noted`: whether the thread's end knows of it. */
  constructor(pointer, free, noted = false) {
    this.pointer = pointer;
    this.freeing = free;
    if (!noted) atEnd?.add(free, pointer);
    handles.register(this, { free, pointer }, this);
  }

  free() {
    if (this.pointer === null) return;
    handles.unregister(this);
    const pointer = this.pointer;
    this.pointer = null;
    release({ free: this.freeing, pointer });
  }
}

const { takeError } = require("./errors.js");

/** Calls a function that takes `err` last, and throws what it says. */
function check(name, ...values) {
  const err = [null];
  // For C a text ends at a NUL.
  if (values.some((value) => typeof value === "string" && value.includes("\0"))) throw new TypeError("a text has a NUL");
  if (native[name](...values, err) !== 0) throw takeError(native, err[0]);
}

/** Calls a function that gives a handle through its last argument but one. */
function take(name, free, ...values) {
  const out = [null];
  check(name, ...values, out);
  return new Handle(out[0], free);
}

const RESPONSE = "ahoy_response_free";
const responseFree = atEnd?.address(RESPONSE);

/**
 * The next completion of a queue, with its response or null; null where there is none. A worker that is terminated ends at
 * the next call of a function of JavaScript: there is none here between the library's giving the response, which holds a
 * connection, and the note that the thread's end is to free it. What the library gives at the very moment of the end is
 * lost all the same, for koffi cannot write it any more.
 */
function nextCompletion(queue) {
  const out = [null];
  const err = [null];
  if (native.ahoy_queue_next(queue, 0, out, err) !== 0) throw takeError(native, err[0]);
  const completion = out[0];
  if (!completion) return null;
  const response = native.ahoy_completion_take_response(completion);
  if (response && atEnd) atEnd.hook(atEnd.isolate, responseFree, response);
  return { completion, response };
}

/** The text of an ahoy_text. */
function text(name, ...values) {
  const handle = take(name, "ahoy_text_free", ...values);
  try {
    return native.ahoy_text_bytes(handle.pointer, null);
  } finally {
    handle.free();
  }
}

const rawValue = library.func(FUNCTIONS.ahoy_response_header_value_at.replace("const char *", "const void *"));

/** The value of a field of an answer: its bytes need not be UTF-8, and each is a character, as fetch has it. */
function headerValue(response, index) {
  const value = native.ahoy_response_header_value_at(response, index);
  return /^[\0-\x7f]*$/.test(value) ? value : Buffer.from(koffi.decode(rawValue(response, index), "uint8_t", -1)).toString("latin1");
}

/** The value of a field to be sent, in the same way. */
function sentValue(name, value) {
  if (/^[\x01-\x7f]*$/.test(value)) return value;
  if (value.includes("\0")) throw new TypeError(`${name} has a NUL`);
  if (/[^\0-\xff]/.test(value)) throw new TypeError(`${name} has a character above U+00FF, which a header cannot carry`);
  return Buffer.from(`${value}\0`, "latin1");
}

/** What is more than this is for ever: the library has no limit for it, and a number is not exact above. */
const LONGEST = Number.MAX_SAFE_INTEGER;

/** Milliseconds as the library takes them; less than one is rounded up, for 0 would mean: do not wait. */
function milliseconds(name, span) {
  if (typeof span !== "number" || Number.isNaN(span)) {
    throw new TypeError(`${name} is a number of milliseconds, and not ${inspect(span)}`);
  }
  if (span < 0) throw new RangeError(`${name} is not negative, and not ${span}`);
  return span > LONGEST ? 2n ** 64n - 1n : Math.ceil(span);
}

/** The same as the text of a setting. */
function duration(name, span) {
  const whole = milliseconds(name, span);
  return typeof whole === "bigint" ? "forever" : `${whole}ms`;
}

/** Text as it is: of a number, koffi would make an address. */
function string(name, value) {
  if (typeof value !== "string") throw new TypeError(`${name} is text, and not ${inspect(value)}`);
  if (value.includes("\0")) throw new TypeError(`${name} has a NUL`);
  return value;
}

/** A switch: text such as "no" is truthy. */
function flag(name, value) {
  if (typeof value !== "boolean") throw new TypeError(`${name} is true or false, and not ${inspect(value)}`);
  return value;
}

/** Settings by key, passed to the library unchecked, so that a newer one brings its settings. */
function apply(name, pointer, settings) {
  if (settings && typeof settings !== "object") throw new TypeError(`settings are an object, and not ${inspect(settings)}`);
  for (const [key, value] of Object.entries(settings || {})) {
    check(name, pointer, key, value === null ? "off" : String(value));
  }
}

module.exports = {
  Handle, RESPONSE, apply, check, duration, flag, headerValue, koffi, milliseconds, native, nextCompletion,
  sentValue, string, take, text,
};

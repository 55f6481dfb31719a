"use strict";

/** A call failed, or an argument was wrong. The message lists every attempt. */
class AhoyError extends Error {
  constructor(message, code) {
    super(message);
    this.name = "AhoyError";
    /** The status by name, which never changes its meaning. */
    this.code = code;
    /** Whether the same call may well succeed later. */
    this.retryable = false;
    /** Whether the request may have been carried out. */
    this.ambiguous = false;
    /** What was tried, in order: the first 64. */
    this.attempts = [];
    /** How many attempts the call made. */
    this.attemptCount = 0;
  }

  /** Whether a limit passed. */
  get timeout() {
    return ["AHOY_E_TIMEOUT", "AHOY_E_DEADLINE", "AHOY_E_CONNECT_TIMEOUT"].includes(this.code);
  }
}

/** The attempts that a function gives by their index. It keeps the first of them, and has none beyond. */
function readAttempts(native, at) {
  const found = [];
  for (let attempt; (attempt = at(found.length)); ) found.push(readAttempt(native, attempt));
  return found;
}

function readAttempt(native, attempt) {
  return {
    url: native.ahoy_attempt_url(attempt),
    code: native.ahoy_status_name(native.ahoy_attempt_status(attempt)),
    status: native.ahoy_attempt_http_status(attempt),
    elapsed: Number(native.ahoy_attempt_elapsed_us(attempt)) / 1000,
    detail: native.ahoy_attempt_detail(attempt),
    openedCircuit: native.ahoy_attempt_opened_circuit(attempt),
    hedge: native.ahoy_attempt_is_hedge(attempt),
    ambiguous: native.ahoy_attempt_is_ambiguous(attempt),
  };
}

/** An ahoy_error as an exception; the handle is freed. */
function takeError(native, pointer) {
  if (!pointer) return new AhoyError("libahoy gave no reason", "AHOY_E_INTERNAL");
  try {
    const code = native.ahoy_status_name(native.ahoy_error_status(pointer));
    const error = new AhoyError(native.ahoy_error_message(pointer), code);
    error.retryable = native.ahoy_error_is_retryable(pointer);
    error.ambiguous = native.ahoy_error_is_ambiguous(pointer);
    error.attempts = readAttempts(native, (index) => native.ahoy_error_attempt_at(pointer, index));
    error.attemptCount = Number(native.ahoy_error_attempt_count(pointer));
    const last = error.attempts[error.attempts.length - 1];
    if (last) error.cause = new Error(`${last.url}  ${last.detail || last.status || last.code}`);
    return error;
  } finally {
    native.ahoy_error_free(pointer);
  }
}

/** Marks an error as one by a limit, whose code does not say so. */
function late(error) {
  return Object.defineProperty(error, "timeout", { value: true });
}

/** Gives an error the stack of the call that it ended, which the event loop has left since. */
function withStack(error, called) {
  const [, ...frames] = String(called.stack).split("\n");
  if (error instanceof AhoyError) error.stack = [`${error.name}: ${error.message}`, ...frames].join("\n");
  return error;
}

module.exports = { AhoyError, late, readAttempts, takeError, withStack };

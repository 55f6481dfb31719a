"use strict";

/** What is to be done when a signal aborts, by signal. */
const waiting = new WeakMap();

/**
 * Has a function called when a signal aborts, and gives one that takes this back. A signal has one listener for all of
 * them: Node warns of a signal that many calls share else.
 */
function onAbort(signal, act) {
  let acts = waiting.get(signal);
  if (!acts) {
    acts = new Set();
    acts.run = () => { for (const one of acts) one(); };
    waiting.set(signal, acts);
  }
  if (acts.size === 0) signal.addEventListener("abort", acts.run, { once: true });
  acts.add(act);
  return () => {
    acts.delete(act);
    if (acts.size === 0) signal.removeEventListener("abort", acts.run);
  };
}

/** What a promise gives, unless the signal aborts before. */
async function unlessAborted(signal, promise) {
  if (!signal) return promise;
  let stop;
  const aborted = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    stop = onAbort(signal, () => reject(signal.reason));
  });
  return Promise.race([promise, aborted]).finally(stop);
}

/** A timer of Node that is longer ends at once. */
const LONGEST = 2 ** 31 - 1;

/** Does something under a signal of its own, which aborts with any of others, and after a limit with what a function gives. */
async function until(signals, limit, late, act) {
  const own = new AbortController();
  const stops = signals.filter(Boolean).map((signal) => {
    if (signal.aborted) own.abort(signal.reason);
    return onAbort(signal, () => own.abort(signal.reason));
  });
  const timer = limit <= LONGEST ? setTimeout(() => own.abort(late()), limit) : undefined;
  try {
    return await act(own.signal);
  } finally {
    clearTimeout(timer);
    for (const stop of stops) stop();
  }
}

module.exports = { onAbort, unlessAborted, until };

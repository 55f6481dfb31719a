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

module.exports = { onAbort, unlessAborted };

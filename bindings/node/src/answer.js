"use strict";

const { Handle, RESPONSE } = require("./native.js");
const { onAbort } = require("./signal.js");

const dropped = new FinalizationRegistry((stop) => stop());

/** The library's answer, which the signal of its call frees: the exchange ends, also while nobody reads. */
class Answer extends Handle {
  #stop = null;

  /** A pointer that nextCompletion gave. */
  constructor(pointer, signal) {
    super(pointer, RESPONSE, true);
    if (!signal || signal.aborted) return;
    const self = new WeakRef(this);
    this.#stop = onAbort(signal, () => self.deref()?.free());
    dropped.register(this, this.#stop, this);
  }

  free() {
    if (this.#stop) {
      dropped.unregister(this);
      this.#stop();
    }
    super.free();
  }
}

module.exports = { Answer };

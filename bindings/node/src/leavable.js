"use strict";

/**
 * What an async generator gives, as an iterator that can be left while it waits. The generator itself would return only when
 * what it waits for has come; what `end` does wakes it.
 */
class Leavable {
  #generator;
  #end;
  #left = false;

  constructor(generator, end) {
    this.#generator = generator;
    this.#end = end;
  }

  async next() {
    try {
      return await this.#generator.next();
    } catch (error) {
      // To be woken is no failure for what has left.
      if (this.#left) return { done: true, value: undefined };
      throw error;
    }
  }

  return(value) {
    this.#leave();
    return this.#generator.return(value);
  }

  throw(error) {
    this.#leave();
    return this.#generator.throw(error);
  }

  #leave() {
    this.#left = true;
    this.#end();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose || Symbol.for("Symbol.asyncDispose")]() {
    await this.return();
  }
}

module.exports = { Leavable };

"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { Source, silenceOf } = require("../src/source.js");
const { eventually } = require("./support.js");

const SILENCE = 20;

/**
 * A source that is asked when it is made, and where it gives no answer: its questions, which the test answers, the lists that it
 * used, and the balancer, which has to be held.
 */
function asked() {
  const questions = [];
  const used = [];
  const balancer = { replace: (list) => used.push(list) };
  const ask = () => new Promise((resolve, reject) => questions.push({ resolve, reject }));
  return { balancer, questions, used, source: new Source(balancer, ask, Infinity, SILENCE) };
}

/** What a promise is rejected with. A source keeps no process alive: what waits for it here does. */
async function failure(promise) {
  let found;
  promise.catch((error) => { found = error; });
  await eventually(() => found);
  return found;
}

test("a function that never answers once is asked anew, and calls wait for the other answer", async () => {
  const { balancer, questions, used, source } = asked();
  const waiting = source.first;
  await eventually(() => questions.length === 2);
  questions[1].resolve(["b"]);
  await waiting;
  assert.deepEqual([used, source.first, balancer !== null], [[["b"]], null, true]);
  source.end();
});

test("a question may take as long as a list stands, but not for ever", () => {
  assert.deepEqual([1, 5000, 30_000, 60_001, Infinity].map(silenceOf), [5000, 5000, 30_000, 60_000, 60_000]);
});

test("an update that is not answered fails by a limit", async () => {
  const { balancer, source } = asked();
  const { code, timeout, message } = await failure(source.ask());
  assert.deepEqual([code, timeout], ["AHOY_E_DISCOVERY", true]);
  assert.match(message, /gave none within 20 ms/);
  assert.notEqual(balancer, null);
  source.end();
});

test("a late answer counts until that of a later question has come", async () => {
  const { balancer, questions, used, source } = asked();
  await eventually(() => questions.length === 3);
  source.end();
  questions[0].reject(new Error("late"));
  questions[1].resolve(["b"]);
  await source.first;
  questions[2].resolve(["c"]);
  await eventually(() => used.length === 2);
  assert.deepEqual([used, balancer !== null], [[["b"], ["c"]], true]);

  const other = asked();
  await eventually(() => other.questions.length === 2);
  other.questions[1].resolve(["b"]);
  await other.source.first;
  other.questions[0].resolve(["a"]);
  await new Promise(setImmediate);
  assert.deepEqual([other.used, other.balancer !== null], [[["b"]], true]);
  other.source.end();
});

test("a source is asked no more once it has ended", async () => {
  const { balancer, questions, source } = asked();
  source.end();
  await failure(source.ask());
  await new Promise(setImmediate);
  assert.deepEqual([questions.length, balancer !== null], [1, true]);
});

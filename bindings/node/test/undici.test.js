"use strict";

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const undici = require("undici");
const { Dispatcher } = require("../src/undici.js");
const { atRest, counts, eventually, servers } = require("./support.js");

let hosts;
let dispatcher;
before(async () => {
  hosts = await servers("ok", "refuse");
  dispatcher = new Dispatcher(hosts, { timeout: 5000, balancer: "round_robin" });
});
after(() => dispatcher.close());

// Node's own fetch has handlers of the kind before undici 7.
for (const [name, fetched] of [["fetch of Node", fetch], ["fetch of undici", undici.fetch]]) {
  test(name, async () => {
    for (let i = 0; i < 4; i++) {
      const answer = await fetched("http://orders/echo?a=1", { method: "POST", body: "hello", headers: { "x-a": "1" }, dispatcher });
      const seen = await answer.json();
      assert.deepEqual([answer.status, seen.method, seen.target, seen.body], [200, "POST", "/echo?a=1", "hello"]);
      assert.equal(new Map(seen.headers.map(([field, value]) => [field.toLowerCase(), value])).get("x-a"), "1");
    }
    assert.equal(await (await fetched("http://orders/gzip", { dispatcher })).text(), "hello");
    assert.equal((await (await fetched("http://orders/big?n=3000000", { dispatcher })).arrayBuffer()).byteLength, 3000000);
    assert.equal((await fetched("http://orders/redirect?to=/ok", { dispatcher })).url, "http://orders/ok");
    assert.equal((await fetched("http://orders/status?c=404", { dispatcher })).status, 404);
  });

  test(`${name}: a signal ends the exchange at the server`, async () => {
    const before = (await counts(hosts[0])).broken_off;
    await assert.rejects(fetched("http://orders/slow?ms=9000", { dispatcher, signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
    const body = (await fetched("http://orders/drip?n=900&ms=10", { dispatcher })).body;
    await body.cancel();
    await eventually(async () => (await counts(hosts[0])).broken_off === before + 2);
  });
}

test("undici's request and stream", async () => {
  const { statusCode, headers, body } = await undici.request("http://orders/cookie", { dispatcher, query: { a: 1 } });
  assert.deepEqual([statusCode, headers["set-cookie"], await body.text()], [200, "a=1; Path=/", ""]);
  let size = 0;
  const { Writable } = require("node:stream");
  const sink = () => new Writable({ highWaterMark: 1024, write(piece, _, next) { size += piece.length; setImmediate(next); } });
  await undici.stream("http://orders/big?n=400000", { dispatcher, method: "GET" }, sink);
  assert.equal(size, 400000);
});

test("a query is written as undici writes it", async () => {
  const agent = new undici.Agent();
  const plain = new Dispatcher();
  const target = async (query, by) => {
    const { body } = await undici.request(`http://${hosts[0]}/echo`, { query, dispatcher: by });
    return (await body.json()).target;
  };
  for (const query of [{ id: [1, 2, 3] }, { a: "b c", d: null, e: true, f: [], g: { h: 1 } }, {}]) {
    const wanted = await target(query, agent);
    assert.deepEqual([await target(query, dispatcher), await target(query, plain)], [wanted, wanted]);
  }
  assert.equal(await target({ id: [1, 2, 3] }, dispatcher), "/echo?id=1&id=2&id=3");
  const twice = { dispatcher, path: "/echo?a=1", query: { b: 1 } };
  await assert.rejects(undici.request("http://orders", twice), /Query params cannot be passed/);
  await Promise.all([agent.close(), plain.close()]);
});

test("headers may be names and values in turn, as undici has them", async () => {
  const headers = ["x-user", "7", "cd", "ef"];
  const seen = await (await undici.request("http://orders/echo", { dispatcher, headers })).body.json();
  const fields = new Map(seen.headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.deepEqual([fields.get("x-user"), fields.get("cd")], ["7", "ef"]);
});

test("a host is sent, and text has no type, as undici has it", async () => {
  const agent = new undici.Agent();
  const plain = new Dispatcher();
  const shown = async (dispatcher, options) => {
    const { body } = await undici.request(`http://${hosts[0]}/echo`, { dispatcher, method: "POST", ...options });
    const seen = await body.json();
    const fields = new Map(seen.headers.map(([name, value]) => [name.toLowerCase(), value]));
    return [fields.get("host"), fields.get("content-type"), fields.get("content-length"), seen.body];
  };
  for (const options of [{ headers: { host: "tenant.example" }, body: "grün" }, { body: "" }, { headers: { "content-type": "a/b" }, body: "c" }]) {
    const wanted = await shown(agent, options);
    assert.deepEqual(await shown(plain, options), wanted);
    if (options.headers?.host) assert.deepEqual(await shown(dispatcher, options), wanted);
  }
  // That of fetch is fetch's own.
  const { headers } = await (await fetch(`http://${hosts[0]}/echo`, { dispatcher: plain, method: "POST", body: "a" })).json();
  assert.ok(headers.some(([name, value]) => name.toLowerCase() === "content-type" && value === "text/plain;charset=UTF-8"));
  await Promise.all([agent.close(), plain.close()]);
});

test("close waits for what is under way and refuses what is new; destroy ends it", async () => {
  for (const fetched of [fetch, undici.fetch]) {
    const closing = new Dispatcher(hosts, { timeout: 5000 });
    const text = fetched("http://orders/slow?ms=200", { dispatcher: closing }).then((answer) => answer.text());
    const body = await fetched("http://orders/drip?n=5&ms=60", { dispatcher: closing });
    let over = false;
    const closed = closing.close().then(() => { over = true; });
    await assert.rejects(fetched("http://orders/ok", { dispatcher: closing }), (error) => error.cause.code === "AHOY_E_CLOSED");
    assert.deepEqual([over, await text, await body.text()], [false, "late", "....."]);
    await closed;
    await new Promise((resolve) => closing.close(resolve));
  }
  const destroyed = new Dispatcher(hosts, { timeout: 5000 });
  const slow = undici.request("http://orders/slow?ms=9000", { dispatcher: destroyed });
  const ended = assert.rejects(slow, /enough/);
  // One whose handler has paused, for nobody reads it.
  const { body } = await undici.request("http://orders/big?n=3000000", { dispatcher: destroyed });
  const broken = new Promise((resolve) => body.on("error", resolve));
  const waiting = destroyed.close();
  await destroyed.destroy(new Error("enough"));
  await Promise.all([ended, waiting]);
  assert.match((await broken).message, /enough/);
  const idle = new Dispatcher(hosts);
  await new Promise((resolve) => idle.destroy(resolve));
  await assert.rejects(undici.request("http://orders/ok", { dispatcher: idle }), { code: "AHOY_E_CLOSED" });
});

test("a body that nobody reads holds the server back", async () => {
  const { body } = await undici.request(`http://orders/big?n=${64 << 20}`, { dispatcher });
  const taken = await atRest(hosts[0]);
  assert.ok(taken < 2 << 20, `${taken} bytes`);
  body.on("error", () => {}).destroy();
});

test("failures are those of the library", async () => {
  const dead = new Dispatcher([hosts[1]], { timeout: 300 });
  await assert.rejects(undici.request("http://orders/ok", { dispatcher: dead }), { name: "AhoyError" });
  await assert.rejects(fetch("http://orders/ok", { dispatcher: dead }), (error) => /^AHOY_E_/.test(error.cause.code));
  await dead.close();
});

test("whole URLs", async () => {
  const plain = new Dispatcher();
  assert.equal(await (await fetch(`http://${hosts[0]}/ok`, { dispatcher: plain })).text(), "hello");
  await plain.close();
});

test("a configuration gives the hosts, and how often is tried", async () => {
  const dispatcher = new Dispatcher(null, { config: { hosts: [hosts[0]], retry: { tries: 2 } } });
  const answer = await fetch("http://orders/flaky?n=1&key=dispatcher", { dispatcher });
  assert.equal(await answer.text(), "at last");
  await dispatcher.close();
});

test("what a handler throws ends the exchange at the server", async () => {
  const before = (await counts(hosts[0])).broken_off;
  const error = await new Promise((resolve) => dispatcher.dispatch({ origin: "http://orders", method: "GET", path: "/drip?n=900&ms=5" }, {
    onRequestStart() {},
    onResponseStart() { throw new Error("refused"); },
    onResponseError: (_, failed) => resolve(failed),
  }));
  assert.equal(error.message, "refused");
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 1);
});

test("a handler since undici 7 pauses and gives up", async () => {
  const seen = [];
  const told = (options) => new Promise((resolve) => dispatcher.dispatch({ origin: "http://orders", method: "GET", ...options }, {
    onRequestStart(controller) { this.controller = controller; },
    onResponseStart(controller, status, headers) { seen.push(status, headers["content-length"]); },
    onResponseData(controller, piece) {
      seen.push(piece.toString());
      if (options.giveUp) return controller.abort(new Error("enough"));
      controller.pause();
      assert.equal(controller.paused, true);
      setTimeout(() => controller.resume(), 10);
    },
    onResponseEnd: () => resolve("end"),
    onResponseError: (controller, error) => resolve(`${error.message} ${controller.aborted}`),
  }));
  assert.equal(await told({ path: "/ok" }), "end");
  assert.deepEqual(seen, [200, "5", "hello"]);
  assert.equal(await told({ path: "/drip?n=900&ms=5", giveUp: true }), "enough true");
});

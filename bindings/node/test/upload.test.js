"use strict";

const assert = require("node:assert/strict");
const { File } = require("node:buffer");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { PassThrough, Readable } = require("node:stream");
const { after, before, test } = require("node:test");
const { Client } = require("../src/index.js");
const { Dispatcher } = require("../src/undici.js");
const { eventually, servers } = require("./support.js");

let hosts;
const made = [];

before(async () => {
  hosts = await servers("ok");
});
after(() => Promise.all(made.map((client) => client.close())));

function client(given = hosts, options = {}) {
  made.push(new Client(given, { timeout: 5000, ...options }));
  return made[made.length - 1];
}

const readBefore = { name: "TypeError", message: /read before/ };
const missing = path.join(__dirname, "missing");
const text = async (call) => (await call).text();

test("a stream that was read is refused, as fetch does it, and not sent as an empty body", async () => {
  const c = client();
  for (const make of [() => Readable.from(["a"]), () => new Blob(["a"]).stream()]) {
    const stream = make();
    assert.equal(await text(c.post("/body", stream)), "a");
    await assert.rejects(c.post("/body", stream), readBefore);
    const read = make();
    for await (const piece of read) assert.equal(String(Buffer.from(piece)), "a");
    await assert.rejects(c.post("/body", read), readBefore);
    const shared = make();
    const [first, second] = await Promise.allSettled([text(c.post("/body", shared)), c.post("/body", shared)]);
    assert.deepEqual([first.value, second.reason.name], ["a", "TypeError"]);
  }
  const answer = await c.get("/ok");
  assert.equal(await answer.text(), "hello");
  await assert.rejects(c.post("/body", answer.body), readBefore);
});

test("a stream that failed fails its call by its own error", async () => {
  const stream = new PassThrough();
  const gone = new Promise((resolve) => stream.on("error", () => {}).on("close", resolve));
  stream.destroy(new Error("no disk"));
  await gone;
  await assert.rejects(client().post("/body", stream), /no disk/);
});

/** A file, and a form with it, that brings nothing; and whether its reading was ended. */
function silent() {
  const seen = { left: false };
  class Silent extends File {
    stream() {
      return new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => { seen.left = true; } });
    }

    arrayBuffer() {
      return new Promise(() => {});
    }
  }
  const file = new Silent(["a"], "a.txt");
  const form = new FormData();
  form.append("file", file);
  return { file, form, seen };
}

test("a signal, a limit and the client's close end the reading of a Blob and of a FormData", { timeout: 10_000 }, async () => {
  for (const kind of ["file", "form"]) {
    const reading = [silent(), silent(), silent()];
    const bodies = reading.map((one) => one[kind]);
    await assert.rejects(client().post("/body", bodies[0], { signal: AbortSignal.timeout(30) }), { name: "TimeoutError" });
    await assert.rejects(client().post("/body", bodies[1], { timeout: 30 }), { code: "AHOY_E_DEADLINE", timeout: true });
    const closed = client();
    const called = assert.rejects(closed.post("/body", bodies[2]), { code: "AHOY_E_CLOSED" });
    await closed.close();
    await called;
    if (kind === "file") await eventually(() => reading.every(({ seen }) => seen.left));
  }
});

test("a stream that fails while its call waits for the hosts fails the call, and not the process", async () => {
  const stream = fs.createReadStream(missing);
  const closed = new Promise((resolve) => stream.on("close", resolve));
  const c = client(async () => {
    await closed;
    return hosts;
  });
  await assert.rejects(c.post("/body", stream), { code: "ENOENT" });
});

test("a call that is refused before it reads its stream ends it", async () => {
  const closed = client();
  await closed.close();
  const dispatcher = new Dispatcher(hosts);
  await dispatcher.close();
  const dispatched = (body) => new Promise((resolve, reject) => {
    const handler = { onRequestStart() {}, onResponseStart() {}, onResponseData() {}, onResponseEnd: resolve };
    dispatcher.dispatch({ method: "POST", origin: "http://a", path: "/body", body }, { ...handler, onResponseError: (_, error) => reject(error) });
  });
  const refused = [
    (body) => client().post("/body", body, { signal: AbortSignal.abort() }),
    (body) => closed.post("/body", body),
    (body) => client(() => { throw new Error("no registry"); }).post("/body", body),
    (body) => client().post("/body", body, { timuot: 1 }),
    (body) => client().post("/body", body, { json: 1 }),
    dispatched,
  ];
  for (const call of refused) {
    for (const file of [__filename, missing]) {
      const stream = fs.createReadStream(file);
      const gone = new Promise((resolve) => stream.on("close", resolve));
      await assert.rejects(call(stream), String(call));
      assert.equal(stream.destroyed, true, String(call));
      await gone;
    }
    let left = false;
    await assert.rejects(call(new ReadableStream({ cancel: () => { left = true; } })));
    assert.equal(left, true, String(call));
  }
});

test("a server's request whose call is refused can still be answered", async (context) => {
  const c = client(() => { throw new Error("no registry"); });
  const server = http.createServer((request, answer) => {
    c.post("/body", request).catch((error) => answer.writeHead(502).end(error.code));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { method: "POST", body: "a".repeat(100_000) });
  assert.deepEqual([answer.status, await answer.text()], [502, "AHOY_E_DISCOVERY"]);
});

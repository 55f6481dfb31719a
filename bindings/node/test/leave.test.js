"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { Readable, Writable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { after, before, test } = require("node:test");
const { Client } = require("../src/index.js");

const limit = { timeout: 10_000 };
let server;
let client;
/** The promise that the server's last answer was broken off. */
let closed;

before(async () => {
  server = http.createServer((_, answer) => {
    closed = new Promise((resolve) => answer.on("close", resolve));
    answer.writeHead(200, { "content-type": "text/event-stream" }).write("data: hello\n\n"); // and nothing more
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = new Client([`127.0.0.1:${server.address().port}`]);
});
after(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

const end = { done: true, value: undefined };

test("the events of a silent server can be left while one is awaited", limit, async () => {
  const events = (await client.get("/")).events();
  assert.equal((await events.next()).value.data, "hello");
  const pending = events.next();
  assert.deepEqual(await events.return(), end);
  assert.deepEqual([await pending, await events.next()], [end, end]);
  await closed;
});

test("events that were not begun can be left", limit, async () => {
  await (await client.get("/")).events().return();
  await closed;
});

test("the pieces of a silent server can be left while one is awaited", limit, async () => {
  const ends = [(pieces) => pieces.return(), (pieces) => assert.rejects(pieces.throw(new Error("enough")), /enough/)];
  for (const leave of ends) {
    const pieces = (await client.get("/"))[Symbol.asyncIterator]();
    assert.match(String((await pieces.next()).value), /hello/);
    const pending = pieces.next();
    await leave(pieces);
    assert.deepEqual(await pending, end);
    await closed;
  }
});

test("a Readable of an answer that is destroyed ends it", limit, async () => {
  const readable = Readable.from(await client.get("/"));
  await new Promise((resolve) => readable.once("data", resolve));
  const gone = new Promise((resolve) => readable.on("close", resolve));
  readable.destroy();
  await Promise.all([gone, closed]);
});

test("a pipeline whose reader goes away ends the answer of a silent server", limit, async () => {
  for (const source of [Readable.from, ({ body }) => Readable.fromWeb(body)]) {
    const reader = new Writable({ write: () => reader.destroy() });
    await assert.rejects(pipeline(source(await client.get("/")), reader), { code: "ERR_STREAM_PREMATURE_CLOSE" });
    await closed;
  }
});

test("an answer that was cancelled is none that has ended", limit, async () => {
  const response = await client.get("/");
  const pieces = response[Symbol.asyncIterator]();
  await pieces.next();
  const pending = assert.rejects(pieces.next(), { code: "AHOY_E_CANCELLED" });
  await response.cancel();
  await Promise.all([pending, closed]);
});

"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { after, before, test } = require("node:test");
const { gzipSync } = require("node:zlib");
const { Client } = require("../src/index.js");

const MIB = 2 ** 20;
/** Some kilobytes each, on the wire. */
const bodies = new Map([1, 2, 64, 65].map((count) => [`/${count}`, gzipSync(Buffer.alloc(count * MIB, "0"))]));
let server;
let host;

before(async () => {
  server = http.createServer((request, answer) => {
    answer.writeHead(200, { "content-encoding": "gzip" }).end(bodies.get(request.url));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const tooLarge = (count) => ({ name: "AhoyError", code: "AHOY_E_BODY_TOO_LARGE", message: new RegExp(`above ${count * MIB} bytes`) });

test("a body that is held whole is bounded by the client's max_body, however it is held", async (context) => {
  const client = new Client([host], { options: { max_body: "1MiB" } });
  context.after(() => client.close());
  for (const how of ["buffer", "bytes", "arrayBuffer", "blob", "formData", "text", "json"]) {
    const response = await client.get("/2");
    await assert.rejects(response[how](), { ...tooLarge(1), attempts: response.attempts, attemptCount: 1 }, how);
  }
  assert.equal((await (await client.get("/1")).buffer()).length, MIB);
});

test("a body that is read piece by piece has no bound", async (context) => {
  const client = new Client([host], { options: { max_body: "1MiB" } });
  context.after(() => client.close());
  let count = 0;
  for await (const piece of await client.get("/2")) count += piece.length;
  for await (const piece of (await client.get("/2")).body) count += piece.length;
  assert.equal(count, 4 * MIB);
});

test("the bound is 64 MiB by default, and another one after a reconfigure", async (context) => {
  const client = new Client([host]);
  context.after(() => client.close());
  await assert.rejects((await client.get("/65")).buffer(), tooLarge(64));
  assert.equal((await (await client.get("/64")).buffer()).length, 64 * MIB);
  client.reconfigure({ max_body: MIB });
  await assert.rejects((await client.get("/2")).buffer(), tooLarge(1));
  client.reconfigure({ max_body: "2MiB" });
  assert.equal((await (await client.get("/2")).buffer()).length, 2 * MIB);
});

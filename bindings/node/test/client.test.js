"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const { after, before, test } = require("node:test");
const { AhoyError, Balancer, Client } = require("../src/index.js");
const { eventsOf } = require("../src/events.js");
const { counts, eventually, program, servers } = require("./support.js");

let hosts;
const made = [];

before(async () => {
  hosts = await servers("ok", "refuse", "ok");
});
after(() => Promise.all(made.map((client) => client.close())));

function client(given = hosts, options = {}) {
  made.push(new Client(given, { timeout: 5000, ...options }));
  return made[made.length - 1];
}

test("a dead host costs no call", async () => {
  const c = client();
  for (let i = 0; i < 9; i++) assert.equal(await (await c.get("/ok")).text(), "hello");
});

test("a request arrives as it was written", async () => {
  const c = client(hosts, { headers: { "x-client": "c" } });
  const seen = await (await c.post("/echo", null, { json: { a: ["ü"] }, params: { q: "a b" }, headers: { "X-Call": "v" } })).json();
  assert.deepEqual([seen.method, seen.target], ["POST", "/echo?q=a+b"]);
  const fields = Object.fromEntries(seen.headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.deepEqual([fields["x-client"], fields["x-call"], fields["content-type"]], ["c", "v", "application/json"]);
  assert.equal(Buffer.from(seen.body, "latin1").toString(), '{"a":["ü"]}');
});

test("bodies of every kind", async () => {
  const c = client();
  const sent = async (body) => (await c.post("/body", body)).text();
  assert.equal(await sent("text"), "text");
  assert.equal(await sent(Buffer.from("bytes")), "bytes");
  assert.equal(await sent(new URLSearchParams({ a: "1 2" })), "a=1+2");
  assert.equal(await sent(new Blob(["blob"])), "blob");
  assert.equal(await sent((async function* () { yield "a"; yield "b"; })()), "ab");
  const form = new FormData();
  form.append("f", new Blob(["content"]), "n.txt");
  assert.match(await sent(form), /content/);
});

test("answers are shaped like fetch's", async () => {
  const response = await client().get("/echo");
  assert.equal(response.headers.get("Content-Type"), "application/json");
  assert.ok(response.ok && !response.bodyUsed && response.attempts.length > 0);
  await response.arrayBuffer();
  await assert.rejects(response.text(), TypeError);
  assert.deepEqual([response.statusText, response.url], ["OK", `${response.endpoint}/echo`]);
  assert.equal(await (await (await client().get("/ok")).blob()).text(), "hello");
  const missing = await client().get("/status?c=404");
  assert.deepEqual([missing.status, missing.ok, await missing.text()], [404, false, "as asked"]);
  assert.equal(await (await client().get("/gzip")).text(), "hello");
});

test("an answer that has no body has a null one, as fetch has it", async (context) => {
  const server = http.createServer((request, answer) => {
    answer.writeHead(Number(request.url.slice(1)), { "x-seen": "1" }).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const host = `127.0.0.1:${server.address().port}`;
  const c = client([host]);
  const shown = async (response) => {
    const { body, status, bodyUsed } = response;
    return [status, body, bodyUsed, await response.text(), await response.text(), response.bodyUsed, response.headers.get("x-seen")];
  };
  for (const [method, path] of [["HEAD", "/200"], ["GET", "/204"], ["GET", "/205"], ["GET", "/304"], ["POST", "/204"]]) {
    const wanted = await shown(await fetch(`http://${host}${path}`, { method }));
    assert.deepEqual(await shown(await c.fetch(path, { method })), wanted);
    const response = await c.fetch(path, { method });
    for await (const piece of response) assert.fail(String(piece));
    // As a program does that hands an answer on.
    const { Response: Standard } = globalThis;
    assert.equal(new Standard(response.body, { status: response.status }).status, response.status);
    await response.cancel();
  }
  const empty = await c.get("/200");
  assert.ok(empty.body instanceof ReadableStream);
  assert.equal(await empty.text(), "");
});

test("a way with redirects is the client's, or refused", async () => {
  const [balanced, following] = [client([hosts[0]]), client(null, { options: { redirects: 2 } })];
  const status = async (c, path, redirect) => {
    const response = await c.get(path, { redirect, integrity: "" });
    await response.cancel();
    return response.status;
  };
  const away = `http://${hosts[0]}/redirect?to=/ok`;
  assert.equal(await status(balanced, "/redirect?to=/ok", "manual"), 302);
  assert.equal(await status(balanced, "/redirect?to=/ok", undefined), 302);
  assert.equal(await status(balanced, "/ok", "error"), 200);
  await assert.rejects(status(balanced, "/redirect?to=/ok", "error"), { name: "TypeError", message: /redirect: "error" refuses/ });
  assert.equal(await status(following, away, "follow"), 200);
  const wrong = [[balanced, "follow"], [balanced, "folow"], [balanced, null], [following, "manual"], [following, "error"]];
  for (const [c, redirect] of wrong) {
    await assert.rejects(status(c, away, redirect), { name: "TypeError", message: /^redirect is .* and not / }, String(redirect));
  }
  await assert.rejects(balanced.get("/ok", { integrity: "sha256-x" }), { name: "TypeError", message: /^integrity is not checked/ });
});

test("a field without a value is not sent", async () => {
  const seen = await (await client().get("/echo", { headers: { "x-a": undefined, "x-b": ["1", "2"], "x-c": "" } })).json();
  assert.deepEqual(seen.headers.filter(([name]) => /^x-/i.test(name)), [["x-b", "1"], ["x-b", "2"], ["x-c", ""]]);
});

test("fields are bytes, and each is a character, as fetch has it", async () => {
  let seen;
  const server = http.createServer((request) => {
    seen = request.headers["x-sent"];
    request.socket.end(Buffer.from("HTTP/1.1 200 OK\r\nx-latin: caf\xe9\r\nx-utf8: \xe2\x82\xac\r\nconnection: close\r\n\r\n", "latin1"));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const c = client([`127.0.0.1:${server.address().port}`]);
  const { headers } = await c.get("/", { headers: new Headers({ "x-sent": "caf\xe9" }) });
  assert.deepEqual([headers.get("x-latin"), headers.get("x-utf8"), seen], ["caf\xe9", "\xe2\x82\xac", "caf\xe9"]);
  await assert.rejects(c.get("/", { headers: { "x-sent": "\u20ac" } }), /x-sent has a character above/);
  server.close();
});

test("a body is used once, however it was used", async () => {
  const c = client([hosts[0]]);
  const used = async (use) => {
    const response = await c.get("/big?n=200000");
    await use(response);
    assert.equal(response.bodyUsed, true);
    await assert.rejects(response.text(), TypeError, String(use));
  };
  await used((response) => response.cancel());
  await used((response) => response.body.cancel());
  await used(async ({ body }) => {
    const reader = body.getReader();
    await reader.read();
    reader.releaseLock();
  });
  const reader = (await c.get("/ok")).body.getReader({ mode: "byob" });
  const pieces = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(3));
    if (done) break;
    pieces.push(Buffer.from(value).toString());
  }
  assert.equal(pieces.join(""), "hello");
});

/** What a server was sent of each call: the field x-id, the query and the body. */
async function sentBy(calls) {
  const seen = await Promise.all(calls.map(async (call) => (await call).json()));
  return seen.map(({ headers, target, body }) => {
    const fields = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
    return [fields.get("x-id"), target.split("?")[1], body].join(" ");
  });
}

test("a call takes its arguments at once: what changes afterwards is not sent", async () => {
  let list;
  const waiting = new Balancer(() => new Promise((resolve) => { list = resolve; }), { refresh: Infinity });
  // A tracing of the user's own may wait before it sends.
  const late = { call: async (method, path, send) => new Promise(setImmediate).then(() => send([])) };
  for (const c of [client([hosts[0]]), client(waiting), client([hosts[0]], { tracing: late })]) {
    const headers = new Headers();
    const params = new URLSearchParams();
    const body = Buffer.alloc(1);
    const options = { method: "POST", headers, params };
    const calls = [];
    for (const [number, given] of [body, body.buffer, [body, body], new URLSearchParams(), body].entries()) {
      headers.set("x-id", String(number));
      params.set("n", String(number));
      body[0] = 97 + number;
      const form = given instanceof URLSearchParams;
      if (form) given.set("f", "1");
      options.body = given === body.buffer ? new Uint8Array(body.buffer, body.byteOffset, 1) : given;
      calls.push(c.fetch("/echo", options));
      if (form) given.set("f", "2");
    }
    headers.set("x-id", "last");
    params.set("n", "last");
    body[0] = 122;
    Object.assign(options, { method: "DELETE", timeout: 1, body: null });
    list?.([hosts[0]]);
    assert.deepEqual(await sentBy(calls), ["0 n=0 a", "1 n=1 b", "2 n=2 cc", "3 n=3 f=1", "4 n=4 e"]);
    list = null;
  }
});

test("a call that waits for its turn has taken its arguments", async () => {
  const c = client([hosts[0]]);
  const headers = {};
  const body = Buffer.alloc(3);
  const hashKey = Buffer.alloc(1);
  const calls = [];
  for (let number = 100; number < 200; number++) {
    headers["x-id"] = body.write(String(number)) && String(number);
    calls.push(c.post("/echo", body, { headers, hashKey, params: { n: number } }));
  }
  assert.deepEqual(await sentBy(calls), calls.map((_, index) => `${100 + index} n=${100 + index} ${100 + index}`));
});

test("a tracing may send a body again", async () => {
  const twice = { call: async (method, path, send) => { await (await send([])).text(); return send([["x-id", "again"]]); } };
  const c = client([hosts[0]], { tracing: twice });
  const form = new FormData();
  form.append("f", "v");
  assert.match((await sentBy([c.post("/echo", form)]))[0], /^again .*name="f"/s);
  assert.deepEqual(await sentBy([c.post("/echo", (function* () { yield "a"; yield "b"; })())]), ["again  ab"]);
});

test("names and values in turn are no headers", async () => {
  const c = client([hosts[0]]);
  for (const headers of [["x-user", "7", "cd", "ef"], ["ab"], [["a"]], [["a", "b", "c"]], [null], "ab"]) {
    await assert.rejects(c.get("/echo", { headers }), { name: "TypeError", message: /headers (in a list )?are/ }, String(headers));
    assert.throws(() => client(hosts, { headers }), TypeError);
  }
  assert.deepEqual(await sentBy([c.get("/echo", { headers: new Map([["x-id", 5]]) })]), ["5  "]);
});

test("half of a surrogate pair in a path is U+FFFD, as fetch has it", async () => {
  const seen = await (await client([hosts[0]]).get("/echo?a=\ud800b\udc00&\u{1f600}", { params: { "\ud800": "1" } })).json();
  assert.equal(seen.target, "/echo?a=%EF%BF%BDb%EF%BF%BD&%F0%9F%98%80&%EF%BF%BD=1");
});

test("a time without end is one in a call and in a client", async () => {
  for (const span of [Infinity, Number.MAX_VALUE, 2 ** 64, 2 ** 53]) {
    const c = client([hosts[0]], { timeout: span, attemptTimeout: span, connectTimeout: span });
    assert.equal(c.settings().timeout, "forever");
    assert.equal((await c.get("/ok", { timeout: span, attemptTimeout: span })).status, 200);
  }
  const longest = Number.MAX_SAFE_INTEGER;
  assert.equal((await client([hosts[0]], { timeout: longest }).get("/ok", { timeout: longest })).status, 200);
  for (const [span, words] of [[NaN, /^timeout is a number of milliseconds, and not NaN/], [-1, /^timeout is not negative/]]) {
    assert.throws(() => client(hosts, { timeout: span }), { message: words });
    await assert.rejects(client().get("/ok", { timeout: span }), { message: words });
  }
  let asked = 0;
  const seldom = client(() => [hosts[asked++ && 0]], { provider: { refresh: Number.MAX_VALUE } });
  await seldom.get("/ok");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked, 1);
});

test("a body is bounded by its idle limit and by the signal, and not by the timeout", async () => {
  const c = client([hosts[0]], { options: { body_idle_timeout: "200ms" } });
  assert.equal(await (await c.get("/drip?n=6&ms=50", { timeout: 150 })).text(), "......");
  await assert.rejects((await c.get("/drip?n=2&ms=20000", { timeout: 150 })).text(), { code: "AHOY_E_TIMEOUT", timeout: true });
  const ended = c.get("/drip?n=60&ms=50", { signal: AbortSignal.timeout(300) }).then((response) => response.text());
  await assert.rejects(ended, { name: "TimeoutError" });
});

test("a body of another kind is refused, and not sent as something else", async () => {
  const c = client([hosts[0]]);
  for (const body of [new Map([["a", "b"]]), [["a"]], [{ length: 3 }], [5]]) {
    await assert.rejects(c.post("/body", body), /pieces of a body are text or bytes/);
  }
  const form = new (require("undici").FormData)();
  form.append("name", "content");
  assert.match(await (await c.post("/body", form)).text(), /name="name"[^]*content/);
  assert.equal(await (await c.post("/body", ["a", new Uint16Array([0x6262])])).text(), "abb");
});

test("a call's limit and the client's close end what is waited for before anything is sent", async () => {
  const never = () => new Promise(() => {});
  const stuck = async function* () { yield "a"; await never(); };
  const late = { code: "AHOY_E_DEADLINE", timeout: true, message: /request's body has not come within .* 40 ms/ };
  await assert.rejects(client().post("/body", stuck(), { timeout: 40 }), late);
  await assert.rejects(client(hosts, { timeout: 40 }).post("/body", stuck()), late);
  await assert.rejects(client(never, { timeout: 40 }).get("/ok"), {
    code: "AHOY_E_DISCOVERY", timeout: true, message: /none within 40 ms/,
  });
  for (const [c, body] of [[client(), stuck], [client(never), () => null]]) {
    const called = [c.post("/body", body()), c.post("/body", body())].map((call) => call.catch((error) => error));
    await c.close();
    const [one, other] = await Promise.all(called);
    assert.deepEqual([one.code, other.code], ["AHOY_E_CLOSED", "AHOY_E_CLOSED"]);
    assert.notEqual(one, other);
  }
  // What is left of the limit is the call's.
  const slowly = (async function* () { await new Promise((resolve) => setTimeout(resolve, 30)); yield "a"; })();
  const begun = performance.now();
  await assert.rejects(client([hosts[0]]).post("/slow?ms=5000", slowly, { timeout: 300 }), { code: "AHOY_E_DEADLINE" });
  assert.ok(performance.now() - begun < 5000);
});

test("a signal ends a body that is being drawn, and what draws it", async () => {
  const c = client([hosts[0]]);
  let left = false;
  async function* silent() {
    try {
      yield "a";
      await new Promise((resolve) => setTimeout(resolve, 300));
      yield "b";
    } finally {
      left = true;
    }
  }
  const aborted = () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    return controller.signal;
  };
  const begun = performance.now();
  await assert.rejects(c.post("/body", silent(), { signal: aborted() }), { name: "AbortError" });
  assert.ok(performance.now() - begun < 250);
  await eventually(() => left);
  const { Readable } = require("node:stream");
  const readable = new Readable({ read() {} });
  await assert.rejects(c.post("/body", readable, { signal: aborted() }), { name: "AbortError" });
  assert.equal(readable.destroyed, true);
  let cancelled = false;
  const stream = new ReadableStream({ pull: () => new Promise(() => {}), cancel: () => { cancelled = true; } });
  await assert.rejects(c.post("/body", stream, { signal: aborted() }), { name: "AbortError" });
  await eventually(() => cancelled);
  assert.equal(await (await c.post("/body", new Blob(["web"]).stream())).text(), "web");
  let drawn = false;
  const once = (function* () { drawn = true; yield "a"; })();
  await assert.rejects(c.post("/body", once, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(drawn, false);
});

test("a signal ends an answer that nobody reads", async () => {
  const c = client([hosts[0]]);
  const before = (await counts(hosts[0])).broken_off;
  const controller = new AbortController();
  const response = await c.get("/drip?n=500&ms=20", { signal: controller.signal });
  controller.abort();
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 1);
  await assert.rejects(response.text(), { name: "AbortError" });
});

test("many calls share a signal without a warning", async () => {
  const warnings = [];
  const note = (warning) => warnings.push(warning.name);
  process.on("warning", note);
  const { signal } = new AbortController();
  const c = client([hosts[0]]);
  await Promise.all(Array.from({ length: 20 }, async () => (await c.get("/slow?ms=30", { signal })).text()));
  process.off("warning", note);
  assert.deepEqual([warnings, require("node:events").getEventListeners(signal, "abort").length], [[], 0]);
});

test("errors have a code, their attempts, a cause and the caller's stack", async function called() {
  const error = await client([hosts[1]]).get("/ok").catch((e) => e);
  assert.ok(error instanceof AhoyError);
  assert.deepEqual([error.code, error.attempts[0].url, error.retryable], ["AHOY_E_CONNECT", `http://${hosts[1]}`, true]);
  assert.match(error.cause.message, /connect refused/);
  assert.match(error.stack, /client\.test\.js/);
  const late = await client([hosts[0]]).get("/slow?ms=5000", { timeout: 60 }).catch((e) => e);
  assert.deepEqual([late.code, late.timeout], ["AHOY_E_DEADLINE", true]);
  assert.throws(() => client(hosts, { options: { max_in_fligt: 1 } }), /max_in_flight/);
  await assert.rejects(client().get("no path"), { code: "AHOY_E_INVALID_ARGUMENT" });
});

test("what is of a wrong kind is named", async () => {
  const wrong = [
    [() => client(["127.0.0.1:99999"]), /99999/],
    [() => client(["127.0.0.1:http"]), /http.*is not a host/],
    [() => client(["https://me:hush@a"]), /^(?!.*hush).*a host holds credentials/],
    [() => client([{ address: "me:hush@a", port: 80 }]), /^(?!.*hush).*a host holds credentials/],
    [() => client([`http://${hosts[0]}/path`]), /is not a host/],
    [() => client([{ address: "127.0.0.1" }]), /127\.0\.0\.1:undefined is not a host/],
    [() => client([8001]), /8001/],
    [() => client(8001), /8001/],
    [() => client(hosts, { timout: 1 }), /timout/],
    [() => client(hosts, { timeout: "2" }), /timeout is a number of milliseconds, and not '2'/],
    [() => client(hosts, { attemptTimeout: -1 }), /attemptTimeout is not negative/],
    [() => client(hosts, { tries: "x" }), /tries/],
    [() => client(hosts, { balancer: "prequal" }), /prequal is not a balancer: write prequal:\/path/],
    [() => client(hosts, { balancer: "p2c:x" }), /no balancer is called p2c:x/],
    [() => client(hosts, { ca: 5 }), /ca is text or bytes/],
    [() => client(hosts, { cert: "x" }), /key is text or bytes/],
    [() => client(hosts, { options: { retry_trys: 3 } }), /retry_trys: no such option; the nearest is retry_tries/],
    [() => new Client(hosts, 5), /options are an object/],
    [() => client(null, { baseURL: 5 }), /baseURL is text/],
    [() => client([{ address: 5, port: 80 }]), /address of a host is text/],
    [() => client([{ address: "a", port: 80, zone: 5 }]), /zone of a host is text/],
    [() => client([{ address: "a", port: 80, weight: -1 }]), /weight of a host is a whole number, and not -1/],
    [() => client([{ address: "a", port: 80, priority: 1.5 }]), /priority of a host is a whole number/],
    [() => client([{ address: "a", port: 80, scheme: "ftp" }]), /scheme of a host is http or https/],
    [() => client().get("/ok", { timeout: "2" }), /timeout is a number of milliseconds/],
    [() => client().get("/ok", { criticality: 2 ** 32 }), /criticality is a whole number, and not 4294967296/],
    [() => client().get("/ok", { criticality: NaN }), /criticality is a whole number, and not NaN/],
    [() => client().get("/ok", { criticality: -1 }), /criticality/],
    [() => client().get("/ok", { tiemout: 2 }), /no option of a call is called tiemout/],
    [() => client().get("/ok", { headers: { a: "b\0c" } }), /NUL/],
    [() => client().get("/ok", { group: "a\0b" }), /group has a NUL/],
    [() => client(hosts, { options: { retry_tries: "3\0x" } }), /NUL/],
    [() => client([{ address: "127.0.0.1\0x", port: 80 }]), /address of a host has a NUL/],
    [() => client().get("/ok", { group: 5 }), /group is text/],
    [() => client().get("/ok", { idempotent: "no" }), /idempotent is true or false, and not 'no'/],
    [() => client(hosts, { resilient: "off" }), /resilient is true or false/],
    [() => client().get("/ok", { hashKey: 5 }), /hashKey is text or bytes/],
    [() => client().get("/ok", { signal: 5 }), /signal is an AbortSignal/],
    [() => client().get("/ok", { headers: 5 }), /headers are/],
    [() => client().get("/ok", { headers: [[5, 5]], criticality: "x" }), /./],
    [() => client().post("/body", "a", { json: 1 }), /a body or json/],
    [() => client().post("/body", null, { json: () => 1 }), /JSON/],
    [() => client().post("/body", 5), /a body is .* not number/],
    [() => client().post("/body", { a: 1 }), /json/],
  ];
  for (const [call, words] of wrong) await assert.rejects(async () => call(), { message: words }, String(call));
});

test("a body comes as it is sent, and leaving it ends it at the server", async () => {
  const c = client([hosts[0]]);
  const pieces = [];
  for await (const piece of await c.get("/drip?n=5&ms=100")) pieces.push(String(piece));
  assert.equal(pieces.join(""), ".....");
  assert.ok(pieces.length > 1);
  const before = (await counts(hosts[0])).broken_off;
  for await (const _ of await c.get("/drip?n=500&ms=20")) break;
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 1);
  const reader = (await c.get("/drip?n=500&ms=20")).body.getReader();
  await reader.read();
  await reader.cancel();
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 2);
});

test("an answer that says nothing can be left while it is read", async () => {
  const c = client([hosts[0]]);
  const before = (await counts(hosts[0])).broken_off;
  const response = await c.get("/drip?n=2&ms=20000");
  const read = response.text();
  setTimeout(() => response.cancel(), 30);
  await assert.rejects(read, { code: "AHOY_E_CANCELLED" });
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 1);
  const reader = (await c.get("/drip?n=2&ms=20000")).body.getReader();
  assert.equal((await reader.read()).value.length, 1);
  const pending = reader.read();
  setTimeout(() => reader.cancel(), 30);
  assert.deepEqual(await pending, { done: true, value: undefined });
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 2);
});

test("server-sent events", async () => {
  const events = [];
  for await (const event of (await client().get("/events")).events()) events.push(event);
  assert.deepEqual(events.map((e) => e.data), ["one", "two\nlines", "three"]);
  assert.deepEqual([events[1].event, events[1].id], ["second", "7"]);
});

test("server-sent events as the standard reads them", async () => {
  const server = http.createServer((_, answer) => answer.end("\ufeffdata: a\nid: 1\n\nevent:\ndata: b\nid: x\0\n\ndata: cut"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const events = [];
  for await (const event of (await client([`127.0.0.1:${server.address().port}`]).get("/")).events()) events.push(event);
  assert.deepEqual(events, [{ event: "message", data: "a", id: "1" }, { event: "message", data: "b", id: "1" }]);
  server.closeAllConnections();
  server.close();
});

/** The events of a body that comes in these pieces. */
async function eventsIn(pieces) {
  const found = [];
  for await (const event of eventsOf(pieces.map((piece) => Buffer.from(piece)))) found.push(event.data);
  return found;
}

test("a CR ends a line, also at the end of a piece", async () => {
  assert.deepEqual(await eventsIn(["data: a\r", "\ndata: b\r\r", "", "data: c\r\n\r", "\n"]), ["a\nb", "c"]);
});

test("a long line is joined once", async () => {
  // What joins it at each piece copies 64 GiB for these 8 MiB.
  const pieces = new Array(1 << 14).fill("x".repeat(512));
  const begun = process.cpuUsage();
  const [event] = await eventsIn(["data: ", ...pieces, "\n\n"]);
  assert.equal(event.length, 1 << 23);
  assert.ok(process.cpuUsage(begun).user < 5e6);
});

test("balancers: own list, circuits, explanation", async () => {
  const balancer = new Balancer([hosts[1]], { algorithm: "round_robin" });
  const c = client(balancer);
  await assert.rejects(c.get("/ok"));
  const [{ state, weight, priority, zone }] = balancer.endpoints();
  assert.deepEqual({ state, weight, priority, zone }, { state: "open", weight: 1, priority: 0, zone: null });
  balancer.replace([hosts[0], { address: "127.0.0.1", port: Number(hosts[2].split(":")[1]), weight: 2 }]);
  await eventually(async () => (await c.get("/ok").catch(() => null))?.status === 200);
  assert.match(balancer.explain(), new RegExp(hosts[0]));
  assert.throws(() => new Balancer(hosts, { algorithm: "best" }), RangeError);
});

test("the balancer of a client is the present one", async () => {
  const c = client(null, { config: { hosts: [hosts[0]] } });
  assert.equal(await (await c.get("/ok")).text(), "hello");
  const before = c.balancer;
  assert.match(before.explain(), new RegExp(hosts[0]));
  assert.throws(() => before.replace(hosts), { code: "AHOY_E_UNSUPPORTED" });
  await assert.rejects(before.update(), { code: "AHOY_E_UNSUPPORTED" });
  c.reconfigure({ hosts: [hosts[2]] });
  assert.equal((await c.get("/ok")).endpoint, `http://${hosts[2]}`);
  assert.match(c.balancer.explain(), new RegExp(hosts[2]));
  assert.match(before.explain(), new RegExp(hosts[0]));
  assert.deepEqual(c.balancer.endpoints().map(({ url }) => url), [`http://${hosts[2]}`]);
  assert.equal(client(null).balancer, null);
  assert.equal(client(null, { baseURL: `http://${hosts[0]}` }).balancer, null);
  const own = new Balancer(hosts);
  assert.equal(client(own).balancer, own);
  await c.close();
  assert.throws(() => c.balancer, { code: "AHOY_E_CLOSED" });
});

test("a unix socket is a host by its path", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ahoy-"));
  const place = path.join(folder, "socket");
  const server = http.createServer((_, answer) => answer.writeHead(204).end());
  await new Promise((resolve) => server.listen(place, resolve));
  const host = `unix:${place}`;
  for (const given of [[host], host, `unix://${place}`, [{ address: host, port: 80 }], () => [host]]) {
    const answer = await client(given).get("/");
    assert.equal(answer.status, 204);
    assert.ok(answer.endpoint.endsWith(place));
  }
  assert.throws(() => client(["unix:socket"]), /unix:socket/);
  server.closeAllConnections();
  server.close();
  fs.rmSync(folder, { recursive: true });
});

test("a function gives the hosts", async () => {
  let asked = 0;
  const given = [[hosts[1]], [hosts[0]]];
  const balancer = new Balancer(async () => given[asked++] ?? [hosts[2]], { refresh: Infinity });
  const c = client(balancer);
  await assert.rejects(c.get("/ok"), { code: "AHOY_E_CONNECT" });
  await balancer.update();
  assert.equal((await c.get("/ok")).endpoint, `http://${hosts[0]}`);
  const often = client(() => [hosts[asked++ % 2 ? 0 : 2]], { provider: { refresh: 5 } });
  const seen = new Set();
  await eventually(async () => seen.add((await often.get("/ok")).endpoint).size === 2);
});

test("a function that gives the hosts is asked no more once the last client has closed", async () => {
  let asked = 0;
  const often = () => { asked++; return [hosts[0]]; };
  const rest = async () => {
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 60));
    return asked === before;
  };
  const one = new Client(often, { provider: { refresh: 5 } });
  const other = new Client(one.balancer);
  await (await one.get("/ok")).text();
  await one.close();
  await one.close();
  assert.equal(await rest(), false, "another client uses its balancer");
  await other.close();
  assert.equal(await rest(), true);
  other.balancer.missed();
  assert.equal(await rest(), true);
  // A balancer that the program made is the program's.
  const own = new Balancer(often, { refresh: 5 });
  await new Client(own).close();
  assert.equal(await rest(), false);
  await new Client(own).close();
  assert.equal(await rest(), false);
  own.release();
});

test("a function that gives no hosts fails its calls, and the last list stays", async () => {
  let fails = true;
  const balancer = new Balancer(() => {
    if (fails) throw new Error("no registry");
    return [hosts[0]];
  }, { refresh: Infinity });
  const c = client(balancer);
  const error = await c.get("/ok").catch((e) => e);
  assert.deepEqual([error.code, error.retryable, error.timeout, error.cause.message], ["AHOY_E_DISCOVERY", true, false, "no registry"]);
  fails = false;
  await balancer.update();
  fails = true;
  await assert.rejects(balancer.update(), /no registry/);
  assert.equal((await c.get("/ok")).status, 200);
  const silent = client(() => new Promise(() => {}));
  await assert.rejects(silent.get("/ok", { timeout: 30 }), { code: "AHOY_E_DISCOVERY" });
  await assert.rejects(silent.get("/ok", { signal: AbortSignal.timeout(30) }), { name: "TimeoutError" });
});

test("one text of the metrics of several clients", async () => {
  const named = (name) => client([hosts[0]], { options: { name } });
  const [payments, users, other] = ["payments", "users", "users"].map(named);
  const metrics = payments.metrics(users);
  for (const name of ["payments", "users"]) assert.ok(metrics.includes(`ahoy_client_active_calls{client="${name}"} 0`));
  assert.equal(metrics.split("# TYPE ahoy_client_active_calls ").length, 2);
  assert.throws(() => users.metrics(other), { code: "AHOY_E_INVALID_ARGUMENT", message: /"users"/ });
  await other.close();
  assert.throws(() => payments.metrics(other), { code: "AHOY_E_CLOSED" });
});

test("events, metrics, settings", async () => {
  const c = client([hosts[1], hosts[0]], { balancer: "round_robin" });
  const events = [];
  c.on("event", (event) => events.push(event));
  for (let i = 0; i < 4; i++) await (await c.get("/ok")).text();
  await eventually(() => events.some((event) => event.text.includes("opened")));
  assert.match(c.metrics(), /# HELP/);
  assert.equal(c.settings().timeout, "5s");
  c.reconfigure({ timeout: "6s" });
  assert.deepEqual([c.settings().timeout, (await c.get("/ok")).status], ["6s", 200]);
  assert.throws(() => c.reconfigure({ timeuot: "1s" }), /timeout/);
});

test("a listener of events may throw, and may close its client", () => {
  const ended = program(
    `process.once("uncaughtException", (error) => process.stdout.write(error.message + " "));
     const client = new ahoy.Client([hosts[1]], { tries: 1 });
     client.once("event", () => { throw new Error("thrown"); });
     client.once("event", () => {});
     const closed = new ahoy.Client([hosts[1]], { tries: 1 });
     closed.on("event", () => closed.close());
     Promise.allSettled([client.get("/ok"), client.get("/ok"), closed.get("/ok")]).then((calls) => {
       process.stdout.write(calls.map((call) => call.reason.code).join(" "));
     });`, hosts);
  assert.deepEqual([ended.status, ended.stderr], [0, ""]);
  assert.match(ended.stdout, /^thrown AHOY_E_\w+ AHOY_E_\w+ AHOY_E_\w+$/);
});

test("a key is the same in any kind of bytes", async () => {
  const c = client([hosts[0], hosts[2]], { balancer: "maglev" });
  for (let number = 0; number < 20; number++) {
    const key = Buffer.from(`key ${String(number).padStart(4)}`);
    const memory = new Uint8Array(key).buffer;
    const kinds = [key, String(key), memory, new Uint16Array(memory), new DataView(memory), new Uint8Array(memory)];
    const answers = await Promise.all(kinds.map((hashKey) => c.get("/ok", { hashKey })));
    assert.equal(new Set(answers.map((answer) => answer.endpoint)).size, 1);
  }
});

test("absolute URLs", async () => {
  assert.equal(await (await client(null).get(`http://${hosts[0]}/ok`)).text(), "hello");
});

test("an answer's URL is the one that brought it", async () => {
  const url = async (c, path) => (await c.get(path)).url;
  const [base, any] = [client(null, { baseURL: `http://${hosts[0]}/below` }), client(null, { options: { redirects: 2 } })];
  assert.equal(await url(base, "/ok?a=1"), `http://${hosts[0]}/below/ok?a=1`);
  assert.equal(await url(any, `http://${hosts[0]}/redirect?to=/ok`), `http://${hosts[0]}/ok`);
});

test("a library that cannot be loaded is named", () => {
  const missing = path.join(os.tmpdir(), "no", "libahoy.so");
  const ended = program("", hosts, { env: { AHOY_LIBRARY: missing } });
  assert.equal(ended.status, 1);
  assert.ok(ended.stderr.includes(`${missing} cannot be loaded; AHOY_LIBRARY names another`), ended.stderr);
});

test("ESM and CommonJS", async () => {
  const module = await import("../src/index.mjs");
  assert.equal(module.Client, Client);
  assert.match(module.libraryVersion(), /^\d+\.\d+/);
});

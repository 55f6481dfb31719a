"use strict";

// What Node's users expect of a client: one test for each check, see docs/languages/node.md. AHOY_FIGURES=1 prints
// what was measured.

const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const path = require("node:path");
const { before, test } = require("node:test");
const { monitorEventLoopDelay } = require("node:perf_hooks");
const { Worker } = require("node:worker_threads");
const { Client } = require("../src/index.js");
const { atRest, counts, eventually, figure, full, program, servers } = require("./support.js");

let hosts;
before(async () => {
  hosts = await servers("ok");
});

test("1: types are strict", { skip: !exists("typescript") }, () => {
  const tsc = require.resolve("typescript/bin/tsc");
  const ended = spawnSync(process.execPath, [tsc, "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext",
    path.join(__dirname, "typed.mts")], { encoding: "utf8" });
  assert.equal(ended.stdout + ended.stderr, "");
});

function exists(name) {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

test("2: an idle client lets the process end", () => {
  const ended = program(
    "new ahoy.Client(hosts).get('/ok').then((r) => r.text()).then((t) => process.stdout.write(`${t} ${Date.now()}`))", hosts);
  const [text, last] = ended.stdout.split(" ");
  const took = Date.now() - Number(last);
  figure(`2 end of an idle process: ${took} ms after its last await`);
  assert.deepEqual([ended.status, text, ended.stderr], [0, "hello", ""]);
  assert.ok(took < full(5000, 100), `${took} ms`);
});

test("3: a signal ends a call, also at the server, and leaves no listener", async () => {
  const client = new Client(hosts);
  // The first call makes threads and a connection: on a busy machine its request might not have left before the abort.
  await (await client.get("/ok")).text();
  const before = (await counts(hosts[0])).broken_off;
  const begun = performance.now();
  await assert.rejects(client.get("/slow?ms=10000", { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
  const took = performance.now() - begun - 50;
  await eventually(async () => (await counts(hosts[0])).broken_off === before + 1);
  figure(`3 abort: ${took.toFixed(1)} ms late`);
  assert.ok(took < full(1000, 20), `${took} ms`);
  const controller = new AbortController();
  const { getEventListeners } = require("node:events");
  for (let i = 0; i < full(300, 100000); i++) await (await client.get("/ok", { signal: controller.signal })).text();
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  const streamed = client.get("/drip?n=500&ms=20", { signal: controller.signal });
  const response = await streamed;
  setTimeout(() => controller.abort(), 30);
  await assert.rejects(response.text(), { name: "AbortError" });
  await assert.rejects(client.get("/ok", { signal: AbortSignal.abort() }), { name: "AbortError" });
  await client.close();
});

test("4: calls at once hold nothing of the pool and do not delay the loop", async () => {
  const fs = require("node:fs/promises");
  const calls = full(400, 5000);
  const client = new Client(hosts, { timeout: 60000 });
  await (await client.get("/ok")).text();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const waiting = Array.from({ length: calls }, () => client.get("/slow?ms=500").then((r) => r.text()));
  const begun = performance.now();
  await fs.readFile(__filename);
  const read = performance.now() - begun;
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["late"]));
  delay.disable();
  const lag = [delay.percentile(99) / 1e6, delay.max / 1e6].map((span) => span.toFixed(1));
  figure(`4 file read beside ${calls} calls: ${read.toFixed(1)} ms; loop p99 ${lag[0]} ms, at most ${lag[1]} ms`);
  assert.ok(read < 450);
  assert.ok(lag[0] < full(1000, 20), `${lag} ms`);
  await client.close();
});

test("5: a slow reader holds the server back", async () => {
  const client = new Client(hosts);
  const response = await client.get(`/big?n=${64 << 20}`);
  const pieces = response[Symbol.asyncIterator]();
  const first = await pieces.next();
  const ahead = await atRest(hosts[0]) - first.value.length;
  figure(`5 the client holds ${(ahead / 1024).toFixed(0)} KiB that nobody read`);
  assert.ok(ahead < 1 << 20, `${ahead} bytes`);
  await pieces.return();
  await client.close();
});

test("6: workers may be ended with calls under way", async () => {
  const main = path.join(__dirname, "..", "src", "index.js");
  const begin = `const { Client } = require(${JSON.stringify(main)});
    const client = new Client(${JSON.stringify(hosts)});
    require("node:worker_threads").parentPort.postMessage("up");`;
  const waiting = 'for (let i = 0; i < 4; i++) client.get("/slow?ms=20000").catch(() => {});';
  const busy = `(async () => {
    for (;;) {
      await (await client.get("/ok")).text();
      await client.post("/echo", { body: "order" });
      for await (const piece of await client.get("/big?n=300000")) piece.toString();
      await client.get("/slow?ms=1000", { signal: AbortSignal.timeout(1) }).catch(() => {});
    }
  })();`;
  for (const calls of Array(full(6, 40)).fill([waiting, busy]).flat()) {
    const worker = new Worker(begin + calls, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    await worker.terminate();
  }
  const client = new Client(hosts);
  assert.equal((await client.get("/ok")).status, 200);
  await client.close();
});

test("7: exits with calls under way", () => {
  const endings = ["process.exit(3)", "throw new Error('an end')", "process.kill(process.pid, 'SIGTERM')"];
  for (const ending of Array(full(1, 17)).fill(endings).flat()) {
    const ended = program(
      `const client = new ahoy.Client(hosts);
       for (let i = 0; i < 8; i++) client.get("/slow?ms=20000").catch(() => {});
       setTimeout(() => { ${ending} }, 100);`, hosts);
    assert.ok(![134, 139].includes(ended.status) && !["SIGSEGV", "SIGABRT"].includes(ended.signal), ending);
    assert.ok(ended.took < 8000, ending);
  }
});

test("8: cluster", () => {
  const ended = program(
    `const cluster = require("node:cluster");
     if (cluster.isPrimary) {
       const client = new ahoy.Client(hosts);
       client.get("/ok").then((r) => r.text()).then(() => {
         cluster.setupPrimary({ exec: process.env.CHILD, execArgv: [] });
         let left = 4;
         for (let i = 0; i < 4; i++) cluster.fork({ HOSTS: hosts.join(",") }).on("exit", (code) => {
           if (code !== 0) process.exit(1);
           if (--left === 0) { process.stdout.write("all"); }
         });
       });
     }`, hosts, { env: { CHILD: path.join(__dirname, "cluster_child.js") } });
  assert.deepEqual([ended.status, ended.stdout, ended.stderr], [0, "all", ""]);
});

test("9: a client that is dropped unclosed leaves no descriptor", () => {
  const ended = program(
    `const fs = require("node:fs");
     const open = () => fs.readdirSync("/proc/self/fd").filter((fd) => {
       try { return fs.readlinkSync("/proc/self/fd/" + fd).startsWith("pipe:"); } catch { return false; }
     }).length;
     const collected = async () => { for (let i = 0; i < 20; i++) { gc(); await new Promise((r) => setTimeout(r, 10)); } };
     const call = async () => (await new ahoy.Client(hosts).get("/ok")).text();
     (async () => {
       await call();
       await collected();
       const before = open();
       for (let i = 0; i < 20; i++) await call();
       const late = new ahoy.Client(hosts).get("/slow?ms=300");
       await collected();
       process.stdout.write(await (await late).text() + " ");
       await collected();
       process.stdout.write(String(open() - before));
     })();`, hosts, { flags: ["--expose-gc"] });
  assert.deepEqual([ended.status, ended.stderr], [0, ""]);
  assert.match(ended.stdout, /^late -?[0-6]$/);
});

/** Counts the pipes of a process. */
const PIPES = `const fs = require("node:fs");
  const open = () => fs.readdirSync("/proc/self/fd").filter((fd) => {
    try { return fs.readlinkSync("/proc/self/fd/" + fd).startsWith("pipe:"); } catch { return false; }
  }).length;`;

test("9: a worker that ends with its client open leaves no descriptor", () => {
  const endings = {
    natural: "", exit: "process.exit();", terminate: "setInterval(() => {}, 1000);",
    unread: "await client.get('/big?n=3000000'); process.exit();",
  };
  for (const [ending, last] of Object.entries(endings)) {
    const inside = `(async () => {
      const { Client } = require(process.env.MAIN);
      const client = new Client(process.env.HOSTS.split(","));
      await (await client.get("/ok")).text();
      require("node:worker_threads").parentPort.postMessage("up");
      ${last}
    })();`;
    const ended = program(
      `${PIPES}
       const { Worker } = require("node:worker_threads");
       const once = async () => {
         const worker = new Worker(${JSON.stringify(inside)}, { eval: true });
         const over = new Promise((resolve) => worker.once("exit", resolve));
         await new Promise((resolve) => worker.once("message", resolve));
         if (${ending === "terminate"}) await worker.terminate();
         await over;
       };
       (async () => {
         await once();
         const before = open();
         for (let i = 0; i < ${full(10, 100)}; i++) await once();
         process.stdout.write(String(open() - before));
       })();`, hosts, { env: { HOSTS: hosts.join(","), MAIN: path.join(__dirname, "..", "src", "index.js") } });
    assert.deepEqual([ended.status, ended.stderr], [0, ""], ending);
    assert.match(ended.stdout, /^-?[0-3]$/, ending);
  }
});

test("9: a worker that is terminated while it hands out answers leaves no exchange", async () => {
  // The worker stops at the first of its answers, when the others have come as well, wherever it is told of it.
  const inside = `
    const { Client } = require(${JSON.stringify(path.join(__dirname, "..", "src", "index.js"))});
    const { parentPort, workerData: { host, go } } = require("node:worker_threads");
    const client = new Client([host]);
    const stop = () => {
      parentPort.postMessage("in the midst");
      Atomics.wait(go, 1, 0);
    };
    const signal = () => ({ aborted: false, throwIfAborted() {}, addEventListener() {}, removeEventListener: stop });
    for (let i = 0; i < 20; i++) client.get("/drip?n=3000&ms=20", { signal: signal() }).then(stop);
    parentPort.postMessage("sent");
    Atomics.wait(go, 0, 0);`;
  const before = await counts(hosts[0]);
  const sent = async () => (await counts(hosts[0])).requests["/drip"] - (before.requests["/drip"] ?? 0);
  const go = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(inside, { eval: true, workerData: { host: hosts[0], go } });
  const message = () => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  try {
    await message();
    await eventually(async () => (await sent()) === 20);
    const stopped = message();
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    await stopped;
  } finally {
    await worker.terminate();
  }
  await eventually(async () => (await counts(hosts[0])).broken_off - before.broken_off === 20);
});

test("9: a child process gets no descriptor of a client", () => {
  const ended = program(
    `const { execFileSync } = require("node:child_process");
     const inherited = () => Number(execFileSync(process.execPath, ["-e", ${JSON.stringify(`${PIPES} console.log(open())`)}]));
     (async () => {
       const before = inherited();
       const clients = Array.from({ length: 5 }, () => new ahoy.Client(hosts));
       for (const client of clients) await (await client.get("/ok")).text();
       process.stdout.write(String(inherited() - before));
     })();`, hosts);
  assert.deepEqual([ended.status, ended.stdout, ended.stderr], [0, "0", ""]);
});

test("9: memory stays flat, and dropped answers are freed", () => {
  const calls = full(1600, 100000);
  const ended = program(
    `const client = new ahoy.Client(hosts, { timeout: 5000 });
     // What malloc has given out: what was freed may stay resident, and V8 has memory of its own.
     const koffi = require(${JSON.stringify(require.resolve("koffi"))});
     const names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split(" ");
     koffi.struct("mallinfo2", Object.fromEntries(names.map((name) => [name, "size_t"])));
     const mallinfo2 = koffi.load(null).func("mallinfo2 mallinfo2()");
     const usage = () => ({ ...process.memoryUsage(), used: Number(mallinfo2().uordblks) });
     const some = async (count) => {
       for (let i = 0; i < count; i++) {
         const response = await client.get("/ok");
         if (i % 3) await response.text();
         if (i % 25 === 0) await client.get("/slow?ms=1000", { timeout: 2 }).catch(() => {});
         if (i % 25 === 1) await client.get("/slow?ms=1000", { signal: AbortSignal.timeout(2) }).catch(() => {});
       }
       gc(); await new Promise((r) => setTimeout(r, 50)); gc();
     };
     (async () => {
       await some(800);
       const before = usage();
       await some(${calls});
       const after = usage();
       process.stdout.write(JSON.stringify([after.heapUsed - before.heapUsed, after.rss - before.rss, after.used - before.used]));
     })();`, hosts, { flags: ["--expose-gc"], timeout: full(60000, 600000) });
  assert.deepEqual([ended.status, ended.stderr], [0, ""]);
  const [heap, resident, used] = JSON.parse(ended.stdout);
  figure(`9 after ${calls} calls: heap ${heap >> 10} KiB, malloc ${used >> 10} KiB, resident ${resident >> 10} KiB`);
  assert.ok(heap < 2 << 20 && used < 4 << 20 && resident < full(24, 96) << 20, ended.stdout);
});

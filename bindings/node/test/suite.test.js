"use strict";

// The behaviour suite of all bindings: bindings/suite/scenarios.json.

const assert = require("node:assert/strict");
const path = require("node:path");
const { test } = require("node:test");
const { Client } = require("../src/index.js");
const { servers } = require("./support.js");

let unique = 0;

for (const scenario of require(path.join("..", "..", "suite", "scenarios.json"))) {
  const skip = (scenario.skip || {}).node;
  test(scenario.name, { skip }, async () => {
    const hosts = await servers(...scenario.servers);
    const config = { hosts, timeout: "5s", ...scenario.config };
    if (!scenario.calls) {
      assert.throws(() => new Client(null, { config }), { code: scenario.expect.code });
      return;
    }
    const client = new Client(null, { config });
    for (const call of scenario.calls) {
      for (let i = 0; i < (call.repeat || 1); i++) {
        const got = await made(client, call);
        const compared = Object.fromEntries(Object.keys(call.expect).map((key) => [key, got[key]]));
        assert.deepEqual(compared, call.expect, JSON.stringify(got));
      }
    }
    await client.close();
  });
}

async function made(client, call) {
  const target = call.path.replace("$unique", String(unique++));
  try {
    const response = await client.fetch(target, { method: call.method, body: call.body, timeout: call.timeout_ms });
    return { status: response.status, attempts: response.attempts.length, body: await response.text() };
  } catch (error) {
    return { code: error.code, ambiguous: error.ambiguous, attempts: (error.attempts || []).length };
  }
}

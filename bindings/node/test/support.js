"use strict";

const { spawn, spawnSync } = require("node:child_process");
const path = require("node:path");

const SUITE = path.join(__dirname, "..", "..", "suite", "server.py");

/** The suite's servers, one of each kind: their hosts. */
async function servers(...kinds) {
  const child = spawn("/usr/bin/python3", [SUITE, ...kinds], { stdio: ["pipe", "pipe", "inherit"] });
  const line = await new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
  // They end when this process does, and do not keep it alive.
  for (const handle of [child, child.stdin, child.stdout]) handle.unref();
  return line.trim().split(" ").map((port) => `127.0.0.1:${port}`);
}

async function counts(host) {
  const answer = await fetch(`http://${host}/counts`);
  return answer.json();
}

/** What the client took of a big body from its kernel, as soon as it takes no more. */
async function atRest(host) {
  let [last, taken] = [-1, 0];
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    [last, taken] = [taken, (await counts(host)).taken];
    return taken > 0 && taken === last;
  });
  return taken;
}

async function eventually(condition, limit = 5000) {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > limit) throw new Error(`not after ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return performance.now() - begun;
}

/** Runs a program in a Node of its own, with `ahoy` and `hosts`. */
function program(text, hosts, { flags = [], env = {}, timeout = 60000 } = {}) {
  const main = path.join(__dirname, "..", "src", "index.js");
  const source = `const ahoy = require(${JSON.stringify(main)}); const hosts = ${JSON.stringify(hosts)};\n${text}`;
  const begun = performance.now();
  const ended = spawnSync(process.execPath, [...flags, "-e", source], {
    encoding: "utf8", timeout, env: { ...process.env, ...env },
  });
  return { ...ended, took: performance.now() - begun };
}

/** A number for each run, and the one that is asked for, which AHOY_FULL=1 takes: `make acceptance-languages`. */
function full(usual, asked) {
  return process.env.AHOY_FULL ? asked : usual;
}

function figure(text) {
  if (process.env.AHOY_FIGURES) console.error(text);
}

module.exports = { atRest, counts, eventually, figure, full, program, servers };

// axios, and what has to be written around it.
"use strict";

const http = require("node:http");
const axios = require("axios");

class Orders {
  constructor(hosts) {
    this.hosts = hosts;
    this.turn = -1;
    this.outUntil = new Map();
    this.agent = new http.Agent({ keepAlive: true });
    this.client = axios.create({ httpAgent: this.agent });
  }

  choose(tried) {
    const untried = this.hosts.filter((host) => !tried.includes(host));
    const left = untried.length ? untried : this.hosts;
    const upright = left.filter((host) => (this.outUntil.get(host) ?? 0) <= performance.now());
    const well = upright.length ? upright : left;
    return well[++this.turn % well.length];
  }

  async orders() {
    const signal = AbortSignal.timeout(2000);
    const tried = [];
    let failure;
    while (tried.length < 3 && !signal.aborted) {
      const host = this.choose(tried);
      tried.push(host);
      try {
        return (await this.client.get(`http://${host}/orders`, { signal })).data;
      } catch (error) {
        failure = error;
        if (error.response && error.response.status < 500) break;
      }
      this.outUntil.set(host, performance.now() + 1000);
    }
    throw failure;
  }

  async close() {
    this.agent.destroy();
  }
}

module.exports = { Orders };

// libahoy's own client.
"use strict";

const { Client } = require("../../../bindings/node");

class Orders {
  constructor(hosts) {
    this.client = new Client(hosts, { timeout: 2000 });
  }

  async orders() {
    const answer = await this.client.get("/orders");
    if (!answer.ok) throw new Error(`${answer.endpoint} answered ${answer.status}`);
    return answer.json();
  }

  close() {
    return this.client.close();
  }
}

module.exports = { Orders };

"use strict";

const { Client } = require("../src/index.js");

const client = new Client(process.env.HOSTS.split(","));
client.get("/ok").then(
  async (response) => process.exit((await response.text()) === "hello" ? 0 : 1),
  () => process.exit(1),
);

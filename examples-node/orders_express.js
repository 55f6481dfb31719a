// A service in Express that calls another service, over whose hosts it balances:
//
//     ORDERS=10.0.0.7:80,10.0.0.8:80 PORT=3000 node examples-node/orders_express.js
"use strict";

const { AhoyError, Client } = require("ahoy-client");
const express = require("express");

const orders = new Client(process.env.ORDERS.split(","), { timeout: 2000 });
const app = express();

// Express 4 does not look at promises; Express 5 needs no such function.
const handled = (handler) => (request, response, next) => handler(request, response).catch(next);

app.get("/customers/:number", handled(async (request, response) => {
  // The inbound request's limit, if it has one, is that of the call as well. When the peer that asked goes, the call ends.
  const timeout = Number(request.get("x-timeout") ?? 2) * 1000;
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const answer = await orders.get("/orders", { params: { customer: request.params.number }, timeout, signal: gone.signal });
  response.json({ customer: Number(request.params.number), ...(await answer.json()) });
}));

app.get("/metrics", (request, response) => {
  response.set("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8").send(orders.metrics());
});

app.use((error, request, response, next) => {
  if (!(error instanceof AhoyError)) return next(error);
  console.warn(error.message);
  response.status(error.timeout ? 504 : 502).json({ error: error.code });
});

const server = app.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => server.close(() => orders.close()));

import type { IncomingMessage } from "node:http";
import * as undici from "undici";
import { AhoyError, Client } from "../src/index.mjs";
import { Tracing } from "../src/opentelemetry.mjs";
import { Dispatcher } from "../src/undici.mjs";

const dispatcher = new Dispatcher(["10.0.0.7:80"], { timeout: 2000 });
await dispatcher.close();
const client = new Client(["10.0.0.7:80"], { timeout: 2000, tracing: new Tracing(), options: { max_in_flight: 100 } });
const asked = new Client(async () => ["10.0.0.7:80"], { provider: { refresh: 1000 } });
await asked.balancer?.update();
await asked.close();
try {
  const response = await client.get("/orders", { signal: AbortSignal.timeout(100), params: { page: "2" } });
  const status: number = response.status;
  for await (const piece of response) console.log(status, piece.length);
} catch (error) {
  if (error instanceof AhoyError) console.log(error.code, error.attempts[0]?.url);
}
await client.close();
{
  await using scoped = new Client(["10.0.0.7:80"]);
  const input = { body: new Blob(["x"]).stream(), signal: null, duplex: "half", redirect: "manual", params: { page: 2 } } as const;
  await using response = await scoped.fetch("/orders", { method: "POST", ...input });
  await scoped.post("/orders", ["a", new DataView(new ArrayBuffer(1))]);
  // What a program has from elsewhere: options of fetch, and the fields of a request that it serves.
  const init: RequestInit = { method: "POST", headers: { "x-a": "1" }, body: "x", redirect: "error" };
  await scoped.fetch("/orders", init);
  // As the types of Node's fetch have them where those of browsers are not there.
  const headers: string[][] | Record<string, string | readonly string[]> = JSON.parse("{}");
  await scoped.get("/orders", { headers });
  const forward = async (served: IncomingMessage) => {
    await scoped.get("/orders", { headers: served.headers });
    // @ts-expect-error: names and values in turn
    await scoped.get("/orders", { headers: served.rawHeaders });
    // @ts-expect-error: an answer may have no body
    await response.body.cancel();
  };
  void forward;
  scoped.on("event", (event) => console.log(event.text)).on("other", () => {});
  console.log(await new globalThis.Response(response.body).text());
  await undici.fetch("http://orders", { dispatcher });
}

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
  scoped.on("event", (event) => console.log(event.text)).on("other", () => {});
  console.log(await new globalThis.Response(response.body).text());
  await undici.fetch("http://orders", { dispatcher });
}

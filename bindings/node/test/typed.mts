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

import { AhoyError, Client } from "../src/index.mjs";

const client = new Client(["10.0.0.7:80"], { timeout: 2000, options: { max_in_flight: 100 } });
try {
  const response = await client.get("/orders", { signal: AbortSignal.timeout(100), params: { page: "2" } });
  const status: number = response.status;
  for await (const piece of response) console.log(status, piece.length);
} catch (error) {
  if (error instanceof AhoyError) console.log(error.code, error.attempts[0]?.url);
}
await client.close();

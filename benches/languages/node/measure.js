// Runs one of the programs beside it: measure.js FILE CALLS AT_ONCE HOST... prints SECONDS ANSWERS.
"use strict";

const [file, calls, atOnce, ...hosts] = process.argv.slice(2);
const { Orders } = require(`./${file}`);
// What the server answers.
const ANSWER = JSON.stringify({ orders: [1, 2] });

async function main() {
  const service = new Orders(hosts);
  let left = Number(calls);
  let answers = 0;
  const work = async () => {
    while (left-- > 0) {
      const got = await service.orders().catch(() => null);
      answers += JSON.stringify(got) === ANSWER;
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: Number(atOnce) }, work));
  console.log((performance.now() - begun) / 1000, answers);
  await service.close();
}

main();

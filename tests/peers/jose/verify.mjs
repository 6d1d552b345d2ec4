// Another service, which verifies the application's tokens with the published jose. Its arguments:
// the URL of the keys, the issuer, its own name as an audience, and the algorithms that it takes,
// with commas. On standard input a line of JSON for each thing to do, {"token": …} or
// {"seconds": …}, by which its clock goes on; on standard output a line for each, {"claims": …} or
// {"error": …}, or {}.

import { createInterface } from "node:readline";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [url, issuer, audience, algorithms] = process.argv.slice(2);

// What createRemoteJWKSet looks at to see whether its keys are fresh.
const realNow = Date.now;
let later = 0;
Date.now = () => realNow() + later * 1000;

const keys = createRemoteJWKSet(new URL(url));
const rules = { issuer, audience, algorithms: algorithms.split(","), typ: "session+jwt" };

async function answer({ token, seconds }) {
  if (seconds !== undefined) {
    later += seconds;
    return {};
  }
  try {
    return { claims: (await jwtVerify(token, keys, rules)).payload };
  } catch (error) {
    return { error: error.code ?? error.name };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}

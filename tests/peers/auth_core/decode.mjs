// Reads tokens with the published @auth/core, and makes some. On standard input one JSON object,
// {"decode": [{token, secret, salt}, …], "encode": [{token, secret, salt, maxAge}, …]}; on standard
// output the same two lists, of {"claims": …} or {"error": …}, and of tokens.

import { decode, encode } from "@auth/core/jwt";

async function attempt(parameters) {
  try {
    return { claims: await decode(parameters) };
  } catch (error) {
    return { error: error.name };
  }
}

let input = "";
for await (const chunk of process.stdin) input += chunk;
const asked = JSON.parse(input);

process.stdout.write(
  JSON.stringify({
    decode: await Promise.all(asked.decode.map(attempt)),
    encode: await Promise.all(asked.encode.map(encode)),
  }),
);

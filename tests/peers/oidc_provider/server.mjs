// panva's oidc-provider on loopback, with its own login and consent pages: every login name is an
// account, and every password is right.
//
// The first argument is a JSON object, {"clients": [metadata, …], "accessTokenLifetime": seconds};
// both may be left out. The one line on standard output is {"issuer": …, "control": …}; everything
// else that is said goes to standard error. The process ends with its standard input.
//
// What a test may ask for at the control URL, which is no part of the provider:
//   GET /calls              the requests that programs have sent to the provider, oldest first
//   GET /logouts            the logout tokens that it has sent, and how they were answered
//   PUT /clients            register the client whose metadata the body is, or replace it
//   PUT /accessTokenLifetime    seconds, for the tokens from now on
//   POST /keys/rotate       sign with a new key from now on; the old ones stay published
//   POST /keys/replace      the same, but the old ones are gone

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

// Before the provider is loaded: it has something to say already then.
globalThis.console = new console.Console(process.stderr, process.stderr);
const { Provider } = await import("oidc-provider");
const { createMemoryAdapter } = await import("oidc-provider/lib/adapters/memory_adapter.js");

const { clients = [], accessTokenLifetime = 60 } = JSON.parse(process.argv[2] ?? "{}");
const lifetime = { accessToken: accessTokenLifetime };
// Shared by the providers that follow each other when the keys change.
const adapter = createMemoryAdapter();
const cookieKeys = [randomUUID()];
const calls = [];
const logouts = [];
const programRoutes = new Set([
  "discovery",
  "jwks",
  "token",
  "userinfo",
  "revocation",
  "introspection",
]);

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = privateKey.export({ format: "jwk" });
  return { ...jwk, kid: randomUUID(), alg: "RS256", use: "sig" };
}

function account(login) {
  const name = login.charAt(0).toUpperCase() + login.slice(1);
  return {
    accountId: login,
    claims: () => ({
      sub: login,
      name,
      preferred_username: login,
      picture: `https://pictures.example/${encodeURIComponent(login)}.png`,
      email: `${login}@example.com`,
      email_verified: true,
    }),
  };
}

// The provider's own would refuse to reach loopback, where the applications of the tests are.
async function send(url, { dispatcher, ...options }) {
  const response = await fetch(url, options);
  logouts.push({
    url,
    logout_token: options.body?.get("logout_token") ?? null,
    status: response.status,
  });
  return response;
}

async function record(ctx, next) {
  await next();
  const route = ctx.oidc?.route;
  if (!programRoutes.has(route)) return;
  const { params, client } = ctx.oidc;
  calls.push({
    endpoint: route,
    grant_type: params?.grant_type ?? null,
    client_id: client?.clientId ?? null,
    status: ctx.status,
    error: ctx.body?.error ?? null,
  });
}

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    cookies: { keys: cookieKeys },
    claims: {
      openid: ["sub"],
      profile: ["name", "preferred_username", "picture"],
      email: ["email", "email_verified"],
    },
    clientDefaults: { grant_types: ["authorization_code", "refresh_token"] },
    // One machine, one clock: a token that lives for two seconds is over after two seconds.
    clockTolerance: 0,
    features: {
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      userinfo: { enabled: true },
    },
    fetch: send,
    findAccount: (_ctx, login) => account(login),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: () => lifetime.accessToken },
  });
  provider.use(record);
  provider.on("server_error", (_ctx, error) => console.error(error));
  return provider;
}

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

let keys = [newKey()];
let provider;
function start(signingKeys) {
  keys = signingKeys;
  provider = newProvider(issuer, keys);
  answer = provider.callback();
}
start(keys);

async function register(metadata) {
  // Says what is wrong with it here, rather than at the first request that names the client.
  await provider.Client.validate(metadata);
  await provider.Client.adapter.upsert(metadata.client_id, metadata);
}
for (const metadata of clients) await register(metadata);

const control = {
  "GET /calls": () => calls,
  "GET /logouts": () => logouts,
  "PUT /clients": register,
  "PUT /accessTokenLifetime": (seconds) => {
    lifetime.accessToken = seconds;
  },
  // The first key that fits is the one that signs.
  "POST /keys/rotate": () => start([newKey(), ...keys]),
  "POST /keys/replace": () => start([newKey()]),
};
const controlServer = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const act = control[`${request.method} ${request.url}`];
  try {
    if (!act) throw new Error(`nothing does ${request.method} ${request.url}`);
    const result = await act(body ? JSON.parse(body) : undefined);
    response.end(JSON.stringify(result ?? null));
  } catch (error) {
    response.writeHead(400).end(`${error.message}: ${error.error_description ?? ""}`);
  }
});
controlServer.listen(0, "127.0.0.1");
await once(controlServer, "listening");

process.stdin.resume().on("end", () => process.exit());
process.stdout.write(
  `${JSON.stringify({ issuer, control: `http://127.0.0.1:${controlServer.address().port}` })}\n`,
);

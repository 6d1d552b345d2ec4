// A team's Node application, with the published @auth/express at /auth, in front of its Flask
// application: what is below /flask/ is passed on, as `rewrites` of Next.js do it.
//
// The argument is {"key": …, "cert": …} in JSON, for TLS. The one line on standard output is
// {"port": …, "tls": …, "control": …}, ports of loopback; everything else that is said goes to
// standard error. The process ends with its standard input.
//
// What a test may ask for at the control port, which is no part of the application:
//   PUT /settings     these settings from now on, and the defaults for all others; see below
//   GET /complaints   what Auth.js has logged since then, by the names of its errors

import http from "node:http";
import https from "node:https";
import { once } from "node:events";
import { pipeline } from "node:stream";

// The clock of this process: tests set it forward. jose and @auth/core ask `Date` for the time.
let ahead = 0;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...time) {
    super(...(time.length ? time : [Date.now()]));
  }
  static now() {
    return RealDate.now() + ahead * 1000;
  }
};

const { ExpressAuth, getSession } = await import("@auth/express");
const { getToken } = await import("@auth/core/jwt");
const { default: Credentials } = await import("@auth/core/providers/credentials");
const { default: express } = await import("express");

const defaults = {
  flask: 0, // the port of the Flask application
  secrets: null, // the newest first; null: from `environment`, as Auth.js reads it there
  environment: {},
  session: {}, // `session` of the configuration: maxAge and updateAge, in seconds
  pages: {},
  cookies: {},
  provider: null, // the options of an OpenID provider, beside the credentials
  refuses: [], // the sub of each person whose session the jwt callback ends
  keeps: null, // all that the jwt callback returns of the token, by name; null: everything
  ahead: 0, // seconds by which the clock of this process is ahead
};
const PEOPLE = {
  ada: { id: "7", name: "Ada", email: "ada@example.com", roles: ["editor"] },
  grace: { id: "8", name: "Grace", email: "grace@example.com", roles: ["reader"] },
};

let settings, config, auth;
let complaints = [];

function apply(asked) {
  settings = { ...defaults, ...asked };
  ahead = settings.ahead;
  complaints = [];
  for (const name of Object.keys(process.env)) {
    if (name.startsWith("AUTH_")) delete process.env[name];
  }
  Object.assign(process.env, settings.environment);
  config = {
    trustHost: true,
    providers: [
      Credentials({
        credentials: { username: { label: "User name" }, password: { type: "password" } },
        authorize: ({ username, password }) => (password === "ok" && PEOPLE[username]) || null,
      }),
      ...(settings.provider ? [{ type: "oidc", ...settings.provider }] : []),
    ],
    ...(settings.secrets ? { secret: settings.secrets } : {}),
    session: settings.session,
    pages: settings.pages,
    cookies: settings.cookies,
    callbacks: {
      jwt({ token, user, account, trigger, session }) {
        if (trigger === "signIn") {
          token.sub = account.type === "oidc" ? keyOf(account) : user.id;
          token.roles = user.roles;
          token.desk = "north";
        }
        // Everything that the browser sends, which no application should take.
        if (trigger === "update") Object.assign(token, session);
        if (settings.refuses.includes(token.sub)) return null;
        if (settings.keeps === null) return token;
        return Object.fromEntries(settings.keeps.map((name) => [name, token[name]]));
      },
      session({ session, token }) {
        const { sub: id, roles, desk, company } = token;
        return { ...session, user: { ...session.user, id, roles }, desk, company };
      },
    },
    logger: {
      error: (error) => complaints.push(error.name),
      warn: (code) => complaints.push(code),
    },
  };
  auth = ExpressAuth(config);
}

// The key of a person for both applications: what Flask makes of an account, too.
function keyOf({ provider, providerAccountId }) {
  return `${provider}|${providerAccountId}`;
}

const app = express();
app.set("trust proxy", true);
app.use("/auth", (req, res, next) => auth(req, res, next));
app.use(async (req, res, next) => {
  res.locals.session = await getSession(req, config);
  next();
});
app.get("/", (req, res) => res.send(page("Express", res.locals.session)));
app.get("/notes", (req, res) => {
  if (res.locals.session?.user) res.send(page("Notes at Express", res.locals.session));
  else res.redirect(`${config.pages.signIn ?? "/auth/signin"}?callbackUrl=/notes`);
});
app.get("/live", (req, res) => res.send(page("Live at Express", null) + live));
app.get("/who", (req, res) => res.json(res.locals.session));
app.get("/claims", async (req, res) => {
  res.json(await getToken({ req, secret: config.secret, secureCookie: req.secure }));
});

function page(title, session) {
  const escaped = (text) => text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
  return `<!doctype html><title>${title}</title><h1>${title}</h1>
    <p id="who">${escaped(session?.user?.name ?? "nobody")}</p>
    <a href="/flask/notes">Notes at Flask</a> <a href="/auth/signout?callbackUrl=/">Sign out</a>`;
}

// Follows the session without a reload, with the module that Flask serves.
const live = `
<script type="module">
  import { getSnapshot, subscribe } from "/flask/auth/client.js";
  const show = () => {
    document.querySelector("#who").textContent = getSnapshot()?.user?.name ?? "nobody";
  };
  subscribe(show);
  show();
</script>`;

// As Next.js 16 does: Host is that of the target, X-Forwarded-Host is the one that came, and what
// a proxy before this one said of the client is kept.
function passOn(req, res) {
  const { connection, host, ...headers } = req.headers;
  const forwarded = http.request({
    host: "127.0.0.1",
    port: settings.flask,
    method: req.method,
    path: req.url,
    headers: {
      "x-forwarded-for": req.socket.remoteAddress,
      "x-forwarded-proto": "http",
      ...headers,
      "x-forwarded-host": host,
      host: `127.0.0.1:${settings.flask}`,
    },
  });
  forwarded.on("response", (answer) => {
    const { connection, "transfer-encoding": framing, ...kept } = answer.headers;
    res.writeHead(answer.statusCode, answer.statusMessage, kept);
    pipeline(answer, res, () => {});
  });
  forwarded.on("error", () => {
    if (res.headersSent) res.destroy();
    else res.writeHead(502).end("Flask does not answer.");
  });
  pipeline(req, forwarded, () => {});
}

function front(req, res) {
  if (req.url.startsWith("/flask/")) passOn(req, res);
  else app(req, res);
}

// What a proxy does that ends TLS.
function overTls(req, res) {
  req.headers["x-forwarded-proto"] = "https";
  front(req, res);
}

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

async function control(req, res) {
  let body = "";
  for await (const chunk of req) body += chunk;
  if (req.method === "PUT") apply(JSON.parse(body));
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(complaints));
}

apply({ secrets: ["not set yet, not set yet, not set yet"] });
const answers = {
  port: await listen(http.createServer(front)),
  tls: await listen(https.createServer(JSON.parse(process.argv[2]), overTls)),
  control: await listen(http.createServer(control)),
};
process.stdout.write(`${JSON.stringify(answers)}\n`);
process.stdin.on("end", () => process.exit()).resume();

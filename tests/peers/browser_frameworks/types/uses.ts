// What a TypeScript project may do with the module, and, after each `@ts-expect-error`, what not.
import * as client from "/auth/client.js";
import {
  getSession,
  getSnapshot,
  guardNavigation,
  refresh,
  SessionError,
  signIn,
  signOut,
  subscribe,
  update,
  type GuardOptions,
  type Session,
  type SignInOptions,
  type SignInResult,
  type SignOutOptions,
  type Snapshot,
  type User,
} from "/auth/client.js";

// What the application's session callback adds.
declare module "/auth/client.js" {
  interface Session {
    company_id: number;
    theme?: "dark" | "light";
  }
  interface User {
    roles: string[];
  }
}

/** Whether two types are the same, `any` and `unknown` included. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : ["not the same"]): void {}

// The snapshot.

const snapshot = getSnapshot();
same<typeof snapshot, Session | null | undefined>();
same<typeof snapshot, Snapshot>();
// @ts-expect-error nobody may be signed in, or it is not known
snapshot.user;
// @ts-expect-error it takes nothing
getSnapshot(true);

if (snapshot) {
  const user: User = snapshot.user;
  same<typeof snapshot.expires, string>();
  same<typeof snapshot.error, "refresh_unavailable" | "refresh_failed" | undefined>();
  same<typeof user.name, string | null | undefined>();
  same<typeof user.email, string | null | undefined>();
  same<typeof user.image, string | null | undefined>();
  // What was declared above.
  same<typeof snapshot.company_id, number>();
  same<typeof snapshot.theme, "dark" | "light" | undefined>();
  same<(typeof user.roles)[number], string>();
  // What was not.
  same<(typeof snapshot)["nick"], unknown>();
  same<(typeof user)["nick"], unknown>();
  // @ts-expect-error it has to be looked at first
  const nick: string = snapshot["nick"];
  // @ts-expect-error no such error
  snapshot.error === "refresh_impossible";
  // @ts-expect-error a date as text
  snapshot.expires.getTime();
}

// Following it.

const end = subscribe((session) => same<typeof session, Snapshot>());
same<typeof end, () => void>();
subscribe(() => {});
// @ts-expect-error a listener is needed
subscribe();
// @ts-expect-error a function
subscribe("jwtsession");
// @ts-expect-error it gets a session, null or undefined
subscribe((session: Session) => session.user);

document.addEventListener("jwtsession", (event) => {
  const { detail } = event as CustomEvent<Snapshot>;
  same<typeof detail, Snapshot>();
});

// Asking and changing.

same<ReturnType<typeof getSession>, Promise<Snapshot>>();
same<ReturnType<typeof update>, Promise<Snapshot>>();
same<ReturnType<typeof refresh>, Promise<Snapshot>>();
update();
update({ nick: "Countess", company_id: 7, deep: { list: [1, null] } });
update({ nick: new FormData().get("nick") });
// @ts-expect-error an object
update("Countess");
// @ts-expect-error an object
update(null);
// @ts-expect-error it takes nothing
getSession({ force: true });
// @ts-expect-error it takes nothing
refresh("google");
// @ts-expect-error a promise
getSession().user;

// Signing in.

async function signingIn() {
  same<Awaited<ReturnType<typeof stay>>, SignInResult>();
  const result = await stay();
  same<typeof result.ok, boolean>();
  same<typeof result.status, number>();
  same<typeof result.error, string | null>();
  same<typeof result.url, string | null>();

  const gone = await signIn("google", { callbackUrl: "/" }, { login_hint: "ada@example.com" });
  same<typeof gone, void>();
  // @ts-expect-error who goes on to another page gets no result
  gone.ok;
}

function stay() {
  return signIn("credentials", { username: "ada", password: "ok", redirect: false });
}

signIn();
signIn(undefined, { callbackUrl: "/" });
signIn("credentials", { username: "ada", password: "ok" });
signIn("google", {}, { prompt: "login" });
// @ts-expect-error without a provider it is another page
signIn(undefined, { redirect: false });
// @ts-expect-error whether it redirects has to be known here
signIn("credentials", { redirect: Math.random() > 0.5 });
// @ts-expect-error a yes or a no
signIn("credentials", { redirect: "no" });
// @ts-expect-error fields are text
signIn("credentials", { username: "ada", code: 123456 });
// @ts-expect-error parameters are text
signIn("google", {}, { max_age: 60 });
// @ts-expect-error left out, or given (exactOptionalPropertyTypes)
const options: SignInOptions = { callbackUrl: undefined };

// Signing out.

async function signingOut() {
  const gone = await signOut({ callbackUrl: "/bye" });
  same<typeof gone, void>();
  const { url } = await signOut({ redirect: false });
  same<typeof url, string>();
  // @ts-expect-error no such result
  (await signOut({ redirect: false })).ok;
}

signOut();
const leaving: SignOutOptions = { callbackUrl: "/bye", redirect: false };
// @ts-expect-error a URL is an option
signOut("/bye");
// @ts-expect-error no such option
signOut({ callbackURL: "/bye" });

// Guarding.

const stop = guardNavigation({ publicPaths: ["/", "/docs/*", /^\/shared\//], signInPath: "/in" });
same<typeof stop, () => void>();
guardNavigation();
const guard: GuardOptions = { publicPaths: ["/"] as const };
// @ts-expect-error a list
guardNavigation({ publicPaths: "/" });
// @ts-expect-error texts or patterns
guardNavigation({ publicPaths: [() => true] });
// @ts-expect-error no such option
guardNavigation({ signInUrl: "/in" });

// What went wrong.

getSession().catch((error: unknown) => {
  if (!(error instanceof SessionError)) throw error;
  const known: Error = error;
  same<typeof error.code, string>();
  same<typeof error.status, number>();
  same<typeof error.message, string>();
  same<typeof error.name, "SessionError">();
  // @ts-expect-error it stays what it is
  error.code = "network";
});

// @ts-expect-error nothing else is there
client.getToken();

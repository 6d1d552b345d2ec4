/**
 * Who is signed in, for the pages of an application with flask_jwtsession.
 *
 *     import { getSnapshot, signOut, subscribe } from "/auth/client.js";
 *
 * It starts when it is imported: from the session that jwtsession_script() put into the page, or
 * with a request for it. The server decides, always; what is here is what it said last.
 *
 * Types, and what each function does for its caller, are in client.d.ts.
 */

/** Milliseconds. */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** A longer request failed. The extension waits for nobody half as long. */
const TIMEOUT = 30 * SECOND;
/** Timers stand still while a machine sleeps, so the clock is looked at this often. */
const LONGEST_WAIT = 30 * SECOND;
/** Near the end no question comes sooner after another: the server may have nothing new to say. */
const SHORTEST_WAIT = 5 * SECOND;
/** Clocks that differ by less are the same: the Date header has whole seconds. */
const CLOCK_TOLERANCE = 5 * SECOND;

/** Where the endpoints are: beside this module. A second instance has a client of its own. */
const BASE = new URL(".", import.meta.url);
const HERE = new URL(import.meta.url);
const NAME = `jwtsession:${BASE.pathname}`;

export class SessionError extends Error {
  constructor(message, code, status = 0) {
    super(message);
    this.name = "SessionError";
    this.code = code;
    this.status = status;
  }
}

/* What is known. */

/** The public session; null for nobody, undefined as long as the server has not said. */
let session;
/** `session` as text, to see whether it changed. */
let known;
/** When the request began that `session` came with: of two answers the later question counts. */
let asked = 0;
/** When the session ends, and how long before somebody may prolong it; in the server's time. */
let until = Infinity;
let margin = 0;
/** What the server's clock is ahead of this one, and what this one said last. */
let ahead = 0;
let latest = 0;
/** Whether somebody used this page since the session was last asked for. */
let used = false;

const listeners = new Set();
const channel = new BroadcastChannel(NAME);

export function getSnapshot() {
  return session;
}

export function timeLeft() {
  return session ? until - now() : undefined;
}

export function subscribe(listener) {
  const subscription = { listener };
  listeners.add(subscription);
  return () => listeners.delete(subscription);
}

/** Now, for a question or a change: after all that is known, also if the clock was set back. */
function moment() {
  return Math.max(Date.now(), asked + 1);
}

/** Take what a request that began at `began` said. Whether it is the newest that is known. */
function take(next, began) {
  if (began < asked) return false;
  asked = began;
  const text = JSON.stringify(next);
  const isNews = text !== known;
  if (isNews) [session, known] = [next, text];
  endsAt(Date.parse(session?.expires));
  if (isNews) announce();
  return true;
}

function announce() {
  for (const { listener } of [...listeners]) {
    try {
      listener(session);
    } catch (error) {
      reportError(error);
    }
  }
  document.dispatchEvent(new CustomEvent("jwtsession", { detail: session }));
}

/** The same for what a request of this tab said; the other tabs are told. */
function learn(next, began, isSignOut = false) {
  const before = known;
  if (take(next, began) && (known !== before || isSignOut)) tell(isSignOut);
}

function tell(isSignOut = false) {
  channel.postMessage({ session, asked, isSignOut });
}

channel.onmessage = ({ data }) => {
  if (!Number.isFinite(data?.asked) || !isSession(data.session)) return; // of another version
  // Nothing that is under way here may bring back who was signed out there.
  if (data.isSignOut) abort();
  if (take(data.session, data.asked) || JSON.stringify(data.session) === known) return;
  // That page is older than what is known here. Or it seems so, because the clock was set back before
  // it came, or because an answer came here while somebody signed out there: then the server knows.
  if (data.session && asked - data.asked < MINUTE) tell();
  else getSession().then(() => tell());
};

function isSession(value) {
  return typeof value === "object" && !Array.isArray(value);
}

/* Requests: one at a time. */

let queue = Promise.resolve();
let aborter = new AbortController();
/** When the last one began, by a clock that nobody sets. */
let lastRequest = -Infinity;

function abort() {
  aborter.abort();
  aborter = new AbortController();
}

/**
 * Send a request when those before it are done, and return what came: the status, the JSON, and
 * when the request began. Across the tabs, one that changes the session (`mode: "exclusive"`) has it
 * for itself: it starts from the cookie that the one before it left. With `mode: null` it does not
 * wait for other tabs.
 */
function send(path, options = {}) {
  const { method = "GET", mode = "shared", headers, body, signal = aborter.signal } = options;
  const request = async () => {
    signal.throwIfAborted();
    const began = moment();
    lastRequest = performance.now();
    const response = await fetch(new URL(path, BASE), {
      method,
      body,
      headers: { Accept: "application/json", ...headers },
      cache: "no-store",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
    const text = await response.text();
    signal.throwIfAborted();
    setClock(Date.parse(response.headers.get("Date")) - Date.now());
    const { ok, status } = response;
    return { ok, status, began, value: ok ? JSON.parse(text) : problemOf(text) };
  };
  const locked = () =>
    mode && navigator.locks ? navigator.locks.request(NAME, { mode, signal }, request) : request();
  const answer = queue.then(locked).catch((error) => {
    if (signal.aborted) throw new SessionError("signed out before the answer came", "signed_out");
    throw new SessionError(`no answer from ${path}: ${error.message}`, "network");
  });
  queue = answer.catch(() => {});
  return answer;
}

/** What is in problem+json; somebody else's error page says nothing here. */
function problemOf(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function refusal({ status, value: { code = `http_${status}`, detail = code } }) {
  return new SessionError(detail, code, status);
}

function setClock(difference) {
  if (Number.isNaN(difference)) return;
  ahead = Math.abs(difference) < CLOCK_TOLERANCE ? 0 : difference;
  latest = Date.now();
}

/* Asking. */

let asking = null;
let failures = 0;
let retry;

export function getSession(options) {
  // What is under way may be answered with what was before the caller's own change.
  if (options?.anew && asking) return asking.then(() => getSession());
  used = false;
  clearTimeout(retry);
  retry = undefined;
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask() {
  try {
    const answer = await send("session");
    learnFrom(answer);
    failures = 0;
  } catch (error) {
    // Given up for a sign-out, which may fail: what it came to is the answer.
    if (error.code === "signed_out") return ask();
    // Nobody is signed out by a failure; it is tried again.
    tryAgain(getSession);
  }
  return session;
}

function learnFrom(answer) {
  const { ok, value, began } = answer;
  if (!ok) throw refusal(answer);
  if (!isSession(value)) throw new SessionError("the answer is no session", "network");
  // To the client of NextAuth v4 an empty object is nobody, and an application may answer so.
  learn(Object.keys(value ?? {}).length ? value : null, began);
}

function tryAgain(question) {
  const delay = Math.min(MINUTE, SECOND * 2 ** failures++);
  clearTimeout(retry);
  const again = () => {
    retry = undefined;
    question();
  };
  retry = setTimeout(again, delay * (0.5 + Math.random() / 2));
}

/* Changing. */

export function update(data = {}) {
  return change("session", { data });
}

export function refresh() {
  return change("session/refresh", {});
}

async function change(path, body) {
  const answer = await send(path, {
    method: "POST",
    mode: "exclusive",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (answer.status === 401) await getSession(); // it may be a proxy who says so
  // A page that came meanwhile may be from before the change, or from after a sign-out.
  if (answer.ok && asked > answer.began) return getSession();
  learnFrom(answer);
  return session;
}

/* Signing in and out. */

export async function signIn(provider, options = {}, parameters = {}) {
  const { callbackUrl = wanted(), redirect = true, ...fields } = options;
  if (!provider) return go(`signin?${new URLSearchParams({ callbackUrl })}`);
  const way = provider === "credentials" ? "callback" : "signin";
  const path = `${way}/${encodeURIComponent(provider)}?${new URLSearchParams(parameters)}`;
  const answer = await post(path, redirect, { ...fields, callbackUrl }, { mode: "exclusive" });
  const { ok, status, value } = answer;
  if (redirect) {
    if (!ok) throw refusal(answer);
    return go(value.url);
  }
  if (!ok) return { ok, status, error: refusal(answer).code, url: null };
  if (provider === "credentials") await getSession();
  return { ok, status, error: null, url: value.url };
}

export async function signOut({ callbackUrl = location.href, redirect = true } = {}) {
  abort();
  // Waits for no other tab, and is not given up over the sign-out of another one.
  const { signal } = new AbortController();
  let answer;
  try {
    answer = await post("signout", redirect, { callbackUrl }, { mode: null, signal });
  } catch (error) {
    getSession(); // it may have been done all the same
    throw error;
  }
  if (!answer.ok) throw refusal(answer);
  // What began before has been answered for somebody who is signed out now.
  learn(null, moment(), true);
  return redirect ? go(answer.value.url) : { url: answer.value.url };
}

/** Post a form. With `redirect` a no has a URL too, of the page that says so. */
async function post(path, redirect, fields, options) {
  const headers = redirect ? { "X-Auth-Return-Redirect": "1" } : {};
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const body = new URLSearchParams(given);
  const answer = await send(path, { method: "POST", headers, body, ...options });
  if (answer.ok && !isPage(answer.value?.url)) {
    throw new SessionError("the answer leads nowhere", "network");
  }
  return answer;
}

function isPage(url) {
  return typeof url === "string" && URL.canParse(url) && /^https?:/.test(new URL(url).protocol);
}

/** Where to go after the sign-in: where this page says, if it is a sign-in page, or back to it. */
function wanted() {
  return new URLSearchParams(location.search).get("callbackUrl") ?? location.href;
}

function go(url) {
  const target = new URL(url, BASE);
  const isHere = withoutHash(target) === withoutHash(location) && target.hash;
  location.assign(target);
  if (isHere) location.reload(); // a browser only scrolls to another part of the same page
}

function withoutHash(url) {
  return url.href.replace(/#.*/, "");
}

/* Pages that change without a reload. */

export function guardNavigation({ publicPaths = [], signInPath = `${BASE.pathname}signin` } = {}) {
  const page = new URL(signInPath, location.href);
  const open = [page.pathname, `${BASE.pathname}*`, ...publicPaths];
  const isGuarded = () => isOn && !open.some((pattern) => covers(pattern, location.pathname));
  let isOn = true;
  let isChecking = false;
  let last;

  async function check() {
    const here = location.pathname + location.search;
    if (here === last || !isOn) return;
    last = here;
    if (isChecking || !isGuarded()) return;
    isChecking = true;
    const isOut = (await getStatus()) === null;
    isChecking = false;
    if (isOut && isGuarded()) {
      page.searchParams.set("callbackUrl", location.pathname + location.search + location.hash);
      location.replace(page); // Back leads to the page before, and not here once more
    }
  }

  const stop = onNavigation(check);
  check();
  return () => {
    isOn = false;
    stop();
  };
}

function covers(pattern, path) {
  if (pattern instanceof RegExp) return path.search(pattern) >= 0;
  if (!pattern.endsWith("/*")) return path === pattern;
  return path === pattern.slice(0, -2) || path.startsWith(pattern.slice(0, -1));
}

/** Call `listener` after each change of the address; returns what ends that. */
function onNavigation(listener) {
  if (window.navigation) {
    navigation.addEventListener("currententrychange", listener);
    return () => navigation.removeEventListener("currententrychange", listener);
  }
  // A browser from before 2026. Others may have wrapped these methods too, so they stay wrapped.
  window.addEventListener("popstate", listener);
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name];
    history[name] = function (...values) {
      change.apply(this, values);
      listener();
    };
  }
  return () => {};
}

/** When the session ends (epoch milliseconds), null for nobody; undefined if that is not known. */
async function getStatus() {
  try {
    const { value, began } = await send("session/status");
    if (value.status === "authenticated") return Date.parse(value.expires) || undefined;
    if (value.status !== "unauthenticated") return undefined; // somebody else's answer
    learn(null, began);
    return null;
  } catch (error) {
    return error.code === "signed_out" ? getStatus() : undefined;
  }
}

/* Before the end, and at it. */

let timer;

function endsAt(end) {
  until = Number.isNaN(end) ? Infinity : end;
  const left = until - now();
  margin = Math.min(MINUTE, Math.max(SECOND, left / 10));
  wait(left > margin ? 0 : SHORTEST_WAIT);
}

/** The server's time. It never goes back, also if this clock is set back. */
function now() {
  const date = Date.now();
  if (date < latest) ahead += latest - date;
  latest = date;
  return date + ahead;
}

function wait(shortest = 0) {
  clearTimeout(timer);
  if (!session || until === Infinity) return;
  const left = until - now();
  const next = left > margin ? left - margin : left;
  timer = setTimeout(look, Math.min(LONGEST_WAIT, Math.max(next, shortest) + 50));
}

/** Look at the clock: a session that is in use is prolonged, one that is over is given up. */
async function look() {
  const left = until - now();
  if (!session || left > margin) return wait();
  if (used) return getSession();
  if (left > 0) return wait();
  // Asks without prolonging it: somebody may have, in a tab without this module, or with a refresh
  // cookie.
  const end = await getStatus();
  if (end === undefined) return tryAgain(look);
  failures = 0;
  if (end === null || !session) return;
  until = end;
  wait(SHORTEST_WAIT);
}

function onUse() {
  used = true;
  const isQuiet = !retry && performance.now() - lastRequest >= SHORTEST_WAIT;
  if (isQuiet && session && until - now() <= margin) look();
}

function onReturn() {
  if (document.visibilityState === "visible") getSession();
}

for (const type of ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"]) {
  window.addEventListener(type, onUse, { capture: true, passive: true });
}
document.addEventListener("visibilitychange", onReturn);
window.addEventListener("focus", onReturn);
window.addEventListener("online", onReturn);
window.addEventListener("pageshow", ({ persisted }) => persisted && onReturn());

/* Starting. */

function start() {
  const inPage = readPage();
  const [{ requestStart, type } = { requestStart: 0 }] = performance.getEntriesByType("navigation");
  if (inPage) {
    setClock(inPage.now - Date.now());
    // By the clock of the other tabs; performance.timeOrigin may be by another one.
    take(inPage.session, Date.now() - performance.now() + requestStart);
  }
  // A page that the Back button shows may be as old as its entry in the browser's cache.
  if (inPage && type !== "back_forward") tell();
  else getSession();
}

function readPage() {
  const scripts = [...document.querySelectorAll("script[type='application/json']")];
  const isOurs = ({ dataset: { jwtsession } }) =>
    jwtsession !== undefined && new URL(jwtsession, HERE).pathname === HERE.pathname;
  try {
    return JSON.parse(scripts.find(isOurs).textContent);
  } catch {
    return undefined;
  }
}

start();

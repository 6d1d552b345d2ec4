/** Types of the module that flask_jwtsession serves at `/auth/client.js`. */

/** The public session: what the application's session callback made. */
export interface Session {
  user: User;
  /** When the session ends, unless it is used before: ISO 8601, UTC. */
  expires: string;
  /** What does not work with the provider's tokens, if anything. */
  error?: "refresh_unavailable" | "refresh_failed";
  [key: string]: unknown;
}

export interface User {
  name?: string | null;
  email?: string | null;
  image?: string | null;
  [key: string]: unknown;
}

/** The session; `null` for nobody, `undefined` as long as the server has not said. */
export type Snapshot = Session | null | undefined;

/**
 * What went wrong with a request. `code` is the server's (`"update_refused"`, `"login_required"`, …),
 * or `"http_<status>"` of an error page that is not ours, or one of these:
 *
 * - `"network"`: no answer, or none that can be read. Whether the server has done it is not known.
 * - `"signed_out"`: somebody signed out before the answer came.
 */
export class SessionError extends Error {
  private constructor();
  readonly name: "SessionError";
  readonly code: string;
  /** The HTTP status; 0 without an answer. */
  readonly status: number;
}

/** What is known now, without a request. The same object until something changes: do not change it. */
export function getSnapshot(): Snapshot;

/**
 * The milliseconds until the session ends unless it is used, by the server's clock: that of the
 * browser may be wrong. With access and refresh cookies it is about the former, until that is over.
 * Below zero if it is over and the server has not said so yet, `Infinity` if
 * the session callback left `expires` out, `undefined` for nobody.
 */
export function timeLeft(): number | undefined;

/**
 * Call `listener` after each change of the session, in whatever tab it was made.
 *
 * Together with `getSnapshot` it fits React's `useSyncExternalStore`. On `document` the same is the
 * event `jwtsession`, with the session as its `detail`.
 *
 * @returns what ends the subscription
 */
export function subscribe(listener: (session: Snapshot) => void): () => void;

/**
 * Ask the server who is signed in. It counts as a use of the session, as every request does.
 *
 * All calls during one request share it. Without an answer it is what was known before, and the
 * question is repeated, at most a minute later; it is never rejected.
 *
 * @param options.anew not to share a request that began before this call: after a request of the
 * page's own that changed the session
 */
export function getSession(options?: { anew?: boolean }): Promise<Snapshot>;

/**
 * Update the session with `data`, as far as JWTSESSION_CLIENT_UPDATE_FIELDS and the jwt callback
 * let it. Updates of several tabs are made one after another.
 *
 * @returns the session after it
 * @throws SessionError, with `"update_refused"` (400) if the application refused it, and
 *   `"session_too_large"` (413) if it does not fit into the cookie; the session is as it was
 */
export function update(data?: Record<string, unknown>): Promise<Snapshot>;

/** Refresh the provider's tokens now. `error` in the session says whether that worked. */
export function refresh(): Promise<Snapshot>;

export interface SignInOptions {
  /** Where to go afterwards; by default what the query of this page asks for, or this page. */
  callbackUrl?: string;
  /** Whether the browser goes there, or to a page that says what went wrong. By default it does. */
  redirect?: boolean;
  /** The fields of the credentials. */
  [field: string]: string | boolean | undefined;
}

export interface SignInResult {
  ok: boolean;
  status: number;
  /** The server's code, `"credentials_signin"` for a wrong password; null if it worked. */
  error: string | null;
  /** Where to go now: with a provider, to its page. */
  url: string | null;
}

/**
 * Sign in: with `"credentials"`, with a provider, or, without a name, on the sign-in page.
 *
 * @param parameters for the provider: `login_hint`, `prompt`, `ui_locales`, `screen_hint` and
 *   `acr_values`
 * @returns nothing if the browser goes on to another page
 * @throws SessionError if there was no answer; with `redirect`, also if it was a no without a page
 */
export function signIn(
  provider?: string,
  options?: SignInOptions & { redirect?: true },
  parameters?: Record<string, string>,
): Promise<void>;
export function signIn(
  provider: string,
  options: SignInOptions & { redirect: false },
  parameters?: Record<string, string>,
): Promise<SignInResult>;

export interface SignOutOptions {
  /** Where to go afterwards; by default back to this page. */
  callbackUrl?: string;
  redirect?: boolean;
}

/**
 * Sign out, in all tabs. What is under way is given up, so that no late answer brings the session
 * back.
 *
 * @returns nothing if the browser goes on to another page; with `redirect: false`, where to go
 *   (that may be the provider's page, to sign out there too)
 * @throws SessionError if it did not work: then the person is still signed in, unless its code is
 *   `"network"`, when nobody knows
 */
export function signOut(options?: SignOutOptions & { redirect?: true }): Promise<void>;
export function signOut(options: SignOutOptions & { redirect: false }): Promise<{ url: string }>;

export interface GuardOptions {
  /**
   * Paths that are for everybody: as they are, with everything below (`"/docs/*"`), or patterns that
   * are looked for anywhere in the path.
   */
  publicPaths?: readonly (string | RegExp)[];
  /** The sign-in page; by default that of the endpoints. It gets the parameter `callbackUrl`. */
  signInPath?: string;
}

/**
 * For pages that change without a reload: after each change of the address, and now, ask whether
 * somebody is signed in. Who is not goes to the sign-in page, and comes back after it.
 *
 * It is for people, not for safety: what a page gets from the server has to be guarded there.
 *
 * @returns what ends it
 */
export function guardNavigation(options?: GuardOptions): () => void;

/**
 * Who is signed in, on every page: the name at the top, and what is there for somebody, or for
 * nobody. The client says when that changes, in whatever tab it was.
 */

import { getSnapshot, signOut, subscribe, timeLeft } from "/auth/client.js";

const page = document.querySelector("#page");
/** Whom this page was made for, and when their session ends, by the clock of this machine. */
const owner = getSnapshot()?.user.id;
let end;
let isLeaving = false;

function show(session) {
  if (session === undefined || isLeaving) return; // undefined: the server has not said yet
  for (const element of document.querySelectorAll("[data-for]")) {
    element.hidden = (element.dataset.for === "somebody") !== Boolean(session);
  }
  for (const element of document.querySelectorAll("[data-session]")) {
    if (session) fill(element, valueOf(session, element.dataset.session));
  }
  if ("private" in page.dataset) showPage(session);
  if (session) end = Date.now() + timeLeft();
}

/** The value at a path such as "user.name". */
function valueOf(session, path) {
  return path.split(".").reduce((value, name) => value?.[name], session) ?? "";
}

function fill(element, text) {
  if (!(element instanceof HTMLInputElement)) {
    element.textContent = text;
    return;
  }
  // What somebody typed stays.
  if (element.value === element.defaultValue) element.value = text;
  element.defaultValue = text;
}

/** A page about one person goes when they do. It is hidden, not emptied: what they typed is there
 * again when they are. */
function showPage(session) {
  const isOver = !session && end <= Date.now();
  document.querySelector("#gone").hidden = Boolean(session);
  document.querySelector("#gone-over").hidden = !isOver;
  document.querySelector("#gone-elsewhere").hidden = isOver;
  document.querySelector("#changed").hidden = !session || session.user.id === owner;
  const isTheirs = session?.user.id === owner;
  const hadFocus = page.contains(document.activeElement);
  page.hidden = !isTheirs;
  if (hadFocus) document.querySelector("main > .notice:not([hidden])")?.focus();
}

/** Without this the form would do as well; but if it leads to Demo ID, the other tabs would hear of
 * the sign-out only when somebody comes back to them. */
document.querySelector("#sign-out").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isLeaving) return; // a second click
  isLeaving = true;
  const form = event.target;
  try {
    await signOut({ callbackUrl: form.elements.callbackUrl.value });
  } catch {
    form.submit(); // so the person sees what is wrong
  }
});

subscribe(show);
// Now, and when the Back button brings this page as it was left.
window.addEventListener("pageshow", () => {
  isLeaving = false;
  show(getSnapshot());
});

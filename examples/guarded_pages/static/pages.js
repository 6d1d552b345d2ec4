/**
 * Pages that change without a reload, and what becomes of one when its session ends.
 *
 * No view is asked for such a page unless a script asks it, so it is looked at here who may be on it.
 * That is for people: it spares them a page that stays empty. What protects is the guard in front of
 * the view that `show` asks, and it is there without this script too.
 */

import { getSnapshot, guardNavigation, subscribe } from "/auth/client.js";

const { publicPaths, signIn } = document.body.dataset;

guardNavigation({ publicPaths: JSON.parse(publicPaths), signInPath: signIn });

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-soft]");
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !isPlain) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
});
window.addEventListener("popstate", show);

/** Of two answers the one counts that was asked for last. */
let asked = 0;

async function show() {
  const turn = ++asked;
  const response = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (turn !== asked) return;
  if (response?.status === 401) return; // guardNavigation leads to the sign-in page
  if (!response?.ok) return location.reload(); // the server has a page for that
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (turn !== asked) return;
  document.title = page.title;
  for (const part of ["header", "main"]) {
    document.querySelector(part).replaceWith(page.querySelector(part));
  }
  cover();
}

/** A page that was made for somebody goes when they do, in every tab. */
function cover() {
  const session = getSnapshot();
  const main = document.querySelector("main");
  const { owner } = main.dataset;
  // undefined: the server has not said yet.
  main.hidden = session !== undefined && owner !== undefined && session?.user.id !== owner;
  document.querySelector("#gone").hidden = !main.hidden;
}

subscribe(cover);
cover();

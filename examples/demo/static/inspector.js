/** The session inspector, kept up to date. */

import { getSnapshot, subscribe, timeLeft } from "/auth/client.js";
import { duration } from "./clock.js";

/** What the server has to say is in elements with this attribute. */
const SERVER = "[data-server]";

function showPublic(session) {
  document.querySelector("#public").textContent = JSON.stringify(session, null, 2);
}

function showCookies() {
  document.querySelector("#readable").textContent = document.cookie || "nothing";
}

/** How often the server was asked: of two answers the later question counts. */
let questions = 0;

/** The claims have changed too, then: get them as this page has them, and put them here. */
async function showServer(session) {
  const question = ++questions;
  if (!session) return;
  const html = await load();
  if (!html || question !== questions) return;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const focused = document.activeElement?.id;
  for (const element of document.querySelectorAll(SERVER)) {
    const newer = fresh.getElementById(element.id);
    if (newer) element.replaceWith(newer);
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  count();
}

/** This page as it is now; nothing without an answer: then what is here stays. */
async function load() {
  try {
    const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}

function count() {
  const session = getSnapshot();
  if (!session) return;
  const now = Date.parse(session.expires) - timeLeft(); // by the server's clock
  for (const element of document.querySelectorAll("[data-moment]")) {
    const left = element.dataset.moment * 1000 - now;
    element.textContent = left > 0 ? `in ${duration(left)}` : `${duration(-left)} ago`;
  }
  for (const meter of document.querySelectorAll("[data-until]")) {
    meter.value = Math.max(0, meter.dataset.until - now / 1000);
  }
}

subscribe((session) => {
  showPublic(session);
  showServer(session);
});
setInterval(count, 1000);
count();
showCookies();
if (getSnapshot()) showPublic(getSnapshot());

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

/** The claims have changed too, then: get them as this page has them, and put them here. */
async function showServer(session) {
  if (!session) return;
  const response = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const element of document.querySelectorAll(SERVER)) {
    const newer = fresh.getElementById(element.id);
    if (newer) element.replaceWith(newer);
  }
  count();
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

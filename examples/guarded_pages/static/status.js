/**
 * Every half a minute: is the session still there, and until when?
 *
 * `GET /auth/session/status` is a look at the cookie. It prolongs nothing, so a page that is left open
 * does not keep its session alive. It finds out what no other tab of this browser can tell: that the
 * session was ended from elsewhere.
 */

import { getSession, getSnapshot } from "/auth/client.js";

const status = document.querySelector("#status");

async function look() {
  if (document.hidden || !getSnapshot()) return;
  const response = await fetch("/auth/session/status", { cache: "no-store" }).catch(() => null);
  if (response?.ok) {
    const { expires } = await response.json();
    status.textContent = `Signed in until ${new Date(expires).toISOString().slice(11, 19)} UTC`;
  } else if (response?.status === 401) {
    status.textContent = "";
    getSession(); // so the other tabs hear of it too
  }
  // Anything else says nothing about the session: a network that is gone signs nobody out.
}

setInterval(look, status.dataset.every * 1000);
look();

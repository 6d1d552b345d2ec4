/**
 * The banner in the last minute of a session.
 *
 * It is for who is not here: of a page that is in use, the client prolongs the session by itself. And
 * it is for the end that comes in any case.
 */

import { getSession, getSnapshot, subscribe, timeLeft } from "/auth/client.js";
import { duration } from "./clock.js";

const WARNING = 60_000;

const banner = document.querySelector("#ending");
const stay = document.querySelector("#ending-stay");
const final = document.querySelector("#ending-final");
const announcement = document.querySelector("#announcement");

/** Whether somebody used this page since the session was last heard of. */
let isUsed = false;
/** The end that was asked to be put off. */
let asked;

function look() {
  const left = timeLeft() ?? Infinity;
  if (left <= WARNING && isUsed && asked !== getSnapshot().expires) {
    prolong(); // the client would too, a little later: nobody who is here has to see the banner
  } else if (left < WARNING) {
    show(left);
  } else {
    hide();
  }
}

function show(left) {
  document.querySelector("#ending-time").textContent = duration(left);
  if (!banner.hidden) return;
  banner.hidden = false;
  announcement.textContent = "You will be signed out in a minute, unless you choose to stay.";
}

function hide() {
  if (banner.hidden) return;
  const hadFocus = banner.contains(document.activeElement);
  banner.hidden = true;
  stay.hidden = false;
  final.hidden = true;
  announcement.textContent = getSnapshot() ? "You stay signed in." : "You are signed out.";
  if (hadFocus) document.querySelector("main").focus();
}

/** Ask for a later end, and say whether there is one. */
async function prolong() {
  asked = getSnapshot().expires;
  isUsed = false;
  const session = await getSession();
  return session?.expires !== asked;
}

stay.addEventListener("click", async () => {
  const isLater = await prolong();
  stay.hidden = !isLater;
  final.hidden = isLater;
  if (!isLater) announcement.textContent = final.textContent;
});

for (const type of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
  window.addEventListener(type, () => (isUsed = true), { capture: true, passive: true });
}

subscribe(() => {
  isUsed = false;
  look();
});
setInterval(look, 1000);
look();

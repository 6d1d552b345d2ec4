/**
 * The banner near the end of a session.
 *
 * It is for who is not here: of a page that is in use, the client prolongs the session by itself. And
 * it is for the end that comes in any case.
 */

import { getSession, getSnapshot, subscribe, timeLeft } from "/auth/client.js";
import { duration } from "./clock.js";

const banner = document.querySelector("#ending");
const stay = document.querySelector("#ending-stay");
const notYet = document.querySelector("#ending-yet");
const final = document.querySelector("#ending-final");
const announcement = document.querySelector("#announcement");

/** Milliseconds: how long before the end the banner comes, and between two questions by use. */
const WARNING = banner.dataset.warning * 1000;
const BETWEEN_QUESTIONS = 5000;

/** Whether somebody used this page since the session was last heard of. */
let isUsed = false;
/** When a later end was last asked for. */
let asked = -Infinity;

function look() {
  const left = timeLeft() ?? Infinity;
  const mayAsk = !isFinal() && performance.now() - asked >= BETWEEN_QUESTIONS;
  if (left > WARNING) {
    hide();
  } else if (isUsed && mayAsk) {
    prolong(); // the client would too, a little later: nobody who is here has to see the banner
  } else {
    show(left);
  }
}

/** Whether this end comes in any case; the server says so with the session. */
function isFinal() {
  const session = getSnapshot();
  return Boolean(session) && Date.parse(session.expires) >= Date.parse(session.latest_end);
}

function show(left) {
  document.querySelector("#ending-time").textContent = duration(left);
  if (!banner.hidden && final.hidden !== isFinal()) return;
  const hadFocus = document.activeElement === stay;
  banner.hidden = false;
  final.hidden = !isFinal();
  stay.hidden = isFinal();
  notYet.hidden = true;
  if (hadFocus && stay.hidden) final.querySelector("a").focus();
  const choice = isFinal() ? "Sign in again to go on." : "You may choose to stay.";
  announcement.textContent = `You will be signed out soon. ${choice}`;
}

function hide() {
  if (banner.hidden) return;
  const hadFocus = banner.contains(document.activeElement);
  banner.hidden = true;
  announcement.textContent = getSnapshot() ? "You stay signed in." : "You are signed out.";
  if (hadFocus) document.querySelector("main").focus();
}

/** Ask for a later end. */
function prolong() {
  asked = performance.now();
  isUsed = false;
  return getSession();
}

stay.addEventListener("click", async () => {
  notYet.hidden = true;
  await prolong();
  // Without an answer, for one: the client asks again by itself.
  notYet.hidden = banner.hidden || isFinal();
  if (!notYet.hidden) announcement.textContent = notYet.textContent;
});

for (const type of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
  window.addEventListener(type, () => (isUsed = true), { capture: true, passive: true });
}

subscribe(() => {
  isUsed = false;
  asked = -Infinity;
  look();
});
setInterval(look, 1000);
look();

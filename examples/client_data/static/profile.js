/** The profile's form: the same data, sent in one way or the other. The page stays. */

import { getSession, update } from "/auth/client.js";

const form = document.querySelector("#profile");
const outcome = document.querySelector("#outcome");

/** The article's way: any address would do, the flag in it is what counts. */
async function sendWithFlag(data) {
  const answer = await fetch("/api/update-user-data?query=update-user-data", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({})); // a proxy may say it in HTML
    throw new Error(said.detail ?? said.data ?? `That did not work (${answer.status}).`);
  }
  // Neither client.js nor the other tabs have heard of it. A question that is under way may be
  // answered with what was before.
  await getSession({ anew: true });
}

const ways = { update, flag: sendWithFlag };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { nickname, fav_num } = form.elements;
  say("");
  try {
    const send = ways[event.submitter.value];
    await send({ nickname: nickname.value, fav_num: fav_num.valueAsNumber });
    say("Saved in your session.");
  } catch (error) {
    say(error.message, "wrong");
  }
});
// Not before: a browser would send the form by itself, with the data in the address.
for (const button of form.querySelectorAll("button")) button.disabled = false;

function say(text, kind = "right") {
  outcome.textContent = text;
  outcome.className = kind;
}

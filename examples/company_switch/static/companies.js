/** The buttons of the companies: the same wish, sent in one way or the other. The page stays. */

import { getSession, getSnapshot, subscribe, update } from "/auth/client.js";

const outcome = document.querySelector("#outcome");

const ways = {
  /** The way here: a POST, and a refusal comes with its reason. */
  update: (companyId) => update({ companyId }),

  /** The article's way: a GET, and who was refused sees only that nothing has changed. */
  async get(companyId) {
    const address = `/auth/session?companyId=${encodeURIComponent(companyId)}`;
    const session = await (await fetch(address, { cache: "no-store" })).json();
    // Neither client.js nor the other tabs have heard of it. A question that is under way may be
    // answered with what was before.
    await getSession({ anew: true });
    if (session?.company?.id !== companyId) throw new Error("Nothing has changed.");
  },
};

async function go(way, companyId) {
  say("");
  try {
    await ways[way](companyId);
    say("Done.");
  } catch (error) {
    say(error.message, "wrong");
  }
}

for (const button of document.querySelectorAll("[data-company]")) {
  button.addEventListener("click", () => go(button.dataset.way, Number(button.dataset.company)));
}

const another = document.querySelector("#another");
another.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = another.elements.number.value;
  // What is no number is sent as it is: the server has to cope with it in any case.
  go(event.submitter.value, /^[0-9]+$/.test(text) ? Number(text) : text);
});

function show(session) {
  // Nobody, or somebody else who signed in in another tab: the server has a page for them.
  if (session?.user.id !== document.body.dataset.owner) return location.reload();
  document.querySelector("#company").textContent = session.company?.name ?? "no company yet";
  document.querySelector("#role").textContent = session.user.role ?? "none";
}

function say(text, kind = "right") {
  outcome.textContent = text;
  outcome.className = kind;
}

// Not before there is somebody who listens.
for (const button of document.querySelectorAll("main button")) button.disabled = false;

subscribe(show);
if (getSnapshot()) show(getSnapshot());

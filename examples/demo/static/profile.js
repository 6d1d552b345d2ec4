/** The profile form, without loading the page again: the new name is in all tabs at once. */

import { update } from "/auth/client.js";

const form = document.querySelector("#profile");
const fields = [...form.querySelectorAll("[data-refusal]")];
const failure = document.querySelector("#profile-failure");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear();
  try {
    // Judged and saved by the jwt callback in auth.py.
    await update(Object.fromEntries(new FormData(form)));
    // As the session has it now: the server may have taken out a blank.
    for (const field of fields) field.value = field.defaultValue;
    say("Your profile is saved, and your session knows it already.");
  } catch (error) {
    explain(error);
  }
});

function clear() {
  say("");
  failure.hidden = true;
  failure.textContent = "";
  for (const field of fields) mark(field, "");
}

function explain({ code, message }) {
  if (code === "signed_out" || code === "login_required") return; // the page says so
  const wrong = fields.filter((field) => message.includes(field.dataset.refusal));
  for (const field of wrong) mark(field, field.dataset.refusal);
  wrong[0]?.focus();
  if (wrong.length) return;
  failure.hidden = false;
  failure.textContent =
    code === "network" ? "There was no answer, and it may not be saved. Try again." : message;
}

function mark(field, text) {
  document.getElementById(field.getAttribute("aria-describedby")).textContent = text;
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function say(text) {
  const paragraph = document.createElement("p");
  paragraph.className = "message good";
  paragraph.textContent = text;
  document.querySelector("#messages").replaceChildren(...(text ? [paragraph] : []));
}

// The button: POST /auth/session/refresh, by the extension's own client.
import { refresh } from "/auth/client.js";

const button = document.getElementById("renew");
const problem = document.getElementById("problem");

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const session = await refresh();
    if (!session?.error) {
      location.assign("/");
      return;
    }
    // Said in this answer only: a page has nothing to say as long as the old token is good.
    problem.textContent = `There is no new token (${session.error}); the old one stays.`;
  } catch (error) {
    problem.textContent = `That did not work (${error.code ?? error}).`;
  }
  problem.hidden = false;
  button.disabled = false;
});
button.disabled = false; // not before: nobody would listen

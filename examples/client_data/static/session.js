/** In every page: what it says of the session follows it, also when another tab changes it. */

import { getSnapshot, subscribe } from "/auth/client.js";

const atFirst = getSnapshot();

function show(session) {
  document.querySelector("#snapshot").textContent = JSON.stringify(session, null, 2);
  if (!session) return;
  const { name, nickname, fav_num } = session.user;
  const shown = { nickname: nickname ?? name, fav_num: fav_num ?? "none" };
  for (const element of document.querySelectorAll("[data-user]")) {
    element.textContent = shown[element.dataset.user];
  }
}

show(atFirst);
subscribe((session) => {
  // Somebody signed in or out, in another tab perhaps: the server says what they may see.
  if (atFirst !== undefined && Boolean(session) !== Boolean(atFirst)) location.reload();
  show(session);
});

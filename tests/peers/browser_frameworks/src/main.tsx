import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Account } from "./account";
import { useSession } from "./session";

declare global {
  interface Window {
    /** What the page has known, from its beginning. */
    known: string[];
  }
}

window.known = [];

function Record() {
  const session = useSession();
  const known = session === undefined ? "not yet" : session === null ? "nobody" : session.nick;
  if (window.known.at(-1) !== known) window.known.push(known);
  return null;
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Record />
    <Account />
  </StrictMode>,
);

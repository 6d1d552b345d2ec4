// One source, two clients: `vite build --mode v4` and `vite build --mode v5`.
import { defineConfig } from "vite";

export default defineConfig(({ mode, command }) => ({
  base: command === "build" ? "/static/" : "/",
  // The client looks for NEXTAUTH_URL there, and a browser has no `process`. A build has this by
  // itself, the development server has not.
  define: { "process.env": {} },
  resolve: { alias: { "next-auth/react": `next-auth-${mode}/react` } },
  // Not the short form, `"/api/auth": "http://…"`: that would hide from Flask which host the browser
  // sees, and Flask would lead back to its own.
  server: { proxy: { "/api/auth": { target: process.env.FLASK_ORIGIN } } },
  cacheDir: process.env.VITE_CACHE,
}));

// One source, two clients: `vite build --mode v4` and `vite build --mode v5`.
import { defineConfig } from "vite";

export default defineConfig(({ mode }) => ({
  base: "/static/",
  // The client looks for NEXTAUTH_URL there, and a browser has no `process`.
  define: { "process.env": {} },
  resolve: { alias: { "next-auth/react": `next-auth-${mode}/react` } },
  logLevel: "warn",
}));

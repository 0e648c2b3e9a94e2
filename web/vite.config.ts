import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `npm run dev` shows the client with the API of the local stack.
const stack = "http://127.0.0.1:8800";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2023",
    // Inlined files would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "src/service-worker.ts"],
      output: {
        // A browser knows a service worker by its address.
        entryFileNames: ({ name }) =>
          name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js",
      },
    },
  },
  server: { proxy: { "/api": stack, "/_allauth": stack } },
});

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type HtmlTagDescriptor, type Plugin } from "vite";

// `npm run dev` shows the client with the API of the local stack.
const stack = "http://127.0.0.1:8800";

// Lets the page name what src/start.ts needs, so that a browser loads it beside src/main.ts.
const preloadStart: Plugin = {
  name: "preload-start",
  transformIndexHtml: {
    order: "post",
    handler(page, { bundle = {} }): HtmlTagDescriptor[] {
      const start = Object.values(bundle).find(
        (file) => file.type === "chunk" && file.facadeModuleId?.endsWith("/src/start.ts"),
      );
      const [scripts, styles] = [new Set<string>(), new Set<string>()];
      const add = (name: string): void => {
        const file = bundle[name];
        if (file?.type !== "chunk" || scripts.has(name)) return;
        scripts.add(name);
        file.imports.forEach(add);
        file.viteMetadata?.importedCss.forEach((style) => styles.add(style));
      };
      if (start) add(start.fileName);
      const link = (rel: string) => (name: string) => ({
        tag: "link",
        attrs: { rel, href: `/${name}`, crossorigin: true },
        injectTo: "head" as const,
      });
      const isNew = (name: string): boolean => !page.includes(name);
      return [
        ...[...scripts].filter(isNew).map(link("modulepreload")),
        ...[...styles].filter(isNew).map(link("stylesheet")),
      ];
    },
  },
};

export default defineConfig({
  plugins: [svelte(), preloadStart],
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

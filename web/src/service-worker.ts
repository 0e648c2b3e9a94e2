// The service worker: it stores the client's page and assets, so that they start without the network.
// It stores nothing of the reader's, and leaves all requests to the API and for pictures alone.

// The types of `self` are those of any worker.
const worker = self as unknown as ServiceWorkerGlobalScope;

const CACHE = "shell";
const PAGE = "/";
// The addresses that the web server answers with the page: as in deploy/Caddyfile.
const PAGES =
  /^\/(?:|log-in|sign-up|forgotten-password|search|new|settings(?:\/.*)?|p\/[^/]+(?:\/likes)?|u\/[^/]+(?:\/(?:followers|following))?)$/;
// What the page names: the assets that home needs.
const NAMED_ASSETS = /"(\/assets\/[^"]+)"/g;

worker.addEventListener("install", (event) => {
  event.waitUntil(refresh().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && PAGES.test(pathname)) event.respondWith(page(event));
  else if (pathname.startsWith("/assets/")) event.respondWith(asset(event));
});

// The stored page, at once. The next visit gets what the server has now.
async function page(event: FetchEvent): Promise<Response> {
  const stored = await find(PAGE);
  if (!stored) return fetch(event.request);
  // If that fails, the stored page stays.
  event.waitUntil(refresh().catch(() => {}));
  return stored;
}

async function asset(event: FetchEvent): Promise<Response> {
  const stored = await find(event.request);
  if (stored) return stored;
  const response = await fetch(event.request);
  if (response.ok) event.waitUntil(store(event.request, response.clone()));
  return response;
}

// Stores the page that the server has now. In a new release, it names other assets: these are stored
// before it, so a page is never stored without them. Those of the page before stay, as it may be
// starting right now; those of older ones are deleted. Throws if something of it cannot be loaded.
async function refresh(): Promise<void> {
  const cache = await caches.open(CACHE);
  const response = await fetch(PAGE, { cache: "no-cache" });
  const text = await response.clone().text();
  const assets = assetsOf(text);
  if (!response.ok || assets.length === 0) return; // the client is not there
  const before = await (await find(PAGE))?.text();
  const isNew = text !== before;
  if (isNew) await cache.addAll(assets);
  // Its headers may be new though it is the same.
  await cache.put(PAGE, response);
  if (!isNew) return;
  const kept = new Set([PAGE, ...assets, ...assetsOf(before ?? "")]);
  for (const request of await cache.keys()) {
    if (!kept.has(new URL(request.url).pathname)) await cache.delete(request);
  }
}

function assetsOf(page: string): string[] {
  return [...new Set(Array.from(page.matchAll(NAMED_ASSETS), (match) => match[1]!))];
}

async function find(request: RequestInfo): Promise<Response | undefined> {
  return caches.match(request, { cacheName: CACHE, ignoreVary: true });
}

async function store(request: Request, response: Response): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.put(request, response);
}

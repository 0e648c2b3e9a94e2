// The page of the current address. The browser's Navigation API tells of clicks on links and of
// Back and Forward, restores where the page was scrolled to, and moves the focus. A browser that lacks
// it loads each page anew, which works too.

import { tick } from "svelte";
import { session } from "../api/session.svelte";
import NotFound from "../pages/NotFound.svelte";
import { logInAddress } from "./addresses";
import { routeOf, type Page, type Parameters } from "./routes";

class Place {
  page = $state.raw<Page>();
  parameters = $state.raw<Parameters>({});
  // Whether it shows something to people who are not logged in, too.
  isForEverybody = $state(false);
  // Another address makes the page anew, also if it is the same component.
  path = $state("");
  // That the page cannot be loaded.
  failed = $state(false);
}

export const place = new Place();

export async function startRouter(): Promise<void> {
  window.navigation?.addEventListener("navigate", (event) => {
    const url = new URL(event.destination.url);
    const isOurs = event.canIntercept && url.origin === location.origin && routeOf(url.pathname);
    if (!isOurs || event.hashChange || event.downloadRequest !== null || event.formData) return;
    // The end of a session, and a reload, make everything anew.
    if (session.isLoggedIn === undefined || event.navigationType === "reload") return;
    // A page that changes its own query goes on where it is.
    const after = url.pathname === place.path ? "manual" : "after-transition";
    event.intercept({ handler: () => show(url, event.signal), focusReset: after, scroll: after });
  });
  await show(new URL(location.href));
}

// Opens another address of the client.
export function go(address: string, history: "push" | "replace" = "push"): void {
  if (window.navigation) window.navigation.navigate(address, { history });
  else if (history === "push") location.assign(address);
  else location.replace(address);
}

// Opens an address that may come from anybody: one of the client's, or else home.
export function goWithin(address: string): void {
  const url = URL.parse(address, location.origin);
  const isOurs = url?.origin === location.origin && routeOf(url.pathname) !== undefined;
  go(isOurs ? url.pathname + url.search : "/", "replace");
}

// `signal`: of a navigation, which ends when the reader goes elsewhere meanwhile.
async function show(url: URL, signal?: AbortSignal): Promise<void> {
  const found = routeOf(url.pathname);
  const audience = found?.route.audience;
  if (found && !audience && session.isLoggedIn === false) {
    return go(logInAddress(url.pathname), "replace");
  }
  if (audience === "logged out" && session.isLoggedIn) return go("/", "replace");
  let page: Page | undefined;
  try {
    page = found ? await found.route.load() : NotFound;
  } catch {
    // The page says so.
  }
  if (signal?.aborted) return;
  place.failed = page === undefined;
  place.page = page;
  place.parameters = found?.parameters ?? {};
  place.isForEverybody = audience === "everybody";
  place.path = url.pathname;
  await tick();
}

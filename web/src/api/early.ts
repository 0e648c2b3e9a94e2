// The session and the first page of home. On a slow network they take about as long as the client's own
// program, so they are asked for before that has loaded.

import { api, dataOf } from "./client";
import { refreshSession } from "./tokens";

type Query = { cursor?: string };
const isHome = location.pathname === "/";

let session: ReturnType<typeof refreshSession> | undefined = refreshSession();
let home = session.then(
  (token) => (token && isHome ? askForHome() : undefined),
  () => undefined, // who starts the session is told
);
home.catch(() => {}); // who takes it handles this

// The session's access token, as `refreshSession`; the one that was asked for early, once.
export function firstRefresh(): ReturnType<typeof refreshSession> {
  const early = session;
  session = undefined;
  return early ?? refreshSession();
}

// Throws `Problem`.
export function askForHome(query: Query = {}) {
  return dataOf(api.GET("/api/v1/timeline/home", { params: { query } }));
}

// The page that was asked for early, once; undefined if there is none. Throws `Problem`.
export function takeEarlyHome(): typeof home {
  const early = home;
  home = Promise.resolve(undefined);
  return early;
}

// The first page of home. On a slow network it takes about as long as the client's own program, so it
// is asked for before that has loaded.

import { api, dataOf } from "./client";
import { refreshSession } from "./tokens";

const isHome = location.pathname === "/";
let asked = refreshSession().then(
  (token) => (token && isHome ? askForHome() : undefined),
  () => undefined, // the session is started once more with the client, which tells what failed
);
asked.catch(() => {}); // who takes it handles this

export type Query = { cursor?: string };

// Throws `Problem`.
export function askForHome(query: Query = {}) {
  return dataOf(api.GET("/api/v1/timeline/home", { params: { query } }));
}

// The page that was asked for early, once; undefined if there is none. Throws `Problem`.
export function takeEarlyHome(): typeof asked {
  const early = asked;
  asked = Promise.resolve(undefined);
  return early;
}

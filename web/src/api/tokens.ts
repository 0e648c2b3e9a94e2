// The access token. It is only in this page's memory. The refresh token is in a cookie that no script
// can read; the header says that this page asks, and not another site.

import createClient from "openapi-fetch";
import { Problem, problemOf } from "./problem";
import type { paths } from "./schema";
import { fetchInTime } from "./waiting";

export const REFRESH_COOKIE = { "X-Refresh-Cookie": "1" };

// For log-in and tokens: without the access token, with the cookie.
export const accounts = createClient<paths>({
  baseUrl: location.origin,
  headers: REFRESH_COOKIE,
  fetch: fetchInTime,
});

// What is answered to a token that is not valid any more.
const REFUSED = [400, 401];

let current: string | undefined;
// That the server has told so: there is no session.
let isAnonymous = false;
let refreshing: Promise<string | undefined> | undefined;
let ended: () => void = () => {};
let changed: () => void = () => {};
// The id of the person whose things this page shows.
let reader: string | undefined;

// Tells the other tabs that somebody has logged in or out here.
export const tabs = new BroadcastChannel("session");
// What this page shows may be somebody else's: it starts anew.
tabs.onmessage = () => location.reload();

export function accessToken(): string | undefined {
  return current;
}

export function setAccessToken(token: string | undefined): void {
  current = token;
  isAnonymous = false;
}

// `then` is called when the session turns out to have ended, or to have ended before.
export function whenSessionEnds(then: () => void): void {
  ended = then;
  if (isAnonymous) then();
}

// From now on, this page takes the tokens of one person only. `then` is called when the browser has
// somebody else's session.
export function acceptOnly(readerId: string, then: () => void): void {
  reader = readerId;
  changed = then;
}

// A new access token; undefined if there is no session. Throws `Problem` if that cannot be told now.
// Those who ask at once get the same one.
export async function refreshSession(): Promise<string | undefined> {
  if (isAnonymous) return undefined;
  refreshing ??= exchange().finally(() => (refreshing = undefined));
  return refreshing;
}

async function exchange(): Promise<string | undefined> {
  // One tab at a time: each exchange makes a new cookie.
  return navigator.locks.request("refresh", async () => {
    let answer;
    try {
      // It goes on when the page is closed: a cookie that is lost would end the session.
      const request = { body: {}, keepalive: true };
      answer = await accounts.POST("/_allauth/app/v1/tokens/refresh", request);
    } catch {
      throw new Problem(0);
    }
    const { response, data, error } = answer;
    current = data?.data.access_token;
    if (reader && !mayBeOf(reader)) {
      current = undefined;
      changed();
      throw new Problem(0);
    }
    if (!current && !REFUSED.includes(response.status)) throw problemOf(response, error);
    isAnonymous = !current;
    if (isAnonymous) ended();
    return current;
  });
}

// Whether the access token is of this person, or there is none.
export function mayBeOf(personId: string): boolean {
  return !current || personOf(current) === personId;
}

// The id in a token.
function personOf(token: string): string {
  const claims = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(atob(claims)).sub;
}

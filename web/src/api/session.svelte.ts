// Who is logged in, the same in all tabs.

import { api, dataOf, Problem } from "./client";
import { firstRefresh } from "./early";
import { problemOf } from "./problem";
import type { components } from "./schema";
import { forgetReader, storeReader, lastReader } from "../storage/stored";
import {
  accessToken,
  acceptOnly,
  accounts,
  mayBeOf,
  REFRESH_COOKIE,
  refreshSession,
  setAccessToken,
  tabs,
  whenSessionEnds,
} from "./tokens";

export type Profile = components["schemas"]["ProfileDocument"];
type LogIn = components["schemas"]["LogInResponse"];
type LogInProblem = Partial<components["schemas"]["LogInProblem"]>;

class Session {
  // Undefined until it is known whether somebody is logged in.
  isLoggedIn = $state<boolean>();
  me = $state<Profile>();
}

export const session = new Session();

whenSessionEnds(end);

// Find out who is logged in. If the server cannot be reached, it is the last reader, and a token is
// asked for later. Throws `Problem` if that cannot be told now.
export async function startSession(): Promise<void> {
  const stored = lastReader();
  let isLoggedIn = true;
  try {
    await firstRefresh();
    // The session may have ended while this program was loading.
    isLoggedIn = (accessToken() ?? (await refreshSession())) !== undefined;
  } catch (error) {
    const isOffline = error instanceof Problem && error.isOffline;
    if (!isOffline || !(await stored)) throw error;
  }
  const last = await stored;
  if (isLoggedIn && last && mayBeOf(last.id)) show(last);
  session.isLoggedIn = isLoggedIn;
  // Not awaited: a page that needs it asks again.
  if (isLoggedIn) loadMe().catch(() => {});
}

let loading: Promise<Profile> | undefined;

// Loads the reader's own profile, once for all who ask meanwhile. Throws `Problem`.
export function loadMe(): Promise<Profile> {
  loading ??= load().finally(() => (loading = undefined));
  return loading;
}

// How often the reader has changed their profile here: what was asked for before is older.
let changes = 0;

async function load(): Promise<Profile> {
  const before = changes;
  const me = await dataOf(api.GET("/api/v1/users/me"));
  return before === changes ? take(me) : session.me!;
}

// Takes in the reader's own profile, as a change of it has answered.
export async function takeChanged(me: Profile): Promise<void> {
  changes += 1;
  await take(me);
}

async function take(me: Profile): Promise<Profile> {
  await storeReader(me);
  return show(me);
}

function show(me: Profile): Profile {
  acceptOnly(me.id, () => location.reload());
  return (session.me = me);
}

// What a log-in needs beside a password: the code of an authenticator app.
export type HalfLogIn = { sessionToken: string };

// Returns a half log-in if the account asks for a code. Throws `Problem`.
export async function logIn(name: string, password: string): Promise<HalfLogIn | undefined> {
  const body = name.includes("@") ? { email: name, password } : { username: name, password };
  const { data, error, response } = await answerOf(
    accounts.POST("/_allauth/app/v1/auth/login", { body }),
  );
  if (data) return void (await begin(data));
  const sessionToken = (error as LogInProblem | undefined)?.meta?.session_token;
  if (sessionToken && isPending(error, "mfa_authenticate")) return { sessionToken };
  throw problemOf(response, error);
}

export async function sendCode(half: HalfLogIn, code: string): Promise<void> {
  const asked = accounts.POST("/_allauth/app/v1/auth/2fa/authenticate", {
    params: { header: { "X-Session-Token": half.sessionToken } },
    body: { code },
  });
  await begin(await dataOf(asked));
}

// Returns false if the address must be verified first: a mail is on its way. Throws `Problem`.
export async function signUp(body: components["schemas"]["Signup"]): Promise<boolean> {
  const { data, error, response } = await answerOf(
    accounts.POST("/_allauth/app/v1/auth/signup", { body }),
  );
  if (data) {
    await begin(data);
    return true;
  }
  if (isPending(error, "verify_email")) return false;
  throw problemOf(response, error);
}

export async function askForNewPassword(email: string): Promise<void> {
  await dataOf(accounts.POST("/_allauth/app/v1/auth/password/request", { body: { email } }));
}

// Ends the account's other sessions; this one goes on with new tokens. Throws `Problem`.
export async function changePassword(present: string, wanted: string): Promise<void> {
  const body = { current_password: present, new_password: wanted };
  const asked = api.POST("/_allauth/app/v1/account/password/change", {
    body,
    headers: REFRESH_COOKIE,
  });
  setAccessToken((await dataOf(asked)).meta.access_token);
}

// Deletes the account for good, and ends the session in every tab. Throws `Problem`.
export async function deleteAccount(password: string, code: string): Promise<void> {
  const body = code ? { password, code } : { password };
  await dataOf(api.DELETE("/api/v1/users/me", { body }));
  await end();
}

// Ends the session in every tab. Throws `Problem` if the server cannot be reached: it would go on.
export async function logOut(): Promise<void> {
  await dataOf(api.DELETE("/_allauth/app/v1/auth/session", { headers: REFRESH_COOKIE }));
  await end();
}

async function begin(answer: LogIn): Promise<void> {
  setAccessToken(answer.meta.access_token);
  await loadMe();
  session.isLoggedIn = true;
  tabs.postMessage("began");
}

// Deletes what is stored of this account.
async function end(): Promise<void> {
  await forgetReader();
  if (!session.isLoggedIn) return;
  tabs.postMessage("ended");
  // The page is loaded anew, so nothing of this account stays in memory.
  session.isLoggedIn = undefined;
  location.assign("/log-in");
}

async function answerOf<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch {
    throw new Problem(0);
  }
}

function isPending(error: unknown, step: string): boolean {
  const flows = (error as LogInProblem | undefined)?.data?.flows ?? [];
  return flows.some((flow) => flow.id === step && flow.is_pending);
}

// Which page an address shows. Pages that few visits need are loaded when they are first opened.

import type { Component } from "svelte";
import Home from "../pages/Home.svelte";

// What the address names, such as a username.
export type Parameters = Record<string, string>;
export type Page = Component<any>; // each takes the parameters of its own pattern
export type Route = {
  pattern: RegExp;
  load: () => Promise<Page>;
  // Whether somebody who is not logged in is sent to the log-in.
  isOpen?: boolean;
};

const opened = async (module: Promise<{ default: Page }>) => (await module).default;

export const routes: Route[] = [
  { pattern: /^\/$/, load: async () => Home },
  { pattern: /^\/log-in$/, load: () => opened(import("../pages/LogIn.svelte")), isOpen: true },
  { pattern: /^\/sign-up$/, load: () => opened(import("../pages/SignUp.svelte")), isOpen: true },
  {
    pattern: /^\/forgotten-password$/,
    load: () => opened(import("../pages/ForgottenPassword.svelte")),
    isOpen: true,
  },
  { pattern: /^\/search$/, load: () => opened(import("../pages/Search.svelte")) },
  { pattern: /^\/new$/, load: () => opened(import("../pages/NewPost.svelte")) },
  { pattern: /^\/settings$/, load: () => opened(import("../pages/Settings.svelte")) },
  {
    pattern: /^\/settings\/profile$/,
    load: () => opened(import("../pages/settings/Profile.svelte")),
  },
  {
    pattern: /^\/settings\/picture$/,
    load: () => opened(import("../pages/settings/Picture.svelte")),
  },
  {
    pattern: /^\/settings\/password$/,
    load: () => opened(import("../pages/settings/Password.svelte")),
  },
  { pattern: /^\/settings\/email$/, load: () => opened(import("../pages/settings/Email.svelte")) },
  {
    pattern: /^\/settings\/second-factor$/,
    load: () => opened(import("../pages/settings/SecondFactor.svelte")),
  },
  {
    pattern: /^\/settings\/sessions$/,
    load: () => opened(import("../pages/settings/Sessions.svelte")),
  },
  {
    pattern: /^\/settings\/delete-account$/,
    load: () => opened(import("../pages/settings/DeleteAccount.svelte")),
  },
  { pattern: /^\/p\/(?<id>\d+)$/, load: () => opened(import("../pages/Post.svelte")) },
  { pattern: /^\/p\/(?<id>\d+)\/likes$/, load: () => opened(import("../pages/Likers.svelte")) },
  { pattern: /^\/u\/(?<username>[^/]+)$/, load: () => opened(import("../pages/Profile.svelte")) },
  {
    pattern: /^\/u\/(?<username>[^/]+)\/(?<list>followers|following)$/,
    load: () => opened(import("../pages/People.svelte")),
  },
];

export function routeOf(encodedPath: string): { route: Route; parameters: Parameters } | undefined {
  let path: string;
  try {
    path = decodeURIComponent(encodedPath);
  } catch {
    return undefined; // such as /u/%FF
  }
  for (const route of routes) {
    const match = route.pattern.exec(path);
    if (match) return { route, parameters: match.groups ?? {} };
  }
  return undefined;
}

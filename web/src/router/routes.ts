// Which page an address shows. Pages that few visits need are loaded when they are first opened.

import type { Component } from "svelte";
import Home from "../pages/Home.svelte";

// What the address names, such as a username.
export type Parameters = Record<string, string>;
export type Page = Component<any>; // each takes the parameters of its own pattern
export type Route = {
  pattern: RegExp;
  load: () => Promise<Page>;
  // For whom it is, if not for people who are logged in. Others are sent to the log-in, or home.
  audience?: "logged out" | "everybody";
};

const opened = async (module: Promise<{ default: Page }>) => (await module).default;

export const routes: Route[] = [
  { pattern: /^\/$/, load: async () => Home },
  {
    pattern: /^\/log-in$/,
    load: () => opened(import("../pages/LogIn.svelte")),
    audience: "logged out",
  },
  {
    pattern: /^\/sign-up$/,
    load: () => opened(import("../pages/SignUp.svelte")),
    audience: "logged out",
  },
  {
    pattern: /^\/forgotten-password$/,
    load: () => opened(import("../pages/ForgottenPassword.svelte")),
    audience: "logged out",
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
    pattern: /^\/settings\/privacy$/,
    load: () => opened(import("../pages/settings/Privacy.svelte")),
  },
  {
    pattern: /^\/settings\/requests$/,
    load: () => opened(import("../pages/settings/Requests.svelte")),
  },
  {
    pattern: /^\/settings\/comments$/,
    load: () => opened(import("../pages/settings/Comments.svelte")),
  },
  {
    pattern: /^\/settings\/held-comments$/,
    load: () => opened(import("../pages/settings/HeldComments.svelte")),
  },
  {
    pattern: /^\/settings\/close-friends$/,
    load: () => opened(import("../pages/settings/CloseFriends.svelte")),
  },
  {
    pattern: /^\/settings\/blocked$/,
    load: () => opened(import("../pages/settings/Blocked.svelte")),
  },
  { pattern: /^\/settings\/muted$/, load: () => opened(import("../pages/settings/Muted.svelte")) },
  {
    pattern: /^\/settings\/restricted$/,
    load: () => opened(import("../pages/settings/Restricted.svelte")),
  },
  {
    pattern: /^\/settings\/delete-account$/,
    load: () => opened(import("../pages/settings/DeleteAccount.svelte")),
  },
  {
    pattern: /^\/p\/(?<id>\d+)$/,
    load: () => opened(import("../pages/Post.svelte")),
    audience: "everybody",
  },
  { pattern: /^\/p\/(?<id>\d+)\/likes$/, load: () => opened(import("../pages/Likers.svelte")) },
  {
    pattern: /^\/u\/(?<username>[^/]+)$/,
    load: () => opened(import("../pages/Profile.svelte")),
    audience: "everybody",
  },
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

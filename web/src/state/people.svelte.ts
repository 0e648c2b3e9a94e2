// Whom the reader blocks, mutes, restricts, lets follow, removes as a follower or has among the close
// friends.

import { api, dataOf } from "../api/client";
import { home } from "./home.svelte";
import { gone, type User } from "./posts.svelte";

// All of these throw `Problem`. Home is loaded anew if its posts change, and nobody waits for it.

export async function block(user: User): Promise<void> {
  await dataOf(api.PUT("/api/v1/users/{username}/block", about(user)));
  gone.add(user.id);
  void home.restart();
}

export async function unblock(user: User): Promise<void> {
  await dataOf(api.DELETE("/api/v1/users/{username}/block", about(user)));
  gone.delete(user.id);
}

// `until`: when it ends by itself.
export async function mute(user: User, until?: Date): Promise<void> {
  const body = { until: until?.toISOString() ?? null };
  await dataOf(api.PUT("/api/v1/users/{username}/mute", { ...about(user), body }));
  void home.restart();
}

export async function unmute(user: User): Promise<void> {
  await dataOf(api.DELETE("/api/v1/users/{username}/mute", about(user)));
  void home.restart();
}

export async function removeFollower(user: User): Promise<void> {
  await dataOf(api.DELETE("/api/v1/users/{username}/follower", about(user)));
}

export async function accept(user: User): Promise<void> {
  await dataOf(api.POST("/api/v1/follow-requests/{username}/accept", about(user)));
}

export async function decline(user: User): Promise<void> {
  await dataOf(api.POST("/api/v1/follow-requests/{username}/decline", about(user)));
}

export async function addCloseFriend(user: User): Promise<void> {
  await dataOf(api.PUT("/api/v1/users/{username}/close-friend", about(user)));
}

export async function removeCloseFriend(user: User): Promise<void> {
  await dataOf(api.DELETE("/api/v1/users/{username}/close-friend", about(user)));
}

export async function restrict(user: User): Promise<void> {
  await dataOf(api.PUT("/api/v1/users/{username}/restriction", about(user)));
}

export async function endRestriction(user: User): Promise<void> {
  await dataOf(api.DELETE("/api/v1/users/{username}/restriction", about(user)));
}

function about({ username }: User) {
  return { params: { path: { username } } };
}

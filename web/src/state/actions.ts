// How the reader's actions are sent.

import { api, dataOf } from "../api/client";
import type { components } from "../api/schema";
import { session } from "../api/session.svelte";
import type { Action, CommentAction } from "../storage/stored";

type Documents = components["schemas"];
export type Comment = Documents["CommentDocument"];

// What the server answered to an action.
export type Sent =
  | { kind: "like post"; of: string; answer: Documents["LikeState"] }
  | { kind: "like comment"; of: string; answer: Documents["CommentLikeState"] }
  | { kind: "follow"; of: string; answer: Documents["FollowState"] }
  | { kind: "comment"; of: string; answer: Comment };

// The server knows a key for 24 hours; the rest is for clocks that differ.
const LIFE_OF_A_KEY = 23 * 3_600_000; // milliseconds

// Sends an action. It does no harm to send it again. Throws `Problem`.
export async function deliver(action: Action): Promise<Sent> {
  const { kind, of } = action;
  switch (kind) {
    case "like post":
      return { kind, of, answer: await likePost(of, action.wish) };
    case "like comment":
      return { kind, of, answer: await likeComment(of, action.wish) };
    case "follow":
      return { kind, of, answer: await follow(of, action.wish) };
    case "comment":
      return { kind, of, answer: (await arrived(action)) ?? (await comment(action)) };
  }
}

function likePost(id: string, liked: boolean): Promise<Documents["LikeState"]> {
  const params = { path: { post_id: id } };
  return liked
    ? dataOf(api.PUT("/api/v1/posts/{post_id}/like", { params }))
    : dataOf(api.DELETE("/api/v1/posts/{post_id}/like", { params }));
}

function likeComment(id: string, liked: boolean): Promise<Documents["CommentLikeState"]> {
  const params = { path: { comment_id: id } };
  return liked
    ? dataOf(api.PUT("/api/v1/comments/{comment_id}/like", { params }))
    : dataOf(api.DELETE("/api/v1/comments/{comment_id}/like", { params }));
}

function follow(username: string, followed: boolean): Promise<Documents["FollowState"]> {
  const params = { path: { username } };
  return followed
    ? dataOf(api.PUT("/api/v1/users/{username}/follow", { params }))
    : dataOf(api.DELETE("/api/v1/users/{username}/follow", { params }));
}

function comment({ of, key, text, replyTo }: CommentAction): Promise<Comment> {
  const params = { path: { post_id: of }, header: { "Idempotency-Key": key } };
  const body = { text, reply_to: replyTo };
  return dataOf(api.POST("/api/v1/posts/{post_id}/comments", { params, body }));
}

// A comment that was sent so long ago that the server does not know its key any more. Nobody has seen
// the answer, so the newest comments tell whether it has arrived.
async function arrived({ of, text, replyTo, sentAt }: CommentAction): Promise<Comment | undefined> {
  if (sentAt === undefined || Date.now() - sentAt < LIFE_OF_A_KEY) return undefined;
  const filter = replyTo === null ? { top_level: true } : { reply_to: replyTo };
  const params = {
    path: { post_id: of },
    query: { ...filter, order: "newest" as const, limit: 100 },
  };
  const page = await dataOf(api.GET("/api/v1/posts/{post_id}/comments", { params }));
  return page.results.find((one) => one.author.id === session.me?.id && one.text === text);
}

// The comments on the reader's posts that wait for approval.

import { api, dataOf } from "../api/client";
import type { components } from "../api/schema";
import { loadPost, postOf } from "./posts.svelte";

export type Held = components["schemas"]["HeldComment"];

// Shows it to everybody who sees the post. Throws `Problem`.
export async function approve({ post_id, comment }: Held): Promise<void> {
  const params = { path: { comment_id: comment.id } };
  const body = { edited_at: comment.edited_at };
  await dataOf(api.POST("/api/v1/comments/{comment_id}/approve", { params, body }));
  // Nobody waits for it: the post counts one comment more, and may show it.
  if (postOf(post_id)) loadPost(post_id).catch(() => {});
}

// Deletes it, with its replies. Throws `Problem`.
export async function refuse({ comment }: Held): Promise<void> {
  const params = { path: { comment_id: comment.id } };
  await dataOf(api.DELETE("/api/v1/comments/{comment_id}", { params }));
}

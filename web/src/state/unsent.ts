// The comments that the reader has written and the server has not answered, as pages show comments.

import { session } from "../api/session.svelte";
import type { CommentAction } from "../storage/stored";
import type { Comment } from "./actions";
import { queue } from "./queue.svelte";

// The id of such a comment begins with it.
const UNSENT = "unsent ";

export function isUnsent(comment: { id: string }): boolean {
  return comment.id.startsWith(UNSENT);
}

// Those on a post, oldest first.
export function unsentComments(postId: string): Comment[] {
  const author = session.me;
  if (!author) return [];
  return queue.commentsOn(postId).map(({ key, text, replyTo, writtenAt }: CommentAction) => ({
    id: UNSENT + key,
    author,
    text,
    created_at: writtenAt,
    edited_at: null,
    reply_to: replyTo,
    counts: { likes: 0, replies: 0 },
    viewer: { liked: false, may_approve: false },
  }));
}

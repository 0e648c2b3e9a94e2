// Whether the reader may comment on a post. Only the server knows: it depends on the post, on the
// account of its author, and on who follows whom.

import { api, dataOf, Problem } from "../api/client";
import { session } from "../api/session.svelte";
import { t } from "../i18n/language";
import { addComment } from "./comments.svelte";
import { isMine, type Post } from "./posts.svelte";

export class Commenting {
  // Why the reader may not comment; undefined if they may, or if the server was not asked.
  reason = $state<string>();
  #isAsked = false;

  // Asks the server, if it can matter and was not done before. If that fails, the reader may try to
  // comment: the server refuses what is not allowed.
  async askOnce(post: Post): Promise<void> {
    const isOpen = isMine(post.author) || post.comments_from === "everyone";
    if (this.#isAsked || isOpen || post.comments_closed || !session.me) return;
    await this.#ask(post.id);
  }

  // Throws `Problem`, as `addComment` does.
  async send(postId: string, text: string): Promise<void> {
    try {
      await addComment(postId, text);
    } catch (error) {
      if (error instanceof Problem && error.kind === "comments_limited") void this.#ask(postId);
      throw error;
    }
  }

  async #ask(postId: string): Promise<void> {
    this.#isAsked = true;
    const params = { path: { post_id: postId } };
    try {
      const answer = await dataOf(api.GET("/api/v1/posts/{post_id}/commenting", { params }));
      const { may_comment, comments_from } = answer;
      const isLimited = !may_comment && comments_from !== "everyone";
      this.reason = isLimited ? t.commentsLimited[comments_from] : undefined;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#isAsked = false;
    }
  }
}

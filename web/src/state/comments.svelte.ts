// The comments of a post.

import { SvelteMap } from "svelte/reactivity";
import { api, dataOf } from "../api/client";
import type { components } from "../api/schema";
import { loadMe, session } from "../api/session.svelte";
import { tellProblem } from "./notices.svelte";
import { Pages } from "./pages.svelte";
import { countComments, showRecent } from "./posts.svelte";
import { settle } from "./switches";

export type Comment = components["schemas"]["CommentDocument"];

// How many comments a post shows beside it.
const RECENT = 2;
// The id of a comment that is being sent begins with it.
const UNSENT = "unsent ";

export function isUnsent(comment: { id: string }): boolean {
  return comment.id.startsWith(UNSENT);
}

// The comments of a post that are no replies, newest first, and the replies that were asked for.
export class Thread {
  readonly postId: string;
  readonly top: Pages<string>;
  // By the comment that they reply to, oldest first.
  readonly replies = new SvelteMap<string, Pages<string>>();
  readonly #comments = new SvelteMap<string, Comment>();

  constructor(postId: string) {
    this.postId = postId;
    this.top = this.#list({ top_level: true, order: "newest" });
  }

  // Undefined: it was deleted.
  get(id: string): Comment | undefined {
    return this.#comments.get(id);
  }

  async showReplies(comment: Comment): Promise<void> {
    const list = this.#list({ reply_to: comment.id, order: "oldest" });
    this.replies.set(comment.id, list);
    await list.more();
  }

  // Shows a comment of the reader's before it has been sent. Throws `Problem`, and takes it back.
  async add(text: string, replyTo: Comment | undefined): Promise<void> {
    const list = replyTo ? this.#repliesTo(replyTo) : this.top;
    const unsent = await unsentComment(text, replyTo?.id ?? null);
    this.#comments.set(unsent.id, unsent);
    list.items = replyTo ? [...list.items, unsent.id] : [unsent.id, ...list.items];
    try {
      const comment = await send(this.postId, unsent);
      this.#comments.set(comment.id, comment);
      list.items = list.items.map((id) => (id === unsent.id ? comment.id : id));
      if (replyTo) this.#countReplies(replyTo.id, 1);
    } catch (error) {
      list.items = list.items.filter((id) => id !== unsent.id);
      throw error;
    }
  }

  // Shows the like at once, and takes it back if it is refused.
  async like(comment: Comment, liked: boolean): Promise<void> {
    const params = { path: { comment_id: comment.id } };
    const likes = comment.counts.likes + Number(liked) - Number(comment.viewer.liked);
    this.#change(comment.id, { viewer: { liked }, counts: { ...comment.counts, likes } });
    const ask = (wish: boolean) =>
      wish
        ? dataOf(api.PUT("/api/v1/comments/{comment_id}/like", { params }))
        : dataOf(api.DELETE("/api/v1/comments/{comment_id}/like", { params }));
    try {
      await settle(`like of comment ${comment.id}`, liked, ask, ({ liked, counts }) =>
        this.#change(comment.id, { viewer: { liked }, counts }),
      );
    } catch (error) {
      this.#change(comment.id, { viewer: comment.viewer, counts: comment.counts });
      tellProblem(error);
    }
  }

  // Throws `Problem`.
  async edit(comment: Comment, text: string): Promise<void> {
    const params = { path: { comment_id: comment.id } };
    const asked = api.PATCH("/api/v1/comments/{comment_id}", { params, body: { text } });
    const edited = await dataOf(asked);
    this.#comments.set(edited.id, edited);
    showRecent(this.postId, (recent) => recent.map((one) => (one.id === edited.id ? edited : one)));
  }

  // Throws `Problem`.
  async delete(comment: Comment): Promise<void> {
    const params = { path: { comment_id: comment.id } };
    await dataOf(api.DELETE("/api/v1/comments/{comment_id}", { params }));
    this.#comments.delete(comment.id);
    if (comment.reply_to) this.#countReplies(comment.reply_to, -1);
    // Its replies go too.
    countComments(this.postId, -1 - comment.counts.replies);
    showRecent(this.postId, (recent) =>
      recent.filter((one) => one.id !== comment.id && one.reply_to !== comment.id),
    );
  }

  #list(filter: { top_level?: boolean; reply_to?: string; order: "newest" | "oldest" }) {
    return new Pages<string>(async (query) => {
      const params = { path: { post_id: this.postId }, query: { ...filter, ...query } };
      const page = await dataOf(api.GET("/api/v1/posts/{post_id}/comments", { params }));
      for (const comment of page.results) this.#comments.set(comment.id, comment);
      return { results: page.results.map((comment) => comment.id), next: page.next };
    });
  }

  #repliesTo(comment: Comment): Pages<string> {
    const list =
      this.replies.get(comment.id) ?? this.#list({ reply_to: comment.id, order: "oldest" });
    this.replies.set(comment.id, list);
    return list;
  }

  #countReplies(id: string, added: number): void {
    const counts = this.get(id)?.counts;
    if (counts) this.#change(id, { counts: { ...counts, replies: counts.replies + added } });
  }

  #change(id: string, changes: Partial<Comment>): void {
    const comment = this.get(id);
    if (comment) this.#comments.set(id, { ...comment, ...changes });
  }
}

// Adds a comment to a post that shows only its latest. Throws `Problem`, and takes it back.
export async function addRecentComment(postId: string, text: string): Promise<void> {
  await send(postId, await unsentComment(text, null));
}

async function send(postId: string, unsent: Comment): Promise<Comment> {
  countComments(postId, 1);
  showRecent(postId, (recent) => [unsent, ...recent].slice(0, RECENT));
  const params = { path: { post_id: postId } };
  const body = { text: unsent.text, reply_to: unsent.reply_to };
  try {
    const asked = api.POST("/api/v1/posts/{post_id}/comments", { params, body });
    const comment = await dataOf(asked);
    showRecent(postId, (recent) => recent.map((one) => (one.id === unsent.id ? comment : one)));
    return comment;
  } catch (error) {
    countComments(postId, -1);
    showRecent(postId, (recent) => recent.filter((one) => one.id !== unsent.id));
    throw error;
  }
}

async function unsentComment(text: string, replyTo: string | null): Promise<Comment> {
  return {
    id: UNSENT + crypto.randomUUID(),
    author: session.me ?? (await loadMe()),
    text,
    created_at: new Date().toISOString(),
    edited_at: null,
    reply_to: replyTo,
    counts: { likes: 0, replies: 0 },
    viewer: { liked: false },
  };
}

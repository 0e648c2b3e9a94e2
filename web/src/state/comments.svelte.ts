// The comments of a post.

import { SvelteMap } from "svelte/reactivity";
import { api, dataOf } from "../api/client";
import type { Comment, Sent } from "./actions";
import { tellProblem } from "./notices.svelte";
import { Pages } from "./pages.svelte";
import { countComments, showRecent } from "./posts.svelte";
import { queue } from "./queue.svelte";
import { unsentComments } from "./unsent";

// The comments of a post that are no replies, newest first, and the replies that were asked for.
export class Thread {
  readonly postId: string;
  readonly top: Pages<string>;
  // By the comment that they reply to, oldest first.
  readonly replies = new SvelteMap<string, Pages<string>>();
  // As the server has them.
  readonly #comments = new SvelteMap<string, Comment>();

  constructor(postId: string) {
    this.postId = postId;
    this.top = this.#list({ top_level: true, order: "newest" });
  }

  // What the page shows: the reader's unsent comments, and those that were loaded.
  shownTop(): Comment[] {
    return [...this.#unsent(null).reverse(), ...this.#loaded(this.top)];
  }

  shownReplies(comment: Comment): Comment[] {
    const list = this.replies.get(comment.id);
    return [...(list ? this.#loaded(list) : []), ...this.#unsent(comment.id)];
  }

  async showReplies(comment: Comment): Promise<void> {
    const list = this.#list({ reply_to: comment.id, order: "oldest" });
    this.replies.set(comment.id, list);
    await list.more();
  }

  // Adds what the server has answered.
  takeIn(sent: Sent): void {
    if (sent.kind === "like comment") {
      const { liked, counts } = sent.answer;
      const viewer = this.#comments.get(sent.of)?.viewer;
      if (viewer) this.#change(sent.of, { viewer: { ...viewer, liked }, counts });
    } else if (sent.kind === "comment" && sent.of === this.postId) {
      this.#insert(sent.answer);
    }
  }

  // Shows the like at once, and takes it back if it is refused.
  like(comment: Comment, liked: boolean): void {
    queue.act({ kind: "like comment", of: comment.id, wish: liked }).catch(tellProblem);
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

  // A comment may be in a list twice: as new, and as loaded.
  #loaded(list: Pages<string>): Comment[] {
    const comments = [...new Set(list.items)].map((id) => this.#comments.get(id));
    return comments.filter((one) => one !== undefined).map(withWish);
  }

  #unsent(replyTo: string | null): Comment[] {
    return unsentComments(this.postId).filter((one) => one.reply_to === replyTo);
  }

  #insert(comment: Comment): void {
    const isNew = !this.#comments.has(comment.id);
    this.#comments.set(comment.id, comment);
    if (!isNew) return;
    if (comment.reply_to) {
      const list = this.#repliesTo(comment.reply_to);
      list.items = [...list.items, comment.id];
      this.#countReplies(comment.reply_to, 1);
    } else {
      this.top.items = [comment.id, ...this.top.items];
    }
  }

  #repliesTo(id: string): Pages<string> {
    const list = this.replies.get(id) ?? this.#list({ reply_to: id, order: "oldest" });
    this.replies.set(id, list);
    return list;
  }

  #countReplies(id: string, added: number): void {
    const counts = this.#comments.get(id)?.counts;
    if (counts) this.#change(id, { counts: { ...counts, replies: counts.replies + added } });
  }

  #change(id: string, changes: Partial<Comment>): void {
    const comment = this.#comments.get(id);
    if (comment) this.#comments.set(id, { ...comment, ...changes });
  }
}

// Adds a comment, or a reply to one, and shows it at once. Throws `Problem` when it is refused, which
// may be much later.
export function addComment(
  postId: string,
  text: string,
  replyTo: string | null = null,
): Promise<void> {
  const writtenAt = new Date().toISOString();
  return queue.act({ kind: "comment", of: postId, text, replyTo, writtenAt });
}

function withWish(comment: Comment): Comment {
  const liked = queue.wishFor("like comment", comment.id) ?? comment.viewer.liked;
  if (liked === comment.viewer.liked) return comment;
  const likes = comment.counts.likes + (liked ? 1 : -1);
  return { ...comment, counts: { ...comment.counts, likes }, viewer: { ...comment.viewer, liked } };
}

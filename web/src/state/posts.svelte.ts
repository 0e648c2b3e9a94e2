// The posts that were loaded: one copy of each, which all pages show, so that a like is seen in all.

import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { api, dataOf, Problem } from "../api/client";
import { session } from "../api/session.svelte";
import type { components } from "../api/schema";
import type { Sent } from "./actions";
import { tellProblem } from "./notices.svelte";
import { queue } from "./queue.svelte";
import { unsentComments } from "./unsent";

export type Post = components["schemas"]["PostDocument"];
export type User = components["schemas"]["UserDocument"];
type PostChanges = components["schemas"]["PatchedPostChangesRequest"];

// How many comments a post shows beside it.
const RECENT = 2;

// As the server has them.
const posts = new SvelteMap<string, Post>();

// Ids of people whom the reader has blocked since the page was loaded: what was loaded before is not
// shown any more.
export const gone = new SvelteSet<string>();

queue.whenSent(takeIn);

// Stores posts as they are now; returns their ids.
export function storePosts(documents: Post[]): string[] {
  for (const post of documents) posts.set(post.id, post);
  return documents.map((post) => post.id);
}

// A post with what the reader has done to it. Undefined: it was not loaded, was deleted, or is by
// somebody who is gone.
export function postOf(id: string): Post | undefined {
  const post = posts.get(id);
  if (!post || gone.has(post.author.id)) return undefined;
  return withUnsent(gone.size > 0 ? withoutGone(post) : post);
}

function withoutGone(post: Post): Post {
  const recent_likes = post.recent_likes.filter(({ id }) => !gone.has(id));
  const recent_comments = post.recent_comments.filter(({ author }) => !gone.has(author.id));
  return { ...post, recent_likes, recent_comments };
}

function withUnsent(post: Post): Post {
  const liked = queue.wishFor("like post", post.id) ?? post.viewer.liked;
  const unsent = unsentComments(post.id).reverse();
  if (liked === post.viewer.liked && unsent.length === 0) return post;
  const counts = {
    ...post.counts,
    likes: post.counts.likes + Number(liked) - Number(post.viewer.liked),
    comments: post.counts.comments + unsent.length,
  };
  const recent = [...unsent, ...post.recent_comments].slice(0, Math.max(RECENT, unsent.length));
  return { ...post, counts, viewer: { ...post.viewer, liked }, recent_comments: recent };
}

function takeIn(sent: Sent): void {
  if (sent.kind === "like post") {
    const { liked, counts } = sent.answer;
    change(sent.of, { counts, viewer: { liked } });
  } else if (sent.kind === "comment") {
    const comment = sent.answer;
    // The post may have been loaded after it had arrived.
    if (posts.get(sent.of)?.recent_comments.some((one) => one.id === comment.id)) return;
    countComments(sent.of, 1);
    showRecent(sent.of, (recent) => [comment, ...recent].slice(0, RECENT));
  }
}

function change(id: string, changes: Partial<Post>): void {
  const post = posts.get(id);
  if (post) posts.set(id, { ...post, ...changes });
}

export async function loadPost(id: string): Promise<void> {
  const params = { path: { post_id: id } };
  try {
    storePosts([await dataOf(api.GET("/api/v1/posts/{post_id}", { params }))]);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) posts.delete(id);
    throw error;
  }
}

// The posts that are being read anew, by id.
const renewing = new Map<string, Promise<void>>();

// Reads the post of a media anew: its address may have ended, as those of private accounts do. Done also
// if that fails: then the reader sees the placeholder.
export async function renewPostOf(mediaId: string): Promise<void> {
  const post = [...posts.values()].find(({ media }) => media.some(({ id }) => id === mediaId));
  if (!post) return;
  const renewed =
    renewing.get(post.id) ??
    loadPost(post.id)
      .catch(() => {})
      .finally(() => renewing.delete(post.id));
  renewing.set(post.id, renewed);
  await renewed;
}

// Shows the like at once, and takes it back if it is refused.
export function likePost(id: string, liked: boolean): void {
  queue.act({ kind: "like post", of: id, wish: liked }).catch(tellProblem);
}

// Throws `Problem`.
export async function editPost(id: string, body: PostChanges): Promise<void> {
  const params = { path: { post_id: id } };
  storePosts([await dataOf(api.PATCH("/api/v1/posts/{post_id}", { params, body }))]);
}

// Throws `Problem`.
export async function deletePost(id: string): Promise<void> {
  const params = { path: { post_id: id } };
  await dataOf(api.DELETE("/api/v1/posts/{post_id}", { params }));
  posts.delete(id);
}

// Adds to the number of a post's comments.
export function countComments(id: string, added: number): void {
  const counts = posts.get(id)?.counts;
  if (counts) change(id, { counts: { ...counts, comments: counts.comments + added } });
}

export type RecentComment = Post["recent_comments"][number];

// Changes the latest comments that a post shows.
export function showRecent(id: string, make: (recent: RecentComment[]) => RecentComment[]): void {
  const recent = posts.get(id)?.recent_comments;
  if (recent) change(id, { recent_comments: make(recent) });
}

export function isMine(author: User): boolean {
  return author.id === session.me?.id;
}

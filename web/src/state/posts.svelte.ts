// The posts that were loaded: one copy of each, which all pages show, so that a like is seen in all.

import { SvelteMap } from "svelte/reactivity";
import { api, dataOf } from "../api/client";
import { session } from "../api/session.svelte";
import type { components } from "../api/schema";
import { tellProblem } from "./notices.svelte";
import { settle } from "./switches";

export type Post = components["schemas"]["PostDocument"];
export type User = components["schemas"]["UserDocument"];

const posts = new SvelteMap<string, Post>();

// Stores posts as they are now; returns their ids.
export function keepPosts(documents: Post[]): string[] {
  for (const post of documents) posts.set(post.id, post);
  return documents.map((post) => post.id);
}

// Undefined: it was not loaded, or it was deleted.
export function postOf(id: string): Post | undefined {
  return posts.get(id);
}

function change(id: string, changes: Partial<Post>): void {
  const post = posts.get(id);
  if (post) posts.set(id, { ...post, ...changes });
}

export async function loadPost(id: string): Promise<void> {
  const params = { path: { post_id: id } };
  keepPosts([await dataOf(api.GET("/api/v1/posts/{post_id}", { params }))]);
}

// Shows the like at once, and takes it back if it is refused.
export async function likePost(post: Post, liked: boolean): Promise<void> {
  const params = { path: { post_id: post.id } };
  const before = { counts: post.counts, viewer: post.viewer };
  const likes = post.counts.likes + Number(liked) - Number(post.viewer.liked);
  change(post.id, { counts: { ...post.counts, likes }, viewer: { ...post.viewer, liked } });
  const send = (wish: boolean) =>
    wish
      ? dataOf(api.PUT("/api/v1/posts/{post_id}/like", { params }))
      : dataOf(api.DELETE("/api/v1/posts/{post_id}/like", { params }));
  try {
    await settle(`like of ${post.id}`, liked, send, ({ liked, counts }) =>
      change(post.id, { counts, viewer: { ...post.viewer, liked } }),
    );
  } catch (error) {
    change(post.id, before);
    tellProblem(error);
  }
}

// Throws `Problem`.
export async function editPost(id: string, caption: string): Promise<void> {
  const params = { path: { post_id: id } };
  keepPosts([await dataOf(api.PATCH("/api/v1/posts/{post_id}", { params, body: { caption } }))]);
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

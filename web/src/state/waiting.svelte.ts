// The reader's posts that wait for their files to be processed, and are published when these are ready.

import { api, dataOf, Problem } from "../api/client";
import type { components } from "../api/schema";
import { home } from "./home.svelte";

export type WaitingPost = components["schemas"]["WaitingPostDocument"];

// How often it is asked how far they are.
const INTERVAL = 2000; // milliseconds

class Waiting {
  // Newest first, without those that were published.
  posts = $state.raw<WaitingPost[]>([]);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasStarted = false;

  // Looks for those of earlier visits, once. If that fails, the next call does it.
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.load().catch(() => (this.#hasStarted = false));
  }

  // Shows a post that has just been sent, and follows it.
  add(post: WaitingPost): void {
    this.posts = [post, ...this.posts];
    this.#askLater();
  }

  // Asks how far they are. Home is refreshed when one was published. Throws `Problem`.
  async load(): Promise<void> {
    const page = await dataOf(api.GET("/api/v1/posts/waiting"));
    const left = page.results.filter(({ state }) => state !== "published");
    const isPublished = this.posts.some(({ id }) => left.every((post) => post.id !== id));
    this.posts = left;
    this.#askLater();
    if (isPublished) await home.refresh();
  }

  // Deletes one, with its files. Throws `Problem`.
  async delete(id: string): Promise<void> {
    const params = { path: { waiting_post_id: id } };
    await dataOf(api.DELETE("/api/v1/posts/waiting/{waiting_post_id}", { params }));
    this.posts = this.posts.filter((post) => post.id !== id);
  }

  #askLater(): void {
    clearTimeout(this.#timer);
    if (!this.posts.some(({ state }) => state === "waiting")) return;
    this.#timer = setTimeout(() => {
      this.load().catch((error) => {
        if (!(error instanceof Problem && error.isTemporary)) throw error;
        this.#askLater();
      });
    }, INTERVAL);
  }
}

export const waiting = new Waiting();

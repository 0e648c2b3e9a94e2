// The home timeline, kept while one looks at other pages.

import { api, dataOf } from "../api/client";
import { tellProblem } from "./notices.svelte";
import { Pages, queryOf, type Query } from "./pages.svelte";
import { keepPosts } from "./posts.svelte";

// How many pages of new posts are asked for at once; who was away for longer begins anew.
const PAGES_OF_NEW = 5;

class Home {
  // Ids of posts, newest first.
  pages: Pages<string> = $state.raw(this.#begin());
  // Ids of those that have come since, which are shown when the reader asks for them.
  waiting = $state.raw<string[]>([]);
  #newer: string | null = null;
  #asking: Promise<void> | undefined;

  #begin(): Pages<string> {
    const pages: Pages<string> = new Pages(async (query: Query) => {
      const page = await dataOf(api.GET("/api/v1/timeline/home", { params: { query } }));
      if (this.pages === pages) this.#newer ??= page.newer;
      return { results: keepPosts(page.results), next: page.next };
    });
    return pages;
  }

  // Asks for new posts. Who asks meanwhile gets the same answer.
  askForNew(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    let address = this.#newer;
    const found: string[] = [];
    for (let i = 0; address !== null; i++) {
      if (i === PAGES_OF_NEW) return this.restart();
      const query = queryOf(address);
      const page = await dataOf(api.GET("/api/v1/timeline/home", { params: { query } }));
      found.push(...keepPosts(page.results));
      this.#newer = page.newer ?? this.#newer;
      address = page.next;
    }
    this.waiting = [...found, ...this.waiting];
  }

  showNew(): void {
    this.pages.items = [...this.waiting, ...this.pages.items];
    this.waiting = [];
  }

  // What pulling down does: shows what has come since.
  async refresh(): Promise<void> {
    try {
      if (this.pages.items.length === 0) return await this.restart();
      await this.askForNew();
      this.showNew();
    } catch (error) {
      tellProblem(error);
    }
  }

  async restart(): Promise<void> {
    this.forget();
    await this.pages.more();
  }

  // The next visit begins anew.
  forget(): void {
    this.#newer = null;
    this.waiting = [];
    this.pages = this.#begin();
  }
}

export const home = new Home();

// The home timeline, kept while one looks at other pages.

import { Problem } from "../api/client";
import { askForHome, takeEarlyHome } from "../api/early";
import { loadMe, session } from "../api/session.svelte";
import { storeHome, lastHome, type HomePage } from "../storage/stored";
import { tellProblem } from "./notices.svelte";
import { Pages, queryOf, type Query } from "./pages.svelte";
import { storePosts, postOf } from "./posts.svelte";
import { queue } from "./queue.svelte";

// How many pages of new posts are asked for at once; who was away for longer begins anew.
const PAGES_OF_NEW = 5;

// Ids of posts, newest first.
class HomePages extends Pages<string> {
  // Where to ask for posts that have come since.
  newer: string | null = null;
  // Whether it is what was shown last, because the server cannot be reached.
  isStored = $state(false);
}

class Home {
  pages: HomePages = $state.raw(this.#begin());
  // Ids of those that have come since, which are shown when the reader asks for them.
  waiting = $state.raw<string[]>([]);
  #asking: Promise<void> | undefined;
  // Whether it must be loaded anew: the reader follows others now, or was away for long.
  #isOld = false;

  constructor() {
    queue.whenSent((sent) => {
      this.#isOld ||= sent.kind === "follow";
      if (this.pages.isStored) this.askForNew().catch(() => {});
    });
  }

  // Called when its page is opened.
  open(): void {
    if (this.#isOld) this.forget();
  }

  #begin(): HomePages {
    const pages: HomePages = new HomePages((query) => this.#load(pages, query));
    return pages;
  }

  async #load(pages: HomePages, query: Query) {
    try {
      const early = query.cursor ? undefined : await takeEarlyHome();
      const page = early ?? (await askForHome(query));
      pages.newer ??= page.newer;
      if (!query.cursor) void store(page);
      return { results: storePosts(page.results), next: page.next };
    } catch (error) {
      const isFirst = !query.cursor && error instanceof Problem && error.isOffline;
      const stored = isFirst && session.me ? await lastHome(session.me.id) : undefined;
      if (!stored) throw error;
      pages.isStored = true;
      // This page may have newer ones.
      storePosts(stored.results.filter(({ id }) => !postOf(id)));
      return { results: stored.results.map(({ id }) => id), next: stored.next };
    }
  }

  // Asks for new posts. Who asks meanwhile gets the same answer. Throws `Problem`.
  askForNew(): Promise<void> {
    const ask = () => (this.pages.isStored ? this.#replace() : this.#ask());
    this.#asking ??= ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  // Shows what the server has in place of what was stored.
  async #replace(): Promise<void> {
    const pages = this.#begin();
    await pages.more();
    if (pages.isStored) throw new Problem(0);
    if (pages.problem) throw pages.problem;
    this.waiting = [];
    this.pages = pages;
  }

  async #ask(): Promise<void> {
    const pages = this.pages;
    let [address, newer] = [pages.newer, pages.newer];
    const found: string[] = [];
    for (let i = 0; address !== null; i++) {
      if (i === PAGES_OF_NEW) {
        this.#isOld = true;
        return;
      }
      const page = await askForHome(queryOf(address));
      found.push(...storePosts(page.results));
      newer = page.newer ?? newer;
      address = page.next;
    }
    if (this.pages !== pages) return; // it was begun anew meanwhile
    pages.newer = newer;
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
      if (this.#isOld) return await this.restart();
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
    this.#isOld = false;
    this.waiting = [];
    this.pages = this.#begin();
  }
}

export const home = new Home();

// Stores the first page for a visit without the network.
async function store(page: HomePage): Promise<void> {
  const me = session.me ?? (await loadMe().catch(() => undefined));
  if (me) await storeHome(me.id, page);
}

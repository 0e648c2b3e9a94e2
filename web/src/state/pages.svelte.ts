// A list that is loaded page by page.

import { Problem } from "../api/problem";

export type Query = { cursor?: string };
type Answer<Item> = { results: Item[]; next: string | null };

export class Pages<Item> {
  items = $state.raw<Item[]>([]);
  isLoading = $state(false);
  isComplete = $state(false);
  problem = $state<Problem>();
  #query: Query = {};
  readonly #load: (query: Query) => Promise<Answer<Item>>;

  constructor(load: (query: Query) => Promise<Answer<Item>>) {
    this.#load = load;
  }

  // Loads the next page, if there is one and none is under way.
  async more(): Promise<void> {
    if (this.isLoading || this.isComplete) return;
    this.isLoading = true;
    this.problem = undefined;
    try {
      const { results, next } = await this.#load(this.#query);
      this.items = [...this.items, ...results];
      this.#query = queryOf(next);
      this.isComplete = next === null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      this.isLoading = false;
    }
  }
}

// The query of an address that the API has answered, such as `next`.
export function queryOf(address: string | null): Record<string, string> {
  return address ? Object.fromEntries(new URL(address).searchParams) : {};
}

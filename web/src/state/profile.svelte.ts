// A person's page: the profile, and the posts.

import { api, dataOf } from "../api/client";
import type { Profile } from "../api/session.svelte";
import { Pages } from "./pages.svelte";
import { storePosts } from "./posts.svelte";

export class ShownProfile {
  profile = $state<Profile>();
  // Ids of posts, newest first.
  readonly posts: Pages<string>;
  readonly #path: { username: string };

  constructor(username: string) {
    const path = { username };
    this.#path = path;
    this.posts = new Pages<string>(async (query) => {
      const params = { path, query };
      const page = await dataOf(api.GET("/api/v1/users/{username}/timeline", { params }));
      return { results: storePosts(page.results), next: page.next };
    });
  }

  // Throws `Problem`.
  async load(): Promise<void> {
    const params = { path: this.#path };
    this.profile = await dataOf(api.GET("/api/v1/users/{username}", { params }));
  }
}

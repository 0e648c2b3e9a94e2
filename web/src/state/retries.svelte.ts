// Tries again to load a picture or a video. Its address may have ended, or its file is being moved.

import type { components } from "../api/schema";
import { renewPostOf } from "./posts.svelte";

const TRIES = 3;
const PAUSE = 1000; // milliseconds before the second try; each later one waits three times as long

export class Retries {
  // How often it was tried again: what shows the file is made anew when this changes.
  count = $state(0);
  // Since it last loaded.
  #failed = 0;

  // To be called when a file has loaded.
  succeed(): void {
    this.#failed = 0;
  }

  // To be called when a file does not load.
  async fail(media: components["schemas"]["MediaDocument"]): Promise<void> {
    if (this.#failed === TRIES) return;
    this.#failed += 1;
    const hasEnded = Date.parse(media.expires_at ?? "") <= Date.now();
    if (!hasEnded || this.#failed > 1) {
      // Not all at the same time: the store may be down for everybody.
      const pause = PAUSE * 3 ** (this.#failed - 1) * (0.5 + Math.random());
      await new Promise((done) => setTimeout(done, pause));
    }
    // A public address stays; only if it fails twice, the account may have become private.
    if (media.expires_at || this.#failed > 1) await renewPostOf(media.id);
    this.count += 1;
  }
}

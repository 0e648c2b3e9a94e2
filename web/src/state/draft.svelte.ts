// The post that the reader is writing. It stays while one looks at other pages.

import { api, dataOf } from "../api/client";
import { t } from "../i18n/language";
import { home } from "./home.svelte";
import { notices, tellProblem } from "./notices.svelte";
import { MAX_FILES, typeOf, Upload } from "./uploads.svelte";

class Draft {
  caption = $state("");
  uploads = $state.raw<Upload[]>([]);
  // The same key if it is sent again, so it is published once.
  #key = crypto.randomUUID();

  add(files: Iterable<File>): void {
    for (const file of files) {
      if (this.uploads.length === MAX_FILES) return notices.add(t.tooManyFiles(MAX_FILES));
      if (typeOf(file)) this.uploads = [...this.uploads, new Upload(file)];
      else notices.add(t.notMedia(file.name));
    }
  }

  remove(upload: Upload): void {
    this.uploads = this.uploads.filter((one) => one !== upload);
    upload.cancel().catch(tellProblem);
  }

  move(from: number, to: number): void {
    if (to < 0 || to >= this.uploads.length) return;
    const rest = this.uploads.toSpliced(from, 1);
    this.uploads = rest.toSpliced(to, 0, this.uploads[from]!);
  }

  // Whether all files have been sent. They may still be processed.
  get isSent(): boolean {
    const isSent = ({ state }: Upload) => state === "processing" || state === "ready";
    return this.uploads.length > 0 && this.uploads.every(isSent);
  }

  // Throws `Problem`.
  async share(): Promise<void> {
    for (const upload of this.uploads) await upload.saveAlt();
    const body = { caption: this.caption, media: this.uploads.map(({ id }) => id!) };
    const params = { header: { "Idempotency-Key": this.#key } };
    const post = await dataOf(api.POST("/api/v1/posts", { params, body }));
    // Only a post that waits for its files has a state.
    if ("state" in post && post.state !== "published") notices.add(t.sharing);
    for (const upload of this.uploads) upload.forget();
    this.uploads = [];
    this.caption = "";
    this.#key = crypto.randomUUID();
    home.forget();
  }
}

export const draft = new Draft();

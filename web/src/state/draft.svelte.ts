// The post that the reader is writing. It stays while one looks at other pages.

import { api, dataOf, Problem } from "../api/client";
import { t } from "../i18n/language";
import { home } from "./home.svelte";
import { notices, tellProblem } from "./notices.svelte";
import { MAX_FILES, typeOf, Upload } from "./uploads.svelte";
import { waiting } from "./waiting.svelte";

class Draft {
  caption = $state("");
  uploads = $state.raw<Upload[]>([]);
  // What was sent and is not answered yet. It is sent again as it is, with its Idempotency-Key: so it is
  // published once. Until then nothing of it can be changed.
  sent = $state.raw<{ key: string; caption: string; media: string[] }>();

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

  // Throws `Problem`. When there was no answer, it may be called again.
  async share(): Promise<void> {
    try {
      for (const upload of this.uploads) await upload.saveAlt();
      const media = this.uploads.map(({ id }) => id!);
      this.sent ??= { key: crypto.randomUUID(), caption: this.caption, media };
      const { key, ...body } = this.sent;
      const params = { header: { "Idempotency-Key": key } };
      const post = await dataOf(api.POST("/api/v1/posts", { params, body }));
      // Only a post that waits for its files has a state.
      if ("state" in post) waiting.add(post);
    } catch (error) {
      if (!(error instanceof Problem && error.isTemporary)) this.sent = undefined;
      throw error;
    }
    for (const upload of this.uploads) upload.forget();
    this.uploads = [];
    this.caption = "";
    this.sent = undefined;
    home.forget();
  }
}

export const draft = new Draft();

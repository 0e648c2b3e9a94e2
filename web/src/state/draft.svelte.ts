// The post that the reader is writing. It stays while one looks at other pages, and outlives the page:
// all changes are stored. Each tab has a draft of its own, and a Web Lock on it as long as it is open. A
// tab whose draft is empty takes over its last one, or a stored one that no other tab has.

import { api, dataOf, Problem } from "../api/client";
import { loadMe, session } from "../api/session.svelte";
import { t } from "../i18n/language";
import {
  deleteDraft,
  draftIds,
  draftOfTab,
  storeDraftOfTab,
  storeDraft,
  storedDraft,
  storeFile,
  type Audience,
  type StoredDraft,
} from "../storage/drafts";
import { home } from "./home.svelte";
import { notices, tellProblem } from "./notices.svelte";
import { describe, MAX_FILES, typeOf, Upload } from "./uploads.svelte";
import { waiting } from "./waiting.svelte";

// Of all files of a draft together.
const MAX_STORED_BYTES = 500 * 1024 * 1024;

class Draft {
  caption = $state("");
  audience = $state<Audience>("everyone");
  uploads = $state.raw<Upload[]>([]);
  // What was sent and is not answered yet. It is sent again as it is, with its Idempotency-Key: so it is
  // published once. Until then nothing of it can be changed.
  sent = $state.raw<StoredDraft["sent"]>();
  // Whether the browser has refused to store it.
  isRefused = $state(false);
  #id: string = crypto.randomUUID();
  #held: Promise<void> | undefined;
  #isStored = false;
  #latest: StoredDraft | undefined;
  #saving = Promise.resolve();
  #nextSave: Promise<void> | undefined;

  constructor() {
    $effect.root(() => {
      $effect(() => void this.#save(this.#document));
    });
    addEventListener("online", () => {
      for (const upload of this.uploads) if (upload.isCutOff) upload.run();
    });
  }

  get isEmpty(): boolean {
    return isEmpty(this);
  }

  // Shows what an earlier visit has left: the draft of this tab, else one that no tab has. Called when
  // the page is opened.
  async restore(): Promise<void> {
    const me = await reader();
    await this.#saving;
    if (!me || !this.isEmpty) return;
    const ids = await draftIds(me.id);
    const own = ids.find((id) => id === draftOfTab());
    // The page that was here before may still have the lock of its own.
    if (own) this.#takeOver(me.id, own, {});
    else for (const id of ids) this.#takeOver(me.id, id, { ifAvailable: true });
  }

  #takeOver(readerId: string, id: string, options: LockOptions): void {
    void navigator.locks.request(lockOf(id), options, async (lock) => {
      const stored = lock && this.isEmpty ? await storedDraft(readerId, id) : undefined;
      if (!stored || !this.isEmpty) return undefined;
      this.#show(stored.draft, stored.files);
      return untilClosed();
    });
  }

  #show(stored: StoredDraft, files: Map<string, Blob>): void {
    this.#id = stored.id;
    this.#held = Promise.resolve();
    this.#isStored = true;
    storeDraftOfTab(stored.id);
    this.caption = stored.caption;
    this.audience = stored.audience ?? "everyone";
    this.sent = stored.sent;
    this.uploads = stored.uploads.map((known) => new Upload(known, files.get(known.key)));
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      if (this.uploads.length === MAX_FILES) return notices.add(t.tooManyFiles(MAX_FILES));
      if (typeOf(file)) this.#add(new Upload(describe(file), file));
      else notices.add(t.notMedia(file.name));
    }
  }

  #add(upload: Upload): void {
    this.uploads = [...this.uploads, upload];
    void this.#storeFile(upload);
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
    return this.uploads.length > 0 && this.uploads.every(({ hasArrived }) => hasArrived);
  }

  // Throws `Problem`. When there was no answer, it may be called again.
  async share(): Promise<void> {
    try {
      for (const upload of this.uploads) await upload.saveAlt();
      const media = this.uploads.map(({ id }) => id!);
      const { caption, audience } = this;
      this.sent ??= { key: crypto.randomUUID(), caption, audience, media };
      const { key, ...body } = this.sent;
      await this.#save(this.#document);
      const params = { header: { "Idempotency-Key": key } };
      const post = await dataOf(api.POST("/api/v1/posts", { params, body }));
      // Only a post that waits for its files has a state.
      if ("state" in post) waiting.add(post);
    } catch (error) {
      if (!(error instanceof Problem && error.isTemporary)) this.sent = undefined;
      throw error;
    }
    for (const upload of this.uploads) upload.forget();
    this.#clear();
    home.forget();
  }

  // Deletes it, with the files that were sent. What may be published already keeps them.
  discard(): void {
    for (const upload of this.uploads) {
      if (this.sent) upload.forget();
      else upload.cancel().catch(tellProblem);
    }
    this.#clear();
  }

  #clear(): void {
    this.uploads = [];
    this.caption = "";
    this.audience = "everyone";
    this.sent = undefined;
  }

  get #document(): StoredDraft {
    const uploads = this.uploads.map(({ known }) => known);
    const { caption, audience, sent } = this;
    return { id: this.#id, caption, audience, uploads, sent };
  }

  // Stores it, one write after the other. What comes while one is running is stored by the next.
  #save(document: StoredDraft): Promise<void> {
    this.#latest = document;
    this.#nextSave ??= this.#saving.then(() => {
      this.#nextSave = undefined;
      return this.#write(this.#latest!);
    });
    return (this.#saving = this.#nextSave);
  }

  async #write(document: StoredDraft): Promise<void> {
    if (isEmpty(document)) {
      if (this.#isStored) await deleteDraft(document.id);
      this.#isStored = this.isRefused = false;
      return;
    }
    const me = await reader();
    await this.#hold();
    this.#isStored = me !== undefined && (await storeDraft(me.id, document));
    this.isRefused = !this.#isStored;
  }

  #hold(): Promise<void> {
    this.#held ??= new Promise((resolve) => {
      storeDraftOfTab(this.#id);
      void navigator.locks.request(lockOf(this.#id), () => {
        resolve();
        return untilClosed();
      });
    });
    return this.#held;
  }

  async #storeFile(upload: Upload): Promise<void> {
    await this.#save(this.#document);
    const stored = this.uploads.filter(({ isStored }) => isStored !== false);
    const bytes = stored.reduce((sum, { known }) => sum + known.byteSize, 0);
    const isSmall = bytes <= MAX_STORED_BYTES;
    upload.isStored = isSmall && (await storeFile(this.#id, upload.key, upload.file!));
  }
}

export const draft = new Draft();

// Whether there is nothing in a draft that its author has written or chosen.
function isEmpty(of: Pick<StoredDraft, "caption" | "audience"> & { uploads: unknown[] }): boolean {
  return of.uploads.length === 0 && of.caption === "" && of.audience === "everyone";
}

function lockOf(id: string): string {
  return `draft ${id}`;
}

// A Web Lock is held as long as this is awaited.
function untilClosed(): Promise<never> {
  return new Promise(() => {});
}

async function reader() {
  return session.me ?? (await loadMe().catch(() => undefined));
}

// Files on their way: straight to the object store, and from there to a media worker.

import { api, dataOf, Problem } from "../api/client";
import { problemOf } from "../api/problem";
import type { components } from "../api/schema";
import type { StoredUpload } from "../storage/drafts";

type Sending = components["schemas"]["SendingRequests"];

export const MAX_FILES = 10;

const TYPES: Record<string, string> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  avif: "image/avif",
  gif: "image/gif",
  mp4: "video/mp4",
  mov: "video/quicktime",
  "3gp": "video/3gpp",
  webm: "video/webm",
};

// What the file picker offers.
export const ACCEPTED = [...new Set(Object.values(TYPES)), ".heic", ".heif", ".mov"].join();

// The type of a file; undefined if it is neither a picture nor a video that the API takes. Some
// systems do not know the types of newer files, so the name's end decides then.
export function typeOf(file: File): string | undefined {
  if (Object.values(TYPES).includes(file.type)) return file.type;
  return TYPES[file.name.split(".").at(-1)!.toLowerCase()];
}

// The addresses of parts hold for ten minutes.
const FRESH = 300_000; // milliseconds

// How often the state of a file that is processed is asked for.
const POLL_INTERVAL = 1000; // milliseconds

// What is known of a file that the reader has just chosen.
export function describe(file: File): StoredUpload {
  return {
    key: crypto.randomUUID(),
    name: file.name,
    type: typeOf(file)!,
    byteSize: file.size,
    alt: "",
    id: undefined,
  };
}

export class Upload {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly #byteSize: number;
  // Undefined if it was chosen in an earlier visit, and could not be stored.
  readonly file: Blob | undefined;
  readonly preview: string | undefined;
  // Lost: it has not been sent, and there is no file.
  state = $state<"sending" | "processing" | "ready" | "failed" | "lost">("sending");
  // Of the sending, then of the processing.
  percent = $state(0);
  problem = $state.raw<Problem>();
  alt = $state("");
  id = $state<string>();
  // Once it is ready.
  media = $state.raw<components["schemas"]["ReadyMedia"]>();
  // Whether the browser has stored the file; undefined until that is known.
  isStored = $state<boolean>();
  // Undefined if an earlier visit may have sent one.
  #sentAlt: string | undefined;
  readonly #abort = new AbortController();
  #running = Promise.resolve();

  constructor(known: StoredUpload, file: Blob | undefined) {
    this.key = known.key;
    this.name = known.name;
    this.type = known.type;
    this.#byteSize = known.byteSize;
    this.alt = known.alt;
    this.id = known.id;
    this.file = file;
    this.preview = file && URL.createObjectURL(file);
    this.run();
  }

  // Whether all of it was sent. It may still be processed.
  get hasArrived(): boolean {
    return this.state === "processing" || this.state === "ready";
  }

  // Whether it may go on now where it has failed.
  get isCutOff(): boolean {
    return this.state === "failed" && this.problem!.isTemporary;
  }

  // What is to be known of it in a later visit.
  get known(): StoredUpload {
    const { key, name, type, alt, id } = this;
    return { key, name, type, byteSize: this.#byteSize, alt, id };
  }

  // Sends the file, or what is missing of it, and waits until it is processed.
  run(): void {
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    this.problem = undefined;
    this.state = "sending";
    try {
      if (!(await this.#isSent())) {
        if (!this.file) return void (this.state = "lost");
        await this.#send(this.file, await this.#sending());
      }
      this.state = "processing";
      this.media = await this.#wait();
      this.state = "ready";
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
      this.state = "failed";
    }
  }

  // Stores the description, if it has changed. Throws `Problem`.
  async saveAlt(): Promise<void> {
    if (!this.id || this.alt === this.#sentAlt) return;
    const params = { path: { media_id: this.id } };
    await dataOf(api.PATCH("/api/v1/media/{media_id}", { params, body: { alt: this.alt } }));
    this.#sentAlt = this.alt;
  }

  // Ends it, and removes what was sent. Throws `Problem`.
  async cancel(): Promise<void> {
    this.forget();
    // It may just be announced.
    await this.#running;
    if (!this.id) return;
    const params = { path: { media_id: this.id } };
    await dataOf(api.DELETE("/api/v1/media/{media_id}", { params }));
  }

  // Ends it here; what was sent stays.
  forget(): void {
    this.#abort.abort();
    if (this.preview) URL.revokeObjectURL(this.preview);
  }

  // Whether all of the file has arrived. One that has failed, or is gone, is sent anew.
  async #isSent(): Promise<boolean> {
    if (!this.id) return false;
    const state = await this.#askForState();
    if (state === "failed" || state === "gone") this.id = undefined;
    return state === "processing" || state === "ready";
  }

  async #askForState(): Promise<components["schemas"]["OwnMedia"]["state"] | "gone"> {
    try {
      return (await this.#media()).state;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return "gone";
      throw error;
    }
  }

  async #media(): Promise<components["schemas"]["OwnMedia"]> {
    const params = { path: { media_id: this.id! } };
    return dataOf(api.GET("/api/v1/media/{media_id}", { params }));
  }

  // The requests that are still to be sent.
  async #sending(): Promise<Sending> {
    if (this.id) {
      const params = { path: { media_id: this.id } };
      return dataOf(api.GET("/api/v1/media/uploads/{media_id}", { params }));
    }
    const body = { content_type: this.type, byte_size: this.#byteSize, alt: this.alt };
    const sending = await dataOf(api.POST("/api/v1/media/uploads", { body }));
    this.id = sending.id;
    // The reader may have written on meanwhile.
    this.#sentAlt = body.alt;
    return sending;
  }

  async #send(file: Blob, sending: Sending): Promise<void> {
    this.#abort.signal.throwIfAborted();
    if (sending.form) {
      const form = new FormData();
      for (const [name, value] of Object.entries(sending.form.fields)) form.append(name, value);
      form.append("file", file);
      await this.#transfer("POST", sending.form.url, form, 0);
    }
    const asked = performance.now();
    for (const part of sending.parts ?? []) {
      if (part.is_sent || !part.url) continue;
      if (performance.now() - asked > FRESH) return this.#send(file, await this.#sending());
      const bytes = file.slice(part.offset, part.offset + part.byte_size);
      await this.#transfer("PUT", part.url, bytes, part.offset);
    }
    this.#abort.signal.throwIfAborted();
    const params = { path: { media_id: sending.id } };
    await dataOf(api.POST("/api/v1/media/{media_id}/complete", { params }));
  }

  // One request to the object store. `fetch` does not tell how much has been sent.
  #transfer(method: string, url: string, body: FormData | Blob, before: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      request.upload.onprogress = ({ loaded }) => {
        this.percent = Math.min(100, Math.floor((100 * (before + loaded)) / this.#byteSize));
      };
      request.onload = () =>
        request.status < 300 ? resolve() : reject(new Problem(request.status));
      request.onerror = () => reject(new Problem(0));
      const abort = () => {
        request.abort();
        reject(new Problem(0));
      };
      this.#abort.signal.addEventListener("abort", abort, { once: true });
      request.onloadend = () => this.#abort.signal.removeEventListener("abort", abort);
      request.send(body);
    });
  }

  async #wait(): Promise<components["schemas"]["ReadyMedia"]> {
    this.percent = 0;
    for (;;) {
      this.#abort.signal.throwIfAborted();
      let pause = POLL_INTERVAL;
      try {
        const media = await this.#media();
        if (media.state === "ready") return media;
        if (media.state === "failed") throw failure(media.error);
        this.percent = media.progress;
      } catch (error) {
        if (!(error instanceof Problem && error.isTemporary)) throw error;
        pause = Math.max(pause, (error.retryAfter ?? 0) * 1000);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

// A file that could not be processed, and why.
function failure(error: components["schemas"]["UnfinishedMedia"]["error"]): Problem {
  const { code = "", detail = "" } = error ?? {};
  const document = { type: code, title: "", status: 422, detail };
  return problemOf(new Response(null, { status: 422 }), document);
}

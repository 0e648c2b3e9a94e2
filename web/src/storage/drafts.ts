// New posts that are being written, with their files. They outlive the page, and go with the reader
// (stored.ts).

import type { components } from "../api/schema";
import { attempt } from "./database";

// Who sees a post.
export type Audience = components["schemas"]["AudienceEnum"];

export type StoredUpload = {
  // Also of its file.
  key: string;
  name: string;
  type: string;
  byteSize: number;
  alt: string;
  // Of the media; undefined until it is announced.
  id: string | undefined;
};

export type StoredDraft = {
  id: string;
  caption: string;
  // Undefined in a draft that the release before has stored.
  audience?: Audience;
  // In their order.
  uploads: StoredUpload[];
  // What was sent and is not answered yet, with its Idempotency-Key.
  sent: { key: string; caption: string; audience: Audience; media: string[] } | undefined;
};

// The key in the tab's own storage.
const DRAFT = "draft";

// Stores a draft in place of what it was, without the files that it has no more. Returns false if it
// cannot be stored.
export async function storeDraft(readerId: string, draft: StoredDraft): Promise<boolean> {
  const isStored = await attempt(async (database) => {
    const work = database.transaction(["readers", "drafts", "files"], "readwrite");
    if (!(await work.objectStore("readers").get(readerId))) return false;
    const earlier = await work.objectStore("drafts").get(draft.id);
    const gone = keysOf(earlier).filter((key) => !keysOf(draft).includes(key));
    await Promise.all([
      work.objectStore("drafts").put(draft),
      ...gone.map((key) => work.objectStore("files").delete(key)),
      work.done,
    ]);
    return true;
  });
  return isStored ?? false;
}

export async function deleteDraft(id: string): Promise<void> {
  await attempt(async (database) => {
    const work = database.transaction(["drafts", "files"], "readwrite");
    const draft = await work.objectStore("drafts").get(id);
    await Promise.all([
      ...keysOf(draft).map((key) => work.objectStore("files").delete(key)),
      work.objectStore("drafts").delete(id),
      work.done,
    ]);
  });
}

// Stores a file that a stored draft has. Returns false if it cannot be stored.
export async function storeFile(draftId: string, key: string, file: Blob): Promise<boolean> {
  const isStored = await attempt(async (database) => {
    const work = database.transaction(["drafts", "files"], "readwrite");
    if (!keysOf(await work.objectStore("drafts").get(draftId)).includes(key)) return false;
    await Promise.all([work.objectStore("files").put(file, key), work.done]);
    return true;
  });
  return isStored ?? false;
}

// The ids of the reader's drafts.
export async function draftIds(readerId: string): Promise<string[]> {
  const found = await attempt(async (database) => {
    const work = database.transaction(["readers", "drafts"]);
    const isSame = await work.objectStore("readers").get(readerId);
    return isSame ? work.objectStore("drafts").getAllKeys() : [];
  });
  return found ?? [];
}

// A draft of the reader's, with the files that are stored, by their keys; undefined if there is none.
export async function storedDraft(
  readerId: string,
  id: string,
): Promise<{ draft: StoredDraft; files: Map<string, Blob> } | undefined> {
  return attempt(async (database) => {
    const work = database.transaction(["readers", "drafts", "files"]);
    const isSame = await work.objectStore("readers").get(readerId);
    const draft = isSame && (await work.objectStore("drafts").get(id));
    if (!draft) return undefined;
    const files = new Map<string, Blob>();
    for (const key of keysOf(draft)) {
      const file = await work.objectStore("files").get(key);
      if (file) files.set(key, file);
    }
    return { draft, files };
  });
}

// The id of the draft that this tab had before it was loaded anew; undefined if there is none.
export function draftOfTab(): string | undefined {
  return attemptInTab(() => sessionStorage.getItem(DRAFT) ?? undefined);
}

export function storeDraftOfTab(id: string): void {
  attemptInTab(() => sessionStorage.setItem(DRAFT, id));
}

export function forgetDraftOfTab(): void {
  attemptInTab(() => sessionStorage.removeItem(DRAFT));
}

// Undefined if the browser refuses it.
function attemptInTab<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function keysOf(draft: StoredDraft | undefined): string[] {
  return draft?.uploads.map(({ key }) => key) ?? [];
}

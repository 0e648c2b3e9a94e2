// What stays in the browser when the page is closed: who the last reader was, what home showed, and
// what the reader did that the server has not answered yet. All of it is of one reader. A function that
// gets the reader's id does nothing if the stored data are somebody else's, and `forgetReader` deletes
// them, drafts too (drafts.ts). Some browsers have no database in some windows: then nothing is stored,
// and that is no error.

import { attempt, TABLES, type HomePage, type Profile } from "./database";
import { forgetDraftOfTab } from "./drafts";

export type { HomePage };

// What the reader did. `of`: the id of a post or comment, or a username.
type Wish = { kind: "like post" | "like comment" | "follow"; of: string; wish: boolean };
type NewComment = {
  kind: "comment";
  // The post.
  of: string;
  text: string;
  replyTo: string | null;
  writtenAt: string;
  // When it was first sent, in milliseconds since 1970; undefined if it never was.
  sentAt?: number;
};
export type Deed = Wish | NewComment;

export type Action = Deed & {
  // The Idempotency-Key of its request.
  key: string;
  // What it is about: an action replaces an earlier one about the same.
  about: string;
  // Its place in the queue; undefined if it is not stored.
  number?: number;
};
export type CommentAction = Extract<Action, NewComment>;

// Stores who the reader is. What is stored of somebody else is deleted.
export async function storeReader(me: Profile): Promise<void> {
  await attempt(async (database) => {
    const work = database.transaction(TABLES, "readwrite");
    const isSame = await work.objectStore("readers").get(me.id);
    if (!isSame) await Promise.all(TABLES.map((name) => work.objectStore(name).clear()));
    await work.objectStore("readers").put(me);
    await work.done;
  });
}

// The last reader, who has not logged out; undefined if there is none.
export async function lastReader(): Promise<Profile | undefined> {
  const readers = await attempt((database) => database.getAll("readers"));
  return readers?.[0];
}

// Deletes all that is stored.
export async function forgetReader(): Promise<void> {
  forgetDraftOfTab();
  await attempt(async (database) => {
    const work = database.transaction(TABLES, "readwrite");
    await Promise.all(TABLES.map((name) => work.objectStore(name).clear()));
    await work.done;
  });
}

export async function storeHome(readerId: string, page: HomePage): Promise<void> {
  await attempt(async (database) => {
    const work = database.transaction(["readers", "homes"], "readwrite");
    if (await work.objectStore("readers").get(readerId)) {
      await work.objectStore("homes").put(page, readerId);
    }
    await work.done;
  });
}

export async function lastHome(readerId: string): Promise<HomePage | undefined> {
  return attempt((database) => database.get("homes", readerId));
}

// Stores an action in place of an earlier one about the same. Returns its number; undefined if it
// cannot be stored.
export async function storeAction(readerId: string, action: Action): Promise<number | undefined> {
  return attempt(async (database) => {
    const work = database.transaction(["readers", "actions"], "readwrite");
    const actions = work.objectStore("actions");
    if (!(await work.objectStore("readers").get(readerId))) return undefined;
    const earlier = await actions.index("about").getKey(action.about);
    if (earlier !== undefined) await actions.delete(earlier);
    const number = await actions.add(action);
    await work.done;
    return number;
  });
}

// The reader's actions, in order; none if they cannot be read.
export async function storedActions(readerId: string): Promise<Action[]> {
  const found = await attempt(async (database) => {
    const work = database.transaction(["readers", "actions"]);
    const isSame = await work.objectStore("readers").get(readerId);
    return isSame ? work.objectStore("actions").getAll() : [];
  });
  return found ?? [];
}

// Stores changes of an action, unless it was deleted or replaced.
export async function changeAction(action: Action): Promise<void> {
  await attempt(async (database) => {
    const work = database.transaction("actions", "readwrite");
    if (action.number && (await work.store.get(action.number))) await work.store.put(action);
    await work.done;
  });
}

export async function deleteAction(action: Action): Promise<void> {
  await attempt(async (database) => {
    if (action.number) await database.delete("actions", action.number);
  });
}

// Stores until when no action is to be sent, in milliseconds since 1970.
export async function storePause(readerId: string, until: number): Promise<void> {
  await attempt(async (database) => {
    const work = database.transaction(["readers", "pauses"], "readwrite");
    if (await work.objectStore("readers").get(readerId)) {
      await work.objectStore("pauses").put(until, readerId);
    }
    await work.done;
  });
}

// Undefined if there was none, or if it cannot be read.
export async function storedPause(readerId: string): Promise<number | undefined> {
  return attempt((database) => database.get("pauses", readerId));
}

// The browser's database. All that is in it belongs to one reader, whose id is in `readers`.

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { components } from "../api/schema";
import type { StoredDraft } from "./drafts";
import type { Action } from "./stored";

export type Profile = components["schemas"]["ProfileDocument"];
export type HomePage = components["schemas"]["TimelinePage"];

interface Tables extends DBSchema {
  // By the reader's id; at most one.
  readers: { key: string; value: Profile };
  // The first page of home, by the reader's id.
  homes: { key: string; value: HomePage };
  actions: { key: number; value: Action; indexes: { about: string } };
  // Until when no action is to be sent, in milliseconds since 1970, by the reader's id.
  pauses: { key: string; value: number };
  drafts: { key: string; value: StoredDraft };
  // The files of drafts, by the keys of their uploads.
  files: { key: string; value: Blob };
}

export const TABLES = ["readers", "homes", "actions", "pauses", "drafts", "files"] as const;

let opened: Promise<IDBPDatabase<Tables>> | undefined;

// Undefined if the database cannot be used, or has no room.
export async function attempt<Result>(
  work: (database: IDBPDatabase<Tables>) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    opened ??= openDB<Tables>("socialfeed", 3, {
      upgrade(database, version) {
        if (version < 1) {
          database.createObjectStore("readers", { keyPath: "id" });
          database.createObjectStore("homes");
          const actions = database.createObjectStore("actions", {
            keyPath: "number",
            autoIncrement: true,
          });
          actions.createIndex("about", "about", { unique: true });
        }
        if (version < 2) {
          database.createObjectStore("drafts", { keyPath: "id" });
          database.createObjectStore("files");
        }
        database.createObjectStore("pauses");
      },
      // Another tab has a newer release, with other tables: this one goes on without.
      blocking: (_, __, event) => (event.target as IDBDatabase).close(),
    });
    return await work(await opened);
  } catch (error) {
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}

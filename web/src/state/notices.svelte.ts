// Short messages: what was done, or was refused after it had been shown.

import { messageOf } from "../i18n/problems";

const SECONDS = 6;

class Notices {
  list = $state<{ id: number; text: string }[]>([]);
  #last = 0;

  add(text: string, shown: "for a while" | "until closed" = "for a while"): void {
    const id = ++this.#last;
    this.list.push({ id, text });
    if (shown === "for a while") setTimeout(() => this.remove(id), SECONDS * 1000);
  }

  remove(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();

export function tellProblem(error: unknown): void {
  notices.add(messageOf(error));
}

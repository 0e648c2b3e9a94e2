// The likes, follows and comments of the reader, on their way to the server. Pages show them as done
// at once: what the server has answered last, and the actions of this queue on top. They are stored, and
// sent in order until each is answered, by one tab at a time. All tabs learn of the answer.

import { Problem, type ProblemDocument } from "../api/problem";
import { loadMe, session } from "../api/session.svelte";
import { t } from "../i18n/language";
import { messageOf } from "../i18n/problems";
import { logInAddress } from "../router/addresses";
import {
  changeAction,
  deleteAction,
  storeAction,
  storedActions,
  storedPause,
  storePause,
  type Action,
  type CommentAction,
  type Deed,
} from "../storage/stored";
import { deliver, type Sent } from "./actions";
import { notices } from "./notices.svelte";

// How an action ended: it was sent, or refused for good.
type End = { key: string } & ({ sent: Sent } | { status: number; document?: ProblemDocument });
type Waiter = { resolve: () => void; reject: (problem: Problem) => void };

// The pause after a failure. It doubles with each.
const SHORTEST_PAUSE = 1; // seconds
const LONGEST_PAUSE = 60;
// No server is waited for any longer: a clock that was put back would stop the queue.
const LONGEST_WAIT = 3600;

class Queue {
  #actions = $state.raw<Action[]>([]);
  // Those who made an action in this page, by its key.
  readonly #waiters = new Map<string, Waiter>();
  readonly #listeners = new Set<(sent: Sent) => void>();
  readonly #tabs = new BroadcastChannel("queue");
  #pause = SHORTEST_PAUSE;
  // Until when the server has asked to wait, in milliseconds since 1970.
  #waitUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSending = false;
  #isWanted = false;

  constructor() {
    this.#tabs.onmessage = ({ data }) => this.#end(data);
    addEventListener("online", () => {
      this.#pause = SHORTEST_PAUSE;
      this.send();
    });
  }

  // Shows and sends what earlier visits have left. Called once it is known who the reader is.
  async start(): Promise<void> {
    await this.#read();
    this.send();
  }

  // What the reader wants of a like or follow that is on its way.
  wishFor(kind: Deed["kind"], of: string): boolean | undefined {
    const action = this.#actions.find((one) => one.kind === kind && one.of === of);
    return action && "wish" in action ? action.wish : undefined;
  }

  // The comments on a post that are on their way, oldest first.
  commentsOn(postId: string): CommentAction[] {
    return this.#actions.filter(
      (one): one is CommentAction => one.kind === "comment" && one.of === postId,
    );
  }

  // Does something, now or as soon as the server can be reached. Throws `Problem` when it is refused:
  // then it is not shown as done any more. Somebody who is not logged in is asked to do that first.
  async act(deed: Deed): Promise<void> {
    if (session.isLoggedIn === false) return location.assign(logInAddress());
    const key = crypto.randomUUID();
    const about = deed.kind === "comment" ? key : `${deed.kind} ${deed.of}`;
    const earlier = this.#actions.find((one) => one.about === about);
    if (earlier) this.#waiters.delete(earlier.key);
    this.#actions = [...this.#actions.filter((one) => one !== earlier), { ...deed, key, about }];
    const ended = new Promise<void>((resolve, reject) =>
      this.#waiters.set(key, { resolve, reject }),
    );
    await this.#store({ ...deed, key, about });
    this.send();
    return ended;
  }

  // Calls a function with each answer. Returns what ends that.
  whenSent(listener: (sent: Sent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // Sends what is in the queue. What fails now is tried again later.
  send(): void {
    this.#isWanted = true;
    if (this.#isSending) return;
    this.#isSending = true;
    void navigator.locks
      .request("queue", () => this.#sendAll())
      .finally(() => {
        this.#isSending = false;
        if (this.#isWanted) this.send();
      });
  }

  async #sendAll(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    const wait = await this.#secondsToWait();
    if (wait > 0) return this.#sendLater(wait);
    const failed = new Set<string>();
    try {
      for (let action; (action = await this.#next(failed));) await this.#sendOne(action, failed);
      if (failed.size > 0) this.#sendLater();
      else this.#pause = SHORTEST_PAUSE;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.retryAfter) await this.#wait(error.retryAfter);
      this.#sendLater(error.retryAfter);
    }
  }

  #sendLater(seconds = this.#pause): void {
    this.#timer = setTimeout(() => this.send(), seconds * 1000);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  // Has all tabs wait, also those that are opened later.
  async #wait(seconds: number): Promise<void> {
    this.#waitUntil = Date.now() + Math.min(seconds, LONGEST_WAIT) * 1000;
    if (session.me) await storePause(session.me.id, this.#waitUntil);
  }

  async #secondsToWait(): Promise<number> {
    const stored = session.me && (await storedPause(session.me.id));
    const seconds = (Math.max(this.#waitUntil, stored ?? 0) - Date.now()) / 1000;
    return seconds <= LONGEST_WAIT ? seconds : 0;
  }

  // The first action that is about nothing that has `failed`.
  async #next(failed: Set<string>): Promise<Action | undefined> {
    await this.#read();
    return this.#actions.find(({ of }) => !failed.has(of));
  }

  // Reads what is stored, also by other tabs. What is not stored, or not yet, stays.
  async #read(): Promise<void> {
    const stored = session.me ? await storedActions(session.me.id) : [];
    const isStored = ({ key }: Action) => stored.some((one) => one.key === key);
    const others = this.#actions.filter((one) => one.number === undefined && !isStored(one));
    const isReplaced = ({ about }: Action) => others.some((one) => one.about === about);
    this.#actions = [...stored.filter((one) => !isReplaced(one)), ...others];
  }

  // Throws `Problem` if the server cannot take any action now.
  async #sendOne(action: Action, failed: Set<string>): Promise<void> {
    try {
      // Offline, it does not leave the browser.
      if (action.kind === "comment" && !action.sentAt && navigator.onLine) {
        await changeAction({ ...action, sentAt: Date.now() });
      }
      const sent = await deliver(action);
      await this.#remove(action, { key: action.key, sent });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (isRefusal(error)) await this.#takeBack(action, error);
      else if (error.status >= 500 && !error.retryAfter) failed.add(action.of);
      else throw error;
    }
  }

  async #takeBack(action: Action, problem: Problem): Promise<void> {
    // Whoever waits for it tells the reader.
    if (!this.#waiters.has(action.key)) tellRefusal(action, problem);
    const { status, document } = problem;
    await this.#remove(action, { key: action.key, status, ...(document && { document }) });
  }

  async #remove(action: Action, end: End): Promise<void> {
    await deleteAction(action);
    this.#end(end);
    this.#tabs.postMessage(end);
  }

  #end(end: End): void {
    if ("sent" in end) for (const listener of this.#listeners) listener(end.sent);
    this.#actions = this.#actions.filter(({ key }) => key !== end.key);
    const waiter = this.#waiters.get(end.key);
    this.#waiters.delete(end.key);
    if ("sent" in end) waiter?.resolve();
    else waiter?.reject(new Problem(end.status, end.document));
  }

  async #store(action: Action): Promise<void> {
    // Nothing is stored of a reader who is not known. It is sent nevertheless.
    const me = session.me ?? (await loadMe().catch(() => undefined));
    const number = me && (await storeAction(me.id, action));
    if (number === undefined) return;
    this.#actions = this.#actions.map((one) => (one.key === action.key ? { ...one, number } : one));
  }
}

export const queue = new Queue();

// Whether it is of no use to send it again.
function isRefusal({ status, isTemporary }: Problem): boolean {
  return status >= 400 && status !== 401 && !isTemporary;
}

function tellRefusal(action: Action, problem: Problem): void {
  const message = messageOf(problem);
  if (action.kind !== "comment") notices.add(message);
  else notices.add(t.commentNotSent(action.text, message), "until closed");
}

// What the reader is told when something has failed: in their language if there is a text for the
// code in the answer, else as the API says it.

import { Problem, type ProblemDocument } from "../api/problem";
import { t } from "./language";
import limits from "./limits.json";

type FieldError = NonNullable<ProblemDocument["errors"]>[number];
type Text = string | ((n: number) => string) | undefined;

const LIMITS: Record<string, number | undefined> = limits;

export function messageOf(error: unknown): string {
  if (!(error instanceof Problem)) {
    reportError(error); // a fault of this program
    return t.failed;
  }
  if (error.isOffline) return t.offline;
  if (error.status === 429 && error.retryAfter) return t.wait(error.retryAfter);
  const { document } = error;
  if (!document) return t.failed;
  if (document.errors?.length) return joined(document.errors);
  return messageOfCode(error.kind, document.detail);
}

// The messages of the fields that have to change, by field.
export function fieldMessagesOf({ document }: Problem): Record<string, string> {
  const errors = document?.errors ?? [];
  const messages = errors.map(({ field }) => [
    field,
    joined(errors.filter((one) => one.field === field)),
  ]);
  return Object.fromEntries(messages);
}

// `code`: of a problem, such as `comments_closed`. `detail`: what the API says.
export function messageOfCode(code: string, detail: string, field = ""): string {
  const texts: Record<string, Text> = t.problems;
  const ofField = `${field}.${code}`;
  const text = texts[ofField] ?? texts[code];
  if (typeof text === "string") return text;
  const limit = LIMITS[ofField] ?? LIMITS[code];
  if (text && limit !== undefined) return text(limit);
  return detail ? isolated(detail) : t.failed;
}

function joined(errors: FieldError[]): string {
  const messages = errors.map(({ field, code, message }) => messageOfCode(code, message, field));
  return [...new Set(messages)].join(" ");
}

// A text that has its own direction, between Unicode's "first strong isolate" and "pop".
function isolated(text: string): string {
  return `\u2068${text}\u2069`;
}

// What the reader is told when something has failed.

import { Problem } from "../api/problem";
import { t } from "./language";

export function messageOf(error: unknown): string {
  if (!(error instanceof Problem)) {
    reportError(error); // a fault of this program
    return t.failed;
  }
  if (error.isOffline) return t.offline;
  if (error.status === 429 && error.retryAfter) return t.wait(error.retryAfter);
  return error.document?.detail ?? t.failed;
}

// What went wrong with a request: the API's problem document (RFC 9457), or no answer at all.

import type { components } from "./schema";

export type ProblemDocument = components["schemas"]["ProblemDocument"];

export class Problem extends Error {
  constructor(
    // 0: there was no answer.
    readonly status: number,
    readonly document?: ProblemDocument,
    // How many seconds to wait before the next try, if the answer says so.
    readonly retryAfter?: number,
  ) {
    super(document?.detail ?? `status ${status}`);
  }

  get isOffline(): boolean {
    return this.status === 0;
  }

  // Whether the same request may succeed later.
  get isTemporary(): boolean {
    const isForNow = [408, 429].includes(this.status) || this.retryAfter !== undefined;
    return this.isOffline || isForNow || this.status >= 500;
  }

  // The last part of the problem's type, as codes are written: such as `comments_closed`.
  get kind(): string {
    return (this.document?.type.split("/").at(-1) ?? "").replaceAll("-", "_");
  }
}

type Answered<Data> = { data?: Data; error?: unknown; response: Response };

// The data of an answer. Throws `Problem` if it is refused, or if there is none.
export async function dataOf<Data>(asked: Promise<Answered<Data>>): Promise<Data> {
  let answer: Answered<Data>;
  try {
    answer = await asked;
  } catch (error) {
    throw isNoAnswer(error) ? new Problem(0) : error;
  }
  if (answer.response.ok) return answer.data as Data;
  throw problemOf(answer.response, answer.error);
}

// Whether a request has failed without an answer of the API's: fetch says TypeError when the network
// fails, and TimeoutError; what is no JSON comes from a proxy, or from the page of a café's network.
function isNoAnswer(error: unknown): boolean {
  const isLate = error instanceof DOMException && error.name === "TimeoutError";
  return isLate || error instanceof TypeError || error instanceof SyntaxError;
}

export function problemOf(response: Response, body: unknown): Problem {
  const wait = Number(response.headers.get("Retry-After"));
  const isDocument = typeof body === "object" && body !== null && "detail" in body;
  return new Problem(
    response.status,
    isDocument ? (body as ProblemDocument) : undefined,
    wait > 0 ? wait : undefined,
  );
}

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

  // The last part of the problem's type, such as `comments-closed`.
  get kind(): string {
    return this.document?.type.split("/").at(-1) ?? "";
  }

  // The messages of the fields that have to change, by field.
  get fields(): Record<string, string> {
    const errors = this.document?.errors ?? [];
    return Object.fromEntries(errors.map((error) => [error.field, error.message]));
  }
}

type Answered<Data> = { data?: Data; error?: unknown; response: Response };

// The data of an answer. Throws `Problem` if it is refused, or if there is none.
export async function dataOf<Data>(asked: Promise<Answered<Data>>): Promise<Data> {
  let answer: Answered<Data>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof TypeError) throw new Problem(0); // how fetch tells that the network failed
    throw error;
  }
  if (answer.response.ok) return answer.data as Data;
  throw problemOf(answer.response, answer.error);
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

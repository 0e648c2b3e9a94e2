// The API, with the types of its schema. Every request has the access token. When
// that has expired, the request is sent again with a new one. When the API wants the reader to prove
// once more who they are, it is sent again after that.

import createClient from "openapi-fetch";
import { accessToken, refreshSession } from "./tokens";
import type { components, paths } from "./schema";
import { fetchInTime } from "./waiting";

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

export { dataOf, Problem } from "./problem";

// By what the reader can prove it: the password, or a code of a second factor.
export type Proof = "reauthenticate" | "mfa_reauthenticate";

let askForProof: ((proofs: Proof[]) => Promise<void>) | undefined;

// `then` asks the reader for one of the proofs, and sends it. It throws `Problem` if there is none.
export function whenProofIsNeeded(then: (proofs: Proof[]) => Promise<void>): void {
  askForProof = then;
}

async function send(request: Request): Promise<Response> {
  if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", crypto.randomUUID());
  }
  const { response, proofs } = await sendWithToken(request);
  if (!askForProof || proofs.length === 0) return response;
  await askForProof(proofs);
  return (await sendWithToken(request)).response;
}

type Answer = { response: Response; proofs: Proof[] };

async function sendWithToken(request: Request): Promise<Answer> {
  // A page that has started offline has none yet.
  const token = accessToken() ?? (await refreshSession());
  const answer = await sendOnce(request, token);
  const hasExpired = token && answer.response.status === 401 && answer.proofs.length === 0;
  const fresh = hasExpired ? await refreshSession() : undefined;
  return fresh ? sendOnce(request, fresh) : answer;
}

async function sendOnce(request: Request, token: string | undefined): Promise<Answer> {
  const copy = request.clone();
  if (token) copy.headers.set("Authorization", `Bearer ${token}`);
  const response = await fetchInTime(copy);
  return { response, proofs: await wantedProofs(response) };
}

// The proofs that a 401 asks for; none if it says that nobody is logged in.
async function wantedProofs(response: Response): Promise<Proof[]> {
  if (response.status !== 401) return [];
  const problem: Partial<components["schemas"]["LogInProblem"]> = await response
    .clone()
    .json()
    .catch(() => ({}));
  const flows = problem.data?.flows.map((flow) => flow.id) ?? [];
  return flows.filter((id) => id === "reauthenticate" || id === "mfa_reauthenticate");
}

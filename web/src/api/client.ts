// The API, with the types of its schema. Every request has the access token, if there is one. When
// that has expired, the request is sent again with a new one.

import createClient from "openapi-fetch";
import { accessToken, refreshSession } from "./tokens";
import type { paths } from "./schema";

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send });

export { dataOf, Problem } from "./problem";

async function send(request: Request): Promise<Response> {
  if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", crypto.randomUUID());
  }
  const again = request.clone();
  const token = accessToken();
  const response = await fetch(withToken(request, token));
  if (response.status !== 401 || !token) return response;
  const renewed = await refreshSession();
  return renewed ? fetch(withToken(again, renewed)) : response;
}

function withToken(request: Request, token: string | undefined): Request {
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  return request;
}

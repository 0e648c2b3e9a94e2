// How long a request may take. On some networks an answer never comes, and no error either.

// The web server waits 35 s for an API.
const LONGEST_WAIT = 40_000; // milliseconds

// Sends a request. Throws `TimeoutError` if the answer takes too long. A file may take longer.
export function fetchInTime(request: Request): Promise<Response> {
  const isFile = request.headers.get("Content-Type")?.startsWith("multipart/");
  return fetch(request, isFile ? {} : { signal: AbortSignal.timeout(LONGEST_WAIT) });
}

// Addresses that are made in several places.

// Where somebody who is not logged in is asked to, and led back from.
export function logInAddress(next: string = location.pathname): string {
  return accountAddress("/log-in", next);
}

export function signUpAddress(next: string = location.pathname): string {
  return accountAddress("/sign-up", next);
}

// Where a log-in or a sign-up leads.
export function nextAddress(): string {
  return new URLSearchParams(location.search).get("next") ?? "/";
}

function accountAddress(path: string, next: string): string {
  return next === "/" ? path : `${path}?next=${encodeURIComponent(next)}`;
}

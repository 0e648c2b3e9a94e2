// What a page has loaded, kept for when the reader comes back to it, by its entry in the browser's
// history: so that it has its full height at once, and is scrolled to where it was.

const MOST = 20;

const kept = new Map<string, unknown>();

// What `make` has made when the current entry was first shown. For use while a page is made.
export function keptForBack<Made>(make: () => Made): Made {
  const entry = window.navigation?.currentEntry?.id;
  if (!entry) return make();
  const made = kept.has(entry) ? (kept.get(entry) as Made) : make();
  kept.delete(entry);
  kept.set(entry, made);
  if (kept.size > MOST) kept.delete(kept.keys().next().value!);
  return made;
}

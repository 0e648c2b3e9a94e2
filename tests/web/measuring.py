"""What a browser measures of a page: what shifts, what is seen first, how many elements it has."""

from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

# The most that Cumulative Layout Shift may be. Google calls up to 0.1 good.
MOST_SHIFT = 0.02
# Shifts that are further apart than this, or that began so long before, are of another burst: as in
# the definition of Cumulative Layout Shift. In seconds.
_GAP, _LONGEST_BURST = 1.0, 5.0

# Runs in each page before its own scripts. Times are in milliseconds since the navigation.
_WATCH = """(() => {
  const seen = { shifts: [], article: null, picture: null, frames: [] };
  window.seen = seen;
  new PerformanceObserver((list) => {
    for (const { startTime, value, hadRecentInput, sources } of list.getEntries()) {
      if (hadRecentInput) continue;
      const moved = sources.map(({ node }) => node?.outerHTML?.slice(0, 120) ?? node?.nodeName);
      seen.shifts.push({ time: startTime / 1000, value, moved });
    }
  }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => {
    for (const { element, startTime } of list.getEntries()) {
      if (element?.matches("article img")) seen.picture ??= startTime;
    }
  }).observe({ type: "largest-contentful-paint", buffered: true });
  let isThere = false;
  requestAnimationFrame(function frame(now) {
    seen.frames.push(now);
    // What was there in the frame before has been painted.
    if (isThere) seen.article ??= now;
    isThere ||= document.querySelector("article") !== null;
    requestAnimationFrame(frame);
  });
})()"""


def watch(pages: Page | BrowserContext) -> None:
    """Let the pages measure themselves, from the next navigation on."""
    pages.add_init_script(_WATCH)


@dataclass(frozen=True)
class Shift:
    """A layout shift that no input has caused. `moved`: the elements, by their first characters."""

    time: float
    value: float
    moved: list[str]


def shifts(page: Page) -> list[Shift]:
    """The layout shifts so far."""
    return [Shift(**shift) for shift in page.evaluate("window.seen.shifts")]


def layout_shift(found: list[Shift]) -> float:
    """Cumulative Layout Shift: the sum of the worst burst."""
    worst = burst = 0.0
    began = last = float("-inf")
    for shift in found:
        if shift.time - last > _GAP or shift.time - began > _LONGEST_BURST:
            began, burst = shift.time, 0.0
        burst, last = burst + shift.value, shift.time
        worst = max(worst, burst)
    return worst


def elements(page: Page) -> int:
    """How many elements the document has."""
    number: int = page.evaluate("document.querySelectorAll('*').length")
    return number


def script_bytes(page: Page) -> dict[str, int]:
    """The bytes of each script that the page has loaded, as compressed by the server."""
    sizes: dict[str, int] = page.evaluate(
        """Object.fromEntries(
            performance.getEntriesByType("resource")
                .filter(({ name }) => new URL(name).pathname.endsWith(".js"))
                .map(({ name, encodedBodySize }) => [name, encodedBodySize])
        )"""
    )
    return sizes

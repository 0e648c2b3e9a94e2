"""A long home timeline, scrolled through to its end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic
from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from tests.benchmarks.browser import PATIENCE, browser_path, phone_of_reader
from tests.benchmarks.figures import Figure
from tests.benchmarks.requests import Bench
from tests.web.measuring import MOST_SHIFT, elements, layout_shift, shifts, watch

LONG, SPEED = 1_000, 4_000  # posts; pixels a second
SLOWDOWN = 4


def scrolling(bench: Bench) -> Iterator[Figure]:
    """Home scrolled through to its end, by a processor that is four times as slow."""
    browser_path()
    with phone_of_reader(bench, posts=LONG) as phone, phone.context() as context:
        watch(context)
        page = context.new_page()
        page.goto("/")
        expect(page.get_by_role("article").first).to_be_visible()
        session = context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.evaluate("seen.frames.length = 0")
        with _screen(session) as screen:
            most, seconds = _scroll_to_the_end(page, _scroller(page))
        frames = page.evaluate("seen.frames")
        shift = layout_shift(shifts(page))
    yield _of_screen(screen, seconds)
    yield _of_page([time / 1000 for time in frames])
    yield Figure("elements of home, at most", most, "", LONG, at_most=1_000)
    yield Figure("layout shift while scrolling", shift, "", LONG, at_most=MOST_SHIFT)


def _scroller(page: Page) -> Callable[[], object]:
    """A function that scrolls for about a second, as a wheel does."""
    session = page.context.new_cdp_session(page)
    gesture = {"x": 200, "y": 400, "yDistance": -SPEED, "speed": SPEED}
    options = {"gestureSourceType": "mouse", "preventFling": True}
    return lambda: session.send("Input.synthesizeScrollGesture", {**gesture, **options})


def _scroll_to_the_end(page: Page, scroll: Callable[[], object]) -> tuple[int, float]:
    """Returns the most elements that the document had, and for how many seconds it scrolled."""
    most, seconds = 0, 0.0
    end = page.get_by_text("You have seen everything.")
    while end.count() == 0:
        assert seconds < 10 * PATIENCE + LONG
        began = monotonic()
        scroll()
        seconds += monotonic() - began
        most = max(most, elements(page))
    return most, seconds


# --- what the reader sees -------------------------------------------------------------------------


@dataclass
class Screen:
    """The frames of the screen during which the page scrolled, by their numbers.

    The browser moves what it has drawn without the page's scripts, so the screen may show more
    frames than the page makes.
    """

    # Whether each showed something new.
    frames: dict[int, bool] = field(default_factory=dict)
    # Those in which something was still blank.
    blank: set[int] = field(default_factory=set)

    def collect(self, part: Any) -> None:
        """Take the frames of a part of a trace."""
        for event in part["value"]:
            frame = event["args"].get("frame_reporter")
            if frame and frame["scroll_state"] != "SCROLL_NONE":
                self._add(frame)

    def _add(self, frame: Any) -> None:
        number = frame["frame_sequence"]
        is_shown = frame["state"].startswith("STATE_PRESENTED")
        # A frame has two reports if the page's own part of it came later.
        self.frames[number] = self.frames.get(number, False) or is_shown
        if is_shown and frame["has_missing_content"]:
            self.blank.add(number)


@contextmanager
def _screen(session: CDPSession) -> Iterator[Screen]:
    """What the screen shows meanwhile: complete afterwards."""
    screen, is_complete = Screen(), False

    def complete(_: object) -> None:
        nonlocal is_complete
        is_complete = True

    session.on("Tracing.dataCollected", screen.collect)
    session.on("Tracing.tracingComplete", complete)
    categories = {"includedCategories": ["cc", "benchmark"], "excludedCategories": ["*"]}
    session.send("Tracing.start", {"traceConfig": categories, "transferMode": "ReportEvents"})
    yield screen
    session.send("Tracing.end")
    while not is_complete:
        session.send("Schema.getDomains")  # events arrive with the answer


def _of_screen(screen: Screen, seconds: float) -> Figure:
    shown = sum(screen.frames.values())
    return Figure(
        f"{LONG:,} posts scrolled, CPU slowed {SLOWDOWN}x: the screen",
        shown / seconds,
        "frames/s",
        shown,
        at_least=50,
        note=f"of 60 at most; {len(screen.frames) - shown:,} frames came late, "
        f"{len(screen.blank):,} had a blank part",
    )


# --- what the page does ---------------------------------------------------------------------------


def _of_page(times: Sequence[float]) -> Figure:
    began, seconds = times[0], times[-1] - times[0]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    slow = sum(gap > 0.05 for gap in gaps)
    # Whether it becomes slower as the list grows.
    tenths = [0] * 10
    for time in times[:-1]:
        tenths[int(10 * (time - began) / seconds)] += 1
    rates = ", ".join(f"{10 * frames / seconds:.0f}" for frames in tenths)
    return Figure(
        f"{LONG:,} posts scrolled, CPU slowed {SLOWDOWN}x: the page's scripts",
        len(gaps) / seconds,
        "frames/s",
        len(times),
        at_least=50,
        note=f"{seconds:.0f} s, by tenths: {rates}; {slow} frames took over 50 ms, the longest "
        f"{1000 * max(gaps):.0f}",
    )

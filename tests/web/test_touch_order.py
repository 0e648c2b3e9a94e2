"""The files of a new post are put in order by a finger, or by a mouse."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.support.client import Person, wait_until
from tests.web.browsing import DESKTOP, PATIENCE, Visitor, screenshot
from tests.web.test_new_post import picture
from tests.web.test_screens import violations

NAMES = ["one.jpg", "two.jpg", "three.jpg", "four.jpg"]


def with_files(visit: Visitor) -> Page:
    """The page of a new post with four files."""
    visit.opens("/new", "New post")
    files: list[FilePayload] = [{**picture(), "name": name} for name in NAMES]
    visit.page.get_by_label("Choose pictures and videos").set_input_files(files)
    expect(visit.page.get_by_text("Ready")).to_have_count(len(NAMES))
    return visit.page


@pytest.fixture
def author(visitor: Callable[..., Visitor], ada: Person) -> Page:
    """The page on a phone."""
    return with_files(visitor(person=ada))


class Finger:
    """A finger on the screen, which the browser takes for a real one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.browser = page.context.new_cdp_session(page)
        self.at = (0.0, 0.0)

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        self.browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def touches(self, selector: str, place: int) -> None:
        """Touch the middle of an element."""
        box = self.page.locator(selector).nth(place).bounding_box()
        assert box
        self.at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self._send("touchStart", self.at)

    def slides(self, down: float, *, steps: int = 10) -> None:
        """Move down by some pixels."""
        x, y = self.at
        ways = [y + down * step / steps for step in range(steps + 1)]
        for _, there in pairwise(ways):
            self._send("touchMove", (x, there))
        self.at = (x, y + down)

    def lets_go(self) -> None:
        self._send("touchEnd")


def order(page: Page) -> list[str]:
    """The names of the files, in order."""
    texts = page.locator("li[draggable] p:first-of-type").all_inner_texts()
    return [next(name for name in NAMES if name in text) for text in texts]


def height(page: Page) -> float:
    """How far one item is from the next."""
    return float(
        page.evaluate(
            """() => {
                const [one, other] = document.querySelectorAll("li[draggable]");
                return other.getBoundingClientRect().top - one.getBoundingClientRect().top;
            }"""
        )
    )


def test_a_handle_drags_a_file_to_its_place(author: Page) -> None:
    finger, far = Finger(author), height(author)
    author.evaluate("scrollTo(0, 120)")
    before = author.evaluate("scrollY")
    finger.touches(".handle", 0)
    finger.slides(2 * far)
    screenshot(author, "drag-phone")
    finger.lets_go()
    assert order(author) == ["two.jpg", "three.jpg", "one.jpg", "four.jpg"]
    assert author.evaluate("scrollY") == before
    finger.touches(".handle", 2)
    finger.slides(-far)
    finger.slides(-far)
    finger.slides(far)
    finger.lets_go()
    assert order(author) == ["two.jpg", "one.jpg", "three.jpg", "four.jpg"]
    assert violations(author) == []


def test_beside_the_handle_a_finger_scrolls(author: Page) -> None:
    finger = Finger(author)
    finger.touches("li[draggable] img", 1)
    finger.slides(-200)
    finger.lets_go()
    wait_until(lambda: author.evaluate("scrollY") > 100, PATIENCE / 1000)
    assert order(author) == NAMES


def test_at_the_edge_of_the_window_the_page_scrolls(author: Page) -> None:
    author.set_viewport_size({"width": 390, "height": 500})
    author.evaluate("document.querySelector('li[draggable]').scrollIntoView({block: 'center'})")
    finger = Finger(author)
    finger.touches(".handle", 0)
    _, y = finger.at
    finger.slides(480 - y)
    wait_until(lambda: order(author)[-1] == "one.jpg", PATIENCE / 1000)
    finger.slides(20 - 480)
    wait_until(lambda: order(author)[0] == "one.jpg", PATIENCE / 1000)
    finger.lets_go()
    assert order(author) == NAMES


def test_a_mouse_drags_a_file_to_its_place(visitor: Callable[..., Visitor], ada: Person) -> None:
    page = with_files(visitor(person=ada, viewport=DESKTOP))
    items = page.locator("li[draggable]")
    for grip in ("img", ".handle"):
        items.nth(0).locator(grip).drag_to(items.nth(2).locator("img"))
        items.nth(2).locator(grip).drag_to(items.nth(3).locator("img"))
    assert order(page) == ["three.jpg", "four.jpg", "one.jpg", "two.jpg"]
    screenshot(page, "order-desktop")

"""What is done with a mouse or fingers: dropping, pasting, dragging, swiping, tapping, pulling."""

import base64
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import JSHandle, Locator, Page, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import DESKTOP, PATIENCE, Visitor
from tests.web.offline import article, like, likes, waits_until_stored

Point = tuple[float, float]
# Such as a file manager's, or the system's clipboard.
DATA_TRANSFER = """({ names, content }) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    for (const name of names) data.items.add(new File([bytes], name, { type: "image/jpeg" }));
    return data;
}"""
PASTE = """(data) => document.activeElement.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
)"""


def files(page: Page, *names: str) -> JSHandle:
    """Pictures with these names, as a browser hands them over."""
    content = base64.b64encode(jpeg_with_gps()).decode()
    return page.evaluate_handle(DATA_TRANSFER, {"names": names, "content": content})


def item(page: Page, place: str) -> Locator:
    """The file at a place, such as `1 of 2`."""
    return page.get_by_role("listitem").filter(has_text=place)


def drag_finger(page: Page, *points: Point) -> None:
    """Put a finger down at the first point, and lift it at the last."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
    for kind, (x, y) in zip(kinds, points, strict=True):
        touch = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
        session.send("Input.dispatchTouchEvent", touch)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def line(start: Point, end: Point, steps: int = 10) -> list[Point]:
    """Points on a line, with both ends."""
    (x, y), (to_x, to_y) = start, end
    parts = [step / steps for step in range(steps + 1)]
    return [(x + (to_x - x) * part, y + (to_y - y) * part) for part in parts]


def centre(element: Locator) -> Point:
    """The middle of an element, in the window."""
    box = element.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def rests_at(pictures: Locator, number: int) -> bool:
    """Whether a carousel shows exactly one picture."""
    scrolled, width = pictures.evaluate("list => [list.scrollLeft, list.clientWidth]")
    return bool(scrolled == (number - 1) * width)


def has_seen(page: Page, double_taps: int) -> bool:
    """Whether the page was told of so many double taps or clicks."""
    return bool(page.evaluate("window.seen") == double_taps)


@pytest.fixture
def author(visitor: Callable[..., Visitor], ada: Person) -> Page:
    """The page of a new post, on a desktop."""
    visit: Visitor = visitor(person=ada, viewport=DESKTOP)
    visit.opens("/new", "New post")
    return visit.page


def test_files_are_dropped(author: Page) -> None:
    data = files(author, "tide.jpg", "gulls.jpg")
    author.get_by_label("Caption").dispatch_event("drop", {"dataTransfer": data})
    for place, name in (("1 of 2", "tide.jpg"), ("2 of 2", "gulls.jpg")):
        expect(item(author, place)).to_contain_text(name)
        expect(item(author, place)).to_contain_text("Ready")


def test_files_are_pasted(author: Page) -> None:
    author.get_by_label("Caption").focus()
    author.evaluate(PASTE, files(author, "tide.jpg"))
    expect(item(author, "1 of 1")).to_contain_text("tide.jpg")
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    # A text is the field's.
    author.evaluate(PASTE, files(author))
    expect(author.get_by_role("listitem").filter(has_text="1 of 1")).to_have_count(1)


def test_files_are_put_in_order_with_a_mouse(author: Page) -> None:
    names = ("tide.jpg", "gulls.jpg", "pier.jpg")
    author.get_by_label("Caption").dispatch_event("drop", {"dataTransfer": files(author, *names)})
    for place in ("1 of 3", "2 of 3", "3 of 3"):
        expect(item(author, place)).to_contain_text("Ready")
    item(author, "3 of 3").locator("img").hover()
    author.mouse.down()
    for place in ("2 of 3", "1 of 3"):
        author.mouse.move(*centre(item(author, place).locator("img")), steps=5)
    author.mouse.up()
    for place, name in (("1 of 3", "pier"), ("2 of 3", "tide"), ("3 of 3", "gulls")):
        expect(item(author, place)).to_contain_text(name)


def test_a_post_of_two_pictures_is_swiped(visitor: Callable[..., Visitor], ada: Person) -> None:
    media = [ada.upload(jpeg_with_gps((640, 640)))["id"] for _ in range(2)]
    assert ada.http.post("/api/v1/posts", json={"media": media}).status_code == 201
    reader = visitor(person=ada)
    reader.opens("/")
    pictures = reader.page.get_by_role("list", name="Pictures and videos")
    place = article(reader.page).get_by_text(re.compile(r"^\d/2$"))
    expect(place).to_have_text("1/2")
    x, y = centre(pictures)
    for to, number in ((-150, 2), (150, 1)):
        drag_finger(reader.page, *line((x - to, y), (x + to, y)))
        expect(place).to_have_text(f"{number}/2")
        wait_until(partial(rests_at, pictures, number), PATIENCE / 1000)


@pytest.mark.parametrize("by", ["finger", "mouse"])
def test_a_double_tap_likes_and_never_takes_a_like_back(
    visitor: Callable[..., Visitor], ada: Person, by: str
) -> None:
    post: Any = ada.post("Low tide.", jpeg_with_gps((640, 640)))
    reader = visitor(person=ada)
    page = reader.page
    reader.opens("/")
    page.evaluate("addEventListener('dblclick', () => (window.seen = (window.seen ?? 0) + 1))")
    picture = article(page).locator("picture img")
    picture.scroll_into_view_if_needed()
    expect(like(page)).to_have_attribute("aria-pressed", "false")
    # Far from each other: they are two double taps, not four taps.
    for seen, (x, y) in enumerate([(50, 50), (300, 300)], start=1):
        if by == "mouse":
            picture.dblclick(position={"x": x, "y": y})
        else:
            box = picture.bounding_box()
            assert box
            for _ in range(2):
                page.touchscreen.tap(box["x"] + x, box["y"] + y)
        wait_until(partial(has_seen, page, seen), PATIENCE / 1000)
        waits_until_stored(page, 0)
        expect(like(page)).to_have_attribute("aria-pressed", "true")
        assert likes(ada, post) == 1


def test_pulling_down_shows_what_has_come(reader: Visitor, ada: Person, bea: Person) -> None:
    page = reader.page
    expect(article(page)).to_have_count(1)
    new = bea.post("High tide.", jpeg_with_gps())
    wait_until(lambda: new["id"] in ada.home_ids(), PATIENCE / 1000)
    x, y = centre(page.get_by_role("heading", name="socialfeed"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # A little is not enough.
    drag_finger(page, *line((x, y), (x, y + 60)))
    page.evaluate("new Promise(requestAnimationFrame)")
    assert not [url for url in asked if "/timeline/home" in url]
    drag_finger(page, *line((x, y), (x, y + 200)))
    expect(article(page).first).to_contain_text("High tide.")
    expect(article(page)).to_have_count(2)

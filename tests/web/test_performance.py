"""What home costs a phone, apart from time: bytes of script, layout shifts, elements.

`make bench ARGS="--only first-feed,lighthouse,scrolling"` measures the times.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from tests.support.client import Person, wait_until
from tests.support.feeds import make_follow
from tests.support.images import jpeg_with_gps
from tests.support.photo_posts import make_photo_posts, photos
from tests.web.browsing import PATIENCE, Visitor, hold
from tests.web.measuring import (
    MOST_SHIFT,
    Shift,
    elements,
    layout_shift,
    script_bytes,
    shifts,
    watch,
)
from tests.web.offline import article

POSTS = 120
MOST_SCRIPT = 60_000  # bytes
# Those of some twenty posts, and of what is in the place of others.
MOST_ELEMENTS = 600


def make_home(reader: Person, followed: Person, authors: list[Person]) -> None:
    """Posts by these authors, with photos of three shapes, of whom the reader follows one."""

    def make() -> None:
        make_photo_posts([int(author.id) for author in authors], len(authors), of=photos(3))
        make_follow([reader], [int(followed.id)])
        connections.close_all()

    # The browser's thread has an event loop, and Django's ORM refuses to work there.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(make).result()


@pytest.fixture
def long_home(committed: None, ada: Person, bea: Person) -> Person:
    """ada, who follows bea, who has many posts."""
    make_home(ada, bea, [bea] * POSTS)
    return ada


def scroll_to_the_end(page: Page) -> int:
    """Returns the most elements that the document had."""
    most = 0
    end = page.get_by_text("You have seen everything.")

    def is_at_the_end() -> bool:
        nonlocal most
        page.mouse.wheel(0, 700)
        most = max(most, elements(page))
        return bool(end.count()) and end.is_visible()

    page.mouse.move(200, 400)
    wait_until(is_at_the_end, 8 * PATIENCE / 1000)
    return most


@pytest.mark.parametrize(
    ("found", "total"),
    [
        ([], 0),
        ([(0.0, 0.1), (0.9, 0.1)], 0.2),
        ([(0.0, 0.1), (1.1, 0.2)], 0.2),  # two bursts: the worse one counts
        ([(0.0, 0.3), (1.1, 0.2)], 0.3),
        ([(0.9 * place, 0.1) for place in range(8)], 0.6),  # a burst takes 5 s at most
    ],
)
def test_layout_shift_is_that_of_the_worst_burst(
    found: list[tuple[float, float]], total: float
) -> None:
    assert layout_shift([Shift(time, value, []) for time, value in found]) == pytest.approx(total)


def test_home_takes_little_script(reader: Visitor) -> None:
    sizes = script_bytes(reader.page)
    assert sizes
    assert all(sizes.values()), "not all were measured"
    assert sum(sizes.values()) <= MOST_SCRIPT, sizes


def test_home_is_asked_for_once_and_before_the_client_has_loaded(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    ada.follow(bea)
    bea.post("Early.", jpeg_with_gps())
    page = visitor(person=ada).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    held = hold(page, "**/assets/start-*.js")
    page.goto("/", wait_until="commit")

    def is_asked_early() -> bool:
        page.evaluate("null")  # Playwright takes requests in while it is used
        return "/api/v1/timeline/home" in asked

    wait_until(is_asked_early, PATIENCE / 1000)
    assert held
    assert "/api/v1/users/me" not in asked
    for route in held:
        route.continue_()
    expect(article(page)).to_have_count(1)
    page.wait_for_load_state("networkidle")
    assert asked.count("/api/v1/timeline/home") == 1
    assert asked.count("/_allauth/app/v1/tokens/refresh") == 1


def test_who_is_not_logged_in_asks_for_no_home(visitor: Callable[..., Visitor]) -> None:
    stranger = visitor()
    asked: list[str] = []
    stranger.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    stranger.opens("/", "Log in")
    stranger.page.wait_for_load_state("networkidle")
    assert asked.count("/_allauth/app/v1/tokens/refresh") == 1
    assert "/api/v1/timeline/home" not in asked


def test_a_long_home_has_few_elements_and_nothing_in_it_moves(
    visitor: Callable[..., Visitor], long_home: Person
) -> None:
    reader = visitor(person=long_home)
    watch(reader.page)
    reader.opens("/")
    expect(article(reader.page).first).to_be_visible()
    most = scroll_to_the_end(reader.page)
    assert article(reader.page).last.is_visible()
    assert most <= MOST_ELEMENTS
    found = shifts(reader.page)
    assert layout_shift(found) <= MOST_SHIFT, found


@pytest.mark.usefixtures("committed")
def test_when_home_begins_anew_posts_may_be_between_those_that_were_there(
    visitor: Callable[..., Visitor], signed_up: Callable[[str], Person], ada: Person, bea: Person
) -> None:
    carl = signed_up("carl")
    # The second one follows twenty posts, and comes before the twentieth of bea's.
    start = [*[bea] * 10, carl, *[bea] * 9, carl]
    authors = [*start, *[bea] * 20, *reversed(start)]
    make_home(ada, bea, authors)
    reader = visitor(person=ada)
    reader.opens("/")
    expect(article(reader.page).first).to_be_visible()
    scroll_to_the_end(reader.page)
    other = reader.new_tab()
    other.opens(f"/u/{carl.username}", carl.username)
    other.page.get_by_role("button", name="Follow", exact=True).click()
    wait_until(lambda: len(ada.home_ids()) == len(authors), PATIENCE / 1000)
    reader.page.bring_to_front()
    reader.page.evaluate("scrollTo(0, 0)")
    reader.page.get_by_role("button", name="Refresh").click()
    expect(reader.page.get_by_text("You have seen everything.")).to_have_count(0)
    # An error of the page would be a complaint.
    scroll_to_the_end(reader.page)


def test_the_first_picture_has_the_network_for_itself(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    ada.follow(bea)
    for number in range(3):
        bea.post(f"No. {number}", jpeg_with_gps())
    page = visitor(person=ada).page
    held = hold(page, "**/public/media/**")

    def is_asked_for(number: int) -> bool:
        page.evaluate("null")  # Playwright takes requests in while it is used
        return len(held) == number

    page.goto("/", wait_until="commit")
    expect(article(page)).to_have_count(3)
    expect(article(page).first.locator("canvas")).to_be_visible()
    wait_until(lambda: is_asked_for(1), PATIENCE / 1000)
    page.wait_for_timeout(1000)
    assert is_asked_for(1)
    # It may never come, so the others do not wait for ever.
    wait_until(lambda: is_asked_for(3), PATIENCE / 1000)
    for route in held:
        route.continue_()
    # Placeholders are there no longer than they are seen.
    expect(page.locator("canvas")).to_have_count(0)


def test_other_pictures_come_as_soon_as_the_first_is_there(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    ada.follow(bea)
    for number in range(3):
        bea.post(f"No. {number}", jpeg_with_gps())
    reader = visitor(person=ada)
    reader.opens("/")
    expect(reader.page.locator("article img")).to_have_count(3, timeout=2000)

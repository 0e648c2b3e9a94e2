"""A file of a new post that was cut off goes on after a reload, with the parts that lack."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, Request, Response, Route, expect

from devstack.lifecycle import Stack
from media.incoming import PART_BYTES
from tests.support.client import Person
from tests.support.images import jpeg_with_gps
from tests.web.browsing import Visitor
from tests.web.test_drafts import choose, item, waits_for_stored
from tests.web.test_new_post import ANNOUNCED

PART = re.compile(r"[?&]partNumber=(\d+)")
SECOND_PART = re.compile(r"[?&]partNumber=2\b")
SENDING = re.compile(r"/api/v1/media/uploads/\d+$")


class Store:
    """What the object store has taken from a browser."""

    def __init__(self, page: Page) -> None:
        self.parts: list[int] = []
        self.announced = 0
        page.context.on("response", self._note)

    def _note(self, answer: Response) -> None:
        part = PART.search(answer.url)
        if part and answer.request.method == "PUT" and answer.ok:
            self.parts.append(int(part[1]))
        elif answer.request.method == "POST" and ANNOUNCED.search(answer.url):
            self.announced += 1


@pytest.fixture
def author(visitor: Callable[..., Visitor], ada: Person) -> Page:
    """The page of a new post."""
    visit: Visitor = visitor(person=ada)
    visit.opens("/new", "New post")
    return visit.page


def choose_large(page: Page) -> None:
    """Choose a picture of three parts."""
    content = jpeg_with_gps((1600, 1200)) + bytes(2 * PART_BYTES)
    large: FilePayload = {"name": "tide.jpg", "mimeType": "image/jpeg", "buffer": content}
    page.get_by_label("Choose pictures and videos").set_input_files(large)


def test_a_large_file_goes_on_after_a_reload(author: Page) -> None:
    store = Store(author)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        held.append(route)

    # The page is left while the second part is on its way.
    author.route(SECOND_PART, hold_the_first)
    with author.expect_request(SECOND_PART):
        choose_large(author)
    waits_for_stored(author, drafts=1, files=1)
    author.reload()
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    assert len(held) == 2
    assert (store.parts, store.announced) == ([1, 2, 3], 1)


def test_a_large_file_goes_on_by_itself_when_the_network_is_back(author: Page) -> None:
    # On the second visit, the service worker has what this page needs.
    author.evaluate("navigator.serviceWorker.ready.then(() => null)")
    author.reload()
    expect(author.get_by_label("Caption")).to_be_visible()
    store = Store(author)
    author.route(SECOND_PART, lambda route: route.abort())
    choose_large(author)
    expect(item(author, "1 of 1")).to_contain_text("no connection")
    waits_for_stored(author, drafts=1, files=1)
    author.context.set_offline(True)
    author.unroute(SECOND_PART)
    author.reload()
    expect(item(author, "1 of 1")).to_contain_text("no connection")
    author.context.set_offline(False)
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    assert (store.parts, store.announced) == ([1, 2, 3], 1)


def test_a_small_file_is_sent_again_after_a_reload(author: Page, stack: Stack) -> None:
    def is_store(url: str) -> bool:
        return not url.startswith(stack.layout.public_origin)

    store = Store(author)
    author.route(is_store, lambda route: route.abort())
    choose(author, "tide.jpg")
    expect(item(author, "1 of 1")).to_contain_text("no connection")
    waits_for_stored(author, drafts=1, files=1)
    author.unroute(is_store)
    author.reload()
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    assert store.announced == 1


def test_a_large_file_on_a_slow_link_gets_new_addresses(author: Page) -> None:
    """The first ones hold for ten minutes only."""
    store = Store(author)
    asked: list[str] = []
    author.clock.install()

    def note(request: Request) -> None:
        if SENDING.search(request.url):
            asked.append(request.method)

    def take_long(route: Route) -> None:
        author.clock.fast_forward("06:00")
        route.continue_()

    author.on("request", note)
    author.route(SECOND_PART, take_long, times=1)
    choose_large(author)
    expect(item(author, "1 of 1")).to_contain_text("Ready")
    assert store.parts == [1, 2, 3]
    assert asked == ["GET"]

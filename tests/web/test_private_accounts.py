"""Private accounts in a browser: the switch, the requests, and what strangers see meanwhile."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.web.browsing import Visitor
from tests.web.test_screens import check

HINT = "Follow it to see its posts. It decides who may."


@pytest.fixture
def ada(signed_up: Callable[[str], Person]) -> Person:
    """Somebody with a post."""
    person = signed_up("ada")
    person.post("Low tide.", jpeg_with_gps())
    return person


@pytest.fixture
def bea(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("bea")


def go_private(person: Person) -> None:
    assert person.http.patch("/api/v1/users/me", json={"is_private": True}).is_success


def row(page: Page, person: Person) -> Locator:
    return page.get_by_role("listitem").filter(has_text=person.username)


def test_an_account_becomes_private_and_lets_somebody_in(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    owner, asking = visitor(person=ada), visitor(person=bea)
    owner.opens("/settings/privacy", "Privacy")
    switch = owner.page.get_by_role("switch", name="Private account")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(owner.page.get_by_text("Your account is private.")).to_be_visible()
    owner.page.reload()
    expect(switch).to_be_checked()
    check(owner.page, "settings-privacy-on")

    asking.opens(f"/u/{ada.username}", ada.username)
    expect(asking.page.get_by_text(HINT)).to_be_visible()
    expect(asking.page.get_by_role("link", name="1 follower")).to_have_count(0)
    check(asking.page, "profile-private")
    button = asking.page.get_by_role("button", name="Follow", exact=True)
    button.click()
    requested = asking.page.get_by_role("button", name="Requested")
    expect(requested).to_be_visible()
    # The button says so before the server does.
    wait_until(lambda: bool(bea.get(f"/users/{ada.username}")["viewer"]["requested"]))
    asking.page.reload()
    expect(requested).to_be_visible()
    requested.click()
    expect(button).to_be_visible()
    button.click()
    expect(requested).to_be_visible()
    wait_until(lambda: bool(bea.get(f"/users/{ada.username}")["viewer"]["requested"]))
    asking.opens(f"/search?q={ada.username}")
    expect(row(asking.page, ada).get_by_role("button", name="Requested")).to_be_visible()

    owner.opens(f"/u/{ada.username}", ada.username)
    owner.page.get_by_role("link", name="Follow requests").click()
    expect(row(owner.page, bea)).to_be_visible()
    check(owner.page, "settings-requests-one")
    row(owner.page, bea).get_by_role("button", name="Accept").click()
    expect(owner.page.get_by_text("Nobody asks to follow you.")).to_be_visible()

    asking.opens(f"/u/{ada.username}", ada.username)
    expect(asking.page.get_by_role("button", name="Following")).to_be_visible()
    picture = asking.page.get_by_role("main").locator("li a img")
    expect(picture).to_be_visible()
    wait_until(lambda: picture.evaluate("(image) => image.naturalWidth > 0"))
    check(asking.page, "profile-private-let-in")


def test_a_request_is_declined(visitor: Callable[..., Visitor], ada: Person, bea: Person) -> None:
    go_private(ada)
    bea.http.put(f"/api/v1/users/{ada.username}/follow")
    owner = visitor(person=ada)
    owner.opens("/settings/requests", "Follow requests")
    row(owner.page, bea).get_by_role("button", name="Decline").click()
    expect(owner.page.get_by_text("Nobody asks to follow you.")).to_be_visible()
    asked = bea.get(f"/users/{ada.username}")["viewer"]
    assert (asked["following"], asked["requested"]) == (False, False)


def test_a_picture_whose_address_has_ended_is_read_anew(
    visitor: Callable[..., Visitor], ada: Person, bea: Person
) -> None:
    """As when the page was open for longer than the address held."""
    bea.follow(ada)
    go_private(ada)
    (post,) = bea.get("/timeline/home")["results"]
    old = post["media"][0]["url"]
    wait_until(lambda: httpx.get(old.partition("?")[0]).status_code in (403, 404))
    reader = visitor(person=bea)
    ended: list[str] = []

    def end_once(route: Route) -> None:
        if ended:
            route.continue_()
        else:
            ended.append(route.request.url)
            route.fulfill(status=403)

    reader.page.route("**/withheld/**", end_once)
    is_read_anew = re.compile(f"/api/v1/posts/{post['id']}$")
    with reader.page.expect_request(is_read_anew):
        reader.opens("/")
    assert ended
    picture = reader.page.get_by_role("article").locator("picture img")
    wait_until(lambda: picture.evaluate("(image) => image.naturalWidth > 0"))
